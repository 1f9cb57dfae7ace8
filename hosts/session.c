/* Ending sessions: the kernel has no call for that, so it is one look at all processes. */
#include "hosts/session.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static int by_pid(const void *left, const void *right)
{
    pid_t a = *(const pid_t *)left, b = *(const pid_t *)right;
    return (a > b) - (a < b);
}

void session_end(pid_t *leaders, size_t count)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    qsort(leaders, count, sizeof *leaders, by_pid);
    while (proc && (entry = readdir(proc))) {
        char *end;
        pid_t other = (pid_t)strtol(entry->d_name, &end, 10);
        if (*end || other <= 1)
            continue;
        pid_t session = getsid(other);
        if (session > 1 && session != other && bsearch(&session, leaders, count, sizeof session, by_pid))
            kill(other, SIGKILL);
    }
    if (proc)
        closedir(proc);
}
