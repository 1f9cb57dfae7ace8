/* Rounds of work: what is due by the clock. Nothing here waits. */
#ifndef ENGINE_ROUNDS_H
#define ENGINE_ROUNDS_H

#include "engine/model/model.h"

/* Timers and chores; true when it is time to end. *publish_ms: when status is told next, 0 at first. */
bool round_of_work(struct engine *e, uint64_t *publish_ms);
/* Detached jobs go on, unless there is no room for their keeper yet. */
void start_keeper(struct engine *e, uint64_t now_ms);

#endif
