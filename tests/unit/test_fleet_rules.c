/* The rules of the fleet, one by one; test_fleet.c has them all at once. */
#include "engine/fleet/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

enum { NOW = 1000000, SECOND = 1000, MINUTE = 60 * SECOND };

/* A profile with one place that is to have two daemons. */
struct world {
    struct store_settings set;
    struct fleet fleet;
    struct fleet_place place, other;
    struct fleet_machine machine;
    struct fleet_daemon d[4];
    enum fleet_kind kind;
    uint64_t now_ms;
};

static void world_of(struct world *w, enum fleet_kind kind)
{
    memset(w, 0, sizeof *w);
    store_settings_init(&w->set);
    w->set.grace_ms = MINUTE;
    w->fleet.set = &w->set;
    w->kind = kind;
    w->now_ms = NOW;
    w->machine.is_linked = w->machine.is_up = kind != FLEET_CHILD;
    fleet_place_add(&w->fleet, &w->place);
    fleet_place_add(&w->fleet, &w->other);
    w->place.on = true;
    w->place.want = 2;
}

static struct fleet_daemon *launch(struct world *w, int i)
{
    memset(&w->d[i], 0, sizeof w->d[i]);
    fleet_daemon_add(&w->place, &w->d[i], w->kind, w->now_ms);
    return &w->d[i];
}

static struct fleet_daemon *bring_up(struct world *w, int i)
{
    struct fleet_daemon *d = launch(w, i);
    assert_int_equal(fleet_daemon_came(d, w->now_ms), 0);
    return d;
}

static enum fleet_step next(struct world *w)
{
    struct fleet_daemon *which;
    return fleet_place_next(&w->place, &w->machine, w->now_ms, &which);
}

/* A launch that fails at once, when it is due. Its pause. */
static uint64_t fail_one(struct world *w, unsigned *todo)
{
    assert_int_equal(next(w), FLEET_LAUNCH);
    struct fleet_daemon *d = launch(w, 3);
    *todo = fleet_daemon_failed(d, w->now_ms);
    fleet_daemon_remove(d);
    fleet_check(&w->fleet);
    return w->place.next_launch_ms - w->now_ms;
}

static void test_pauses_double_and_five_are_enough(void **state)
{
    (void)state;
    struct world w;
    unsigned todo;
    world_of(&w, FLEET_CHILD);
    for (uint64_t pause = 100; pause <= 800; pause *= 2) {
        assert_int_equal(fail_one(&w, &todo), pause);
        assert_int_equal(todo, FLEET_FAILED);
        w.now_ms += pause - 1;
        assert_int_equal(next(&w), FLEET_NOTHING);
        assert_int_equal(fleet_place_next_ms(&w.place, &w.machine), w.now_ms + 1);
        w.now_ms++;
    }
    fail_one(&w, &todo);
    assert_int_equal(todo, FLEET_FAILED | FLEET_GAVE_UP);
    assert_true(w.place.broken && fleet_place_is_stuck(&w.place, &w.machine));
    w.now_ms += 60 * MINUTE; /* this machine is not tried again by itself */
    assert_int_equal(next(&w), FLEET_NOTHING);
    assert_true(fleet_place_next_ms(&w.place, &w.machine) == UINT64_MAX);
    fleet_start(&w.fleet);
    assert_int_equal(next(&w), FLEET_LAUNCH);
}

static void test_one_try_after_quarantine(void **state)
{
    (void)state;
    struct world w;
    unsigned todo;
    world_of(&w, FLEET_REMOTE);
    fleet_place_break(&w.place, w.now_ms);
    w.now_ms += 5 * MINUTE - 1;
    assert_int_equal(next(&w), FLEET_NOTHING);
    w.now_ms++;
    assert_int_equal(next(&w), FLEET_LAUNCH);
    launch(&w, 0);
    assert_int_equal(next(&w), FLEET_NOTHING); /* one at a time */
    todo = fleet_daemon_ended(&w.d[0], w.now_ms);
    assert_int_equal(todo, FLEET_FORGET | FLEET_FAILED | FLEET_GAVE_UP);
    fleet_daemon_remove(&w.d[0]);
    assert_int_equal(next(&w), FLEET_NOTHING);
    w.now_ms += 5 * MINUTE;
    assert_int_equal(next(&w), FLEET_LAUNCH);
    bring_up(&w, 0);
    assert_int_equal(next(&w), FLEET_LAUNCH); /* one that came is no longer launching */
}

static void test_those_that_end_together_count_once(void **state)
{
    (void)state;
    struct world w;
    world_of(&w, FLEET_CHILD);
    for (int i = 0; i < 3; i++)
        launch(&w, i);
    w.now_ms += SECOND;
    for (int i = 0; i < 3; i++)
        assert_int_equal(fleet_daemon_ended(&w.d[i], w.now_ms + (uint64_t)i), FLEET_FORGET | FLEET_FAILED);
    assert_int_equal(w.place.fails, 1);
    assert_int_equal(w.place.next_launch_ms, w.now_ms + 100);
}

static void test_one_that_was_good_ends_the_doubling(void **state)
{
    (void)state;
    struct world w;
    world_of(&w, FLEET_CHILD);
    for (int good = 0; good < 2; good++) {
        w.place.fails = 4;
        struct fleet_daemon *d = bring_up(&w, 0);
        if (good)
            d->has_worked = true;
        else
            w.now_ms += 10 * SECOND;
        assert_false(fleet_daemon_gone(d, false, false, w.now_ms) & FLEET_GAVE_UP);
        assert_int_equal(w.place.fails, 1);
        assert_int_equal(w.place.next_launch_ms, w.now_ms + 100);
        fleet_daemon_remove(d);
        w.now_ms += SECOND;
    }
    w.set.walltime_ms = 50; /* whoever lives as long as its profile lets it was good */
    struct fleet_daemon *d = bring_up(&w, 0);
    assert_false(fleet_daemon_was_good(d, w.now_ms + 49));
    assert_true(fleet_daemon_was_good(d, w.now_ms + 50));
}

static void test_whoever_dies_with_tasks_is_no_reason_to_give_up(void **state)
{
    (void)state;
    struct world w;
    world_of(&w, FLEET_CHILD);
    uint64_t before = 0, pause = 0;
    for (int i = 0; i < 20; i++) {
        struct fleet_daemon *d = bring_up(&w, 0);
        assert_false(fleet_daemon_gone(d, true, false, w.now_ms) & FLEET_GAVE_UP);
        fleet_daemon_remove(d);
        pause = w.place.next_launch_ms - w.now_ms;
        assert_true(pause >= before);
        before = pause;
        w.now_ms += pause;
    }
    assert_int_equal(pause, 1600);
    assert_false(w.place.broken);
}

static void test_a_link_that_breaks(void **state)
{
    (void)state;
    struct world w;
    struct fleet_talk t = {0};
    world_of(&w, FLEET_REMOTE);
    struct fleet_daemon *d = bring_up(&w, 0);
    assert_int_equal(fleet_daemon_gone(d, true, true, w.now_ms), 0);
    assert_int_equal(d->state, FLEET_AWAY);
    assert_int_equal(fleet_daemon_next_ms(d, &t, w.now_ms), w.now_ms + 5 * SECOND);
    fleet_place_way_lost(&w.place, w.now_ms); /* the host's link broke as well */
    assert_int_equal(d->away_until_ms, w.now_ms + MINUTE);
    w.now_ms += MINUTE - 1;
    assert_int_equal(fleet_daemon_tick(d, &t, w.now_ms), 0);
    assert_int_equal(next(&w), FLEET_LAUNCH); /* the other one; nothing in the place of who is away: */
    assert_int_equal(fleet_place_active(&w.place), 1);
    assert_true(fleet_daemon_may_come(d));
    assert_int_equal(fleet_daemon_came(d, w.now_ms), 0);
    assert_int_equal(d->state, FLEET_UP);
    fleet_daemon_gone(d, true, false, w.now_ms);
    fleet_place_way_back(&w.place, true, w.now_ms);
    assert_int_equal(d->away_until_ms, w.now_ms + 5 * SECOND);
    w.now_ms += 5 * SECOND;
    assert_int_equal(fleet_daemon_tick(d, &t, w.now_ms), FLEET_SAY_LOST | FLEET_FAILED | FLEET_FORGET);
    struct fleet_daemon *second = bring_up(&w, 1);
    fleet_daemon_gone(second, false, false, w.now_ms);
    fleet_place_way_back(&w.place, false, w.now_ms); /* it knows another way, which leads nowhere */
    assert_true(fleet_daemon_tick(second, &t, w.now_ms) & FLEET_FORGET);
}

/* Over TLS the end of a connection may not be told. */
static void test_a_process_that_ended_has_no_connection(void **state)
{
    (void)state;
    struct world w;
    struct fleet_talk t = {.heard_ms = NOW};
    for (int kind = FLEET_CHILD; kind <= FLEET_REMOTE; kind++) {
        world_of(&w, (enum fleet_kind)kind);
        struct fleet_daemon *d = bring_up(&w, 0);
        assert_int_equal(fleet_daemon_ended(d, NOW), 0);
        assert_int_equal(fleet_daemon_tick(d, &t, NOW + 1999), 0); /* what it said before is read */
        assert_int_equal(fleet_daemon_tick(d, &t, NOW + 2000), FLEET_CLOSE);
        assert_int_equal(fleet_daemon_gone(d, false, false, NOW + 2000), FLEET_FAILED | FLEET_FORGET);
    }
}

static void test_who_is_lost_is_not_let_in_again(void **state)
{
    (void)state;
    struct world w;
    world_of(&w, FLEET_CHILD);
    struct fleet_daemon *d = bring_up(&w, 0);
    assert_int_equal(fleet_daemon_gone(d, false, false, w.now_ms), FLEET_FAILED);
    assert_int_equal(d->state, FLEET_LOST);
    assert_false(fleet_daemon_may_come(d));
    assert_int_equal(fleet_daemon_tick(d, NULL, w.now_ms + 2 * SECOND), FLEET_KILL);
    assert_int_equal(fleet_daemon_ended(d, w.now_ms + 2 * SECOND), FLEET_FORGET);
    fleet_check(&w.fleet);
}

static void test_overdue(void **state)
{
    (void)state;
    struct world w;
    world_of(&w, FLEET_QUEUED);
    struct fleet_daemon *d = bring_up(&w, 0);
    struct fleet_talk t = {.has_tasks = true, .is_remote = true, .task_since_ms = NOW, .task_limit_ms = SECOND};
    t.heard_ms = w.now_ms = NOW + SECOND + 15 * SECOND - 1;
    assert_int_equal(fleet_daemon_tick(d, &t, w.now_ms), 0);
    assert_int_equal(fleet_daemon_next_ms(d, &t, w.now_ms), w.now_ms + 1);
    w.fleet.awake_ms = NOW + 10 * SECOND; /* nobody was there to hear the answer */
    assert_int_equal(fleet_daemon_tick(d, &t, w.now_ms + 1), 0);
    w.fleet.awake_ms = 0;
    t.is_unread = true;
    assert_int_equal(fleet_daemon_tick(d, &t, w.now_ms + 1) & ~(unsigned)FLEET_PING, 0);
    t.is_unread = false;
    assert_int_equal(fleet_daemon_tick(d, &t, w.now_ms + 1), FLEET_END_OVERDUE);
    fleet_daemon_gone(d, false, false, w.now_ms + 1);
    assert_int_equal(d->state, FLEET_LOST);
    assert_false(fleet_daemon_may_come(d));
}

static void test_quit(void **state)
{
    (void)state;
    struct world w;
    struct fleet_talk t = {.has_tasks = true, .heard_ms = NOW};
    world_of(&w, FLEET_CHILD);
    struct fleet_daemon *d = bring_up(&w, 0), *comes = launch(&w, 1);
    assert_int_equal(fleet_daemon_quit(d, false, w.now_ms), FLEET_DRAIN | FLEET_TELL);
    assert_int_equal(fleet_daemon_quit(d, false, w.now_ms), FLEET_DRAIN); /* said once */
    assert_int_equal(fleet_daemon_tick(d, &t, w.now_ms + 3 * SECOND), 0); /* its tasks have their time */
    assert_int_equal(fleet_daemon_quit(d, true, w.now_ms), FLEET_DRAIN | FLEET_TELL_NOW);
    assert_int_equal(fleet_daemon_tick(d, &t, w.now_ms + 2 * SECOND), FLEET_KILL);
    assert_int_equal(fleet_daemon_quit(comes, false, w.now_ms), FLEET_STOP);
    assert_int_equal(fleet_daemon_tick(comes, NULL, w.now_ms + 2 * SECOND - 1), 0);
    assert_int_equal(fleet_daemon_tick(comes, NULL, w.now_ms + 2 * SECOND), FLEET_KILL);
    fleet_check(&w.fleet);
    world_of(&w, FLEET_FOREIGN);
    d = bring_up(&w, 0);
    assert_int_equal(fleet_daemon_quit(d, false, w.now_ms), FLEET_STOP);
    assert_int_equal(fleet_daemon_tick(d, NULL, w.now_ms + 5 * SECOND - 1), 0);
    assert_int_equal(fleet_daemon_tick(d, NULL, w.now_ms + 5 * SECOND), FLEET_KILL | FLEET_FORGET);
}

static void test_one_that_comes_too_late_is_told_to_go(void **state)
{
    (void)state;
    struct world w;
    world_of(&w, FLEET_REMOTE);
    struct fleet_daemon *d = launch(&w, 0);
    fleet_daemon_quit(d, false, w.now_ms);
    assert_int_equal(fleet_daemon_came(d, w.now_ms), FLEET_DRAIN | FLEET_TELL);
    assert_int_equal(d->state, FLEET_LEAVING);
    fleet_check(&w.fleet);
}

static void test_who_does_not_go_when_told_to(void **state)
{
    (void)state;
    struct world w;
    struct fleet_talk t = {.heard_ms = NOW};
    world_of(&w, FLEET_CHILD);
    struct fleet_daemon *d = bring_up(&w, 0);
    fleet_daemon_quit(d, false, w.now_ms);
    assert_int_equal(fleet_daemon_tick(d, &t, w.now_ms), 0);
    t.has_tasks = true; /* it was still at it */
    assert_int_equal(fleet_daemon_tick(d, &t, w.now_ms + 4 * SECOND), 0);
    t.has_tasks = false;
    assert_int_equal(fleet_daemon_tick(d, &t, w.now_ms + 5 * SECOND), 0);
    assert_int_equal(fleet_daemon_next_ms(d, &t, w.now_ms + 5 * SECOND), w.now_ms + 10 * SECOND);
    assert_int_equal(fleet_daemon_tick(d, &t, w.now_ms + 10 * SECOND), FLEET_END_IDLE);
    assert_int_equal(fleet_daemon_tick(d, &t, w.now_ms + 10 * SECOND + 1), 0); /* said once */
}

static void test_silence(void **state)
{
    (void)state;
    struct world w;
    struct fleet_talk t = {.is_remote = true, .heard_ms = NOW};
    world_of(&w, FLEET_REMOTE);
    struct fleet_daemon *d = bring_up(&w, 0);
    assert_int_equal(fleet_daemon_tick(d, &t, NOW + 5000), 0);
    assert_int_equal(fleet_daemon_tick(d, &t, NOW + 5001), FLEET_PING);
    assert_int_equal(fleet_daemon_tick(d, &t, NOW + 10001), 0);
    assert_int_equal(fleet_daemon_tick(d, &t, NOW + 10002), FLEET_PING);
    assert_int_equal(fleet_daemon_tick(d, &t, NOW + 15001), 0);
    w.fleet.awake_ms = NOW + 5002; /* we did not run: it may have answered */
    assert_int_equal(fleet_daemon_tick(d, &t, NOW + 15002), 0);
    w.fleet.awake_ms = 0;
    assert_int_equal(fleet_daemon_tick(d, &t, NOW + 15002), FLEET_SILENT);
    t.is_cut_off = true; /* its host answers nobody: that is not its fault, for as long as it takes */
    assert_int_equal(fleet_daemon_tick(d, &t, NOW + 15002), 0);
    assert_int_equal(fleet_daemon_tick(d, &t, NOW + 55000), 0);
    t.is_cut_off = false;
    assert_int_equal(fleet_daemon_tick(d, &t, NOW + 55001), FLEET_PING);
    assert_int_equal(fleet_daemon_tick(d, &t, NOW + 65002), FLEET_SILENT);
    t.heard_ms = NOW + 65002;
    assert_int_equal(fleet_daemon_tick(d, &t, NOW + 65003), 0);
    t.is_remote = false; /* on this machine only one that has tasks is asked, and it has longer */
    assert_int_equal(fleet_daemon_tick(d, &t, NOW + 110000), 0);
    t.has_tasks = true;
    assert_int_equal(fleet_daemon_tick(d, &t, NOW + 110001), FLEET_PING);
    assert_int_equal(fleet_daemon_tick(d, &t, NOW + 140001), FLEET_PING);
    assert_int_equal(fleet_daemon_tick(d, &t, NOW + 140002), FLEET_SILENT);
}

/* Said once: a process that was killed and is not reaped yet is waited for, and makes nobody look again and again. */
static void test_late(void **state)
{
    (void)state;
    struct world w;
    world_of(&w, FLEET_CHILD);
    struct fleet_daemon *d = launch(&w, 0);
    assert_int_equal(fleet_daemon_tick(d, NULL, NOW + 20000), 0);
    assert_int_equal(fleet_daemon_next_ms(d, NULL, NOW + 20000), NOW + 20001);
    assert_int_equal(fleet_daemon_tick(d, NULL, NOW + 20001), FLEET_SAY_LATE | FLEET_KILL);
    assert_int_equal(fleet_daemon_tick(d, NULL, NOW + 20002), 0);
    assert_true(fleet_daemon_next_ms(d, NULL, NOW + 20002) == UINT64_MAX);
    w.kind = FLEET_REMOTE;
    d = launch(&w, 1);
    assert_int_equal(fleet_daemon_tick(d, NULL, NOW + 20001),
        FLEET_SAY_LATE | FLEET_KILL | FLEET_SAY_LOST | FLEET_FAILED | FLEET_FORGET);
}

static void test_a_scheduler_s_daemon(void **state)
{
    (void)state;
    struct world w;
    world_of(&w, FLEET_QUEUED);
    struct fleet_daemon *d = launch(&w, 0), *other = launch(&w, 1);
    assert_int_equal(fleet_daemon_tick(d, NULL, NOW + 60 * MINUTE), 0); /* it waits as long as it likes */
    fleet_daemon_runs(d, NOW + 60 * MINUTE);
    assert_int_equal(fleet_daemon_next_ms(d, NULL, NOW + 60 * MINUTE), NOW + 60 * MINUTE + 20001);
    fleet_daemon_came(d, NOW + 60 * MINUTE);
    assert_int_equal(fleet_daemon_gone(d, false, false, NOW + 60 * MINUTE), 0);
    fleet_daemon_came(d, NOW + 60 * MINUTE + 1);
    assert_int_equal(d->kill_at_ms, 0); /* who came home is not ended for having been away */
    assert_int_equal(fleet_daemon_listed(other, false, true, NOW), 0);
    assert_int_equal(fleet_daemon_listed(other, true, true, NOW), 0);
    assert_int_equal(fleet_daemon_listed(other, false, true, NOW), 0);
    assert_int_equal(fleet_daemon_listed(other, false, false, NOW), 0);
    assert_int_equal(fleet_daemon_listed(other, false, true, NOW), FLEET_FORGET | FLEET_FAILED);
    fleet_daemon_listed(d, false, true, NOW);
    assert_int_equal(fleet_daemon_listed(d, false, true, NOW), FLEET_CLOSE);
}

static void test_who_goes_first(void **state)
{
    (void)state;
    struct world w;
    struct fleet_daemon *which;
    world_of(&w, FLEET_REMOTE);
    w.place.want = 4;
    for (int i = 0; i < 3; i++)
        bring_up(&w, i);
    launch(&w, 3);
    w.d[1].is_idle = true;
    static const int order[] = {3, 1, 2, 0}; /* who is not here yet, who is idle, who came last */
    for (int i = 0; i < 4; i++) {
        w.place.want = 3 - (unsigned)i;
        assert_int_equal(fleet_place_next(&w.place, &w.machine, w.now_ms, &which), FLEET_DISMISS);
        assert_ptr_equal(which, &w.d[order[i]]);
        fleet_daemon_quit(which, false, w.now_ms);
        assert_int_equal(next(&w), FLEET_NOTHING);
    }
    bring_up(&w, 0)->is_ordered = true;
    assert_int_equal(next(&w), FLEET_NOTHING); /* it goes when whoever ordered it says so */
}

static void test_gpus(void **state)
{
    (void)state;
    struct world w;
    world_of(&w, FLEET_REMOTE);
    w.set.per_gpu = true;
    w.place.want = 0;
    assert_int_equal(fleet_place_want(&w.place, &w.machine), 0); /* they are not known yet */
    w.machine.has_gpus = true;
    w.machine.gpus = 2;
    assert_int_equal(fleet_place_want(&w.place, &w.machine), 2);
    static const int indices[] = {4, 7};
    for (int i = 0; i < 4; i++)
        launch(&w, i)->gpu = fleet_place_gpu(&w.place, indices, 2);
    assert_true(w.d[0].gpu == 4 && w.d[1].gpu == 7 && w.d[2].gpu == 4 && w.d[3].gpu == 7);
    world_of(&w, FLEET_REMOTE);
    w.set.per_gpu = true;
    w.machine.has_gpus = true;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(next(&w), i ? FLEET_NOTHING : FLEET_WITHOUT_GPU);
        assert_int_equal(fleet_place_next_ms(&w.place, &w.machine), w.now_ms + 5 * MINUTE);
        w.now_ms += 5 * MINUTE;
    }
}

static void test_shortage(void **state)
{
    (void)state;
    struct world w;
    bool is_news;
    world_of(&w, FLEET_CHILD);
    assert_true(fleet_place_short(&w.place, w.now_ms, &is_news) && is_news);
    w.now_ms += 299;
    assert_int_equal(next(&w), FLEET_NOTHING);
    w.now_ms++;
    assert_int_equal(next(&w), FLEET_LAUNCH);
    w.now_ms = NOW + 20 * SECOND - 1;
    assert_true(fleet_place_short(&w.place, w.now_ms, &is_news) && !is_news);
    assert_false(fleet_place_short(&w.place, w.now_ms + 1, &is_news));
    fleet_place_not_short(&w.place);
    assert_true(fleet_place_short(&w.place, w.now_ms, &is_news) && is_news);
}

static void test_suspicion(void **state)
{
    (void)state;
    struct world w;
    double share, others;
    world_of(&w, FLEET_REMOTE);
    assert_int_equal(fleet_place_worked(&w.place, 30, 30, &share, &others), FLEET_AS_BEFORE); /* than whom? */
    assert_int_equal(fleet_place_worked(&w.other, 90, 0, &share, &others), FLEET_AS_BEFORE);
    assert_int_equal(fleet_place_worked(&w.place, 1, 1, &share, &others), FLEET_SUSPECT);
    assert_true(share > 0.99 && others < 0.01);
    enum fleet_verdict v = FLEET_AS_BEFORE;
    for (int i = 0; i < 40 && v == FLEET_AS_BEFORE; i++)
        v = fleet_place_worked(&w.place, 20, 0, &share, &others);
    assert_int_equal(v, FLEET_CLEARED);
    assert_false(w.place.suspect);
}

static void test_up_down_rest(void **state)
{
    (void)state;
    struct world w;
    world_of(&w, FLEET_REMOTE);
    w.machine.is_up = false;
    assert_int_equal(next(&w), FLEET_NOTHING);
    w.machine.is_up = true;
    fleet_rest(&w.fleet, w.now_ms);
    w.now_ms += 60 * MINUTE;
    assert_int_equal(next(&w), FLEET_NOTHING);
    fleet_start(&w.fleet);
    assert_int_equal(next(&w), FLEET_LAUNCH);
    assert_true(fleet_is_wanted(&w.fleet));
    fleet_down(&w.fleet);
    assert_false(fleet_is_wanted(&w.fleet));
    assert_int_equal(next(&w), FLEET_NOTHING);
}

static void test_who_is_not_replaced(void **state)
{
    (void)state;
    struct world w;
    world_of(&w, FLEET_REMOTE);
    struct fleet_daemon *d = bring_up(&w, 0);
    assert_int_equal(fleet_daemon_leaves(d, true), FLEET_DRAIN | FLEET_TELL | FLEET_SAVE); /* for want of tasks */
    assert_int_equal(w.place.want, 1);
    w.set.respawn = false;
    fleet_daemon_failed(launch(&w, 1), w.now_ms);
    assert_true(!w.place.want && !w.place.on);
    world_of(&w, FLEET_FOREIGN);
    assert_int_equal(fleet_daemon_finished(bring_up(&w, 0), true, true, w.now_ms), FLEET_FORGET | FLEET_SAVE);
    assert_int_equal(w.place.want, 1);
    d = bring_up(&w, 1);
    d->is_ordered = true;
    assert_int_equal(fleet_daemon_finished(d, true, false, w.now_ms), FLEET_FORGET | FLEET_UNORDER);
    d = bring_up(&w, 2);
    assert_int_equal(fleet_daemon_finished(d, true, false, w.now_ms), FLEET_FORGET | FLEET_FAILED); /* at once */
    d = bring_up(&w, 3);
    d->has_worked = true;
    assert_int_equal(fleet_daemon_finished(d, true, false, w.now_ms), FLEET_FORGET);
}

static void test_a_failed_setup(void **state)
{
    (void)state;
    struct world w;
    world_of(&w, FLEET_REMOTE);
    assert_int_equal(fleet_daemon_setup_failed(bring_up(&w, 0), w.now_ms), FLEET_DRAIN | FLEET_TELL);
    assert_int_equal(next(&w), FLEET_NOTHING);
    w.now_ms += 5 * MINUTE;
    assert_int_equal(next(&w), FLEET_LAUNCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pauses_double_and_five_are_enough),
        cmocka_unit_test(test_one_try_after_quarantine), cmocka_unit_test(test_those_that_end_together_count_once),
        cmocka_unit_test(test_one_that_was_good_ends_the_doubling),
        cmocka_unit_test(test_whoever_dies_with_tasks_is_no_reason_to_give_up),
        cmocka_unit_test(test_a_link_that_breaks), cmocka_unit_test(test_who_is_lost_is_not_let_in_again),
        cmocka_unit_test(test_a_process_that_ended_has_no_connection), cmocka_unit_test(test_overdue),
        cmocka_unit_test(test_quit), cmocka_unit_test(test_one_that_comes_too_late_is_told_to_go),
        cmocka_unit_test(test_who_does_not_go_when_told_to), cmocka_unit_test(test_silence),
        cmocka_unit_test(test_late), cmocka_unit_test(test_a_scheduler_s_daemon), cmocka_unit_test(test_who_goes_first),
        cmocka_unit_test(test_gpus), cmocka_unit_test(test_shortage), cmocka_unit_test(test_suspicion),
        cmocka_unit_test(test_up_down_rest), cmocka_unit_test(test_who_is_not_replaced),
        cmocka_unit_test(test_a_failed_setup)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
