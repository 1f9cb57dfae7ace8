/* What a host's link says. */
#include "engine/serve/serve_host.h"

#include "base/mono.h"
#include "engine/profiles/host_use.h"
#include "engine/profiles/launchers/launch_foreign.h"
#include "engine/profiles/launchers/launch_scheduler.h"
#include "engine/profiles/profile_state.h"
#include "engine/model/core.h"
#include "engine/model/find.h"
#include "engine/model/launcher.h"
#include "engine/record/recorder.h"
#include "engine/serve/accept.h"

/* The way home of who is away is closed, or open again: the same, or another one. */
static void tell_places(struct engine *e, const struct host *h, bool is_up, bool same_way)
{
    for (struct profile *p = e->profiles; p; p = p->next)
        for (struct place *l = p->places; l; l = l->next)
            if (l->via != h || h->direct)
                continue;
            else if (is_up)
                fleet_place_way_back(&l->fleet, same_way, mono_ms());
            else
                fleet_place_way_lost(&l->fleet, mono_ms());
}

static void take_state(struct host *h, const struct host_snapshot *shot)
{
    struct engine *e = h->engine;
    bool was_up = h->shot.state == HOST_UP, is_up = shot->state == HOST_UP;
    bool was_open = host_answers(&h->shot), is_open = host_answers(shot);
    h->shot = *shot;
    if (was_open && !is_open)
        tell_places(e, h, false, false);
    if (was_up && !is_up)
        foreign_link_lost(e, h);
    if (is_up && !was_up)
        foreign_link_up(e, h);
    for (struct profile *p = e->profiles; p && is_open && was_up; p = p->next)
        if (!was_open && place_find(p, h->name))
            p->fleet.awake_ms = mono_ms(); /* nobody there was heard */
    if (is_open && !was_open) {
        tell_places(e, h, true, was_up || shot->same_url);
        h->refresh_ms = mono_ms() + CORE_REFRESH_MS;
    }
    if (is_up || host_is_resting(h))
        recorder_state(e->recorder, h->name,
            shot->state == HOST_DOWN && !shot->code ? "idle" : host_state_text(shot->state), shot->reason);
    for (struct profile *p = e->profiles; p && host_is_resting(h); p = p->next)
        profile_fail_jobs(e, p);
    core_due(e);
}

static void take_facts(struct host *h, const struct host_facts *facts)
{
    struct engine *e = h->engine;
    h->facts = *facts;
    h->has_facts = true;
    core_changed(e);
    if (h->here && !h->is_scheduler) /* this machine: nobody's row in the inventory */
        return;
    h->measured++;
    recorder_facts(e->recorder, h->name, facts);
    if (facts->load1 >= 0)
        recorder_load(e->recorder, h->name, facts->load1,
            facts->mem_available_bytes ? facts->mem_total_bytes - facts->mem_available_bytes : 0);
    core_due(e);
}

static struct daemon *by_launch(struct host *h, uint64_t id)
{
    for (struct profile *p = h->engine->profiles; p; p = p->next)
        for (struct daemon *m = p->daemons; m; m = m->after)
            if (m->place->via == h && m->launch_id == id)
                return m;
    return NULL;
}

static void take_event(struct host *h, const struct host_daemon_event *event)
{
    struct daemon *m = by_launch(h, event->id);
    if (m && m->launcher->event)
        m->launcher->event(h->engine, m, event);
}

static void take(struct host *h, const struct host_news *n)
{
    switch (n->kind) {
    case NEWS_STATE: take_state(h, &n->shot); break;
    case NEWS_FACTS: take_facts(h, &n->facts); break;
    case NEWS_EVENT: take_event(h, &n->event); break;
    case NEWS_RUN:
        if (h->is_scheduler)
            batch_ran(h->engine, h, &n->run);
        break;
    case NEWS_CONNECTION: accept_remote(h->engine, h, n->fd); break;
    }
}

void serve_hosts(struct engine *e)
{
    e->take_news = take;
}
