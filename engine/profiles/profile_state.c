/* How a profile stands, and what those who wait for it are told. */
#include "engine/profiles/profile_state.h"

#include "base/mono.h"
#include "engine/profiles/place_state.h"
#include "engine/model/core.h"
#include "engine/peers/client_talk.h"
#include "engine/peers/talk.h"
#include "engine/record/recorder.h"

unsigned profile_want(const struct profile *p)
{
    unsigned n = 0;
    for (const struct place *l = p->places; l; l = l->next)
        n += place_want(l);
    return n;
}

const char *profile_reason(const struct profile *p)
{
    for (const struct place *l = p->places; l; l = l->next)
        if (l->reason[0])
            return l->reason;
        else if (l->via && place_has_failed(l))
            return l->via->shot.reason;
    return "";
}

const char *profile_hint(const struct profile *p)
{
    for (const struct place *l = p->places; l; l = l->next)
        if (l->fleet.on && l->reason[0])
            return l->hint;
        else if (l->fleet.on && l->via && place_has_failed(l))
            return l->via->shot.hint;
    return "";
}

/* No place will bring anything up before somebody does something. */
static bool is_stuck(const struct profile *p)
{
    for (const struct place *l = p->places; l; l = l->next)
        if (l->fleet.on && !place_is_stuck(l))
            return false;
    return true;
}

bool profile_is_hopeless(const struct profile *p)
{
    for (const struct daemon *m = p->daemons; m; m = m->after)
        if (m->fleet.state != FLEET_LOST)
            return false;
    return p->fleet.going || is_stuck(p);
}

/* Tells every job that waits for daemons that none will come. */
void profile_fail_jobs(struct engine *e, struct profile *p)
{
    if (!profile_is_hopeless(p))
        return;
    for (struct peer *c = e->peers; c; c = c->after) {
        if (c->role != PEER_CLIENT)
            continue;
        for (struct core_job *j = c->jobs; j; j = j->next) {
            if (j->profile != p || j->faulted)
                continue;
            j->faulted = true;
            client_fault(j, CLW_UNREACHABLE, "profile '%s' has no daemons left%s%s%s%s", p->name,
                *profile_reason(p) ? ": " : "", profile_reason(p), *profile_hint(p) ? "; " : "", profile_hint(p));
        }
    }
    core_flush(e);
}

void profile_rest(struct profile *p, enum clw_err code, const char *hint, const char *reason)
{
    fleet_rest(&p->fleet, mono_ms());
    for (struct place *l = p->places; l; l = l->next)
        place_say(l, code, hint, reason);
    log_warn("profile", "rests profile=%s why=\"%s\"", p->name, reason);
}

void profile_record_now(struct profile *p)
{
    if (p->sample_n)
        recorder_sample(p->engine->recorder, p->name, p->sample_s, p->sample_n);
    p->sample_n = 0;
}

void profile_record(struct profile *p, uint32_t n)
{
    uint64_t second = wall_us() / 1000000;
    if (second != p->sample_s)
        profile_record_now(p);
    if (!p->sample_n) {
        p->sample_due_ms = mono_ms() + 1000;
        core_due(p->engine);
    }
    p->sample_s = second;
    p->sample_n += n;
}
