/* Inside the keeper only. Its thread owns everything here; what others may read is changed under the keeper's lock. */
#ifndef ENGINE_RECORD_KEEP_INTERNAL_H
#define ENGINE_RECORD_KEEP_INTERNAL_H

#include "engine/client/clowder.h"
#include "engine/record/keep.h"
#include "store/kept.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    KEEP_OPEN_MAX = 200,          /* jobs that run at once; the others wait for their turn */
    KEEP_INPUT_BYTES = 16 << 20,  /* inputs that are out, of all jobs; each may have one chunk */
    KEEP_PENDING_BYTES = 4 << 20, /* results that are not written are written at this size … */
    KEEP_PENDING_MAX = 64 << 20,  /* … and when that fails no more are taken from here on */
    KEEP_SAVE_MS = 1000,          /* the oldest of them waits at most so long */
    KEEP_RETRY_MS = 1000,         /* what did not work is tried again after so long; doubles up to … */
    KEEP_RETRY_MAX_MS = 30000,
    KEEP_TAKE = 8192,    /* results of one job in a row */
    KEEP_STOP_MS = 5000, /* at the end results that are on their way arrive in this time */
};

/* A chunk of which some tasks are out, or whose results are not written. */
struct keep_chunk {
    struct store_chunk inputs; /* without its data once all are given */
    uint32_t given, left;      /* tasks given (or had) so far, tasks without a result */
    uint32_t seq;              /* of its next segment */
    uint8_t *have;             /* per task */
    struct store_segment results;
    struct keep_chunk *next;
};

struct keep_job {
    /* read by others */
    int64_t id;
    char name[STORE_JOB_NAME_SIZE], profile[STORE_NAME_SIZE], reason[STORE_REASON_MAX];
    char *command;
    uint64_t submitted_us, total, recorded;
    _Atomic uint64_t done, failed;
    _Atomic bool open; /* it is at the engine, or all its results are in */
    /* the thread's own */
    uint64_t started_us;
    uint32_t round;
    bool stop;
    char *up;
    struct clowder_job *job;
    struct keep_chunk *chunks, *last; /* in the order of their tasks */
    struct keep_chunk *near;          /* where the last result was; or NULL */
    uint64_t next_from;               /* where the next chunk is looked for */
    uint64_t put_index;               /* the index that the next task put gets */
    bool all_given, finished, ended;  /* no more inputs; the engine knows it; it has answered all */
    bool stopped;                     /* by its first failure */
    bool cancelled;                   /* wanted; it does not run any more */
    bool gone;                        /* to be forgotten */
    bool news;                        /* its state or reason is not in the store yet */
    char *fault;                      /* why its results are in doubt, or NULL */
    uint64_t out_bytes, pending_bytes;
    struct store_failure *failures;
    size_t failure_count, failures_kept;
    uint64_t retry_ms, backoff_ms;
    struct keep_job *next;
};

struct keeper {
    void (*nudge)(void *arg); /* something that others look at has changed */
    void *nudge_arg;
    pthread_t thread;
    pthread_mutex_t lock;
    int wake_fd;
    _Atomic bool stopping, over, hurry;
    _Atomic uint64_t asked, looked; /* looks into the store: asked for, done */
    int64_t *to_cancel;             /* under the lock */
    size_t cancel_count;
    struct keep_job *jobs;
    unsigned open_count;
    struct store *s;
    struct clowder *c;
    uint64_t pending_bytes, pending_ms; /* results that are not written, and since when */
    char trouble[STORE_REASON_MAX];     /* why they cannot be; "": they can */
    uint64_t trouble_ms, trouble_backoff_ms;
    uint64_t look_ms, look_backoff_ms; /* a look that failed is repeated then; 0: it did not */
    bool told;                         /* that the jobs cannot be looked for */
    bool sweeping;                     /* what is left of jobs in the store is being removed … */
    int64_t swept;                     /* … up to this one */
};

/* keep.c */
void keep_set_reason(struct keeper *k, struct keep_job *j, const char *reason); /* said in the log when it is another */
uint64_t keep_back_off(uint64_t *backoff_ms);                                   /* when to try again */

/* keep_job.c */
/* A job of the store. CLW_NOT_FOUND: it is not there any more. */
enum clw_err keep_job_load(struct keeper *k, int64_t id, struct keep_job **out, struct clw_error *err);
void keep_job_free(struct keeper *k, struct keep_job *j);
/* Opens it at the engine, or says in its reason why that is not possible now. */
void keep_job_open(struct keeper *k, struct keep_job *j);
/* Away from the engine; what has no result will be given again. */
void keep_job_close(struct keeper *k, struct keep_job *j);
void keep_job_give(struct keeper *k, struct keep_job *j);
/* True when there may be more at once. */
bool keep_job_take(struct keeper *k, struct keep_job *j);

/* keep_save.c */
void keep_gather(struct keeper *k, struct keep_job *j, const struct clowder_result *r, uint64_t now_us);
/* Writes all that is pending, and the ends of jobs. */
void keep_save(struct keeper *k);
void keep_chunk_free(struct keep_chunk *c);
void keep_chunks_free(struct keeper *k, struct keep_job *j);

#endif
