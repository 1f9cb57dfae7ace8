/* What was sent, as references to blocks: in a ring, oldest first. */
#include "engine/wire/resume.h"

#include <stdlib.h>
#include <string.h>

enum {
    RING_FIRST = 16,
    PIECES = 2,
    TELL_FRAMES = 64,       /* after so many frames, … */
    TELL_BYTES = 256 << 10, /* … or so many bytes, the other side is told that they came; … */
    LAG_FRAMES = 256,       /* … if it does not know of so many that it has answered, … */
    LAG_BYTES = 64 << 20,   /* … and so many bytes, then nobody told it */
};

struct kept {
    struct frame frame;
    struct link_piece pieces[PIECES]; /* each holds its block */
    int count;
};

struct resume {
    struct kept *ring;
    size_t cap, head, count;
    uint64_t sent, received, bytes_kept;
    uint32_t frames, bytes; /* that came since the other side was told */
};

struct resume *resume_new(void)
{
    return mem_zalloc(sizeof(struct resume));
}

static void let_go(struct resume *r)
{
    struct kept *k = &r->ring[r->head];
    for (int i = 0; i < k->count; i++)
        blk_rele(k->pieces[i].block);
    r->bytes_kept -= k->frame.len;
    r->head = (r->head + 1) & (r->cap - 1);
    r->count--;
}

void resume_free(struct resume *r)
{
    if (!r)
        return;
    while (r->count)
        let_go(r);
    free(r->ring);
    free(r);
}

/* ---- what is sent ---- */

static struct kept *next_kept(struct resume *r)
{
    if (r->count == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : RING_FIRST;
        struct kept *ring = mem_alloc(cap * sizeof *ring);
        for (size_t i = 0; i < r->count; i++)
            ring[i] = r->ring[(r->head + i) & (r->cap - 1)];
        free(r->ring);
        r->ring = ring;
        r->cap = cap;
        r->head = 0;
    }
    r->sent++;
    return &r->ring[(r->head + r->count++) & (r->cap - 1)];
}

/* A reference, but to a block of which little is meant: that would keep all of it. */
static struct link_piece keep_piece(const void *data, uint32_t len, struct blk *block)
{
    if (block && len >= block->cap / 4)
        return (struct link_piece){data, len, blk_hold(block)};
    struct blk *own = blk_new(len);
    if (!own)
        abort();
    memcpy(own->data, data, len);
    return (struct link_piece){own->data, len, own};
}

void resume_send_ref(struct resume *r, const struct frame *f, const struct link_piece *pieces, int count)
{
    struct kept *k = next_kept(r);
    k->frame = *f;
    r->bytes_kept += f->len;
    k->count = 0;
    for (int i = 0; i < count; i++)
        if (pieces[i].len)
            k->pieces[k->count++] = keep_piece(pieces[i].data, pieces[i].len, pieces[i].block);
}

void resume_send(struct resume *r, const struct frame *f, const void *body)
{
    resume_send_ref(r, f, &(struct link_piece){body, f->len, NULL}, 1);
}

bool resume_has(struct resume *r, uint64_t n)
{
    if (n > r->sent || n < r->sent - r->count)
        return false;
    while (r->count && r->sent - r->count < n)
        let_go(r);
    return true;
}

bool resume_lags(const struct resume *r)
{
    return r->count > LAG_FRAMES && r->bytes_kept > LAG_BYTES;
}

const struct frame *resume_kept(const struct resume *r, size_t i, const struct link_piece **pieces, int *count)
{
    if (i >= r->count)
        return NULL;
    const struct kept *k = &r->ring[(r->head + i) & (r->cap - 1)];
    *pieces = k->pieces;
    *count = k->count;
    return &k->frame;
}

/* ---- what comes ---- */

bool resume_counts(uint8_t type)
{
    switch (type) {
    case WIRE_HELLO:
    case WIRE_WELCOME:
    case WIRE_REFUSE:
    case WIRE_PING:
    case WIRE_PONG:
    case WIRE_HAVE: return false;
    default: return true;
    }
}

void resume_came(struct resume *r, uint32_t len)
{
    r->received++;
    r->frames++;
    r->bytes += len < TELL_BYTES ? len : TELL_BYTES;
}

bool resume_owes(struct resume *r)
{
    if (r->frames < TELL_FRAMES && r->bytes < TELL_BYTES)
        return false;
    r->frames = r->bytes = 0;
    return true;
}

uint64_t resume_received(const struct resume *r)
{
    return r->received;
}
