/* A thread with a queue, for what may wait: for a disk, a name, a process, another thread. Errands are done one after
 * the other in that thread, and what came of each is told in the thread of a loop. */
#ifndef BASE_WORKER_H
#define BASE_WORKER_H

#include "base/loop.h"

struct worker;

/* Lives in a struct of the caller's, which must be there until done() was called. */
struct errand {
    void (*work)(void *arg); /* in the worker's thread */
    void (*done)(void *arg); /* in the loop's, afterwards; it may free the struct */
    void *arg;
    struct worker *worker;
    struct loop_call call;
    struct errand *next;
};

/* Its thread begins with the first errand. */
struct worker *worker_new(struct loop *home);
/* As long as there is no thread to be had, the errand is done at once by the caller's. */
void worker_give(struct worker *worker, struct errand *errand);
/* Errands that are given and not done yet. */
unsigned worker_count(const struct worker *worker);
/* Does what was given, and ends the thread. done() is called as long as the loop runs: have worker_count() at 0 first.
 * NULL is fine. */
void worker_free(struct worker *worker);

#endif
