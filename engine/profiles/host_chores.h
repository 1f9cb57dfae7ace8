/* What is due for hosts by the clock: measured, reached again, forgotten. */
#ifndef ENGINE_PROFILES_HOST_CHORES_H
#define ENGINE_PROFILES_HOST_CHORES_H

#include "engine/model/model.h"

void host_tick(struct engine *e, uint64_t now_ms);
uint64_t host_next_ms(const struct engine *e);

#endif
