/* Takes the command of a daemon that somebody gave whole, and chooses the host. */
#include "engine/profiles/foreign_order.h"

#include "base/mono.h"
#include "engine/profiles/host_use.h"
#include "engine/profiles/place.h"
#include "engine/profiles/place_state.h"
#include "engine/model/core.h"

/* The place with the fewest daemons for its share; one that cannot be reached only when there is no other. */
static struct place *least_loaded(struct profile *p)
{
    struct place *best = NULL;
    double least = 0;
    for (struct place *l = p->places; l; l = l->next) {
        double load = (l->fleet.orders + 1.0) / (l->share ? l->share : 1) + (place_is_stuck(l) ? 1e9 : 0);
        if (l->share && (!best || load < least)) {
            best = l;
            least = load;
        }
    }
    return best;
}

struct order *foreign_order(struct engine *e, struct profile *p, const char *command, struct clw_error *err)
{
    struct place *l = least_loaded(p);
    if (!l) {
        clw_fail(
            err, CLW_USAGE, "give it some: clowder profile set NAME --on HOST:N", "profile '%s' has no hosts", p->name);
        return NULL;
    }
    struct order *o = mem_zalloc(sizeof *o), **at = &p->orders;
    o->place = l;
    o->command = mem_strdup(command);
    while (*at)
        at = &(*at)->next;
    *at = o;
    l->fleet.orders++;
    l->fleet.on = true;
    p->fleet.going = false;
    if (l->via->shot.state != HOST_UP)
        l->fleet.attempts = l->via->shot.attempts;
    host_reach(l->via, HOST_GOAL_UP, true, NULL); /* also when it is up: it may be about to come to rest */
    place_tick(e, l, mono_ms());
    core_due(e);
    return o;
}
