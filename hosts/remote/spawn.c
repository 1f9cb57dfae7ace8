/* Processes: begun with pipes for stdin and output, watched through one loop, reaped by signalfd. */
#include "hosts/remote/spawn.h"

#include "base/loop.h"
#include "base/mem.h"
#include "base/mono.h"
#include "base/text.h"
#include "hosts/remote/end_session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HEAD_MAX = 64 };

/* Each pipe end knows its process. */
struct end {
    struct process *process;
    int fd;
    bool is_input;
    struct loop_watch *watch;
};

struct process {
    struct spawner *spawner;
    struct process *next;
    pid_t pid;
    struct end input, output;
    struct buf blob; /* not yet taken by its stdin; wiped as it goes */
    size_t blob_at;
    char line[SPAWN_LINE_MAX + 1];
    size_t line_len;
    bool cut; /* the line was too long: the rest of it is dropped */
    bool script;
    bool ended;
    int status;
};

struct spawner {
    const char *program, *otherwise;
    void (*say)(void *arg, const char *line, size_t len);
    void *arg;
    struct loop *loop;
    int signal_fd;
    struct loop_watch *signals;
    struct process *processes;
    unsigned count;
    char head[HEAD_MAX];
    size_t head_len;
    struct buf blob;
    size_t want; /* bytes of the blob that are still to come */
    bool script, broken, signalled;
    uint64_t kill_at_ms; /* scripts, when home is gone; 0: not */
    sigset_t before;
};

static void tell(struct spawner *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct spawner *s, const char *format, ...)
{
    char line[SPAWN_LINE_MAX * 4 + 64];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(line, sizeof line - 1, format, ap); // NOLINT(clang-analyzer-valist.Uninitialized)
    va_end(ap);
    if (n < 0)
        return;
    size_t len = (size_t)n < sizeof line - 1 ? (size_t)n : sizeof line - 2;
    line[len++] = '\n';
    s->say(s->arg, line, len);
}

static void on_signal(void *arg, short events)
{
    struct spawner *s = arg;
    (void)events;
    s->signalled = true;
}

struct spawner *spawner_new(
    const char *program, const char *otherwise, void (*say)(void *arg, const char *line, size_t len), void *arg)
{
    struct spawner *s = mem_zalloc(sizeof *s);
    sigset_t child;
    s->program = program ? program : "/proc/self/exe";
    s->otherwise = otherwise;
    s->say = say;
    s->arg = arg;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &s->before);
    s->loop = loop_new(NULL);
    s->signal_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->loop && s->signal_fd >= 0)
        s->signals = loop_add(s->loop, s->signal_fd, POLLIN, on_signal, s);
    if (!s->signals) {
        spawner_free(s);
        return NULL;
    }
    return s;
}

static void close_end(struct end *e)
{
    loop_remove(e->watch);
    e->watch = NULL;
    if (e->fd >= 0)
        close(e->fd);
    e->fd = -1;
}

static void wipe(struct buf *b)
{
    if (b->data)
        mem_wipe(b->data, b->cap);
    buf_fini(b);
}

static void process_free(struct process *p)
{
    close_end(&p->input);
    close_end(&p->output);
    wipe(&p->blob);
    free(p);
}

void spawner_free(struct spawner *s)
{
    for (struct process *p = s->processes, *next; p; p = next) {
        next = p->next;
        process_free(p);
    }
    loop_remove(s->signals);
    loop_free(s->loop);
    if (s->signal_fd >= 0)
        close(s->signal_fd);
    wipe(&s->blob);
    free(s);
}

/* ---- starting ---- */

/* A script ends with its supervisor, whatever becomes of that: the port that it dials is ours no longer than that. */
static void end_with(pid_t supervisor)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor)
        _exit(127);
}

static void be_child(struct spawner *s, pid_t supervisor, int in, int out, int report)
{
    const char *const daemon_argv[] = {"clowder-daemon", NULL}, *const shell_argv[] = {"sh", "-s", NULL};
    sigset_t none;
    sigemptyset(&none);
    setsid();
    if (s->script)
        end_with(supervisor);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || chdir("/") < 0)
        _exit(127);
    execv(s->script ? "/bin/sh" : s->program, (char *const *)(uintptr_t)(s->script ? shell_argv : daemon_argv));
    int problem = errno;
    if (problem == ENOENT && !s->script && s->otherwise)
        execv(s->otherwise, (char *const *)(uintptr_t)daemon_argv);
    ssize_t told = write(report, &problem, sizeof problem);
    (void)told;
    _exit(127);
}

/* The pid, or -1 with errno set to why the program did not begin. */
static pid_t begin(struct spawner *s, int in[2], int out[2])
{
    int report[2], problem = 0;
    pid_t own = getpid();
    if (pipe2(report, O_CLOEXEC))
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        be_child(s, own, in[0], out[1], report[1]);
    int saved = errno;
    close(report[1]);
    if (pid > 0 && read(report[0], &problem, sizeof problem) == (ssize_t)sizeof problem) {
        waitpid(pid, NULL, 0);
        pid = -1;
        saved = problem;
    }
    close(report[0]);
    errno = saved;
    return pid;
}

static void on_end(void *arg, short events);

static bool watch(struct spawner *s, struct end *e, short events)
{
    fcntl(e->fd, F_SETFL, fcntl(e->fd, F_GETFL) | O_NONBLOCK);
    e->watch = loop_add(s->loop, e->fd, events, on_end, e);
    return e->watch != NULL;
}

static void start(struct spawner *s)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    pid_t pid = -1;
    errno = EAGAIN;
    if (s->count < SPAWN_PROCESSES && pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0)
        pid = begin(s, in, out);
    int problem = errno;
    if (in[0] >= 0)
        close(in[0]);
    if (out[1] >= 0)
        close(out[1]);
    if (pid < 0) {
        if (in[1] >= 0)
            close(in[1]);
        if (out[0] >= 0)
            close(out[0]);
        wipe(&s->blob);
        tell(s, "fail cannot start %s: %s", s->script ? "/bin/sh" : s->program, strerror(problem));
        return;
    }
    struct process *p = mem_zalloc(sizeof *p);
    *p = (struct process){.spawner = s,
        .next = s->processes,
        .pid = pid,
        .input = {.process = p, .fd = in[1], .is_input = true},
        .output = {.process = p, .fd = out[0]},
        .blob = s->blob,
        .script = s->script};
    s->blob = (struct buf){0};
    s->processes = p;
    s->count++;
    tell(s, "pid %ld", (long)pid);
    watch(s, &p->output, POLLIN);
    watch(s, &p->input, POLLOUT);
}

/* ---- what home says ---- */

static void signal_group(const struct process *p, int number)
{
    if (kill(-p->pid, number))
        kill(p->pid, number);
}

static void send_signal(struct spawner *s, long pid, long number)
{
    for (struct process *p = s->processes; p; p = p->next)
        if (p->pid == pid && !p->ended && number > 0 && number < 65) {
            signal_group(p, (int)number);
            return;
        }
}

static void signal_scripts(struct spawner *s, int number)
{
    for (struct process *p = s->processes; p; p = p->next)
        if (p->script && !p->ended)
            signal_group(p, number);
}

void spawner_orphan(struct spawner *s)
{
    signal_scripts(s, SIGTERM);
    s->kill_at_ms = mono_ms() + SPAWN_PATIENCE_MS;
}

int spawner_wait_ms(const struct spawner *s)
{
    uint64_t now = mono_ms();
    if (!s->kill_at_ms)
        return -1;
    return s->kill_at_ms > now ? (int)(s->kill_at_ms - now) : 0;
}

static bool take_head(struct spawner *s)
{
    long a = 0, b = 0;
    char more, word[8] = "";
    s->head[s->head_len] = '\0';
    s->head_len = 0;
    if (sscanf(s->head, "kill %ld %ld %c", &a, &b, &more) == 2) {
        send_signal(s, a, b);
        return true;
    }
    int n = sscanf(s->head, "%ld %7s %c", &a, word, &more);
    if (n < 1 || n > 2 || a < 0 || a > SPAWN_BLOB_MAX || (n == 2 && strcmp(word, "sh") != 0))
        return false;
    s->script = n == 2;
    s->want = (size_t)a;
    if (!s->want)
        start(s);
    return true;
}

bool spawner_feed(struct spawner *s, const void *data, size_t len)
{
    const char *at = data;
    while (len && !s->broken) {
        if (s->want) {
            size_t n = len < s->want ? len : s->want;
            buf_add(&s->blob, at, n);
            at += n;
            len -= n;
            s->want -= n;
            if (!s->want)
                start(s);
            continue;
        }
        if (*at == '\n')
            s->broken = !take_head(s);
        else if (s->head_len + 1 < HEAD_MAX)
            s->head[s->head_len++] = *at;
        else
            s->broken = true;
        at++;
        len--;
    }
    return !s->broken;
}

/* ---- what processes do ---- */

static void flush_line(struct spawner *s, struct process *p)
{
    char text[SPAWN_LINE_MAX * 4];
    if (p->line_len || p->cut) {
        text_escape(text, sizeof text, p->line, p->line_len);
        tell(s, "err %ld %s%s", (long)p->pid, text, p->cut ? " [cut]" : "");
    }
    p->line_len = 0;
    p->cut = false;
}

/* True when there may be more. */
static bool read_output(struct spawner *s, struct process *p)
{
    char bytes[4096];
    ssize_t n = read(p->output.fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        flush_line(s, p);
        close_end(&p->output);
        return false;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (bytes[i] == '\n')
            flush_line(s, p);
        else if (p->line_len < SPAWN_LINE_MAX)
            p->line[p->line_len++] = bytes[i];
        else
            p->cut = true;
    }
    return true;
}

static void write_input(struct process *p)
{
    while (p->blob_at < p->blob.len) {
        ssize_t n = write(p->input.fd, p->blob.data + p->blob_at, p->blob.len - p->blob_at);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0)
            break; /* it reads no more */
        p->blob_at += (size_t)n;
    }
    close_end(&p->input);
    wipe(&p->blob);
}

static void tell_end(struct spawner *s, struct process *p)
{
    /* What it wrote last comes before the news of its end, as far as it is there already. */
    for (int i = 0; i < 16 && p->output.fd >= 0 && read_output(s, p); i++)
        ;
    flush_line(s, p);
    if (WIFSIGNALED(p->status))
        tell(s, "killed %ld %d", (long)p->pid, WTERMSIG(p->status));
    else
        tell(s, "exit %ld %d", (long)p->pid, WEXITSTATUS(p->status));
}

static bool is_dead(pid_t pid)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

/* Ends what those that died have left in their sessions: not reaped yet, their numbers are still their own. Many may
 * die at once: one look at all processes is for all of them. Gives how many they are. */
static size_t mark_dead(struct spawner *s)
{
    size_t dead = 0;
    pid_t *list = mem_alloc((s->count + 1) * sizeof *list);
    for (struct process *p = s->processes; p; p = p->next)
        if (!p->ended && is_dead(p->pid)) {
            p->ended = true;
            list[dead++] = p->pid;
        }
    if (dead)
        session_end(list, dead);
    free(list);
    return dead;
}

/* What mark_dead found, and only that: home hears of an end when nothing of it is left. */
static void reap_marked(struct spawner *s)
{
    for (struct process *p = s->processes; p; p = p->next) {
        if (!p->ended || waitpid(p->pid, &p->status, 0) != p->pid)
            continue;
        tell_end(s, p);
        s->count--;
    }
}

static void reap(struct spawner *s)
{
    struct signalfd_siginfo ignored;
    siginfo_t info = {0};
    while (read(s->signal_fd, &ignored, sizeof ignored) > 0)
        ;
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid) {
        if (mark_dead(s))
            reap_marked(s);
        else /* a child of what we were before we became this program */
            waitpid(info.si_pid, NULL, 0);
        info = (siginfo_t){0};
    }
}

/* A process that ended is forgotten; what its children still write goes nowhere. */
static void sweep(struct spawner *s)
{
    for (struct process **at = &s->processes; *at;) {
        struct process *p = *at;
        if (p->ended) {
            *at = p->next;
            process_free(p);
        } else {
            at = &p->next;
        }
    }
}

int spawner_fd(const struct spawner *s)
{
    return loop_fd(s->loop);
}

unsigned spawner_count(const struct spawner *s)
{
    return s->count;
}

static void on_end(void *arg, short events)
{
    struct end *e = arg;
    (void)events;
    if (e->is_input)
        write_input(e->process);
    else
        read_output(e->process->spawner, e->process);
}

void spawner_work(struct spawner *s)
{
    s->signalled = false;
    loop_once(s->loop, 0);
    if (s->kill_at_ms && mono_ms() >= s->kill_at_ms) {
        signal_scripts(s, SIGKILL);
        s->kill_at_ms = 0;
    }
    if (s->signalled)
        reap(s);
    sweep(s);
}
