/* The control plane: REQ/REP with one JSON object each way (try it with nngcat --req), and PUB/SUB for updates. A
 * request that waits (up, down) is answered when its answer is due; others are served meanwhile. */
#ifndef ENGINE_CONTROL_CONTROL_H
#define ENGINE_CONTROL_CONTROL_H

#include "engine/model/model.h"

void control_start(struct engine *e);
void control_stop(struct engine *e);
void control_tick(struct engine *e, uint64_t now_ms); /* answers those who wait */
/* Takes document. False: somebody was still reading the one before, and should be told again soon. */
bool control_publish(struct engine *e, const char *topic, json_t *document);
uint64_t control_next_ms(const struct engine *e);

#endif
