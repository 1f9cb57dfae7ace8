/* The dispatcher in virtual time: a model of submitters and daemons drives it from a seed and checks, after every event
 * and independently of its own books, that every task ends exactly once and is never with two daemons. CLW_SEED=N runs
 * one seed. */
#include "engine/sched/disp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

enum { JOBS = 6, DAEMONS = 12, TASKS_MAX = 4000 };

struct model_job {
    struct disp_job *job;
    uint32_t number;
    uint64_t next, total, grant; /* next index; tasks put; bytes that may be sent */
    unsigned retries, retry_failed;
    bool speculate, late;
    bool sequential, input_ended, cancelled, abandoned, done, paused;
    uint8_t ended[TASKS_MAX], given[TASKS_MAX]; /* times; to how many live daemons */
    uint8_t poison[TASKS_MAX], lost_under[TASKS_MAX], put[TASKS_MAX], cancel[TASKS_MAX], copied[TASKS_MAX];
    uint64_t last_first_given; /* FIFO of what was never lost */
    uint8_t was_given[TASKS_MAX];
};

struct model_batch {
    struct model_job *job;
    uint64_t first;
    uint32_t n;
};

struct model_daemon {
    struct disp_daemon *daemon;
    struct model_batch queue[8192];
    unsigned head, count;
    bool knows[JOBS * 64];
    uint64_t max_tasks, given;
    bool paused;
};

struct model {
    struct disp *d;
    uint64_t random, now_us;
    struct model_job job[JOBS * 64];
    unsigned job_count;
    struct model_daemon *daemon[DAEMONS];
    bool check;
    uint64_t ended, sends;
};

static uint64_t rnd(struct model *m, uint64_t below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random % below;
}

static void task_ended(struct model_job *j, uint64_t index)
{
    assert_true(index < TASKS_MAX && j->put[index]);
    assert_int_equal(j->ended[index], 0);
    assert_true(j->given[index] == 0 || (j->speculate && j->given[index] == 1)); /* its copy still runs */
    assert_false(j->done);
    j->ended[index] = 1;
}

static void act_send(struct model *m, const struct disp_action *a, struct model_job *j)
{
    struct model_daemon *w = disp_daemon_arg(a->daemon);
    assert_true(w->knows[j - m->job]); /* OPEN came first */
    assert_true(w->count < 8192 && a->n > 0 && !w->paused);
    w->queue[(w->head + w->count++) % 8192] = (struct model_batch){j, a->tasks->first + a->pos, a->n};
    w->given += a->n;
    assert_true(!w->max_tasks || w->given <= w->max_tasks);
    m->sends++;
    for (uint64_t i = a->tasks->first + a->pos; i < a->tasks->first + a->pos + a->n; i++) {
        assert_true(j->put[i] && !j->ended[i]);
        assert_true(j->given[i] == 0 || (j->speculate && a->n == 1 && j->given[i] == 1));
        assert_true(!j->given[i] || !j->copied[i]); /* one copy at most, however it ended */
        j->copied[i] |= j->given[i];
        j->given[i]++;
        if (!j->was_given[i]) { /* first assignments go in order */
            assert_true(i >= j->last_first_given);
            j->last_first_given = i;
            j->was_given[i] = 1;
        }
    }
}

static void drain(struct model *m)
{
    size_t count;
    const struct disp_action *list = disp_actions(m->d, &count);
    for (size_t i = 0; i < count; i++) {
        const struct disp_action *a = &list[i];
        struct model_job *j = disp_job_arg(a->job);
        assert_false(j->done);
        switch (a->type) {
        case DISP_OPEN: {
            struct model_daemon *w = disp_daemon_arg(a->daemon);
            assert_false(w->knows[j - m->job]);
            w->knows[j - m->job] = true;
            break;
        }
        case DISP_SEND: act_send(m, a, j); break;
        case DISP_ABORT: break;
        case DISP_CLOSE: {
            struct model_daemon *w = disp_daemon_arg(a->daemon);
            assert_true(w->knows[j - m->job]);
            w->knows[j - m->job] = false;
            w->queue[(w->head + w->count++) % 8192] = (struct model_batch){j, 0, 0}; /* answered in its turn */
            break;
        }
        case DISP_END:
            for (uint64_t t = a->first; t < a->first + a->n; t++) {
                assert_false(j->abandoned);
                task_ended(j, t);
                if (a->outcome == WIRE_TIMEOUT)
                    assert_true(j->late);
                else if (a->outcome == WIRE_LOST)
                    assert_true(j->lost_under[t] > j->retries);
                else
                    assert_true(a->outcome == WIRE_CANCELLED && (j->cancelled || j->cancel[t]));
            }
            m->ended += a->n;
            break;
        case DISP_GRANT: j->grant += a->bytes; break;
        case DISP_DONE:
            j->done = true;
            assert_true(j->input_ended);
            for (uint64_t t = 0; t < j->next && !j->abandoned; t++)
                assert_int_equal(j->ended[t], j->put[t]);
            disp_job_free(m->d, a->job);
            break;
        }
    }
    disp_actions_clear(m->d);
    if (m->check)
        disp_check(m->d);
}

static struct model_job *open_job_with(struct model *m, struct disp_job_options o)
{
    struct model_job *j = &m->job[m->job_count++];
    o.arg = j;
    j->retries = o.retries;
    j->retry_failed = o.retry_failed;
    j->sequential = o.sequential;
    j->speculate = o.speculate;
    j->late = o.deadline_us != 0;
    j->job = disp_job_open(m->d, &o);
    j->number = disp_job_number(j->job);
    drain(m);
    return j;
}

static struct model_job *open_job(struct model *m, unsigned retries, unsigned retry_failed, bool sequential)
{
    return open_job_with(
        m, (struct disp_job_options){.retries = retries, .retry_failed = retry_failed, .sequential = sequential});
}

/* A chunk of n tasks of `size` bytes each, if the grant allows it. */
static bool put(struct model *m, struct model_job *j, uint32_t n, uint32_t size, uint64_t gap)
{
    uint32_t len = n * (4 + size);
    struct clw_error err;
    if (j->done || j->input_ended || len > j->grant || j->next + gap + n > TASKS_MAX)
        return false;
    struct blk *b = blk_new(len);
    for (uint32_t i = 0; i < n; i++)
        le_put_u32(b->data + 4 * (size_t)i, 1000 + (i + 1) * size); /* a slice of something longer */
    memset(b->data + 4 * (size_t)n, 'x', n * size);
    struct frame f = {.type = WIRE_TASKS, .n = n, .first = j->next + gap, .len = len, .body = b->data};
    memset(j->put + f.first, 1, n);
    j->next = f.first + n;
    j->total += n;
    j->grant -= len;
    assert_int_equal(disp_job_tasks(m->d, j->job, &f, b, m->now_us, &err), CLW_OK);
    blk_rele(b);
    drain(m);
    return true;
}

static void join(struct model *m, unsigned i, uint64_t max_tasks)
{
    m->daemon[i] = calloc(1, sizeof *m->daemon[i]);
    m->daemon[i]->max_tasks = max_tasks;
    m->daemon[i]->daemon = disp_daemon_join(m->d, m->daemon[i], i % 3, max_tasks, false, m->now_us);
    drain(m);
}

static void lose(struct model *m, unsigned i)
{
    struct model_daemon *w = m->daemon[i];
    bool first = true;
    for (unsigned k = 0; k < w->count; k++) {
        struct model_batch *b = &w->queue[(w->head + k) % 8192];
        for (uint64_t t = b->first; t < b->first + b->n; t++) {
            b->job->given[t]--;
            if (first && (!b->job->sequential || t == b->first) && b->job->lost_under[t] < 255)
                b->job->lost_under[t]++;
            if (b->job->abandoned || b->job->cancelled)
                b->job->cancel[t] = 1;
        }
        first &= b->n == 0;
    }
    m->daemon[i] = NULL;
    disp_daemon_lost(m->d, w->daemon, m->now_us);
    free(w);
    drain(m);
}

/* The daemon answers up to n tasks of its first batch. A poison task kills it instead. */
static bool answer(struct model *m, unsigned i, uint32_t n, bool may_fail)
{
    struct model_daemon *w = m->daemon[i];
    struct model_batch *b = &w->queue[w->head % 8192];
    struct disp_verdict v;
    struct clw_error err;
    if (!w->count)
        return false;
    if (b->n == 0) {
        w->head++;
        w->count--;
        if (!b->job->done)
            assert_int_equal(disp_daemon_closed(m->d, w->daemon, b->job->number, NULL), CLW_OK);
        drain(m);
        return true;
    }
    if (b->job->poison[b->first]) {
        lose(m, i);
        return true;
    }
    enum wire_outcome outcome = may_fail && rnd(m, 10) == 0 ? WIRE_FAILED : WIRE_DONE;
    n = outcome == WIRE_FAILED || n < 1 ? 1 : n > b->n ? b->n : n;
    for (uint32_t k = 1; k < n; k++)
        if (b->job->poison[b->first + k])
            n = k;
    struct model_batch was = *b;
    b->first += n;
    b->n -= n;
    if (b->n == 0) {
        w->head++;
        w->count--;
    }
    for (uint64_t t = was.first; t < was.first + n; t++)
        was.job->given[t]--;
    m->now_us += 1 + rnd(m, 300) * n;
    assert_int_equal(disp_daemon_answer(m->d, w->daemon, was.job->number, was.first, n, outcome, 1 + rnd(m, 200) * n,
                         m->now_us, &v, &err),
        CLW_OK);
    if (v.deliver || was.job->abandoned) {
        for (uint64_t t = was.first; t < was.first + n; t++)
            task_ended(was.job, t);
        m->ended += n;
    } else {
        assert_true((outcome == WIRE_FAILED && was.job->retry_failed) || (was.job->speculate && n == 1));
    }
    drain(m);
    return true;
}

static void open_any(struct model *m)
{
    struct disp_job_options o = {.retries = (unsigned)rnd(m, 4), .retry_failed = (unsigned)rnd(m, 3)};
    o.sequential = rnd(m, 2);
    o.speculate = rnd(m, 2);
    o.deadline_us = rnd(m, 4) ? 0 : m->now_us + rnd(m, 5000000);
    open_job_with(m, o);
}

static void tick(struct model *m)
{
    for (int i = 0; i < 1000 && disp_next_us(m->d) <= m->now_us; i++) {
        disp_tick(m->d, m->now_us);
        drain(m);
    }
    assert_true(disp_next_us(m->d) > m->now_us); /* it does not ask to be called for nothing */
}

static void pause_or_go_on(struct model *m, unsigned i, bool paused)
{
    m->daemon[i]->paused = paused;
    disp_daemon_pause(m->d, m->daemon[i]->daemon, paused, m->now_us);
    drain(m);
}

/* Gives back the end of one of its batches, whichever, as tasks on their way to it make possible. */
static void give_back(struct model *m, unsigned i)
{
    struct model_daemon *w = m->daemon[i];
    struct clw_error err;
    unsigned at = w->count ? (unsigned)rnd(m, w->count) : 0;
    struct model_batch *b = &w->queue[(w->head + at) % 8192];
    if (!w->count || !b->n)
        return;
    if (!w->paused) {
        assert_int_equal(
            disp_daemon_returned(m->d, w->daemon, b->job->number, b->first, b->n, m->now_us, &err), CLW_PROTOCOL);
        pause_or_go_on(m, i, true);
        return;
    }
    uint32_t n = rnd(m, 2) ? b->n : 1 + (uint32_t)rnd(m, b->n);
    uint64_t first = b->first + b->n - n;
    struct model_job *j = b->job;
    b->n -= n;
    w->given -= n;
    for (uint64_t t = first; t < first + n; t++)
        j->given[t]--;
    if (b->n == 0) {
        for (; at; at--)
            w->queue[(w->head + at) % 8192] = w->queue[(w->head + at - 1) % 8192];
        w->head++;
        w->count--;
    }
    assert_int_equal(disp_daemon_returned(m->d, w->daemon, j->number, first, n, m->now_us, &err), CLW_OK);
    drain(m);
    assert_int_equal(disp_daemon_returned(m->d, w->daemon, 999999, first, n, m->now_us, &err), CLW_PROTOCOL);
}

static void random_event(struct model *m)
{
    struct model_job *j = &m->job[rnd(m, m->job_count)];
    unsigned i = (unsigned)rnd(m, DAEMONS);
    uint64_t what = rnd(m, 100);
    m->now_us += rnd(m, 50);
    if (what < 30) {
        put(m, j, 1 + (uint32_t)rnd(m, 60), (uint32_t)rnd(m, 40), rnd(m, 20) ? 0 : rnd(m, 5));
    } else if (what < 80) {
        if (m->daemon[i])
            answer(m, i, 1 + (uint32_t)rnd(m, 40), true);
    } else if (what < 86) {
        if (!m->daemon[i])
            join(m, i, rnd(m, 4) ? 0 : 1 + rnd(m, 50));
        else if (rnd(m, 3) == 0)
            lose(m, i);
    } else if (what < 88 && !j->done) {
        j->paused = !j->paused;
        disp_job_pause(m->d, j->job, j->paused, m->now_us);
        drain(m);
    } else if (what < 90 && !j->done && j->next) { /* one, or a few */
        uint64_t first = rnd(m, j->next);
        uint32_t n = 1 + (uint32_t)rnd(m, 5);
        for (uint64_t t = first; t < first + n && t < TASKS_MAX; t++)
            j->cancel[t] = 1;
        disp_job_cancel(m->d, j->job, first, n, m->now_us);
        drain(m);
    } else if (what == 90 && !j->done && rnd(m, 8) == 0) {
        j->cancelled = true;
        disp_job_cancel(m->d, j->job, 0, 0, m->now_us);
        drain(m);
    } else if (what == 91 && !j->done && rnd(m, 8) == 0) {
        j->abandoned = j->cancelled = j->input_ended = true;
        disp_job_abandon(m->d, j->job, m->now_us);
        drain(m);
    } else if (what == 92 && m->daemon[i]) {
        disp_daemon_drain(m->d, m->daemon[i]->daemon);
        drain(m);
    } else if (what == 93 && j->done && m->job_count < JOBS * 2) {
        open_any(m);
    } else if (what == 95) { /* time goes by */
        m->now_us += rnd(m, 3) ? 1000 : 1000000;
        tick(m);
    } else if (what == 96 && m->daemon[i]) {
        pause_or_go_on(m, i, !m->daemon[i]->paused);
    } else if (what > 96 && m->daemon[i]) {
        give_back(m, i);
    } else if (what == 94 && j->next > 10) {
        uint64_t t = rnd(m, j->next);
        j->poison[t] |= !j->ended[t] && !j->given[t];
    }
}

/* Everything that is open comes to its end, with new daemons for those that die. */
static void finish(struct model *m)
{
    for (unsigned k = 0; k < m->job_count; k++) {
        struct model_job *j = &m->job[k];
        if (j->done)
            continue;
        disp_job_pause(m->d, j->job, false, m->now_us);
        drain(m);
        if (!j->done && !j->input_ended) {
            j->input_ended = true;
            disp_job_end(m->d, j->job);
            drain(m);
        }
    }
    for (unsigned i = 0; i < DAEMONS; i++)
        if (m->daemon[i])
            pause_or_go_on(m, i, false);
    for (unsigned i = 0; i < DAEMONS; i++) /* those that drain or have retired make room */
        if (m->daemon[i] && !m->daemon[i]->count) {
            lose(m, i);
            join(m, i, 0);
        }
    for (uint64_t round = 0;; round++) {
        struct disp_stats s;
        disp_stats(m->d, &s);
        if (s.jobs == 0)
            break;
        m->now_us += 10000;
        tick(m);
        assert_true(round < 2000000);
        unsigned i = (unsigned)rnd(m, DAEMONS);
        if (!m->daemon[i])
            join(m, i, 0);
        else if (!answer(m, i, 1 + (uint32_t)rnd(m, 100), false) && rnd(m, 50) == 0) {
            lose(m, i); /* it may be one that drains */
            join(m, i, 0);
        }
    }
}

static void run_seed(uint64_t seed)
{
    struct model *m = calloc(1, sizeof *m);
    struct disp_stats s;
    m->random = seed * 0x9e3779b97f4a7c15u + 1;
    m->d = disp_new(4 << 20);
    m->check = true;
    for (int i = 0; i < JOBS; i++)
        open_any(m);
    for (unsigned i = 0; i < DAEMONS / 2; i++)
        join(m, i, 0);
    for (int i = 0; i < 1500; i++)
        random_event(m);
    finish(m);
    disp_stats(m->d, &s);
    assert_int_equal(s.awaiting, 0);
    assert_int_equal(s.executing, 0);
    assert_int_equal(s.mem_used, 0);
    assert_true(s.mem_peak <= 4 << 20);
    uint64_t total = 0;
    for (unsigned k = 0; k < m->job_count; k++) {
        assert_true(m->job[k].done);
        total += m->job[k].total;
    }
    assert_int_equal(s.completed + s.failed + s.cancelled, total);
    for (unsigned i = 0; i < DAEMONS; i++)
        free(m->daemon[i]);
    disp_free(m->d);
    free(m);
}

static void test_any_seed(void **state)
{
    (void)state;
    const char *one = getenv("CLW_SEED"), *many = getenv("CLW_SEEDS");
    uint64_t last = many ? strtoull(many, NULL, 10) : 60;
    for (uint64_t seed = one ? strtoull(one, NULL, 10) : 1; seed <= (one ? strtoull(one, NULL, 10) : last); seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        run_seed(seed);
    }
}

static struct model *small(unsigned daemons)
{
    struct model *m = calloc(1, sizeof *m);
    m->random = 7;
    m->d = disp_new(0);
    m->check = true;
    for (unsigned i = 0; i < daemons; i++)
        join(m, i, 0);
    return m;
}

static void small_free(struct model *m)
{
    for (unsigned i = 0; i < DAEMONS; i++)
        free(m->daemon[i]);
    disp_free(m->d);
    free(m);
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_seed), cmocka_unit_test(test_poison),
        cmocka_unit_test(test_fair), cmocka_unit_test(test_pins), cmocka_unit_test(test_wrong_answers),
        cmocka_unit_test(test_straggler), cmocka_unit_test(test_straggler_lost), cmocka_unit_test(test_elsewhere),
        cmocka_unit_test(test_deadline), cmocka_unit_test(test_long_tasks_wake_all),
        cmocka_unit_test(test_tiny_tasks_wake_few), cmocka_unit_test(test_others_are_busy),
        cmocka_unit_test(test_large)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
