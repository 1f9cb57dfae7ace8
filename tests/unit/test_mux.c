/* The way home: its frames, two ends joined by a pipe of our own, the supervisor, and the host's whole
 * server. */
#include "base/mem.h"
#include "base/mono.h"
#include "hosts/remote/mux.h"
#include "hosts/remote/mux_end.h"
#include "hosts/remote/mux_serve.h"
#include "hosts/remote/spawn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
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

struct pair {
    struct mux_end *home, *host;
    int dialled[64]; /* our side of what home dialled */
    size_t dialled_count;
    bool refuse, good;
    int hold; /* > 0: what is dialled is a copy of this */
    uint32_t listener;
    char control[100];
};

static int dial(void *arg, uint32_t listener, bool *pending, struct meter **meter)
{
    struct pair *p = arg;
    int fds[2];
    *pending = false;
    (void)meter;
    p->listener = listener;
    if (p->refuse)
        return -1;
    if (p->hold)
        return dup(p->hold);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    p->dialled[p->dialled_count++] = fds[0];
    return fds[1];
}

static void on_frame(void *arg, const struct mux_frame *f)
{
    struct pair *p = arg;
    snprintf(p->control, sizeof p->control, "%d:%u:%.*s", f->type, f->stream, (int)f->len, (const char *)f->data);
}

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
    const struct mux_end_callbacks home = {.arg = p, .dial = dial, .frame = on_frame},
                                   host = {.arg = p, .frame = on_frame};
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
            mux_put_u32(&lie, MUX_WINDOW_ADD, 5, 1);
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

/* ---- the supervisor ---- */

static struct buf said;

static void say(void *arg, const char *line, size_t len)
{
    (void)arg;
    buf_add(&said, line, len);
}

static void work_until(struct spawner *s, const char *text)
{
    for (uint64_t until = mono_ms() + 10000; !strstr(buf_text(&said), text) && mono_ms() < until;) {
        struct pollfd fd = {.fd = spawner_fd(s), .events = POLLIN};
        poll(&fd, 1, 100);
        spawner_work(s);
    }
    if (!strstr(buf_text(&said), text))
        fail_msg("'%s' was not said: %s", text, buf_text(&said));
}

static bool feed(struct spawner *s, const char *text)
{
    return spawner_feed(s, text, strlen(text));
}

static bool feed_script(struct spawner *s, const char *script)
{
    char *text = mem_printf("%zu sh\n%s", strlen(script), script);
    bool good = feed(s, text);
    free(text);
    return good;
}

static void supervisor(void **state)
{
    (void)state;
    buf_clear(&said);
    struct spawner *s = spawner_new("/bin/cat", say, NULL);
    assert_true(feed(s, "6\nhello\n"));
    work_until(s, "hello\n");
    work_until(s, "exit ");
    assert_true(feed_script(s, "echo a b; exit 3\n\n#####\n"));
    work_until(s, " a b\n");
    work_until(s, " 3\n");
    assert_true(feed_script(s, "sleep 600\n"));
    assert_int_equal(spawner_count(s), 1);
    char *last = strrchr(buf_text(&said), 'p'), kill_line[64];
    snprintf(kill_line, sizeof kill_line, "kill %ld 15\n", atol(last + 4));
    assert_true(feed(s, "kill 1 9\n")); /* not ours: nothing happens */
    assert_true(feed(s, kill_line));
    work_until(s, "killed ");
    assert_int_equal(spawner_count(s), 0);
    /* Control bytes and overlong lines of a process are made harmless. */
    buf_clear(&said);
    assert_true(feed_script(s, "printf '\\033[31mred\\n'; head -c 100000 /dev/zero | tr '\\0' y; echo; echo ok\n"));
    work_until(s, " ok\n");
    assert_non_null(strstr(buf_text(&said), "\\x1b[31mred"));
    assert_non_null(strstr(buf_text(&said), "yyy [cut]"));
    assert_true(said.len < 5000);
    work_until(s, "exit ");
    assert_false(feed(s, "not a number\n"));
    assert_false(feed(s, "6\n"));
    spawner_free(s);
    s = spawner_new("/nowhere/program", say, NULL);
    assert_true(feed(s, "1\nx"));
    work_until(s, "fail cannot start /nowhere/program: No such file");
    spawner_free(s);
    s = spawner_new("/bin/cat", say, NULL);
    assert_false(feed(s, "1048577\n"));
    spawner_free(s);
}

/* A large configuration for a process that reads late must not stop the others. */
static void large_blobs(void **state)
{
    (void)state;
    buf_clear(&said);
    struct spawner *s = spawner_new("/bin/cat", say, NULL);
    struct buf blob = {0};
    buf_printf(&blob, "%d sh\nsleep 0.3; wc -c\n", 900000);
    while (blob.len < 900000 + 10)
        buf_add(&blob, "#", 1);
    assert_true(spawner_feed(s, blob.data, blob.len));
    assert_true(feed(s, "5\nquick"));
    work_until(s, " quick\n");
    work_until(s, " 89");
    work_until(s, "exit ");
    spawner_free(s);
    buf_fini(&blob);
}

/* ---- the host's server, as a process ---- */

struct server {
    pid_t pid;
    int to, from;
    struct pair p;
};

static void pump(struct server *v, bool (*done)(struct server *), uint64_t limit_ms)
{
    for (uint64_t until = mono_ms() + limit_ms; !done(v) && mono_ms() < until;) {
        const uint8_t *data;
        uint8_t block[32768];
        size_t len = mux_end_out(v->p.home, &data);
        if (len) {
            ssize_t n = write(v->to, data, len);
            if (n > 0)
                mux_end_sent(v->p.home, (size_t)n);
        }
        struct pollfd fds[2] = {{.fd = v->from, .events = POLLIN}, {.fd = mux_end_fd(v->p.home), .events = POLLIN}};
        poll(fds, 2, 20);
        ssize_t n = fds[0].revents ? read(v->from, block, sizeof block) : 0;
        if (n > 0)
            v->p.good &= mux_end_feed(v->p.home, block, (size_t)n);
        mux_end_work(v->p.home);
    }
    assert_true(done(v));
}

static bool answered(struct server *v)
{
    return v->p.control[0] == '2';
}

static bool dialled(struct server *v)
{
    return v->p.dialled_count > 0;
}

static bool spoken(struct server *v)
{
    char byte;
    return recv(v->p.dialled[v->p.dialled_count - 1], &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

static struct server *server_start(void)
{
    struct server *v = mem_zalloc(sizeof *v);
    int in[2], out[2];
    assert_int_equal(pipe(in) + pipe(out), 0);
    v->pid = fork();
    if (v->pid == 0) {
        close(in[1]);
        close(out[0]);
        _exit(mux_serve("/bin/cat", in[0], out[1]));
    }
    close(in[0]);
    close(out[1]);
    v->to = in[1];
    v->from = out[0];
    fcntl(v->to, F_SETFL, O_NONBLOCK);
    const struct mux_end_callbacks cb = {.arg = &v->p, .dial = dial, .frame = on_frame};
    v->p.good = true;
    v->p.home = mux_end_new(&cb, true);
    return v;
}

/* Home goes away, and the server ends in time. */
static void server_leave(struct server *v)
{
    close(v->to);
    close(v->from);
}

static void server_end(struct server *v)
{
    int status;
    assert_int_equal(waitpid(v->pid, &status, 0), v->pid);
    for (size_t i = 0; i < v->p.dialled_count; i++)
        close(v->p.dialled[i]);
    mux_end_free(v->p.home);
    free(v);
}

static void serve(void **state)
{
    (void)state;
    struct server *v = server_start();
    mux_end_put(v->p.home, MUX_LISTEN, 1, "", 0);
    pump(v, answered, 5000);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct stat st;
    strcpy(a.sun_path, v->p.control + 4);
    assert_int_equal(stat(a.sun_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    char *folder = mem_strdup(a.sun_path);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    pump(v, dialled, 5000);
    assert_int_equal(write(fd, "hi", 2), 2);
    pump(v, spoken, 5000);
    /* The same path again: a newer listener takes it over. */
    v->p.control[0] = '\0';
    char *path = mem_strdup(a.sun_path);
    mux_end_put(v->p.home, MUX_LISTEN, 2, path, strlen(path));
    pump(v, answered, 5000);
    assert_string_equal(v->p.control + 4, path);
    /* Home goes away: the sockets are gone and the connections end. */
    server_leave(v);
    char byte;
    assert_int_equal(read(fd, &byte, 1), 0);
    server_end(v);
    assert_int_not_equal(stat(path, &st), 0);
    assert_int_not_equal(stat(folder, &st), 0);
    close(fd);
    free(folder);
    free(path);
}

/* ---- ports ---- */

static int dial_port(unsigned port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool can_bind(unsigned port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool good = bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 1) == 0;
    close(fd);
    return good;
}

static unsigned listen_on_port(struct server *v, uint32_t number, const char *where)
{
    unsigned port = 0;
    v->p.control[0] = '\0';
    mux_end_put(v->p.home, MUX_LISTEN, number, where, strlen(where));
    pump(v, answered, 5000);
    assert_int_equal(sscanf(v->p.control + 4, "%*3[a-z]:%u", &port), 1);
    return port;
}

/* What another user's connection comes to: 0, it is closed without a byte. */
static int as_somebody_else(unsigned port, bool leaves_at_once)
{
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        if (setgid(65534) || setuid(65534))
            _exit(2);
        int fd = dial_port(port);
        if (fd < 0 || send(fd, "hello", 5, MSG_NOSIGNAL) < 0)
            _exit(3);
        if (leaves_at_once)
            _exit(0);
        _exit(read(fd, &byte, 1) <= 0 ? 0 : 4);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static size_t wanted;

static bool dialled_enough(struct server *v)
{
    return v->p.dialled_count >= wanted;
}

/* What is said at fd comes home as a stream of its own, the one after those that home has already. */
static void comes_home(struct server *v, int fd)
{
    assert_true(fd >= 0);
    wanted = v->p.dialled_count + 1;
    assert_int_equal(write(fd, "hi", 2), 2);
    pump(v, dialled_enough, 5000);
    pump(v, spoken, 5000);
    assert_int_equal(v->p.dialled_count, wanted);
}

/* A port of the loopback is for processes of the same user. */
static void ports(void **state)
{
    (void)state;
    struct server *v = server_start();
    unsigned port = listen_on_port(v, 1, "tcp");
    int fd = dial_port(port);
    comes_home(v, fd);
    close(fd);
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &six.sin6_addr);
    fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&six, sizeof six) == 0)
        comes_home(v, fd);
    close(fd);
    for (int i = 0; i < 20 && geteuid() == 0; i++) {
        assert_int_equal(as_somebody_else(port, false), 0);
        assert_int_equal(as_somebody_else(port, true), 0);
    }
    fd = dial_port(port); /* it stands behind all of them, and is the next that comes home */
    comes_home(v, fd);
    close(fd);
    server_leave(v);
    server_end(v);
}

/* Home connects to a port of the host's loopback. */
static void inbound(void **state)
{
    (void)state;
    struct server *v = server_start();
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fds[2], listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&a, len) + listen(listener, 5), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &len), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    mux_end_open(v->p.home, ntohs(a.sin_port), fds[1], false);
    assert_int_equal(write(fds[0], "in", 2), 2);
    v->p.control[0] = '\0';
    mux_end_put(v->p.home, MUX_LISTEN, 9, "", 0); /* what is answered after it */
    pump(v, answered, 5000);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    char text[3] = "";
    assert_true(fd >= 0);
    assert_int_equal(recv(fd, text, 2, MSG_WAITALL), 2);
    assert_string_equal(text, "in");
    assert_int_equal(write(fd, "ou", 2), 2);
    v->p.dialled[v->p.dialled_count++] = fds[0];
    pump(v, spoken, 5000);
    assert_int_equal(recv(fds[0], text, 2, 0), 2);
    assert_string_equal(text, "ou");
    close(fd);
    close(listener);
    server_leave(v);
    server_end(v);
}

static bool started(struct server *v)
{
    return strncmp(v->p.control, "9:0:err ", 8) == 0;
}

/* Nobody else gets the port as long as what dials it is there, when home is gone too. */
static void held_port(void **state)
{
    (void)state;
    static const char script[] = "trap '' TERM; echo ready; while :; do sleep 0.05; done\n";
    char text[200];
    struct server *v = server_start();
    unsigned port = listen_on_port(v, 1, "tcp");
    int n = snprintf(text, sizeof text, "%zu sh\n%s", sizeof script - 1, script);
    mux_end_put(v->p.home, MUX_CONTROL, 0, text, (size_t)n);
    pump(v, started, 5000);
    pid_t pid = (pid_t)atol(v->p.control + 8);
    server_leave(v);
    for (int i = 0; i < 50; i++) {
        assert_false(can_bind(port));
        poll(NULL, 0, 10);
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    server_end(v);
    assert_true(can_bind(port));
}

/* What dials a port ends with the supervisor that holds it, whatever becomes of that. */
static void killed_supervisor(void **state)
{
    (void)state;
    static const char script[] = "echo ready; while :; do sleep 0.05; done\n";
    char text[200];
    struct server *v = server_start();
    int n = snprintf(text, sizeof text, "%zu sh\n%s", sizeof script - 1, script);
    mux_end_put(v->p.home, MUX_CONTROL, 0, text, (size_t)n);
    pump(v, started, 5000);
    pid_t pid = (pid_t)atol(v->p.control + 8);
    assert_int_equal(kill(v->pid, SIGKILL), 0);
    server_leave(v);
    server_end(v);
    /* It is init's child by now, which may leave it as a zombie where there is no real init. */
    snprintf(text, sizeof text, "/proc/%d/stat", (int)pid);
    for (int i = 0; i < 500; i++) {
        FILE *f = fopen(text, "r");
        char state_of = 'Z';
        if (f && fscanf(f, "%*d %*s %c", &state_of) != 1)
            state_of = 'Z';
        if (f)
            fclose(f);
        if (state_of == 'Z')
            return;
        poll(NULL, 0, 10);
    }
    fail_msg("it lives");
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
        cmocka_unit_test(supervisor),
        cmocka_unit_test(large_blobs),
        cmocka_unit_test(serve),
        cmocka_unit_test(ports),
        cmocka_unit_test(inbound),
        cmocka_unit_test(held_port),
        cmocka_unit_test(killed_supervisor),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_fini(&said);
    return failed;
}
