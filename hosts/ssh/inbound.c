/* The other way round: a port on this machine's loopback that leads to one on the host's, for daemons that others have
 * to reach (Dask's workers). Only processes of this user come through, as on the host. */
#include "hosts/ssh/session_private.h"

#include "base/peer.h"
#include "base/random.h"

#include <errno.h>
#include <poll.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct inbound {
    struct source source;
    struct inbound *next;
    struct host_session *link;
    uint64_t owner;
    bool gone;
    int fd;
    unsigned port; /* on the host */
};

static void on_connection(struct source *source, short events)
{
    struct inbound *in = (struct inbound *)source;
    int on = 1;
    (void)events;
    int fd = in->gone ? -1 : accept4(in->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (!peer_is_ours(peer_uid_tcp(fd))) {
        link__log(in->link, LOG_WARN, "step=tunnel port=%u dropped why=\"another user\"", in->port);
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    link__mux_open(in->link, in->port, fd);
}

static int listen_here(unsigned port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 256)) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

enum clw_err link__inbound(
    struct host_session *l, uint64_t owner, unsigned contact_port, unsigned *port, struct clw_error *err)
{
    uint16_t r = 0;
    bool is_free = false;
    int fd = listen_here(contact_port);
    if (fd < 0)
        return clw_fail(err, CLW_BUSY, "Clowder tries again by itself", "cannot listen on port %u of this machine: %s",
            contact_port, strerror(errno));
    enum clw_err code = link__port_is_free(l, contact_port, &is_free, err);
    if (code) {
        close(fd);
        return code;
    }
    random_fill(&r, sizeof r);
    struct inbound *in = mem_zalloc(sizeof *in);
    *in = (struct inbound){.source.ready = on_connection,
        .next = l->inbounds,
        .link = l,
        .owner = owner,
        .fd = fd,
        .port = *port = is_free ? contact_port : 10000 + r % 6000u};
    l->inbounds = in;
    pump_arm(&l->pump, fd, &in->source, POLLIN);
    return CLW_OK;
}

void link__inbound_end(struct host_session *l, uint64_t owner)
{
    for (struct inbound *in = l->inbounds; in; in = in->next)
        in->gone |= !owner || in->owner == owner;
}

void link__inbound_sweep(struct host_session *l)
{
    for (struct inbound **at = &l->inbounds; *at;) {
        struct inbound *in = *at;
        if (!in->gone) {
            at = &in->next;
            continue;
        }
        *at = in->next;
        pump_arm(&l->pump, in->fd, &in->source, 0);
        close(in->fd);
        free(in);
    }
}
