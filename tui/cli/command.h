/* The commands as a table: one row a command, one file a command. */
#ifndef TUI_CLI_COMMAND_H
#define TUI_CLI_COMMAND_H

#include "engine/client/clowder.h"
#include "tui/cli/opt.h"

/* Help for --json of what prints results. */
#define RESULTS_JSON_HELP "one object per result; NAME_base64 replaces text that is not UTF-8"

struct command {
    const char *name;
    const char *args; /* after the options, for help */
    const char *summary;
    const char *examples; /* lines, for the top of --help */
    const struct opt *options;
    bool stop_at_word; /* a command of the user's follows */
    int (*run)(const struct opts *o, bool json);
};

extern const struct command commands[]; /* ends with a NULL name */
const struct command *command_find(const char *name);

/* A noun and what can be done with it: "host" and its commands "host add", "host list", ... */
struct noun {
    const char *name, *summary, *examples;
    const struct command *verbs; /* ends with a NULL name; the others are called "NOUN VERB" */
};

extern const struct noun nouns[]; /* ends with a NULL name */
const struct noun *noun_find(const char *name);
const struct command *noun_verb(const struct noun *n, const char *verb);
/* "add" of "host add". */
const char *command_verb(const struct command *c);

/* help.c */
void help_all(void);
void help_command(const struct command *c);
void help_noun(const struct noun *n);
/* A line about a word that is no command, or no verb of n (may be NULL); returns 2. */
int unknown_command(const struct noun *n, const char *word);

/* say.c */
/* One line on stderr: what, why, what to do next. Returns the exit status. */
int say_error(const struct clowder_error *err);
int say(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* True when all that was printed is out; else that has been told, once. */
bool stdout_is_good(void);
/* How to call it in messages from now on: it is a file. Borrowed. */
void stdout_is(const char *name);
/* What to say besides when stdout cannot be written: what is so nevertheless. */
void stdout_lost(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A handle with our way to tell notices; NULL after a line on stderr. */
struct clowder *open_client(bool no_start);
bool stderr_is_terminal(void);
/* The profile named as a word or by -p (or NULL); usage when there are more words. */
int one_word(const struct opts *o, const char **word);

int cmd_up(const struct opts *o, bool json);
int cmd_down(const struct opts *o, bool json);
int cmd_simulate(const struct opts *o, bool json);
int cmd_status(const struct opts *o, bool json);
int cmd_map(const struct opts *o, bool json);
int cmd_submit(const struct opts *o, bool json);
int cmd_run(const struct opts *o, bool json);
int cmd_everywhere(const struct opts *o, bool json);
int cmd_launch(const struct opts *o, bool json);
int cmd_scale(const struct opts *o, bool json);
int cmd_with(const struct opts *o, bool json);
int cmd_engine(const struct opts *o, bool json);
int cmd_bench(const struct opts *o, bool json);
int cmd_log(const struct opts *o, bool json);
int cmd_completion(const struct opts *o, bool json);
int cmd_help(const struct opts *o, bool json);
int cmd_version(const struct opts *o, bool json);
int cmd_doctor(const struct opts *o, bool json);
int cmd_export(const struct opts *o, bool json);
int cmd_import(const struct opts *o, bool json);

int cmd_host_add(const struct opts *o, bool json);
int cmd_host_edit(const struct opts *o, bool json);
int cmd_host_list(const struct opts *o, bool json);
int cmd_host_show(const struct opts *o, bool json);
int cmd_host_remove(const struct opts *o, bool json);
int cmd_host_import(const struct opts *o, bool json);
int cmd_host_probe(const struct opts *o, bool json);
int cmd_host_trust(const struct opts *o, bool json);
int cmd_host_unlock(const struct opts *o, bool json);
int cmd_host_forget(const struct opts *o, bool json);
int cmd_host_retry(const struct opts *o, bool json);
int cmd_host_shell(const struct opts *o, bool json);
int cmd_host_wake(const struct opts *o, bool json);
int cmd_host_scan(const struct opts *o, bool json);
int cmd_host_clean(const struct opts *o, bool json);

int cmd_profile_set(const struct opts *o, bool json);
int cmd_profile_list(const struct opts *o, bool json);
int cmd_profile_show(const struct opts *o, bool json);
int cmd_profile_remove(const struct opts *o, bool json);

int cmd_job_list(const struct opts *o, bool json);
int cmd_job_show(const struct opts *o, bool json);
int cmd_job_cancel(const struct opts *o, bool json);
int cmd_job_retry(const struct opts *o, bool json);
int cmd_job_save(const struct opts *o, bool json);
int cmd_job_wait(const struct opts *o, bool json);
int cmd_job_collect(const struct opts *o, bool json);
int cmd_job_remove(const struct opts *o, bool json);
int cmd_job_prune(const struct opts *o, bool json);

#endif
