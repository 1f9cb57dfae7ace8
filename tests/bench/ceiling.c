/* What the machine gives at best, to hold figures against: ceiling echo N (round trips of 16 bytes over a bare nng
 * stream between two processes; prints p50 and p99 in microseconds), ceiling stream MB (the same in pieces of 64 KiB,
 * eight on the way: MB/s), ceiling coalesced N (N messages of 16 bytes there and back over a bare socket, as many in
 * one write as there are: messages/s), ceiling spawn N (seconds for N times posix_spawn of true, two at a time). */
#include "base/dial.h"
#include "base/mono.h"

#include <nng/nng.h>
#include <nng/supplemental/util/platform.h>

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static _Atomic size_t sent, got;
static size_t pieces;

static void must(int rv)
{
    if (rv) {
        fprintf(stderr, "ceiling: %s\n", nng_strerror(rv));
        exit(1);
    }
}

static void move(nng_stream *s, nng_aio *aio, void *data, size_t len, bool receive)
{
    for (size_t done = 0; done < len; done += nng_aio_count(aio)) {
        nng_iov iov = {(char *)data + done, len - done};
        nng_aio_set_iov(aio, 1, &iov);
        if (receive)
            nng_stream_recv(s, aio);
        else
            nng_stream_send(s, aio);
        nng_aio_wait(aio);
        if (nng_aio_result(aio))
            exit(0); /* the other side is done */
    }
}

static nng_stream *accept_one(const char *url)
{
    nng_stream_listener *l;
    nng_aio *aio;
    must(nng_stream_listener_alloc(&l, url));
    must(nng_stream_listener_listen(l));
    must(nng_aio_alloc(&aio, NULL, NULL));
    nng_stream_listener_accept(l, aio);
    nng_aio_wait(aio);
    must(nng_aio_result(aio));
    return nng_aio_get_output(aio, 0);
}

static nng_stream *dial(const char *url)
{
    nng_stream_dialer *d;
    nng_aio *aio;
    must(nng_stream_dialer_alloc(&d, url));
    must(nng_aio_alloc(&aio, NULL, NULL));
    for (;;) {
        nng_stream_dialer_dial(d, aio);
        nng_aio_wait(aio);
        if (nng_aio_result(aio) == 0)
            return nng_aio_get_output(aio, 0);
        nng_msleep(1);
    }
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void echo(size_t n)
{
    char url[64], data[16] = {0};
    nng_aio *aio;
    snprintf(url, sizeof url, "ipc:///tmp/clowder-ceiling-%d", (int)getpid());
    pid_t child = fork();
    nng_stream *s = child ? dial(url) : accept_one(url);
    must(nng_aio_alloc(&aio, NULL, NULL));
    while (!child) {
        move(s, aio, data, sizeof data, true);
        move(s, aio, data, sizeof data, false);
    }
    uint64_t *took = calloc(n, sizeof *took);
    for (size_t i = 0; took && i < n; i++) {
        uint64_t began = mono_ns();
        move(s, aio, data, sizeof data, false);
        move(s, aio, data, sizeof data, true);
        took[i] = mono_ns() - began;
    }
    qsort(took, n, sizeof *took, by_size);
    printf("%.1f %.1f\n", (double)took[n / 2] / 1000, (double)took[n * 99 / 100] / 1000);
    free(took);
    nng_stream_free(s);
    waitpid(child, NULL, 0);
    unlink(url + strlen("ipc://"));
}

enum { PIECE = 64 << 10, PIECES = 8 };

static void *send_pieces(void *arg)
{
    static char data[PIECE];
    nng_aio *aio;
    must(nng_aio_alloc(&aio, NULL, NULL));
    for (size_t i = 0; i < pieces; i++) {
        while (atomic_load(&sent) - atomic_load(&got) >= PIECES)
            poll(NULL, 0, 0);
        move(arg, aio, data, PIECE, false);
        atomic_fetch_add(&sent, 1);
    }
    nng_aio_free(aio);
    return NULL;
}

static void stream(size_t mb)
{
    static char data[PIECE];
    char url[64];
    nng_aio *aio;
    pthread_t sender;
    snprintf(url, sizeof url, "ipc:///tmp/clowder-ceiling-%d", (int)getpid());
    pid_t child = fork();
    nng_stream *s = child ? dial(url) : accept_one(url);
    must(nng_aio_alloc(&aio, NULL, NULL));
    while (!child) {
        move(s, aio, data, PIECE, true);
        move(s, aio, data, PIECE, false);
    }
    pieces = mb * 16;
    uint64_t began = mono_ns();
    pthread_create(&sender, NULL, send_pieces, s);
    for (size_t i = 0; i < pieces; i++) {
        move(s, aio, data, PIECE, true);
        atomic_fetch_add(&got, 1);
    }
    printf("%.1f\n", (double)mb * 1e9 / (double)(mono_ns() - began));
    pthread_join(sender, NULL);
    nng_stream_free(s);
    waitpid(child, NULL, 0);
    unlink(url + strlen("ipc://"));
}

enum { MESSAGE = 16, WINDOW = 4096 };

/* One message after the other is looked at, as an engine would. */
static void echo_messages(int fd)
{
    static char in[65536], out[65536];
    size_t have = 0;
    for (ssize_t n; (n = read(fd, in + have, sizeof in - have)) > 0;) {
        size_t whole = (have += (size_t)n) / MESSAGE * MESSAGE;
        for (size_t at = 0; at < whole; at += MESSAGE)
            memcpy(out + at, in + at, MESSAGE);
        for (size_t done = 0; done < whole; done += (size_t)n)
            if ((n = write(fd, out + done, whole - done)) <= 0)
                exit(1);
        memmove(in, in + whole, have -= whole);
    }
    exit(0);
}

static void coalesced(size_t count)
{
    static char out[65536], in[65536];
    int fd[2];
    size_t sent_bytes = 0, got_bytes = 0, want = count * MESSAGE;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
        exit(1);
    pid_t child = fork();
    if (!child) {
        close(fd[0]);
        echo_messages(fd[1]);
    }
    close(fd[1]);
    uint64_t began = mono_ns();
    while (got_bytes < want) {
        size_t room = WINDOW * MESSAGE - (sent_bytes - got_bytes), left = want - sent_bytes;
        size_t most = room < left ? room : left;
        struct pollfd p = {fd[0], (short)(POLLIN | (most ? POLLOUT : 0)), 0};
        poll(&p, 1, -1);
        ssize_t n;
        if (p.revents & POLLOUT && (n = send(fd[0], out, most < sizeof out ? most : sizeof out, MSG_DONTWAIT)) > 0)
            sent_bytes += (size_t)n;
        if (p.revents & POLLIN && (n = recv(fd[0], in, sizeof in, MSG_DONTWAIT)) > 0)
            got_bytes += (size_t)n;
    }
    printf("%.0f\n", (double)count * 1e9 / (double)(mono_ns() - began));
    close(fd[0]);
    waitpid(child, NULL, 0);
}

/* Each gets its number, as tasks do: true does more with one argument than with none. */
static void spawn(size_t n)
{
    char number[24], *const argv[] = {(char *)(uintptr_t) "true", number, NULL};
    uint64_t began = mono_ns();
    size_t running = 0;
    for (size_t i = 0; i < n || running;) {
        pid_t pid;
        if (i < n && running < 2) {
            snprintf(number, sizeof number, "%zu", i + 1);
            if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ))
                exit(1);
            i++;
            running++;
        } else if (wait(NULL) > 0) {
            running--;
        }
    }
    printf("%.4f\n", (double)(mono_ns() - began) / 1e9);
}

/* target: as in base/dial.h. */
static int dial_now(const char *target)
{
    bool pending = false;
    int fd = dial_target(target, &pending), problem = 0;
    socklen_t len = sizeof problem;
    struct pollfd p = {fd, POLLOUT, 0};
    if (fd < 0 || poll(&p, 1, 5000) != 1 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &len) || problem) {
        fprintf(stderr, "ceiling: cannot connect to %s\n", target);
        exit(1);
    }
    return fd;
}

static void serve(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    static char data[65536];
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l < 0 || bind(l, (struct sockaddr *)&a, sizeof a) || listen(l, 8) ||
        getsockname(l, (struct sockaddr *)&a, &len))
        exit(1);
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    for (;;) {
        int fd = accept(l, NULL, NULL);
        ssize_t n;
        while ((n = read(fd, data, sizeof data)) > 0)
            for (ssize_t done = 0, put; done < n && (put = write(fd, data + done, (size_t)(n - done))) > 0;)
                done += put;
        close(fd);
    }
}

static void pump(const char *target, size_t mb)
{
    static char out[65536], in[65536];
    size_t want = mb << 20, put = 0, back = 0;
    int fd = dial_now(target);
    uint64_t began = mono_ns();
    while (back < want) {
        struct pollfd p = {fd, (short)(POLLIN | (put < want ? POLLOUT : 0)), 0};
        poll(&p, 1, -1);
        ssize_t n = 0;
        if (p.revents & POLLOUT &&
            (n = send(fd, out, sizeof out < want - put ? sizeof out : want - put, MSG_DONTWAIT)) > 0)
            put += (size_t)n;
        if (p.revents & (POLLIN | POLLHUP) && (n = recv(fd, in, sizeof in, MSG_DONTWAIT)) > 0)
            back += (size_t)n;
        if (p.revents & POLLHUP && n <= 0)
            exit(1);
    }
    printf("%.1f\n", (double)mb * 1e9 / (double)(mono_ns() - began));
}

int main(int argc, char **argv)
{
    size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        serve();
    if (argc == 4 && strcmp(argv[1], "pump") == 0) {
        pump(argv[2], strtoul(argv[3], NULL, 10));
        return 0;
    }
    if (n && strcmp(argv[1], "echo") == 0)
        echo(n);
    else if (n && strcmp(argv[1], "spawn") == 0)
        spawn(n);
    else if (n && strcmp(argv[1], "stream") == 0)
        stream(n);
    else if (n && strcmp(argv[1], "coalesced") == 0)
        coalesced(n);
    else
        return 2;
    return 0;
}
