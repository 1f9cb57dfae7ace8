/* Ending sessions: the kernel has no call for that, so it is one look at all processes; without a descriptor to spare,
 * at all numbers that one may have. */
#include "hosts/remote/end_session.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { PID_MAX = 1 << 22 };

static int by_pid(const void *left, const void *right)
{
    pid_t a = *(const pid_t *)left, b = *(const pid_t *)right;
    return (a > b) - (a < b);
}

static void end_if_in(pid_t pid, const pid_t *leaders, size_t count)
{
    pid_t session = pid > 1 ? getsid(pid) : 0;
    if (session > 1 && session != pid && bsearch(&session, leaders, count, sizeof session, by_pid))
        kill(pid, SIGKILL);
}

void session_end(pid_t *leaders, size_t count)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    qsort(leaders, count, sizeof *leaders, by_pid);
    while (proc && (entry = readdir(proc))) {
        char *end;
        pid_t pid = (pid_t)strtol(entry->d_name, &end, 10);
        end_if_in(*end ? 0 : pid, leaders, count);
    }
    for (pid_t pid = 2; !proc && pid < PID_MAX; pid++)
        end_if_in(pid, leaders, count);
    if (proc)
        closedir(proc);
}
