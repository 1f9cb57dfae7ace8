/* Daemons that a cluster's scheduler starts: those that are missing are submitted as one array, asked after as long as
 * they wait, and cancelled. The scheduler's commands run through the host's link, one script at a time. */
#ifndef ENGINE_PROFILES_LAUNCHERS_LAUNCH_SCHEDULER_H
#define ENGINE_PROFILES_LAUNCHERS_LAUNCH_SCHEDULER_H

#include "engine/model/model.h"

void batch_ran(struct engine *e, struct host *h, const struct host_run_result *r);
void batch_tick(struct engine *e, uint64_t now_ms);
uint64_t batch_next_ms(const struct engine *e);
void batch_restore(struct engine *e);
void batch_fini(struct engine *e);

#endif
