/* A thread that waits for descriptors, for an owner that has none of its own to spare: what is ready is told one after
 * the other, under the owner's lock. Everything but loop_new and loop_free wants that lock held. */
#ifndef ENGINE_LOOP_H
#define ENGINE_LOOP_H

#include <pthread.h>

struct loop;
struct loop_watch;

/* Its thread begins; NULL: there is none to be had, or no descriptor. */
struct loop *loop_new(pthread_mutex_t *lock);
/* Ends the thread; nothing may be watched any more. NULL is fine. */
void loop_free(struct loop *loop);

/* ready(arg) is called whenever fd is ready for one of events (as poll knows them; errors and ends always count). fd
 * stays the caller's. NULL: no memory. */
struct loop_watch *loop_add(struct loop *loop, int fd, short events, void (*ready)(void *arg), void *arg);
/* 0: for nothing, not even its end. */
void loop_change(struct loop_watch *w, short events);
/* Not called from now on, and w is gone. Call it before fd is closed. NULL is fine. */
void loop_remove(struct loop_watch *w);

#endif
