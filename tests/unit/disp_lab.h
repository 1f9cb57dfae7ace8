/* A model of submitters and daemons around the dispatcher, in virtual time. It checks, independently of the
 * dispatcher's own books, that every task ends exactly once and is never with two daemons. */
#ifndef TESTS_UNIT_DISP_LAB_H
#define TESTS_UNIT_DISP_LAB_H

#include "engine/sched/disp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

enum { JOBS = 6, DAEMONS = 12, TASKS_MAX = 4000 };

struct model_job {
    struct disp_job *job;
    uint32_t number;
    uint64_t next, total, grant; /* next index; tasks put; bytes that may be sent */
    unsigned retries, retry_failed;
    bool speculate, late;
    bool cannot[3], told[3]; /* by machine: its tasks cannot be started there; that was said */
    bool sequential, input_ended, cancelled, abandoned, done, paused;
    uint8_t ended[TASKS_MAX], given[TASKS_MAX]; /* times; to how many live daemons */
    uint8_t poison[TASKS_MAX], lost_under[TASKS_MAX], put[TASKS_MAX], cancel[TASKS_MAX], copied[TASKS_MAX];
    uint64_t last_first_given; /* FIFO of what was never lost */
    uint8_t was_given[TASKS_MAX];
};

struct model_batch {
    struct model_job *job;
    uint64_t first;
    uint32_t n;
};

struct model_daemon {
    struct disp_daemon *daemon;
    struct model_batch queue[8192];
    unsigned head, count;
    bool knows[JOBS * 64];
    uint64_t max_tasks, given;
    unsigned place;
    bool paused, drained;
};

struct model {
    struct disp *d;
    uint64_t random, now_us;
    struct model_job job[JOBS * 64];
    unsigned job_count;
    struct model_daemon *daemon[DAEMONS];
    bool check;
    uint64_t ended, sends;
};

/* A number below that. */
uint64_t rnd(struct model *m, uint64_t below);
/* Once each, and not while somebody has it. */
void task_ended(struct model_job *j, uint64_t index);
/* Carries out what the dispatcher has decided, and checks it. */
void drain(struct model *m);
struct model_job *open_job_with(struct model *m, struct disp_job_options o);
struct model_job *open_job(struct model *m, unsigned retries, unsigned retry_failed, bool sequential);
/* A chunk of n tasks of `size` bytes each, after a gap of indices; false: the grant does not allow it. */
bool put(struct model *m, struct model_job *j, uint32_t n, uint32_t size, uint64_t gap);
void join(struct model *m, unsigned i, uint64_t max_tasks);
void lose(struct model *m, unsigned i);
/* The daemon answers up to n tasks of its first batch. A poison task kills it instead. False: it has none. */
bool answer(struct model *m, unsigned i, uint32_t n, bool may_fail);
void open_any(struct model *m);
/* All that is due by now. */
void tick(struct model *m);
void pause_or_go_on(struct model *m, unsigned i, bool paused);
/* It gives back the end of one of its batches, whichever, as tasks on their way to it make possible. */
void give_back(struct model *m, unsigned i);
/* Everything that is open comes to its end, with new daemons for those that die. */
void finish(struct model *m);
/* A model with so many daemons, on machines 0, 1, 2, 0 ... */
struct model *small(unsigned daemons);
void small_free(struct model *m);

#endif
