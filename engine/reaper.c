/* Daemons on this machine that died: what they left running is ended before anybody hears of it. */
#include "engine/reaper.h"

#include "engine/profiles/running_daemon.h"
#include "hosts/remote/end_session.h"

#include <stdlib.h>
#include <sys/wait.h>

static bool is_dead(pid_t pid)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

struct reaping {
    struct engine *engine;
    struct errand errand;
    size_t count;
    pid_t pids[];
};

static struct reaping *find_dead(struct engine *e)
{
    size_t n = 0;
    for (const struct profile *p = e->profiles; p; p = p->next)
        n += p->daemon_count;
    struct reaping *r = mem_zalloc(sizeof *r + n * sizeof *r->pids);
    r->engine = e;
    for (const struct profile *p = e->profiles; p; p = p->next)
        for (const struct daemon *m = p->daemons; m; m = m->after)
            if (m->pid && is_dead(m->pid))
                r->pids[r->count++] = m->pid;
    return r;
}

/* Many may die at once: one look at all processes is for all of them. */
static void end_sessions(void *arg)
{
    struct reaping *r = arg;
    session_end(r->pids, r->count);
}

static void end_reaping(void *arg)
{
    struct reaping *r = arg;
    struct engine *e = r->engine;
    int status;
    for (size_t i = 0; i < r->count; i++)
        if (waitpid(r->pids[i], &status, WNOHANG) == r->pids[i])
            daemon_exited(e, r->pids[i], status);
    free(r);
    e->reaping = false;
    reap(e);
}

void reap(struct engine *e)
{
    siginfo_t info = {0};
    int status;
    while (!e->reaping && waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid) {
        struct reaping *r = find_dead(e);
        e->reaping = r->count > 0;
        if (e->reaping) {
            r->errand = (struct errand){.work = end_sessions, .done = end_reaping, .arg = r};
            errands_give(e->reaper, &r->errand);
        } else { /* no daemon, or one whose place is gone already */
            free(r);
            waitpid(info.si_pid, &status, 0);
        }
        info = (siginfo_t){0};
    }
}
