/* The dispatcher of one profile: jobs, their chunks of tasks, the daemons, and who gets what next. Pure: no I/O, no
 * clock, no threads. The engine tells it what happened (disp_* with the time in µs) and then carries out the actions
 * that it left in disp_actions(). The promises it keeps, checked after every event in tests/unit/test_disp.c: every
 * task ends exactly once · no task is with two daemons, but for a straggler and its one copy · the queue stays within
 * the memory budget · a lost daemon's tasks come back · FIFO within a job · jobs share fairly · what a daemon answers
 * is what it was given. Daemons answer in the order in which they were given tasks. */
#ifndef ENGINE_SCHED_DISP_H
#define ENGINE_SCHED_DISP_H

#include "base/err.h"
#include "base/mem.h"
#include "engine/wire/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disp;
struct disp_job;
struct disp_daemon;

enum {
    DISP_BATCH_TASKS = 4096,
    DISP_BATCH_BYTES = 64 << 10,
    DISP_WINDOW_TASKS = 16384,      /* most tasks in flight to one daemon … */
    DISP_WINDOW_BYTES = 256 << 10,  /* … and bytes (a larger task travels alone) */
    DISP_WINDOW_US = 5000,          /* … and work, as measured; more by a line that is long: */
    DISP_LINE_BYTES_MS = 160 << 10, /* bytes for each ms there and back, … */
    DISP_LINE_MAX_US = 500000,      /* … which is believed up to this */
    DISP_GRANT_MAX = 8 << 20,       /* bytes that one job may have queued here, within a quarter of the budget … */
    DISP_GRANT_DAEMON = 512,        /* … and so many more for each daemon … */
    DISP_GRANT_MIN = 64 << 10,      /* … and at least this, however many jobs there are */
    DISP_BUDGET_DEFAULT = 64 << 20
};

enum disp_action_type {
    DISP_OPEN,  /* tell daemon about job (before its first SEND) */
    DISP_SEND,  /* give daemon the tasks pos..pos+n-1 of tasks */
    DISP_ABORT, /* tell daemon to end the tasks first..first+n-1 of job; it still reports them */
    DISP_CLOSE, /* tell daemon to forget job; disp_daemon_closed follows */
    DISP_END,   /* tasks first..first+n-1 of job ended without a daemon's word: outcome */
    DISP_GRANT, /* the job's submitter may send bytes more */
    DISP_DONE   /* the job is over everywhere: free it */
};

/* The tasks of one chunk, as they came. block is shared: the dispatcher holds a reference while it needs it. */
struct disp_tasks {
    struct blk *block;
    struct wire_slices slices;
    uint64_t first;
};

struct disp_action {
    enum disp_action_type type;
    enum wire_outcome outcome;
    struct disp_daemon *daemon;
    struct disp_job *job;
    const struct disp_tasks *tasks; /* SEND: borrowed until the next disp_ call */
    uint8_t *input;                 /* END with LOST: the task's input, input_len bytes, until disp_actions_clear */
    uint32_t input_len;
    uint32_t pos, n, attempts;
    uint64_t first, bytes;
};

struct disp_job_options {
    uint32_t retries;      /* lost daemons that a task survives */
    uint32_t retry_failed; /* times that a failed task is tried again */
    bool sequential;       /* a daemon runs these strictly one by one (commands) */
    bool ahead;            /* its tasks have files: one waits at a busy daemon, so that they travel meanwhile */
    bool speculate;        /* near the end, tasks that take long are given to idle daemons as well: the first result
                              counts */
    uint64_t deadline_us;  /* what has not ended then ends as timed out; 0: none */
    void *arg;
};

/* What a daemon's answer means for the submitter. */
struct disp_verdict {
    bool deliver;   /* pass it on; otherwise swallow it (it will be tried again, or nobody wants it) */
    bool set_aside; /* its machine gets none of the job's tasks from now on while another may: that is news */
    bool late;      /* it was taken back at the job's deadline: pass it on as timed out */
    uint32_t attempts;
    uint64_t queued_us; /* from its chunk's arrival until it was given to the daemon */
    struct disp_job *job;
};

struct disp_stats {
    uint64_t awaiting, executing, completed, failed, cancelled, retried, speculated;
    uint64_t mem_used, mem_peak, mem_budget;
    unsigned daemons, giving, busy, jobs; /* giving: daemons that may be given tasks */
};

struct disp *disp_new(uint64_t budget_bytes);
/* Frees everything in it, live or not. */
void disp_free(struct disp *d);

/* Changes the budget; jobs that are open keep their grants. */
void disp_set_budget(struct disp *d, uint64_t budget_bytes);

/* The actions since disp_actions_clear. Borrowed. */
const struct disp_action *disp_actions(const struct disp *d, size_t *count);
void disp_actions_clear(struct disp *d);

/* A new job: it gets a first GRANT. Returned handle lives until disp_job_free, which is due after DONE. */
struct disp_job *disp_job_open(struct disp *d, const struct disp_job_options *o);
void *disp_job_arg(const struct disp_job *j);
/* Tasks from the submitter: takes a reference on block. PROTOCOL when they do not follow the ones before, or pass the
 * grant. */
enum clw_err disp_job_tasks(struct disp *d, struct disp_job *j, const struct frame *f, struct blk *block,
    uint64_t now_us, struct clw_error *err);
/* n tasks without input, each for the daemon of that place in list (everywhere). */
void disp_job_pin(struct disp *d, struct disp_job *j, struct disp_daemon *const *list, uint32_t n, uint64_t now_us);
/* No more tasks will come. */
void disp_job_end(struct disp *d, struct disp_job *j);
/* Ends n tasks from first on (n 0: all); queued ones at once, running ones through an ABORT. */
void disp_job_cancel(struct disp *d, struct disp_job *j, uint64_t first, uint32_t n, uint64_t now_us);
/* The submitter is gone: cancel all, deliver nothing, and DONE when it is over. */
void disp_job_abandon(struct disp *d, struct disp_job *j, uint64_t now_us);
/* While paused a job gets no daemon (its reader is slow). */
void disp_job_pause(struct disp *d, struct disp_job *j, bool paused, uint64_t now_us);
void disp_job_free(struct disp *d, struct disp_job *j);
/* Tasks of the job by state; any pointer may be NULL. */
void disp_job_counts(const struct disp_job *j, uint64_t *total, uint64_t *ended, uint64_t *failed);

/* A daemon that is ready for work; max_tasks 0 means no end. held: only pinned tasks until disp_daemon_release. place:
 * a small number of the machine that it is on; what failed or was lost on one is tried on another when there is one,
 * and one that cannot start a job's tasks (WIRE_CANNOT) gets none of them while there is another. */
struct disp_daemon *disp_daemon_join(
    struct disp *d, void *arg, unsigned place, uint64_t max_tasks, bool held, uint64_t now_us);
void disp_daemon_release(struct disp *d, struct disp_daemon *m, uint64_t now_us);
/* So long a word takes to it and back: as much more may be in flight. */
void disp_daemon_line(struct disp_daemon *m, uint64_t round_us);
/* It gets no more tasks. */
void disp_daemon_drain(struct disp *d, struct disp_daemon *m);
/* While paused it gets no tasks, pinned ones included; those that it has not begun it gives back (below). */
void disp_daemon_pause(struct disp *d, struct disp_daemon *m, bool paused, uint64_t now_us);
/* The machine of that place fails more tasks than others, or not any more: it gets one at a time until one succeeds, as
 * long as another may have tasks. */
void disp_place_suspect(struct disp *d, unsigned place, bool suspect, uint64_t now_us);
/* It gives back, not begun, the last n tasks of a batch, which begin at first: they wait again, as if never given out.
 * PROTOCOL: not what it was given, or it is not paused. */
enum clw_err disp_daemon_returned(struct disp *d, struct disp_daemon *m, uint64_t job, uint64_t first, uint32_t n,
    uint64_t now_us, struct clw_error *err);
/* It is gone: its tasks come back or, past their retries, end as LOST. The handle is dead after this. */
void disp_daemon_lost(struct disp *d, struct disp_daemon *m, uint64_t now_us);
/* It answered n tasks from first on of job with this outcome, in run_us altogether. PROTOCOL: not what it was given. */
enum clw_err disp_daemon_answer(struct disp *d, struct disp_daemon *m, uint64_t job, uint64_t first, uint32_t n,
    enum wire_outcome outcome, uint64_t run_us, uint64_t now_us, struct disp_verdict *verdict, struct clw_error *err);
/* The task that it answers next: its job, its index, and since when it is the next. False: it has none. */
bool disp_daemon_head(const struct disp_daemon *m, struct disp_job **job, uint64_t *index, uint64_t *since_us);
/* What it was at is answered for: when it is lost now, that is no task's fault. */
void disp_daemon_blameless(struct disp_daemon *m);
/* The input of the task that it answers next, bytes of *block, all borrowed until the next disp_ call. False: it has
 * none to answer, or the task has no input. */
bool disp_daemon_input(const struct disp_daemon *m, struct blk **block, const uint8_t **input, uint32_t *len);
/* The input of a task that it has, borrowed as above, and the task's job. False: it has no such task. */
bool disp_daemon_task(const struct disp_daemon *m, uint32_t job, uint64_t index, struct disp_job **which,
    const uint8_t **input, uint32_t *len);
/* It has forgotten the job (answer to CLOSE). */
enum clw_err disp_daemon_closed(struct disp *d, struct disp_daemon *m, uint64_t job, struct disp_job **which);
void *disp_daemon_arg(const struct disp_daemon *m);
uint32_t disp_daemon_in_flight(const struct disp_daemon *m);
uint64_t disp_daemon_done(const struct disp_daemon *m);
uint64_t disp_daemon_failed(const struct disp_daemon *m);

/* It was away, and what it was at went on without anybody who could hear of its end. */
void disp_daemon_back(struct disp_daemon *m, uint64_t now_us);
/* Whatever it has belongs to jobs that were cancelled. */
bool disp_daemon_is_unwanted(const struct disp_daemon *m);

/* When disp_tick has something to do, as things are; UINT64_MAX: never. Cheap while no job has a deadline or
 * speculates. */
uint64_t disp_next_us(struct disp *d);
/* Deadlines, copies of stragglers, and what waited for another machine in vain. */
void disp_tick(struct disp *d, uint64_t now_us);

/* The number that DISP_OPEN, SEND and the daemon's answers use for a job; never reused within a dispatcher. */
uint32_t disp_job_number(const struct disp_job *j);
/* Its submitter said that there are no more tasks. */
bool disp_job_has_all(const struct disp_job *j);
/* Tasks of the job that daemons have now, and that wait. */
void disp_job_load(const struct disp_job *j, uint64_t *executing, uint64_t *awaiting);
/* The job of a number, when the daemon knows it; or NULL. */
struct disp_job *disp_daemon_job(const struct disp *d, const struct disp_daemon *m, uint32_t number);

void disp_stats(const struct disp *d, struct disp_stats *s);
/* Ends the program through assert when an invariant does not hold: for tests. Cost O(everything). */
void disp_check(const struct disp *d);

#endif
