/* Daemons whose command somebody gave whole (`clowder launch`): who wants them where, until they have ended by
 * themselves. */
#ifndef ENGINE_PROFILES_ORDERS_H
#define ENGINE_PROFILES_ORDERS_H

#include "engine/model/model.h"

struct order *foreign_next_order(struct place *l); /* that has no daemon, or NULL */
void foreign_drop_orders(struct profile *p);
void foreign_drop_orders_on(struct place *l);
void foreign_forget_order(struct order *o);

#endif
