#include "hosts/ssh/shell_child.h"

#include "base/mem.h"
#include "base/text.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOTES_BYTES = 4096 };

static void put_at(posix_spawn_file_actions_t *actions, int fd, int place)
{
    if (fd < 0)
        posix_spawn_file_actions_addopen(actions, place, "/dev/null", O_RDWR, 0);
    else
        posix_spawn_file_actions_adddup2(actions, fd, place);
}

/* sh -c TEXT sh WORDS... */
static char **argv_of(const char *text, char *const *words)
{
    size_t n = 0;
    while (words && words[n])
        n++;
    char **argv = mem_zalloc((n + 5) * sizeof *argv);
    argv[0] = argv[3] = (char *)(uintptr_t) "sh";
    argv[1] = (char *)(uintptr_t) "-c";
    argv[2] = (char *)(uintptr_t)text;
    for (size_t i = 0; i < n; i++)
        argv[4 + i] = words[i];
    return argv;
}

bool shell_child_start(const char *text, char *const *words, int in, int out, int errors, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    char **argv = argv_of(text, words);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    put_at(&actions, in, 0);
    put_at(&actions, out, 1);
    put_at(&actions, errors, 2);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setpgroup(&attr, 0);
    int failed = posix_spawn(pid, "/bin/sh", &actions, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    free(argv);
    return !failed;
}

void shell_child_end(pid_t pid)
{
    kill(-pid, SIGTERM);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* It cannot grow: more than there is room for is lost to whoever writes it. */
int shell_child_notes(void)
{
    int fd = memfd_create("clowder-notes", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && (ftruncate(fd, NOTES_BYTES) || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

void shell_child_said(int notes, char *out, size_t size)
{
    char text[NOTES_BYTES + 1] = "", *save = NULL;
    struct buf line = {0};
    if (notes >= 0 && pread(notes, text, NOTES_BYTES, 0) < 0)
        text[0] = '\0';
    for (char *one = strtok_r(text, "\r\n", &save); one; one = strtok_r(NULL, "\r\n", &save))
        buf_printf(&line, "%s%s", line.len ? "; " : "", one);
    text_escape(out, size, buf_text(&line), line.len);
    buf_fini(&line);
}
