/* Who is meant: what the engine has, by name or number, and what is seen of it at a glance. */
#ifndef ENGINE_MODEL_FIND_H
#define ENGINE_MODEL_FIND_H

#include "engine/model/model.h"

struct peer *client_find(struct engine *e, uint64_t id);
struct profile *profile_find(struct engine *e, const char *name);
bool profile_is_foreign(const struct profile *p);
bool place_is_here(const struct place *l); /* on this machine */
/* The machine as it was measured last; NULL: it was not. */
const struct host_facts *place_facts(const struct place *l);
/* The place of a host in a profile; NULL: it has none. */
struct place *place_find(struct profile *p, const char *host);
struct daemon *daemon_by_number(struct engine *e, uint32_t number);
struct host *host_find(struct engine *e, const char *name);
/* What its daemons are told: the profile's settings, and what its host's owner asks where they say nothing. */
struct store_settings place_settings(const struct place *l);
/* The indices of its machine's GPUs that its daemons may have, at most max; 0: none, or they are not known. */
unsigned place_gpus(const struct place *l, int *indices, unsigned max);

#endif
