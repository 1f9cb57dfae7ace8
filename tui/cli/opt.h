/* Options of a command as data: the same table parses, makes --help, completions and near misses. */
#ifndef TUI_CLI_OPT_H
#define TUI_CLI_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct opt {
    const char *name;  /* long name, without dashes */
    char letter;       /* or 0 */
    const char *value; /* what it takes, for help ("N", "FILE"); NULL: a switch */
    const char *help;
};

struct opt_given {
    const struct opt *opt;
    const char *value;
};

struct opts {
    const char *command; /* for messages */
    struct opt_given *given;
    size_t given_count;
    char **words; /* what is not an option; borrowed from argv */
    size_t word_count;
    bool help;
};

/* Parses argv[0..argc). With stop_at_word options end at the first word (the rest is somebody else's command); "--"
 * always ends them. 0, or exit status 2 after one line on stderr. */
int opts_parse(struct opts *o, const char *command, const struct opt *table, int argc, char **argv, bool stop_at_word);
void opts_fini(struct opts *o);

bool opts_has(const struct opts *o, const char *name);
size_t opts_count(const struct opts *o, const char *name); /* how often it was given */
/* The last value given, or otherwise. */
const char *opts_text(const struct opts *o, const char *name, const char *otherwise);
/* All values given, NULL-terminated; owned (the array alone). NULL when there are none. */
const char **opts_all(const struct opts *o, const char *name);
/* Parsed values; leave *value alone when the option was not given. 0, or 2 after one line on stderr. */
int opts_int(const struct opts *o, const char *name, int64_t min, int64_t max, int64_t *value);
int opts_duration(const struct opts *o, const char *name, uint64_t *ms);
int opts_size(const struct opts *o, const char *name, uint64_t *bytes);
/* Those of a profile's settings that are given, into s, checked. */
struct store_settings;
int opts_settings(const struct opts *o, struct store_settings *s);
/* The same as "NAME=VALUE", for libclowder; NULL-terminated, owned with its texts. */
char **opts_settings_texts(const struct opts *o);
/* In a table: here are the options of a profile's settings that a command has (STORE_UP or STORE_SET of
 * store/profile_setting.h). opts_whole() gives the table with them in this place, borrowed; other tables as they are.
 */
#define OPT_SETTINGS(where)                                                                                            \
    {                                                                                                                  \
        "", where, NULL, NULL                                                                                          \
    }
const struct opt *opts_whole(const struct opt *table);

#endif
