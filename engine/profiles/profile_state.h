/* How a profile stands, and what those who wait for it are told. */
#ifndef ENGINE_PROFILES_PROFILE_STATE_H
#define ENGINE_PROFILES_PROFILE_STATE_H

#include "engine/model/model.h"

/* How many daemons it is to have. */
unsigned profile_want(const struct profile *p);
/* Nothing is launched until profile_start(): why. */
void profile_rest(struct profile *p, enum clw_err code, const char *hint, const char *reason);
/* It has no daemons, and will have none before somebody does something. */
bool profile_is_hopeless(const struct profile *p);
/* Tells every job that waits for daemons that none will come, if that is so. */
void profile_fail_jobs(struct engine *e, struct profile *p);
/* The first reason of a place that has one, or "". */
const char *profile_reason(const struct profile *p);
/* What to do about it, when a place that is on knows that; or "". */
const char *profile_hint(const struct profile *p);
/* n tasks ended now: for the history. */
void profile_record(struct profile *p, uint32_t n);
/* Records those of this second, without waiting for its end. */
void profile_record_now(struct profile *p);

#endif
