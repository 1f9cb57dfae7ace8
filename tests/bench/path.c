/* path N: the path of N tiny tasks with nothing but sockets and poll: client, engine, two daemons, `cat`, and back in
 * order; 1,024 lines a batch, four batches with a daemon. No retries, no fairness, no statistics, no other job: what a
 * real engine is held against. Prints tasks a second. */
#include "base/mem.h"
#include "base/mono.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BATCH = 1024, WINDOW = 4, AHEAD = 256, DAEMONS = 2, READ = 256 << 10 };

/* In front of each batch. */
struct head {
    uint32_t len, n;
    uint64_t number;
};

/* One end of a connection (or of two pipes), with what has come and what is to go. */
struct end {
    int in_fd, out_fd;
    struct buf in, out;
    size_t in_at, out_at;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void no_wait(int fd)
{
    if (fcntl(fd, F_SETFL, O_NONBLOCK))
        die("path: fcntl");
}

static struct end end_of(int in_fd, int out_fd)
{
    no_wait(in_fd);
    no_wait(out_fd);
    return (struct end){.in_fd = in_fd, .out_fd = out_fd};
}

static void flush(struct end *e)
{
    while (e->out_at < e->out.len) {
        ssize_t n = write(e->out_fd, e->out.data + e->out_at, e->out.len - e->out_at);
        if (n <= 0)
            return;
        e->out_at += (size_t)n;
    }
    buf_clear(&e->out);
    e->out_at = 0;
}

/* False: the other side is gone. */
static bool fill(struct end *e)
{
    if (e->in_at) {
        buf_drop(&e->in, e->in_at);
        e->in_at = 0;
    }
    uint8_t *at = buf_reserve(&e->in, READ);
    ssize_t n = read(e->in_fd, at, READ);
    e->in.len += n > 0 ? (size_t)n : 0;
    return n != 0;
}

/* The next whole batch that came, or NULL. */
static const uint8_t *next(struct end *e, struct head *h)
{
    size_t have = e->in.len - e->in_at;
    const uint8_t *at = e->in.data + e->in_at;
    if (have < sizeof *h)
        return NULL;
    memcpy(h, at, sizeof *h);
    if (have < sizeof *h + h->len)
        return NULL;
    e->in_at += sizeof *h + h->len;
    return at + sizeof *h;
}

static void post(struct end *e, const struct head *h, const void *bytes)
{
    buf_add(&e->out, h, sizeof *h);
    buf_add(&e->out, bytes, h->len);
}

/* Waits until something can be done with one of the ends, and does it. */
static void turn(struct end *ends, unsigned count)
{
    struct pollfd p[2 * (DAEMONS + 1)];
    for (unsigned i = 0; i < count; i++) {
        flush(&ends[i]);
        p[2 * i] = (struct pollfd){ends[i].in_fd, POLLIN, 0};
        p[2 * i + 1] = (struct pollfd){ends[i].out.len ? ends[i].out_fd : -1, POLLOUT, 0};
    }
    poll(p, 2 * count, -1);
    for (unsigned i = 0; i < count; i++)
        if (p[2 * i].revents && !fill(&ends[i]))
            exit(0);
}

static void run_daemon(int fd)
{
    int to[2], from[2];
    extern char **environ;
    char *const argv[] = {(char *)(uintptr_t) "cat", NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
        die("path: pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to[0], 0);
    posix_spawn_file_actions_adddup2(&actions, from[1], 1);
    if (posix_spawnp(&pid, "cat", &actions, NULL, argv, environ))
        die("path: cat");
    close(to[0]);
    close(from[1]);
    fcntl(to[1], F_SETPIPE_SZ, 1 << 20);
    fcntl(from[0], F_SETPIPE_SZ, 1 << 20);
    struct end ends[2] = {end_of(fd, fd), end_of(from[0], to[1])};
    struct head queue[WINDOW], h;
    unsigned first = 0, count = 0;
    uint32_t lines = 0;
    size_t seen = 0; /* bytes after in_at that were looked through */
    for (;;) {
        const uint8_t *bytes;
        turn(ends, 2);
        while (count < WINDOW && (bytes = next(&ends[0], &h))) {
            queue[(first + count++) % WINDOW] = h;
            buf_add(&ends[1].out, bytes, h.len);
        }
        while (count) {
            const uint8_t *at = ends[1].in.data + ends[1].in_at, *stop = ends[1].in.data + ends[1].in.len;
            const uint8_t *line = at + seen;
            while (lines < queue[first].n && line < stop && (line = memchr(line, '\n', (size_t)(stop - line)))) {
                lines++;
                line++;
            }
            if (lines < queue[first].n) {
                seen = (size_t)(stop - at);
                break;
            }
            h = queue[first];
            h.len = (uint32_t)(line - at);
            post(&ends[0], &h, at);
            ends[1].in_at += h.len;
            first = (first + 1) % WINDOW;
            count--;
            lines = 0;
            seen = 0;
        }
    }
}

/* Results that came before their turn. */
struct waiting {
    struct head head;
    uint8_t *bytes;
};

static void run_engine(int client, const int *daemons)
{
    struct end ends[DAEMONS + 1] = {end_of(client, client)};
    struct waiting late[AHEAD] = {0};
    unsigned with[DAEMONS] = {0};
    uint64_t due = 0;
    struct head h;
    for (unsigned i = 0; i < DAEMONS; i++)
        ends[i + 1] = end_of(daemons[i], daemons[i]);
    for (;;) {
        const uint8_t *bytes;
        turn(ends, DAEMONS + 1);
        for (unsigned i = 0; i < DAEMONS; i++) {
            while ((bytes = next(&ends[i + 1], &h))) {
                struct waiting *w = &late[h.number % AHEAD];
                with[i]--;
                w->head = h;
                w->bytes = mem_alloc(h.len);
                memcpy(w->bytes, bytes, h.len);
            }
        }
        for (struct waiting *w; (w = &late[due % AHEAD])->bytes; due++) {
            post(&ends[0], &w->head, w->bytes);
            free(w->bytes);
            w->bytes = NULL;
        }
        for (;;) {
            unsigned least = with[1] < with[0];
            if (with[least] >= WINDOW || !(bytes = next(&ends[0], &h)))
                break;
            post(&ends[least + 1], &h, bytes);
            with[least]++;
        }
    }
}

static void write_line(char line[17], uint64_t i)
{
    for (int at = 14; at >= 0; at--, i /= 10)
        line[at] = (char)('0' + i % 10);
    line[15] = '\n';
}

/* Each task has its own result, in its turn. */
static void check(const uint8_t *bytes, const struct head *h, uint64_t index)
{
    char want[17];
    for (const uint8_t *at = bytes, *stop = bytes + h->len; at < stop; index++) {
        const uint8_t *line = memchr(at, '\n', (size_t)(stop - at));
        write_line(want, index);
        if (!line || line - at != 15 || memcmp(at, want, 15) != 0)
            exit(1);
        at = line + 1;
    }
}

static void run_client(int fd, uint64_t tasks)
{
    struct end e = end_of(fd, fd);
    uint64_t put = 0, got = 0, number = 0, due = 0, began = mono_ns();
    struct buf lines = {0};
    char line[17];
    struct head h;
    while (got < tasks) {
        while (put < tasks && number - due < AHEAD / 2 && e.out.len < READ) {
            h = (struct head){.n = tasks - put < BATCH ? (uint32_t)(tasks - put) : BATCH, .number = number++};
            buf_clear(&lines);
            for (uint32_t i = 0; i < h.n; i++) {
                write_line(line, put + i);
                buf_add(&lines, line, 16);
            }
            put += h.n;
            h.len = (uint32_t)lines.len;
            post(&e, &h, lines.data);
        }
        turn(&e, 1);
        for (const uint8_t *bytes; (bytes = next(&e, &h)); got += h.n) {
            if (h.number != due++)
                exit(1); /* out of order */
            check(bytes, &h, got);
        }
    }
    printf("%.0f\n", (double)tasks * 1e9 / (double)(mono_ns() - began));
    buf_fini(&lines);
}

int main(int argc, char **argv)
{
    uint64_t tasks = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;
    int client[2], daemon[DAEMONS][2], at_engine[DAEMONS];
    if (!tasks)
        return 2;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client))
        die("path: socketpair");
    for (unsigned i = 0; i < DAEMONS; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, daemon[i]))
            die("path: socketpair");
        at_engine[i] = daemon[i][0];
        if (fork() == 0) {
            close(client[0]);
            for (unsigned k = 0; k <= i; k++)
                close(daemon[k][0]);
            run_daemon(daemon[i][1]);
        }
        close(daemon[i][1]);
    }
    if (fork() == 0) {
        close(client[0]);
        run_engine(client[1], at_engine);
    }
    for (unsigned i = 0; i < DAEMONS; i++)
        close(at_engine[i]);
    close(client[1]);
    run_client(client[0], tasks);
    close(client[0]);
    while (wait(NULL) > 0)
        ;
    return 0;
}
