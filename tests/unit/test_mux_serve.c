/* The way home at the host's side: the supervisor, and its whole server as a process. */
#include "base/mem.h"
#include "base/mono.h"
#include "hosts/remote/mux.h"
#include "hosts/remote/mux_end.h"
#include "hosts/remote/mux_serve.h"
#include "hosts/remote/spawn.h"
#include "tests/unit/mux_lab.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

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
    struct spawner *s = spawner_new("/bin/cat", NULL, say, NULL);
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
    s = spawner_new("/nowhere/program", NULL, say, NULL);
    assert_true(feed(s, "1\nx"));
    work_until(s, "fail cannot start /nowhere/program: No such file");
    spawner_free(s);
    s = spawner_new("/bin/cat", NULL, say, NULL);
    assert_false(feed(s, "1048577\n"));
    spawner_free(s);
}

/* A large configuration for a process that reads late must not stop the others. */
static void large_blobs(void **state)
{
    (void)state;
    buf_clear(&said);
    struct spawner *s = spawner_new("/bin/cat", NULL, say, NULL);
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
        _exit(mux_serve("/bin/cat", NULL, in[0], out[1]));
    }
    close(in[0]);
    close(out[1]);
    v->to = in[1];
    v->from = out[0];
    fcntl(v->to, F_SETFL, O_NONBLOCK);
    const struct mux_end_callbacks cb = {.arg = &v->p, .dial = mux_lab_dial, .frame = mux_lab_on_frame};
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
