/* Functions that every daemon of a profile runs before anything else. */
#ifndef ENGINE_PROFILES_SETUPS_H
#define ENGINE_PROFILES_SETUPS_H

#include "engine/model/model.h"

enum clw_err profile_add_setup(struct engine *e, struct profile *p, const struct core_job *from);
/* The same from words. */
void profile_add_setup_argv(struct profile *p, const char *const *argv, size_t argc);

#endif
