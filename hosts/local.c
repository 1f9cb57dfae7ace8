/* One posix_spawn. The configuration goes through a memory file, so nothing blocks and nothing touches a disk. */
#include "hosts/local.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int memory_file(const char *data, size_t len)
{
    int fd = memfd_create("clowder-config", MFD_CLOEXEC);
    if (fd < 0)
        return -1;
    if (write(fd, data, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static enum clw_err code_of(int error, enum clw_err otherwise)
{
    return clw_is_short(error) ? CLW_AGAIN : otherwise;
}

enum clw_err local_launch(const struct local_launch *l, pid_t *pid, struct clw_error *err)
{
    char name[] = "clowder-daemon", shell[] = "sh", option[] = "-c", *none_set[] = {NULL};
    char *argv[] = {name, NULL}, *shell_argv[] = {shell, option, (char *)(uintptr_t)l->command, NULL};
    const char *program = l->command ? "/bin/sh" : l->program;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int fd = memory_file(l->config, l->config_len);
    if (fd < 0)
        return clw_fail(err, code_of(errno, CLW_IO), NULL, "cannot pass a daemon its settings: %s", strerror(errno));
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, 0);
    posix_spawn_file_actions_adddup2(&actions, l->log_fd, 1);
    posix_spawn_file_actions_adddup2(&actions, l->log_fd, 2);
    posix_spawn_file_actions_addchdir_np(&actions, "/");
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    int rv = posix_spawn(pid, program, &actions, &attr, l->command ? shell_argv : argv, l->env ? l->env : none_set);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    close(fd);
    if (rv)
        return clw_fail(err, code_of(rv, CLW_UNREACHABLE),
            "reinstall Clowder, or set CLOWDER_LIBEXEC to the folder of clowder-daemon", "cannot start %s: %s", program,
            strerror(rv));
    return CLW_OK;
}
