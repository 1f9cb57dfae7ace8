/* Child processes: started without copying the daemon, each leading a group, watched through a pidfd. */
#include "engine/daemon/daemon.h"

#include "base/mono.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __SANITIZE_THREAD__
/* A child that shares our memory until it is another program counts for this sanitizer as a fork, after which it lets
 * no thread begin. */
const char *__tsan_default_options(void);
__attribute__((visibility("default"))) const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}
#endif

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void process_close(struct process *p)
{
    close_fd(&p->pid_fd);
    close_fd(&p->out_fd);
    close_fd(&p->err_fd);
}

static int null_fd(void)
{
    static int fd = -1;
    if (fd < 0)
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    return fd;
}

/* ---- the child ---- */

enum {
    STACK = 128 << 10, /* what execvpe puts together is at most a path and a copy of argv */
    END_MS = 2000,     /* from the kill of a process to its end, where nothing else can go on */
};

struct birth {
    const struct spawn *spawn;
    pid_t daemon;
    int in_fd, out_fd, err_fd;
    int error; /* an errno: it did not come to the program */
};

/* On the daemon's memory, with a stack of its own, while the daemon waits: it touches nothing but b. */
static int become(void *arg)
{
    struct birth *b = arg;
    const struct spawn *s = b->spawn;
    sigset_t none;
    sigemptyset(&none);
    /* When all who would end it are killed at once, the kernel does. It goes by the thread that called clone: that is
     * always the main one. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != b->daemon) /* it was killed before that */
        return 127;
    if (setpgid(0, 0) || dup2(b->in_fd, 0) < 0 || dup2(b->out_fd, 1) < 0 || dup2(b->err_fd, 2) < 0 ||
        (s->dir && chdir(s->dir))) {
        b->error = errno;
        return 127;
    }
    if ((b->error = limits_apply(s->limits)))
        return 127;
    signal(SIGPIPE, SIG_DFL); /* the only one that the daemon ignores */
    sigprocmask(SIG_SETMASK, &none, NULL);
    execvpe(s->argv[0], s->argv, s->env);
    b->error = errno;
    return 127;
}

/* The process with its descriptor. qemu, where it runs the daemon of another machine, refuses a clone that gives one,
 * and Linux before 5.2 gives none: it is asked for, and where that is not known either, the process is not let run, for
 * nobody would see its end. (In qemu the child has a copy of b: what goes wrong there is an exit status of 127 and no
 * error.) */
static pid_t begin(struct birth *b, void *top, int *pid_fd)
{
    const int flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
    pid_t pid = clone(become, top, flags | CLONE_PIDFD, b, pid_fd);
    if (pid < 0 && errno == EINVAL)
        pid = clone(become, top, flags, b);
    if (pid > 0 && *pid_fd < 0 && (*pid_fd = pidfd_open(pid, 0)) < 0) {
        b->error = errno;
        kill(pid, SIGKILL);
    }
    return pid;
}

/* A process that borrows our memory until it runs its program: posix_spawn does that too, but it can set no limits, and
 * asks for each signal what becomes of it. */
static int start(struct process *p, struct birth *b)
{
    static char *stack; /* one thread starts all */
    static size_t size;
    size_t need = STACK, argc = 0;
    sigset_t all, before;
    while (b->spawn->argv[argc])
        argc++;
    need += argc * sizeof(char *);
    if (need > size) {
        free(stack);
        stack = mem_alloc(size = need);
    }
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); /* no handler of ours may run there */
    uintptr_t top = ((uintptr_t)stack + size) & ~(uintptr_t)15;
    p->pid = begin(b, (void *)top, &p->pid_fd);
    int rv = p->pid < 0 ? errno : b->error;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rv && p->pid > 0)
        waitpid(p->pid, NULL, 0);
    return rv;
}

int process_spawn(struct process *p, const struct spawn *s)
{
    int out[2], err[2];
    *p = (struct process){.pid_fd = -1, .out_fd = -1, .err_fd = -1};
    if (pipe2(out, O_CLOEXEC))
        return errno;
    if (pipe2(err, O_CLOEXEC)) {
        int saved = errno;
        close(out[0]);
        close(out[1]);
        return saved;
    }
    p->out_fd = out[0];
    p->err_fd = err[0];
    fcntl(p->out_fd, F_SETFL, O_NONBLOCK);
    fcntl(p->err_fd, F_SETFL, O_NONBLOCK);
    struct birth b = {.spawn = s,
        .daemon = getpid(),
        .in_fd = s->in_fd >= 0 ? s->in_fd : null_fd(),
        .out_fd = out[1],
        .err_fd = err[1]};
    int rv = start(p, &b);
    close(out[1]);
    close(err[1]);
    if (rv)
        process_close(p);
    return rv;
}

void process_kill(const struct process *p, int signal)
{
    kill(-p->pid, signal);
}

int process_reap(struct process *p, bool cleanup)
{
    int status = SIGKILL; /* of one that is stuck */
    if (cleanup)
        kill(-p->pid, SIGKILL); /* the leader is not reaped yet: the group's number is ours */
    while (waitpid(p->pid, &status, WNOHANG) < 0 && errno == EINTR)
        ;
    process_close(p);
    return status;
}

void process_end(struct process *p)
{
    struct pollfd fd = {p->pid_fd, POLLIN, 0};
    process_kill(p, SIGKILL);
    poll(&fd, 1, END_MS);
    process_reap(p, true);
}

bool process_is_stuck(uint64_t killed_us)
{
    return killed_us && mono_us() - killed_us >= PROCESS_STUCK_US;
}

size_t process_pipe_holds(int fd)
{
    int size = fcntl(fd, F_GETPIPE_SZ);
    return size > 0 ? (size_t)size : 0;
}
