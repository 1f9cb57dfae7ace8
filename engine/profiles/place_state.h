/* How the share of a profile on one machine stands. */
#ifndef ENGINE_PROFILES_PLACE_STATE_H
#define ENGINE_PROFILES_PLACE_STATE_H

#include "engine/model/model.h"

/* As it is seen now. */
struct fleet_machine place_machine(const struct place *l);
unsigned place_want(const struct place *l);
/* How its daemons are launched, as of now. */
const struct launcher *place_launcher(const struct place *l);
/* How many of its daemons that are up are paused; the reason of the first, or NULL. */
unsigned place_paused(const struct place *l, const char **why);
bool place_is_stuck(const struct place *l);
bool place_has_failed(const struct place *l);
/* Why, for people. */
void place_explain(const struct place *l, struct clw_error *err);
/* Why it has trouble, from now on. NULL: it has none. */
void place_say(struct place *l, enum clw_err code, const char *hint, const char *reason);

#endif
