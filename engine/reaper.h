/* Daemons on this machine that died: what they left running is ended before anybody hears of it. */
#ifndef ENGINE_REAPER_H
#define ENGINE_REAPER_H

#include "engine/model/model.h"

/* Children that ended. */
void reap(struct engine *e);

#endif
