/* Machines that fail more than others: they get one task at a time, with pauses that double after each failure, until
 * one succeeds; while there is another machine. */
#include "engine/sched/disp_internal.h"

enum { PAUSE_US = 1000000, PAUSE_MAX_US = 30000000 };

bool disp__is_on_trial(const struct disp *d, const struct disp_daemon *m)
{
    const struct disp_place *p = &d->places[m->place];
    return p->on_trial && p->giving < d->giving_count;
}

bool disp__may_try(const struct disp *d, const struct disp_daemon *m)
{
    const struct disp_place *p = &d->places[m->place];
    return !p->tasks && d->now_us >= p->trial_us;
}

void disp__wait_for_trial(struct disp *d, const struct disp_daemon *m)
{
    d->places[m->place].waits = true;
}

static void want_all(struct disp *d, unsigned place)
{
    for (unsigned s = 0; s < d->slot_count; s++)
        if (d->slots[s] && d->slots[s]->place == place)
            disp__want(d, d->slots[s]);
}

/* Its time has come, or there is no other machine any more. */
static bool is_due(const struct disp *d, const struct disp_place *p)
{
    return p->giving == d->giving_count || !p->on_trial || (!p->tasks && d->now_us >= p->trial_us);
}

void disp__look_at_trials(struct disp *d)
{
    for (unsigned i = 0; d->trials && i < d->place_count; i++) {
        struct disp_place *p = &d->places[i];
        if (!p->waits || !is_due(d, p))
            continue;
        p->waits = false;
        want_all(d, i);
    }
}

void disp__tried(struct disp *d, const struct disp_daemon *m, bool good)
{
    struct disp_place *p = &d->places[m->place];
    if (!p->suspect)
        return;
    p->on_trial = !good;
    p->pause_us = good ? 0 : p->pause_us ? 2 * p->pause_us : PAUSE_US;
    p->pause_us = p->pause_us < PAUSE_MAX_US ? p->pause_us : PAUSE_MAX_US;
    p->trial_us = d->now_us + p->pause_us;
    want_all(d, m->place);
}

uint64_t disp__trial_us(const struct disp *d)
{
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; d->trials && i < d->place_count; i++) {
        const struct disp_place *p = &d->places[i];
        if (p->on_trial && !p->tasks && p->giving && (p->trial_us > d->now_us || p->waits) && p->trial_us < next)
            next = p->trial_us;
    }
    return d->stats.awaiting ? next : UINT64_MAX;
}

void disp_place_suspect(struct disp *d, unsigned place, bool suspect, uint64_t now_us)
{
    if (place >= d->place_count || d->places[place].suspect == suspect)
        return;
    struct disp_place *p = &d->places[place];
    d->now_us = now_us;
    d->trials += suspect ? 1u : -1u;
    p->suspect = p->on_trial = suspect;
    p->pause_us = p->trial_us = 0;
    p->waits = false;
    want_all(d, place);
    disp__run(d, now_us);
}
