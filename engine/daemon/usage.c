/* What the daemon and its tasks use of the machine, as the kernel counts it: told to the engine every few seconds while
 * there is work, once more when it ends, and then not again. */
#include "engine/daemon/daemon.h"

#include "base/mono.h"
#include "base/procfile.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { USAGE_MS = 2000, DEPTH_MAX = 8, TREE_MAX = 256 };

struct usage {
    uint64_t ticks, memory_bytes;
    unsigned processes;
};

/* utime, stime, cutime and cstime are the fields 14 to 17 of stat, rss in pages is the 24th; the 2nd may hold anything,
 * but ends at the last ')'. What was waited for is in its parent's cutime. */
static void add_process(struct usage *u, pid_t pid, int depth)
{
    char path[64], text[4096];
    unsigned long long ticks[4];
    long long pages;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    const char *at = procfile_read(AT_FDCWD, path, text, sizeof text) ? strrchr(text, ')') : NULL;
    if (!at || sscanf(at + 1,
                   " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu %llu %llu %*s %*s %*s %*s %*s"
                   " %*s %lld",
                   &ticks[0], &ticks[1], &ticks[2], &ticks[3], &pages) != 5)
        return;
    u->ticks += ticks[0] + ticks[1] + ticks[2] + ticks[3];
    u->memory_bytes += (uint64_t)(pages > 0 ? pages : 0) * (uint64_t)sysconf(_SC_PAGESIZE);
    if (depth == DEPTH_MAX || ++u->processes >= TREE_MAX)
        return;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    procfile_read(AT_FDCWD, path, text, sizeof text);
    char *save = NULL;
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
        add_process(u, (pid_t)strtol(word, NULL, 10), depth + 1);
}

void usage_step(struct daemon *d, struct watch *w)
{
    uint64_t now_us = mono_us(), due_us = d->usage_us + USAGE_MS * UINT64_C(1000);
    struct usage u = {0};
    bool busy = d->head != NULL || d->done != d->usage_done;
    if (!busy && !d->usage_busy)
        return;
    if (d->usage_busy && now_us < due_us) {
        watch_until(w, due_us);
        return;
    }
    add_process(&u, getpid(), 0);
    if (d->usage_busy) { /* else the work has just begun: from now on is counted */
        uint64_t per_s = (uint64_t)sysconf(_SC_CLK_TCK);
        uint64_t used_us = u.ticks > d->usage_ticks ? (u.ticks - d->usage_ticks) * 1000000 / per_s : 0;
        uint32_t permille = (uint32_t)(used_us * 1000 / (now_us - d->usage_us));
        if (home_is_there(d))
            home_send(d, &(struct frame){.type = WIRE_USAGE, .first = u.memory_bytes, .n = permille}, NULL);
    }
    d->usage_busy = busy;
    d->usage_us = now_us;
    d->usage_ticks = u.ticks;
    d->usage_done = d->done;
    if (d->usage_busy)
        watch_until(w, now_us + USAGE_MS * UINT64_C(1000));
}
