/* The commands as a table: one row a command, one file a command. */
#ifndef TUI_COMMAND_H
#define TUI_COMMAND_H

#include "engine/client/clowder.h"
#include "tui/opt.h"

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

/* help.c */
void help_all(void);
void help_command(const struct command *c);

/* say.c */
/* One line on stderr: what, why, what to do next. Returns the exit status. */
int say_error(const struct clowder_error *err);
int say(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A handle with our way to tell notices; NULL after a line on stderr. */
struct clowder *open_client(bool no_start);
bool stderr_is_terminal(void);
/* The profile named as a word (or NULL); usage when there are more words. */
int one_word(const struct opts *o, const char **word);

int cmd_up(const struct opts *o, bool json);
int cmd_down(const struct opts *o, bool json);
int cmd_status(const struct opts *o, bool json);
int cmd_map(const struct opts *o, bool json);
int cmd_run(const struct opts *o, bool json);
int cmd_everywhere(const struct opts *o, bool json);
int cmd_with(const struct opts *o, bool json);
int cmd_engine(const struct opts *o, bool json);
int cmd_bench(const struct opts *o, bool json);
int cmd_log(const struct opts *o, bool json);
int cmd_completion(const struct opts *o, bool json);
int cmd_help(const struct opts *o, bool json);
int cmd_version(const struct opts *o, bool json);

#endif
