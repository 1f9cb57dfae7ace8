/* What is due for a daemon by the clock: one that is silent, late or overdue. */
#include "engine/serve/daemon_watch.h"

#include "base/mono.h"
#include "engine/profiles/running_daemon.h"
#include "engine/serve/serve_daemon.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* How long its first task may take, and since when it takes that; 0: as long as it likes. */
static uint64_t task_limit_ms(const struct daemon *m, uint64_t *since_ms)
{
    struct disp_job *job;
    uint64_t index, since_us;
    if ((m->paused && m->profile->settings.set.pause_now) || !disp_daemon_head(m->disp, &job, &index, &since_us))
        return 0;
    const struct core_job *j = disp_job_arg(job);
    uint64_t limit_ms = j->spec.timeout_ms;
    *since_ms = since_us / 1000;
    if (j->files && m->files_ms > *since_ms) /* they are on their way, before it or after it */
        *since_ms = m->files_ms;
    if (limit_ms && j->spec.kind == FUNC_FRAMED && m->has_worker != disp_job_number(job)) /* it may just be starting */
        limit_ms += limit_ms > FUNC_START_MS ? limit_ms : FUNC_START_MS;
    return limit_ms;
}

/* Its connection and what it is at, as of now. */
static struct fleet_talk talk_of(const struct daemon *m)
{
    struct fleet_talk t = {0};
    if (!m->peer)
        return t;
    t.heard_ms = link_heard_ms(m->peer->link);
    t.is_remote = m->peer->remote;
    t.is_unread = m->peer->unread;
    t.is_cut_off = m->place->via && !m->place->via->direct && m->place->via->shot.silent;
    t.has_tasks = disp_daemon_in_flight(m->disp) > 0;
    t.has_setups = m->setup_left > 0;
    t.task_limit_ms = task_limit_ms(m, &t.task_since_ms);
    return t;
}

/* The task ends as the daemon should have ended it; the daemon goes, and is no daemon of ours any more. */
static void end_overdue(struct daemon *m)
{
    struct disp_job *job;
    struct peer *p = m->peer;
    uint64_t index, since_us;
    char why[200];
    disp_daemon_head(m->disp, &job, &index, &since_us);
    const struct core_job *j = disp_job_arg(job);
    snprintf(why, sizeof why,
        "no answer after %g s, the limit set by --timeout; %s did not end it, and was ended itself",
        (double)j->spec.timeout_ms / 1000, m->name);
    struct wire_report r = {.exit_status = -1,
        .run_us = mono_us() - since_us,
        .why = (const uint8_t *)why,
        .why_len = (uint32_t)strlen(why)};
    struct blk *block = blk_new(WIRE_REPORT_HEAD + r.why_len);
    if (!block)
        abort();
    wire_put_report(block->data, &r);
    memcpy(block->data + WIRE_REPORT_HEAD, why, r.why_len);
    disp_daemon_blameless(m->disp);
    daemon_say(&m->reason, "did not end a task that had its time");
    log_warn("daemon", "overdue daemon=%s host=%s why=\"%s\"", m->name, m->place->host, why);
    serve_answer(p,
        &(struct frame){.type = WIRE_REPORT,
            .job = disp_job_number(job),
            .first = index,
            .n = 1,
            .code = WIRE_TIMEOUT,
            .len = WIRE_REPORT_HEAD + r.why_len,
            .body = block->data},
        block);
    blk_rele(block);
    daemon_signal(m, SIGKILL);
    link_close(p->link);
}

static void end_idle(struct daemon *m)
{
    daemon_say(&m->reason, "did not leave when it was told to");
    log_warn("daemon", "stays daemon=%s host=%s why=\"%s\"", m->name, m->place->host, m->reason);
    daemon_signal(m, SIGKILL);
    link_close(m->peer->link);
}

static void end_silent(struct daemon *m)
{
    uint64_t silent_ms = mono_ms() - link_heard_ms(m->peer->link);
    daemon_say(&m->reason, "silent for %llu s", (unsigned long long)silent_ms / 1000);
    link_close(m->peer->link);
}

void daemon_tick(struct engine *e, struct daemon *m, uint64_t now_ms)
{
    struct fleet_talk talk = talk_of(m);
    unsigned acts = fleet_daemon_tick(&m->fleet, &talk, now_ms);
    if (acts & FLEET_END_OVERDUE)
        end_overdue(m);
    if (acts & FLEET_END_IDLE)
        end_idle(m);
    if (acts & FLEET_SILENT)
        end_silent(m);
    if (acts)
        daemon_act(e, m, acts);
}

uint64_t daemon_next_ms(const struct daemon *m, uint64_t now_ms)
{
    struct fleet_talk talk = talk_of(m);
    return fleet_daemon_next_ms(&m->fleet, &talk, now_ms);
}
