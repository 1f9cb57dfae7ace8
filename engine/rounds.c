/* Rounds of work: what is due by the clock. Nothing here waits. */
#include "engine/rounds.h"

#include "base/mono.h"
#include "engine/control/control.h"
#include "engine/control/status.h"
#include "engine/profiles/host_chores.h"
#include "engine/profiles/launchers/launch_foreign.h"
#include "engine/profiles/place.h"
#include "engine/profiles/place_state.h"
#include "engine/profiles/profile_state.h"
#include "engine/profiles/running_profile.h"
#include "engine/model/core.h"
#include "engine/model/find.h"
#include "engine/peers/dispatch.h"
#include "engine/peers/listen.h"
#include "engine/peers/sockets.h"
#include "engine/peers/tls.h"
#include "engine/record/keep.h"
#include "engine/record/ledger.h"
#include "engine/serve/accept.h"
#include "engine/serve/daemon_watch.h"

enum {
    PUBLISH_MS = 1000,
    PUBLISH_SOON_MS = 100,
    PUBLISH_SHARE = 20,
    KEEPER_AGAIN_MS = 500,
    ROUND_SHARE = 4,       /* rounds that follow each other leave this many times as much time to others, … */
    ROUND_REST_US = 10000, /* … but no more than this, for a round may launch daemons */
};

/* Those of the keeper go on with another engine. */
static bool has_client_jobs(const struct engine *e)
{
    for (const struct peer *p = e->peers; p; p = p->after)
        for (const struct core_job *j = p->role == PEER_CLIENT ? p->jobs : NULL; j; j = j->next)
            if (!j->spec.kept)
                return true;
    return false;
}

/* True when there is nothing left to wait for. */
static bool is_stopped(struct engine *e)
{
    if (!e->stopping)
        return false;
    if (!e->stop_now && has_client_jobs(e))
        return false;
    bool gone = true;
    for (struct profile *p = e->profiles; p; p = p->next) {
        if (!p->fleet.going || e->stop_now > e->quit_now)
            profile_down(e, p, e->stop_now);
        gone &= p->daemon_count == 0;
    }
    e->quit_now = e->stop_now;
    return gone;
}

static void drop_finished_profiles(struct engine *e)
{
    for (struct profile *p = e->profiles, *next; p; p = next) {
        struct disp_stats s;
        next = p->next;
        disp_stats(p->disp, &s);
        if (p->ephemeral && p->fleet.going && !p->daemon_count && !s.jobs)
            profile_free(e, p);
    }
}

static bool is_idle(const struct engine *e)
{
    for (const struct profile *p = e->profiles; p; p = p->next)
        if (fleet_is_wanted(&p->fleet) || p->daemon_count)
            return false;
    return e->peer_count == 0 && !e->waiters && !e->listeners;
}

static void stop_when_idle(struct engine *e, uint64_t now_ms)
{
    if (!is_idle(e) || !e->idle_ms) {
        e->idle_since_ms = now_ms;
    } else if (now_ms - e->idle_since_ms >= e->idle_ms && !e->stopping) {
        log_info("engine", "idle for=%llus", (unsigned long long)(e->idle_ms / 1000));
        core_stop(e, false);
    }
}

static void publish(struct engine *e, uint64_t now_ms, uint64_t *next_ms)
{
    if (!e->listeners) {
        *next_ms = 0;
        return;
    }
    if (now_ms >= *next_ms || (e->changed && now_ms + PUBLISH_MS - e->publish_soon_ms >= *next_ms)) {
        uint64_t began_us = mono_us();
        bool told = control_publish(e, "status", status_json(e, NULL));
        uint64_t rest_ms =
            (mono_us() - began_us) * PUBLISH_SHARE / 1000; /* thousands of daemons take time to tell of */
        e->publish_soon_ms = rest_ms < PUBLISH_SOON_MS ? PUBLISH_SOON_MS : rest_ms < PUBLISH_MS ? rest_ms : PUBLISH_MS;
        *next_ms = now_ms + (told ? PUBLISH_MS : e->publish_soon_ms);
    }
}

static bool any_stranger(const struct engine *e)
{
    for (const struct peer *p = e->peers; p; p = p->after)
        if (p->role == PEER_NEW)
            return true;
    return false;
}

void start_keeper(struct engine *e, uint64_t now_ms)
{
    if (e->keeper || now_ms < e->keeper_again_ms)
        return;
    e->keeper = keep_start(core_nudge, e);
    e->keeper_again_ms = now_ms + KEEPER_AGAIN_MS;
}

static void tick_profile(struct engine *e, struct profile *p, uint64_t now_ms)
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
        profile_record_now(p);
    profile_fail_jobs(e, p);
}

static uint64_t profile_next_ms(struct profile *p, uint64_t now_ms)
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

/* When the next round is due by the clock. */
static uint64_t next_round_ms(const struct engine *e, uint64_t now_ms, uint64_t publish_ms)
{
    uint64_t next = control_next_ms(e);
    for (struct profile *p = e->profiles; p; p = p->next) {
        uint64_t at = profile_next_ms(p, now_ms);
        next = at < next ? at : next;
    }
    uint64_t refresh = host_next_ms(e), save = ledger_next_ms(e);
    next = refresh < next ? refresh : next;
    next = save < next ? save : next;
    uint64_t look = sockets_next_ms(e);
    next = look < next ? look : next;
    if (publish_ms) {
        uint64_t at = e->changed ? publish_ms - PUBLISH_MS + e->publish_soon_ms : publish_ms;
        next = at < next ? at : next;
    }
    if (e->listen_again_ms && e->listen_again_ms < next)
        next = e->listen_again_ms;
    if (!e->keeper && e->keeper_again_ms < next)
        next = e->keeper_again_ms;
    if (any_stranger(e) && now_ms + CORE_HELLO_MS / 4 < next)
        next = now_ms + CORE_HELLO_MS / 4;
    if (is_idle(e) && e->idle_ms && e->idle_since_ms + e->idle_ms < next)
        next = e->idle_since_ms + e->idle_ms;
    return next;
}

bool round_of_work(struct engine *e, uint64_t *publish_ms)
{
    uint64_t began_us = mono_us(), now_ms = began_us / 1000;
    e->due = false;
    for (struct profile *p = e->profiles; p; p = p->next)
        tick_profile(e, p, now_ms);
    host_tick(e, now_ms);
    ledger_tick(e, now_ms);
    start_keeper(e, now_ms);
    accept_tick(e, now_ms);
    listen_tick(e, now_ms);
    sockets_tick(e, now_ms);
    if (e->worked && !e->owner.worked)
        owner_worked(&e->owner, sockets_folder(e));
    control_tick(e, now_ms);
    drop_finished_profiles(e);
    tls_reap(e);
    stop_when_idle(e, now_ms);
    bool over = is_stopped(e);
    publish(e, now_ms, publish_ms);
    e->changed = false;
    e->round_ms = next_round_ms(e, now_ms, *publish_ms);
    uint64_t now_us = mono_us(), rest_us = (now_us - began_us) * ROUND_SHARE;
    e->rest_us = now_us + (rest_us < ROUND_REST_US ? rest_us : ROUND_REST_US);
    return over;
}
