/* A link over a socket, polled by its owner together with all else that it waits for, or by a loop: one thread is woken
 * when something comes, and that one takes it. */
#include "engine/wire/link_private.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECES = 64, READS = 4 };

static const char *how(int error)
{
    bool closed = error == 0 || error == ECONNRESET || error == EPIPE;
    return closed ? "the connection was closed" : strerror(error);
}

int link_fd(const struct link *l)
{
    return l->closed ? -1 : l->fd;
}

short link_events(const struct link *l)
{
    return (short)((l->paused && !l->closing ? 0 : POLLIN) | (l->blocked ? POLLOUT : 0));
}

/* What is waited for may have changed. */
static void watch(struct link *l)
{
    if (l->watch)
        loop_change(l->watch, link_events(l));
}

static void flush(struct link *l)
{
    while (!l->blocked && !l->closing && l->queue_count) {
        struct iovec pieces[PIECES];
        struct msghdr message = {.msg_iov = pieces, .msg_iovlen = link__front(l, pieces, PIECES)};
        ssize_t n = sendmsg(l->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            link__advance(l, (size_t)n);
        else if (errno == EAGAIN || errno == ENOBUFS)
            l->blocked = true;
        else if (errno != EINTR)
            link__send_failed(l, how(errno));
    }
    watch(l);
}

static void end(struct link *l, const char *text)
{
    loop_remove(l->watch);
    l->watch = NULL;
    link__end(l, text);
}

void link_step(struct link *l)
{
    ssize_t n = 1;
    bool was_blocked = l->blocked;
    l->blocked = false;
    link_flush(l);
    if (was_blocked && l->owner->batch_cb && !l->closing)
        l->owner->batch_cb(l); /* there is room again */
    for (int i = 0; i < READS && !l->closing && !l->paused; i++) {
        uint8_t *at = link__room(l);
        n = at ? recv(l->fd, at, l->room, MSG_DONTWAIT) : -1;
        if (n <= 0)
            break;
        link__came(l, (size_t)n);
        if ((size_t)n < l->room)
            break;
    }
    if (l->closing || n == 0)
        end(l, how(0));
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        end(l, how(errno));
    else
        watch(l);
}

static void step(void *arg, short events)
{
    (void)events;
    link_step(arg);
}

static void stop(struct link *l)
{
    shutdown(l->fd, SHUT_RDWR); /* the next link_step() sees the end */
    watch(l);
}

static void release(struct link *l)
{
    loop_remove(l->watch);
    close(l->fd);
}

static void start(struct link *l)
{
    if (l->loop && !(l->watch = loop_add(l->loop, l->fd, link_events(l), step, l)))
        link__end(l, strerror(errno));
}

struct link *link_new_socket(int fd, struct loop *loop, struct link_owner *owner, void *arg, uint32_t max_body)
{
    static const struct link_io io = {.start = start, .pause = watch, .flush = flush, .close = stop, .free = release};
    struct link *l = link__new(&io, loop, owner, arg, max_body);
    l->fd = fd;
    return l;
}
