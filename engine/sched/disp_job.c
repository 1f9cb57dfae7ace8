/* The dispatcher's jobs: tasks come in as chunks, wait in order, end, or are taken back. */
#include "engine/sched/disp_internal.h"

#include <stdlib.h>
#include <string.h>

struct disp_job *disp_job_open(struct disp *d, const struct disp_job_options *o)
{
    struct disp_job *j = mem_zalloc(sizeof *j);
    j->arg = o->arg;
    j->options = *o;
    j->number = ++d->next_number;
    j->virtual_us = d->virtual_us;
    uint64_t free_bytes = d->stats.mem_budget > d->promised ? d->stats.mem_budget - d->promised : 0;
    j->grant = free_bytes / 4;
    uint64_t most = DISP_GRANT_MAX + (uint64_t)DISP_GRANT_DAEMON * d->daemon_count;
    if (j->grant > most)
        j->grant = most;
    if (j->grant < DISP_GRANT_MIN)
        j->grant = DISP_GRANT_MIN;
    d->promised += j->grant;
    j->after = d->jobs;
    if (j->after)
        j->after->before = j;
    d->jobs = j;
    d->job_count++;
    d->watched += j->options.speculate || j->options.deadline_us;
    d->ahead += j->options.ahead;
    disp__act(d, DISP_GRANT, j)->bytes = j->grant;
    return j;
}

void *disp_job_arg(const struct disp_job *j)
{
    return j->arg;
}

uint32_t disp_job_number(const struct disp_job *j)
{
    return j->number;
}

struct disp_job *disp_daemon_job(const struct disp *d, const struct disp_daemon *m, uint32_t number)
{
    struct disp_job *j = d->jobs;
    while (j && j->number != number)
        j = j->after;
    return j && disp__is_open(j, m->slot) ? j : NULL;
}

void disp_job_counts(const struct disp_job *j, uint64_t *total, uint64_t *ended, uint64_t *failed)
{
    if (total)
        *total = j->total;
    if (ended)
        *ended = j->ended;
    if (failed)
        *failed = j->failed;
}

static void charge(struct disp *d, struct disp_job *j, uint64_t bytes)
{
    j->mem_used += bytes;
    d->stats.mem_used += bytes;
    if (d->stats.mem_used > d->stats.mem_peak)
        d->stats.mem_peak = d->stats.mem_used;
}

static void chunk_free(struct disp *d, struct disp_job *j, struct disp_chunk *c)
{
    if (c->before)
        c->before->after = c->after;
    else
        j->chunks = c->after;
    if (c->after)
        c->after->before = c->before;
    else
        j->last = c->before;
    if (j->fresh == c)
        j->fresh = c->after;
    j->mem_used -= c->mem_bytes;
    d->stats.mem_used -= c->mem_bytes;
    blk_rele(c->tasks.block);
    free(c->gone);
    free(c);
}

static struct disp_chunk *chunk_add(struct disp *d, struct disp_job *j, uint32_t n, uint64_t first, uint64_t now_us)
{
    struct disp_chunk *c = mem_zalloc(sizeof *c);
    c->tasks.first = first;
    c->left = n;
    c->arrived_us = now_us;
    c->before = j->last;
    if (c->before)
        c->before->after = c;
    else
        j->chunks = c;
    j->last = c;
    if (!j->fresh)
        j->fresh = c;
    j->live += n;
    j->total += n;
    j->next_index = first + n;
    d->stats.awaiting += n;
    return c;
}

enum clw_err disp_job_tasks(struct disp *d, struct disp_job *j, const struct frame *f, struct blk *block,
    uint64_t now_us, struct clw_error *err)
{
    struct wire_slices slices;
    enum clw_err code = wire_slices(f, &slices, err);
    if (code)
        return code;
    if (j->input_ended || f->first < j->next_index || f->first > UINT64_MAX / 2)
        return clw_fail(err, CLW_PROTOCOL, NULL, "tasks that do not follow the ones before");
    if (j->mem_used && j->mem_used + f->len > j->grant)
        return clw_fail(err, CLW_PROTOCOL, NULL, "more tasks than were granted");
    if (j->cancelled) { /* they crossed the cancellation on the way */
        struct disp_action *a = disp__act(d, DISP_END, j);
        a->first = f->first;
        a->n = f->n;
        a->outcome = disp__taken_back(j);
        j->total += f->n;
        j->ended += f->n;
        *(j->late ? &d->stats.failed : &d->stats.cancelled) += f->n;
        j->failed += j->late ? f->n : 0;
        j->next_index = f->first + f->n;
        disp__act(d, DISP_GRANT, j)->bytes = f->len;
        return CLW_OK;
    }
    if (j->queued == 0 && j->virtual_us < d->virtual_us)
        j->virtual_us = d->virtual_us; /* no credit for having had nothing to do */
    struct disp_chunk *c = chunk_add(d, j, f->n, f->first, now_us);
    c->tasks.block = blk_hold(block);
    c->tasks.slices = slices;
    c->mem_bytes = f->len;
    j->queued += f->n;
    disp__turn_used(d, j);
    disp__turn_add(d, j);
    charge(d, j, f->len);
    disp__run(d, now_us);
    return CLW_OK;
}

void disp_job_pin(struct disp *d, struct disp_job *j, struct disp_daemon *const *list, uint32_t n, uint64_t now_us)
{
    if (!n)
        return;
    struct disp_chunk *c = chunk_add(d, j, n, j->next_index, now_us);
    c->tasks.block = blk_new(4 * (size_t)n);
    if (!c->tasks.block)
        abort();
    memset(c->tasks.block->data, 0, 4 * (size_t)n);
    c->tasks.slices = (struct wire_slices){.ends = c->tasks.block->data, .bytes = c->tasks.block->data, .n = n};
    c->next = n; /* never taken from the queue */
    j->fresh = j->fresh == c ? NULL : j->fresh;
    for (uint32_t i = 0; i < n; i++) {
        struct disp_pin *p = mem_zalloc(sizeof *p), **at = &list[i]->pins;
        *p = (struct disp_pin){.job = j, .chunk = c, .pos = i};
        while (*at)
            at = &(*at)->next;
        *at = p;
        disp__want(d, list[i]);
        disp__give_pins(d, list[i], now_us);
    }
}

void disp_job_end(struct disp *d, struct disp_job *j)
{
    d->events++;
    j->input_ended = true;
    disp__finish_if_over(d, j);
}

void disp_job_pause(struct disp *d, struct disp_job *j, bool paused, uint64_t now_us)
{
    if (j->paused == paused)
        return;
    j->paused = paused;
    disp__turn_add(d, j);
    if (!paused)
        disp__run(d, now_us);
}

/* n of the chunk's tasks (or holds) are over; the last one frees it and lets the submitter send as much again. */
void disp__settle(struct disp *d, struct disp_job *j, struct disp_chunk *c, uint32_t n)
{
    c->left -= n;
    if (c->left)
        return;
    if (c->mem_bytes && !j->done) /* nothing follows DONE */
        disp__act(d, DISP_GRANT, j)->bytes = c->mem_bytes;
    chunk_free(d, j, c);
}

void disp__ended(struct disp *d, struct disp_job *j, struct disp_chunk *c, uint32_t n, enum wire_outcome outcome)
{
    j->live -= n;
    j->ended += n;
    if (outcome == WIRE_DONE) {
        d->stats.completed += n;
    } else if (outcome == WIRE_CANCELLED) {
        d->stats.cancelled += n;
    } else {
        d->stats.failed += n;
        j->failed += n;
    }
    disp__settle(d, j, c, n);
    disp__finish_if_over(d, j);
}

/* Ends tasks that nobody is running. */
static void end_quietly(
    struct disp *d, struct disp_job *j, struct disp_chunk *c, uint32_t pos, uint32_t n, enum wire_outcome outcome)
{
    if (!j->abandoned) {
        struct disp_action *a = disp__act(d, DISP_END, j);
        a->first = c->tasks.first + pos;
        a->n = n;
        a->outcome = outcome;
    }
    disp__ended(d, j, c, n, outcome);
}

/* Each walk below keeps its chunk with a hold (left + 1), for its last task may end on the way. */
static void cancel_fresh(struct disp *d, struct disp_job *j)
{
    while (j->fresh) {
        struct disp_chunk *c = j->fresh;
        uint32_t n = c->tasks.slices.n;
        j->fresh = c->after;
        c->left++;
        while (c->next < n) {
            uint32_t pos = c->next, stop = pos;
            bool gone = disp__is_gone(c, pos);
            while (stop < n && disp__is_gone(c, stop) == gone)
                stop++;
            c->next = stop;
            if (gone)
                continue;
            j->queued -= stop - pos;
            d->stats.awaiting -= stop - pos;
            end_quietly(d, j, c, pos, stop - pos, disp__taken_back(j));
        }
        disp__settle(d, j, c, 1);
    }
}

static void cancel_back(struct disp *d, struct disp_job *j)
{
    while (j->back_count) {
        struct disp_range r = disp__take_back(j, 0);
        j->queued -= r.n;
        d->stats.awaiting -= r.n;
        end_quietly(d, j, r.chunk, r.pos, r.n, disp__taken_back(j));
    }
}

static void cancel_pins(struct disp *d, struct disp_job *j)
{
    for (unsigned s = 0; s < d->slot_count; s++) {
        struct disp_pin **at = d->slots[s] ? &d->slots[s]->pins : NULL;
        while (at && *at) {
            struct disp_pin *p = *at;
            if (p->job != j) {
                at = &p->next;
                continue;
            }
            *at = p->next;
            d->stats.awaiting--;
            end_quietly(d, j, p->chunk, p->pos, 1, disp__taken_back(j));
            free(p);
        }
    }
}

static void mark_gone(struct disp_chunk *c, uint32_t pos)
{
    if (!c->gone)
        c->gone = mem_zalloc(c->tasks.slices.n / 8 + 1);
    c->gone[pos / 8] |= (uint8_t)(1 << pos % 8);
}

/* Aborts what daemons have of the tasks [first, end). */
static void cancel_running(struct disp *d, struct disp_job *j, uint64_t first, uint64_t end)
{
    for (unsigned s = 0; s < d->slot_count; s++) {
        struct disp_daemon *m = d->slots[s];
        for (unsigned i = 0; m && i < m->ring_count; i++) {
            struct disp_batch *b = disp__batch(m, i);
            uint64_t from = disp__index(&b->range), to = from + b->range.n;
            if (b->job != j || to <= first || from >= end)
                continue;
            from = from > first ? from : first;
            to = to < end ? to : end;
            for (uint64_t at = from; end != UINT64_MAX && at < to; at++)
                mark_gone(b->range.chunk, (uint32_t)(at - b->range.chunk->tasks.first));
            struct disp_action *a = disp__act(d, DISP_ABORT, j);
            a->daemon = m;
            a->first = from;
            a->n = (uint32_t)(to - from);
        }
    }
}

/* Takes task pos of c out of what came back, if it is there. */
static void cancel_in_back(struct disp *d, struct disp_job *j, struct disp_chunk *c, uint32_t pos)
{
    struct disp_range *old = j->back;
    size_t count = j->back_count, at = 0;
    while (at < count && (old[at].chunk != c || pos < old[at].pos || pos >= old[at].pos + old[at].n))
        at++;
    if (at == count)
        return;
    j->back = NULL;
    j->back_count = j->back_cap = 0;
    for (size_t i = 0; i < count; i++) {
        struct disp_range r = old[i], head = r, tail = r;
        if (i != at) {
            disp__push_back(j, r);
            continue;
        }
        head.n = pos - r.pos;
        tail.pos = pos + 1;
        tail.n = r.pos + r.n - tail.pos;
        if (head.n)
            disp__push_back(j, head);
        if (tail.n)
            disp__push_back(j, tail);
    }
    free(old);
    j->queued--;
    d->stats.awaiting--;
    end_quietly(d, j, c, pos, 1, disp__taken_back(j));
}

static void cancel_queued(struct disp *d, struct disp_job *j, struct disp_chunk *c, uint32_t pos)
{
    if (pos < c->next) {
        cancel_in_back(d, j, c, pos);
    } else if (!disp__is_gone(c, pos)) {
        mark_gone(c, pos);
        j->queued--;
        d->stats.awaiting--;
        end_quietly(d, j, c, pos, 1, disp__taken_back(j));
    }
}

/* The chunk that has task first, or the next one; looked for from the end that is nearer. */
static struct disp_chunk *chunk_from(const struct disp_job *j, uint64_t first)
{
    struct disp_chunk *c = j->chunks;
    if (first >= j->next_index)
        return NULL;
    if (c && first > c->tasks.first && first - c->tasks.first > j->next_index - first) {
        for (c = j->last; c->before && c->tasks.first > first; c = c->before)
            ;
    }
    while (c && c->tasks.first + c->tasks.slices.n <= first)
        c = c->after;
    return c;
}

static void cancel_some(struct disp *d, struct disp_job *j, uint64_t first, uint64_t end)
{
    for (struct disp_chunk *c = chunk_from(j, first), *after; c && c->tasks.first < end; c = after) {
        uint64_t at = c->tasks.first, stop = at + c->tasks.slices.n;
        c->left++;
        for (uint64_t t = first > at ? first : at; t < end && t < stop; t++)
            cancel_queued(d, j, c, (uint32_t)(t - at));
        after = c->after;
        disp__settle(d, j, c, 1);
    }
}

/* Some of the tasks [first, end) were given out, as far as one can see without asking every daemon. */
static bool may_run(const struct disp_job *j, uint64_t first, uint64_t end)
{
    for (const struct disp_chunk *c = chunk_from(j, first); c && c->tasks.first < end; c = c->after)
        if (first < c->tasks.first + c->next && end > c->tasks.first)
            return true;
    return false;
}

void disp_job_cancel(struct disp *d, struct disp_job *j, uint64_t first, uint32_t n, uint64_t now_us)
{
    if (n) {
        if (may_run(j, first, first + n))
            cancel_running(d, j, first, first + n);
        cancel_some(d, j, first, first + n);
        disp__run(d, now_us);
        return;
    }
    if (j->cancelled)
        return;
    j->cancelled = true;
    cancel_running(d, j, 0, UINT64_MAX);
    cancel_back(d, j);
    cancel_pins(d, j);
    cancel_fresh(d, j);
    disp__run(d, now_us);
}

void disp_job_abandon(struct disp *d, struct disp_job *j, uint64_t now_us)
{
    j->abandoned = true;
    disp_job_cancel(d, j, 0, 0, now_us);
    disp_job_end(d, j);
}

/* Once its last task has ended, the daemons forget the job; once they all have, it is done. Said once each. */
void disp__finish_if_over(struct disp *d, struct disp_job *j)
{
    if (j->done || !j->input_ended || j->live || j->pair_count)
        return;
    for (size_t i = 0; i < j->open_size && !j->closing; i++)
        for (unsigned s = (unsigned)i * 8; j->open[i] && s < i * 8 + 8; s++)
            if (disp__is_open(j, s))
                disp__act(d, DISP_CLOSE, j)->daemon = d->slots[s];
    j->closing = true;
    if (j->open_count == 0) {
        j->done = true;
        disp__act(d, DISP_DONE, j);
    }
}

void disp_job_free(struct disp *d, struct disp_job *j)
{
    disp__turn_remove(d, j);
    for (struct disp_chunk *c = j->chunks, *after; c; c = after) {
        after = c->after;
        chunk_free(d, j, c);
    }
    if (j->before)
        j->before->after = j->after;
    else
        d->jobs = j->after;
    if (j->after)
        j->after->before = j->before;
    d->job_count--;
    d->watched -= j->options.speculate || j->options.deadline_us;
    d->ahead -= j->options.ahead;
    d->promised -= j->grant;
    free(j->back);
    free(j->pairs);
    free(j->open);
    free(j->aside);
    free(j);
}

bool disp_job_has_all(const struct disp_job *j)
{
    return j->input_ended;
}

void disp_job_load(const struct disp_job *j, uint64_t *executing, uint64_t *awaiting)
{
    *awaiting = j->queued;
    *executing = j->live > j->queued ? j->live - j->queued : 0;
}
