/* Programs started from the screens. */
#include "tui/screen/child.h"

#include "base/mem.h"
#include "base/paths.h"
#include "tui/screen/term.h"
#include "tui/screen/ui.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DETACHED_MAX = 64 };

static struct {
    pid_t pid;
    char label[200], good[400], errors[400]; /* errors: the file of its stderr, or "" */
} detached[DETACHED_MAX];

/* Starts argv with the given descriptors (-1: /dev/null) in a session of its own, which no key of this terminal ends or
 * stops. Also not a ^Z in the very moment: in a mere group of its own the child would take it before its exec, for
 * which posix_spawn waits. 0 or an errno. */
static int spawn(const char *const *argv, int out, int err, pid_t *pid)
{
    char *own = strcmp(argv[0], "clowder") == 0 ? paths_program("clowder") : NULL;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (out >= 0)
        posix_spawn_file_actions_adddup2(&actions, out, 1);
    else
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, err >= 0 ? err : 1, 2);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID));
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    /* posix_spawn does not write to argv */
    int rv = posix_spawnp(pid, own ? own : argv[0], &actions, &attr, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    free(own);
    return rv;
}

struct child *child_start(const char *const *argv)
{
    int fds[2];
    pid_t pid;
    if (pipe2(fds, O_CLOEXEC))
        return NULL;
    int rv = spawn(argv, fds[1], -1, &pid);
    close(fds[1]);
    if (rv) {
        close(fds[0]);
        errno = rv;
        return NULL;
    }
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    struct child *c = mem_zalloc(sizeof *c);
    *c = (struct child){pid, fds[0]};
    return c;
}

ssize_t child_read(struct child *c, char *data, size_t size)
{
    return read(c->fd, data, size);
}

static int exit_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int child_wait(struct child *c)
{
    int status = 0;
    for (int tries = 0; waitpid(c->pid, &status, WNOHANG) == 0 && tries < 20; tries++)
        usleep(1000);
    close(c->fd);
    free(c);
    return exit_of(status);
}

void child_end(struct child *c)
{
    if (!c)
        return;
    kill(-c->pid, SIGTERM);
    child_wait(c);
}

bool child_detach(const char *const *argv, const char *label, const char *good)
{
    char *errors = NULL;
    int place = 0, rv = 0, err = -1;
    pid_t pid;
    while (place < DETACHED_MAX && detached[place].pid)
        place++;
    if (paths_state("screen-XXXXXX", &errors, NULL) == CLW_OK)
        err = mkostemp(errors, O_CLOEXEC);
    rv = spawn(argv, -1, err, &pid);
    if (err >= 0)
        close(err);
    if (rv == 0 && place < DETACHED_MAX) {
        detached[place].pid = pid;
        snprintf(detached[place].label, sizeof detached[place].label, "%s", label);
        snprintf(detached[place].good, sizeof detached[place].good, "%s", good);
        snprintf(detached[place].errors, sizeof detached[place].errors, "%s", err >= 0 ? errors : "");
    }
    free(errors);
    errno = rv;
    return rv == 0;
}

/* The last line that it wrote to stderr. */
static void last_words(const char *path, char *out, size_t size)
{
    char line[600];
    FILE *f = *path ? fopen(path, "re") : NULL;
    out[0] = '\0';
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (*line)
            snprintf(out, size, "%.*s", (int)size - 1, line);
    }
    if (f)
        fclose(f);
    if (*path)
        unlink(path);
}

void child_reap(struct ui *ui)
{
    for (int i = 0; i < DETACHED_MAX; i++) {
        int status;
        char words[500];
        if (!detached[i].pid || waitpid(detached[i].pid, &status, WNOHANG) != detached[i].pid)
            continue;
        detached[i].pid = 0;
        last_words(detached[i].errors, words, sizeof words);
        if (exit_of(status) == 0)
            ui_say(ui, ROLE_GOOD, "%s: %s", detached[i].label, detached[i].good);
        else
            ui_say(ui, ROLE_BAD, "%s: ended with status %d%s%s", detached[i].label, exit_of(status), *words ? ": " : "",
                words);
    }
}

/* ^Z stops us with it: to the shell both are one job, which it continues as one. */
static int wait_ended(pid_t pid)
{
    int status = 0;
    pid_t got;
    do {
        got = waitpid(pid, &status, WUNTRACED);
        if (got == pid && WIFSTOPPED(status))
            raise(SIGSTOP);
    } while (got == pid ? WIFSTOPPED(status) : errno == EINTR);
    return status;
}

int child_foreground(const char *const *argv)
{
    int status = 0;
    pid_t pid;
    term_lend();
    pid = fork();
    if (pid == 0) {
        char *own = strcmp(argv[0], "clowder") == 0 ? paths_program("clowder") : NULL;
        term_child_signals();
        execvp(own ? own : argv[0], (char *const *)(uintptr_t)argv);
        dprintf(2, "clowder: cannot run %s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    if (pid > 0)
        status = wait_ended(pid);
    term_reclaim();
    return pid > 0 ? exit_of(status) : 127;
}

/* One word into out; returns where it ended, or NULL when a quote is open. */
static const char *word(const char *at, char **out)
{
    char quote = 0;
    for (; *at && (quote || !strchr(" \t", *at)); at++) {
        if (!quote && (*at == '\'' || *at == '"'))
            quote = *at;
        else if (quote && *at == quote)
            quote = 0;
        else if (*at == '\\' && quote != '\'' && at[1])
            *(*out)++ = *++at;
        else
            *(*out)++ = *at;
    }
    *(*out)++ = '\0';
    return quote ? NULL : at;
}

char **child_split(const char *line, size_t *count)
{
    size_t len = strlen(line), most = len / 2 + 2;
    char **words = mem_zalloc(most * sizeof *words + 2 * len + 2), *text = (char *)(words + most);
    *count = 0;
    while (*(line += strspn(line, " \t"))) {
        words[(*count)++] = text;
        line = word(line, &text);
        if (!line) {
            free(words);
            return NULL;
        }
    }
    return words;
}
