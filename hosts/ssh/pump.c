/* Rounds, hops, and the order in which things are taken apart. */
#include "hosts/ssh/pump.h"

#include "base/mem.h"
#include "hosts/ssh/bridge.h"
#include "hosts/ssh/shell_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libssh/callbacks.h>
#include <libssh/server.h>

enum { READS_A_ROUND = 32, OTHERS_MAX = 10000, BYTES_AN_OTHER = 64 };

static void nothing(void *arg)
{
    (void)arg;
}

enum clw_err pump_init(struct pump *p, struct clw_error *err)
{
    *p = (struct pump){.loop = loop_new(NULL), .wake.run = nothing};
    if (!p->loop)
        return clw_fail(
            err, CLW_IO, "raise the limit of open files (ulimit -n)", "cannot watch descriptors: %s", strerror(errno));
    p->scratch = mem_alloc(PUMP_SCRATCH);
    return CLW_OK;
}

void pump_fini(struct pump *p)
{
    pump_close_hops(p);
    loop_free(p->loop);
    free(p->scratch);
    p->scratch = NULL;
    p->loop = NULL;
}

void pump_wake(struct pump *p)
{
    loop_post(p->loop, &p->wake);
}

void pump_cancel(struct pump *p)
{
    atomic_store(&p->cancelled, true);
    pump_wake(p);
}

static void on_ready(void *arg, short events)
{
    struct source *source = arg;
    source->ready(source, events);
}

void pump_arm(struct pump *p, int fd, struct source *source, short events)
{
    if (source->watch && !events) {
        loop_remove(source->watch);
        source->watch = NULL;
    } else if (source->watch) {
        loop_change(source->watch, events);
    } else if (fd >= 0 && events) {
        source->watch = loop_add(p->loop, fd, events, on_ready, source);
    }
}

/* What the session wrote and the connection did not take wants an event when there is room. */
static void hop_rearm(struct hop *h)
{
    if (!h->session || h->dead)
        return;
    pump_arm(h->pump, h->fd, &h->source, hop_is_full(h) ? POLLIN | POLLOUT : POLLIN);
}

bool hop_is_full(struct hop *h)
{
    return (ssh_get_poll_flags(h->session) & SSH_WRITE_PENDING) != 0;
}

/* The library answers each request of the host's at once, and keeps what the host does not read. While something waits
 * to be sent, the host gets as many answers as fit into this, and one more for each piece of our bytes that it reads.
 */
static bool floods(struct hop *h)
{
    uint64_t others = h->packets.in_packets - h->data_packets;
    if (!hop_is_full(h)) {
        h->drained_others = others;
        h->drained_bytes = h->counter.out_bytes;
    }
    return others - h->drained_others > OTHERS_MAX + (h->counter.out_bytes - h->drained_bytes) / BYTES_AN_OTHER;
}

/* Nothing that a host asks for is done here. */
static int refuse(ssh_session session, ssh_message message, void *arg)
{
    (void)session;
    (void)message;
    (void)arg;
    return 1;
}

static void hop_check(struct hop *h)
{
    if (h->session && h->event && !h->dead && floods(h))
        h->dead = h->floods = true;
    if (h->session && h->event &&
        (!ssh_is_connected(h->session) || (ssh_get_status(h->session) & (SSH_CLOSED | SSH_CLOSED_ERROR))))
        h->dead = true;
    if (h->dead)
        pump_arm(h->pump, h->fd, &h->source, 0);
}

static void on_hop(struct source *source, short events)
{
    struct hop *h = (struct hop *)source;
    (void)events;
    if (!h->event || h->dead)
        return; /* whoever shakes hands calls the library himself */
    /* The library reads 4 KiB a call: let it read what is there, but not for ever. */
    for (int i = 0; i < READS_A_ROUND; i++)
        if (ssh_event_dopoll(h->event, 0) != 0)
            break;
    hop_check(h);
}

enum clw_err pump_round(struct pump *p, int timeout_ms)
{
    if (atomic_load(&p->cancelled))
        return CLW_CANCELLED;
    for (size_t i = 0; i < p->hop_count; i++)
        hop_rearm(p->hops[i]);
    loop_once(p->loop, timeout_ms);
    for (size_t i = 0; i < p->hop_count; i++)
        hop_check(p->hops[i]);
    if (p->after_look)
        p->after_look(p->after_arg);
    bridge_settle(p);
    if (p->after_round)
        p->after_round(p->after_arg);
    return atomic_load(&p->cancelled) ? CLW_CANCELLED : CLW_OK;
}

struct hop *pump_add_hop(struct pump *p)
{
    if (p->hop_count == PUMP_HOPS)
        return NULL;
    struct hop *h = mem_zalloc(sizeof *h);
    h->source.ready = on_hop;
    h->pump = p;
    h->fd = h->proxy_notes = -1;
    return p->hops[p->hop_count++] = h;
}

enum clw_err hop_attach(struct hop *h, int fd, struct clw_error *err)
{
    h->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    h->session = ssh_new();
    if (h->fd < 0 || !h->session || ssh_options_set(h->session, SSH_OPTIONS_FD, &fd)) {
        close(fd);
        return clw_fail(
            err, CLW_IO, "raise the limit of open files (ulimit -n)", "cannot make a session: %s", strerror(errno));
    }
    ssh_set_blocking(h->session, 0);
    ssh_set_counters(h->session, &h->counter, &h->packets);
    ssh_set_message_callback(h->session, refuse, NULL);
    pump_arm(h->pump, h->fd, &h->source, POLLIN);
    return CLW_OK;
}

enum clw_err hop_run(struct hop *h, struct clw_error *err)
{
    h->event = ssh_event_new();
    if (!h->event || ssh_event_add_session(h->event, h->session) != SSH_OK)
        return clw_fail(err, CLW_NO_MEMORY, NULL, "cannot watch the session");
    return CLW_OK;
}

struct hop *hop_hand_over(struct hop *h, struct pump *to)
{
    struct hop *now = pump_add_hop(to), empty = {.source.ready = on_hop, .pump = h->pump, .fd = -1, .proxy_notes = -1};
    pump_arm(h->pump, h->fd, &h->source, 0);
    empty.host = h->host;
    memcpy(empty.label, h->label, sizeof empty.label);
    *now = *h;
    now->pump = to;
    now->host = (struct ssh_host){0};
    *h = empty;
    ssh_set_counters(now->session, &now->counter, &now->packets);
    pump_arm(to, now->fd, &now->source, POLLIN);
    return now;
}

static void hop_free(struct hop *h)
{
    pump_arm(h->pump, h->fd, &h->source, 0);
    if (h->event) {
        ssh_event_remove_session(h->event, h->session);
        ssh_event_free(h->event);
    }
    if (h->session) {
        if (ssh_is_connected(h->session) && !h->dead)
            ssh_disconnect(h->session);
        ssh_free(h->session);
    }
    if (h->fd >= 0) {
        shutdown(h->fd, SHUT_RDWR);
        close(h->fd);
    }
    if (h->proxy > 0)
        shell_child_end(h->proxy);
    if (h->proxy_notes >= 0)
        close(h->proxy_notes);
    ssh_host_fini(&h->host);
    free(h);
}

void pump_close_hops(struct pump *p)
{
    bridge_close_all(p);
    while (p->hop_count)
        hop_free(p->hops[--p->hop_count]);
}
