/* Daemons whose command somebody gave whole (`clowder launch`): who wants them where, until they have ended by
 * themselves. */
#include "engine/core.h"

#include "base/mono.h"

#include <stdlib.h>

/* It has no daemon any more. */
static void release(struct order *o)
{
    if (!o->daemon)
        return;
    o->daemon->foreign->order = NULL;
    o->daemon->fleet.is_ordered = false;
}

void foreign_forget_order(struct order *o)
{
    struct order **at = &o->place->profile->orders;
    while (*at != o)
        at = &(*at)->next;
    *at = o->next;
    release(o);
    o->place->fleet.orders--;
    o->place->fleet.on &= o->place->fleet.want > 0 || o->place->fleet.orders > 0;
    free(o->command);
    free(o);
}

struct order *foreign_next_order(struct place *l)
{
    struct order *o = l->profile->orders;
    while (o && (o->place != l || o->daemon))
        o = o->next;
    return o;
}

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

void foreign_drop_orders_on(struct place *l)
{
    for (struct order *o = l->profile->orders, *next; o; o = next) {
        next = o->next;
        if (o->place == l)
            foreign_forget_order(o);
    }
}

void foreign_drop_orders(struct profile *p)
{
    while (p->orders) {
        struct order *o = p->orders;
        p->orders = o->next;
        o->place->fleet.orders--;
        release(o);
        free(o->command);
        free(o);
    }
}
