/* clowder_worker.h - make a C program a Clowder worker in one call. Header only; nothing to link.
 *
 *   static int square(void *arg, const char *in, size_t len, struct clowder_out *out)
 *   {
 *       long v = strtol(in, NULL, 10);               // in is NUL-terminated after len bytes
 *       return clowder_out_printf(out, "%ld", v * v); // 0; another number fails the task, and out is its message
 *   }
 *   int main(void) { return clowder_worker_frames(square, NULL); }
 *
 *   clowder map -W -- ./square ::: 1 2 3              (clowder_worker_lines goes with -w)
 *
 * What the function prints goes to stderr, and what it starts has /dev/null to read: both descriptors of the protocol
 * are the worker's own. A child of fork() that comes back from the function ends there with status 0, and answers
 * nothing.
 *
 * Framed protocol, for those who write it themselves; all numbers are u32, little-endian. When it is ready for tasks,
 * the worker writes the 8 bytes CLOWDER_GREETING. A task: length, number, then length bytes. Its answer: length, the
 * same number, code, then length bytes. Code 0 means done; anything else is the task's exit status, and the bytes are
 * its error message. Answers come in the order of the tasks, and are flushed when no task is waiting to be read.
 * Nothing else may go to stdout: whatever is no answer to the task that is due ends the worker. */
#ifndef CLOWDER_WORKER_H
#define CLOWDER_WORKER_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#define CLOWDER_GREETING                                                                                               \
    "\xff"                                                                                                             \
    "CLWFR2\n"

struct clowder_out {
    char *data;
    size_t len, cap;
    int failed; /* no memory */
};

/* Returns 0 (done), or the status that the task fails with. */
typedef int (*clowder_task_fn)(void *arg, const char *in, size_t len, struct clowder_out *out);

static inline char *clowder_out_reserve(struct clowder_out *o, size_t more)
{
    if (o->cap - o->len < more) {
        size_t cap = (o->cap + more) * 2;
        char *data = (char *)realloc(o->data, cap);
        if (!data) {
            o->failed = 1;
            return NULL;
        }
        o->data = data;
        o->cap = cap;
    }
    return o->data + o->len;
}

/* Appends bytes to the answer. Returns 0, or -1 when memory is gone. */
static inline int clowder_out_add(struct clowder_out *o, const void *data, size_t len)
{
    char *at = clowder_out_reserve(o, len);
    if (!at)
        return -1;
    if (len)
        memcpy(at, data, len);
    o->len += len;
    return 0;
}

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static inline int
clowder_out_printf(struct clowder_out *o, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    char *at = n < 0 ? NULL : clowder_out_reserve(o, (size_t)n + 1);
    if (!at)
        return -1;
    va_start(ap, format);
    vsnprintf(at, (size_t)n + 1, format, ap);
    va_end(ap);
    o->len += (size_t)n;
    return 0;
}

/* What a worker keeps to itself. */
struct clowder__io {
    int in, out, framed;
    pid_t pid;
    volatile char *own; /* 1, and 0 in a child of fork(); NULL: compare pid */
    long long hold_us;  /* answers of tiny tasks wait so long for more of them */
};

static inline long long clowder__now_us(void)
{
    struct timeval t;
    gettimeofday(&t, NULL);
    return t.tv_sec * 1000000LL + t.tv_usec;
}

/* The same descriptor under a number that programs of ours do not inherit, or -1. */
static inline int clowder__own(int fd)
{
    int own = fcntl(fd, F_DUPFD, 3);
    return own < 0 || fcntl(own, F_SETFD, FD_CLOEXEC) ? -1 : own;
}

/* A mark that fork() wipes out: looking at it costs less than getpid(). */
static inline volatile char *clowder__own_mark(void)
{
#ifdef MADV_WIPEONFORK
    char *mark = (char *)mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mark != MAP_FAILED && madvise(mark, 1, MADV_WIPEONFORK) == 0) {
        *mark = 1;
        return mark;
    }
#endif
    return NULL;
}

static inline int clowder__is_child(const struct clowder__io *io)
{
    return io->own ? !*io->own : getpid() != io->pid;
}

/* Takes stdin and stdout for the protocol alone. Returns 0, or -1. */
static inline int clowder__take_io(struct clowder__io *io, int framed)
{
    int null = open("/dev/null", O_RDONLY);
    io->framed = framed;
    io->pid = getpid();
    io->own = clowder__own_mark();
    io->hold_us = getenv("CLOWDER_TIMEOUT") ? 0 : 50; /* under a limit it must be seen which task takes its time */
    io->in = clowder__own(0);
    io->out = clowder__own(1);
    if (null < 0 || io->in < 0 || io->out < 0 || dup2(null, 0) < 0 || dup2(2, 1) < 0)
        return -1;
    close(null);
    return 0;
}

static inline int clowder__flush(const struct clowder__io *io, struct clowder_out *o)
{
    size_t done = 0;
    while (done < o->len) {
        ssize_t n = write(io->out, o->data + done, o->len - done);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0)
            done += (size_t)n;
    }
    o->len = 0;
    return 0;
}

static inline void clowder__put32(char *at, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(v >> (8 * i));
}

static inline uint32_t clowder__get32(const char *at)
{
    const unsigned char *u = (const unsigned char *)at;
    return (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

/* Length of the first whole task in data, 0 when there is none; *start and *len: its bytes. */
static inline size_t clowder__next(const char *data, size_t have, int framed, size_t *start, size_t *len)
{
    if (framed) {
        if (have < 8 || have - 8 < clowder__get32(data))
            return 0;
        *start = 8;
        *len = clowder__get32(data);
        return 8 + *len;
    }
    const char *newline = (const char *)memchr(data, '\n', have);
    *start = 0;
    *len = newline ? (size_t)(newline - data) : 0;
    return newline ? *len + 1 : 0;
}

static inline int clowder__answer(
    clowder_task_fn fn, void *arg, char *in, size_t len, const struct clowder__io *io, struct clowder_out *out)
{
    size_t head = out->len;
    char kept = in[len];
    if (io->framed && clowder_out_add(out, "\0\0\0\0\0\0\0\0\0\0\0\0", 12))
        return -1;
    in[len] = '\0';
    int status = fn(arg, in, len, out);
    in[len] = kept;
    if (clowder__is_child(io))
        _exit(0);
    if (out->failed)
        return -1;
    if (io->framed) {
        clowder__put32(out->data + head, (uint32_t)(out->len - head - 12));
        memcpy(out->data + head + 4, in - 4, 4); /* the number of the task */
        clowder__put32(out->data + head + 8, (uint32_t)status);
        return 0;
    }
    if (status) { /* lines have no place for an error: the worker ends, and the task fails with its status and stderr */
        fprintf(stderr, "%.*s\n", (int)(out->len - head), out->data ? out->data + head : "");
        out->len = head;
        clowder__flush(io, out);
        exit(status & 0xff);
    }
    return clowder_out_add(out, "\n", 1);
}

static inline int clowder__run(clowder_task_fn fn, void *arg, int framed)
{
    struct clowder_out in = {NULL, 0, 0, 0}, out = {NULL, 0, 0, 0};
    struct clowder__io io;
    int status = 1;
    if (clowder__take_io(&io, framed) || (framed && clowder_out_add(&out, CLOWDER_GREETING, 8)) ||
        clowder__flush(&io, &out))
        return 1;
    for (;;) {
        char *at = clowder_out_reserve(&in, 65536 + 1);
        if (!at)
            break;
        ssize_t n = read(io.in, at, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            status = n < 0;
            break;
        }
        in.len += (size_t)n;
        size_t from = 0, size, start, len;
        long long since = clowder__now_us();
        int bad = 0;
        while (!bad && (size = clowder__next(in.data + from, in.len - from, framed, &start, &len))) {
            bad = clowder__answer(fn, arg, in.data + from + start, len, &io, &out);
            from += size;
            long long now = clowder__now_us();
            if (now - since >= io.hold_us || out.len > 65536) {
                bad |= clowder__flush(&io, &out);
                since = now;
            }
        }
        memmove(in.data, in.data + from, in.len - from);
        in.len -= from;
        if (bad || clowder__flush(&io, &out))
            break;
    }
    free(in.data);
    free(out.data);
    return status;
}

/* Answers tasks until stdin ends; returns what main should. */
static inline int clowder_worker_frames(clowder_task_fn fn, void *arg)
{
    return clowder__run(fn, arg, 1);
}

/* The same for lines: the answer must not hold a newline. */
static inline int clowder_worker_lines(clowder_task_fn fn, void *arg)
{
    return clowder__run(fn, arg, 0);
}

#endif
