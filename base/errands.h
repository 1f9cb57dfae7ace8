/* A thread with a queue, for what may wait: for a disk, a name, a process, another thread. Errands are done one after
 * the other in that thread, and what came of each is told in the thread of a loop. */
#ifndef BASE_ERRANDS_H
#define BASE_ERRANDS_H

#include "base/loop.h"

struct errands;

/* Lives in a struct of the caller's, which must be there until done() was called. */
struct errand {
    void (*work)(void *arg); /* in the thread of the errands */
    void (*done)(void *arg); /* in the loop's, afterwards; it may free the struct */
    void *arg;
    struct errands *errands;
    struct loop_call call;
    struct errand *next;
};

/* Its thread begins with the first errand. */
struct errands *errands_new(struct loop *home);
/* As long as there is no thread to be had, the errand is done at once by the caller's. */
void errands_give(struct errands *errands, struct errand *errand);
/* Errands that are given and not done yet. */
unsigned errands_count(const struct errands *errands);
/* Does what was given, and ends the thread. done() is called as long as the loop runs: have errands_count() at 0 first.
 * NULL is fine. */
void errands_free(struct errands *errands);

#endif
