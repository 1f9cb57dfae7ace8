/* The share of a profile on one machine: how many daemons should be there, what is done next about it, and when a
 * launch is tried again. */
#include "engine/fleet/fleet_internal.h"

#include <stddef.h>

/* ---- the profile ---- */

static void forget_failures(struct fleet_place *l)
{
    l->broken = false;
    l->fails = 0;
    l->next_launch_ms = l->short_ms = l->failed_ms = 0;
}

void fleet_start(struct fleet *f)
{
    f->going = f->resting = false;
    for (struct fleet_place *l = f->first; l; l = l->after)
        forget_failures(l);
}

void fleet_down(struct fleet *f)
{
    f->going = true;
    for (struct fleet_place *l = f->first; l; l = l->after)
        l->on = false;
}

void fleet_rest(struct fleet *f, uint64_t now_ms)
{
    f->resting = true;
    for (struct fleet_place *l = f->first; l; l = l->after)
        fleet_place_break(l, now_ms);
}

unsigned fleet_count(const struct fleet *f, enum fleet_state state)
{
    unsigned n = 0;
    for (const struct fleet_place *l = f->first; l; l = l->after)
        n += l->counts[state];
    return n;
}

bool fleet_is_wanted(const struct fleet *f)
{
    for (const struct fleet_place *l = f->first; l; l = l->after)
        if (l->on)
            return true;
    return false;
}

/* ---- a place ---- */

void fleet_place_add(struct fleet *f, struct fleet_place *l)
{
    l->fleet = f;
    l->before = f->last;
    *(l->before ? &l->before->after : &f->first) = l;
    f->last = l;
}

void fleet_place_remove(struct fleet_place *l)
{
    *(l->before ? &l->before->after : &l->fleet->first) = l->after;
    *(l->after ? &l->after->before : &l->fleet->last) = l->before;
}

unsigned fleet_place_want(const struct fleet_place *l, const struct fleet_machine *m)
{
    bool each_gpu = l->fleet->set->per_gpu && m->has_gpus && !l->want && !l->orders;
    return !l->on ? 0 : each_gpu ? m->gpus : l->want + l->orders;
}

unsigned fleet_place_active(const struct fleet_place *l)
{
    return l->counts[FLEET_UP] + l->counts[FLEET_LAUNCHING] + l->counts[FLEET_AWAY];
}

/* After a failure one at a time. */
bool fleet_place_may_launch(const struct fleet_place *l, const struct fleet_machine *m)
{
    return fleet_place_active(l) < fleet_place_want(l, m) &&
           l->counts[FLEET_LAUNCHING] < (l->fails ? 1 : FLEET_LAUNCHING_MAX);
}

bool fleet_place_is_stuck(const struct fleet_place *l, const struct fleet_machine *m)
{
    return l->broken || (m->is_linked && (m->asks || (m->attempts > l->attempts && m->rests)));
}

bool fleet_place_has_failed(const struct fleet_place *l, const struct fleet_machine *m)
{
    return fleet_place_is_stuck(l, m) || (m->is_linked && m->attempts > l->attempts && m->backs_off);
}

void fleet_place_break(struct fleet_place *l, uint64_t now_ms)
{
    l->broken = true;
    l->next_launch_ms = now_ms + FLEET_QUARANTINE_MS;
}

void fleet__place_connected(struct fleet_place *l)
{
    l->broken = false;
    l->short_ms = 0;
}

void fleet_place_lower(struct fleet_place *l)
{
    if (l->want)
        l->want--;
    l->on &= l->want > 0;
}

void fleet_place_wait(struct fleet_place *l, uint64_t until_ms)
{
    l->next_launch_ms = until_ms;
}

bool fleet_place_short(struct fleet_place *l, uint64_t now_ms, bool *is_news)
{
    *is_news = !l->short_ms;
    if (!l->short_ms)
        l->short_ms = now_ms;
    l->next_launch_ms = now_ms + FLEET_SHORT_PAUSE_MS;
    return now_ms - l->short_ms < FLEET_SHORT_MS;
}

void fleet_place_not_short(struct fleet_place *l)
{
    l->short_ms = 0;
}

static void wait_for_away(struct fleet_place *l, uint64_t until_ms)
{
    for (struct fleet_daemon *d = l->first; d; d = d->after)
        if (d->state == FLEET_AWAY)
            d->away_until_ms = until_ms;
}

void fleet_place_way_lost(struct fleet_place *l, uint64_t now_ms)
{
    wait_for_away(l, now_ms + l->fleet->set->grace_ms);
}

void fleet_place_way_back(struct fleet_place *l, bool same_way, uint64_t now_ms)
{
    wait_for_away(l, same_way ? now_ms + FLEET_RETURN_MS : now_ms);
}

static unsigned users_of(const struct fleet_place *l, int gpu)
{
    unsigned n = 0;
    for (const struct fleet_daemon *d = l->first; d; d = d->after)
        n += d->gpu == gpu;
    return n;
}

int fleet_place_gpu(const struct fleet_place *l, const int *indices, unsigned count)
{
    int best = FLEET_NO_GPU;
    unsigned least = UINT32_MAX;
    for (unsigned i = 0; i < count; i++) {
        unsigned users = users_of(l, indices[i]);
        if (users < least) {
            least = users;
            best = indices[i];
        }
    }
    return best;
}

/* ---- what is next ---- */

/* Who goes first when there are too many: who is not connected, who is idle; the higher, the sooner. */
static int expendable(const struct fleet_daemon *d)
{
    if (d->is_ordered)
        return -1;
    if (d->state == FLEET_AWAY || d->state == FLEET_LAUNCHING)
        return 2;
    return d->state != FLEET_UP ? -1 : d->is_idle;
}

/* Of those that are as expendable as others, who came last. */
static struct fleet_daemon *most_expendable(const struct fleet_place *l)
{
    struct fleet_daemon *best = NULL;
    int best_rank = 0;
    for (struct fleet_daemon *d = l->first; d; d = d->after) {
        int rank = expendable(d);
        if (rank >= best_rank) {
            best = d;
            best_rank = rank;
        }
    }
    return best;
}

/* A host is tried again after its quarantine; on this machine somebody has to bring the profile up. */
static bool is_open(const struct fleet_place *l, const struct fleet_machine *m)
{
    return !l->fleet->going && !l->fleet->resting && (m->is_linked ? m->is_up : !l->broken);
}

static bool lacks_gpus(const struct fleet_place *l, const struct fleet_machine *m)
{
    return l->fleet->set->per_gpu && m->has_gpus && !m->gpus;
}

enum fleet_step fleet_place_next(
    struct fleet_place *l, const struct fleet_machine *m, uint64_t now_ms, struct fleet_daemon **which)
{
    if (fleet_place_active(l) > fleet_place_want(l, m) && (*which = most_expendable(l)))
        return FLEET_DISMISS;
    if (!is_open(l, m) || now_ms < l->next_launch_ms)
        return FLEET_NOTHING;
    if (lacks_gpus(l, m)) {
        bool is_news = !l->broken;
        fleet_place_break(l, now_ms);
        return is_news ? FLEET_WITHOUT_GPU : FLEET_NOTHING;
    }
    if (l->broken) { /* out of quarantine, for one attempt */
        l->broken = false;
        l->fails = FLEET_GIVE_UP - 1;
    }
    return fleet_place_may_launch(l, m) ? FLEET_LAUNCH : FLEET_NOTHING;
}

uint64_t fleet_place_next_ms(const struct fleet_place *l, const struct fleet_machine *m)
{
    return is_open(l, m) && fleet_place_may_launch(l, m) ? l->next_launch_ms : UINT64_MAX;
}
