/* clowder.h - libclowder: put every spare machine to work from a C program.
 *
 *   struct clowder *c;
 *   struct clowder_error err;
 *   struct clowder_function f;
 *   struct clowder_job *job;
 *   const char *argv[] = {"wc", "-c", NULL};
 *
 *   if (clowder_open(&c, NULL, &err)) ...               talks to the user's engine, and starts it when there is none
 *   clowder_function_init(&f);
 *   f.argv = argv;
 *   if (clowder_job_open(c, &f, &job, &err)) ...        a function on a profile's daemons
 *   clowder_job_put(job, "/etc/passwd", 11, -1, &err);  a task; any number of them
 *   clowder_job_finish(job, &err);
 *   while (clowder_job_next(job, &result, -1, &err) == CLOWDER_OK) ...   in the order of the inputs
 *   clowder_job_close(job);
 *   clowder_close(c);
 *
 * Every function that can fail returns an int of enum clowder_status and, where err is not NULL, fills it: what
 * happened, why, and what to do next. Times are in milliseconds; a timeout of -1 waits as long as it takes, 0 does not
 * wait. Waiting is by event, never by polling. A struct clowder and what is opened from it may be used by several
 * threads, but each of clowder_job_put… and clowder_job_next (or _take) by one thread at a time for one job. Nothing
 * here prints or ends the program.
 *
 * When the engine dies, a new one is started and gets the tasks that have no result yet: the caller sees each result
 * once. */
#ifndef CLOWDER_H
#define CLOWDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CLOWDER_API __attribute__((visibility("default")))
#else
#define CLOWDER_API
#endif

/* What calls return. 0 to 6 and 130 are also the exit statuses of the command line. */
enum clowder_status {
    CLOWDER_OK = 0,
    CLOWDER_FAILED = 1,      /* something inside went wrong; err says what */
    CLOWDER_USAGE = 2,       /* the call cannot be meant like this */
    CLOWDER_UNREACHABLE = 3, /* no engine, or no daemons */
    CLOWDER_NOT_FOUND = 4,   /* no profile of that name */
    CLOWDER_REFUSED = 5,
    CLOWDER_TIMED_OUT = 6,
    CLOWDER_CANCELLED = 130,
    CLOWDER_END = -1,  /* there are no more results */
    CLOWDER_AGAIN = -2 /* not within the time given: call again */
};

struct clowder_error {
    int status; /* enum clowder_status */
    char message[400];
    char hint[300]; /* what to do next, or "" */
};

struct clowder;
struct clowder_job;
struct clowder_future;

/* ---- the engine ---- */

struct clowder_options {
    const char *program; /* path of the clowder program, to start an engine with; NULL: found by itself */
    bool no_start;       /* do not start an engine: UNREACHABLE when none runs */
    /* Told what a person may want to know (the engine died and was replaced), from the thread that waits. May be NULL.
     */
    void (*notice)(void *arg, const char *text);
    void *notice_arg;
};

/* Opens a handle; options may be NULL. *c is owned: clowder_close(). */
CLOWDER_API int clowder_open(struct clowder **c, const struct clowder_options *options, struct clowder_error *err);
/* Closes jobs and futures that are still open (their tasks are cancelled) and frees the handle. NULL is fine. */
CLOWDER_API void clowder_close(struct clowder *c);
/* Stops the engine and waits until it is gone: after the jobs that run, or now (then it is killed when it does not end
 * by itself in ten seconds). OK when none runs. */
CLOWDER_API int clowder_engine_stop(struct clowder *c, bool now, struct clowder_error *err);
/* The library's version, as "0.1.0". */
CLOWDER_API const char *clowder_version(void);

/* ---- profiles ---- */

/* So many daemons on a host of the inventory. */
struct clowder_place {
    const char *host;
    unsigned daemons; /* 0: none any more; with per_gpu: one for each GPU */
};

struct clowder_profile {
    unsigned daemons;               /* how many on this machine; 0: as many as it had, but for has_daemons */
    bool has_daemons;               /* daemons counts also when it is 0 */
    const struct clowder_place *on; /* and on other hosts, on_count of them; who is not named keeps its number */
    size_t on_count;
    bool ephemeral;         /* it lives as long as this handle, and nobody else sees it in the store */
    const char *const *env; /* "K=V", NULL-terminated, or NULL; added to PATH, HOME, USER, LANG, … of the caller */
    /* "NAME=VALUE", NULL-terminated, or NULL: the names and values of the options of 'clowder up', as in
     * "idletime=10m", "memory=128M", "cpus=0.5", "hours=22:00-06:00"; those without a value are yes or no, as in
     * "per-gpu=yes", "respawn=no", "cleanup=no". 0 takes one back. */
    const char *const *settings;
    int64_t timeout_ms; /* how long to wait until they are connected; -1: no limit; 0: do not wait */
    bool patient;       /* wait so long for hosts that may still come, as one that boots; else the first try counts */
};
/* Everything 0, timeout_ms 30 s. */
CLOWDER_API void clowder_profile_init(struct clowder_profile *p);
/* Brings daemons up, or scales to that number, and waits until they are connected. name NULL: "default". What is 0,
 * false, NULL or not named in p stays as the profile has it. */
CLOWDER_API int clowder_up(
    struct clowder *c, const char *name, const struct clowder_profile *p, struct clowder_error *err);
/* Stops a profile's daemons (NULL: of all profiles) after the tasks that they have, or now, and waits until they are
 * gone. */
CLOWDER_API int clowder_down(struct clowder *c, const char *name, bool now, struct clowder_error *err);
/* The same for its daemons on one host ("local": this machine), which leaves the profile; name NULL: of all profiles.
 */
CLOWDER_API int clowder_down_on(
    struct clowder *c, const char *name, const char *host, bool now, struct clowder_error *err);
/* The state as JSON text (see the manual, status --json), of one profile or of all (NULL). *json is owned: free(). */
CLOWDER_API int clowder_status(struct clowder *c, const char *name, char **json, struct clowder_error *err);

/* Any request to the engine, as JSON text: docs/protocol.md lists them. *reply is what it answered, owned: free(); NULL
 * after a failure, which has the engine's own message and hint. timeout_ms -1: no limit. */
CLOWDER_API int clowder_request(
    struct clowder *c, const char *request, int64_t timeout_ms, char **reply, struct clowder_error *err);

/* Called with the state as JSON whenever it changes, and every second. Return false to end. */
typedef bool (*clowder_status_cb)(void *arg, const char *json);
/* Feeds cb until it returns false (OK) or the engine goes away (UNREACHABLE). */
CLOWDER_API int clowder_watch(struct clowder *c, clowder_status_cb cb, void *arg, struct clowder_error *err);

/* ---- functions and jobs ---- */

enum clowder_kind {
    CLOWDER_COMMAND, /* one process a task; {} {.} {/} {//} {/.} {#} in argv stand for the input, which is else appended
                      */
    CLOWDER_LINES,   /* argv is a worker, started once a daemon: one line in, one line out, flushed */
    CLOWDER_FRAMED   /* the same with length-framed bytes: clowder_worker.h */
};

enum { CLOWDER_RETRIES_DEFAULT = 2, CLOWDER_OUTPUT_DEFAULT = 16 << 20 };

struct clowder_function {
    enum clowder_kind kind;
    const char *const *argv; /* NULL-terminated */
    const char *profile;     /* NULL: $CLOWDER_PROFILE, or "default" */
    const char *name;        /* of the job, for people; NULL: the command's */
    const char *dir;         /* working folder on this machine; NULL: the caller's */
    bool use_stdin;          /* the input goes to the task's standard input */
    bool no_input;           /* argv as it stands */
    bool everywhere;         /* one task on each connected daemon, without inputs (no_input is implied) */
    bool setup;              /* … and on each that joins later, before anything else */
    bool unordered;          /* results as they come */
    uint64_t timeout_ms;     /* per task; its process group is killed; 0: none */
    unsigned retries;        /* daemons that may die under a task before it counts as lost */
    unsigned retry_failed;   /* times that a failed task is tried again, on another machine if there is one */
    bool speculate;          /* near the end, a task that takes much longer than others also runs on an idle daemon; the
                                first good result counts, and the other run is ended */
    uint64_t deadline_ms;    /* from now: what has not ended then is ended, as CLOWDER_TASK_TIMEOUT; 0: none */
    size_t max_output;       /* bytes of a task's stdout; one that writes more fails */
    bool has_seed;           /* each task gets CLOWDER_SEED, made from seed and its index */
    uint64_t seed;
    /* Files; lists end with NULL, or are NULL. Each task of a job with one of the last four runs in a folder of its
     * own, which has them; other jobs with ship run in one folder together. */
    const char *const *ship;  /* files and folders that all tasks see, at the same place if they are below dir */
    const char *const *in;    /* patterns of files below dir that a task needs; placeholders allowed */
    const char *const *out;   /* patterns of what it makes, which comes home to the same place below dir, or … */
    const char *results;      /* … to the folder N in this one, for task N from 1; or NULL */
    bool has_columns;         /* an input is several texts, with a NUL after each but the last: {1} {2.} … */
    const char *const *names; /* of those, for {name}; NULL-terminated, or NULL */
    bool shell;               /* argv is one line for /bin/sh; what placeholders bring is in quotes there */
    const char *const *wrap;  /* words before the command: a program that starts it; NULL-terminated, or NULL */
    const char *const *env;   /* "K=V" that tasks see besides what their profile has; NULL-terminated, or NULL */
    bool files; /* an input that names a file below dir is one of in; all that is new or changed, of out */
};
/* A command with the defaults. */
CLOWDER_API void clowder_function_init(struct clowder_function *f);

/* The command line that a command function makes of an input: NULL-terminated; free() frees it with its strings. */
CLOWDER_API char **clowder_expand(const struct clowder_function *f, const char *input, size_t len, uint64_t index);

enum clowder_outcome {
    CLOWDER_DONE,
    CLOWDER_TASK_FAILED, /* exit status not 0, a signal, or an error told by the worker */
    CLOWDER_TASK_TIMEOUT,
    CLOWDER_TASK_CANCELLED,
    CLOWDER_TASK_LOST /* its daemons died, retries+1 times */
};

/* One result. What it points to is borrowed: until the next clowder_job_next, or clowder_future_free. */
struct clowder_result {
    uint64_t index; /* of the task in its job, from 0 */
    enum clowder_outcome outcome;
    int exit_status, signal; /* -1: it did not exit; 0: no signal */
    const char *input, *out, *err, *why;
    size_t input_len, out_len, err_len; /* a worker's line comes without its newline; why is NUL-terminated */
    uint64_t out_total;                 /* bytes written to stdout, also beyond max_output */
    const char *host, *daemon;          /* where it ran, or "" */
    unsigned attempts;
    uint64_t queued_us, run_us; /* a worker's tasks: the mean of their batch */
    uint32_t file_count;        /* that it brought home */
    uint64_t file_bytes;
};

/* Opens a job: NOT_FOUND (no such profile), UNREACHABLE (no daemons are up). *job is owned: clowder_job_close(). */
CLOWDER_API int clowder_job_open(
    struct clowder *c, const struct clowder_function *f, struct clowder_job **job, struct clowder_error *err);
/* Adds a task; copies the input. It waits for room: AGAIN when there is none in time (a slow reader of results takes
 * room). */
CLOWDER_API int clowder_job_put(
    struct clowder_job *job, const void *input, size_t len, int64_t timeout_ms, struct clowder_error *err);
/* The same for an input that lies in n pieces, which are put together: one that is large (64 KiB) is copied once only.
 */
struct clowder_piece {
    const void *data;
    size_t len;
};
CLOWDER_API int clowder_job_put_pieces(struct clowder_job *job, const struct clowder_piece *pieces, size_t n,
    int64_t timeout_ms, struct clowder_error *err);
/* Adds n tasks at once, one for each piece: with small inputs much quicker than one by one. *taken: how many were
 * added; all, unless it fails (AGAIN: there was no room for the next one in time). */
CLOWDER_API int clowder_job_put_many(struct clowder_job *job, const struct clowder_piece *inputs, size_t n,
    size_t *taken, int64_t timeout_ms, struct clowder_error *err);
/* Leaves out n indices, as if so many tasks had been put and their results taken: to go on where an earlier run
 * stopped. */
CLOWDER_API int clowder_job_skip(struct clowder_job *job, uint64_t n, struct clowder_error *err);
/* Sends what clowder_job_put has gathered. Call it when the next input may take a while. */
CLOWDER_API int clowder_job_flush(struct clowder_job *job, struct clowder_error *err);
/* No more tasks will come. */
CLOWDER_API int clowder_job_finish(struct clowder_job *job, struct clowder_error *err);
/* The next result: in the order of the inputs, or as they come. END after the last one of a finished job, and then a
 * last check: FAILED when a worker broke its contract, so that results may belong to other inputs. */
CLOWDER_API int clowder_job_next(
    struct clowder_job *job, struct clowder_result *result, int64_t timeout_ms, struct clowder_error *err);
/* Results that are here, up to max, in one call: *n of them, at least one with OK. They are borrowed until the next
 * clowder_job_take or clowder_job_next of this job. */
CLOWDER_API int clowder_job_take(struct clowder_job *job, struct clowder_result *results, size_t max, size_t *n,
    int64_t timeout_ms, struct clowder_error *err);
/* Shares the memory that out, err and files of the last result (of clowder_job_take: the last results) lie in, so that
 * they stay, also after the job. Owned: clowder_held_free(), from any thread. NULL when nothing was taken yet. */
struct clowder_held;
CLOWDER_API struct clowder_held *clowder_job_hold(struct clowder_job *job);
CLOWDER_API void clowder_held_free(struct clowder_held *held);
/* Takes one task back, queued or running, by its place in the job; it then ends as CANCELLED, or with the result that
 * was quicker. Any thread. */
CLOWDER_API int clowder_job_cancel_task(struct clowder_job *job, uint64_t index, struct clowder_error *err);
/* Takes back all tasks that have no result; they end as CANCELLED. */
CLOWDER_API int clowder_job_cancel(struct clowder_job *job, struct clowder_error *err);
/* Tasks put, and results received so far. */
CLOWDER_API void clowder_job_counts(struct clowder_job *job, uint64_t *put, uint64_t *received);
/* The next thing that the engine has to say of the job while it goes on, for people: that a host cannot run its
 * command, and is left out. One line into text. False: nothing. */
CLOWDER_API bool clowder_job_note(struct clowder_job *job, char *text, size_t size);
/* Frees the job and its futures; what still runs is cancelled. NULL is fine. */
CLOWDER_API void clowder_job_close(struct clowder_job *job);

/* ---- futures ---- */

typedef void (*clowder_done_cb)(void *arg, struct clowder_future *future);

/* Adds a task whose result comes through a future instead of clowder_job_next; sent at once. *future is owned. */
CLOWDER_API int clowder_submit(
    struct clowder_job *job, const void *input, size_t len, struct clowder_future **future, struct clowder_error *err);
/* Waits for it: OK and *result (may be NULL), or AGAIN. */
CLOWDER_API int clowder_future_wait(
    struct clowder_future *future, int64_t timeout_ms, struct clowder_result *result, struct clowder_error *err);
/* True when clowder_future_wait would return at once. */
CLOWDER_API bool clowder_future_is_done(const struct clowder_future *future);
/* Takes the task back, queued or running; the future then ends as CANCELLED, or with the result that was quicker. */
CLOWDER_API int clowder_future_cancel(struct clowder_future *future, struct clowder_error *err);
/* cb is called once, by clowder_process(), when the future is done. */
CLOWDER_API void clowder_future_on_done(struct clowder_future *future, clowder_done_cb cb, void *arg);
/* Frees it; a task that still runs goes on, and its result is dropped. NULL is fine. */
CLOWDER_API void clowder_future_free(struct clowder_future *future);

/* ---- somebody else's event loop ---- */

/* A descriptor that becomes readable when clowder_process() has something to do, and when clowder_job_next() or
 * clowder_job_put() may have. Owned by c. */
CLOWDER_API int clowder_fd(struct clowder *c);
/* Runs the callbacks of futures that are done; never waits. Returns how many it ran, or -1 with err: the engine is
 * gone. */
CLOWDER_API int clowder_process(struct clowder *c, struct clowder_error *err);

#ifdef __cplusplus
}
#endif
#endif
