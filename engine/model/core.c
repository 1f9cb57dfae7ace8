/* What everybody may say about the engine as a whole: something is due, something changed, it is to end. */
#include "engine/model/core.h"

void core_due(struct engine *e)
{
    e->due = e->changed = true;
}

void core_nudge(void *engine)
{
    struct engine *e = engine;
    loop_post(e->loop, &e->nudge);
}

void core_changed(struct engine *e)
{
    e->due |= !e->changed && (e->waiters || e->listeners);
    e->changed = true;
}

void core_worked(struct engine *e, struct daemon *m)
{
    m->fleet.has_worked = true;
    e->due |= !e->worked;
    e->worked = true;
}

void core_stop(struct engine *e, bool now)
{
    if (e->stopping)
        now = true;
    log_info("engine", "stopping now=%d", now);
    e->stopping = true;
    e->stop_now = now;
    core_due(e);
}
