/* The fleet in virtual time: a model of machines, daemons and people drives it from a seed, and checks after every
 * event, with books of its own, that nothing is launched that should not be, that failures lead to the pauses that they
 * should, and that whoever is away, late or told to go is dealt with in time. CLW_SEED=N runs one seed, CLW_EVENTS=N
 * so many events in all. The rules one by one are in test_fleet_rules.c. */
#include "engine/fleet/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

enum { PLACES = 40, DAEMONS = 1000, SEEDS = 20 };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { EVENTS = 300000 };
#else
enum { EVENTS = 1000000 };
#endif

struct model_daemon {
    struct fleet_daemon fleet;
    struct model_place *place;
    bool process, killed, closing,
        late; /* it runs; a signal is on its way; its connection is; it was said to be late */
    bool frozen, deaf, unread, told;
    unsigned tasks, setups;
    uint64_t heard_ms, pinged_ms, unanswered_ms; /* unanswered: the first ping since it was heard, or 0 */
    uint64_t limit_ms, since_ms, idle_ms, away_until_ms, ended_ms;
    struct model_daemon *next; /* of those that are free */
};

struct model_place {
    struct fleet_place fleet;
    struct fleet_machine machine;
    enum fleet_kind kind;
    bool direct, short_of, bad; /* bad: what is launched there fails more often than not */
    uint64_t pause_ms, not_before_ms, failed_ms;
    unsigned row; /* failures, one after the other, that were no task's fault */
    bool after_quarantine;
};

struct model {
    struct fleet fleet;
    struct store_settings set;
    uint64_t random, now_ms, events, launches, gave_up, resumed, most_at_once, seen, looks;
    unsigned place_count, most; /* daemons that a place may want */
    bool calm;                  /* most goes well, so that there are many */
    struct model_place place[PLACES];
    struct model_daemon daemon[DAEMONS], *free;
    struct fleet_place was;
    struct fleet_daemon was_daemon;
};

static uint64_t rnd(struct model *m, uint64_t below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random % below;
}

static bool chance(struct model *m, unsigned percent)
{
    return rnd(m, 100) < percent;
}

static struct model_daemon *of(const struct fleet_daemon *d)
{
    return d->arg;
}

static struct model_daemon *any_daemon(struct model *m, const struct model_place *l)
{
    unsigned n = 0;
    for (int i = 0; i < FLEET_STATE_COUNT; i++)
        n += l->fleet.counts[i];
    if (!n)
        return NULL;
    const struct fleet_daemon *d = l->fleet.first;
    for (uint64_t i = rnd(m, n); i; i--)
        d = d->after;
    return of(d);
}

/* ---- books ---- */

/* As things were before something happens to it. */
static void look(struct model *m, const struct model_daemon *d)
{
    m->was = d->place->fleet;
    m->was_daemon = d->fleet;
}

static bool was_good(const struct model *m, const struct fleet_daemon *d)
{
    uint64_t enough_ms = 10000;
    if (m->set.walltime_ms && m->set.walltime_ms < enough_ms)
        enough_ms = m->set.walltime_ms;
    if (m->set.idletime_ms && m->set.idletime_ms < enough_ms)
        enough_ms = m->set.idletime_ms;
    return d->has_worked || (d->connected_ms && m->now_ms >= d->connected_ms + enough_ms);
}

static void forget_failures(struct model_place *l)
{
    l->pause_ms = l->not_before_ms = l->failed_ms = l->row = 0;
    l->after_quarantine = false;
}

static void note_broken(struct model *m, struct model_place *l)
{
    assert_true(l->fleet.broken);
    l->not_before_ms = m->now_ms + 300000;
    l->after_quarantine = true;
}

/* Pauses begin at 0.1 s, double, and end at 30 s; what ends together counts once; five in a row are enough. */
static void note_failure(struct model *m, struct model_daemon *d, bool gave_up)
{
    struct model_place *l = d->place;
    bool good = was_good(m, &d->fleet);
    if (good || d->fleet.started_ms >= l->failed_ms) {
        uint64_t pause_ms = (gave_up ? 0 : l->fleet.next_launch_ms - m->now_ms);
        l->row = good ? 0 : l->row;
        if (!gave_up) {
            assert_in_range(pause_ms, 100, 30000);
            if (!good)
                assert_true(pause_ms == (m->was.fails < 9 ? 100u << m->was.fails : 30000));
            if (good)
                assert_int_equal(pause_ms, 100);
            else if (!l->after_quarantine && l->pause_ms)
                assert_true(pause_ms >= l->pause_ms && pause_ms <= 2 * l->pause_ms);
            l->pause_ms = pause_ms;
            l->not_before_ms = l->fleet.next_launch_ms;
        }
        l->failed_ms = m->now_ms;
        l->row += !d->fleet.had_tasks;
    } else {
        assert_true(gave_up || l->fleet.next_launch_ms == m->was.next_launch_ms);
        assert_int_equal(l->fleet.fails, m->was.fails);
    }
    if (gave_up) {
        m->gave_up++;
        assert_true(!m->was.broken && (l->row >= 5 || l->after_quarantine || m->was.fails >= 4));
        assert_true(!d->fleet.had_tasks || m->was.fails >= 5); /* it may have been the task */
        note_broken(m, l);
    }
    assert_true(l->row < 5 || l->fleet.broken || d->fleet.had_tasks);
    if (!m->set.respawn)
        assert_true(l->fleet.want + 1 == m->was.want || !m->was.want);
}

/* ---- what the engine would do ---- */

static uint64_t latest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static bool is_remote(const struct model_daemon *d)
{
    return d->fleet.kind != FLEET_CHILD;
}

static bool is_to_go(const struct model_daemon *d)
{
    return d->fleet.is_connected && d->told && !d->tasks && !d->setups && !d->unread;
}

static struct model_daemon *daemon_new(struct model *m, struct model_place *l)
{
    struct model_daemon *d = m->free;
    if (!d)
        return NULL;
    m->free = d->next;
    memset(d, 0, sizeof *d);
    d->place = l;
    d->fleet.arg = d;
    d->process = true;
    d->deaf = chance(m, 10);
    fleet_daemon_add(&l->fleet, &d->fleet, l->kind, m->now_ms);
    return d;
}

static void daemon_free(struct model *m, struct model_daemon *d)
{
    fleet_daemon_remove(&d->fleet);
    d->next = m->free;
    m->free = d;
}

static void carry_out(struct model *m, struct model_daemon *d, unsigned todo)
{
    const struct fleet_daemon *f = &d->fleet;
    uint64_t awake_ms = m->fleet.awake_ms;
    if (todo & FLEET_SAY_LATE) {
        assert_true(m->was_daemon.state == FLEET_LAUNCHING && m->now_ms > f->started_ms + 20000 && !d->late);
        assert_true(f->kind != FLEET_QUEUED || f->running_ms);
        d->late = true;
    }
    if (todo & FLEET_END_OVERDUE) {
        assert_true(f->is_connected && d->limit_ms && d->tasks && !d->unread);
        assert_true(m->now_ms >= latest(d->since_ms, awake_ms) + d->limit_ms + 15000);
    }
    if (todo & FLEET_END_IDLE)
        assert_true(f->is_connected && is_to_go(d) && m->now_ms >= latest(d->idle_ms, awake_ms) + 5000);
    if (todo & FLEET_SILENT) {
        assert_true(f->is_connected && d->unanswered_ms && !d->unread);
        assert_true(m->now_ms > latest(d->unanswered_ms, awake_ms) + (is_remote(d) ? 10000 : 30000));
    }
    if (todo & FLEET_PING) {
        assert_true(f->is_connected && m->now_ms > d->pinged_ms + 5000);
        d->pinged_ms = m->now_ms;
        if (!d->frozen)
            d->heard_ms = m->now_ms;
        else if (!d->unanswered_ms)
            d->unanswered_ms = m->now_ms;
    }
    if (todo & FLEET_KILL)
        d->killed = true;
    if (todo & (FLEET_END_OVERDUE | FLEET_END_IDLE | FLEET_SILENT | FLEET_CLOSE))
        d->closing = true;
    if (todo & (FLEET_END_OVERDUE | FLEET_END_IDLE))
        d->killed = true;
    if (todo & FLEET_SAY_LOST && m->was_daemon.state == FLEET_AWAY)
        assert_true(m->now_ms >= d->away_until_ms);
    if (todo & FLEET_FAILED)
        note_failure(m, d, todo & FLEET_GAVE_UP);
    if (todo & FLEET_STOP) {
        assert_false(f->is_connected);
        d->killed |= !d->deaf;
    }
    if (todo & FLEET_TELL)
        assert_false(d->told && f->is_connected && m->was_daemon.is_connected && m->was_daemon.state == FLEET_UP);
    if (todo & (FLEET_TELL | FLEET_TELL_NOW)) {
        assert_true(f->is_connected && todo & FLEET_DRAIN);
        d->told = true;
    }
    if (todo & FLEET_FORGET) {
        assert_false(f->is_connected);
        assert_true(f->kind != FLEET_CHILD || !d->process); /* else nobody would reap it */
        daemon_free(m, d);
    }
}

static struct fleet_talk talk_of(const struct model_daemon *d)
{
    return (struct fleet_talk){.heard_ms = d->heard_ms,
        .is_remote = is_remote(d),
        .is_unread = d->unread,
        .has_tasks = d->tasks > 0,
        .has_setups = d->setups > 0,
        .task_since_ms = d->since_ms,
        .task_limit_ms = d->tasks ? d->limit_ms : 0};
}

/* Nothing that is due may be left, and what is said of the next time is true. */
static void check_daemon(struct model *m, struct model_daemon *d)
{
    const struct fleet_daemon *f = &d->fleet;
    struct fleet_talk t = talk_of(d);
    assert_true(f->state != FLEET_AWAY || m->now_ms < d->away_until_ms);
    assert_true(!f->is_connected || !f->has_ended || d->closing || m->now_ms < d->ended_ms + 2000);
    assert_true(!d->idle_ms || d->closing || m->now_ms < latest(d->idle_ms, m->fleet.awake_ms) + 5000);
    bool is_late = f->state == FLEET_LAUNCHING && (f->kind != FLEET_QUEUED || f->running_ms);
    assert_true(!is_late || d->killed || m->now_ms <= f->started_ms + 20000);
    if (!d->closing)
        assert_true(fleet_daemon_next_ms(f, &t, m->now_ms) > m->now_ms);
}

static void tick_daemon(struct model *m, struct model_daemon *d)
{
    struct fleet_talk t = talk_of(d);
    if (d->unread)
        d->unanswered_ms = 0;
    d->idle_ms = !is_to_go(d) ? 0 : d->idle_ms ? d->idle_ms : m->now_ms;
    look(m, d);
    unsigned todo = fleet_daemon_tick(&d->fleet, &t, m->now_ms);
    carry_out(m, d, todo);
    if (!(todo & FLEET_FORGET))
        check_daemon(m, d);
}

static int rank(const struct fleet_daemon *d)
{
    bool comes = d->state == FLEET_LAUNCHING || d->state == FLEET_AWAY;
    return d->is_ordered || (!comes && d->state != FLEET_UP) ? -1 : comes ? 2 : of(d)->tasks || of(d)->setups ? 0 : 1;
}

static void dismiss(struct model *m, struct model_place *l, struct fleet_daemon *which)
{
    assert_true(fleet_place_active(&l->fleet) > fleet_place_want(&l->fleet, &l->machine) && rank(which) >= 0);
    for (const struct fleet_daemon *d = l->fleet.first; d; d = d->after)
        assert_true(rank(d) <= rank(which));
    for (const struct fleet_daemon *d = which->after; d; d = d->after)
        assert_true(rank(d) < rank(which)); /* who came last */
    look(m, of(which));
    carry_out(m, of(which), fleet_daemon_quit(which, false, m->now_ms));
}

/* False: not before the next round. */
static bool launch(struct model *m, struct model_place *l)
{
    unsigned active = fleet_place_active(&l->fleet), want = fleet_place_want(&l->fleet, &l->machine);
    bool is_news;
    assert_false(m->fleet.going || m->fleet.resting || l->fleet.broken);
    assert_true(l->machine.is_linked ? l->machine.is_up : true);
    assert_true(active < want && m->now_ms >= l->not_before_ms && m->now_ms >= l->fleet.next_launch_ms);
    assert_true(l->fleet.counts[FLEET_LAUNCHING] < (l->fleet.fails ? 1 : 100));
    if (chance(m, 2)) { /* nobody listens at a base */
        fleet_place_wait(&l->fleet, l->not_before_ms = m->now_ms + 2000);
        return false;
    }
    struct model_daemon *d = daemon_new(m, l);
    if (!d) {
        fleet_place_wait(&l->fleet, l->not_before_ms = m->now_ms + 1000);
        return false;
    }
    m->launches++;
    l->row = l->row < 5 ? l->row : 4; /* out of quarantine, for one try */
    look(m, d);
    if (l->short_of) {
        bool waits = fleet_place_short(&l->fleet, m->now_ms, &is_news);
        assert_int_equal(waits, m->now_ms < (is_news ? m->now_ms : m->was.short_ms) + 20000);
        d->process = false;
        l->not_before_ms = m->now_ms + 300;
        if (waits)
            daemon_free(m, d);
        else
            carry_out(m, d, fleet_daemon_failed(&d->fleet, m->now_ms) | FLEET_FORGET);
        return true;
    }
    fleet_place_not_short(&l->fleet);
    if (chance(m, l->bad ? 50 : 2)) {
        d->process = false;
        carry_out(m, d, fleet_daemon_failed(&d->fleet, m->now_ms) | FLEET_FORGET);
    }
    return true;
}

/* What follows at a place from what happened there, as in a round of the engine. */
static void settle(struct model *m, struct model_place *l)
{
    struct fleet_daemon *which = NULL;
    for (struct fleet_daemon *d = l->fleet.first, *after; d; d = after) {
        after = d->after;
        tick_daemon(m, of(d));
    }
    for (struct fleet_daemon *d = l->fleet.first; d; d = d->after)
        d->is_idle = d->state == FLEET_UP && !of(d)->tasks && !of(d)->setups;
    for (bool again = true; again;) {
        switch (fleet_place_next(&l->fleet, &l->machine, m->now_ms, &which)) {
        case FLEET_NOTHING: again = false; break;
        case FLEET_DISMISS: dismiss(m, l, which); break;
        case FLEET_WITHOUT_GPU: note_broken(m, l); break;
        case FLEET_LAUNCH: again = launch(m, l); break;
        }
    }
    bool any = false;
    for (const struct fleet_daemon *d = l->fleet.first; d; d = d->after)
        any |= rank(d) >= 0;
    assert_true(!any || fleet_place_active(&l->fleet) <= fleet_place_want(&l->fleet, &l->machine));
    assert_true(fleet_place_next_ms(&l->fleet, &l->machine) > m->now_ms);
}

/* ---- what happens to a daemon ---- */

static void come(struct model *m, struct model_daemon *d)
{
    bool was_away = d->fleet.state == FLEET_AWAY, foreign = d->fleet.kind == FLEET_FOREIGN;
    if (d->fleet.state == FLEET_LOST || d->fleet.is_overdue)
        assert_false(fleet_daemon_may_come(&d->fleet));
    if (!fleet_daemon_may_come(&d->fleet) || d->fleet.is_connected || (foreign && d->fleet.state == FLEET_LEAVING))
        return;
    d->heard_ms = m->now_ms;
    d->unanswered_ms = d->tasks = 0;
    d->told = d->unread = d->frozen = false;
    m->resumed += was_away;
    carry_out(m, d, fleet_daemon_came(&d->fleet, m->now_ms));
    d->setups = d->fleet.state == FLEET_UP && !foreign && chance(m, 20);
    d->tasks = d->fleet.state == FLEET_UP && !foreign && !d->setups && chance(m, 40);
    d->limit_ms = 0;
    assert_true(d->fleet.state == FLEET_LEAVING || !d->place->fleet.broken);
    assert_true(d->fleet.state != FLEET_UP || d->fleet.kind == FLEET_CHILD || !d->fleet.kill_at_ms);
}

static bool is_open(const struct model_place *l)
{
    return l->kind == FLEET_REMOTE && l->machine.is_up && !l->direct;
}

static void go(struct model *m, struct model_daemon *d)
{
    bool foreign = d->fleet.kind == FLEET_FOREIGN, was_up = d->fleet.state == FLEET_UP;
    bool had_tasks = foreign ? d->fleet.had_tasks : d->tasks > 0, open = is_open(d->place) && !foreign;
    if (!foreign && !d->fleet.is_connected)
        return;
    d->closing = false;
    d->tasks = d->setups = 0;
    d->away_until_ms = m->now_ms + (open ? 5000 : m->set.grace_ms);
    unsigned todo = fleet_daemon_gone(&d->fleet, had_tasks, open, m->now_ms);
    if (was_up && d->fleet.kind != FLEET_CHILD && !d->fleet.has_ended && !d->fleet.is_overdue)
        assert_int_equal(d->fleet.state, FLEET_AWAY);
    carry_out(m, d, todo);
}

static void end(struct model *m, struct model_daemon *d)
{
    d->process = false;
    d->ended_ms = m->now_ms;
    d->closing = d->fleet.is_connected && chance(m, 90); /* else nobody hears of its end */
    if (d->fleet.kind == FLEET_FOREIGN) {
        bool by_itself = chance(m, 30);
        carry_out(m, d, fleet_daemon_finished(&d->fleet, by_itself, by_itself && chance(m, 30), m->now_ms));
    } else if (d->fleet.kind != FLEET_QUEUED) {
        carry_out(m, d, fleet_daemon_ended(&d->fleet, m->now_ms));
    } else {
        carry_out(m, d, fleet_daemon_listed(&d->fleet, false, true, m->now_ms));
    }
}

/* What was begun comes to its end: a connection that is closed, a process that is killed. */
static bool deliver(struct model *m, struct model_daemon *d)
{
    if (d->closing)
        go(m, d);
    else if (d->killed && d->process && d->fleet.kind != FLEET_QUEUED)
        end(m, d);
    else
        return false;
    return true;
}

static void leave(struct model *m, struct model_daemon *d, bool idle)
{
    unsigned want = d->place->fleet.want;
    bool was_up = d->fleet.state == FLEET_UP;
    unsigned todo = fleet_daemon_leaves(&d->fleet, idle);
    assert_int_equal(d->place->fleet.want, want && was_up && idle ? want - 1 : want);
    assert_int_equal(!!(todo & FLEET_SAVE), was_up && idle);
    carry_out(m, d, todo);
}

static void work(struct model *m, struct model_daemon *d)
{
    double share, others;
    uint32_t n = 1 + (uint32_t)rnd(m, 30), failed = d->place->bad ? n : chance(m, 5);
    bool was = d->place->fleet.suspect;
    enum fleet_verdict v = fleet_place_worked(&d->place->fleet, n, failed, &share, &others);
    assert_int_equal(d->place->fleet.suspect, v == FLEET_AS_BEFORE ? was : v == FLEET_SUSPECT);
    assert_true(v != FLEET_SUSPECT || (!was && share > 2 * others));
    d->fleet.has_worked = true;
    d->tasks = (unsigned)rnd(m, 3);
    d->limit_ms = chance(m, 10) ? 1 + rnd(m, 20000) : 0;
    d->since_ms = d->heard_ms = m->now_ms;
    d->unanswered_ms = 0;
}

/* Stopped, it answers nothing; and all at once when it goes on. */
static void freeze(struct model *m, struct model_daemon *d, bool frozen)
{
    d->frozen = frozen;
    if (frozen)
        return;
    d->heard_ms = m->now_ms;
    d->unanswered_ms = 0;
}

static void happen_up(struct model *m, struct model_daemon *d)
{
    bool connected = d->fleet.is_connected;
    switch (m->calm && chance(m, 95) ? 11 : rnd(m, 12)) {
    case 0: go(m, d); break;
    case 1:
        d->killed = true;
        end(m, d);
        break;
    case 2:
        if (connected && d->fleet.state == FLEET_UP)
            leave(m, d, chance(m, 30));
        break;
    case 3: freeze(m, d, connected && chance(m, 30)); break;
    case 4: d->unread = connected && chance(m, 20); break;
    case 5:
        if (connected && d->setups && chance(m, 50)) {
            d->setups = 0;
            carry_out(m, d, fleet_daemon_setup_failed(&d->fleet, m->now_ms));
            note_broken(m, d->place);
        } else {
            d->setups = 0;
        }
        break;
    case 6:
        if (!connected)
            carry_out(m, d, fleet_daemon_cut_off(&d->fleet, m->now_ms));
        break;
    case 7: carry_out(m, d, fleet_daemon_quit(&d->fleet, chance(m, 30), m->now_ms)); break;
    default:
        if (!d->setups && !d->frozen)
            work(m, d);
        break;
    }
}

static void happen_leaving(struct model *m, struct model_daemon *d)
{
    if (d->fleet.is_connected && chance(m, 50))
        d->tasks = d->setups = 0;
    else if (d->fleet.is_connected && !d->deaf && d->told)
        go(m, d);
    else if (d->fleet.kind == FLEET_CHILD && !d->deaf)
        end(m, d);
    else if (!d->fleet.is_connected && chance(m, 30))
        come(m, d);
    else
        carry_out(m, d, fleet_daemon_quit(&d->fleet, chance(m, 30), m->now_ms));
}

static void happen_launching(struct model *m, struct model_daemon *d)
{
    if (d->fleet.kind == FLEET_QUEUED && !d->fleet.running_ms && chance(m, 90))
        fleet_daemon_runs(&d->fleet, m->now_ms);
    else if (chance(m, d->place->bad ? 40 : 5))
        end(m, d);
    else
        come(m, d);
}

static void happen(struct model *m, struct model_daemon *d)
{
    look(m, d);
    if (deliver(m, d) || (d->fleet.is_connected && d->fleet.has_ended))
        return;
    switch (d->fleet.state) {
    case FLEET_LAUNCHING: happen_launching(m, d); break;
    case FLEET_UP: happen_up(m, d); break;
    case FLEET_LEAVING: happen_leaving(m, d); break;
    case FLEET_AWAY: (chance(m, 80) ? come : end)(m, d); break;
    case FLEET_LOST: (d->fleet.kind == FLEET_CHILD || chance(m, 50) ? end : come)(m, d); break;
    case FLEET_STATE_COUNT: break;
    }
}

/* ---- what happens to a place, and to all ---- */

static void way(struct model *m, struct model_place *l)
{
    bool is_up = l->machine.is_up = !l->machine.is_up, same = chance(m, 80);
    uint64_t until_ms = m->now_ms + (!is_up ? m->set.grace_ms : same ? 5000 : 0);
    if (!l->machine.is_linked || l->direct)
        return;
    if (is_up)
        fleet_place_way_back(&l->fleet, same, m->now_ms);
    else
        fleet_place_way_lost(&l->fleet, m->now_ms);
    for (struct fleet_daemon *d = l->fleet.first; d; d = d->after)
        of(d)->away_until_ms = until_ms;
}

static unsigned wish(struct model *m)
{
    return m->calm && chance(m, 80) ? m->most : (unsigned)rnd(m, m->most + 1);
}

static void order(struct model *m, struct model_place *l)
{
    struct model_daemon *d = any_daemon(m, l);
    if (l->kind != FLEET_FOREIGN || !d)
        return;
    if (d->fleet.is_ordered) {
        d->fleet.is_ordered = false;
        l->fleet.orders--;
    } else if (d->fleet.state != FLEET_LEAVING && !m->fleet.going) {
        d->fleet.is_ordered = true;
        l->fleet.orders++;
        l->fleet.on = true;
    }
}

static void happen_at(struct model *m, struct model_place *l)
{
    switch (rnd(m, 9)) {
    case 0: l->fleet.want = wish(m); break;
    case 1: l->fleet.on = !m->fleet.going && (l->fleet.want || l->fleet.orders) && chance(m, 95); break;
    case 2:
        if (!l->machine.is_up || chance(m, m->calm ? 10 : 50))
            way(m, l);
        break;
    case 3: l->short_of = l->kind == FLEET_CHILD && chance(m, m->calm ? 5 : 30); break;
    case 4: l->bad = chance(m, m->calm ? 1 : 20); break;
    case 5:
        if (chance(m, 10)) {
            fleet_place_break(&l->fleet, m->now_ms);
            note_broken(m, l);
        }
        break;
    case 6: order(m, l); break;
    case 7: l->machine.gpus = l->machine.has_gpus ? (unsigned)rnd(m, 9) : 0; break;
    default: l->machine.attempts++; break;
    }
}

static void start(struct model *m)
{
    fleet_start(&m->fleet);
    for (unsigned i = 0; i < m->place_count; i++) {
        struct model_place *l = &m->place[i];
        forget_failures(l);
        assert_true(!l->fleet.broken && !l->fleet.fails);
        l->fleet.on = chance(m, 90);
        l->fleet.want = wish(m);
        l->bad = chance(m, m->calm ? 1 : 10);
        l->machine.is_up = chance(m, 90);
    }
}

static void down(struct model *m)
{
    bool now = chance(m, 50);
    fleet_down(&m->fleet);
    assert_false(fleet_is_wanted(&m->fleet));
    for (unsigned i = 0; i < m->place_count; i++)
        for (struct fleet_daemon *d = m->place[i].fleet.first, *after; d; d = after) {
            after = d->after;
            m->place[i].fleet.orders -= d->is_ordered;
            d->is_ordered = false;
            look(m, of(d));
            carry_out(m, of(d), fleet_daemon_quit(d, now, m->now_ms));
        }
}

static void happen_to_all(struct model *m)
{
    if (m->fleet.going || m->fleet.resting) {
        if (chance(m, 50))
            start(m);
    } else if (chance(m, m->calm ? 1 : 4)) {
        down(m);
    } else if (chance(m, 1)) {
        fleet_rest(&m->fleet, m->now_ms);
        for (unsigned i = 0; i < m->place_count; i++)
            note_broken(m, &m->place[i]);
    }
}

static uint64_t next_ms(const struct model *m)
{
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; i < m->place_count; i++) {
        const struct model_place *l = &m->place[i];
        uint64_t at = fleet_place_next_ms(&l->fleet, &l->machine);
        next = at < next ? at : next;
        for (const struct fleet_daemon *d = l->fleet.first; d; d = d->after) {
            struct fleet_talk t = talk_of(of(d));
            at = fleet_daemon_next_ms(d, &t, m->now_ms);
            next = at < next ? at : next;
        }
    }
    return next;
}

static unsigned count_all(const struct model *m)
{
    unsigned n = 0;
    for (int i = 0; i < FLEET_STATE_COUNT; i++)
        n += fleet_count(&m->fleet, (enum fleet_state)i);
    return n;
}

/* Time passes, up to when something is due, or a little, or much. What was under way by then has come to its end. */
static void pass(struct model *m)
{
    for (unsigned i = 0; i < m->place_count; i++)
        for (struct fleet_daemon *d = m->place[i].fleet.first, *after; d; d = after) {
            after = d->after;
            look(m, of(d));
            deliver(m, of(d));
        }
    for (unsigned i = 0; i < m->place_count; i++)
        settle(m, &m->place[i]);
    uint64_t due_ms = next_ms(m), little_ms = m->now_ms + 1 + rnd(m, 3000);
    bool slept = chance(m, 2);
    m->now_ms = slept ? m->now_ms + rnd(m, 600000) : due_ms < little_ms || chance(m, 20) ? due_ms : little_ms;
    if (due_ms == UINT64_MAX && m->now_ms == due_ms)
        m->now_ms = little_ms;
    if (slept)
        m->fleet.awake_ms = m->now_ms;
    for (unsigned i = 0; i < m->place_count; i++)
        settle(m, &m->place[i]);
    fleet_check(&m->fleet);
    unsigned n = count_all(m);
    m->most_at_once = n > m->most_at_once ? n : m->most_at_once;
    m->seen += n;
    m->looks++;
}

static void random_event(struct model *m)
{
    struct model_place *l = &m->place[rnd(m, m->place_count)];
    struct model_daemon *d = any_daemon(m, l);
    uint64_t what = rnd(m, 1000);
    m->events++;
    if (what < 20) {
        pass(m);
        return;
    }
    if (what < 25)
        happen_to_all(m);
    else if (what < 60)
        happen_at(m, l);
    else if (d)
        happen(m, d);
    if (what < 25)
        for (unsigned i = 0; i < m->place_count; i++)
            settle(m, &m->place[i]);
    else
        settle(m, l);
    fleet_check(&m->fleet);
}

/* ---- runs ---- */

static struct model *model_new(uint64_t seed)
{
    struct model *m = calloc(1, sizeof *m);
    m->random = seed * 0x9e3779b97f4a7c15u + 1;
    m->now_ms = 1000000;
    store_settings_init(&m->set);
    m->set.grace_ms = 1000 + rnd(m, 120000);
    m->calm = seed % 2;
    m->set.respawn = chance(m, 90);
    m->set.walltime_ms = chance(m, 20) ? 1 + rnd(m, 20000) : 0;
    m->set.idletime_ms = chance(m, 20) ? 1 + rnd(m, 20000) : 0;
    m->set.per_gpu = chance(m, 20);
    m->fleet.set = &m->set;
    for (int i = 0; i < DAEMONS; i++) {
        m->daemon[i].next = m->free;
        m->free = &m->daemon[i];
    }
    m->place_count = 1 + (unsigned)rnd(m, seed % 4 == 0 ? 4 : PLACES);
    m->most = m->calm ? DAEMONS / m->place_count : 1 + (unsigned)rnd(m, DAEMONS / m->place_count);
    for (unsigned i = 0; i < m->place_count; i++) {
        struct model_place *l = &m->place[i];
        l->kind = (enum fleet_kind)rnd(m, 4);
        l->direct = l->kind == FLEET_QUEUED || chance(m, 20);
        l->machine.is_linked = l->kind != FLEET_CHILD;
        l->machine.has_gpus = l->kind == FLEET_REMOTE && chance(m, 50);
        fleet_place_add(&m->fleet, &l->fleet);
    }
    start(m);
    return m;
}

/* Taken down, all of it ends by the clock alone: nobody goes by himself, and nobody is waited for for ever. */
static void finish(struct model *m)
{
    down(m);
    for (int round = 0; round < 1000 && m->fleet.first; round++) {
        unsigned left = 0;
        for (unsigned i = 0; i < m->place_count; i++)
            for (struct fleet_daemon *d = m->place[i].fleet.first; d; d = d->after, left++) {
                of(d)->unread = false;
                of(d)->tasks = of(d)->setups = 0; /* tasks end */
            }
        if (!left)
            return;
        pass(m);
    }
    fail_msg("somebody stays");
}

static void test_any_seed(void **state)
{
    (void)state;
    const char *one = getenv("CLW_SEED"), *many = getenv("CLW_EVENTS");
    uint64_t resumed = 0, gave_up = 0;
    uint64_t events = (many ? strtoull(many, NULL, 10) : EVENTS) / (one ? 1 : SEEDS);
    for (uint64_t seed = one ? strtoull(one, NULL, 10) : 1; seed <= (one ? strtoull(one, NULL, 10) : SEEDS); seed++) {
        struct model *m = model_new(seed);
        while (m->events < events)
            random_event(m);
        finish(m);
        print_message("seed %llu: %u places, %llu daemons, at most %llu; %llu launches, %llu gave up, %llu resumed\n",
            (unsigned long long)seed, m->place_count, (unsigned long long)(m->seen / m->looks),
            (unsigned long long)m->most_at_once, (unsigned long long)m->launches, (unsigned long long)m->gave_up,
            (unsigned long long)m->resumed);
        resumed += m->resumed;
        gave_up += m->gave_up;
        free(m);
    }
    assert_true(one || (resumed > 20 && gave_up > 20)); /* what is to be seen was there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_seed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
