/* Child processes: spawned without copying the daemon, each leading a group, watched through a pidfd. */
#include "engine/daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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

static int spawn_with(struct process *p, const struct spawn *s, int out_fd, int err_fd)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, ignored;
    sigemptyset(&none);
    sigemptyset(&ignored);
    sigaddset(&ignored, SIGPIPE); /* the only one that the daemon ignores; each costs the child a call */
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, s->in_fd >= 0 ? s->in_fd : null_fd(), 0);
    posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
    posix_spawn_file_actions_adddup2(&actions, err_fd, 2);
    if (s->dir)
        posix_spawn_file_actions_addchdir_np(&actions, s->dir);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &ignored);
    int rv = posix_spawnp(&p->pid, s->argv[0], &actions, &attr, s->argv, s->env);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return rv;
}

/* ---- with limits ---- */

/* In the child, on the daemon's memory until its program runs. An errno: it did not come to that. */
static int become(const struct spawn *s, int out_fd, int err_fd)
{
    sigset_t none;
    sigemptyset(&none);
    if (setpgid(0, 0) || dup2(s->in_fd >= 0 ? s->in_fd : null_fd(), 0) < 0 || dup2(out_fd, 1) < 0 ||
        dup2(err_fd, 2) < 0 || (s->dir && chdir(s->dir)))
        return errno;
    int rv = limits_apply(s->limits);
    if (rv)
        return rv;
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execvpe(s->argv[0], s->argv, s->env);
    return errno;
}

static pid_t start_child(const struct spawn *s, int out_fd, int err_fd, volatile int *error)
{
    pid_t pid = vfork(); /* NOLINT: posix_spawn can set no limits, and fork copies the daemon */
    if (pid == 0) {
        *error = become(s, out_fd, err_fd); /* NOLINT: the caller waits, and this is all that it reads */
        _exit(127);
    }
    return pid;
}

/* posix_spawn knows neither limits nor groups. */
static int spawn_limited(struct process *p, const struct spawn *s, int out_fd, int err_fd)
{
    volatile int error = 0;
    sigset_t all, before;
    null_fd();
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    p->pid = start_child(s, out_fd, err_fd, &error);
    int rv = p->pid < 0 ? errno : error;
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
    bool limited = s->limits && s->limits->active;
    int rv = limited ? spawn_limited(p, s, out[1], err[1]) : spawn_with(p, s, out[1], err[1]);
    close(out[1]);
    close(err[1]);
    if (rv == 0 && (p->pid_fd = (int)syscall(SYS_pidfd_open, p->pid, 0)) < 0) {
        rv = errno;
        kill(-p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
    }
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
    int status = 0;
    if (cleanup)
        kill(-p->pid, SIGKILL); /* the leader is a zombie still: the group's number is ours */
    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
        ;
    process_close(p);
    return status;
}
