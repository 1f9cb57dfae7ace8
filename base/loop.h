/* A loop: one thread waits for descriptors and for what other threads post to it, and calls one function after the
 * other. Whatever belongs to the loop's owner is touched in that thread only, and then needs no lock.
 *
 * loop_post() may be called from any thread. Everything else is for the thread of the loop, or, when the loop was made
 * with a lock, for whoever holds that lock: libclowder's callers have threads of their own. */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <pthread.h>
#include <stdbool.h>

struct loop;
struct loop_watch;

/* lock: held while functions are called; NULL: there is none, the loop has one thread. NULL: no descriptors. */
struct loop *loop_new(pthread_mutex_t *lock);
/* A thread of its own calls loop_once() until loop_free(). False: there is no thread to be had. */
bool loop_start(struct loop *loop);
/* Ends that thread, if there is one. Nothing may be watched any more; what was posted is not called. Not locked. NULL
 * is fine. */
void loop_free(struct loop *loop);
/* Waits until something is ready, or has been posted, or for timeout_ms (-1: for ever), and calls what is due. */
void loop_once(struct loop *loop, int timeout_ms);
/* Readable when loop_once() would not wait, for an owner that polls more than this. */
int loop_fd(const struct loop *loop);

/* ready(arg, what it is ready for) is called whenever fd is ready for one of events (as poll knows them; errors and
 * ends always count). fd stays the caller's. NULL: no memory. */
struct loop_watch *loop_add(struct loop *loop, int fd, short events, void (*ready)(void *arg, short events), void *arg);
/* 0: for nothing, not even its end. */
void loop_change(struct loop_watch *w, short events);
/* Not called from now on, and w is gone. Call it before fd is closed. NULL is fine. */
void loop_remove(struct loop_watch *w);

/* A call that is posted; it lives in a struct of the caller's, which must be there until it was called or unposted. */
struct loop_call {
    void (*run)(void *arg);
    void *arg;
    bool posted;
    struct loop_call *next;
};
/* run(arg) is called in the thread of the loop; calls keep the order of their posts. One that is posted already is
 * called once. */
void loop_post(struct loop *loop, struct loop_call *call);
/* Not called any more, unless it is posted again. */
void loop_unpost(struct loop *loop, struct loop_call *call);

#endif
