/* Bytes to structures and back, with every length checked against what is really there. */
#include "engine/wire/wire.h"

#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const wire_gpu_variables[] = {"CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", NULL};

static uint16_t get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static void put_u16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

void wire_put_header(uint8_t out[WIRE_HEADER], const struct frame *f)
{
    le_put_u32(out, f->len);
    out[4] = f->type;
    out[5] = f->flags;
    put_u16(out + 6, f->code);
    le_put_u32(out + 8, f->job);
    le_put_u32(out + 12, f->n);
    le_put_u64(out + 16, f->first);
    le_put_u32(out + 24, f->run_us);
    le_put_u32(out + 28, f->daemon);
}

enum clw_err wire_get_header(const uint8_t in[WIRE_HEADER], uint32_t max_body, struct frame *f, struct clw_error *err)
{
    *f = (struct frame){
        .len = le_u32(in),
        .type = in[4],
        .flags = in[5],
        .code = get_u16(in + 6),
        .job = le_u32(in + 8),
        .n = le_u32(in + 12),
        .first = le_u64(in + 16),
        .run_us = le_u32(in + 24),
        .daemon = le_u32(in + 28),
    };
    if (f->type == 0 || f->type >= WIRE_TYPE_COUNT)
        return clw_fail(err, CLW_PROTOCOL, NULL, "unknown frame type %u", f->type);
    if (f->len > max_body)
        return clw_fail(
            err, CLW_PROTOCOL, NULL, "a frame of %u bytes, more than the %u allowed here", f->len, max_body);
    return CLW_OK;
}

enum clw_err wire_slices(const struct frame *f, struct wire_slices *s, struct clw_error *err)
{
    *s = (struct wire_slices){.n = f->n};
    if (f->n == 0 || f->n > f->len / 4)
        return clw_fail(err, CLW_PROTOCOL, NULL, "%u tasks in a frame of %u bytes", f->n, f->len);
    s->ends = f->body;
    s->bytes = f->body + 4 * (size_t)f->n;
    s->bytes_len = f->len - 4 * f->n;
    uint32_t last = le_u32(s->ends + 4 * (size_t)(f->n - 1));
    if (last < s->bytes_len)
        return clw_fail(err, CLW_PROTOCOL, NULL, "task offsets do not fit their bytes");
    s->base = last - s->bytes_len;
    uint32_t previous = s->base;
    for (uint32_t i = 0; i < f->n; i++) {
        uint32_t end = le_u32(s->ends + 4 * (size_t)i);
        if (end < previous) /* the last is what it should be, so none is beyond it */
            return clw_fail(err, CLW_PROTOCOL, NULL, "task offsets do not rise");
        previous = end;
    }
    return CLW_OK;
}

void wire_add_field(struct buf *b, unsigned key, const void *data, size_t len)
{
    uint8_t head[6];
    put_u16(head, key);
    le_put_u32(head + 2, (uint32_t)len);
    buf_add(b, head, sizeof head);
    buf_add(b, data, len);
}

void wire_add_text(struct buf *b, unsigned key, const char *text)
{
    wire_add_field(b, key, text, strlen(text));
}

void wire_add_number(struct buf *b, unsigned key, uint64_t value)
{
    uint8_t bytes[8];
    le_put_u64(bytes, value);
    wire_add_field(b, key, bytes, sizeof bytes);
}

void wire_fields_init(struct wire_fields *w, const uint8_t *data, size_t len)
{
    *w = (struct wire_fields){.at = data, .end = data + len};
}

bool wire_fields_next(struct wire_fields *w)
{
    size_t left = (size_t)(w->end - w->at);
    if (left == 0)
        return false;
    if (left < 6 || le_u32(w->at + 2) > left - 6) {
        w->broken = true;
        return false;
    }
    w->key = get_u16(w->at);
    w->len = le_u32(w->at + 2);
    w->data = w->at + 6;
    w->at = w->data + w->len;
    return true;
}

uint64_t wire_field_number(const struct wire_fields *w)
{
    return w->len == 8 ? le_u64(w->data) : 0;
}

char *wire_field_text(const struct wire_fields *w)
{
    if (memchr(w->data, 0, w->len))
        return NULL;
    char *text = mem_alloc((size_t)w->len + 1);
    memcpy(text, w->data, w->len);
    text[w->len] = '\0';
    return text;
}

bool wire_field_copy(const struct wire_fields *w, char *out, size_t size)
{
    if (w->len >= size || memchr(w->data, 0, w->len))
        return false;
    memcpy(out, w->data, w->len);
    out[w->len] = '\0';
    return true;
}

void wire_put_report(uint8_t head[WIRE_REPORT_HEAD], const struct wire_report *r)
{
    le_put_u32(head, (uint32_t)r->exit_status);
    le_put_u32(head + 4, (uint32_t)r->signal);
    le_put_u64(head + 8, r->run_us);
    le_put_u64(head + 16, r->queued_us);
    le_put_u64(head + 24, r->out_total);
    le_put_u32(head + 32, r->out_len);
    le_put_u32(head + 36, r->err_len);
    le_put_u32(head + 40, r->why_len);
    le_put_u32(head + 44, r->file_count);
    le_put_u64(head + 48, r->file_bytes);
}

enum clw_err wire_get_report(const struct frame *f, struct wire_report *r, struct clw_error *err)
{
    const uint8_t *p = f->body;
    if (f->len < WIRE_REPORT_HEAD)
        return clw_fail(err, CLW_PROTOCOL, NULL, "a report of %u bytes", f->len);
    *r = (struct wire_report){
        .exit_status = (int32_t)le_u32(p),
        .signal = (int32_t)le_u32(p + 4),
        .run_us = le_u64(p + 8),
        .queued_us = le_u64(p + 16),
        .out_total = le_u64(p + 24),
        .out_len = le_u32(p + 32),
        .err_len = le_u32(p + 36),
        .why_len = le_u32(p + 40),
        .file_count = le_u32(p + 44),
        .file_bytes = le_u64(p + 48),
    };
    if ((uint64_t)r->out_len + r->err_len + r->why_len != f->len - WIRE_REPORT_HEAD)
        return clw_fail(err, CLW_PROTOCOL, NULL, "the parts of a report do not fit its length");
    r->out = p + WIRE_REPORT_HEAD;
    r->err = r->out + r->out_len;
    r->why = r->err + r->err_len;
    return CLW_OK;
}

void wire_new_secret(char text[WIRE_TOKEN + 1])
{
    uint8_t bytes[WIRE_TOKEN / 2];
    random_fill(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    mem_wipe(bytes, sizeof bytes);
}

bool wire_get_hello(const struct frame *f, struct wire_hello *h)
{
    struct wire_fields w;
    *h = (struct wire_hello){0};
    wire_fields_init(&w, f->body, f->len);
    while (wire_fields_next(&w)) {
        switch (w.key) {
        case WIRE_K_MAGIC: wire_field_copy(&w, h->magic, sizeof h->magic); break;
        case WIRE_K_VERSION: h->version = wire_field_number(&w); break;
        case WIRE_K_ROLE: h->role = wire_field_number(&w); break;
        case WIRE_K_TOKEN: wire_field_copy(&w, h->token, sizeof h->token); break;
        case WIRE_K_INSTANCE: wire_field_copy(&w, h->instance, sizeof h->instance); break;
        case WIRE_K_DAEMON: h->daemon = wire_field_number(&w); break;
        case WIRE_K_PID: h->pid = wire_field_number(&w); break;
        case WIRE_K_RECEIVED:
            h->received = wire_field_number(&w);
            h->has_received = true;
            break;
        default: break;
        }
    }
    return !w.broken && strcmp(h->magic, WIRE_MAGIC) == 0;
}
