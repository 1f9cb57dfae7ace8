#include "base/loop.h"

#include "base/mem.h"
#include "base/thread.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS = 64 };

_Static_assert(
    EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLPRI == POLLPRI, "events are the same for poll and epoll");

struct loop_watch {
    struct loop *loop;
    int fd;
    short events;
    bool gone;
    void (*ready)(void *arg, short events);
    void *arg;
    struct loop_watch *next; /* of those that are gone */
};

struct loop {
    pthread_mutex_t *lock;
    int epoll_fd, post_fd;
    struct loop_watch *gone; /* an event for them may have been taken already */

    pthread_mutex_t post_lock; /* of the queue; held for a moment only, and never while something is called */
    struct loop_call *first, **last;
    unsigned count;

    pthread_t thread;
    bool has_thread;
    atomic_bool over;
};

static void wake(struct loop *loop)
{
    uint64_t one = 1;
    if (write(loop->post_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        abort();
}

/* ---- calls that are posted ---- */

void loop_post(struct loop *loop, struct loop_call *call)
{
    pthread_mutex_lock(&loop->post_lock);
    bool was_empty = !loop->first, is_new = !call->posted;
    if (is_new) {
        call->posted = true;
        call->next = NULL;
        *loop->last = call;
        loop->last = &call->next;
        loop->count++;
    }
    pthread_mutex_unlock(&loop->post_lock);
    if (was_empty && is_new)
        wake(loop);
}

void loop_unpost(struct loop *loop, struct loop_call *call)
{
    pthread_mutex_lock(&loop->post_lock);
    for (struct loop_call **at = &loop->first; call->posted && *at; at = &(*at)->next)
        if (*at == call) {
            *at = call->next;
            if (!*at)
                loop->last = at;
            call->posted = false;
            loop->count--;
            break;
        }
    pthread_mutex_unlock(&loop->post_lock);
}

/* The first that was posted, taken off the queue: a copy, for its struct may be gone once it was called. */
static bool take_call(struct loop *loop, struct loop_call *out)
{
    pthread_mutex_lock(&loop->post_lock);
    struct loop_call *call = loop->first;
    if (call) {
        loop->first = call->next;
        if (!loop->first)
            loop->last = &loop->first;
        call->posted = false;
        loop->count--;
        *out = *call;
    }
    pthread_mutex_unlock(&loop->post_lock);
    return call != NULL;
}

static unsigned count_posted(struct loop *loop)
{
    pthread_mutex_lock(&loop->post_lock);
    unsigned n = loop->count;
    pthread_mutex_unlock(&loop->post_lock);
    return n;
}

/* What is posted meanwhile waits for the next round, lest descriptors wait for ever. */
static void run_posted(struct loop *loop)
{
    uint64_t ignored;
    struct loop_call call;
    if (read(loop->post_fd, &ignored, sizeof ignored) < 0)
        return;
    for (unsigned n = count_posted(loop); n && take_call(loop, &call); n--)
        call.run(call.arg);
    if (count_posted(loop))
        wake(loop);
}

/* ---- descriptors ---- */

static void free_gone(struct loop *loop)
{
    for (struct loop_watch *w = loop->gone, *next; w; w = next) {
        next = w->next;
        free(w);
    }
    loop->gone = NULL;
}

void loop_once(struct loop *loop, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(loop->epoll_fd, events, EVENTS, timeout_ms);
    if (loop->lock)
        pthread_mutex_lock(loop->lock);
    for (int i = 0; i < n; i++) {
        struct loop_watch *w = events[i].data.ptr;
        if (!w)
            run_posted(loop);
        else if (!w->gone && w->events)
            w->ready(w->arg, (short)events[i].events);
    }
    free_gone(loop);
    if (loop->lock)
        pthread_mutex_unlock(loop->lock);
}

int loop_fd(const struct loop *loop)
{
    return loop->epoll_fd;
}

/* With nothing to wait for a descriptor stays known, told of at most once and then not listened to: taking it back
 * later could fail for want of memory. */
static int control(struct loop *loop, int op, int fd, short events, struct loop_watch *w)
{
    struct epoll_event e = {.events = events ? (uint32_t)(uint16_t)events : EPOLLONESHOT, .data.ptr = w};
    return epoll_ctl(loop->epoll_fd, op, fd, &e);
}

struct loop_watch *loop_add(struct loop *loop, int fd, short events, void (*ready)(void *arg, short events), void *arg)
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

/* ---- the loop itself ---- */

static void *run(void *arg)
{
    struct loop *loop = arg;
    while (!loop->over)
        loop_once(loop, -1);
    return NULL;
}

bool loop_start(struct loop *loop)
{
    loop->has_thread = thread_start(&loop->thread, run, loop);
    return loop->has_thread;
}

struct loop *loop_new(pthread_mutex_t *lock)
{
    struct loop *loop = mem_zalloc(sizeof *loop);
    loop->lock = lock;
    loop->last = &loop->first;
    pthread_mutex_init(&loop->post_lock, NULL);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->post_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll_fd >= 0 && loop->post_fd >= 0 && control(loop, EPOLL_CTL_ADD, loop->post_fd, POLLIN, NULL) == 0)
        return loop;
    loop_free(loop);
    return NULL;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    if (loop->has_thread) {
        loop->over = true;
        wake(loop);
        pthread_join(loop->thread, NULL);
    }
    free_gone(loop);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    if (loop->post_fd >= 0)
        close(loop->post_fd);
    pthread_mutex_destroy(&loop->post_lock);
    free(loop);
}
