/* A profile, from the first time that somebody wants it. */
#ifndef ENGINE_PROFILES_RUNNING_PROFILE_H
#define ENGINE_PROFILES_RUNNING_PROFILE_H

#include "engine/model/model.h"

struct profile *profile_new(struct engine *e, const char *name);
void profile_settings_fini(struct profile_settings *s);
/* Begins, or begins again, to make what its places want true. */
void profile_start(struct engine *e, struct profile *p);
void profile_down(struct engine *e, struct profile *p, bool now);
void profile_free(struct engine *e, struct profile *p);

#endif
