/* What comes back from daemons: answers, tasks that they give back, and those of daemons that died. */
#include "engine/sched/disp_internal.h"

#include <stdlib.h>
#include <string.h>

enum { LEARN_ANSWERS = 16, QUICK_US = 200 };

/* ---- what came back: a heap, lowest index first ---- */

static void sift_up(struct disp_job *j, size_t i, struct disp_range r)
{
    for (; i && disp__index(&r) < disp__index(&j->back[(i - 1) / 2]); i = (i - 1) / 2)
        j->back[i] = j->back[(i - 1) / 2];
    j->back[i] = r;
}

static size_t sift_down(struct disp_job *j, size_t i, const struct disp_range *r)
{
    size_t child;
    while ((child = 2 * i + 1) < j->back_count) {
        if (child + 1 < j->back_count && disp__index(&j->back[child + 1]) < disp__index(&j->back[child]))
            child++;
        if (disp__index(r) <= disp__index(&j->back[child]))
            break;
        j->back[i] = j->back[child];
        i = child;
    }
    return i;
}

void disp__push_back(struct disp_job *j, struct disp_range r)
{
    if (j->back_count == j->back_cap) {
        j->back_cap = j->back_cap ? j->back_cap * 2 : 8;
        j->back = mem_realloc(j->back, j->back_cap * sizeof *j->back);
    }
    sift_up(j, j->back_count++, r);
}

struct disp_range disp__take_back(struct disp_job *j, size_t i)
{
    struct disp_range taken = j->back[i], last = j->back[--j->back_count];
    if (i < j->back_count)
        sift_up(j, sift_down(j, i, &last), last);
    return taken;
}

/* ---- lost ---- */

static bool unmark_open(struct disp_job *j, const struct disp_daemon *m)
{
    if (!disp__is_open(j, m->slot))
        return false;
    j->open[m->slot / 8] &= (uint8_t) ~(1 << m->slot % 8);
    j->open_count--;
    return true;
}

static void requeue(struct disp *d, struct disp_job *j, struct disp_range r)
{
    r.back_us = d->now_us;
    disp__push_back(j, r);
    j->queued += r.n;
    disp__turn_add(d, j);
    d->stats.awaiting += r.n;
    d->stats.retried += r.n;
}

static const uint8_t *input_of(const struct disp_range *r, uint32_t *len)
{
    const struct wire_slices *s = &r->chunk->tasks.slices;
    uint32_t from = wire_slice_start(s, r->pos);
    *len = wire_slice_end(s, r->pos) - from;
    return s->bytes + from;
}

static void keep_input(struct disp_action *a, const struct disp_range *r)
{
    const uint8_t *input = input_of(r, &a->input_len);
    a->input = mem_alloc(a->input_len + 1u);
    memcpy(a->input, input, a->input_len);
}

bool disp_daemon_head(const struct disp_daemon *m, struct disp_job **job, uint64_t *index, uint64_t *since_us)
{
    const struct disp_batch *b = m->ring_count ? disp__batch(m, 0) : NULL;
    if (!b)
        return false;
    *job = b->job;
    *index = disp__index(&b->range);
    *since_us = m->head_us;
    return true;
}

void disp_daemon_blameless(struct disp_daemon *m)
{
    m->blameless = true;
}

bool disp_daemon_input(const struct disp_daemon *m, struct blk **block, const uint8_t **input, uint32_t *len)
{
    const struct disp_batch *b = m->ring_count ? disp__batch(m, 0) : NULL;
    if (!b || !b->range.chunk->tasks.block)
        return false;
    *block = b->range.chunk->tasks.block;
    *input = input_of(&b->range, len);
    return true;
}

bool disp_daemon_task(const struct disp_daemon *m, uint32_t job, uint64_t index, struct disp_job **which,
    const uint8_t **input, uint32_t *len)
{
    for (unsigned i = 0; i < m->ring_count; i++) {
        const struct disp_batch *b = disp__batch(m, i);
        struct disp_range r = b->range;
        uint64_t first = disp__index(&r);
        if (b->job->number != job || index < first || index >= first + r.n)
            continue;
        r.pos += (uint32_t)(index - first);
        r.n = 1;
        *which = b->job;
        *len = 0;
        *input = r.chunk->tasks.block ? input_of(&r, len) : NULL;
        return true;
    }
    return false;
}

static void end_lost(struct disp *d, struct disp_job *j, struct disp_range r, enum wire_outcome outcome)
{
    if (!j->abandoned) {
        struct disp_action *a = disp__act(d, DISP_END, j);
        a->first = disp__index(&r);
        a->n = r.n;
        a->outcome = outcome;
        a->attempts = 1u + r.lost + r.tried;
        if (outcome == WIRE_LOST && r.n == 1 && r.chunk->tasks.block)
            keep_input(a, &r);
    }
    disp__ended(d, j, r.chunk, r.n, outcome);
}

/* Puts back what of r was not cancelled while it ran. */
static void requeue_living(struct disp *d, struct disp_job *j, struct disp_range r)
{
    struct disp_range part = r;
    uint32_t end = r.pos + r.n;
    for (r.chunk->left++; part.pos < end; part.pos += part.n) {
        bool gone = disp__is_gone(r.chunk, part.pos);
        for (part.n = 1; part.pos + part.n < end && disp__is_gone(r.chunk, part.pos + part.n) == gone;)
            part.n++;
        if (gone)
            end_lost(d, j, part, disp__taken_back(j));
        else if (part.lost > j->options.retries)
            end_lost(d, j,
                (struct disp_range){
                    .chunk = r.chunk, .pos = part.pos, .n = part.n, .lost = part.lost - 1, .tried = part.tried},
                WIRE_LOST);
        else
            requeue(d, j, part);
    }
    disp__settle(d, j, r.chunk, 1);
}

/* What a lost daemon still had of one batch. The suspects are what it was at: one task of a sequential job, else all of
 * its first batch; they count the loss, and go alone from now on. */
static void batch_lost(struct disp *d, const struct disp_daemon *m, struct disp_batch *b, bool first)
{
    struct disp_job *j = b->job;
    struct disp_range rest = b->range, suspects = rest;
    d->stats.executing -= rest.n;
    if (b->paired) {
        disp__pair_lost(d, j, m, &rest, first);
        return;
    }
    if (j->cancelled) {
        end_lost(d, j, rest, disp__taken_back(j));
        return;
    }
    suspects.n = !first ? 0 : j->options.sequential ? 1 : rest.n;
    rest.pos += suspects.n;
    rest.n -= suspects.n;
    suspects.lost++;
    suspects.avoid = (uint16_t)(m->place + 1);
    suspects.has_failed = false;
    rest.chunk->left++;
    if (suspects.n)
        requeue_living(d, j, suspects);
    if (rest.n)
        requeue_living(d, j, rest);
    disp__settle(d, j, rest.chunk, 1);
}

static void drop_pins(struct disp *d, struct disp_daemon *m)
{
    while (m->pins) {
        struct disp_pin *p = m->pins;
        m->pins = p->next;
        d->stats.awaiting--;
        end_lost(d, p->job, (struct disp_range){.chunk = p->chunk, .pos = p->pos, .n = 1}, WIRE_LOST);
        free(p);
    }
}

bool disp__is_pinned(const struct disp_batch *b)
{
    return b->range.chunk->mem_bytes == 0;
}

void disp_daemon_lost(struct disp *d, struct disp_daemon *m, uint64_t now_us)
{
    d->now_us = now_us;
    disp__want_remove(d, m);
    d->slots[m->slot] = NULL;
    d->free_slots[d->free_count++] = m->slot;
    d->daemon_count--;
    if (m->tasks)
        d->busy_count--;
    d->places[m->place].tasks -= m->tasks;
    disp__count_giving(d, m, false);
    for (struct disp_job *j = d->jobs; j; j = j->after)
        unmark_open(j, m);
    drop_pins(d, m);
    for (bool first = !m->blameless; m->ring_count; first = false) {
        struct disp_batch b = *disp__batch(m, 0);
        disp__pop_batch(m);
        if (disp__is_pinned(&b)) {
            d->stats.executing -= b.range.n;
            end_lost(d, b.job, b.range, WIRE_LOST);
        } else {
            batch_lost(d, m, &b, first);
        }
    }
    for (struct disp_job *j = d->jobs; j; j = j->after)
        disp__finish_if_over(d, j);
    disp__ring_free(m);
    free(m);
    disp__run(d, now_us);
}

/* ---- given back ---- */

/* n tasks of the daemon's at-th batch are with it no more: its first ones, or its last. */
static struct disp_range take_off(struct disp *d, struct disp_daemon *m, unsigned at, uint32_t n, bool last)
{
    struct disp_batch *b = disp__batch(m, at);
    struct disp_range r = b->range;
    double est = b->est_us * n / r.n;
    r.pos += last ? r.n - n : 0;
    r.n = n;
    uint32_t bytes = disp__range_bytes(&r);
    b->range.pos += last ? 0 : n;
    b->range.n -= n;
    b->bytes -= bytes;
    b->est_us -= est;
    m->tasks -= n;
    d->places[m->place].tasks -= n;
    m->bytes -= bytes;
    m->load_us -= est;
    d->stats.executing -= n;
    if (at == 0 && (!last || b->range.n == 0))
        m->head_us = d->now_us;
    if (b->range.n == 0) {
        for (; at; at--)
            *disp__batch(m, at) = *disp__batch(m, at - 1);
        disp__pop_batch(m);
    }
    if (m->tasks == 0) {
        m->load_us = 0;
        m->solo = false;
        d->busy_count--;
    }
    return r;
}

static struct disp_batch *batch_that_ends(struct disp_daemon *m, uint64_t job, uint64_t first, uint32_t n, unsigned *at)
{
    for (unsigned i = 0; i < m->ring_count; i++) {
        struct disp_batch *b = disp__batch(m, i);
        uint64_t from = disp__index(&b->range), to = from + b->range.n;
        if (b->job->number == job && n && n <= b->range.n && first == to - n) {
            *at = i;
            return b;
        }
    }
    return NULL;
}

/* Pins go in the order of their jobs: what sets a daemon up may need what was set up before. */
static void pin_again(struct disp *d, struct disp_daemon *m, struct disp_job *j, struct disp_range r)
{
    struct disp_pin *p = mem_zalloc(sizeof *p), **at = &m->pins;
    while (*at && (*at)->job->number < j->number)
        at = &(*at)->next;
    *p = (struct disp_pin){.job = j, .chunk = r.chunk, .pos = r.pos, .next = *at};
    *at = p;
    d->stats.awaiting++;
}

static void wait_again(struct disp *d, struct disp_daemon *m, struct disp_job *j, struct disp_range r, bool pinned)
{
    uint64_t retried = d->stats.retried;
    if (j->cancelled)
        end_lost(d, j, r, disp__taken_back(j));
    else if (pinned)
        pin_again(d, m, j, r);
    else
        requeue_living(d, j, r);
    d->stats.retried = retried; /* nobody has tried them */
}

enum clw_err disp_daemon_returned(struct disp *d, struct disp_daemon *m, uint64_t job, uint64_t first, uint32_t n,
    uint64_t now_us, struct clw_error *err)
{
    unsigned at = 0;
    struct disp_batch *b = batch_that_ends(m, job, first, n, &at);
    if (!b || !m->paused) /* else it would get them again at once, and so on */
        return clw_fail(err, CLW_PROTOCOL, NULL, "it gives back tasks that it was not given, or without a pause");
    struct disp_job *j = b->job;
    bool pinned = disp__is_pinned(b), paired = b->paired;
    d->now_us = now_us;
    m->given -= n;
    struct disp_range r = take_off(d, m, at, n, true);
    if (paired)
        disp__pair_lost(d, j, m, &r, false); /* the other one has it still */
    else
        wait_again(d, m, j, r, pinned);
    disp__want_remove(d, m);
    disp__want(d, m);
    disp__run(d, now_us);
    return CLW_OK;
}

enum clw_err disp_daemon_closed(struct disp *d, struct disp_daemon *m, uint64_t number, struct disp_job **which)
{
    struct disp_job *j = disp_daemon_job(d, m, (uint32_t)number);
    if (which)
        *which = j;
    if (!j || !j->closing || !unmark_open(j, m))
        return CLW_PROTOCOL;
    disp__finish_if_over(d, j);
    return CLW_OK;
}

/* ---- answers ---- */

static void learn(struct disp_job *j, uint32_t n, uint64_t run_us)
{
    double us = (double)run_us / n;
    if (us < 0.02)
        us = 0.02;
    j->answers += j->answers < LEARN_ANSWERS;
    j->task_us += (us - j->task_us) / j->answers;
}

enum clw_err disp_daemon_answer(struct disp *d, struct disp_daemon *m, uint64_t job, uint64_t first, uint32_t n,
    enum wire_outcome outcome, uint64_t run_us, uint64_t now_us, struct disp_verdict *verdict, struct clw_error *err)
{
    struct disp_batch *b = m->ring_count ? disp__batch(m, 0) : NULL;
    if (!b || b->job->number != job || n == 0 || first != disp__index(&b->range) || n > b->range.n)
        return clw_fail(err, CLW_PROTOCOL, NULL, "an answer to tasks that it was not given");
    struct disp_job *j = b->job;
    d->now_us = now_us;
    bool late = j->late && outcome == WIRE_CANCELLED;
    outcome = late ? WIRE_TIMEOUT : outcome;
    bool pinned = disp__is_pinned(b), paired = b->paired, cannot = outcome == WIRE_CANNOT;
    outcome = cannot ? WIRE_FAILED : outcome;
    *verdict = (struct disp_verdict){.deliver = !j->abandoned,
        .late = late,
        .attempts = 1u + b->range.lost + b->range.tried,
        .job = j,
        .queued_us = b->sent_us - b->range.chunk->arrived_us};
    struct disp_range r = take_off(d, m, 0, n, false);
    m->quick = run_us < QUICK_US * (uint64_t)n;
    m->done += n;
    j->answered_us = now_us;
    if (outcome == WIRE_DONE || (outcome == WIRE_FAILED && !cannot))
        learn(j, n, run_us);
    bool cancelled = j->cancelled || disp__is_gone(r.chunk, r.pos);
    bool again =
        !cannot && (outcome == WIRE_FAILED || outcome == WIRE_TIMEOUT) && r.tried < j->options.retry_failed && !pinned;
    bool news = cannot && !pinned && disp__set_aside(j, m), elsewhere = cannot && !pinned && disp__is_aside(d, j, m);
    verdict->set_aside = news && elsewhere;
    m->failed += outcome == WIRE_FAILED || outcome == WIRE_TIMEOUT ? n : 0;
    if (!pinned && !cannot && !cancelled)
        disp__tried(d, m, outcome == WIRE_DONE);
    bool good = cancelled || outcome == WIRE_DONE || outcome == WIRE_CANCELLED;
    if (paired && !disp__pair_answer(d, j, m, &r, good)) {
        verdict->deliver = false;
    } else if (elsewhere && !cancelled) {
        verdict->deliver = false;
        requeue(d, j, r);
    } else if (again && !cancelled) {
        r.tried++;
        r.avoid = (uint16_t)(m->place + 1);
        r.has_failed = true;
        verdict->deliver = false;
        requeue(d, j, r);
    } else {
        disp__ended(d, j, r.chunk, n, outcome);
    }
    disp__want_remove(d, m);
    disp__want(d, m);
    disp__give_pins(d, m, now_us);
    disp__run(d, now_us);
    return CLW_OK;
}
