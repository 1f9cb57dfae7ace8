/* Profiles as the store has them: those that were up are brought up again by the next engine. When the store cannot be
 * used, the engine says so once and works on. */
#ifndef ENGINE_PROFILES_RESTORE_H
#define ENGINE_PROFILES_RESTORE_H

#include "engine/model/model.h"

void restore_load(struct engine *e);
/* What was edited in the store since p was brought up: settings, and its daemons and hosts as well (places). False: it
 * is of another runtime now, and daemons of the one before are here; nothing was taken. */
bool restore_edits(struct engine *e, struct profile *p, bool places);
/* What the store has of it into p: settings and set-up commands, and its daemons and hosts as well (places). False:
 * nothing is known of it. */
bool restore_profile(struct engine *e, struct profile *p, bool places);

#endif
