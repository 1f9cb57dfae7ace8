/* Carries out what a profile's dispatcher decided. */
#include "engine/peers/dispatch.h"

#include "engine/files/file_job.h"
#include "engine/model/core.h"
#include "engine/peers/talk.h"
#include "engine/record/ledger.h"

#include <stdlib.h>
#include <string.h>

void core_job_free(struct core_job *j)
{
    if (j->client) {
        struct core_job **at = &j->client->jobs;
        while (*at && *at != j)
            at = &(*at)->next;
        if (*at) {
            *at = j->next;
            j->client->job_count--;
        }
    }
    blk_rele(j->func);
    func_fini(&j->spec);
    file_job_rele(j->files);
    free(j);
}

/* To a daemon that is away: as soon as it is back. */
static void daemon_send(struct daemon *m, const struct frame *f, const struct link_piece *pieces, int count)
{
    if (m->peer) {
        link_send_ref(m->peer->link, f, pieces, count);
        peer_mark(m->peer);
    } else {
        resume_send_ref(m->resume, f, pieces, count);
    }
}

static void act_send(const struct disp_action *a)
{
    struct daemon *m = disp_daemon_arg(a->daemon);
    const struct wire_slices *s = &a->tasks->slices;
    uint32_t from = wire_slice_start(s, a->pos), to = wire_slice_end(s, a->pos + a->n - 1);
    struct frame f = {.type = WIRE_TASKS,
        .job = disp_job_number(a->job),
        .n = a->n,
        .first = a->tasks->first + a->pos,
        .len = 4 * a->n + (to - from)};
    struct link_piece pieces[] = {
        {s->ends + 4 * (size_t)a->pos, 4 * a->n, a->tasks->block}, {s->bytes + from, to - from, a->tasks->block}};
    daemon_send(m, &f, pieces, 2);
}

static void act_on_daemon(const struct disp_action *a)
{
    struct daemon *m = disp_daemon_arg(a->daemon);
    struct core_job *j = disp_job_arg(a->job);
    struct frame f = {.job = disp_job_number(a->job), .first = a->first, .n = a->n};
    if (a->type == DISP_OPEN) {
        f.type = WIRE_OPEN;
        f.len = (uint32_t)j->func_len;
        daemon_send(m, &f, &(struct link_piece){j->func->data, f.len, j->func}, 1);
        return;
    }
    f.type = a->type == DISP_ABORT ? WIRE_CANCEL : WIRE_CLOSE;
    daemon_send(m, &f, NULL, 0);
    if (a->type == DISP_ABORT && !m->peer && disp_daemon_is_unwanted(a->daemon)) { /* nobody waits until it is back */
        fleet_daemon_forsake(&m->fleet);
        core_due(m->profile->engine);
    }
}

static void act_on_client(const struct disp_action *a)
{
    struct core_job *j = disp_job_arg(a->job);
    struct frame f = {.job = j->client_job};
    if (!j->client)
        return;
    if (a->type == DISP_GRANT) {
        f.type = WIRE_GRANT;
        f.first = a->bytes;
    } else if (a->type == DISP_DONE) {
        f.type = WIRE_CLOSED;
    } else {
        f.type = WIRE_REPORT;
        f.code = (uint16_t)a->outcome;
        f.first = a->first;
        f.n = a->n;
        f.daemon = (a->attempts < 255 ? a->attempts : 255) << 24;
    }
    peer_send(j->client, &f, NULL);
}

void profile_act(struct engine *e, struct profile *p)
{
    size_t count;
    const struct disp_action *list = disp_actions(p->disp, &count);
    for (size_t i = 0; i < count; i++) {
        const struct disp_action *a = &list[i];
        switch (a->type) {
        case DISP_SEND: act_send(a); break;
        case DISP_OPEN:
        case DISP_ABORT:
        case DISP_CLOSE: act_on_daemon(a); break;
        case DISP_GRANT: act_on_client(a); break;
        case DISP_END:
            ledger_end(disp_job_arg(a->job), a);
            act_on_client(a);
            break;
        case DISP_DONE: {
            struct core_job *j = disp_job_arg(a->job);
            ledger_close(j);
            act_on_client(a);
            disp_job_free(p->disp, a->job);
            core_job_free(j);
            break;
        }
        }
    }
    if (count) {
        disp_actions_clear(p->disp);
        core_changed(e);
    }
    uint64_t due_us = disp_next_us(p->disp);
    if (due_us < p->armed_us) { /* sooner than the main thread will look */
        p->armed_us = due_us;
        core_due(e);
    }
}
