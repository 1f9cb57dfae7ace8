/* What everybody may say about the engine as a whole: something is due, something changed, it is to end. */
#ifndef ENGINE_MODEL_CORE_H
#define ENGINE_MODEL_CORE_H

#include "engine/model/model.h"

/* A round of work is due: something changed that it has to act on. */
void core_due(struct engine *e);
/* The same, from any thread. */
void core_nudge(void *engine);
/* Something changed that status shows: a round is due if somebody waits for news. */
void core_changed(struct engine *e);
void core_worked(struct engine *e, struct daemon *m); /* a daemon has answered a task */
/* The engine comes to its end: after its jobs, or now. A round carries it out. */
void core_stop(struct engine *e, bool now);

#endif
