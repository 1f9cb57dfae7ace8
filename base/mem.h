/* Memory: allocation that cannot fail quietly, growing byte buffers, and shared blocks of bytes.
 * Sizes that come from outside are checked by the caller before they get here. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Like malloc, calloc, realloc and strdup, but end the program with a line on stderr when memory is gone:
 * for small sizes of our own. Return owned memory; release it with free(). */
void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
void *mem_realloc(void *old, size_t size);
char *mem_strdup(const char *text);
/* The bytes and a NUL after them; data may be NULL when there are none. */
/* For programs whose blocks come and go: up to 16 MiB that were freed are kept, instead of being returned to the kernel
 * and faulted in again. Once, at the start. */
void mem_keep_freed(void);
char *mem_strndup(const void *data, size_t len);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Overwrites size bytes in a way that the compiler keeps: for secrets. */
void mem_wipe(void *data, size_t size);

/* A growing array of bytes. All zero is a valid empty buffer. */
struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
};

void buf_fini(struct buf *b);
/* Empties it and keeps the memory. */
void buf_clear(struct buf *b);
/* Makes room for size more bytes and returns where they go; the caller then adds to len. */
uint8_t *buf_reserve(struct buf *b, size_t size);
void buf_add(struct buf *b, const void *data, size_t size);
void buf_add_text(struct buf *b, const char *text);
/* Adds text in single quotes, as any shell reads it back. */
void buf_add_quoted(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Removes size bytes from the front. */
void buf_drop(struct buf *b, size_t size);
/* NUL-terminates (the NUL is not counted in len) and returns the bytes as text, borrowed. */
char *buf_text(struct buf *b);
/* Takes the bytes out as an owned, NUL-terminated string and leaves the buffer empty. */
char *buf_steal(struct buf *b);

/* A block of bytes with a reference count, shared between threads. */
struct blk {
    _Atomic unsigned refs;
    size_t cap;
    uint8_t data[];
};

/* Returns a block with one reference, or NULL when memory is gone (sizes may come from a peer). */
struct blk *blk_new(size_t cap);
struct blk *blk_hold(struct blk *b);
/* Gives a reference back; the last one frees the block. NULL is fine. */
void blk_rele(struct blk *b);

#endif
