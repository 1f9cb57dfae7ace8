/* Allocation, buffers, shared blocks. */
#include "base/mem.h"

#include <stdarg.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static void out_of_memory(size_t size)
{
    fprintf(stderr, "clowder: out of memory (%zu bytes wanted)\n", size);
    abort();
}

void *mem_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

void *mem_zalloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

void *mem_realloc(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

char *mem_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(mem_alloc(size), text, size);
}

__attribute__((format(printf, 2, 0))) static void add_format(struct buf *b, const char *format, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, format, ap);
    if (n > 0) {
        vsnprintf((char *)buf_reserve(b, (size_t)n + 1), (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void mem_keep_freed(void)
{
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    mallopt(M_TRIM_THRESHOLD, 16 << 20);
}

char *mem_strndup(const void *data, size_t len)
{
    char *text = mem_alloc(len + 1);
    if (len)
        memcpy(text, data, len);
    text[len] = '\0';
    return text;
}

char *mem_printf(const char *format, ...)
{
    struct buf b = {0};
    va_list ap;
    va_start(ap, format);
    add_format(&b, format, ap);
    va_end(ap);
    return buf_steal(&b);
}

void mem_wipe(void *data, size_t size)
{
    explicit_bzero(data, size);
}

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
}

uint8_t *buf_reserve(struct buf *b, size_t size)
{
    if (b->cap - b->len < size) {
        size_t cap = b->cap ? b->cap : 64;
        while (cap - b->len < size)
            cap *= 2;
        b->data = mem_realloc(b->data, cap);
        b->cap = cap;
    }
    return b->data + b->len;
}

void buf_add(struct buf *b, const void *data, size_t size)
{
    if (size) {
        memcpy(buf_reserve(b, size), data, size);
        b->len += size;
    }
}

void buf_add_text(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_add_quoted(struct buf *b, const char *text)
{
    buf_add_text(b, "'");
    for (; *text; text++)
        if (*text == '\'')
            buf_add_text(b, "'\\''");
        else
            buf_add(b, text, 1);
    buf_add_text(b, "'");
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    add_format(b, format, ap);
    va_end(ap);
}

void buf_drop(struct buf *b, size_t size)
{
    if (size >= b->len) {
        b->len = 0;
        return;
    }
    memmove(b->data, b->data + size, b->len - size);
    b->len -= size;
}

char *buf_text(struct buf *b)
{
    *buf_reserve(b, 1) = 0;
    return (char *)b->data;
}

char *buf_steal(struct buf *b)
{
    char *text = buf_text(b);
    *b = (struct buf){0};
    return text;
}

struct blk *blk_new(size_t cap)
{
    struct blk *b = malloc(sizeof *b + cap);
    if (b) {
        atomic_init(&b->refs, 1);
        b->cap = cap;
    }
    return b;
}

struct blk *blk_hold(struct blk *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void blk_rele(struct blk *b)
{
    if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        free(b);
}
