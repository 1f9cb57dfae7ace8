/* The other way round: a port on this machine's loopback that leads to one on the host's, for daemons that others have
 * to reach (Dask's workers). A connection here asks for a channel to that port, and is a bridge once it has it. */
#include "hosts/link_private.h"

#include "base/mono.h"
#include "base/random.h"
#include "hosts/bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CALLS_MAX = 1024, CALL_LIMIT_MS = 10000 };

/* A connection whose channel is not there yet. */
struct call {
    struct call *next;
    ssh_channel channel;
    int fd;
    uint64_t until_ms;
};

struct inbound {
    struct source source;
    struct inbound *next;
    struct host_link *link;
    uint64_t owner;
    int fd;
    uint32_t armed;
    unsigned port; /* on the host */
    struct call *calls;
    unsigned call_count;
};

static void on_connection(struct source *source, uint32_t events)
{
    struct inbound *in = (struct inbound *)source;
    int on = 1;
    (void)events;
    int fd = accept4(in->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    ssh_channel channel = in->call_count < CALLS_MAX ? ssh_channel_new(in->link->hop->session) : NULL;
    if (!channel) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct call *c = mem_zalloc(sizeof *c);
    *c = (struct call){.next = in->calls, .channel = channel, .fd = fd, .until_ms = mono_ms() + CALL_LIMIT_MS};
    in->calls = c;
    in->call_count++;
    in->link->pump.hurried++; /* the library tells nobody when the channel is there */
}

/* True when the call is over, one way or the other. */
static bool advance(struct inbound *in, struct call *c)
{
    struct host_link *l = in->link;
    int rc = ssh_channel_open_forward(c->channel, "127.0.0.1", (int)in->port, "127.0.0.1", 0);
    if (rc == SSH_AGAIN && mono_ms() < c->until_ms)
        return false;
    if (rc == SSH_OK) {
        bridge_open(&l->pump, l->hop, c->channel, c->fd, false, NULL, true, NULL);
    } else {
        ssh_channel_free(c->channel);
        close(c->fd);
    }
    return true;
}

void link__inbound_tick(struct host_link *l)
{
    for (struct inbound *in = l->inbounds; in; in = in->next)
        for (struct call **at = &in->calls; *at && !link__dead_hop(l);) {
            struct call *c = *at;
            if (!advance(in, c)) {
                at = &c->next;
                continue;
            }
            *at = c->next;
            in->call_count--;
            l->pump.hurried--;
            free(c);
        }
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
    struct host_link *l, uint64_t owner, unsigned contact_port, unsigned *port, struct clw_error *err)
{
    uint16_t r = 0;
    bool is_free = false;
    if (l->mux)
        return clw_fail(err, CLW_REFUSED, "set AllowTcpForwarding yes in the host's sshd_config",
            "these daemons have to be reached from here, and the host's sshd forbids to forward");
    int fd = listen_here(contact_port);
    if (fd < 0)
        return clw_fail(err, CLW_BUSY, "it is tried again", "cannot listen on port %u of this machine: %s",
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
    pump_arm(&l->pump, fd, &in->source, &in->armed, EPOLLIN);
    return CLW_OK;
}

void link__inbound_end(struct host_link *l, uint64_t owner)
{
    for (struct inbound **at = &l->inbounds; *at;) {
        struct inbound *in = *at;
        if (owner && in->owner != owner) {
            at = &in->next;
            continue;
        }
        *at = in->next;
        pump_arm(&l->pump, in->fd, &in->source, &in->armed, 0);
        close(in->fd);
        for (struct call *c = in->calls, *next; c; c = next) {
            next = c->next;
            ssh_channel_free(c->channel);
            close(c->fd);
            l->pump.hurried--;
            free(c);
        }
        free(in);
    }
}
