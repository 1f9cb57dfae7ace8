/* Carries out what a profile's dispatcher decided. */
#ifndef ENGINE_PEERS_DISPATCH_H
#define ENGINE_PEERS_DISPATCH_H

#include "engine/model/model.h"

/* After every event of the dispatcher. Jobs that are over are freed. */
void profile_act(struct engine *e, struct profile *p);
/* It has no part in the dispatcher any more. */
void core_job_free(struct core_job *j);

#endif
