/* Inside engine/fleet/fleet*.c only. */
#ifndef ENGINE_FLEET_FLEET_INTERNAL_H
#define ENGINE_FLEET_FLEET_INTERNAL_H

#include "engine/fleet/fleet.h"

/* fleet_place.c: a daemon of it connected, which is no reason yet to forget failures. */
void fleet__place_connected(struct fleet_place *l);

/* fleet_talk.c: the parts of fleet_daemon_tick() and fleet_daemon_next_ms() for one that is connected. */
unsigned fleet__talk(struct fleet_daemon *d, const struct fleet_talk *t, uint64_t now_ms);
uint64_t fleet__talk_next_ms(const struct fleet_daemon *d, const struct fleet_talk *t, uint64_t now_ms);

#endif
