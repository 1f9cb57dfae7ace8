#include "engine/loop.h"

#include "base/mem.h"
#include "base/thread.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS = 64 };

_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT, "events are the same for poll and epoll");

struct loop_watch {
    struct loop *loop;
    int fd;
    short events;
    bool gone;
    void (*ready)(void *arg);
    void *arg;
    struct loop_watch *next; /* of those that are gone */
};

struct loop {
    pthread_mutex_t *lock;
    pthread_t thread;
    int epoll_fd, over_fd;
    bool over;
    struct loop_watch *gone; /* an event for them may have been taken already */
};

static void free_gone(struct loop *loop)
{
    for (struct loop_watch *w = loop->gone, *next; w; w = next) {
        next = w->next;
        free(w);
    }
    loop->gone = NULL;
}

static void *run(void *arg)
{
    struct loop *loop = arg;
    struct epoll_event events[EVENTS];
    for (bool over = false; !over;) {
        int n = epoll_wait(loop->epoll_fd, events, EVENTS, -1);
        pthread_mutex_lock(loop->lock);
        for (int i = 0; i < n; i++) {
            struct loop_watch *w = events[i].data.ptr;
            if (w && !w->gone && w->events)
                w->ready(w->arg);
        }
        free_gone(loop);
        over = loop->over;
        pthread_mutex_unlock(loop->lock);
    }
    return NULL;
}

/* With nothing to wait for a descriptor stays known, told of at most once and then not listened to: taking it back
 * later could fail for want of memory. */
static int control(struct loop *loop, int op, int fd, short events, struct loop_watch *w)
{
    struct epoll_event e = {.events = events ? (uint32_t)(uint16_t)events : EPOLLONESHOT, .data.ptr = w};
    return epoll_ctl(loop->epoll_fd, op, fd, &e);
}

struct loop *loop_new(pthread_mutex_t *lock)
{
    struct loop *loop = mem_zalloc(sizeof *loop);
    loop->lock = lock;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->over_fd = eventfd(0, EFD_CLOEXEC);
    if (loop->epoll_fd >= 0 && loop->over_fd >= 0 && control(loop, EPOLL_CTL_ADD, loop->over_fd, POLLIN, NULL) == 0 &&
        thread_start(&loop->thread, run, loop))
        return loop;
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    if (loop->over_fd >= 0)
        close(loop->over_fd);
    free(loop);
    return NULL;
}

void loop_free(struct loop *loop)
{
    uint64_t one = 1;
    if (!loop)
        return;
    pthread_mutex_lock(loop->lock);
    loop->over = true;
    pthread_mutex_unlock(loop->lock);
    if (write(loop->over_fd, &one, sizeof one) < 0)
        abort();
    pthread_join(loop->thread, NULL);
    free_gone(loop);
    close(loop->epoll_fd);
    close(loop->over_fd);
    free(loop);
}

struct loop_watch *loop_add(struct loop *loop, int fd, short events, void (*ready)(void *arg), void *arg)
{
    struct loop_watch *w = mem_zalloc(sizeof *w);
    *w = (struct loop_watch){.loop = loop, .fd = fd, .events = events, .ready = ready, .arg = arg};
    if (control(loop, EPOLL_CTL_ADD, fd, events, w) == 0)
        return w;
    free(w);
    return NULL;
}

void loop_change(struct loop_watch *w, short events)
{
    if (w->events != events)
        control(w->loop, EPOLL_CTL_MOD, w->fd, events, w);
    w->events = events;
}

void loop_remove(struct loop_watch *w)
{
    if (!w)
        return;
    control(w->loop, EPOLL_CTL_DEL, w->fd, 0, NULL);
    w->gone = true;
    w->next = w->loop->gone;
    w->loop->gone = w;
}
