/* The rules of the dispatcher, one by one. */
#include "tests/unit/disp_lab.h"

/* A task that kills every daemon fails alone; its neighbours in the batch live. */
static void test_poison(void **state)
{
    (void)state;
    struct model *m = small(3);
    struct model_job *j = open_job(m, 2, 0, false);
    put(m, j, 1, 10, 0);
    for (unsigned i = 0; i < 3; i++)
        while (answer(m, i, 100, false))
            ;
    for (int k = 0; k < 20; k++)
        put(m, j, 50, 10, 0);
    j->poison[500] = 1;
    finish(m);
    struct disp_stats s;
    disp_stats(m->d, &s);
    assert_int_equal(s.failed, 1);
    assert_int_equal(s.completed, 1000);
    small_free(m);
}

/* Two long jobs get the same time, whatever their tasks take; a late one does not starve. */
static void test_fair(void **state)
{
    (void)state;
    struct model *m = small(4);
    struct model_job *a = open_job(m, 2, 0, false), *b = open_job(m, 2, 0, false);
    double used[2] = {0};
    struct disp_verdict v;
    for (int round = 0; round < 4000; round++) {
        while (put(m, a, 20, 10, 0))
            if (a->next >= TASKS_MAX - 20)
                break;
        put(m, b, 20, 10, 0);
        unsigned i = (unsigned)round % 4;
        struct model_daemon *w = m->daemon[i];
        if (!w->count)
            continue;
        struct model_batch q = w->queue[w->head++ % 8192];
        w->count--;
        double each = q.job == a ? 1000 : 250;
        m->now_us += 100;
        for (uint64_t t = q.first; t < q.first + q.n; t++)
            q.job->given[t]--;
        disp_daemon_answer(
            m->d, w->daemon, q.job->number, q.first, q.n, WIRE_DONE, (uint64_t)each * q.n, m->now_us, &v, NULL);
        for (uint64_t t = q.first; t < q.first + q.n; t++)
            task_ended(q.job, t);
        drain(m);
        if (a->next - 100 > 0 && used[0] + used[1] < 1500000)
            used[q.job == b] += each * q.n;
    }
    assert_true(used[0] > 0 && used[1] > 0);
    assert_true(used[0] / used[1] > 0.8 && used[0] / used[1] < 1.25);
    small_free(m);
}

static void test_pins(void **state)
{
    (void)state;
    struct model *m = small(3);
    struct model_job *j = open_job(m, 2, 0, true);
    struct disp_daemon *list[3];
    for (int i = 0; i < 3; i++)
        list[i] = m->daemon[i]->daemon;
    memset(j->put, 1, 3);
    j->next = j->total = 3;
    disp_job_pin(m->d, j->job, list, 3, 0);
    drain(m);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(m->daemon[i]->count, 1);
        assert_int_equal(m->daemon[i]->queue[0].first, i);
    }
    /* One pauses and gives its own back: nobody else gets it, and it is the first that it gets again. */
    pause_or_go_on(m, 2, true);
    give_back(m, 2);
    assert_true(m->daemon[0]->count == 1 && m->daemon[1]->count == 1 && m->daemon[2]->count == 0);
    pause_or_go_on(m, 2, false);
    assert_int_equal(m->daemon[2]->count, 1);
    assert_int_equal(m->daemon[2]->queue[m->daemon[2]->head % 8192].first, 2);
    j->lost_under[1] = 9;
    lose(m, 1); /* its pin is lost with it, not given to another */
    assert_int_equal(j->ended[1], 1);
    finish(m);
    small_free(m);
}

/* What is not an answer to what was given is refused. */
static void test_wrong_answers(void **state)
{
    (void)state;
    struct model *m = small(1);
    struct model_job *j = open_job(m, 2, 0, false);
    struct disp_verdict v;
    struct clw_error err;
    struct disp_daemon *w = m->daemon[0]->daemon;
    assert_int_equal(disp_daemon_answer(m->d, w, j->number, 0, 1, WIRE_DONE, 1, 1, &v, &err), CLW_PROTOCOL);
    put(m, j, 10, 5, 0);
    uint32_t n = m->daemon[0]->queue[0].n;
    assert_int_equal(disp_daemon_answer(m->d, w, j->number, 1, 1, WIRE_DONE, 1, 1, &v, &err), CLW_PROTOCOL);
    assert_int_equal(disp_daemon_answer(m->d, w, j->number, 0, n + 1, WIRE_DONE, 1, 1, &v, &err), CLW_PROTOCOL);
    assert_int_equal(disp_daemon_answer(m->d, w, j->number, 0, 0, WIRE_DONE, 1, 1, &v, &err), CLW_PROTOCOL);
    assert_int_equal(disp_daemon_answer(m->d, w, j->number + 1, 0, 1, WIRE_DONE, 1, 1, &v, &err), CLW_PROTOCOL);
    struct blk *b = blk_new(8);
    memset(b->data, 0, 8);
    struct frame back = {.type = WIRE_TASKS, .n = 1, .first = 3, .len = 4, .body = b->data};
    assert_int_equal(disp_job_tasks(m->d, j->job, &back, b, 1, &err), CLW_PROTOCOL);
    blk_rele(b);
    uint32_t much = (uint32_t)j->grant + 1; /* beyond what it was granted */
    b = blk_new(much);
    memset(b->data, 0, much);
    le_put_u32(b->data, much - 4);
    back = (struct frame){.type = WIRE_TASKS, .n = 1, .first = 10, .len = much, .body = b->data};
    assert_int_equal(disp_job_tasks(m->d, j->job, &back, b, 1, &err), CLW_PROTOCOL);
    blk_rele(b);
    finish(m);
    small_free(m);
}

static void answer_all(struct model *m, unsigned i)
{
    while (m->daemon[i]->count)
        answer(m, i, 100, false);
}

/* Two daemons that know how long a task takes, and the last task of the job with one of them. */
static struct model_job *open_straggling(struct model *m, unsigned *slow, unsigned *quick)
{
    struct model_job *j =
        open_job_with(m, (struct disp_job_options){.retries = 2, .sequential = true, .speculate = true});
    put(m, j, 2, 10, 0);
    answer_all(m, 0);
    answer_all(m, 1);
    put(m, j, 1, 10, 0);
    j->input_ended = true;
    disp_job_end(m->d, j->job);
    drain(m);
    *slow = m->daemon[0]->count ? 0 : 1;
    *quick = !*slow;
    return j;
}

/* Tasks of 1 ms, then one that does not end: the idle daemon gets it too, and its result is the one that counts. */
static void test_straggler(void **state)
{
    (void)state;
    struct model *m = small(2);
    struct disp_stats s;
    unsigned slow, quick;
    struct model_job *j = open_straggling(m, &slow, &quick);
    assert_int_equal(m->daemon[slow]->count, 1);
    assert_int_equal(m->daemon[quick]->count, 0);
    uint64_t due = disp_next_us(m->d);
    assert_true(due > m->now_us && due < m->now_us + 1000000);
    tick(m);
    assert_int_equal(m->daemon[quick]->count, 0); /* too early */
    m->now_us = due;
    tick(m);
    assert_int_equal(m->daemon[quick]->count, 1);
    disp_stats(m->d, &s);
    assert_int_equal(s.speculated, 1);
    assert_true(disp_next_us(m->d) == UINT64_MAX); /* one copy is all */
    answer(m, quick, 1, false);
    assert_int_equal(j->ended[2], 1);
    assert_false(j->done); /* the slow one is to stop first */
    answer(m, slow, 1, false);
    answer_all(m, quick); /* CLOSE */
    answer_all(m, slow);
    assert_true(j->done);
    small_free(m);
}

/* The daemon with the copy dies, or its machine fails the task: the other one's result counts. */
static void test_straggler_lost(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        struct model *m = small(2);
        struct disp_verdict v;
        unsigned slow, quick;
        struct model_job *j = open_straggling(m, &slow, &quick);
        m->now_us += 2000000;
        tick(m);
        assert_int_equal(m->daemon[quick]->count, 1);
        if (how == 0) {
            lose(m, quick);
        } else {
            m->daemon[quick]->count--;
            m->daemon[quick]->head++;
            j->given[2]--;
            assert_int_equal(disp_daemon_answer(
                                 m->d, m->daemon[quick]->daemon, j->number, 2, 1, WIRE_FAILED, 5, m->now_us, &v, NULL),
                CLW_OK);
            assert_false(v.deliver);
            drain(m);
        }
        assert_int_equal(j->ended[2], 0);
        answer(m, slow, 1, false);
        assert_int_equal(j->ended[2], 1);
        finish(m);
        assert_true(j->done);
        small_free(m);
    }
}

/* What was lost on one machine goes to the other, though that one is busy; but not for ever. */
static void test_elsewhere(void **state)
{
    (void)state;
    struct model *m = small(2); /* daemons 0 and 1 are on two machines; so is 3, on that of 0 */
    struct model_job *j = open_job(m, 2, 0, true);
    put(m, j, 2, 10, 0);
    assert_int_equal(m->daemon[0]->count + m->daemon[1]->count, 2);
    unsigned lost = m->daemon[0]->queue[0].first == 0 ? 0 : 1, other = !lost;
    lose(m, lost);
    join(m, lost + 3, 0); /* on the same machine */
    assert_int_equal(m->daemon[lost + 3]->count, 0);
    uint64_t due = disp_next_us(m->d);
    assert_true(due != UINT64_MAX && due > m->now_us);
    answer(m, other, 1, false);
    assert_int_equal(m->daemon[other]->count, 1); /* there it is */
    lose(m, other);
    join(m, other, 0);
    assert_int_equal(m->daemon[lost + 3]->count, 1); /* and back, for the other one failed it too */
    finish(m);
    small_free(m);
    m = small(2);
    j = open_job(m, 2, 0, true);
    put(m, j, 2, 10, 0);
    lose(m, 0);
    join(m, 0, 0);
    assert_int_equal(m->daemon[0]->count, 0);
    m->now_us += 10000000; /* the other one had no time */
    tick(m);
    assert_int_equal(m->daemon[0]->count, 1);
    finish(m);
    small_free(m);
}

/* What failed on a machine stays away from it for as long as there is another; and what is behind it is not held up. */
static void test_failed_elsewhere(void **state)
{
    (void)state;
    struct model *m = small(2);
    struct model_job *j = open_job(m, 2, 3, true);
    struct disp_verdict v;
    struct model_batch q;
    put(m, j, 2, 10, 0);
    unsigned bad = m->daemon[0]->queue[0].first == 0 ? 0 : 1, good = !bad;
    q = m->daemon[bad]->queue[m->daemon[bad]->head++];
    m->daemon[bad]->count--;
    j->given[q.first]--;
    assert_int_equal(
        disp_daemon_answer(m->d, m->daemon[bad]->daemon, j->number, q.first, 1, WIRE_FAILED, 10, ++m->now_us, &v, NULL),
        CLW_OK);
    drain(m);
    assert_int_equal(m->daemon[bad]->count, 0);
    m->now_us += 3600000000u; /* the other one has no time for an hour */
    tick(m);
    assert_int_equal(m->daemon[bad]->count, 0);
    put(m, j, 1, 10, 0); /* another task of the job */
    assert_int_equal(m->daemon[bad]->count, 1);
    answer(m, good, 1, false);
    assert_int_equal(m->daemon[good]->queue[m->daemon[good]->head].first, 0); /* there it is */
    lose(m, good);
    answer(m, bad, 1, false);
    assert_int_equal(m->daemon[bad]->count, 1); /* there is no other any more */
    finish(m);
    small_free(m);
}

static void answer_as(struct model *m, struct model_job *j, unsigned i, enum wire_outcome outcome)
{
    struct disp_verdict v;
    struct model_daemon *w = m->daemon[i];
    struct model_batch *q = &w->queue[w->head % 8192];
    uint64_t first = q->first++;
    if (--q->n == 0) {
        w->head++;
        w->count--;
    }
    j->given[first]--;
    assert_int_equal(
        disp_daemon_answer(m->d, w->daemon, j->number, first, 1, outcome, 10, ++m->now_us, &v, NULL), CLW_OK);
    task_ended(j, first);
    drain(m);
}

static unsigned tasks_of(const struct model *m, unsigned i)
{
    return disp_daemon_in_flight(m->daemon[i]->daemon);
}

/* A suspect machine gets one task at a time, later and later, until one succeeds; alone it gets all. */
static void test_suspect(void **state)
{
    (void)state;
    struct model *m = small(2);
    join(m, 3, 0); /* on the machine of 0 */
    struct model_job *j = open_job(m, 2, 0, true);
    disp_place_suspect(m->d, 0, true, m->now_us);
    put(m, j, 40, 10, 0);
    assert_int_equal(m->daemon[0]->count + m->daemon[3]->count, 1);
    unsigned which = m->daemon[0]->count ? 0 : 3;
    for (unsigned pause_s = 1; pause_s <= 4; pause_s *= 2) {
        answer_as(m, j, which, WIRE_FAILED);
        assert_int_equal(m->daemon[0]->count + m->daemon[3]->count, 0);
        assert_true(disp_next_us(m->d) <= m->now_us + pause_s * 1000000u);
        m->now_us += pause_s * 1000000u - 2;
        tick(m);
        assert_int_equal(m->daemon[0]->count + m->daemon[3]->count, 0);
        m->now_us += 2;
        tick(m);
        assert_int_equal(m->daemon[0]->count + m->daemon[3]->count, 1);
        which = m->daemon[0]->count ? 0 : 3;
    }
    answer_as(m, j, which, WIRE_DONE);
    assert_true(m->daemon[0]->count && m->daemon[3]->count);
    unsigned had = tasks_of(m, 0) + tasks_of(m, 3);
    answer_as(m, j, 0, WIRE_FAILED); /* on trial again */
    assert_int_equal(tasks_of(m, 0) + tasks_of(m, 3), had - 1);
    lose(m, 1); /* now it is alone */
    m->now_us += 10000000;
    tick(m);
    assert_true(m->daemon[0]->count && m->daemon[3]->count);
    finish(m);
    small_free(m);
}

/* A trial whose time comes while nobody looks is had with whatever happens next; so is everything when no other machine
 * is left. */
static void test_suspect_without_ticks(void **state)
{
    (void)state;
    struct model *m = small(2);
    struct model_job *j = open_job(m, 2, 0, true);
    disp_place_suspect(m->d, 0, true, m->now_us);
    put(m, j, 4, 10, 0);
    answer_as(m, j, 0, WIRE_FAILED);
    while (m->daemon[1]->count)
        answer(m, 1, 1, false);
    m->now_us += 60000000;
    put(m, j, 40, 10, 0);
    assert_int_equal(tasks_of(m, 0), 1);
    answer_as(m, j, 0, WIRE_FAILED);
    assert_int_equal(tasks_of(m, 0), 0);
    lose(m, 1);
    assert_true(tasks_of(m, 0) > 0);
    finish(m);
    small_free(m);
}

static void cancel_all(struct model *m, struct model_job *j)
{
    j->cancelled = true;
    disp_job_cancel(m->d, j->job, 0, 0, m->now_us);
    drain(m);
}

/* Of what a daemon has, one job's may be cancelled, and another's is wanted still. */
static void test_unwanted(void **state)
{
    (void)state;
    struct model *m = small(1);
    struct model_job *j[2] = {open_job(m, 0, 0, false), open_job(m, 0, 0, false)};
    struct disp_daemon *d = m->daemon[0]->daemon;
    assert_false(disp_daemon_is_unwanted(d)); /* it has nothing */
    for (int i = 0; i < 2; i++) {             /* both are known to be short, so one may wait behind the other */
        put(m, j[i], 1, 10, 0);
        answer(m, 0, 1, false);
    }
    put(m, j[0], 1, 10, 0);
    put(m, j[1], 1, 10, 0);
    assert_int_equal(m->daemon[0]->count, 2);
    cancel_all(m, j[1]);
    assert_false(disp_daemon_is_unwanted(d));
    cancel_all(m, j[0]);
    assert_true(disp_daemon_is_unwanted(d));
    finish(m);
    small_free(m);
}

/* At its deadline a job ends: what waits, and what runs once it was stopped. */
static void test_deadline(void **state)
{
    (void)state;
    struct model *m = small(1);
    struct disp_verdict v;
    struct disp_stats s;
    struct model_job *j =
        open_job_with(m, (struct disp_job_options){.sequential = true, .retry_failed = 3, .deadline_us = 500});
    put(m, j, 5, 10, 0);
    assert_true(disp_next_us(m->d) == 500);
    m->now_us = 500;
    tick(m);
    uint64_t running = m->daemon[0]->queue[m->daemon[0]->head].first;
    assert_int_equal(j->ended[4], 1);
    assert_int_equal(j->ended[running], 0);
    m->daemon[0]->count--;
    m->daemon[0]->head++;
    j->given[running]--;
    assert_int_equal(
        disp_daemon_answer(m->d, m->daemon[0]->daemon, j->number, running, 1, WIRE_CANCELLED, 5, m->now_us, &v, NULL),
        CLW_OK);
    assert_true(v.deliver && v.late);
    task_ended(j, running);
    drain(m);
    disp_stats(m->d, &s);
    assert_int_equal(s.failed, 5);
    assert_int_equal(s.cancelled, 0);
    assert_true(disp_next_us(m->d) == UINT64_MAX);
    finish(m);
    small_free(m);
}

/* ---- who is woken ---- */

enum { CROWD = 200, CROWD_CHUNK = 1000 };

struct crowd {
    struct disp *d;
    struct disp_job *j;
    uint64_t now, put;
    unsigned used; /* daemons that ever got a task of the job */
    struct crowd_daemon {
        struct disp_daemon *m;
        uint64_t first[64];
        uint32_t n[64];
        unsigned head, count;
        bool used;
    } w[CROWD];
};

static void crowd_drain(struct crowd *c)
{
    size_t count;
    const struct disp_action *a = disp_actions(c->d, &count);
    for (size_t i = 0; i < count; i++) {
        struct crowd_daemon *w = a[i].type == DISP_SEND ? disp_daemon_arg(a[i].daemon) : NULL;
        if (!w)
            continue;
        w->first[(w->head + w->count) % 64] = a[i].tasks->first + a[i].pos;
        w->n[(w->head + w->count++) % 64] = a[i].n;
        c->used += !w->used;
        w->used = true;
    }
    disp_actions_clear(c->d);
}

static void crowd_put_some(struct crowd *c, uint32_t n)
{
    struct blk *b = blk_new(n * 12);
    memset(b->data, 0, n * 12);
    for (uint32_t i = 0; i < n; i++)
        le_put_u32(b->data + 4 * (size_t)i, 8 * (i + 1));
    struct frame f = {.type = WIRE_TASKS, .n = n, .first = c->put, .len = n * 12, .body = b->data};
    assert_int_equal(disp_job_tasks(c->d, c->j, &f, b, c->now, NULL), CLW_OK);
    c->put += n;
    blk_rele(b);
    crowd_drain(c);
}

static void crowd_put(struct crowd *c)
{
    crowd_put_some(c, CROWD_CHUNK);
}

static void crowd_open(struct crowd *c)
{
    c->j = disp_job_open(c->d, &(struct disp_job_options){.retries = 2});
    c->put = 0;
}

static struct crowd *crowd_idle(void)
{
    struct crowd *c = calloc(1, sizeof *c);
    c->now = 1000;
    c->d = disp_new(0);
    for (int i = 0; i < CROWD; i++)
        c->w[i].m = disp_daemon_join(c->d, &c->w[i], 0, 0, false, c->now);
    crowd_open(c);
    return c;
}

static struct crowd *crowd_new(void)
{
    struct crowd *c = crowd_idle();
    crowd_put(c);
    return c;
}

/* Daemon i answers its first batch, each task of which took run_us. */
static bool crowd_answer(struct crowd *c, int i, uint64_t run_us)
{
    struct crowd_daemon *w = &c->w[i];
    struct disp_verdict v;
    if (!w->count)
        return false;
    unsigned at = w->head++ % 64;
    w->count--;
    assert_int_equal(disp_daemon_answer(c->d, w->m, disp_job_number(c->j), w->first[at], w->n[at], WIRE_DONE,
                         run_us * w->n[at], c->now, &v, NULL),
        CLW_OK);
    crowd_drain(c);
    return true;
}

static void crowd_free(struct crowd *c)
{
    disp_free(c->d);
    free(c);
}

/* Nobody knows how long the tasks of a job take: a few daemons are woken, and more while nothing is heard. */
static void test_long_tasks_wake_all(void **state)
{
    (void)state;
    struct crowd *c = crowd_new();
    unsigned at_first = c->used, rounds = 0;
    assert_true(at_first >= 16 && at_first < CROWD / 2);
    for (; c->used < CROWD; rounds++) {
        uint64_t due = disp_next_us(c->d);
        assert_true(rounds < 4 && due > c->now && due <= c->now + 5000);
        c->now = due;
        disp_tick(c->d, c->now);
        crowd_drain(c);
    }
    assert_true(disp_next_us(c->d) == UINT64_MAX);
    crowd_free(c);

    c = crowd_new(); /* one answer that says 10 ms, and all get some */
    c->now += 200;
    assert_true(crowd_answer(c, 0, 10000));
    assert_int_equal(c->used, CROWD);
    crowd_free(c);
}

/* Daemons that have long tasks of one job take nothing from the few of another. */
static void test_others_are_busy(void **state)
{
    (void)state;
    struct crowd *c = crowd_idle();
    crowd_put_some(c, CROWD / 2);
    while (c->used < CROWD / 2) {
        c->now = disp_next_us(c->d);
        disp_tick(c->d, c->now);
        crowd_drain(c);
    }
    bool is_busy[CROWD];
    struct disp_stats s;
    for (int k = 0; k < CROWD; k++)
        is_busy[k] = c->w[k].used;
    crowd_open(c);
    crowd_put_some(c, 10);
    assert_int_equal(c->used, CROWD / 2 + 10);
    for (int i = 0; i < 20; i++) { /* what they answer makes no difference to that */
        c->now += 100;
        for (int k = 0; k < CROWD; k++)
            if (!is_busy[k])
                crowd_answer(c, k, 50);
        crowd_put_some(c, 10);
        disp_stats(c->d, &s);
        assert_int_equal(s.awaiting, 0);
    }
    crowd_free(c);
}

/* Tiny tasks stay with the few that are awake, unless those do not answer. */
static void test_tiny_tasks_wake_few(void **state)
{
    (void)state;
    struct crowd *c = crowd_new();
    unsigned at_first = c->used;
    for (int round = 0; round < 2000; round++) {
        c->now += 20;
        for (int i = 0; i < CROWD; i++)
            crowd_answer(c, i, 1);
        if (round % 4 == 0)
            crowd_put(c);
    }
    assert_int_equal(c->used, at_first);
    for (int i = 0; i < 200; i++)
        crowd_put(c);
    unsigned before = c->used; /* those that work have what they may have: others may be woken for the rest */
    struct disp_stats s;
    disp_stats(c->d, &s);
    for (int ticks = 0; ticks < 10 && c->used < CROWD && s.awaiting; ticks++) {
        c->now += 5000;
        disp_tick(c->d, c->now);
        crowd_drain(c);
        disp_stats(c->d, &s);
    }
    assert_true(c->used == CROWD || !s.awaiting);
    assert_true(before <= c->used);
    crowd_free(c);
}

/* Ten thousand daemons that come, die and come back, a million tasks in virtual time. */
static void test_large(void **state)
{
    (void)state;
    enum { MANY = 10000, TOTAL = 1000000, CHUNK = 1000 };
    struct disp *d = disp_new(0);
    struct disp_job_options o = {.retries = 100};
    struct disp_job *j = disp_job_open(d, &o);
    static struct {
        struct disp_daemon *m;
        uint64_t first[64];
        uint32_t n[64];
        unsigned head, count;
    } w[MANY];
    static uint8_t ended[TOTAL];
    uint64_t now = 0, put_count = 0, done = 0, random = 5, deaths = 0, grant = DISP_GRANT_MAX;
    struct blk *b = blk_new(CHUNK * 12);
    memset(b->data, 0, CHUNK * 12);
    for (uint32_t i = 0; i < CHUNK; i++)
        le_put_u32(b->data + 4 * i, 8 * (i + 1));
    for (int i = 0; i < MANY; i++)
        w[i].m = disp_daemon_join(d, &w[i], 0, 0, false, 0);
    for (uint64_t step = 0; done < TOTAL; step++) {
        struct disp_stats s;
        size_t count;
        disp_stats(d, &s);
        assert_true(step < 20000000);
        if (put_count < TOTAL && s.awaiting < 20000 && grant >= CHUNK * 12) {
            struct frame f = {.type = WIRE_TASKS, .n = CHUNK, .first = put_count, .len = CHUNK * 12, .body = b->data};
            assert_int_equal(disp_job_tasks(d, j, &f, b, now, NULL), CLW_OK);
            put_count += CHUNK;
            grant -= CHUNK * 12;
        } else {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            int i = (int)(random % MANY);
            struct disp_verdict v;
            if (w[i].count && random % 1009 == 0) {
                struct disp_daemon *gone = w[i].m;
                w[i].count = 0;
                disp_daemon_lost(d, gone, now);
                w[i].m = disp_daemon_join(d, &w[i], 0, 0, false, now);
                deaths++;
            } else if (w[i].count) {
                unsigned h = w[i].head++ % 64;
                w[i].count--;
                for (uint64_t t = w[i].first[h]; t < w[i].first[h] + w[i].n[h]; t++)
                    assert_int_equal(ended[t]++, 0);
                done += w[i].n[h];
                assert_int_equal(disp_daemon_answer(d, w[i].m, disp_job_number(j), w[i].first[h], w[i].n[h], WIRE_DONE,
                                     50 * w[i].n[h], ++now, &v, NULL),
                    CLW_OK);
            }
        }
        const struct disp_action *a = disp_actions(d, &count);
        for (size_t k = 0; k < count; k++)
            if (a[k].type == DISP_GRANT) {
                grant += step ? a[k].bytes : 0;
            } else if (a[k].type == DISP_SEND) {
                int i = (int)((unsigned char *)disp_daemon_arg(a[k].daemon) - (unsigned char *)w) / (int)sizeof w[0];
                unsigned at = (w[i].head + w[i].count++) % 64;
                assert_true(w[i].count <= 64);
                w[i].first[at] = a[k].tasks->first + a[k].pos;
                w[i].n[at] = a[k].n;
            }
        disp_actions_clear(d);
    }
    assert_true(deaths > 10);
    blk_rele(b);
    disp_free(d);
}

/* A machine that cannot start a job's tasks gets none of them while there is another, but those of other jobs. */
static void test_set_aside(void **state)
{
    (void)state;
    struct model *m = small(2);
    struct disp_stats s;
    struct model_job *j = open_job(m, 0, 0, true), *other = open_job(m, 0, 0, true);
    j->cannot[0] = true;
    put(m, j, 20, 10, 0);
    answer(m, 0, 1, false); /* it says so, and has the rest of what it was given */
    while (m->daemon[0]->count)
        answer(m, 0, 1, false);
    put(m, other, 1, 10, 0);
    assert_int_equal(m->daemon[0]->count, 1);
    answer(m, 0, 1, false);
    for (int i = 0; i < 40 && m->daemon[1]->count; i++)
        answer(m, 1, 1, false);
    disp_stats(m->d, &s);
    assert_int_equal(s.completed, 21);
    assert_int_equal(s.failed, 0);
    finish(m);
    small_free(m);
}

/* When no machine can, the tasks have failed: each, and at once. Pinned ones go nowhere else. */
static void test_nobody_can(void **state)
{
    (void)state;
    struct model *m = small(2);
    struct disp_stats s;
    struct model_job *j = open_job(m, 0, 5, true);
    j->cannot[0] = j->cannot[1] = true;
    j->retry_failed = 5;
    put(m, j, 4, 10, 0);
    for (int i = 0; i < 20; i++)
        answer(m, (unsigned)i % 2, 1, false);
    disp_stats(m->d, &s);
    assert_int_equal(s.failed, 4);
    struct disp_verdict v;
    j = open_job(m, 0, 0, true);
    struct disp_daemon *list[] = {m->daemon[0]->daemon};
    j->put[0] = 1;
    j->next = j->total = 1;
    disp_job_pin(m->d, j->job, list, 1, m->now_us);
    drain(m);
    m->daemon[0]->count--;
    m->daemon[0]->head++;
    j->given[0]--;
    assert_int_equal(disp_daemon_answer(m->d, list[0], j->number, 0, 1, WIRE_CANNOT, 0, m->now_us, &v, NULL), CLW_OK);
    assert_true(v.deliver && !v.set_aside);
    task_ended(j, 0);
    drain(m);
    finish(m);
    small_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_poison), cmocka_unit_test(test_fair),
        cmocka_unit_test(test_pins), cmocka_unit_test(test_wrong_answers), cmocka_unit_test(test_straggler),
        cmocka_unit_test(test_straggler_lost), cmocka_unit_test(test_elsewhere),
        cmocka_unit_test(test_failed_elsewhere), cmocka_unit_test(test_suspect),
        cmocka_unit_test(test_suspect_without_ticks), cmocka_unit_test(test_unwanted), cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_long_tasks_wake_all), cmocka_unit_test(test_tiny_tasks_wake_few),
        cmocka_unit_test(test_others_are_busy), cmocka_unit_test(test_large), cmocka_unit_test(test_set_aside),
        cmocka_unit_test(test_nobody_can)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
