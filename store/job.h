/* The ledger of jobs: what was run, how it ended, and the tasks that failed. Times are wall_us() values. */
#ifndef STORE_JOB_H
#define STORE_JOB_H

#include "store/store.h"
#include "store/valid.h"

#include <stdbool.h>
#include <stddef.h>

#define STORE_JOB_NAME_SIZE 128
#define STORE_COMMAND_MAX 4096 /* bytes of command text kept */
#define STORE_STDERR_MAX 4096  /* bytes of stderr kept, from its end */
#define STORE_STATUS_MAX 200
#define STORE_FUNCTION_MAX 1048576 /* bytes; a function that is larger is not kept */
#define STORE_INPUT_MAX 65536      /* bytes of a failed task's input kept, from its start */
#define STORE_FAILURES_MAX 200000  /* failed tasks kept of one job */

/* X(NAME, word); from DONE on a job is finished. LOST: the engine went away while it ran. */
#define STORE_JOB_STATE_TABLE(X)                                                                                       \
    X(QUEUED, "queued")                                                                                                \
    X(RUNNING, "running")                                                                                              \
    X(DONE, "done")                                                                                                    \
    X(FAILED, "failed")                                                                                                \
    X(CANCELLED, "cancelled")                                                                                          \
    X(LOST, "lost")

enum store_job_state {
#define X(name, word) STORE_JOB_##name,
    STORE_JOB_STATE_TABLE(X)
#undef X
        STORE_JOB_STATE_COUNT
};

/* command and function are owned: store_job_fini(). In what the store gives they are not NULL; in what it is given,
 * NULL counts as "". function is what was run, for running it again: a JSON object of
 *   argv [TEXT], kind "command" | "lines" | "framed", and where they are not false, 0 or "": dir, use_stdin, no_input,
 *   everywhere, timeout_ms, retries, retry_failed, max_output, seed, by_names, columns, shell,
 *   results, ship, in, out and names (lists), files (how many are in the function itself).
 * Anything else is stored as "": the job then cannot be run again. */
struct store_job {
    int64_t id; /* given by store_job_add() when it is 0, never given twice */
    char name[STORE_JOB_NAME_SIZE];
    char profile[STORE_NAME_SIZE];
    char *command; /* for people to read */
    char *function;
    bool detached; /* kept.h; set in what the store gives */
    enum store_job_state state;
    uint64_t submitted_us, started_us, finished_us; /* 0: not yet */
    uint64_t total, done, failed, cancelled;        /* tasks */
};

struct store_job_list {
    struct store_job *items;
    size_t count;
};

/* A task that failed for good. The strings are owned by the list they came in; in what the store is given
 * they are borrowed and may be NULL. */
struct store_failure {
    uint64_t task; /* index, as the job counts */
    char host[STORE_NAME_SIZE];
    unsigned attempts;
    char *status; /* "exit 3", "signal 9 (KILL)", "timed out" */
    char *stderr_tail;
    char *input; /* bytes, NUL-terminated in what the store gives; NULL: not kept, or the task had none */
    size_t input_len;
    bool input_cut; /* it was longer; the store sets it by itself when it cuts */
};

struct store_failure_list {
    struct store_failure *items;
    size_t count;
};

const char *store_job_state_text(enum store_job_state state);
/* Fills what people see of a job: its name (NULL: its program's) and its command, which becomes owned, as one line.
 * argv ends with NULL. */
void store_job_describe(struct store_job *job, const char *name, const char *const *argv);

/* Writes *job into a new row. id 0: the store gives one and puts it into job->id. Texts that are too long are cut, and
 * bytes that are not UTF-8 escaped, here and below. */
enum clw_err store_job_add(struct store *s, struct store_job *job, struct clw_error *err);
/* Writes state, times and counts, and no text, to the row of job->id, unless it is a detached job (kept.h), which has
 * ways of its own. CLW_NOT_FOUND. */
enum clw_err store_job_update(struct store *s, const struct store_job *job, struct clw_error *err);
/* Fills *out, which the caller finishes; on failure (CLW_NOT_FOUND) it is all zero. */
enum clw_err store_job_get(struct store *s, int64_t id, struct store_job *out, struct clw_error *err);
/* The newest limit jobs of a profile (NULL: of all), newest first. On failure *out is empty. */
enum clw_err store_job_list(
    struct store *s, const char *profile, size_t limit, struct store_job_list *out, struct clw_error *err);
void store_job_fini(struct store_job *job);
void store_job_list_fini(struct store_job_list *list);

/* The highest id that was ever given, to jobs that are removed too; 0: none. */
enum clw_err store_job_last_id(struct store *s, int64_t *id, struct clw_error *err);
/* For an engine that starts: marks what is queued or running as lost, finished at at_us, but for detached jobs
 * (kept.h). *count may be NULL. */
enum clw_err store_job_mark_lost(struct store *s, uint64_t at_us, size_t *count, struct clw_error *err);
/* Deletes finished jobs and their failures but for the newest keep; detached jobs (kept.h) have rules of their own. */
enum clw_err store_job_prune(struct store *s, size_t keep, struct clw_error *err);
enum clw_err store_job_remove(struct store *s, int64_t id, struct clw_error *err);

/* Notes failed tasks of a job, all or none; a task that is noted already is replaced. CLW_NOT_FOUND: no such
 * job. */
enum clw_err store_job_failures_add(
    struct store *s, int64_t job, const struct store_failure *failures, size_t count, struct clw_error *err);
/* At most limit failures with task >= from, by task. */
enum clw_err store_job_failures(
    struct store *s, int64_t job, uint64_t from, size_t limit, struct store_failure_list *out, struct clw_error *err);
/* Fills what is kept of a failed task's stderr and input (NULL: none); the copies are owned. Returns their bytes. */
size_t store_failure_keep(
    struct store_failure *f, const void *err_text, size_t err_len, const void *input, size_t input_len);
/* Frees count failures whose strings are owned, and the array. */
void store_failures_free(struct store_failure *failures, size_t count);
void store_failure_list_fini(struct store_failure_list *list);

#endif
