#include "base/process.h"

#include "base/procfile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* It is there to be read, but not by us, now. */
static bool is_short(void)
{
    return errno == EMFILE || errno == ENFILE || errno == ENOMEM;
}

/* "BOOT:NAMESPACE:", of the one that asks. False: it cannot be told now. */
static bool where(char *out, size_t size)
{
    char boot[48], space[64] = "";
    errno = 0;
    size_t told = procfile_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    ssize_t n = readlink("/proc/self/ns/pid", space, sizeof space - 1); /* "pid:[4026531836]" */
    space[n > 0 ? n : 0] = '\0';
    const char *number = strchr(space, '[');
    number = number ? number + 1 : "";
    snprintf(out, size, "%.*s:%.*s:", (int)strcspn(boot, "\n"), boot, (int)strcspn(number, "]"), number);
    return told || !is_short();
}

static bool started(pid_t pid, unsigned long long *ticks)
{
    char path[64], stat[1024], *at;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    errno = 0;
    if (!procfile_read(AT_FDCWD, path, stat, sizeof stat) || !(at = strrchr(stat, ')')))
        return false;
    for (int field = 2; field < 22 && at; field++)
        at = strchr(at + 1, ' ');
    *ticks = at ? strtoull(at, NULL, 10) : 0;
    return at;
}

void process_name_self(char name[PROCESS_NAME_SIZE])
{
    char at[72];
    unsigned long long ticks;
    where(at, sizeof at);
    if (started(getpid(), &ticks))
        snprintf(name, PROCESS_NAME_SIZE, "%s%d:%llu", at, (int)getpid(), ticks);
    else
        snprintf(name, PROCESS_NAME_SIZE, "%s%d:", at, (int)getpid());
}

/* The n-th part of a name, from 0, with its colon; NULL: there is none. */
static const char *part(const char *name, int n)
{
    while (name && n-- > 0) {
        name = strchr(name, ':');
        name = name ? name + 1 : NULL;
    }
    return name;
}

pid_t process_number(const char *name)
{
    const char *number = part(name, 2);
    long pid = number ? strtol(number, NULL, 10) : 0;
    return pid > 0 ? (pid_t)pid : 0;
}

enum process_life process_look(const char *name)
{
    char at[72];
    unsigned long long ticks;
    const char *space = part(name, 1), *number = part(name, 2), *start = part(name, 3);
    pid_t pid = process_number(name);
    if (!pid || !start)
        return PROCESS_GONE;
    size_t boot_len = (size_t)(space - name);
    if (!where(at, sizeof at))
        return PROCESS_LIVES;
    if (strncmp(at, name, boot_len) != 0)
        return PROCESS_ELSEWHERE;
    if (strncmp(at, name, (size_t)(number - name)) != 0)
        return PROCESS_ELSEWHERE_HERE;
    bool told = started(pid, &ticks);
    if (!told && is_short())
        return PROCESS_LIVES;
    if (!told) /* also when there is no /proc: as good as we can */
        return access("/proc/self/stat", R_OK) && (kill(pid, 0) == 0 || errno == EPERM) ? PROCESS_LIVES : PROCESS_GONE;
    return !*start || strtoull(start, NULL, 10) == ticks ? PROCESS_LIVES : PROCESS_GONE;
}
