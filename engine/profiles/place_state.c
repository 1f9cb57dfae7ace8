/* How the share of a profile on one machine stands. */
#include "engine/profiles/place_state.h"

#include "engine/profiles/launchers/launchers.h"
#include "engine/model/find.h"
#include "engine/model/launcher.h"

const struct launcher *place_launcher(const struct place *l)
{
    return l->via && l->via->is_scheduler   ? &launcher_scheduler
           : profile_is_foreign(l->profile) ? &launcher_foreign
           : l->via                         ? &launcher_ssh
           : l->command                     ? &launcher_command
                                            : &launcher_here;
}

struct fleet_machine place_machine(const struct place *l)
{
    int gpus[HOST_GPUS_MAX];
    bool are_known = l->profile->settings.set.per_gpu && place_facts(l);
    struct fleet_machine m = {.has_gpus = are_known, .gpus = are_known ? place_gpus(l, gpus, HOST_GPUS_MAX) : 0};
    if (!l->via)
        return m;
    const struct host_snapshot *s = &l->via->shot;
    m.is_linked = true;
    m.is_up = s->state == HOST_UP && !s->silent; /* what is started there now would wait, and others for it */
    m.asks = s->asking;
    m.rests = s->state == HOST_REFUSED || s->state == HOST_NEEDS_SECRET || s->state == HOST_QUARANTINED;
    m.backs_off = s->state == HOST_BACKOFF;
    m.attempts = s->attempts;
    return m;
}

unsigned place_want(const struct place *l)
{
    struct fleet_machine m = place_machine(l);
    return fleet_place_want(&l->fleet, &m);
}

unsigned place_paused(const struct place *l, const char **why)
{
    unsigned n = 0;
    *why = NULL;
    for (const struct daemon *m = l->profile->daemons; m; m = m->after) {
        if (m->place != l || m->fleet.state != FLEET_UP || !m->paused)
            continue;
        *why = n++ ? *why : m->pause;
    }
    return n;
}

bool place_is_stuck(const struct place *l)
{
    struct fleet_machine m = place_machine(l);
    return fleet_place_is_stuck(&l->fleet, &m);
}

bool place_has_failed(const struct place *l)
{
    struct fleet_machine m = place_machine(l);
    return fleet_place_has_failed(&l->fleet, &m);
}

void place_explain(const struct place *l, struct clw_error *err)
{
    const struct host_snapshot *s = l->via ? &l->via->shot : NULL;
    if (s && !l->fleet.broken && s->reason[0])
        clw_fail(err,
            s->state == HOST_NEEDS_SECRET ? CLW_REFUSED
            : s->code                     ? s->code
                                          : CLW_UNREACHABLE,
            s->hint, "host '%s': %.340s", l->host, s->reason);
    else
        clw_fail(err, l->code ? l->code : CLW_UNREACHABLE, l->hint[0] ? l->hint : "see 'clowder log'", "%s%s%s%.340s",
            place_is_here(l) ? "" : "host '", place_is_here(l) ? "" : l->host,
            place_is_here(l) ? "" : "': ", l->reason);
}

void place_say(struct place *l, enum clw_err code, const char *hint, const char *reason)
{
    l->code = code;
    snprintf(l->reason, sizeof l->reason, "%s", reason ? reason : "");
    snprintf(l->hint, sizeof l->hint, "%s", hint ? hint : "");
}
