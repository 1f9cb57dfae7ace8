/* Bytes between a channel and a descriptor. The library's rules that shape this file: a write with no window
 * waits, so the window is looked at first; during a key exchange a write takes nothing, so the rest is held;
 * what the data callback does not take stays in the channel and counts against the window; and any call into
 * the library may run any callback, so callbacks only change their own bridge, and nothing is freed before
 * the round ends. */
#include "hosts/ssh/bridge.h"

#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libssh/callbacks.h>

enum { READS_A_TURN = 4 };

struct bridge {
    struct source source;
    struct pump *pump;
    struct hop *hop;
    ssh_channel channel;
    struct ssh_channel_callbacks_struct callbacks;
    struct bridge *prev, *next;
    int fd;
    bool blocked; /* fd takes no more: bytes wait in rest and in the channel */
    bool stalled; /* the host takes no more: fd is not read */
    bool remote_eof, remote_closed, local_eof, eof_sent, shut, dead;
    uint8_t *hold; /* read from fd, not yet taken by the channel */
    size_t hold_at, hold_len;
    uint8_t *rest; /* taken from the channel, not yet by fd */
    size_t rest_at, rest_len;
};

/* ---- arming, ending ---- */

static void end(struct bridge *b)
{
    b->dead = true;
    b->pump->swept = true;
}

static void arm(struct bridge *b)
{
    short events = 0;
    if (b->blocked)
        events |= POLLOUT;
    if (!b->stalled && !b->local_eof)
        events |= POLLIN;
    pump_arm(b->pump, b->fd, &b->source, b->dead ? 0 : events);
}

static void stall(struct bridge *b)
{
    if (!b->stalled) {
        b->stalled = true;
        b->pump->stalled++;
        arm(b);
    }
}

/* The host said that nothing more comes: tell the local end once all of it is delivered. */
static void pass_eof(struct bridge *b)
{
    if (b->blocked || b->rest_len || b->shut || !b->remote_eof)
        return;
    b->shut = true;
    shutdown(b->fd, SHUT_WR);
    if (b->remote_closed || b->local_eof)
        end(b);
}

/* Writes what fd takes of it; a broken fd ends the bridge and takes all. */
static size_t give_local(struct bridge *b, const uint8_t *data, size_t len)
{
    ssize_t n = send(b->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS))
        n = 0;
    if (n < 0) {
        end(b);
        return len;
    }
    return (size_t)n;
}

/* ---- from the host ---- */

static int on_data(ssh_session session, ssh_channel channel, void *data, uint32_t len, int is_stderr, void *arg)
{
    struct bridge *b = arg;
    (void)session;
    (void)channel;
    b->hop->data_packets++;
    if (b->dead || is_stderr)
        return (int)len;
    if (b->blocked || b->rest_len)
        return 0;
    size_t n = give_local(b, data, len);
    if (n < len && !b->dead) {
        b->blocked = true;
        arm(b);
    }
    return (int)n;
}

static void on_eof(ssh_session session, ssh_channel channel, void *arg)
{
    struct bridge *b = arg;
    (void)session;
    (void)channel;
    b->remote_eof = true;
    pass_eof(b);
}

static void on_close(ssh_session session, ssh_channel channel, void *arg)
{
    struct bridge *b = arg;
    b->remote_closed = true;
    on_eof(session, channel, arg);
    if (b->shut)
        end(b);
}

/* fd takes bytes again: first the rest, then what the channel kept. */
static void drain(struct bridge *b)
{
    while (!b->dead) {
        if (b->rest_len) {
            size_t n = give_local(b, b->rest + b->rest_at, b->rest_len);
            b->rest_at += n;
            b->rest_len -= n;
            if (b->rest_len)
                return;
        }
        int n = ssh_channel_read_nonblocking(b->channel, b->pump->scratch, PUMP_SCRATCH, 0);
        if (n <= 0)
            break;
        size_t taken = give_local(b, b->pump->scratch, (size_t)n);
        if (taken < (size_t)n) {
            if (!b->rest)
                b->rest = mem_alloc(PUMP_SCRATCH);
            b->rest_at = 0;
            b->rest_len = (size_t)n - taken;
            memcpy(b->rest, b->pump->scratch + taken, b->rest_len);
            return;
        }
    }
    b->blocked = false;
    pass_eof(b);
}

/* ---- to the host ---- */

/* Hands over what is held; true when nothing is left. */
static bool give_channel(struct bridge *b)
{
    while (b->hold_len) {
        uint32_t window = ssh_channel_window_size(b->channel);
        if (!window || hop_is_full(b->hop))
            return false;
        size_t len = b->hold_len < window ? b->hold_len : window;
        int n = ssh_channel_write(b->channel, b->hold + b->hold_at, (uint32_t)len);
        if (n < 0) {
            end(b);
            return false;
        }
        if (n == 0)
            return false; /* a key exchange is going on */
        b->hold_at += (size_t)n;
        b->hold_len -= (size_t)n;
    }
    return true;
}

static void send_eof(struct bridge *b)
{
    if (!b->local_eof || b->eof_sent || b->hold_len)
        return;
    b->eof_sent = true;
    ssh_channel_send_eof(b->channel);
    end(b); /* whoever had the local end is gone: nobody reads what may still come */
}

static void hold(struct bridge *b, const uint8_t *data, size_t len)
{
    if (!b->hold)
        b->hold = mem_alloc(PUMP_SCRATCH);
    memcpy(b->hold, data, len);
    b->hold_at = 0;
    b->hold_len = len;
}

static void read_local(struct bridge *b)
{
    for (int turn = 0; turn < READS_A_TURN && !b->dead; turn++) {
        uint32_t window = ssh_channel_window_size(b->channel);
        if (!window || hop_is_full(b->hop)) {
            stall(b);
            return;
        }
        size_t want = window < PUMP_SCRATCH ? window : PUMP_SCRATCH;
        ssize_t got = recv(b->fd, b->pump->scratch, want, MSG_DONTWAIT);
        if (got < 0) {
            if (errno != EAGAIN && errno != EINTR)
                end(b);
            return;
        }
        if (got == 0) {
            b->local_eof = true;
            arm(b);
            send_eof(b);
            return;
        }
        int n = ssh_channel_write(b->channel, b->pump->scratch, (uint32_t)got);
        if (n < 0) {
            end(b);
            return;
        }
        if (n < got) {
            hold(b, b->pump->scratch + n, (size_t)(got - n));
            stall(b);
            return;
        }
        if ((size_t)got < want)
            return;
    }
}

static void on_local(struct source *source, short events)
{
    struct bridge *b = (struct bridge *)source;
    if (b->dead)
        return;
    if (b->blocked && (events & (POLLOUT | POLLERR | POLLHUP)))
        drain(b);
    if (!b->dead && !b->stalled && !b->local_eof && (events & (POLLIN | POLLERR | POLLHUP)))
        read_local(b);
    if (!b->dead)
        arm(b);
}

/* ---- life ---- */

void bridge_open(struct pump *p, struct hop *h, ssh_channel channel, int fd)
{
    struct bridge *b = mem_zalloc(sizeof *b);
    *b = (struct bridge){.source.ready = on_local,
        .pump = p,
        .hop = h,
        .channel = channel,
        .fd = fd,
        .blocked = true, /* the first POLLOUT takes what the channel has already */
        .next = p->bridges};
    if (p->bridges)
        p->bridges->prev = b;
    p->bridges = b;
    b->callbacks = (struct ssh_channel_callbacks_struct){.userdata = b,
        .channel_data_function = on_data,
        .channel_eof_function = on_eof,
        .channel_close_function = on_close};
    ssh_callbacks_init(&b->callbacks);
    ssh_set_channel_callbacks(channel, &b->callbacks);
    ssh_channel_set_blocking(channel, 0);
    arm(b);
}

static void bridge_free(struct bridge *b)
{
    struct pump *p = b->pump;
    pump_arm(p, b->fd, &b->source, 0);
    if (b->fd >= 0)
        close(b->fd);
    ssh_remove_channel_callbacks(b->channel, &b->callbacks);
    ssh_channel_free(b->channel);
    *(b->prev ? &b->prev->next : &p->bridges) = b->next;
    if (b->next)
        b->next->prev = b->prev;
    p->stalled -= b->stalled;
    free(b->hold);
    free(b->rest);
    free(b);
}

static void resume(struct bridge *b)
{
    if (!give_channel(b) || !ssh_channel_window_size(b->channel) || hop_is_full(b->hop))
        return;
    b->stalled = false;
    b->pump->stalled--;
    send_eof(b);
    arm(b);
}

void bridge_settle(struct pump *p)
{
    for (struct bridge *b = p->bridges; b; b = b->next) {
        if (b->hop->dead || ssh_channel_is_closed(b->channel))
            if (b->hop->dead || (!b->blocked && !b->rest_len))
                end(b);
        if (!b->dead && b->stalled)
            resume(b);
    }
    if (!p->swept)
        return;
    p->swept = false;
    for (struct bridge *b = p->bridges, *next; b; b = next) {
        next = b->next;
        if (b->dead)
            bridge_free(b);
    }
}

void bridge_close_all(struct pump *p)
{
    for (struct bridge *b = p->bridges, *next; b; b = next) {
        next = b->next;
        bridge_free(b);
    }
}
