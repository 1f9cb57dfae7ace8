/* What outlives the engine: the desired state of profiles, written into the store. */
#ifndef ENGINE_RECORD_DESIRED_H
#define ENGINE_RECORD_DESIRED_H

#include "engine/model/model.h"

/* Places as they are, and whether it is wanted up; settings only when they are to replace those in the store, where
 * somebody may have edited them. What it has when it is taken down stays as it was. */
void restore_save(struct engine *e, struct profile *p, bool wanted, bool settings);
bool restore_is_saving(const struct engine *e, const char *profile); /* "": any */
bool restore_is_known(struct engine *e, const char *name);

#endif
