/* A link over a socket that its owner polls together with all else that it waits for: no other thread is woken on the
 * way. */
#include "engine/link_private.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECES = 64, READS = 4 };

static void receive(struct link *l)
{
    (void)l; /* link_events() asks for it */
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
            link__send_failed(l, strerror(errno));
    }
}

static void stop(struct link *l)
{
    shutdown(l->fd, SHUT_RDWR); /* the next link_step() sees the end */
}

static void release(struct link *l)
{
    close(l->fd);
}

struct link *link_new_socket(int fd, struct link_owner *owner, void *arg, uint32_t max_body)
{
    static const struct link_io io = {.receive = receive, .flush = flush, .close = stop, .free = release};
    struct link *l = link__new(&io, owner, arg, max_body);
    l->fd = fd;
    return l;
}

int link_fd(const struct link *l)
{
    return l->closed ? -1 : l->fd;
}

short link_events(const struct link *l)
{
    return (short)((l->paused && !l->closing ? 0 : POLLIN) | (l->blocked ? POLLOUT : 0));
}

void link_step(struct link *l)
{
    ssize_t n = 1;
    l->blocked = false;
    link_flush(l);
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
        link__end(l, "the connection was closed");
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        link__end(l, strerror(errno));
}
