#include "engine/control/sp.h"

#include "base/mem.h"
#include "base/mono.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    TRACE_MAX = 8 * SP_WORD,
    PIPES_MAX = 1000,    /* that wait for no answer */
    OPEN_MAX = 1000,     /* requests of one connection */
    READS = 16,          /* of one connection before others have their turn */
    PATIENCE_MS = 10000, /* for a greeting or a message that was begun */
};

struct sp_request {
    struct sp_pipe *pipe; /* NULL: gone */
    uint8_t trace[TRACE_MAX];
    size_t trace_len;
    struct sp_request *next; /* of the pipe */
};

struct sp_pipe {
    struct sp *sp;
    int fd;
    struct loop_watch *watch;
    bool greeted, over;
    bool behind;           /* it missed the last that was published */
    uint64_t begun_ms;     /* its greeting, or the message that comes; 0: none does */
    uint8_t head[SP_HEAD]; /* of what comes: */
    size_t head_len;
    uint8_t *body; /* NULL: its head is not whole yet */
    size_t body_len, body_size;
    struct buf out; /* what the kernel has not taken, from sent on */
    size_t sent;
    struct sp_request *requests;
    unsigned open;
    struct sp_pipe *next;
};

struct sp {
    struct loop *loop;
    enum sp_protocol side;
    size_t max;
    const struct sp_events *events;
    void *arg;
    struct sp_pipe *pipes;
    unsigned pipe_count, waiting, greeted; /* waiting: for answers */
    unsigned most;                         /* of all: half of the descriptors that there may be */
    uint64_t due_ms;                       /* of sp_tick(); UINT64_MAX: never */
};

/* ---- out ---- */

static bool is_sending(const struct sp_pipe *p)
{
    return p->sent < p->out.len;
}

/* Who does not read what it was sent is not read either. */
static void watch(struct sp_pipe *p)
{
    loop_change(p->watch, is_sending(p) && !p->over ? POLLOUT : POLLIN);
}

/* The loop finds it at its end. */
static void give_up(struct sp_pipe *p)
{
    p->over = true;
    shutdown(p->fd, SHUT_RDWR);
}

static size_t try_send(struct sp_pipe *p, struct iovec *parts, int count)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
    ssize_t n = sendmsg(p->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        give_up(p);
    return n < 0 ? 0 : (size_t)n;
}

static void flush(struct sp_pipe *p)
{
    if (!is_sending(p) || p->over)
        return;
    struct iovec rest = {p->out.data + p->sent, p->out.len - p->sent};
    p->sent += try_send(p, &rest, 1);
    if (!is_sending(p)) {
        buf_fini(&p->out);
        p->sent = 0;
    }
}

static void send_parts(struct sp_pipe *p, struct iovec *parts, int count)
{
    if (p->over)
        return;
    size_t done = is_sending(p) ? 0 : try_send(p, parts, count);
    for (int i = 0; i < count; i++) {
        size_t part = done < parts[i].iov_len ? done : parts[i].iov_len;
        buf_add(&p->out, (uint8_t *)parts[i].iov_base + part, parts[i].iov_len - part);
        done -= part;
    }
    watch(p);
}

/* All that was sent to it. */
static bool has_read(const struct sp_pipe *p)
{
    int unread = 0;
    return !is_sending(p) && ioctl(p->fd, SIOCOUTQ, &unread) == 0 && unread == 0;
}

bool sp_publish(struct sp *sp, const void *data, size_t len)
{
    bool told = true;
    uint8_t head[SP_HEAD];
    sp_put_head(head, len);
    for (struct sp_pipe *p = sp->pipes; p; p = p->next) {
        struct iovec parts[] = {{head, sizeof head}, {(void *)(uintptr_t)data, len}};
        if (!p->greeted)
            continue;
        bool reads = has_read(p);
        if (reads)
            send_parts(p, parts, 2);
        told &= reads || p->behind;
        p->behind = !reads;
    }
    return told;
}

/* ---- requests ---- */

static void drop_request(struct sp_pipe *p, const struct sp_request *r)
{
    struct sp_request **at = &p->requests;
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    p->sp->waiting -= --p->open == 0;
}

void sp_answer(struct sp_request *r, const void *data, size_t len)
{
    struct sp_pipe *p = r->pipe;
    if (p) {
        uint8_t head[SP_HEAD];
        struct iovec parts[] = {{head, sizeof head}, {r->trace, r->trace_len}, {(void *)(uintptr_t)data, len}};
        sp_put_head(head, r->trace_len + len);
        drop_request(p, r);
        send_parts(p, parts, 3);
    }
    free(r);
}

/* Bytes of the backtrace that a request begins with, or 0: it has none that may be. */
static size_t trace_len(const uint8_t *data, size_t len)
{
    for (size_t at = 0; at + SP_WORD <= len && at + SP_WORD <= TRACE_MAX; at += SP_WORD)
        if (data[at] & 0x80)
            return at + SP_WORD;
    return 0;
}

static void take_message(struct sp_pipe *p)
{
    size_t trace = trace_len(p->body, p->body_len);
    if (p->sp->side != SP_REP || !trace || p->open == OPEN_MAX) {
        give_up(p);
        return;
    }
    struct sp_request *r = mem_zalloc(sizeof *r);
    r->pipe = p;
    r->trace_len = trace;
    memcpy(r->trace, p->body, trace);
    r->next = p->requests;
    p->requests = r;
    p->sp->waiting += p->open++ == 0;
    p->sp->events->request(p->sp->arg, r, p->body + trace, p->body_len - trace);
}

/* ---- in ---- */

static void begin(struct sp_pipe *p)
{
    p->begun_ms = mono_ms();
    if (p->sp->due_ms == UINT64_MAX) {
        p->sp->due_ms = p->begun_ms + PATIENCE_MS;
        p->sp->events->changed(p->sp->arg);
    }
}

uint64_t sp_tick(struct sp *sp, uint64_t now_ms)
{
    if (now_ms < sp->due_ms)
        return sp->due_ms;
    sp->due_ms = UINT64_MAX;
    for (struct sp_pipe *p = sp->pipes; p; p = p->next) {
        if (!p->begun_ms || p->over)
            continue;
        uint64_t due_ms = p->begun_ms + PATIENCE_MS;
        if (now_ms >= due_ms)
            give_up(p);
        else if (due_ms < sp->due_ms)
            sp->due_ms = due_ms;
    }
    return sp->due_ms;
}

static void drop_body(struct sp_pipe *p)
{
    if (p->body)
        mem_wipe(p->body, p->body_size);
    free(p->body);
    p->body = NULL;
    p->head_len = p->body_len = 0;
    p->begun_ms = 0;
}

static void take_greeting(struct sp_pipe *p)
{
    uint8_t want[SP_GREETING];
    sp_put_greeting(want, p->sp->side == SP_REP ? SP_REQ : SP_SUB);
    if (memcmp(p->head, want, sizeof want) != 0) {
        give_up(p);
        return;
    }
    p->greeted = true;
    p->head_len = 0;
    p->begun_ms = 0;
    p->sp->greeted++;
    if (p->sp->side == SP_PUB)
        p->sp->events->changed(p->sp->arg);
}

/* Of a message: makes room for the rest. */
static void take_head(struct sp_pipe *p)
{
    uint64_t size = sp_get_head(p->head);
    if (size > p->sp->max || !(p->body = malloc(size + 1))) {
        give_up(p);
        return;
    }
    p->body_size = (size_t)size;
    p->body_len = 0;
}

/* One read; false: nothing more comes now. */
static bool take_some(struct sp_pipe *p)
{
    size_t head = p->greeted ? SP_HEAD : SP_GREETING;
    uint8_t *to = p->body ? p->body + p->body_len : p->head + p->head_len;
    size_t room = p->body ? p->body_size - p->body_len : head - p->head_len;
    ssize_t n = room ? recv(p->fd, to, room, MSG_DONTWAIT) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n < 0 || (n == 0 && room)) {
        p->over = true;
        return false;
    }
    if (!p->begun_ms)
        begin(p);
    *(p->body ? &p->body_len : &p->head_len) += (size_t)n;
    if ((size_t)n < room)
        return true;
    if (p->body) {
        take_message(p);
        drop_body(p);
    } else if (p->greeted) {
        take_head(p);
    } else {
        take_greeting(p);
    }
    return true;
}

/* ---- connections ---- */

static void end(struct sp_pipe *p)
{
    struct sp *sp = p->sp;
    struct sp_pipe **at = &sp->pipes;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    sp->pipe_count--;
    sp->greeted -= p->greeted;
    sp->waiting -= p->open > 0;
    for (struct sp_request *r = p->requests, *next; r; r = next) {
        next = r->next;
        r->pipe = NULL;
        sp->events->gone(sp->arg, r);
    }
    loop_remove(p->watch);
    close(p->fd);
    drop_body(p);
    buf_fini(&p->out);
    if (p->greeted && sp->side == SP_PUB)
        sp->events->changed(sp->arg);
    free(p);
}

static void step(void *arg, short events)
{
    struct sp_pipe *p = arg;
    (void)events;
    flush(p);
    for (int i = 0; i < READS && !p->over && !is_sending(p) && take_some(p); i++) {
    }
    if (p->over)
        end(p);
    else
        watch(p);
}

bool sp_is_full(const struct sp *sp)
{
    return sp->pipe_count - sp->waiting >= PIPES_MAX || sp->pipe_count >= sp->most;
}

bool sp_add(struct sp *sp, int fd)
{
    uint8_t greeting[SP_GREETING];
    struct sp_pipe *p = mem_zalloc(sizeof *p);
    p->sp = sp;
    p->fd = fd;
    p->watch = loop_add(sp->loop, fd, POLLIN, step, p);
    if (!p->watch) {
        int saved = errno;
        close(fd);
        free(p);
        errno = saved;
        return false;
    }
    p->next = sp->pipes;
    sp->pipes = p;
    sp->pipe_count++;
    begin(p);
    sp_put_greeting(greeting, sp->side);
    send_parts(p, &(struct iovec){greeting, sizeof greeting}, 1);
    return true;
}

unsigned sp_count(const struct sp *sp)
{
    return sp->greeted;
}

struct sp *sp_new(struct loop *loop, enum sp_protocol side, size_t max, const struct sp_events *events, void *arg)
{
    struct sp *sp = mem_zalloc(sizeof *sp);
    struct rlimit files = {.rlim_cur = 1024};
    getrlimit(RLIMIT_NOFILE, &files);
    *sp = (struct sp){.loop = loop, .side = side, .max = max, .events = events, .arg = arg, .due_ms = UINT64_MAX};
    sp->most = files.rlim_cur < UINT_MAX ? (unsigned)files.rlim_cur / 2 : UINT_MAX;
    return sp;
}

void sp_free(struct sp *sp)
{
    while (sp && sp->pipes)
        end(sp->pipes); // NOLINT(clang-analyzer-unix.Malloc): it takes itself out of the list
    free(sp);
}
