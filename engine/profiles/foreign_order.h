/* Takes the command of a daemon that somebody gave whole, and chooses the host. */
#ifndef ENGINE_PROFILES_FOREIGN_ORDER_H
#define ENGINE_PROFILES_FOREIGN_ORDER_H

#include "engine/model/model.h"

/* Started on the host of the profile that has least to do. NULL: it has no hosts; err says so. */
struct order *foreign_order(struct engine *e, struct profile *p, const char *command, struct clw_error *err);

#endif
