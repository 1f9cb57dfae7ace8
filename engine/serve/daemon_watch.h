/* What is due for a daemon by the clock: one that is silent, late or overdue. */
#ifndef ENGINE_SERVE_DAEMON_WATCH_H
#define ENGINE_SERVE_DAEMON_WATCH_H

#include "engine/model/model.h"

void daemon_tick(struct engine *e, struct daemon *m, uint64_t now_ms); /* m may be freed */
uint64_t daemon_next_ms(const struct daemon *m, uint64_t now_ms);      /* UINT64_MAX: nothing is due */

#endif
