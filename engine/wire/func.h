/* The function of a job: what is run, with what, under which limits. A value; travels as fields in an OPEN frame. */
#ifndef ENGINE_WIRE_FUNC_H
#define ENGINE_WIRE_FUNC_H

#include "base/err.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum func_kind {
    FUNC_COMMAND, /* one process a task, placeholders in argv */
    FUNC_LINES,   /* a worker: one line in, one line out */
    FUNC_FRAMED,  /* a worker: length-framed bytes both ways */
    FUNC_KIND_COUNT
};

enum {
    FUNC_START_MS = 300000, /* a worker that greets has so long until it does, or its --timeout if that is longer */
    FUNC_ARGS_MAX = 10000,
    FUNC_FILES_MAX = 1000,
    FUNC_PATTERNS_MAX = 1000,
    FUNC_OUTPUT_DEFAULT = 16 << 20,
    FUNC_STDERR_KEEP = 64 << 10, /* the tail of stderr that is kept */
};

struct func_file {
    char *name; /* a plain file name: no '/' */
    uint8_t *data;
    size_t len;
    bool executable;
};

struct func {
    enum func_kind kind;
    char **argv; /* argc strings and a NULL; owned */
    size_t argc;
    char *name;       /* what people call the job; NULL: its command */
    char *profile;    /* NULL on the way to a daemon */
    char *dir;        /* working directory on the submitter's own machine; NULL: the job's own folder */
    bool use_stdin;   /* the input goes to the task's standard input */
    bool has_columns; /* the input is several texts, with a NUL after each but the last */
    char **names;     /* of those, for placeholders; ends with NULL, or NULL */
    uint32_t shell;  /* not 0: the words from that one on, from 1, are a line for a shell; what placeholders bring is in
                        quotes */
    char **env;      /* K=V that its tasks see besides; ends with NULL, or NULL */
    bool no_input;   /* the command as it stands: nothing is appended or replaced */
    bool everywhere; /* one task on each daemon that is connected now */
    bool setup;      /* … and on each that joins later */
    bool has_seed;
    uint64_t seed;
    uint64_t timeout_ms; /* 0: none */
    uint32_t retries;    /* how many lost daemons a task survives */
    uint32_t retry_failed;
    bool speculate;       /* stragglers may run twice */
    uint64_t deadline_ms; /* since 1970, in the store after the start; 0: none */
    uint32_t max_output;  /* bytes of stdout that are kept */
    int64_t kept;         /* its number in the ledger, when it is a detached job; only on the way to the engine */
    /* Through the file plane; lists end with NULL, or are NULL. */
    char **ships;  /* files and folders that all tasks see; a path below dir keeps its place, another its last name */
    char **ins;    /* patterns of what a task needs, below dir */
    char **outs;   /* patterns of what it makes, which comes home to dir, or to a folder of its own in results */
    bool by_names; /* inputs that name a file travel, and what is new or changed comes home */
    char *results; /* folder for results, or NULL */
    struct func_file *files;
    size_t file_count;
};

/* Defaults: a command, 2 retries, FUNC_OUTPUT_DEFAULT. */
void func_init(struct func *f);
void func_fini(struct func *f);
void func_add_arg(struct func *f, const char *arg);
/* Appends a copy of text to a list that ends with NULL, which may be NULL. */
void func_add_text(char ***list, const char *text);
/* Its tasks have files of their own, which travel through the file plane. */
static inline bool func_has_files(const struct func *f)
{
    return f->ins || f->outs || f->by_names;
}
/* Takes data. */
void func_add_file(struct func *f, const char *name, uint8_t *data, size_t len, bool executable);
/* A deep copy that the caller owns. */
void func_copy(struct func *to, const struct func *from);

/* Appends the fields to b. */
void func_encode(const struct func *f, struct buf *b);
/* Reads and checks fields from a peer; *f is initialised and owned by the caller, also on error. */
enum clw_err func_decode(struct func *f, const uint8_t *data, size_t len, struct clw_error *err);

struct expansion;
/* Its placeholders, for one input; borrowed. */
struct expansion func_expansion(const struct func *f, const char *input, size_t len, uint64_t index);
/* "K=V", and K is not one of ours. */
bool func_is_variable(const char *text);
/* The input becomes the last argument of its command: no placeholder says where it goes. */
bool func_appends(const struct func *f);

/* What tasks see of the environment around them: these variables, and no others. Ends with NULL. */
extern const char *const func_env_names[];
/* Those of them that are set in this process, as owned "K=V" texts in an owned array that ends with NULL. */
char **func_env_own(void);

/* The seed that task index gets from the job's seed: the same wherever it runs. */
uint64_t func_task_seed(uint64_t seed, uint64_t index);

#endif
