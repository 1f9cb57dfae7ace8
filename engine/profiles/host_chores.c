/* What is due for hosts by the clock: measured, reached again, forgotten. */
#include "engine/profiles/host_chores.h"

#include "base/mono.h"
#include "engine/model/core.h"
#include "engine/profiles/host_use.h"
#include "engine/profiles/launchers/launch_scheduler.h"
#include "engine/profiles/place.h"
#include "engine/record/recorder.h"

#include <stdlib.h>
#include <string.h>

enum { HURRY_MS = 20000 };

/* With its link and its places. */
static void dismiss(struct engine *e, struct host *h)
{
    for (struct profile *p = e->profiles; p; p = p->next)
        for (struct place *l = p->places, *next; l; l = next) {
            next = l->next;
            if (l->via == h)
                place_remove(l);
        }
    host_retire(e, h, NULL);
}

static bool is_wanted(const struct engine *e, const struct host *h)
{
    if (host_in_use(e, h))
        return true;
    for (const struct profile *p = e->profiles; p; p = p->next)
        for (const struct place *l = p->places; l && !p->fleet.going; l = l->next)
            if (l->via == h && l->fleet.on)
                return true;
    return false;
}

/* It could not be opened, as when there were no descriptors. */
static bool lacks_link(const struct engine *e, const struct host *h)
{
    return !h->link && h->goal == HOST_GOAL_UP && is_wanted(e, h);
}

static bool works_here(const struct engine *e)
{
    for (const struct profile *p = e->profiles; p; p = p->next)
        for (const struct place *l = p->places; l; l = l->next)
            if (!l->via && fleet_place_active(&l->fleet))
                return true;
    return false;
}

/* This machine is measured like a host, while it has daemons. */
static void measure_here(struct engine *e, uint64_t now_ms)
{
    double load;
    if (now_ms < e->measured_ms + CORE_REFRESH_MS || !works_here(e))
        return;
    e->measured_ms = now_ms;
    if (host_here(e)->has_facts && now_ms >= host_here(e)->refresh_ms) /* somebody wants to know about its GPUs */
        host_probe_here(e);
    if (getloadavg(&load, 1) == 1)
        recorder_load(e->recorder, "local", load, 0);
}

static bool is_measured(const struct host *h)
{
    return host_answers(&h->shot) && !h->here;
}

static bool has_away(const struct engine *e, const struct host *h)
{
    for (const struct profile *p = e->profiles; p; p = p->next)
        for (const struct place *l = p->places; l; l = l->next)
            if (l->via == h && l->fleet.counts[FLEET_AWAY])
                return true;
    return false;
}

/* It is tried only now and then, and somebody waits: a command, or tasks of daemons that are away. When it is to be
 * tried before its time; UINT64_MAX: it is not. */
static uint64_t hurry_ms(const struct engine *e, const struct host *h)
{
    bool is_awaited = h->link && h->shot.state == HOST_QUARANTINED && (mono_ms() < h->awaited_ms || has_away(e, h));
    return is_awaited ? h->shot.since_ms + HURRY_MS : UINT64_MAX;
}

void host_tick(struct engine *e, uint64_t now_ms)
{
    batch_tick(e, now_ms);
    measure_here(e, now_ms);
    for (struct host *h = e->hosts, *next; h; h = next) {
        next = h->next;
        if (h->leaving && !host_in_use(e, h)) {
            dismiss(e, h);
            core_changed(e); /* somebody may wait for it */
            continue;
        }
        if (lacks_link(e, h) && now_ms >= h->again_ms)
            host_reach(h, HOST_GOAL_UP, false, NULL);
        if (!h->link)
            continue;
        if (h->goal == HOST_GOAL_UP && !is_wanted(e, h)) { /* its secrets stay with the link */
            h->goal = HOST_GOAL_FACTS;
            h->retry = false;
            host_session_set_goal(h->link, h->goal, h->retry);
        } else if (is_measured(h) && now_ms >= h->refresh_ms) {
            h->refresh_ms = now_ms + CORE_REFRESH_MS;
            host_session_probe(h->link);
        } else if (now_ms >= hurry_ms(e, h)) {
            host_session_retry(h->link);
        }
    }
}

uint64_t host_next_ms(const struct engine *e)
{
    uint64_t next = batch_next_ms(e), here_ms = works_here(e) ? e->measured_ms + CORE_REFRESH_MS : UINT64_MAX;
    next = here_ms < next ? here_ms : next;
    for (const struct host *h = e->hosts; h; h = h->next) {
        bool measures = h->link && is_measured(h);
        uint64_t at = measures ? h->refresh_ms : lacks_link(e, h) ? h->again_ms : hurry_ms(e, h);
        next = at < next ? at : next;
    }
    return next;
}
