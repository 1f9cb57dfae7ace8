/* The settings of a profile that are a number, a yes or no, or hours: one row each. Out of the rows come the columns of
 * the store, the keys of JSON, the options of 'up' and 'profile set' with their help and completion, the fields of the
 * form, the lines of 'profile show', and what daemons are told. docs/architecture.md, "A setting is one row". Needs the
 * base alone: the daemon has these rows too. */
#ifndef STORE_PROFILE_SETTING_H
#define STORE_PROFILE_SETTING_H

#include "base/err.h"
#include "base/hours.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_SPAN_MAX_MS 315360000000u /* ten years */
#define STORE_SEED_NONE UINT64_MAX      /* there is no seed */
enum {
    STORE_NICE_MAX = 19,
    STORE_PARTS_MAX = 1000,
    STORE_PERMILLE_MAX = 1000 * STORE_PARTS_MAX,
    STORE_INDICES_MAX = 63
};

/* What a value is, and how it is written. All are a uint64_t, but HOURS. */
enum store_setting_type {
    STORE_TYPE_COUNT,    /* 9 */
    STORE_TYPE_SPAN,     /* 10m: milliseconds, at most ten years */
    STORE_TYPE_BYTES,    /* 512M */
    STORE_TYPE_PERMILLE, /* 0.5: thousandths */
    STORE_TYPE_FLAG,     /* yes or no: 1 or 0 */
    STORE_TYPE_INDICES,  /* 0,2: bits, at most 63 (JSON: a list of numbers); 0 is none */
    STORE_TYPE_SEED,     /* 0 or more, or STORE_SEED_NONE (JSON: null) */
    STORE_TYPE_HOURS     /* 22:00-06:00: char[HOURS_SIZE], of base/hours.h */
};

/* When a daemon is told: as it is welcomed, and another value replaces it; or at any time, and it follows. */
enum store_told { STORE_TOLD_NEVER, STORE_TOLD_WELCOME, STORE_TOLD_TERMS };

/* Which commands have the option. */
enum store_where { STORE_UP = 1, STORE_SET = 2, STORE_HOST = 4 };

/* Where the form has the field, in this order. */
enum store_form { STORE_FORM_NOWHERE, STORE_FORM_TOP, STORE_FORM_LIMITS, STORE_FORM_MANNERS };

struct store_setting_option {
    const char *name; /* without dashes */
    unsigned where;   /* of enum store_where, or-ed */
    const char *help;
};

struct store_setting_row {
    const char *key; /* of JSON */
    const char *column;
    size_t offset; /* in struct store_settings */
    enum store_setting_type type;
    bool is_stored;
    uint64_t otherwise; /* the default; of HOURS it is "" */
    uint64_t most;      /* 0: as much as the type has */
    uint64_t least;     /* of what is not 0 */
    const char *wrong;  /* what is told of a value out of this range; NULL: what the type says */
    const char *hint;
    const char *what; /* of PERMILLE: the thing that is counted */
    /* on: takes the value, of a flag yes; off: of a flag no, of a seed none. The name of on, which may be nowhere an
     * option, is also that of the setting in libclowder. */
    struct store_setting_option on, off;
    enum store_told told;
    unsigned wire; /* the field's number, when it is told: free among enum wire_key in engine/wire/wire.h, 27 to 99 */
    struct {
        enum store_form section;
        const char *label, *hint;
    } form;
    struct { /* of profile show, when it is not the default: label, before VALUE after; label NULL: no line */
        const char *label, *before, *after;
    } show;
};

/* X(field, TYPE, default, key, the rest of the row by name). Their order is that of options, columns and lines. */
#define STORE_SETTINGS_STORED(X)                                                                                       \
    X(per_gpu, FLAG, 0, per_gpu,                                                                                       \
        .on = {"per-gpu", STORE_UP | STORE_SET,                                                                        \
            "one daemon for each GPU of the hosts given with --on, or of this machine"},                               \
        .off = {"no-per-gpu", STORE_SET, "as many daemons as --on says"}, .told = STORE_TOLD_WELCOME, .wire = 28,      \
        .form = {STORE_FORM_TOP, "One per GPU", "one GPU per daemon; 0 below: one daemon per GPU"},                    \
        .show = {"per GPU", "yes", ""})                                                                                \
    X(shared_gpu, FLAG, 0, shared_gpu,                                                                                 \
        .on = {"shared-gpu", STORE_UP | STORE_SET, "with --per-gpu: a GPU may have several daemons, and other users"}, \
        .off = {"no-shared-gpu", STORE_SET, "a daemon waits for a GPU that nobody uses (the default)"},                \
        .told = STORE_TOLD_WELCOME, .wire = 29,                                                                        \
        .form = {STORE_FORM_TOP, "Shared GPUs", "several daemons each, and other users"},                              \
        .show = {"shared GPUs", "yes", ""})                                                                            \
    X(gpus, INDICES, 0, gpus, .wrong = "GPUs are numbers from 0 to 62",                                                \
        .on = {"gpus", STORE_UP | STORE_SET | STORE_HOST,                                                              \
            "with --per-gpu: only these GPUs of each machine: 0,2 (\"\": all)"},                                       \
        .told = STORE_TOLD_WELCOME, .wire = 30, .form = {STORE_FORM_TOP, "GPUs", "only these: 0,2; empty: all"},       \
        .show = {"GPUs", "", ""})                                                                                      \
    X(idletime_ms, SPAN, 0, idletime_ms,                                                                               \
        .on = {"idletime", STORE_UP | STORE_SET, "a daemon leaves after this long without work (0: never)"},           \
        .told = STORE_TOLD_WELCOME, .wire = 11, .form = {STORE_FORM_LIMITS, "Idle time", "leave when idle for: 10m"},  \
        .show = {"idletime", "", ""})                                                                                  \
    X(walltime_ms, SPAN, 0, walltime_ms,                                                                               \
        .on = {"walltime", STORE_UP | STORE_SET, "a daemon leaves after this long, and is replaced (0: never)"},       \
        .told = STORE_TOLD_WELCOME, .wire = 12, .form = {STORE_FORM_LIMITS, "Wall time", "replaced after: 12h"},       \
        .show = {"walltime", "", ""})                                                                                  \
    X(maxtasks, COUNT, 0, maxtasks,                                                                                    \
        .on = {"maxtasks", STORE_UP | STORE_SET, "a daemon leaves after N tasks, and is replaced (0: never)"},         \
        .told = STORE_TOLD_WELCOME, .wire = 13,                                                                        \
        .form = {STORE_FORM_LIMITS, "Tasks at most", "replaced after this many"}, .show = {"maxtasks", "", ""})        \
    X(grace_ms, SPAN, 600000, grace_ms,                                                                                \
        .on = {"grace", STORE_UP | STORE_SET,                                                                          \
            "how long daemons whose link broke work on and are waited for (default 10m)"},                             \
        .told = STORE_TOLD_TERMS, .wire = 27,                                                                          \
        .form = {STORE_FORM_LIMITS, "Grace", "waits for a broken link; empty: 10m"},                                   \
        .show = {"grace", "", " after its link broke"})                                                                \
    X(memory_bytes, BYTES, 0, memory_bytes,                                                                            \
        .on = {"memory", STORE_UP | STORE_SET, "budget of the queue in the engine (0: 64M)"},                          \
        .form = {STORE_FORM_LIMITS, "Queue memory", "empty: 64M"}, .show = {"memory", "", ""})                         \
    X(nice, COUNT, 0, nice, .most = STORE_NICE_MAX, .wrong = "a nice value is 0 to 19",                                \
        .on = {"nice", STORE_UP | STORE_SET | STORE_HOST,                                                              \
            "run tasks with this nice value, 0 to 19; from 10 on also with idle I/O priority"},                        \
        .told = STORE_TOLD_TERMS, .wire = 19, .form = {STORE_FORM_MANNERS, "Nice", "of tasks, 0 to 19"},               \
        .show = {"nice", "", ""})                                                                                      \
    X(cpus_permille, PERMILLE, 0, cpus, .what = "number of CPUs",                                                      \
        .on = {"cpus", STORE_UP | STORE_SET | STORE_HOST, "the tasks of each daemon may use this many CPUs (0: all)"}, \
        .told = STORE_TOLD_TERMS, .wire = 20, .form = {STORE_FORM_MANNERS, "CPUs", "limit for a daemon's tasks: 0.5"}, \
        .show = {"CPUs", "", ""})                                                                                      \
    X(mem_bytes, BYTES, 0, mem_bytes, .least = 1 << 20, .wrong = "a memory limit is at least 1M",                      \
        .hint = "write it like 512M",                                                                                  \
        .on = {"mem", STORE_UP | STORE_SET | STORE_HOST,                                                               \
            "the tasks of each daemon may use this much memory (0: all)"},                                             \
        .told = STORE_TOLD_TERMS, .wire = 21,                                                                          \
        .form = {STORE_FORM_MANNERS, "Memory", "limit for a daemon's tasks: 2G"},                                      \
        .show = {"mem", "", " for the tasks of a daemon"})                                                             \
    X(pause_load_permille, PERMILLE, 0, pause_load, .what = "load",                                                    \
        .on = {"pause-load", STORE_UP | STORE_SET | STORE_HOST,                                                        \
            "a daemon pauses while other programs load its machine more than X (0: never)"},                           \
        .told = STORE_TOLD_TERMS, .wire = 22, .form = {STORE_FORM_MANNERS, "Pause at load", "caused by others: 4"},    \
        .show = {"pause", "while the load of others is above ", ""})                                                   \
    X(pause_user_ms, SPAN, 0, pause_user_ms,                                                                           \
        .on = {"pause-user", STORE_UP | STORE_SET | STORE_HOST,                                                        \
            "a daemon pauses until nobody has typed on its machine for this long (0: never)"},                         \
        .told = STORE_TOLD_TERMS, .wire = 23,                                                                          \
        .form = {STORE_FORM_MANNERS, "Pause for users", "until nobody has typed for: 15m"},                            \
        .show = {"pause", "until nobody has typed for ", ""})                                                          \
    X(hours, HOURS, "", hours,                                                                                         \
        .on = {"hours", STORE_UP | STORE_SET | STORE_HOST,                                                             \
            "a daemon works only in these hours of its machine's clock (\"\": always)"},                               \
        .told = STORE_TOLD_TERMS, .wire = 25, .form = {STORE_FORM_MANNERS, "Hours", "to work in: 22:00-06:00"},        \
        .show = {"pause", "outside ", ""})                                                                             \
    X(pause_now, FLAG, 0, pause_now,                                                                                   \
        .on = {"pause-now", STORE_UP | STORE_SET, "a pause stops the tasks that run, instead of letting them end"},    \
        .off = {"no-pause-now", STORE_SET, "a pause lets the tasks that run end (the default)"},                       \
        .told = STORE_TOLD_TERMS, .wire = 24,                                                                          \
        .form = {STORE_FORM_MANNERS, "Pause tasks", "a pause also stops the tasks that run"})                          \
    X(no_new_privs, FLAG, 0, no_new_privs,                                                                             \
        .on = {"no-new-privs", STORE_UP | STORE_SET,                                                                   \
            "tasks gain no privileges from setuid programs: sudo does not work in them"},                              \
        .off = {"new-privs", STORE_SET, "tasks may gain privileges from setuid programs (the default)"},               \
        .told = STORE_TOLD_TERMS, .wire = 26,                                                                          \
        .form = {STORE_FORM_MANNERS, "Forbid sudo", "tasks cannot gain privileges"},                                   \
        .show = {"privileges", "tasks cannot gain any", ""})                                                           \
    X(seed, SEED, STORE_SEED_NONE, seed,                                                                               \
        .on = {"seed", STORE_UP | STORE_SET, "give each task CLOWDER_SEED, computed from N and the task's number"},    \
        .off = {"no-seed", STORE_SET, "give tasks no CLOWDER_SEED"},                                                   \
        .form = {STORE_FORM_LIMITS, "Seed", "gives tasks CLOWDER_SEED"}, .show = {"seed", "", ""})                     \
    X(respawn, FLAG, 1, respawn, .on = {"respawn", STORE_SET, "replace a daemon that dies (the default)"},             \
        .off = {"no-respawn", STORE_UP | STORE_SET, "do not replace a daemon that dies"},                              \
        .form = {STORE_FORM_LIMITS, "Respawn", "replace a daemon that dies"}, .show = {"respawn", "no", ""})

/* Those that the store does not keep: they last as long as the engine has the profile. */
#define STORE_SETTINGS_PASSING(X)                                                                                      \
    X(cleanup, FLAG, 1, cleanup, .on = {"cleanup", 0, ""},                                                             \
        .off = {"no-cleanup", STORE_UP, "do not end the processes that a task leaves running"},                        \
        .told = STORE_TOLD_WELCOME, .wire = 15)                                                                        \
    X(output, FLAG, 0, output, .on = {"output", STORE_UP, "copy what tasks write to stderr into daemons.log"},         \
        .told = STORE_TOLD_WELCOME, .wire = 16)

struct store_settings {
#define STORE__FIELD_COUNT(field) uint64_t field;
#define STORE__FIELD_SPAN(field) uint64_t field;
#define STORE__FIELD_BYTES(field) uint64_t field;
#define STORE__FIELD_PERMILLE(field) uint64_t field;
#define STORE__FIELD_FLAG(field) uint64_t field;
#define STORE__FIELD_INDICES(field) uint64_t field;
#define STORE__FIELD_SEED(field) uint64_t field;
#define STORE__FIELD_HOURS(field) char field[HOURS_SIZE];
#define X(field, TYPE, ...) STORE__FIELD_##TYPE(field)
    STORE_SETTINGS_STORED(X) STORE_SETTINGS_PASSING(X)
#undef X
};

enum {
#define X(...) +1 /* NOLINT(bugprone-macro-parentheses): a sum is made of these */
    STORE_SETTINGS_STORED_COUNT = 0 STORE_SETTINGS_STORED(X),
    STORE_SETTINGS_COUNT = STORE_SETTINGS_STORED_COUNT STORE_SETTINGS_PASSING(X)
#undef X
};

/* Those that are stored come first; the last has no key. */
extern const struct store_setting_row store_setting_rows[STORE_SETTINGS_COUNT + 1];

/* All as they are by default; or those alone that are told then. */
void store_settings_init(struct store_settings *s);
void store_settings_init_told(struct store_settings *s, enum store_told told);
/* Copies what is stored, and leaves the rest of *to alone. */
void store_settings_copy_stored(struct store_settings *to, const struct store_settings *from);
/* Of those that are told then. */
bool store_settings_same(const struct store_settings *a, const struct store_settings *b, enum store_told told);
bool store_settings_pause(const struct store_settings *s); /* there is something to pause for */
/* What a host's owner asks for may be another value on that host: where *to has the default, it gets that of *from. */
void store_settings_add_host(struct store_settings *to, const struct store_settings *from);
/* Every value is in its range. CLW_USAGE. */
enum clw_err store_settings_check(const struct store_settings *s, struct clw_error *err);

/* The value of any type but HOURS, and the text of HOURS. */
uint64_t store_row_number(const struct store_setting_row *row, const struct store_settings *s);
void store_row_set(const struct store_setting_row *row, struct store_settings *s, uint64_t n);
const char *store_row_text(const struct store_setting_row *row, const struct store_settings *s);
/* Room for HOURS_SIZE bytes. */
char *store_row_room(const struct store_setting_row *row, struct store_settings *s);
bool store_row_is_default(const struct store_setting_row *row, const struct store_settings *s);
uint64_t store_row_most(const struct store_setting_row *row);

/* The row whose option (on) is called so; NULL: none. */
const struct store_setting_row *store_row_find(const char *name, size_t len);
/* Reads a value as people write it: 10m, 512M, 0.5, yes. CLW_USAGE; a range that needs both ends is left to the check.
 */
enum clw_err store_row_parse(
    const struct store_setting_row *row, const char *text, struct store_settings *s, struct clw_error *err);
/* Writes it so that it can be read again; "" for the default. */
void store_row_write(const struct store_setting_row *row, const struct store_settings *s, char *out, size_t size);
/* What stands for the value in help: "D", "SIZE"; NULL: a flag has none. */
const char *store_row_metavariable(const struct store_setting_row *row);

#endif
