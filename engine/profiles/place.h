/* The share of a profile on one machine: what the fleet decided about it is carried out here. */
#ifndef ENGINE_PROFILES_PLACE_H
#define ENGINE_PROFILES_PLACE_H

#include "engine/model/model.h"

/* The place of a host in a profile, made when there is none. CLW_NOT_FOUND: no such host; CLW_USAGE: it cannot be used.
 */
enum clw_err place_get(
    struct engine *e, struct profile *p, const char *host, struct place **out, struct clw_error *err);
void place_remove(struct place *l); /* it has no daemons and no orders */
/* Nothing more is launched there until somebody does something: why. */
void place_break(struct place *l, enum clw_err code, const char *hint, const char *reason);
/* n tasks ended there, failed of them not well. */
void place_worked(struct place *l, uint32_t n, uint32_t failed);
/* Does what is due there: launches, lets daemons go. */
void place_tick(struct engine *e, struct place *l, uint64_t now_ms);

#endif
