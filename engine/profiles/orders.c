/* Daemons whose command somebody gave whole (`clowder launch`): who wants them where, until they have ended by
 * themselves. */
#include "engine/profiles/orders.h"

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
