/* Streams and descriptors. Credit is the backpressure: a receiver holds at most a window of bytes for a
 * descriptor that takes no more, and gives credit back as they leave. A slow stream never stops the others.
 */
#include "hosts/remote/mux_end.h"

#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* QUEUE_MAX: of what home owes, with the largest script besides: a host that asks for more does not read. */
enum { QUEUE_FULL = 256 * 1024, QUEUE_MAX = QUEUE_FULL + (4 << 20), TABLE = 256, READS_A_TURN = 4 };

struct stream {
    struct stream *next; /* in its slot of the table */
    struct mux_end *end;
    uint32_t id;
    int fd;
    struct loop_watch *watch; /* NULL: for nothing yet */
    bool dialling, local_eof, remote_eof, shut, closed_here, closed_there, dead;
    bool is_strange;     /* opened by anybody */
    uint32_t credit;     /* what may be sent */
    uint32_t given;      /* what the other side may still send */
    uint32_t owed;       /* delivered, credit not yet given back */
    uint32_t window;     /* of what the other side may send */
    uint32_t turned;     /* delivered without a wait since it grew */
    struct buf rest;     /* waits for fd */
    struct meter *meter; /* or NULL */
    struct meter_stream *counting;
};

struct mux_end {
    struct mux_end_callbacks cb;
    bool is_home;
    struct loop *loop; /* of the streams' descriptors */
    struct mux_reader reader;
    struct buf out;
    size_t out_at;
    struct stream *table[TABLE];
    unsigned streams, strangers, descriptors;
    bool is_flooded;
    uint32_t last_id; /* of the streams that this side opened */
    uint64_t received, sent;
    size_t held;  /* bytes for descriptors that take no more */
    size_t grown; /* bytes of windows, beyond what streams have to begin with */
    uint8_t *scratch;
};

struct mux_end *mux_end_new(const struct mux_end_callbacks *cb, bool is_home)
{
    struct mux_end *e = mem_zalloc(sizeof *e);
    e->cb = *cb;
    e->is_home = is_home;
    e->loop = loop_new(NULL);
    if (!e->loop) {
        free(e);
        return NULL;
    }
    e->scratch = mem_alloc(MUX_PAYLOAD);
    buf_add(&e->out, MUX_GREETING, sizeof MUX_GREETING - 1);
    return e;
}

/* ---- the table ---- */

static struct stream *find(struct mux_end *e, uint32_t id)
{
    struct stream *s = e->table[id % TABLE];
    while (s && s->id != id)
        s = s->next;
    return s;
}

static struct stream *add(struct mux_end *e, uint32_t id, int fd, bool dialling)
{
    struct stream *s = mem_zalloc(sizeof *s);
    *s = (struct stream){.next = e->table[id % TABLE],
        .end = e,
        .id = id,
        .fd = fd,
        .dialling = dialling,
        .credit = MUX_WINDOW,
        .given = MUX_WINDOW,
        .window = MUX_WINDOW};
    e->table[id % TABLE] = s;
    e->streams++;
    e->descriptors += fd >= 0;
    return s;
}

static void on_ready(void *arg, short events);

static void arm(struct stream *s)
{
    short events = 0;
    if (s->fd < 0)
        return;
    if (s->dialling || s->rest.len)
        events |= POLLOUT;
    if (!s->dialling && !s->local_eof && s->credit)
        events |= POLLIN;
    if (s->watch)
        loop_change(s->watch, events);
    else if (events)
        s->watch = loop_add(s->end->loop, s->fd, events, on_ready, s);
}

static void drop_fd(struct stream *s)
{
    if (s->fd >= 0) {
        loop_remove(s->watch);
        close(s->fd);
        s->end->descriptors--;
    }
    s->fd = -1;
    s->watch = NULL;
    s->end->held -= s->rest.len;
    buf_fini(&s->rest);
    meter_close(s->counting);
    meter_rele(s->meter);
    s->counting = NULL;
    s->meter = NULL;
}

static void remove_stream(struct stream *s)
{
    struct stream **at = &s->end->table[s->id % TABLE];
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    s->end->streams--;
    s->end->grown -= s->window - MUX_WINDOW;
    s->end->strangers -= s->is_strange;
    drop_fd(s);
    free(s);
}

/* This side is done with it; it goes when the other side is too. */
static void close_here(struct stream *s)
{
    if (!s->closed_here) {
        s->closed_here = true;
        mux_put(&s->end->out, MUX_CLOSE, s->id, NULL, 0);
    }
    drop_fd(s);
    s->dead = s->closed_there;
}

void mux_end_free(struct mux_end *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < TABLE; i++)
        while (e->table[i])
            remove_stream(e->table[i]);
    loop_free(e->loop);
    mux_reader_fini(&e->reader);
    buf_fini(&e->out);
    free(e->scratch);
    free(e);
}

/* ---- to the descriptor ---- */

/* A whole window went through without a wait: the line may take more at a time. */
static void grow(struct stream *s, size_t n)
{
    s->turned = s->rest.len ? 0 : s->turned + (uint32_t)n;
    if (s->turned < s->window || s->window >= MUX_WINDOW_MAX || s->end->grown + s->window > MUX_GROWN_MAX)
        return;
    s->owed += s->window;
    s->end->grown += s->window;
    s->window *= 2;
    s->turned = 0;
}

static void give_back(struct stream *s, size_t n)
{
    s->owed += (uint32_t)n;
    grow(s, n);
    if (s->owed >= s->window / 4 && !s->remote_eof) {
        mux_put_u32(&s->end->out, MUX_WINDOW_ADD, s->id, s->owed);
        s->given += s->owed;
        s->owed = 0;
    }
}

/* All of it delivered and no more to come: say so to the descriptor. */
static void pass_eof(struct stream *s)
{
    if (!s->remote_eof || s->rest.len || s->dialling || s->shut || s->fd < 0)
        return;
    s->shut = true;
    shutdown(s->fd, SHUT_WR);
    if (s->local_eof || s->closed_there)
        close_here(s);
}

static ssize_t give(struct stream *s, const uint8_t *data, size_t len)
{
    ssize_t n = send(s->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS))
        return 0;
    if (n > 0)
        meter_up(s->counting, data, (size_t)n);
    return n;
}

static void deliver(struct stream *s, const uint8_t *data, size_t len)
{
    size_t n = 0;
    if (s->fd < 0)
        return;
    if (!s->dialling && !s->rest.len) {
        ssize_t gone = give(s, data, len);
        if (gone < 0) {
            close_here(s);
            return;
        }
        n = (size_t)gone;
        give_back(s, n);
    }
    if (s->end->held + len - n > MUX_HELD_MAX) { /* so many that do not read: the last one goes */
        close_here(s);
        return;
    }
    s->end->held += len - n;
    buf_add(&s->rest, data + n, len - n);
    arm(s);
}

static void flush(struct stream *s)
{
    if (s->rest.len) {
        ssize_t n = give(s, s->rest.data, s->rest.len);
        if (n < 0) {
            close_here(s);
            return;
        }
        buf_drop(&s->rest, (size_t)n);
        s->end->held -= (size_t)n;
        give_back(s, (size_t)n);
    }
    pass_eof(s);
}

/* ---- from the descriptor ---- */

/* Its reader is gone as well, and did not only say that no more comes: home does not wait for a host to agree. */
static bool is_gone(const struct stream *s)
{
    struct pollfd fd = {.fd = s->fd};
    return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLHUP | POLLERR));
}

static void take(struct stream *s)
{
    struct mux_end *e = s->end;
    for (int i = 0; i < READS_A_TURN && s->credit && !mux_end_full(e); i++) {
        size_t want = s->credit < MUX_PAYLOAD ? s->credit : MUX_PAYLOAD;
        ssize_t n = recv(s->fd, e->scratch, want, MSG_DONTWAIT);
        if (n < 0) {
            if (errno != EAGAIN && errno != EINTR)
                close_here(s);
            return;
        }
        if (n == 0) {
            s->local_eof = true;
            mux_put(&e->out, MUX_EOF, s->id, NULL, 0);
            if (s->shut || (e->is_home && is_gone(s)))
                close_here(s);
            return;
        }
        s->credit -= (uint32_t)n;
        e->sent += (uint64_t)n;
        meter_down(s->counting, e->scratch, (size_t)n);
        mux_put(&e->out, MUX_DATA, s->id, e->scratch, (size_t)n);
        if ((size_t)n < want)
            return;
    }
}

static void finish_dial(struct stream *s)
{
    int problem = 0;
    socklen_t len = sizeof problem;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &problem, &len) || problem) {
        close_here(s);
        return;
    }
    s->dialling = false;
    if (s->meter)
        s->counting = meter_open(s->meter);
    flush(s);
}

static void on_ready(void *arg, short events)
{
    struct stream *s = arg;
    if (s->dialling)
        finish_dial(s);
    else if (events & (POLLOUT | POLLERR | POLLHUP))
        flush(s);
    if (s->fd >= 0 && !s->dialling && !s->local_eof && (events & (POLLIN | POLLERR | POLLHUP)))
        take(s);
    if (s->fd >= 0)
        arm(s);
    if (s->dead)
        remove_stream(s);
}

void mux_end_work(struct mux_end *e)
{
    loop_once(e->loop, 0);
}

/* ---- frames ---- */

static bool on_open(struct mux_end *e, const struct mux_frame *f)
{
    bool pending = false;
    struct meter *meter = NULL;
    bool theirs = e->is_home == (f->stream < MUX_HOME);
    if (!theirs || find(e, f->stream) || e->streams >= 2 * MUX_STREAMS) /* both may have opened some at once */
        return false;
    bool is_full = e->descriptors >= MUX_STREAMS; /* as many as the other side may have open */
    int fd = is_full ? -1 : e->cb.dial(e->cb.arg, mux_u32(f), &pending, &meter);
    struct stream *s = add(e, f->stream, fd, fd >= 0);
    s->meter = meter && fd >= 0 ? meter_hold(meter) : NULL;
    if (fd < 0)
        close_here(s);
    else
        arm(s); /* a first POLLOUT comes when it is connected, or at once */
    return true;
}

static bool on_data(struct stream *s, const struct mux_frame *f)
{
    if (f->len > s->given || s->remote_eof)
        return false;
    s->given -= (uint32_t)f->len;
    s->end->received += f->len;
    deliver(s, f->data, f->len);
    return true;
}

static bool on_stream(struct mux_end *e, const struct mux_frame *f)
{
    struct stream *s = find(e, f->stream);
    bool good = true;
    if (!s || s->closed_there)
        return false; /* streams are forgotten only when both sides have closed them */
    switch (f->type) {
    case MUX_DATA: good = on_data(s, f); break;
    case MUX_WINDOW_ADD:
        good = mux_u32(f) <= MUX_WINDOW_MAX && s->credit <= MUX_WINDOW_MAX - mux_u32(f);
        s->credit += good ? mux_u32(f) : 0;
        arm(s);
        break;
    case MUX_EOF:
        s->remote_eof = true;
        pass_eof(s);
        break;
    default: /* MUX_CLOSE */
        s->closed_there = s->remote_eof = true;
        if (s->closed_here || !s->rest.len)
            close_here(s);
        break;
    }
    if (s->dead)
        remove_stream(s);
    return good;
}

bool mux_end_feed(struct mux_end *e, const void *data, size_t len)
{
    struct mux_frame f;
    int got;
    mux_feed(&e->reader, data, len);
    while ((got = mux_next(&e->reader, &f)) > 0) {
        bool good = true;
        if (f.type == MUX_OPEN)
            good = on_open(e, &f);
        else if (f.type == MUX_DATA || f.type == MUX_WINDOW_ADD || f.type == MUX_EOF || f.type == MUX_CLOSE)
            good = on_stream(e, &f);
        else if (e->cb.frame)
            e->cb.frame(e->cb.arg, &f);
        if (e->is_home && e->out.len - e->out_at > QUEUE_MAX)
            e->is_flooded = true;
        if (!good || e->is_flooded)
            e->reader.broken = true;
    }
    return got == 0;
}

const char *mux_end_fault(const struct mux_end *e)
{
    return e->is_flooded ? "sends requests without end and does not read the answers" : "sent an invalid message";
}

/* ---- the queue ---- */

int mux_end_fd(const struct mux_end *e)
{
    return loop_fd(e->loop);
}

size_t mux_end_out(struct mux_end *e, const uint8_t **data)
{
    *data = e->out.data + e->out_at;
    return e->out.len - e->out_at;
}

void mux_end_sent(struct mux_end *e, size_t len)
{
    e->out_at += len;
    if (e->out_at == e->out.len) {
        buf_clear(&e->out);
        e->out_at = 0;
    } else if (e->out_at > QUEUE_FULL) {
        buf_drop(&e->out, e->out_at);
        e->out_at = 0;
    }
}

bool mux_end_full(const struct mux_end *e)
{
    return e->out.len - e->out_at > QUEUE_FULL;
}

void mux_end_put(struct mux_end *e, enum mux_type type, uint32_t id, const void *data, size_t len)
{
    const uint8_t *at = data;
    do {
        size_t n = len < MUX_PAYLOAD ? len : MUX_PAYLOAD;
        mux_put(&e->out, type, id, at, n);
        at += n;
        len -= n;
    } while (len);
}

/* A number of this side's that is free. */
static uint32_t new_id(struct mux_end *e)
{
    uint32_t side = e->is_home ? MUX_HOME : 0;
    do
        e->last_id = (e->last_id + 1) % MUX_HOME;
    while ((!side && !e->last_id) || find(e, side + e->last_id));
    return side + e->last_id;
}

void mux_end_open(struct mux_end *e, uint32_t number, int fd, bool is_strange)
{
    if (e->streams >= MUX_STREAMS || (is_strange && e->strangers >= MUX_STRANGERS)) {
        close(fd);
        return;
    }
    struct stream *s = add(e, new_id(e), fd, false);
    s->is_strange = is_strange;
    e->strangers += is_strange;
    mux_put_u32(&e->out, MUX_OPEN, s->id, number);
    arm(s);
}

bool mux_end_is_greeted(const struct mux_end *e, const char **noise)
{
    if (noise)
        *noise = e->reader.noise;
    return e->reader.greeted;
}

unsigned mux_end_streams(const struct mux_end *e)
{
    return e->streams;
}

void mux_end_count(const struct mux_end *e, uint64_t *received, uint64_t *sent)
{
    *received = e->received;
    *sent = e->sent;
}
