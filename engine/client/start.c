/* Reaching the user's engine: when nobody answers, the clowder program starts it, and says when it does. */
#include "engine/client/internal.h"

#include "base/owner.h"
#include "base/paths.h"
#include "base/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DIAL_TRIES = 500, DIAL_PAUSE_MS = 10, START_TRIES = 20 };

static int spawn_start(const char *program, int err_fd, pid_t *pid)
{
    char arg0[] = "clowder", arg1[] = "engine", arg2[] = "start", *argv[] = {arg0, arg1, arg2, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, err_fd, 2);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setpgroup(&attr, 0); /* the terminal's ^C is not for the engine */
    int rv = posix_spawn(pid, program, &actions, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return rv;
}

/* As the program's exit status says it. */
static enum clw_err why_not(int status)
{
    switch (WIFEXITED(status) ? WEXITSTATUS(status) : -1) {
    case 2: return CLW_USAGE;
    case 5: return CLW_REFUSED;
    default: return CLW_UNREACHABLE;
    }
}

static const char *task_of(void)
{
    const char *daemon = getenv("CLOWDER_DAEMON");
    return daemon && *daemon ? daemon : NULL;
}

/* A task that starts one would leave it behind on a machine where nobody looks for it. */
static enum clw_err check_may_start(struct clw_error *err)
{
    const char *daemon = task_of(), *host = getenv("CLOWDER_HOST");
    if (!daemon)
        return CLW_OK;
    return clw_fail(err, CLW_REFUSED,
        "submit from the machine where the engine runs; or unset CLOWDER_DAEMON to start another engine on this "
        "machine",
        "this is a task of %.60s on %.60s: no engine of its store runs there, and a task does not start one", daemon,
        host ? host : "?");
}

static enum clw_err start_engine(struct clowder *c, struct clw_error *err)
{
    char *program = c->program ? mem_strdup(c->program) : paths_program("clowder"), text[900];
    int fds[2], status = 0;
    pid_t pid;
    enum clw_err code = check_may_start(err);
    if (code) {
        free(program);
        return code;
    }
    if (!program)
        return clw_fail(err, CLW_UNREACHABLE, "install it, or put it on PATH", "the clowder program is not found");
    if (pipe2(fds, O_CLOEXEC)) {
        free(program);
        return clw_fail(err, CLW_IO, NULL, "cannot make a pipe: %s", strerror(errno));
    }
    int rv = spawn_start(program, fds[1], &pid);
    close(fds[1]);
    if (rv) {
        code = clw_fail(err, CLW_UNREACHABLE, NULL, "cannot start %s: %s", program, strerror(rv));
    } else {
        ssize_t n = 0, got;
        while (n < (ssize_t)sizeof text - 1 && (got = read(fds[0], text + n, sizeof text - 1 - (size_t)n)) > 0)
            n += got;
        text[n] = '\0';
        text[strcspn(text, "\n")] = '\0';
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            code = clw_fail(err, why_not(status), NULL, "%s",
                strncmp(text, "clowder: ", 9) == 0 ? text + 9
                : text[0]                          ? text
                                                   : "the engine did not start; see 'clowder log'");
    }
    close(fds[0]);
    free(program);
    return code;
}

/* 0; an errno: ENOENT, nobody is there and somebody may be started; EAGAIN, later perhaps. code: no hope. */
static int dial_owner(const char *socket_name, client_dialer dial, uint64_t deadline_ms, int *fd, enum clw_err *code,
    struct clw_error *err)
{
    struct owner o;
    *code = owner_look(&o, err);
    if (!*code && o.state == OWNER_ELSEWHERE)
        *code = owner_check_here(err);
    if (*code || o.state == OWNER_NOBODY)
        return ENOENT;
    if (!*o.folder)
        return EAGAIN; /* it starts, or ends */
    char *path = mem_printf("%s/%s", o.folder, socket_name);
    int rv = dial(path, deadline_ms, fd);
    free(path);
    if (rv == 0 && !peer_is_ours(peer_uid_unix(*fd))) {
        close(*fd);
        *code = clw_fail(err, CLW_REFUSED, NULL, "a process of another user listens in %s", o.folder);
    }
    return rv == ENOENT || rv == ECONNREFUSED ? EAGAIN : rv; /* it makes its sockets again, or ends */
}

enum clw_err client_dial(struct clowder *c, const char *socket_name, client_dialer dial, uint64_t deadline_ms, int *fd,
    struct clw_error *err)
{
    enum clw_err code;
    int rv = dial_owner(socket_name, dial, deadline_ms, fd, &code, err);
    for (int i = 0; !code && ((rv == ENOENT && !c->no_start) || rv == EAGAIN) && i < DIAL_TRIES; i++) {
        if (rv == ENOENT && i % START_TRIES == 0) /* again: one that is dying may hold the lock */
            code = start_engine(c, err);
        if (code)
            break;
        rv = dial_owner(socket_name, dial, deadline_ms, fd, &code, err);
        if (rv)
            nanosleep(&(struct timespec){.tv_nsec = DIAL_PAUSE_MS * 1000000L}, NULL);
    }
    if (!code && rv == ENOENT && c->no_start)
        code = clw_fail(err, CLW_UNREACHABLE,
            task_of() ? "a task does not start one: run this on the machine where the engine runs"
                      : "start it: clowder engine start",
            "no engine runs");
    else if (!code && rv == ETIMEDOUT)
        code = clw_fail(err, CLW_TIMED_OUT, "see 'clowder log'", "the engine did not answer in time");
    else if (!code && rv)
        code = clw_fail(err, CLW_UNREACHABLE, "see 'clowder log'", "the engine does not answer: %s", strerror(rv));
    return code;
}
