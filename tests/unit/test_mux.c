/* The way home: its frames, and two ends joined by a pipe of our own. */
#include "base/mem.h"
#include "hosts/remote/mux.h"
#include "hosts/remote/mux_end.h"
#include "tests/unit/mux_lab.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- frames ---- */

static void frames(void **state)
{
    (void)state;
    struct buf out = {0};
    struct mux_reader r = {0};
    struct mux_frame f;
    buf_add_text(&out, "Welcome to this machine\n\n\001clowder-m not yet");
    buf_add(&out, MUX_GREETING, sizeof MUX_GREETING - 1);
    mux_put_u32(&out, MUX_OPEN, 1, 7);
    mux_put(&out, MUX_DATA, 1, "hello", 5);
    mux_put(&out, MUX_EOF, 1, NULL, 0);
    int seen = 0;
    for (size_t i = 0; i < out.len; i++) {
        mux_feed(&r, out.data + i, 1);
        while (mux_next(&r, &f) > 0) {
            seen++;
            assert_int_equal(f.stream, 1);
            if (f.type == MUX_OPEN)
                assert_int_equal(mux_u32(&f), 7);
            if (f.type == MUX_DATA)
                assert_memory_equal(f.data, "hello", 5);
        }
    }
    assert_int_equal(seen, 3);
    assert_true(strncmp(r.noise, "Welcome", 7) == 0);
    mux_reader_fini(&r);
    buf_fini(&out);
}

static void bad_frames(void **state)
{
    (void)state;
    static const uint8_t bad[][13] = {
        {0, 0, 0, 0, 1, 0, 0, 0, 0}, /* no such type */
        {MUX_TYPES, 0, 0, 0, 1, 0, 0, 0, 0},
        {MUX_DATA, 0, 0, 0, 1, 0, 0, 0, 0},    /* empty */
        {MUX_DATA, 0, 0, 0, 0, 0, 0, 0, 1},    /* stream 0 */
        {MUX_DATA, 0, 0, 0, 1, 0, 0, 0x80, 1}, /* too long */
        {MUX_DATA, 0, 0, 0, 1, 255, 255, 255, 255},
        {MUX_EOF, 0, 0, 0, 1, 0, 0, 0, 1},
        {MUX_OPEN, 0, 0, 0, 1, 0, 0, 0, 3},
        {MUX_CONTROL, 0, 0, 0, 1, 0, 0, 0, 1},
        {MUX_LISTEN, 0, 0, 0, 0, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct mux_reader r = {0};
        struct mux_frame f;
        mux_feed(&r, MUX_GREETING, sizeof MUX_GREETING - 1);
        mux_feed(&r, bad[i], sizeof bad[i]);
        assert_int_equal(mux_next(&r, &f), -1);
        assert_int_equal(mux_next(&r, &f), -1);
        mux_reader_fini(&r);
    }
    struct mux_reader r = {0};
    struct mux_frame f;
    char noise[1024];
    memset(noise, 'n', sizeof noise);
    int last = 0;
    for (int i = 0; i < 100 && last == 0; i++) {
        mux_feed(&r, noise, sizeof noise);
        last = mux_next(&r, &f);
    }
    assert_int_equal(last, -1); /* nobody prints that much before us */
    mux_reader_fini(&r);
}

/* ---- two ends ---- */

static void carry(struct pair *p, struct mux_end *from, struct mux_end *to)
{
    const uint8_t *data;
    size_t len = mux_end_out(from, &data);
    size_t n = len < 5000 ? len : 5000; /* in pieces that fit nothing */
    if (n) {
        p->good &= mux_end_feed(to, data, n);
        mux_end_sent(from, n);
    }
}

static void settle(struct pair *p, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        if (!mux_end_full(p->home))
            mux_end_work(p->home);
        if (!mux_end_full(p->host))
            mux_end_work(p->host);
        carry(p, p->home, p->host);
        carry(p, p->host, p->home);
    }
}

static struct pair *join(void)
{
    struct pair *p = mem_zalloc(sizeof *p);
    const struct mux_end_callbacks home = {.arg = p, .dial = mux_lab_dial, .frame = mux_lab_on_frame},
                                   host = {.arg = p, .frame = mux_lab_on_frame};
    p->good = true;
    p->home = mux_end_new(&home, true);
    p->host = mux_end_new(&host, false);
    assert_non_null(p->home);
    assert_non_null(p->host);
    settle(p, 3);
    assert_true(mux_end_is_greeted(p->home, NULL) && mux_end_is_greeted(p->host, NULL));
    return p;
}

static void part(struct pair *p)
{
    mux_end_free(p->home);
    mux_end_free(p->host);
    for (size_t i = 0; i < p->dialled_count; i++)
        close(p->dialled[i]);
    free(p);
}

static int open_stream(struct pair *p, uint32_t listener)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    mux_end_open(p->host, listener, fds[1], false);
    settle(p, 3);
    return fds[0];
}

static void streams(void **state)
{
    (void)state;
    struct pair *p = join();
    char text[100] = "";
    int a = open_stream(p, 3);
    assert_int_equal(p->listener, 3);
    assert_int_equal(write(a, "up", 2), 2);
    settle(p, 5);
    assert_int_equal(read(p->dialled[0], text, sizeof text), 2);
    assert_int_equal(write(p->dialled[0], "down", 4), 4);
    settle(p, 5);
    assert_int_equal(read(a, text, sizeof text), 4);
    /* Half closed: the other half still carries. */
    shutdown(a, SHUT_WR);
    settle(p, 5);
    assert_int_equal(read(p->dialled[0], text, sizeof text), 0);
    assert_int_equal(write(p->dialled[0], "last", 4), 4);
    settle(p, 5);
    assert_int_equal(read(a, text, sizeof text), 4);
    close(p->dialled[0]);
    p->dialled[0] = -1;
    settle(p, 5);
    assert_int_equal(read(a, text, sizeof text), 0);
    close(a);
    settle(p, 5);
    assert_int_equal(mux_end_streams(p->home) + mux_end_streams(p->host), 0);
    /* Nobody at home. */
    p->refuse = true;
    a = open_stream(p, 4);
    settle(p, 5);
    assert_int_equal(read(a, text, sizeof text), 0);
    close(a);
    mux_end_put(p->home, MUX_LISTEN, 9, "/x", 2);
    settle(p, 2);
    assert_string_equal(p->control, "1:9:/x");
    assert_int_equal(mux_end_streams(p->home) + mux_end_streams(p->host), 0);
    assert_true(p->good);
    part(p);
}

static unsigned open_files(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 10000; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void ask(struct pair *p, uint32_t id)
{
    struct buf b = {0};
    mux_put_u32(&b, MUX_OPEN, id, 1);
    assert_true(mux_end_feed(p->home, b.data, b.len));
    buf_fini(&b);
}

/* Who dials home and never closes holds no descriptors there of connections that home has ended. */
static void never_closes(void **state)
{
    (void)state;
    struct pair *p = join();
    unsigned before = open_files();
    char text[10];
    for (uint32_t id = 1; id <= 50; id++) {
        ask(p, id);
        mux_end_work(p->home);
        close(p->dialled[id - 1]);
        mux_end_work(p->home);
    }
    assert_int_equal(open_files(), before);
    assert_int_equal(mux_end_streams(p->home), 50); /* it may say something of them still */
    part(p);
    /* Home has said only that no more comes from it: what the host says still arrives. */
    p = join();
    int a = open_stream(p, 3);
    shutdown(p->dialled[0], SHUT_WR);
    settle(p, 5);
    assert_int_equal(read(a, text, sizeof text), 0);
    assert_int_equal(write(a, "up", 2), 2);
    settle(p, 5);
    assert_int_equal(read(p->dialled[0], text, sizeof text), 2);
    close(a);
    part(p);
}

/* One host has no more descriptors of home's than it may have streams. */
static void many_descriptors(void **state)
{
    (void)state;
    struct rlimit was, limit;
    int fds[2];
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    limit = was;
    limit.rlim_cur = limit.rlim_max;
    if (limit.rlim_max < MUX_STREAMS + 500 || setrlimit(RLIMIT_NOFILE, &limit))
        skip();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    struct pair *p = join();
    p->hold = fds[1];
    unsigned before = open_files();
    for (uint32_t id = 1; id <= MUX_STREAMS + 10; id++)
        ask(p, id);
    assert_int_equal(open_files(), before + MUX_STREAMS);
    assert_int_equal(mux_end_streams(p->home), MUX_STREAMS + 10);
    part(p);
    assert_int_equal(open_files(), before - 4); /* with the loops of the two ends */
    close(fds[0]);
    close(fds[1]);
    setrlimit(RLIMIT_NOFILE, &was);
}

/* One stream whose reader sleeps holds a bounded number of bytes and does not stop the other. */
static void backpressure(void **state)
{
    (void)state;
    struct pair *p = join();
    int slow = open_stream(p, 1), quick = open_stream(p, 1);
    static char block[65536];
    uint64_t sent = 0, got = 0;
    for (int i = 0; i < 400; i++) {
        ssize_t n = write(slow, block, sizeof block);
        sent += n > 0 ? (uint64_t)n : 0;
        settle(p, 3);
    }
    assert_true(sent > MUX_WINDOW && sent < 4 * 1024 * 1024);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(write(quick, block, 1000), 1000);
        settle(p, 4);
        ssize_t n = read(p->dialled[1], block, sizeof block);
        got += n > 0 ? (uint64_t)n : 0;
    }
    assert_true(got == 200000);
    /* It wakes: all arrives, in order. */
    uint64_t back = 0;
    shutdown(slow, SHUT_WR);
    for (int i = 0; i < 20000 && back < sent; i++) {
        ssize_t n = read(p->dialled[0], block, sizeof block);
        back += n > 0 ? (uint64_t)n : 0;
        settle(p, 2);
    }
    assert_true(back == sent);
    close(slow);
    close(quick);
    assert_true(p->good);
    part(p);
}

/* A peer that does not keep to its credit, or speaks of streams that do not exist. */
static void liars(void **state)
{
    (void)state;
    for (int kind = 0; kind < 7; kind++) {
        struct pair *p = join();
        struct buf lie = {0};
        static char block[MUX_PAYLOAD];
        mux_put_u32(&lie, MUX_OPEN, 5, 1);
        for (int i = 0; kind == 0 && i < MUX_WINDOW / MUX_PAYLOAD + 1; i++)
            mux_put(&lie, MUX_DATA, 5, block, sizeof block);
        if (kind == 1)
            mux_put(&lie, MUX_DATA, 6, "x", 1);
        if (kind == 2)
            mux_put_u32(&lie, MUX_WINDOW_ADD, 5, MUX_WINDOW_MAX - MUX_WINDOW + 1);
        if (kind == 3) {
            mux_put(&lie, MUX_EOF, 5, NULL, 0);
            mux_put(&lie, MUX_DATA, 5, "x", 1);
        }
        if (kind == 4)
            mux_put_u32(&lie, MUX_OPEN, 5, 1);
        for (uint32_t i = 0; kind == 5 && i < 2 * MUX_STREAMS + 1; i++)
            mux_put_u32(&lie, MUX_OPEN, 100 + i, 1);
        if (kind == 6)
            mux_put_u32(&lie, MUX_OPEN, MUX_HOME + 1, 1); /* a number of home's */
        p->refuse = kind == 5;
        assert_false(mux_end_feed(p->home, lie.data, lie.len));
        buf_fini(&lie);
        part(p);
    }
}

/* A peer that asks for ever and reads nothing: what it is owed stays bounded, and it is told apart from others. */
static void asks_without_end(void **state)
{
    (void)state;
    struct pair *p = join();
    const uint8_t *data;
    bool good = true;
    int i;
    p->refuse = true;
    for (i = 0; i < 20000 && good; i++) {
        struct buf lie = {0};
        for (uint32_t id = 1; id <= 100; id++) {
            mux_put_u32(&lie, MUX_OPEN, id, 77);
            mux_put(&lie, MUX_CLOSE, id, NULL, 0);
        }
        good = mux_end_feed(p->home, lie.data, lie.len);
        buf_fini(&lie);
    }
    assert_false(good);
    assert_true(i > 1000 && mux_end_out(p->home, &data) < 5 << 20);
    assert_non_null(strstr(mux_end_fault(p->home), "does not read"));
    part(p);
    /* The same many from one that reads are all answered. */
    p = join();
    p->refuse = true;
    for (i = 0; i < 6000; i++) {
        struct buf ask = {0};
        for (uint32_t id = 1; id <= 100; id++) {
            mux_put_u32(&ask, MUX_OPEN, id, 77);
            mux_put(&ask, MUX_CLOSE, id, NULL, 0);
        }
        assert_true(mux_end_feed(p->home, ask.data, ask.len));
        mux_end_sent(p->home, mux_end_out(p->home, &data));
        buf_fini(&ask);
    }
    part(p);
}

/* Whoever may come to a port that is open to all leaves room for others. */
static void strangers(void **state)
{
    (void)state;
    struct pair *p = join();
    int fds[2];
    for (unsigned i = 0; i < MUX_STRANGERS + 10; i++)
        mux_end_open(p->host, 1, -1, true);
    assert_int_equal(mux_end_streams(p->host), MUX_STRANGERS);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    mux_end_open(p->host, 2, fds[1], false);
    assert_int_equal(mux_end_streams(p->host), MUX_STRANGERS + 1);
    close(fds[0]);
    /* Home sends them away, and there is room again. */
    p->refuse = true;
    settle(p, 100);
    assert_int_equal(mux_end_streams(p->home) + mux_end_streams(p->host), 0);
    mux_end_open(p->host, 1, -1, true);
    assert_int_equal(mux_end_streams(p->host), 1);
    assert_true(p->good);
    part(p);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames),
        cmocka_unit_test(bad_frames),
        cmocka_unit_test(streams),
        cmocka_unit_test(never_closes),
        cmocka_unit_test(many_descriptors),
        cmocka_unit_test(backpressure),
        cmocka_unit_test(liars),
        cmocka_unit_test(asks_without_end),
        cmocka_unit_test(strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
