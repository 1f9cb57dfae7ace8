/* The fleet's invariants, checked from the ground: for tests. */
#include "engine/fleet/fleet.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "fleet: broken at line %d: %s\n", __LINE__, #what);                                        \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* Whoever is neither launching nor up has an end in sight. */
static void check_end(const struct fleet_daemon *d)
{
    bool ends = d->kill_at_ms || d->was_killed;
    switch (d->state) {
    case FLEET_LAUNCHING: CHECK(!d->is_connected); break;
    case FLEET_UP: CHECK(d->is_connected == (d->kind != FLEET_FOREIGN)); break;
    case FLEET_LEAVING: CHECK(d->is_connected ? d->quit_sent : ends); break;
    case FLEET_AWAY: CHECK(!d->is_connected && d->kind != FLEET_CHILD && d->away_until_ms); break;
    case FLEET_LOST: CHECK(!d->is_connected && ends); break;
    case FLEET_STATE_COUNT: CHECK(!"a state"); break;
    }
}

static void check_daemon(const struct fleet_daemon *d)
{
    CHECK(d->before ? d->before->after == d : d->place->first == d);
    CHECK(d->after ? d->after->before == d : d->place->last == d);
    CHECK(d->started_ms || !d->connected_ms);
    CHECK(!d->is_overdue || d->is_connected || d->state == FLEET_LOST || d->state == FLEET_LEAVING);
    CHECK(!d->idle_ms || d->quit_sent);
    CHECK(d->kind == FLEET_QUEUED || (!d->running_ms && !d->absent));
    check_end(d);
}

static void check_place(const struct fleet_place *l)
{
    unsigned counts[FLEET_STATE_COUNT] = {0};
    for (const struct fleet_daemon *d = l->first; d; d = d->after) {
        CHECK(d->place == l);
        counts[d->state]++;
        check_daemon(d);
    }
    for (int i = 0; i < FLEET_STATE_COUNT; i++)
        CHECK(counts[i] == l->counts[i]);
    CHECK(!l->fleet->going || !l->on);
    CHECK(!l->broken || l->next_launch_ms);
    CHECK(l->fails < FLEET_GIVE_UP || l->failed_ms);
    CHECK(l->lately >= 0 && l->lately_failed >= 0 && l->lately_failed <= l->lately * 1.000001);
}

void fleet_check(const struct fleet *f)
{
    for (const struct fleet_place *l = f->first; l; l = l->after) {
        CHECK(l->fleet == f);
        CHECK(l->before ? l->before->after == l : f->first == l);
        CHECK(l->after ? l->after->before == l : f->last == l);
        check_place(l);
    }
}
