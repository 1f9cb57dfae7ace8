/* Frames. What a peer sends is checked here once: type, length, and which streams may carry what. */
#include "hosts/remote/mux.h"

#include <string.h>

static void put_number(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static uint32_t get_number(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void mux_put(struct buf *out, enum mux_type type, uint32_t stream, const void *data, size_t len)
{
    uint8_t *p = buf_reserve(out, MUX_HEADER + len);
    p[0] = (uint8_t)type;
    put_number(p + 1, stream);
    put_number(p + 5, (uint32_t)len);
    if (len)
        memcpy(p + MUX_HEADER, data, len);
    out->len += MUX_HEADER + len;
}

void mux_put_u32(struct buf *out, enum mux_type type, uint32_t stream, uint32_t value)
{
    uint8_t bytes[4];
    put_number(bytes, value);
    mux_put(out, type, stream, bytes, sizeof bytes);
}

uint32_t mux_u32(const struct mux_frame *frame)
{
    return frame->len == 4 ? get_number(frame->data) : 0;
}

void mux_reader_fini(struct mux_reader *r)
{
    buf_fini(&r->in);
    *r = (struct mux_reader){0};
}

void mux_feed(struct mux_reader *r, const void *data, size_t len)
{
    if (r->at) {
        buf_drop(&r->in, r->at);
        r->at = 0;
    }
    if (!r->broken)
        buf_add(&r->in, data, len);
}

/* Looks for the greeting; true once it was found. */
static bool greet(struct mux_reader *r)
{
    static const char greeting[] = MUX_GREETING;
    const size_t want = sizeof greeting - 1;
    const uint8_t *start = r->in.data + r->at;
    size_t have = r->in.len - r->at;
    const uint8_t *found = have >= want ? memmem(start, have, greeting, want) : NULL;
    size_t skip = found ? (size_t)(found - start) : have >= want ? have - want + 1 : 0;
    for (size_t i = 0; i < skip && r->skipped + i + 1 < sizeof r->noise; i++)
        r->noise[r->skipped + i] = start[i] ? (char)start[i] : ' ';
    r->skipped += skip;
    r->at += skip;
    if (found) {
        r->at += want;
        r->greeted = true;
    } else if (r->skipped > MUX_NOISE_MAX) {
        r->broken = true;
    }
    return r->greeted;
}

static bool fits(const struct mux_frame *f)
{
    switch (f->type) {
    case MUX_LISTEN:
    case MUX_LISTENING:
    case MUX_REFUSED: return f->stream != 0 && f->len <= 1024;
    case MUX_OPEN:
    case MUX_WINDOW_ADD: return f->stream != 0 && f->len == 4;
    case MUX_DATA: return f->stream != 0 && f->len > 0;
    case MUX_EOF:
    case MUX_UNLISTEN:
    case MUX_CLOSE: return f->stream != 0 && f->len == 0;
    case MUX_CONTROL: return f->stream == 0 && f->len > 0;
    default: return false;
    }
}

int mux_next(struct mux_reader *r, struct mux_frame *frame)
{
    if (r->broken)
        return -1;
    if (!r->greeted && !greet(r))
        return r->broken ? -1 : 0;
    const uint8_t *p = r->in.data + r->at;
    size_t have = r->in.len - r->at;
    if (have < MUX_HEADER)
        return 0;
    *frame =
        (struct mux_frame){.type = p[0], .stream = get_number(p + 1), .data = p + MUX_HEADER, .len = get_number(p + 5)};
    if (frame->len > MUX_PAYLOAD || !fits(frame)) {
        r->broken = true;
        return -1;
    }
    if (have - MUX_HEADER < frame->len)
        return 0;
    r->at += MUX_HEADER + frame->len;
    return 1;
}
