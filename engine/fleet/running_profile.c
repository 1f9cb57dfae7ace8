/* A profile: its places and what they add up to, and the carrying out of what its dispatcher decides. */
#include "engine/core.h"

#include "base/log.h"
#include "base/mono.h"
#include "engine/record/keep.h"
#include "engine/record/recorder.h"

#include <stdlib.h>
#include <string.h>

struct profile *profile_find(struct engine *e, const char *name)
{
    struct profile *p = e->profiles;
    while (p && strcmp(p->name, name) != 0)
        p = p->next;
    return p;
}

struct profile *profile_new(struct engine *e, const char *name)
{
    struct profile *p = mem_zalloc(sizeof *p);
    p->armed_us = UINT64_MAX;
    p->engine = e;
    snprintf(p->name, sizeof p->name, "%s", name);
    p->settings = (struct profile_settings){.local_env = func_env_own()};
    store_settings_init(&p->settings.set);
    p->fleet.set = &p->settings.set;
    p->started_ms = mono_ms();
    p->disp = disp_new(0);
    struct profile **at = &e->profiles;
    while (*at)
        at = &(*at)->next;
    *at = p;
    return p;
}

static void free_env(char ***list)
{
    for (char **env = *list; env && *env; env++)
        free(*env);
    free(*list);
    *list = NULL;
}

void profile_settings_fini(struct profile_settings *s)
{
    free_env(&s->env);
    free_env(&s->local_env);
    free_env(&s->command);
    free_env(&s->options);
    free(s->base_url);
}

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
    free(j);
}

void profile_free(struct engine *e, struct profile *p)
{
    struct profile **at = &e->profiles;
    while (*at && *at != p)
        at = &(*at)->next;
    if (*at)
        *at = p->next;
    foreign_drop_orders(p);
    while (p->daemons)
        daemon_remove(e, p->daemons);
    while (p->setups) {
        struct core_job *j = p->setups;
        p->setups = j->next;
        core_job_free(j);
    }
    while (p->places)
        place_remove(p->places);
    tls_stop(p);
    disp_free(p->disp);
    profile_settings_fini(&p->settings);
    free(p);
}

unsigned profile_want(const struct profile *p)
{
    unsigned n = 0;
    for (const struct place *l = p->places; l; l = l->next)
        n += place_want(l);
    return n;
}

const char *profile_reason(const struct profile *p)
{
    for (const struct place *l = p->places; l; l = l->next)
        if (l->reason[0])
            return l->reason;
        else if (l->via && place_has_failed(l))
            return l->via->shot.reason;
    return "";
}

const char *profile_hint(const struct profile *p)
{
    for (const struct place *l = p->places; l; l = l->next)
        if (l->fleet.on && l->reason[0])
            return l->hint;
        else if (l->fleet.on && l->via && place_has_failed(l))
            return l->via->shot.hint;
    return "";
}

/* No place will bring anything up before somebody does something. */
static bool is_stuck(const struct profile *p)
{
    for (const struct place *l = p->places; l; l = l->next)
        if (l->fleet.on && !place_is_stuck(l))
            return false;
    return true;
}

bool profile_is_hopeless(const struct profile *p)
{
    for (const struct daemon *m = p->daemons; m; m = m->after)
        if (m->fleet.state != FLEET_LOST)
            return false;
    return p->fleet.going || is_stuck(p);
}

/* Tells every job that waits for daemons that none will come. */
void profile_fail_jobs(struct engine *e, struct profile *p)
{
    if (!profile_is_hopeless(p))
        return;
    for (struct peer *c = e->peers; c; c = c->after) {
        if (c->role != PEER_CLIENT)
            continue;
        for (struct core_job *j = c->jobs; j; j = j->next) {
            if (j->profile != p || j->faulted)
                continue;
            j->faulted = true;
            client_fault(j, CLW_UNREACHABLE, "profile '%s' has no daemons left%s%s%s%s", p->name,
                *profile_reason(p) ? ": " : "", profile_reason(p), *profile_hint(p) ? "; " : "", profile_hint(p));
        }
    }
    core_flush(e);
}

void profile_add_setup_argv(struct profile *p, const char *const *argv, size_t argc)
{
    struct core_job from = {.profile = p};
    struct buf b = {0};
    func_init(&from.spec);
    from.spec.no_input = true;
    for (size_t i = 0; i < argc; i++)
        func_add_arg(&from.spec, argv[i]);
    func_encode(&from.spec, &b);
    from.func = blk_new(b.len);
    if (!from.func)
        abort();
    memcpy(from.func->data, b.data, b.len);
    from.func_len = b.len;
    profile_add_setup(p->engine, p, &from);
    blk_rele(from.func);
    func_fini(&from.spec);
    buf_fini(&b);
}

enum clw_err profile_add_setup(struct engine *e, struct profile *p, const struct core_job *from)
{
    (void)e;
    struct core_job *j = mem_zalloc(sizeof *j), **at = &p->setups;
    j->profile = p;
    j->func = blk_hold(from->func);
    j->func_len = from->func_len;
    func_copy(&j->spec, &from->spec);
    while (*at)
        at = &(*at)->next;
    *at = j;
    return CLW_OK;
}

void profile_down(struct engine *e, struct profile *p, bool now)
{
    foreign_drop_orders(p);
    fleet_down(&p->fleet);
    log_info("profile", "down profile=%s now=%d", p->name, now);
    for (struct daemon *m = p->daemons; m; m = m->after)
        daemon_quit(m, now);
    core_flush(e);
    profile_fail_jobs(e, p);
    core_due(e);
}

void profile_rest(struct profile *p, enum clw_err code, const char *hint, const char *reason)
{
    fleet_rest(&p->fleet, mono_ms());
    for (struct place *l = p->places; l; l = l->next)
        place_say(l, code, hint, reason);
    log_warn("profile", "rests profile=%s why=\"%s\"", p->name, reason);
}

void profile_start(struct engine *e, struct profile *p)
{
    fleet_start(&p->fleet);
    for (struct place *l = p->places; l; l = l->next) {
        place_say(l, CLW_OK, NULL, NULL);
        if (l->via)
            l->fleet.attempts = l->via->shot.attempts;
        if (l->via && l->fleet.on)
            host_reach(l->via, HOST_GOAL_UP, true, NULL);
        place_tick(e, l, mono_ms());
    }
    core_flush(e);
    core_due(e);
    keep_hurry(e->keeper);
}

static void record(struct profile *p)
{
    if (p->sample_n)
        recorder_sample(p->engine->recorder, p->name, p->sample_s, p->sample_n);
    p->sample_n = 0;
}

void profile_record(struct profile *p, uint32_t n)
{
    uint64_t second = wall_us() / 1000000;
    if (second != p->sample_s)
        record(p);
    if (!p->sample_n) {
        p->sample_due_ms = mono_ms() + 1000;
        core_due(p->engine);
    }
    p->sample_s = second;
    p->sample_n += n;
}

void profile_tick(struct engine *e, struct profile *p, uint64_t now_ms)
{
    for (struct daemon *m = p->daemons, *after; m; m = after) {
        after = m->after;
        daemon_tick(e, m, now_ms);
    }
    for (struct place *l = p->places; l; l = l->next)
        place_tick(e, l, now_ms);
    if (profile_is_foreign(p))
        foreign_tick(e, p, now_ms);
    if (disp_next_us(p->disp) <= mono_us()) {
        disp_tick(p->disp, mono_us());
        profile_act(e, p);
    }
    if (now_ms >= p->sample_due_ms)
        record(p);
    profile_fail_jobs(e, p);
}

uint64_t profile_next_ms(struct profile *p, uint64_t now_ms)
{
    uint64_t next = p->sample_n ? p->sample_due_ms : UINT64_MAX, disp_us = p->armed_us = disp_next_us(p->disp);
    if (disp_us != UINT64_MAX && disp_us / 1000 + 1 < next)
        next = disp_us / 1000 + 1;
    for (const struct place *l = p->places; l; l = l->next) {
        struct fleet_machine machine = place_machine(l);
        uint64_t at = fleet_place_next_ms(&l->fleet, &machine);
        next = at < next ? at : next;
    }
    for (const struct daemon *m = p->daemons; m; m = m->after) {
        uint64_t at = daemon_next_ms(m, now_ms);
        next = at < next ? at : next;
    }
    if (profile_is_foreign(p) && foreign_next_ms(p) < next)
        next = foreign_next_ms(p);
    return next;
}

/* ---- what the dispatcher decided ---- */

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
    link_send_ref(m->peer->link, &f, pieces, 2);
    peer_mark(m->peer);
}

static void act_on_daemon(const struct disp_action *a)
{
    struct daemon *m = disp_daemon_arg(a->daemon);
    struct core_job *j = disp_job_arg(a->job);
    struct frame f = {.job = disp_job_number(a->job), .first = a->first, .n = a->n};
    if (a->type == DISP_OPEN) {
        f.type = WIRE_OPEN;
        f.len = (uint32_t)j->func_len;
        link_send_ref(m->peer->link, &f, &(struct link_piece){j->func->data, f.len, j->func}, 1);
        peer_mark(m->peer);
        return;
    }
    f.type = a->type == DISP_ABORT ? WIRE_CANCEL : WIRE_CLOSE;
    peer_send(m->peer, &f, NULL);
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
