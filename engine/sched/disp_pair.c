/* What depends on time: deadlines, and stragglers. Near the end of a job a task that takes much longer than others is
 * given to an idle daemon too, when its submitter asked for that. The first good answer counts; the other daemon is
 * told to stop, and its answer is swallowed. */
#include "engine/sched/disp_internal.h"

#include <stdlib.h>

enum { STRAGGLER_TIMES = 2, STRAGGLER_LEAST_US = 100000, LOOK_EVERY_US = 10000 };

/* ---- pairs ---- */

static struct disp_pair *find(struct disp_job *j, const struct disp_range *r)
{
    size_t i = 0;
    while (j->pairs[i].chunk != r->chunk || j->pairs[i].pos != r->pos)
        i++;
    return &j->pairs[i];
}

static struct disp_daemon *other_side(const struct disp_pair *p, const struct disp_daemon *m)
{
    return p->side[p->side[0] == m];
}

/* One of the two is out; what the other has is an ordinary batch from now on, with lost more daemons on its account. */
static void part(struct disp *d, struct disp_job *j, struct disp_pair *p, const struct disp_daemon *out, unsigned lost)
{
    struct disp_chunk *chunk = p->chunk;
    const struct disp_daemon *other = other_side(p, out);
    for (unsigned i = 0; !p->decided && i < other->ring_count; i++) {
        struct disp_batch *b = disp__batch(other, i);
        if (b->range.chunk != chunk || b->range.pos != p->pos)
            continue;
        b->paired = false;
        b->range.lost += (uint16_t)lost;
    }
    *p = j->pairs[--j->pair_count];
    disp__settle(d, j, chunk, 1);
    disp__finish_if_over(d, j);
}

bool disp__pair_answer(
    struct disp *d, struct disp_job *j, const struct disp_daemon *m, const struct disp_range *r, bool good)
{
    struct disp_pair *p = find(j, r);
    if (p->decided || !good) {
        part(d, j, p, m, 0);
        return false;
    }
    p->decided = true;
    struct disp_action *a = disp__act(d, DISP_ABORT, j);
    a->daemon = other_side(p, m);
    a->first = disp__index(r);
    a->n = 1;
    return true;
}

void disp__pair_lost(
    struct disp *d, struct disp_job *j, const struct disp_daemon *m, const struct disp_range *r, bool suspect)
{
    part(d, j, find(j, r), m, suspect);
}

static void pair_up(
    struct disp *d, struct disp_job *j, struct disp_daemon *has, struct disp_batch *b, struct disp_daemon *gets)
{
    b->paired = b->range.copied = true;
    struct disp_range r = b->range;
    j->pairs = mem_realloc(j->pairs, (j->pair_count + 1) * sizeof *j->pairs);
    j->pairs[j->pair_count++] = (struct disp_pair){.chunk = r.chunk, .pos = r.pos, .side = {has, gets}};
    r.chunk->left++;
    d->stats.speculated++;
    disp__give(d, gets, j, r, true);
    disp__want_remove(d, gets);
    disp__want(d, gets);
}

/* ---- the choice ---- */

static bool may_speculate(const struct disp_job *j)
{
    return j->options.speculate && j->input_ended && !j->queued && j->live && !j->paused && !j->cancelled &&
           j->task_us > 0;
}

/* When the batch counts as late; UINT64_MAX: it is no single task, or had its copy. */
static uint64_t late_us(const struct disp_job *j, const struct disp_batch *b)
{
    double patience = j->task_us * STRAGGLER_TIMES;
    if (b->job != j || b->range.n != 1 || b->range.copied || disp__is_pinned(b) ||
        disp__is_gone(b->range.chunk, b->range.pos))
        return UINT64_MAX;
    return b->sent_us + (uint64_t)(patience > STRAGGLER_LEAST_US ? patience : STRAGGLER_LEAST_US);
}

static uint64_t next_late_us(const struct disp *d, const struct disp_job *j)
{
    uint64_t next = UINT64_MAX;
    for (unsigned s = 0; s < d->slot_count; s++) {
        const struct disp_daemon *m = d->slots[s];
        for (unsigned i = 0; m && i < m->ring_count; i++) {
            uint64_t at = late_us(j, disp__batch(m, i));
            next = at < next ? at : next;
        }
    }
    return next;
}

/* Somebody is idle who may have a copy. */
static bool has_helper(const struct disp *d, const struct disp_job *j)
{
    const struct disp_daemon *h = d->idle.first;
    while (h && j->aside_size && (!disp__is_giving(h) || disp__is_aside(d, j, h)))
        h = h->want_after;
    return h != NULL;
}

/* An idle daemon, on another machine if there is one. */
static struct disp_daemon *helper(const struct disp *d, const struct disp_job *j, const struct disp_daemon *m)
{
    struct disp_daemon *any = NULL;
    for (struct disp_daemon *h = d->idle.first; h; h = h->want_after) {
        if (!disp__is_giving(h) || disp__is_aside(d, j, h))
            continue;
        if (h->place != m->place)
            return h;
        any = any ? any : h;
    }
    return any;
}

static void help(struct disp *d, struct disp_job *j)
{
    for (unsigned s = 0; s < d->slot_count; s++) {
        struct disp_daemon *m = d->slots[s], *h;
        for (unsigned i = 0; m && i < m->ring_count; i++) {
            struct disp_batch *b = disp__batch(m, i);
            if (late_us(j, b) > d->now_us)
                continue;
            if (!(h = helper(d, j, m)))
                return;
            pair_up(d, j, m, b, h);
        }
    }
}

/* Looking for the next straggler is a walk over all daemons, so it is not done after every event: between two looks the
 * next look is what is due. */
static uint64_t look_us(struct disp *d)
{
    if (d->looked == d->events)
        return d->late_us;
    if (d->looked && d->now_us < d->looked_us + LOOK_EVERY_US)
        return d->late_us < d->looked_us + LOOK_EVERY_US ? d->late_us : d->looked_us + LOOK_EVERY_US;
    d->looked = d->events;
    d->looked_us = d->now_us;
    d->late_us = UINT64_MAX;
    for (const struct disp_job *j = d->idle.first ? d->jobs : NULL; j; j = j->after) {
        uint64_t at = may_speculate(j) && has_helper(d, j) ? next_late_us(d, j) : UINT64_MAX;
        d->late_us = at < d->late_us ? at : d->late_us;
    }
    return d->late_us;
}

uint64_t disp_next_us(struct disp *d)
{
    uint64_t next = d->start_us ? d->start_us : UINT64_MAX, trial = disp__trial_us(d);
    bool looks = false;
    next = trial < next ? trial : next;
    next = d->stats.awaiting && d->avoided_us < next ? d->avoided_us : next;
    if (!d->watched)
        return next;
    for (const struct disp_job *j = d->jobs; j; j = j->after) {
        uint64_t at = j->options.deadline_us && !j->cancelled ? j->options.deadline_us : UINT64_MAX;
        next = at < next ? at : next;
        looks |= may_speculate(j) && has_helper(d, j);
    }
    uint64_t late = looks ? look_us(d) : UINT64_MAX;
    return late < next ? late : next;
}

void disp_tick(struct disp *d, uint64_t now_us)
{
    disp__run(d, now_us);
    for (struct disp_job *j = d->watched ? d->jobs : NULL; j; j = j->after) {
        if (j->options.deadline_us && now_us >= j->options.deadline_us && !j->cancelled) {
            j->late = true;
            disp_job_cancel(d, j, 0, 0, now_us);
        } else if (may_speculate(j)) {
            help(d, j);
        }
    }
    d->looked = 0;
}
