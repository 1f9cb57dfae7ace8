/* The model of disp_lab.h. */
#include "tests/unit/disp_lab.h"

uint64_t rnd(struct model *m, uint64_t below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random % below;
}

void task_ended(struct model_job *j, uint64_t index)
{
    assert_true(index < TASKS_MAX && j->put[index]);
    assert_int_equal(j->ended[index], 0);
    assert_true(j->given[index] == 0 || (j->speculate && j->given[index] == 1)); /* its copy still runs */
    assert_false(j->done);
    j->ended[index] = 1;
}

/* Another machine is known to take tasks, and is not known to be unable to do this job's. */
static bool goes_elsewhere(const struct model *m, const struct model_job *j, unsigned place)
{
    for (unsigned i = 0; i < DAEMONS; i++) {
        const struct model_daemon *w = m->daemon[i];
        if (w && w->place != place && !w->paused && !w->drained && !w->max_tasks && !j->told[w->place])
            return true;
    }
    return false;
}

static void act_send(struct model *m, const struct disp_action *a, struct model_job *j)
{
    struct model_daemon *w = disp_daemon_arg(a->daemon);
    assert_true(w->knows[j - m->job]); /* OPEN came first */
    assert_true(w->count < 8192 && a->n > 0 && !w->paused);
    assert_false(j->told[w->place] && goes_elsewhere(m, j, w->place));
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

void drain(struct model *m)
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

struct model_job *open_job_with(struct model *m, struct disp_job_options o)
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

struct model_job *open_job(struct model *m, unsigned retries, unsigned retry_failed, bool sequential)
{
    return open_job_with(
        m, (struct disp_job_options){.retries = retries, .retry_failed = retry_failed, .sequential = sequential});
}

/* A chunk of n tasks of `size` bytes each, if the grant allows it. */
bool put(struct model *m, struct model_job *j, uint32_t n, uint32_t size, uint64_t gap)
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

void join(struct model *m, unsigned i, uint64_t max_tasks)
{
    m->daemon[i] = calloc(1, sizeof *m->daemon[i]);
    m->daemon[i]->max_tasks = max_tasks;
    m->daemon[i]->place = i % 3;
    m->daemon[i]->daemon = disp_daemon_join(m->d, m->daemon[i], i % 3, max_tasks, false, m->now_us);
    drain(m);
}

void lose(struct model *m, unsigned i)
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
bool answer(struct model *m, unsigned i, uint32_t n, bool may_fail)
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
    bool cannot = b->job->cannot[w->place];
    enum wire_outcome outcome = cannot ? WIRE_CANNOT : may_fail && rnd(m, 10) == 0 ? WIRE_FAILED : WIRE_DONE;
    n = outcome != WIRE_DONE || n < 1 ? 1 : n > b->n ? b->n : n;
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
    was.job->told[w->place] |= cannot;
    bool elsewhere = goes_elsewhere(m, was.job, w->place);
    assert_int_equal(disp_daemon_answer(m->d, w->daemon, was.job->number, was.first, n, outcome, 1 + rnd(m, 200) * n,
                         m->now_us, &v, &err),
        CLW_OK);
    if (v.deliver || was.job->abandoned) {
        for (uint64_t t = was.first; t < was.first + n; t++)
            task_ended(was.job, t);
        m->ended += n;
        assert_true(!cannot || !elsewhere || was.job->cancelled || was.job->late || was.job->abandoned ||
                    was.job->cancel[was.first]);
    } else {
        assert_true(cannot || (outcome == WIRE_FAILED && was.job->retry_failed) || (was.job->speculate && n == 1));
    }
    drain(m);
    return true;
}

void open_any(struct model *m)
{
    struct disp_job_options o = {.retries = (unsigned)rnd(m, 4), .retry_failed = (unsigned)rnd(m, 3)};
    o.sequential = rnd(m, 2);
    o.speculate = rnd(m, 2);
    o.deadline_us = rnd(m, 4) ? 0 : m->now_us + rnd(m, 5000000);
    struct model_job *j = open_job_with(m, o);
    for (int place = 0; place < 3; place++)
        j->cannot[place] = rnd(m, 6) == 0;
}

void tick(struct model *m)
{
    for (int i = 0; i < 1000 && disp_next_us(m->d) <= m->now_us; i++) {
        disp_tick(m->d, m->now_us);
        drain(m);
    }
    assert_true(disp_next_us(m->d) > m->now_us); /* it does not ask to be called for nothing */
}

void pause_or_go_on(struct model *m, unsigned i, bool paused)
{
    m->daemon[i]->paused = paused;
    disp_daemon_pause(m->d, m->daemon[i]->daemon, paused, m->now_us);
    drain(m);
}

/* Gives back the end of one of its batches, whichever, as tasks on their way to it make possible. */
void give_back(struct model *m, unsigned i)
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

/* Everything that is open comes to its end, with new daemons for those that die. */
void finish(struct model *m)
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

struct model *small(unsigned daemons)
{
    struct model *m = calloc(1, sizeof *m);
    m->random = 7;
    m->d = disp_new(0);
    m->check = true;
    for (unsigned i = 0; i < daemons; i++)
        join(m, i, 0);
    return m;
}

void small_free(struct model *m)
{
    for (unsigned i = 0; i < DAEMONS; i++)
        free(m->daemon[i]);
    disp_free(m->d);
    free(m);
}
