/* Daemons of other engines, from the decision to start one until its process is gone. */
#ifndef ENGINE_PROFILES_LAUNCHERS_LAUNCH_FOREIGN_H
#define ENGINE_PROFILES_LAUNCHERS_LAUNCH_FOREIGN_H

#include "engine/model/model.h"

/* May it be brought up: what its settings have to say is said? */
enum clw_err foreign_check_words(const struct profile *p, struct clw_error *err);
/* The same, and somebody listens at its base, as far as that is known. */
enum clw_err foreign_check(const struct profile *p, struct clw_error *err);
/* The link to its host is lost, and its processes there end; or it is there again. */
void foreign_link_lost(struct engine *e, struct host *h);
void foreign_link_up(struct engine *e, struct host *h);
void foreign_tick(struct engine *e, struct profile *p, uint64_t now_ms);
/* The host has other versions of the runtime than the base's machine, as far as both are known: how, for people. */
bool foreign_mismatch(const struct place *l, char *text, size_t size);
uint64_t foreign_next_ms(const struct profile *p);
void foreign_sample(struct daemon *m, uint64_t now_ms); /* reads its meter */

#endif
