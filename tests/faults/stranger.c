/* Frames that are nearly right, from a seed, against programs that live:
 *
 *   stranger client SOCKET SEED ROUNDS     at an engine's data socket, as a client and as nobody
 *   stranger engine DAEMON SEED ROUNDS     as the engine of a real clowder-daemon; the first round has no mistakes in
 * it stranger                               as a daemon: it has been launched by an engine, with settings and a token
 * on standard input; its seed is the number of the daemon
 *
 * After each round as a client a proper greeting must be answered; as an engine the daemon must end in time, with a
 * status of its own, and leave no process. What was wrong is printed, and the round's seed with it. */
#include "engine/wire/func.h"
#include "engine/wire/wire_settings.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FRAMES_MAX = 64, ANSWER_MS = 20000, QUIET_MS = 60 };

static uint64_t state;

static uint64_t roll(uint64_t n)
{
    uint64_t z = state += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return n ? (z ^ (z >> 31)) % n : 0;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- a script: frames as bytes ---- */

struct script {
    struct buf frames[FRAMES_MAX];
    unsigned count;
};

static void add(struct script *s, struct frame f, const void *body, size_t len)
{
    uint8_t head[WIRE_HEADER];
    if (s->count == FRAMES_MAX)
        return;
    struct buf *b = &s->frames[s->count++];
    f.len = (uint32_t)len;
    wire_put_header(head, &f);
    buf_add(b, head, sizeof head);
    buf_add(b, body, len);
}

static void script_fini(struct script *s)
{
    for (unsigned i = 0; i < s->count; i++)
        buf_fini(&s->frames[i]);
    *s = (struct script){0};
}

/* n items as TASKS and RESULT carry them. */
static void add_items(struct script *s, struct frame f, const char *const *items, uint32_t n)
{
    struct buf b = {0};
    uint32_t end = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t at[4];
        end += (uint32_t)strlen(items[i]);
        le_put_u32(at, end);
        buf_add(&b, at, sizeof at);
    }
    for (uint32_t i = 0; i < n; i++)
        buf_add_text(&b, items[i]);
    f.n = n;
    add(s, f, b.data, b.len);
    buf_fini(&b);
}

static void add_open(struct script *s, uint32_t job, enum func_kind kind, const char *command, bool ship)
{
    struct func f;
    struct buf b = {0};
    func_init(&f);
    f.kind = kind;
    func_add_arg(&f, command);
    if (kind == FUNC_COMMAND)
        func_add_arg(&f, "{}");
    f.profile = mem_strdup("victim");
    f.dir = mem_strdup("/tmp");
    f.timeout_ms = 2000;
    if (ship)
        func_add_file(&f, "shipped", mem_zalloc(5), 5, false);
    func_encode(&f, &b);
    add(s, (struct frame){.type = WIRE_OPEN, .job = job}, b.data, b.len);
    buf_fini(&b);
    func_fini(&f);
}

static void add_hello(struct script *s, uint64_t role, uint64_t daemon, const char *token, const char *instance)
{
    struct buf b = {0};
    wire_add_text(&b, WIRE_K_MAGIC, WIRE_MAGIC);
    wire_add_number(&b, WIRE_K_VERSION, WIRE_VERSION);
    wire_add_number(&b, WIRE_K_ROLE, role);
    if (role == WIRE_ROLE_DAEMON) {
        wire_add_number(&b, WIRE_K_DAEMON, daemon);
        wire_add_text(&b, WIRE_K_TOKEN, token);
        wire_add_text(&b, WIRE_K_INSTANCE, instance);
        wire_add_number(&b, WIRE_K_PID, (uint64_t)getpid());
    }
    add(s, (struct frame){.type = WIRE_HELLO}, b.data, b.len);
    buf_fini(&b);
}

/* ---- mistakes ---- */

static void spoil_number(struct buf *b)
{
    static const uint32_t odd[] = {0, 1, 2, 7, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};
    size_t at = roll(b->len);
    if (roll(3))
        at = roll(WIRE_HEADER / 4) * 4; /* most of what can be wrong is in the header */
    if (at + 4 <= b->len)
        le_put_u32(b->data + at, odd[roll(sizeof odd / sizeof *odd)]);
}

static void spoil(struct script *s)
{
    unsigned i = (unsigned)roll(s->count), k = (unsigned)roll(s->count);
    struct buf *b = &s->frames[i], swap;
    switch (roll(8)) {
    case 0: b->data[roll(b->len)] ^= (uint8_t)(1 << roll(8)); break;
    case 1:
    case 2: spoil_number(b); break;
    case 3: b->len = 1 + roll(b->len); break; /* what follows is read as its rest */
    case 4:
        swap = *b;
        *b = s->frames[k];
        s->frames[k] = swap;
        break;
    case 5: /* once more, somewhere */
        if (s->count < FRAMES_MAX && i != k) {
            struct buf *copy = &s->frames[s->count++];
            buf_add(copy, b->data, b->len);
            swap = s->frames[k];
            s->frames[k] = *copy;
            *copy = swap;
        }
        break;
    case 6: b->data[4] = (uint8_t)roll(WIRE_TYPE_COUNT + 2); break;
    case 7: /* a whole one, shorter or longer, with a header that is true */
        if (roll(2))
            b->len = WIRE_HEADER + roll(b->len - WIRE_HEADER + 1);
        else
            for (uint64_t n = roll(40); n; n--)
                buf_add(b, (uint8_t[]){(uint8_t)roll(256)}, 1);
        if (b->len >= WIRE_HEADER)
            le_put_u32(b->data, (uint32_t)(b->len - WIRE_HEADER));
        break;
    default: break;
    }
}

static void spoil_some(struct script *s)
{
    for (uint64_t n = 1 + roll(4); n; n--) {
        bool whole = true;
        for (unsigned i = 0; i < s->count; i++)
            whole &= s->frames[i].len >= WIRE_HEADER;
        if (whole)
            spoil(s);
    }
}

/* ---- connections ---- */

static int dial(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a)) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/* Reads until nothing came for so long, or the other side closed: false. */
static bool swallow(int fd, int quiet_ms)
{
    static uint8_t in[65536];
    struct pollfd p = {fd, POLLIN, 0};
    while (poll(&p, 1, quiet_ms) > 0)
        if (read(fd, in, sizeof in) <= 0)
            return false;
    return true;
}

static struct buf script_bytes(const struct script *s)
{
    struct buf all = {0};
    for (unsigned i = 0; i < s->count; i++)
        buf_add(&all, s->frames[i].data, s->frames[i].len);
    return all;
}

/* Sends the script in one piece; the answers are for the caller. */
static void say(int fd, const struct script *s)
{
    struct buf all = script_bytes(s);
    if (send(fd, all.data, all.len, MSG_NOSIGNAL) != (ssize_t)all.len)
        perror("send");
    buf_fini(&all);
}

/* Sends the script, in pieces that are no frames; reads meanwhile, so that nobody waits for us. */
static void perform(int fd, const struct script *s)
{
    struct buf all = script_bytes(s);
    for (size_t at = 0; at < all.len;) {
        size_t n = roll(4) ? all.len - at : 1 + roll(all.len - at);
        struct pollfd p = {fd, POLLOUT | POLLIN, 0};
        if (poll(&p, 1, 1000) <= 0 || ((p.revents & POLLIN) && !swallow(fd, 0)))
            break;
        ssize_t sent = (p.revents & POLLOUT) ? send(fd, all.data + at, n, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
        if (sent < 0 && errno != EAGAIN)
            break;
        at += sent > 0 ? (size_t)sent : 0;
    }
    buf_fini(&all);
}

/* The next frame; false when there is none in time. Its body stays in place until the next call. */
static bool next_frame(int fd, struct frame *f, int64_t until_ms)
{
    static struct buf in;
    static size_t used;
    buf_drop(&in, used);
    used = 0;
    for (;;) {
        struct clw_error err;
        if (in.len >= WIRE_HEADER && wire_get_header(in.data, WIRE_BODY_MAX, f, &err) == CLW_OK &&
            in.len >= WIRE_HEADER + (size_t)f->len) {
            f->body = in.data + WIRE_HEADER;
            used = WIRE_HEADER + (size_t)f->len;
            return true;
        }
        struct pollfd p = {fd, POLLIN, 0};
        int64_t left = until_ms - now_ms();
        ssize_t n = left > 0 && poll(&p, 1, (int)left) > 0 ? read(fd, buf_reserve(&in, 65536), 65536) : -1;
        if (n <= 0) {
            buf_clear(&in);
            return false;
        }
        in.len += (size_t)n;
    }
}

static bool await(int fd, uint8_t type)
{
    struct frame f;
    int64_t until_ms = now_ms() + ANSWER_MS;
    while (next_frame(fd, &f, until_ms))
        if (f.type == type)
            return true;
    return false;
}

/* ---- as a client ---- */

static void client_script(struct script *s)
{
    const char *const inputs[] = {"one", "two", "three", "", "five"}, *const lines[] = {"a\n", "b\n", "c\n"};
    add_hello(s, WIRE_ROLE_CLIENT, 0, "", "");
    add_open(s, 1, FUNC_COMMAND, "echo", roll(4) == 0);
    add_open(s, 2, FUNC_LINES, "cat", false);
    add_items(s, (struct frame){.type = WIRE_TASKS, .job = 1}, inputs, 5);
    add_items(s, (struct frame){.type = WIRE_TASKS, .job = 2}, lines, 3);
    add(s, (struct frame){.type = WIRE_PING}, NULL, 0);
    add(s, (struct frame){.type = WIRE_CANCEL, .job = 1, .first = 2, .n = 2}, NULL, 0);
    add_items(s, (struct frame){.type = WIRE_TASKS, .job = 2, .first = 3}, lines, 2);
    add(s, (struct frame){.type = WIRE_END, .job = 1}, NULL, 0);
    add(s, (struct frame){.type = WIRE_END, .job = 2}, NULL, 0);
    if (roll(2))
        add(s, (struct frame){.type = WIRE_CLOSE, .job = 1}, NULL, 0);
}

/* A greeting without mistakes is answered. */
static bool engine_lives(const char *path)
{
    struct script s = {0};
    int fd = dial(path);
    if (fd < 0)
        return false;
    add_hello(&s, WIRE_ROLE_CLIENT, 0, "", "");
    say(fd, &s);
    script_fini(&s);
    bool good = await(fd, WIRE_WELCOME);
    add(&s, (struct frame){.type = WIRE_PING}, NULL, 0);
    say(fd, &s);
    good = good && await(fd, WIRE_PONG);
    script_fini(&s);
    close(fd);
    return good;
}

static int as_client(const char *path, uint64_t seed, uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds; i++) {
        struct script s = {0};
        state = seed + i;
        int fd = dial(path);
        client_script(&s);
        if (roll(4) == 0)
            s.frames[0].data[WIRE_HEADER + roll(s.frames[0].len - WIRE_HEADER)] ^= 1; /* nobody */
        spoil_some(&s);
        if (fd >= 0)
            perform(fd, &s);
        if (fd >= 0 && roll(2))
            swallow(fd, (int)roll(QUIET_MS));
        if (fd >= 0)
            close(fd);
        script_fini(&s);
        if (!engine_lives(path)) {
            printf("seed %" PRIu64 ": the engine does not answer a greeting\n", seed + i);
            return 1;
        }
    }
    printf("client: %" PRIu64 " rounds\n", rounds);
    return 0;
}

/* ---- as a daemon ---- */

static void daemon_script(struct script *s, const struct frame *tasks)
{
    const char *const outputs[] = {"1\n", "2\n", "3\n", "4\n", "5\n", "6\n", "7\n", "8\n"};
    uint8_t report[WIRE_REPORT_HEAD + 4] = "";
    uint32_t n = tasks->n < 8 ? tasks->n : 8;
    wire_put_report(report, &(struct wire_report){.exit_status = 3, .out_len = 1, .err_len = 1, .why_len = 2});
    add(s, (struct frame){.type = WIRE_PING}, NULL, 0);
    if (n > 1)
        add_items(s, (struct frame){.type = WIRE_RESULT, .job = tasks->job, .first = tasks->first}, outputs, n - 1);
    add(s,
        (struct frame){
            .type = WIRE_REPORT, .code = WIRE_FAILED, .job = tasks->job, .n = 1, .first = tasks->first + n - 1},
        report, sizeof report);
    if (roll(3) == 0)
        add(s, (struct frame){.type = WIRE_FAULT, .job = tasks->job}, "a fault", 7);
    if (roll(3) == 0)
        add(s, (struct frame){.type = WIRE_CLOSED, .job = tasks->job}, NULL, 0);
    if (roll(3) == 0)
        add(s, (struct frame){.type = WIRE_LEAVE}, "enough", 6);
}

static int as_daemon(void)
{
    char text[4096], token[WIRE_TOKEN + 1] = "", instance[WIRE_TOKEN + 1], path[200] = "";
    unsigned number = 0;
    ssize_t len = read(0, text, sizeof text - 1);
    text[len > 0 ? len : 0] = '\0';
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
        sscanf(line, "url ipc://%199s", path);
        sscanf(line, "daemon %u", &number);
        sscanf(line, "token %64s", token);
    }
    state = number;
    wire_new_secret(instance);
    struct script s = {0};
    struct frame f;
    int fd = dial(path);
    if (fd < 0)
        return 3;
    add_hello(&s, WIRE_ROLE_DAEMON, number, token, instance);
    if (roll(8) == 0)
        spoil(&s);
    say(fd, &s);
    script_fini(&s);
    int64_t until_ms = now_ms() + 10000;
    while (next_frame(fd, &f, until_ms)) {
        if (f.type == WIRE_QUIT)
            break;
        if (f.type != WIRE_TASKS)
            continue;
        daemon_script(&s, &f);
        if (roll(4)) /* some answers are as they should be */
            spoil_some(&s);
        perform(fd, &s);
        script_fini(&s);
    }
    close(fd);
    return 0;
}

/* ---- as an engine ---- */

static void engine_script(struct script *s)
{
    const char *const inputs[] = {"one", "two"}, *const lines[] = {"a\n", "b\n", "c\n"};
    struct store_settings set;
    struct buf b = {0};
    store_settings_init(&set);
    wire_add_number(&b, WIRE_K_VERSION, WIRE_VERSION);
    wire_add_text(&b, WIRE_K_DAEMON_NAME, "victim-1");
    wire_add_text(&b, WIRE_K_PROFILE, "victim");
    wire_add_text(&b, WIRE_K_HOST, "local");
    wire_add_settings(&b, &set, STORE_TOLD_WELCOME);
    wire_add_text(&b, WIRE_K_ENV, "PATH=/usr/bin:/bin");
    wire_add_text(&b, WIRE_K_ENV, "A=b");
    add(s, (struct frame){.type = WIRE_WELCOME}, b.data, b.len);
    buf_fini(&b);
    add_open(s, 1, FUNC_COMMAND, "echo", false);
    add_open(s, 2, FUNC_LINES, "cat", false);
    add_open(s, 3, FUNC_COMMAND, "echo", true);
    add_items(s, (struct frame){.type = WIRE_TASKS, .job = 1}, inputs, 2);
    add_items(s, (struct frame){.type = WIRE_TASKS, .job = 2}, lines, 3);
    add_items(s, (struct frame){.type = WIRE_TASKS, .job = 3}, inputs, 2);
    add_items(s, (struct frame){.type = WIRE_TASKS, .job = 2, .first = 3}, lines, 2);
    add_items(s, (struct frame){.type = WIRE_TASKS, .job = 1, .first = 2}, inputs, 2);
    add(s, (struct frame){.type = WIRE_PING}, NULL, 0);
}

static void engine_script_end(struct script *s)
{
    add(s, (struct frame){.type = WIRE_CANCEL, .job = 1, .first = 3, .n = 1}, NULL, 0);
    add(s, (struct frame){.type = WIRE_CLOSE, .job = 2}, NULL, 0);
    add(s, (struct frame){.type = WIRE_CLOSE, .job = 1}, NULL, 0);
    add(s, (struct frame){.type = WIRE_QUIT, .flags = roll(2) ? WIRE_NOW : 0}, NULL, 0);
}

static pid_t launch(const char *program, const char *path)
{
    char name[] = "clowder-daemon", *argv[] = {name, NULL}, text[400], token[WIRE_TOKEN + 1];
    int fds[2];
    pid_t pid = -1;
    posix_spawn_file_actions_t actions;
    wire_new_secret(token);
    int n = snprintf(text, sizeof text, "url ipc://%s\ndaemon 1\ntoken %s\nautoexit 0\n", path, token);
    if (pipe2(fds, O_CLOEXEC) || write(fds[1], text, (size_t)n) != n)
        return -1;
    close(fds[1]);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[0], 0);
    if (posix_spawn(&pid, program, &actions, NULL, argv, environ))
        pid = -1;
    posix_spawn_file_actions_destroy(&actions);
    close(fds[0]);
    return pid;
}

/* All that ended is collected; true when nothing of ours runs any more. */
static bool all_gone(pid_t daemon, int *status)
{
    int s;
    pid_t pid;
    while ((pid = waitpid(-1, &s, WNOHANG)) > 0)
        if (pid == daemon)
            *status = s;
    return pid < 0 && errno == ECHILD;
}

/* The daemon's end: NULL, or what is wrong with it. */
static const char *await_end(pid_t daemon)
{
    int status = -1;
    int64_t until_ms = now_ms() + ANSWER_MS;
    while (!all_gone(daemon, &status) && now_ms() < until_ms)
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    if (status == -1)
        return "the daemon does not end";
    if (!all_gone(daemon, &status))
        return "the daemon left a process behind";
    if (WIFSIGNALED(status))
        return "the daemon was killed by a signal";
    return WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3 || WEXITSTATUS(status) == 5
               ? NULL
               : "the daemon ended with another status than 0, 3 or 5";
}

/* Without mistakes: eleven results for eleven tasks, whatever runs them, and nothing stands behind anything else for
 * ever. */
static bool answers_all(int fd)
{
    struct frame f;
    unsigned tasks = 0;
    int64_t until_ms = now_ms() + ANSWER_MS;
    while (tasks < 11 && next_frame(fd, &f, until_ms))
        if (f.type == WIRE_RESULT || (f.type == WIRE_REPORT && f.code == WIRE_DONE))
            tasks += f.n;
    return tasks == 11;
}

static int as_engine(const char *program, uint64_t seed, uint64_t rounds)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/clw-stranger.XXXXXX";
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), result = 0;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (!mkdtemp(folder))
        return 1;
    snprintf(a.sun_path, sizeof a.sun_path, "%s/data.sock", folder);
    if (bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 8))
        return 1;
    for (uint64_t i = 0; i < rounds && !result; i++) {
        const char *wrong = NULL;
        struct script s = {0};
        state = seed + i;
        pid_t daemon = launch(program, a.sun_path);
        struct pollfd p = {listener, POLLIN, 0};
        int fd = daemon > 0 && poll(&p, 1, ANSWER_MS) > 0 ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
        if (fd < 0 || !await(fd, WIRE_HELLO))
            wrong = "the daemon does not say hello";
        engine_script(&s);
        if (i > 0) {
            engine_script_end(&s);
            spoil_some(&s);
        }
        if (!wrong && i > 0)
            perform(fd, &s);
        else if (!wrong)
            say(fd, &s);
        if (!wrong && i == 0 && !answers_all(fd))
            wrong = "the daemon does not answer all tasks";
        if (!wrong)
            swallow(fd, (int)roll(QUIET_MS));
        if (fd >= 0)
            close(fd);
        script_fini(&s);
        const char *end = daemon > 0 ? await_end(daemon) : "the daemon cannot be started";
        if (end && !wrong)
            wrong = end;
        if (wrong) {
            printf("seed %" PRIu64 "%s: %s\n", seed + i, i ? "" : " (without mistakes)", wrong);
            if (end && daemon > 0)
                kill(daemon, SIGKILL);
            result = 1;
        }
    }
    close(listener);
    unlink(a.sun_path);
    rmdir(folder);
    if (!result)
        printf("engine: %" PRIu64 " rounds\n", rounds);
    return result;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc == 1)
        return as_daemon();
    if (argc != 5) {
        fprintf(stderr, "usage: stranger client SOCKET SEED ROUNDS | stranger engine DAEMON SEED ROUNDS\n");
        return 2;
    }
    uint64_t seed = strtoull(argv[3], NULL, 10), rounds = strtoull(argv[4], NULL, 10);
    return strcmp(argv[1], "client") == 0 ? as_client(argv[2], seed, rounds) : as_engine(argv[2], seed, rounds);
}
