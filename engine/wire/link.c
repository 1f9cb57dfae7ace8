/* Receiving in place from growing blocks; sending from a queue of references, merged and coalesced. */
#include "engine/wire/link_private.h"

#include "base/le.h"
#include "base/mono.h"

#include <stdlib.h>
#include <string.h>

enum {
    RECV_FIRST = 1 << 10,    /* a quiet connection costs little … */
    RECV_FULL = 256 << 10,   /* … a busy one reads much at once */
    RECV_ROOM = 2 << 10,     /* read into a block only with this much room left, or half of it */
    TRUST_AT_ONCE = 4 << 20, /* a larger frame gets memory only as its bytes arrive */
    SMALL_READS = 16,
    QUEUE_FIRST = 16, /* segments */
    ARENA_FIRST = 1 << 10,
    ARENA_FULL = 16 << 10,
    COPY_BELOW = 512,
};

/* Where to say what is wrong. */
static struct clw_error *why(struct link *l)
{
    if (!l->why)
        l->why = mem_zalloc(sizeof *l->why);
    return l->why;
}

struct link *link__new(
    const struct link_io *io, struct loop *loop, struct link_owner *owner, void *arg, uint32_t max_body)
{
    struct link *l = mem_zalloc(sizeof *l);
    l->io = io;
    l->loop = loop;
    l->owner = owner;
    l->arg = arg;
    l->max_body = max_body;
    l->heard_ms = mono_ms();
    l->fd = -1;
    l->in = blk_new(RECV_FIRST);
    if (!l->in)
        abort();
    return l;
}

void link_start(struct link *l)
{
    l->io->start(l);
}

/* ---- in ---- */

/* How large the next block should be: reads that fill theirs ask for more, reads that use little of it for less. */
static size_t next_cap(const struct link *l)
{
    size_t cap = l->in->cap;
    if (l->got == l->room && cap < RECV_FULL)
        return cap * 2;
    return l->small >= SMALL_READS && cap / 2 >= RECV_FIRST ? cap / 2 : cap;
}

/* Makes sure that a good piece can be read after in_end; the unread part moves along when the block changes. */
static bool make_room(struct link *l)
{
    size_t part = l->in_end - l->in_start, need = l->in->cap / 2 < RECV_ROOM ? l->in->cap / 2 : RECV_ROOM;
    bool alone = atomic_load_explicit(&l->in->refs, memory_order_acquire) == 1;
    if (part == 0 && alone && next_cap(l) == l->in->cap)
        l->in_start = l->in_end = 0;
    if (part >= WIRE_HEADER) {
        size_t frame = WIRE_HEADER + (size_t)le_u32(l->in->data + l->in_start);
        size_t step = part * 2 > TRUST_AT_ONCE ? part * 2 : TRUST_AT_ONCE;
        size_t missing = frame - part;
        if (frame > step && l->in->cap - l->in_end >= need)
            return true; /* it grows when it is full: more room at each read would copy all of it at each read */
        if (frame > step)
            missing = step - part;
        if (missing > need)
            need = missing;
    }
    size_t cap = next_cap(l);
    if (l->in->cap - l->in_end >= need && !(part == 0 && cap < l->in->cap))
        return true;
    if (part + need > cap)
        cap = part + need;
    struct blk *bigger = blk_new(cap);
    if (!bigger)
        return false;
    memcpy(bigger->data, l->in->data + l->in_start, part);
    blk_rele(l->in);
    l->in = bigger;
    l->small = 0;
    l->in_start = 0;
    l->in_end = part;
    return true;
}

uint8_t *link__room(struct link *l)
{
    if (!make_room(l)) {
        clw_fail(why(l), CLW_NO_MEMORY, NULL, "no memory for a frame");
        link_close(l);
        return NULL;
    }
    l->room = l->in->cap - l->in_end;
    return l->in->data + l->in_end;
}

/* Of a conversation that may outlive the link. False: the other side has what was not sent. */
static bool note_frame(struct link *l, const struct frame *f)
{
    bool tells = f->type == WIRE_HAVE || f->type == WIRE_PING || f->type == WIRE_PONG;
    if (resume_counts(f->type))
        resume_came(l->resume, WIRE_HEADER + f->len);
    if (tells && !resume_has(l->resume, f->first))
        clw_fail(why(l), CLW_PROTOCOL, NULL, "it has received what was not sent");
    else if ((f->type == WIRE_RESULT || f->type == WIRE_REPORT) && resume_lags(l->resume))
        clw_fail(why(l), CLW_PROTOCOL, NULL, "it does not say what it has received");
    else
        return true;
    return false;
}

/* Hands over every whole frame. False when the peer broke the protocol. */
static bool take_frames(struct link *l)
{
    while (!l->closing && l->in_end - l->in_start >= WIRE_HEADER) {
        struct frame f;
        struct clw_error err;
        if (wire_get_header(l->in->data + l->in_start, l->max_body, &f, &err)) {
            *why(l) = err;
            return false;
        }
        if (l->in_end - l->in_start < WIRE_HEADER + (size_t)f.len)
            break;
        f.body = l->in->data + l->in_start + WIRE_HEADER;
        l->in_start += WIRE_HEADER + (size_t)f.len;
        if (l->resume && !note_frame(l, &f))
            return false;
        if (l->resume && f.type == WIRE_HAVE)
            continue;
        struct blk *block = blk_hold(l->in);
        l->owner->frame_cb(l, &f, block);
        blk_rele(block);
    }
    return true;
}

void link__came(struct link *l, size_t n)
{
    l->got = n;
    l->in_end += n;
    l->small = n < l->in->cap / 8 ? l->small + 1 : 0;
    l->heard_ms = mono_ms();
    if (!take_frames(l))
        link_close(l);
    if (l->resume && resume_owes(l->resume)) {
        link_send(l, &(struct frame){.type = WIRE_HAVE}, NULL);
        link_flush(l);
    }
    if (l->owner->batch_cb)
        l->owner->batch_cb(l);
}

void link__end(struct link *l, const char *text)
{
    if (l->closed)
        return;
    l->closed = l->closing = true;
    l->resume = NULL;
    if (!l->why)
        clw_fail(why(l), CLW_CLOSED, NULL, "%s", text);
    l->owner->closed_cb(l, l->why);
}

/* ---- out ---- */

void link__advance(struct link *l, size_t sent)
{
    l->queue_bytes -= sent;
    while (sent) {
        struct link_segment *s = &l->queue[l->queue_head];
        if (sent < s->len) {
            s->data += sent;
            s->len -= sent;
            return;
        }
        sent -= s->len;
        blk_rele(s->block);
        l->queue_head = (l->queue_head + 1) & (l->queue_cap - 1);
        l->queue_count--;
    }
    if (!l->queue_count && l->owner->sent_cb)
        l->owner->sent_cb(l);
}

void link__send_failed(struct link *l, const char *text)
{
    if (!l->why)
        clw_fail(why(l), CLW_CLOSED, NULL, "%s", text);
    link_close(l);
}

unsigned link__front(const struct link *l, struct iovec *pieces, unsigned max)
{
    unsigned n = 0;
    while (n < max && n < l->queue_count) {
        const struct link_segment *s = &l->queue[(l->queue_head + n) & (l->queue_cap - 1)];
        pieces[n++] = (struct iovec){(void *)(uintptr_t)s->data, s->len};
    }
    return n;
}

/* All is sent: what a quiet connection has no use for is given back. */
static void rest(struct link *l)
{
    l->thin = l->arena_used <= ARENA_FIRST ? l->thin + 1 : 0;
    if (l->arena && (l->arena->cap == ARENA_FIRST || l->thin >= SMALL_READS)) {
        blk_rele(l->arena);
        l->arena = NULL;
        l->arena_used = 0;
    }
    if (l->queue_cap == QUEUE_FIRST || l->thin >= SMALL_READS) {
        free(l->queue);
        l->queue = NULL;
        l->queue_cap = l->queue_head = 0;
    }
}

void link_flush(struct link *l)
{
    if (!l->closing && l->queue_count)
        l->io->flush(l);
    if (!l->queue_count && !l->closing && l->queue_cap)
        rest(l);
    if (l->close_when_sent && !l->queue_count)
        link_close(l);
}

static void push(struct link *l, const uint8_t *data, size_t len, struct blk *block)
{
    if (!len)
        return;
    l->queue_bytes += len;
    if (l->queue_count) {
        struct link_segment *last = &l->queue[(l->queue_head + l->queue_count - 1) & (l->queue_cap - 1)];
        if (last->block == block && last->data + last->len == data && !(l->sending && l->queue_count <= LINK_PIECES)) {
            last->len += len;
            return;
        }
    }
    if (l->queue_count == l->queue_cap) {
        size_t cap = l->queue_cap ? l->queue_cap * 2 : QUEUE_FIRST;
        struct link_segment *q = mem_alloc(cap * sizeof *q);
        for (size_t i = 0; i < l->queue_count; i++)
            q[i] = l->queue[(l->queue_head + i) & (l->queue_cap - 1)];
        free(l->queue);
        l->queue = q;
        l->queue_cap = cap;
        l->queue_head = 0;
    }
    l->queue[(l->queue_head + l->queue_count++) & (l->queue_cap - 1)] =
        (struct link_segment){data, len, blk_hold(block)};
}

/* A copy in the arena: what is small travels together. */
static void push_copy(struct link *l, const void *data, size_t len)
{
    if (!len)
        return;
    if (l->arena && !l->queue_count && atomic_load_explicit(&l->arena->refs, memory_order_acquire) == 1)
        l->arena_used = 0; /* all of it has gone */
    if (!l->arena || len > l->arena->cap - l->arena_used) {
        size_t cap = !l->arena ? ARENA_FIRST : l->arena->cap < ARENA_FULL ? l->arena->cap * 4 : ARENA_FULL;
        blk_rele(l->arena);
        l->arena = blk_new(len > cap ? len : cap);
        l->arena_used = 0;
        if (!l->arena)
            abort();
    }
    uint8_t *at = l->arena->data + l->arena_used;
    memcpy(at, data, len);
    l->arena_used += len;
    push(l, at, len, l->arena);
}

static void push_header(struct link *l, const struct frame *f)
{
    uint8_t header[WIRE_HEADER];
    struct frame told = *f;
    if (l->resume && !resume_counts(f->type))
        told.first = resume_received(l->resume);
    wire_put_header(header, &told);
    push_copy(l, header, sizeof header);
}

void link_send(struct link *l, const struct frame *f, const void *body)
{
    if (l->resume && resume_counts(f->type))
        resume_send(l->resume, f, body);
    if (l->closing || l->close_when_sent)
        return;
    push_header(l, f);
    push_copy(l, body, f->len);
}

void link_send_ref(struct link *l, const struct frame *f, const struct link_piece *pieces, int count)
{
    if (l->resume && resume_counts(f->type))
        resume_send_ref(l->resume, f, pieces, count);
    if (l->closing || l->close_when_sent)
        return;
    push_header(l, f);
    for (int i = 0; i < count; i++) {
        if (pieces[i].len <= COPY_BELOW)
            push_copy(l, pieces[i].data, pieces[i].len);
        else
            push(l, pieces[i].data, pieces[i].len, pieces[i].block);
    }
}

bool link_resume(struct link *l, struct resume *r, uint64_t has)
{
    const struct link_piece *pieces;
    const struct frame *f;
    int count;
    if (!resume_has(r, has))
        return false;
    for (size_t i = 0; (f = resume_kept(r, i, &pieces, &count)); i++)
        link_send_ref(l, f, pieces, count);
    l->resume = r;
    return true;
}

/* ---- its end ---- */

void link_close(struct link *l)
{
    if (l->closing)
        return;
    l->closing = true;
    l->io->close(l);
}

void link_close_after_send(struct link *l)
{
    if (!l->queue_count)
        link_close(l);
    else
        l->close_when_sent = true;
}

void link_free(struct link *l)
{
    if (!l)
        return;
    l->io->free(l);
    while (l->queue_count) {
        blk_rele(l->queue[l->queue_head].block);
        l->queue_head = (l->queue_head + 1) & (l->queue_cap - 1);
        l->queue_count--;
    }
    free(l->queue);
    blk_rele(l->arena);
    blk_rele(l->in);
    free(l->why);
    free(l);
}

/* ---- about it ---- */

void *link_arg(const struct link *l)
{
    return l->arg;
}

void link_set_max(struct link *l, uint32_t max_body)
{
    l->max_body = max_body;
}

size_t link_queued(const struct link *l)
{
    return l->queue_bytes;
}

void link_pause(struct link *l, bool paused)
{
    if (l->paused == paused)
        return;
    l->paused = paused;
    l->heard_ms = mono_ms(); /* while it is paused nobody listens */
    if (!l->closing)
        l->io->pause(l);
}

uint64_t link_heard_ms(const struct link *l)
{
    return l->heard_ms;
}
