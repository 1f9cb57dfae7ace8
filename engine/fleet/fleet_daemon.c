/* One daemon, from the decision to start it until nothing is left of it: who is waited for, who is ended, and what its
 * end means for its place. */
#include "engine/fleet/fleet_internal.h"

#include <stddef.h>

static void set_state(struct fleet_daemon *d, enum fleet_state state)
{
    d->place->counts[d->state]--;
    d->place->counts[state]++;
    d->state = state;
}

void fleet_daemon_add(struct fleet_place *l, struct fleet_daemon *d, enum fleet_kind kind, uint64_t now_ms)
{
    d->place = l;
    d->kind = kind;
    d->gpu = FLEET_NO_GPU;
    d->started_ms = now_ms;
    d->before = l->last;
    *(d->before ? &d->before->after : &l->first) = d;
    l->last = d;
    l->counts[d->state]++;
}

void fleet_daemon_remove(struct fleet_daemon *d)
{
    struct fleet_place *l = d->place;
    *(d->before ? &d->before->after : &l->first) = d->after;
    *(d->after ? &d->after->before : &l->last) = d->before;
    l->counts[d->state]--;
}

/* ---- failures ---- */

/* It has done something, or lived as long as daemons should, or as long as its profile lets it. To connect is not
 * enough: what connects and dies at once would be started again and again. */
bool fleet_daemon_was_good(const struct fleet_daemon *d, uint64_t now_ms)
{
    const struct store_settings *set = d->place->fleet->set;
    uint64_t enough_ms = FLEET_STABLE_MS;
    if (set->walltime_ms && set->walltime_ms < enough_ms)
        enough_ms = set->walltime_ms;
    if (set->idletime_ms && set->idletime_ms < enough_ms)
        enough_ms = set->idletime_ms;
    return d->has_worked || (d->connected_ms && now_ms - d->connected_ms >= enough_ms);
}

/* Those that end together are one failure: only one that was started after the last one says something new. */
static void count_failure(struct fleet_place *l, const struct fleet_daemon *d, uint64_t now_ms)
{
    if (fleet_daemon_was_good(d, now_ms))
        l->fails = 0;
    else if (d->started_ms < l->failed_ms)
        return;
    uint64_t pause = (uint64_t)FLEET_BACKOFF_MS << (l->fails < 10 ? l->fails : 10);
    l->next_launch_ms = now_ms + (pause < FLEET_BACKOFF_MAX_MS ? pause : FLEET_BACKOFF_MAX_MS);
    l->failed_ms = now_ms;
    if (!d->had_tasks || l->fails < FLEET_GIVE_UP - 1) /* its task may have ended it: that is no reason to give up */
        l->fails++;
}

unsigned fleet_daemon_failed(struct fleet_daemon *d, uint64_t now_ms)
{
    struct fleet_place *l = d->place;
    unsigned acts = FLEET_FAILED;
    count_failure(l, d, now_ms);
    if (l->fails >= FLEET_GIVE_UP && !l->broken) {
        fleet_place_break(l, now_ms);
        acts |= FLEET_GAVE_UP;
    }
    if (!l->fleet->set->respawn)
        fleet_place_lower(l);
    return acts;
}

/* ---- coming and going ---- */

bool fleet_daemon_may_come(const struct fleet_daemon *d)
{
    return d->state != FLEET_LOST && !d->is_overdue;
}

void fleet_daemon_forsake(struct fleet_daemon *d)
{
    if (d->state == FLEET_AWAY)
        d->away_until_ms = 0;
}

unsigned fleet_daemon_came(struct fleet_daemon *d, uint64_t now_ms)
{
    bool is_ours = d->kind != FLEET_FOREIGN;
    if (is_ours || !d->connected_ms)
        d->connected_ms = now_ms;
    d->is_connected = is_ours;
    d->idle_ms = 0;
    if (d->state == FLEET_LEAVING) {
        d->quit_sent = true;
        return FLEET_DRAIN | FLEET_TELL;
    }
    set_state(d, FLEET_UP);
    fleet__place_connected(d->place);
    return 0;
}

static bool may_return(const struct fleet_daemon *d)
{
    return d->kind != FLEET_CHILD && !d->has_ended && !d->is_overdue;
}

/* A daemon that was up is away or lost. */
static unsigned miss(struct fleet_daemon *d, bool is_open, uint64_t now_ms)
{
    d->away_until_ms = now_ms + (is_open ? FLEET_RETURN_MS : d->place->fleet->set->grace_ms);
    set_state(d, may_return(d) ? FLEET_AWAY : FLEET_LOST);
    return d->state == FLEET_LOST ? fleet_daemon_failed(d, now_ms) : 0;
}

unsigned fleet_daemon_gone(struct fleet_daemon *d, bool had_tasks, bool is_open, uint64_t now_ms)
{
    d->had_tasks = had_tasks;
    d->is_connected = false;
    if (d->kind == FLEET_FOREIGN && d->state != FLEET_UP)
        return 0;
    unsigned acts = d->state == FLEET_UP ? miss(d, is_open, now_ms) : 0;
    if (d->kind == FLEET_CHILD)
        d->kill_at_ms = now_ms + FLEET_QUIT_MS;
    else /* who is away has its grace */
        d->kill_at_ms = d->kind == FLEET_QUEUED && d->state != FLEET_AWAY ? now_ms + FLEET_LAUNCH_MS : 0;
    bool somebody_tells = d->kind == FLEET_QUEUED || (d->kind == FLEET_CHILD && !d->has_ended);
    return d->state != FLEET_AWAY && !somebody_tells ? acts | FLEET_FORGET : acts;
}

unsigned fleet_daemon_ended(struct fleet_daemon *d, uint64_t now_ms)
{
    d->has_ended = true;
    if (d->is_connected) { /* its connection goes next, and the rest then; a TLS one may not tell of its end */
        d->kill_at_ms = now_ms + FLEET_QUIT_MS;
        return 0;
    }
    bool was_expected = d->state == FLEET_LAUNCHING || d->state == FLEET_AWAY;
    return FLEET_FORGET | (was_expected ? fleet_daemon_failed(d, now_ms) : 0);
}

unsigned fleet_daemon_finished(struct fleet_daemon *d, bool by_itself, bool idle, uint64_t now_ms)
{
    const struct store_settings *set = d->place->fleet->set;
    unsigned acts = FLEET_FORGET;
    d->has_ended = true;
    if (d->state == FLEET_LEAVING)
        return acts;
    if (d->is_ordered && (by_itself || !set->respawn))
        return acts | FLEET_UNORDER;
    if (idle || (by_itself && !set->respawn)) /* it is not needed, or did what it was to do, however little that was */
        fleet_place_lower(d->place);
    else if (!by_itself || !fleet_daemon_was_good(d, now_ms))
        acts |= fleet_daemon_failed(d, now_ms);
    return idle ? acts | FLEET_SAVE : acts;
}

unsigned fleet_daemon_cut_off(struct fleet_daemon *d, uint64_t now_ms)
{
    return FLEET_FORGET | (d->state != FLEET_LEAVING ? fleet_daemon_failed(d, now_ms) : 0);
}

void fleet_daemon_runs(struct fleet_daemon *d, uint64_t now_ms)
{
    d->running_ms = d->started_ms = now_ms; /* from now on it has its time to dial home */
}

unsigned fleet_daemon_listed(struct fleet_daemon *d, bool is_listed, bool settled, uint64_t now_ms)
{
    d->absent = is_listed ? 0 : d->absent + 1;
    if (d->absent < FLEET_ABSENT || !settled) /* one list may lack something */
        return 0;
    if (d->is_connected)
        return FLEET_CLOSE;
    return FLEET_FORGET | (d->state != FLEET_LEAVING ? fleet_daemon_failed(d, now_ms) : 0);
}

/* ---- telling it to go ---- */

static unsigned tell(struct fleet_daemon *d)
{
    unsigned acts = d->quit_sent ? FLEET_DRAIN : FLEET_DRAIN | FLEET_TELL;
    d->quit_sent = true;
    return acts;
}

/* Who asks again does not put it off. */
static void end_by(struct fleet_daemon *d, uint64_t at_ms)
{
    if (!d->kill_at_ms || at_ms < d->kill_at_ms)
        d->kill_at_ms = at_ms;
}

unsigned fleet_daemon_quit(struct fleet_daemon *d, bool at_once, uint64_t now_ms)
{
    if (d->state == FLEET_LOST)
        return 0;
    set_state(d, FLEET_LEAVING);
    if (d->is_connected && at_once)
        end_by(d, now_ms + FLEET_QUIT_MS);
    if (d->is_connected) {
        unsigned acts = tell(d);
        return at_once ? FLEET_DRAIN | FLEET_TELL_NOW : acts;
    }
    if (d->kind == FLEET_QUEUED) /* the scheduler is told, and it is gone then */
        end_by(d, now_ms + FLEET_LAUNCH_MS);
    else
        end_by(d, now_ms + (d->kind == FLEET_FOREIGN && !at_once ? FLEET_FOREIGN_QUIT_MS : FLEET_QUIT_MS));
    return FLEET_STOP;
}

unsigned fleet_daemon_leaves(struct fleet_daemon *d, bool idle)
{
    bool is_needless = d->state == FLEET_UP && idle;
    if (d->state == FLEET_UP)
        set_state(d, FLEET_LEAVING);
    if (is_needless)
        fleet_place_lower(d->place);
    return tell(d) | (is_needless ? FLEET_SAVE : 0);
}

unsigned fleet_daemon_setup_failed(struct fleet_daemon *d, uint64_t now_ms)
{
    fleet_place_break(d->place, now_ms);
    set_state(d, FLEET_LEAVING);
    d->quit_sent = true;
    return FLEET_DRAIN | FLEET_TELL;
}

/* ---- what is due ---- */

/* Who waits in a queue waits as long as that takes, and whoever was late once is being ended. */
static bool is_timed(const struct fleet_daemon *d)
{
    return d->state == FLEET_LAUNCHING && !d->was_killed && (d->kind != FLEET_QUEUED || d->running_ms);
}

static unsigned give_up(struct fleet_daemon *d, uint64_t now_ms)
{
    unsigned acts = FLEET_SAY_LOST | fleet_daemon_failed(d, now_ms);
    if (d->kind == FLEET_QUEUED) /* its job may be there still */
        return acts | fleet_daemon_quit(d, true, now_ms);
    return acts | FLEET_FORGET;
}

/* A daemon's process here is reaped later; one on a host is only told. */
static unsigned end(struct fleet_daemon *d, uint64_t now_ms)
{
    d->kill_at_ms = 0;
    d->was_killed = true;
    if (d->is_connected && d->has_ended)
        return FLEET_CLOSE;
    if (d->kind == FLEET_CHILD)
        return FLEET_KILL;
    if (d->is_connected)
        return FLEET_KILL | FLEET_CLOSE;
    return FLEET_KILL | (d->state == FLEET_LAUNCHING ? give_up(d, now_ms) : FLEET_FORGET);
}

unsigned fleet_daemon_tick(struct fleet_daemon *d, const struct fleet_talk *t, uint64_t now_ms)
{
    unsigned acts = 0;
    if (is_timed(d) && now_ms - d->started_ms > FLEET_LAUNCH_MS && !d->kill_at_ms) {
        d->kill_at_ms = now_ms;
        acts |= FLEET_SAY_LATE;
    }
    if (d->state == FLEET_AWAY && now_ms >= d->away_until_ms) /* FOREIGN: its process is there still */
        return acts | give_up(d, now_ms) | (d->kind == FLEET_FOREIGN ? FLEET_KILL : 0);
    if (d->is_connected)
        acts |= fleet__talk(d, t, now_ms);
    if (d->kill_at_ms && now_ms >= d->kill_at_ms)
        acts |= end(d, now_ms);
    return acts;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t fleet_daemon_next_ms(const struct fleet_daemon *d, const struct fleet_talk *t, uint64_t now_ms)
{
    uint64_t next = d->kill_at_ms ? d->kill_at_ms : UINT64_MAX;
    if (is_timed(d))
        next = sooner(next, d->started_ms + FLEET_LAUNCH_MS + 1);
    if (d->state == FLEET_AWAY)
        next = sooner(next, d->away_until_ms);
    return d->is_connected ? sooner(next, fleet__talk_next_ms(d, t, now_ms)) : next;
}
