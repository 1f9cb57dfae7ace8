/* The dispatcher's daemons and its choice: who gets which tasks next, and what an answer or a death means. */
#include "engine/disp_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    PREFETCH_BELOW_US = 50000,
    TAIL_BATCH_US = 100,
    UNKNOWN_TASK_US = 1000,
    LEARN_ANSWERS = 16,
    AVOID_US = 5000000,
    QUICK_US = 200
};

struct disp *disp_new(uint64_t budget_bytes)
{
    struct disp *d = mem_zalloc(sizeof *d);
    d->stats.mem_budget = budget_bytes ? budget_bytes : DISP_BUDGET_DEFAULT;
    return d;
}

void disp_set_budget(struct disp *d, uint64_t budget_bytes)
{
    d->stats.mem_budget = budget_bytes;
}

static void ring_free(struct disp_daemon *m)
{
    if (m->ring != m->few)
        free(m->ring);
}

void disp_free(struct disp *d)
{
    if (!d)
        return;
    for (unsigned s = 0; s < d->slot_count; s++) {
        if (d->slots[s]) {
            struct disp_daemon *m = d->slots[s];
            for (struct disp_pin *p = m->pins, *next; p; p = next) {
                next = p->next;
                free(p);
            }
            ring_free(m);
            free(m);
        }
    }
    while (d->jobs)
        disp_job_free(d, d->jobs);
    disp_actions_clear(d);
    free(d->slots);
    free(d->free_slots);
    free(d->turn);
    free(d->giving_at);
    free(d->actions);
    free(d);
}

const struct disp_action *disp_actions(const struct disp *d, size_t *count)
{
    *count = d->action_count;
    return d->actions;
}

void disp_actions_clear(struct disp *d)
{
    for (size_t i = 0; i < d->action_count; i++)
        free(d->actions[i].input);
    d->action_count = 0;
}

struct disp_action *disp__act(struct disp *d, enum disp_action_type type, struct disp_job *j)
{
    if (d->action_count == d->action_cap) {
        d->action_cap = d->action_cap ? d->action_cap * 2 : 64;
        d->actions = mem_realloc(d->actions, d->action_cap * sizeof *d->actions);
    }
    struct disp_action *a = &d->actions[d->action_count++];
    *a = (struct disp_action){.type = type, .job = j};
    return a;
}

/* ---- what came back: a heap, lowest index first ---- */

void disp__push_back(struct disp_job *j, struct disp_range r)
{
    if (j->back_count == j->back_cap) {
        j->back_cap = j->back_cap ? j->back_cap * 2 : 8;
        j->back = mem_realloc(j->back, j->back_cap * sizeof *j->back);
    }
    size_t i = j->back_count++;
    for (; i && disp__index(&r) < disp__index(&j->back[(i - 1) / 2]); i = (i - 1) / 2)
        j->back[i] = j->back[(i - 1) / 2];
    j->back[i] = r;
}

struct disp_range disp__pop_back(struct disp_job *j)
{
    struct disp_range top = j->back[0], last = j->back[--j->back_count];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < j->back_count) {
        if (child + 1 < j->back_count && disp__index(&j->back[child + 1]) < disp__index(&j->back[child]))
            child++;
        if (disp__index(&last) <= disp__index(&j->back[child]))
            break;
        j->back[i] = j->back[child];
        i = child;
    }
    j->back[i] = last;
    return top;
}

/* ---- batches in flight: a ring per daemon ---- */

struct disp_batch *disp__batch(const struct disp_daemon *m, unsigned i)
{
    return &m->ring[(m->ring_head + i) & (m->ring_cap - 1)];
}

void disp__pop_batch(struct disp_daemon *m)
{
    m->ring_head = (m->ring_head + 1) & (m->ring_cap - 1);
    m->ring_count--;
}

static struct disp_batch *add_batch(struct disp_daemon *m)
{
    if (m->ring_count == m->ring_cap) {
        unsigned cap = m->ring_cap * 2;
        struct disp_batch *ring = mem_alloc(cap * sizeof *ring);
        for (unsigned i = 0; i < m->ring_count; i++)
            ring[i] = *disp__batch(m, i);
        ring_free(m);
        m->ring = ring;
        m->ring_cap = cap;
        m->ring_head = 0;
    }
    m->ring_count++;
    return disp__batch(m, m->ring_count - 1);
}

/* ---- who wants work ---- */

static struct disp_want_list *want_list(struct disp *d, enum disp_want want)
{
    return want == DISP_WANT_IDLE ? &d->idle : &d->more;
}

void disp__want_remove(struct disp *d, struct disp_daemon *m)
{
    if (m->want == DISP_WANT_NO)
        return;
    struct disp_want_list *list = want_list(d, m->want);
    *(m->want_before ? &m->want_before->want_after : &list->first) = m->want_after;
    *(m->want_after ? &m->want_after->want_before : &list->last) = m->want_before;
    m->want = DISP_WANT_NO;
    m->want_before = m->want_after = NULL;
}

bool disp__is_giving(const struct disp_daemon *m)
{
    return !m->held && !m->draining && !m->paused && !(m->max_tasks && m->given >= m->max_tasks);
}

static enum disp_want wanted(const struct disp_daemon *m)
{
    if (m->paused || (!m->pins && !disp__is_giving(m)))
        return DISP_WANT_NO;
    if (m->tasks == 0)
        return DISP_WANT_IDLE;
    /* room for a whole batch, or what it gets shrinks to what its last answer made room for, and stays that small */
    if (m->solo || m->tasks > DISP_WINDOW_TASKS - DISP_BATCH_TASKS || m->bytes >= DISP_WINDOW_BYTES)
        return DISP_WANT_NO;
    bool room = m->load_us < DISP_WINDOW_US || (m->tasks == 1 && m->load_us < PREFETCH_BELOW_US);
    return room ? DISP_WANT_MORE : DISP_WANT_NO;
}

void disp__want(struct disp *d, struct disp_daemon *m)
{
    enum disp_want want = wanted(m);
    if (want == m->want)
        return;
    disp__want_remove(d, m);
    if (want == DISP_WANT_NO)
        return;
    struct disp_want_list *list = want_list(d, want);
    m->want = want;
    if (want == DISP_WANT_IDLE && m->quick) { /* it is warm: a thousand others that are not would have to wake */
        m->want_after = list->first;
        *(list->first ? &list->first->want_before : &list->last) = m;
        list->first = m;
        return;
    }
    m->want_before = list->last;
    *(list->last ? &list->last->want_after : &list->first) = m;
    list->last = m;
}

/* ---- the choice ---- */

static bool is_solo(const struct disp_job *j)
{
    return j->back_count && j->back[0].lost && !j->options.sequential;
}

static bool has_fresh(struct disp_job *j)
{
    while (j->fresh) {
        struct disp_chunk *c = j->fresh;
        while (c->next < c->tasks.slices.n && disp__is_gone(c, c->next))
            c->next++;
        if (c->next < c->tasks.slices.n)
            return true;
        j->fresh = c->after;
    }
    return false;
}

/* What came back first is to go to another machine than m's, and there is one that may get it yet. */
static bool avoids(const struct disp *d, const struct disp_job *j, const struct disp_daemon *m)
{
    const struct disp_range *r = j->back;
    return j->back_count && r->avoid == m->place + 1 && d->now_us - r->back_us < AVOID_US &&
           d->giving_at[m->place] < d->giving_count;
}

/* How many tasks of the job one daemon may have: four times what each has done on average. Early answers come from the
 * tasks that happened to be short, and what is learned from them alone would pile the others onto a few daemons. */
static double proven(const struct disp *d, const struct disp_job *j)
{
    return 2 + 4 * (double)j->ended / d->giving_count;
}

/* A busy daemon gets more when that keeps it from waiting, and not when another would be free for it sooner. */
bool disp__suits(struct disp *d, struct disp_job *j, const struct disp_daemon *m)
{
    if (!disp__has_turn(j))
        return false;
    if (avoids(d, j, m) && !has_fresh(j)) {
        d->avoided = true;
        return false;
    }
    if (m->tasks == 0)
        return true;
    if ((is_solo(j) && !has_fresh(j)) || m->tasks >= proven(d, j))
        return false;
    return m->load_us < DISP_WINDOW_US || j->queued > 4 * (uint64_t)d->giving_count;
}

static uint32_t batch_limit(const struct disp *d, const struct disp_job *j, const struct disp_daemon *m)
{
    double us = j->task_us;
    if (us <= 0)
        return 1;
    double n = DISP_WINDOW_US / 4.0 / us, share = (double)j->queued / (2.0 * d->giving_count);
    double least = TAIL_BATCH_US / us;
    if (n > share)
        n = share > least ? share : least;
    if (n > DISP_BATCH_TASKS)
        n = DISP_BATCH_TASKS;
    if (m->tasks && n > DISP_WINDOW_TASKS - m->tasks)
        n = DISP_WINDOW_TASKS - m->tasks;
    if (n > proven(d, j) - m->tasks)
        n = proven(d, j) - m->tasks;
    if (m->max_tasks && n > (double)(m->max_tasks - m->given))
        n = (double)(m->max_tasks - m->given);
    return n < 1 ? 1 : (uint32_t)n;
}

static uint32_t range_bytes(const struct disp_range *r)
{
    const struct wire_slices *s = &r->chunk->tasks.slices;
    return wire_slice_end(s, r->pos + r->n - 1) - wire_slice_start(s, r->pos);
}

/* The longest prefix within DISP_BATCH_BYTES, at least one task. */
static void cut_to_bytes(struct disp_range *r)
{
    uint32_t low = 1, high = r->n;
    struct disp_range part = *r;
    if (range_bytes(r) <= DISP_BATCH_BYTES)
        return;
    while (low < high) {
        part.n = low + (high - low + 1) / 2;
        if (range_bytes(&part) <= DISP_BATCH_BYTES)
            low = part.n;
        else
            high = part.n - 1;
    }
    r->n = low;
}

static struct disp_range take(const struct disp *d, struct disp_job *j, const struct disp_daemon *m, uint32_t limit)
{
    struct disp_range r;
    if (j->back_count && !(is_solo(j) && m->tasks) && !avoids(d, j, m)) {
        r = disp__pop_back(j);
        struct disp_range rest = r;
        r.n = is_solo(j) || (r.lost && !j->options.sequential) ? 1 : r.n < limit ? r.n : limit;
        cut_to_bytes(&r);
        rest.pos += r.n;
        rest.n -= r.n;
        if (rest.n)
            disp__push_back(j, rest);
    } else {
        has_fresh(j); /* moves past what was cancelled */
        struct disp_chunk *c = j->fresh;
        uint32_t end = c->next;
        while (end < c->tasks.slices.n && end - c->next < limit && !disp__is_gone(c, end))
            end++;
        r = (struct disp_range){.chunk = c, .pos = c->next, .n = end - c->next};
        cut_to_bytes(&r);
        c->next += r.n;
    }
    j->queued -= r.n;
    return r;
}

static void mark_open(struct disp *d, struct disp_job *j, struct disp_daemon *m)
{
    if (disp__is_open(j, m->slot))
        return;
    size_t need = m->slot / 8 + 1;
    if (need > j->open_size) {
        j->open = mem_realloc(j->open, need);
        memset(j->open + j->open_size, 0, need - j->open_size);
        j->open_size = need;
    }
    j->open[m->slot / 8] |= (uint8_t)(1 << m->slot % 8);
    j->open_count++;
    disp__act(d, DISP_OPEN, j)->daemon = m;
}

static bool unmark_open(struct disp_job *j, const struct disp_daemon *m)
{
    if (!disp__is_open(j, m->slot))
        return false;
    j->open[m->slot / 8] &= (uint8_t) ~(1 << m->slot % 8);
    j->open_count--;
    return true;
}

void disp__give(struct disp *d, struct disp_daemon *m, struct disp_job *j, struct disp_range r, bool paired)
{
    double us = j->task_us > 0 ? j->task_us : UNKNOWN_TASK_US;
    mark_open(d, j, m);
    struct disp_action *a = disp__act(d, DISP_SEND, j);
    a->daemon = m;
    a->tasks = &r.chunk->tasks;
    a->pos = r.pos;
    a->n = r.n;
    a->attempts = 1u + r.lost + r.tried;
    struct disp_batch *b = add_batch(m);
    *b = (struct disp_batch){.job = j, .range = r, .sent_us = d->now_us, .bytes = range_bytes(&r), .paired = paired};
    b->est_us = j->task_us > 0 ? us * r.n : DISP_WINDOW_US;
    if (m->tasks == 0)
        d->busy_count++;
    m->tasks += r.n;
    m->bytes += b->bytes;
    m->load_us += b->est_us;
    m->given += r.n;
    m->solo = r.lost && !j->options.sequential;
    d->stats.awaiting -= paired ? 0 : r.n;
    d->stats.executing += r.n;
    if (d->virtual_us < j->virtual_us)
        d->virtual_us = j->virtual_us;
    j->virtual_us += us * r.n;
    disp__turn_used(d, j);
}

/* Gives m one batch; false when there is nothing for it. */
static bool assign(struct disp *d, struct disp_daemon *m)
{
    if (m->pins) {
        struct disp_pin *p = m->pins;
        m->pins = p->next;
        disp__give(d, m, p->job, (struct disp_range){.chunk = p->chunk, .pos = p->pos, .n = 1}, false);
        free(p);
        return true;
    }
    struct disp_job *j = disp__is_giving(m) ? disp__turn_choose(d, m) : NULL;
    if (!j)
        return false;
    disp__give(d, m, j, take(d, j, m, batch_limit(d, j, m)), false);
    return true;
}

/* What an idle daemon cannot have, nobody can, unless it waits for another machine. A daemon that is busy and gets
 * nothing leaves the list; its next answer brings it back. */
void disp__run(struct disp *d, uint64_t now_us)
{
    struct disp_daemon *m = d->idle.first, *next;
    d->now_us = now_us;
    d->events++;
    d->avoided = false;
    for (; d->stats.awaiting && m; m = next) {
        next = m->want_after;
        if (!assign(d, m)) {
            if (d->avoided)
                continue;
            return;
        }
        disp__want_remove(d, m);
        disp__want(d, m);
    }
    while (d->stats.awaiting && (m = d->more.first)) {
        bool got = assign(d, m);
        disp__want_remove(d, m);
        if (got)
            disp__want(d, m); /* at the end of its list */
    }
}

void disp__give_pins(struct disp *d, struct disp_daemon *m, uint64_t now_us)
{
    d->now_us = now_us;
    while (m->pins && m->want != DISP_WANT_NO && assign(d, m))
        disp__want(d, m);
}

/* ---- daemons ---- */

static void know_place(struct disp *d, unsigned place)
{
    if (place < d->place_count)
        return;
    d->giving_at = mem_realloc(d->giving_at, (place + 1u) * sizeof *d->giving_at);
    memset(d->giving_at + d->place_count, 0, (place + 1u - d->place_count) * sizeof *d->giving_at);
    d->place_count = place + 1;
}

/* After a change of held or draining. */
static void count_giving(struct disp *d, struct disp_daemon *m, bool giving)
{
    if (m->counted == giving)
        return;
    m->counted = giving;
    d->giving_count += giving ? 1u : -1u;
    d->giving_at[m->place] += giving ? 1u : -1u;
}

static unsigned take_slot(struct disp *d)
{
    if (!d->free_count) {
        unsigned old = d->slot_count;
        d->slot_count = old ? old * 2 : 8;
        d->slots = mem_realloc(d->slots, d->slot_count * sizeof *d->slots);
        d->free_slots = mem_realloc(d->free_slots, d->slot_count * sizeof *d->free_slots);
        memset(d->slots + old, 0, (d->slot_count - old) * sizeof *d->slots);
        for (unsigned s = d->slot_count; s-- > old;) /* the lowest is on top */
            d->free_slots[d->free_count++] = s;
    }
    return d->free_slots[--d->free_count];
}

struct disp_daemon *disp_daemon_join(
    struct disp *d, void *arg, unsigned place, uint64_t max_tasks, bool held, uint64_t now_us)
{
    struct disp_daemon *m = mem_zalloc(sizeof *m);
    m->arg = arg;
    m->ring = m->few;
    m->ring_cap = DISP_FEW;
    m->place = place;
    m->max_tasks = max_tasks;
    m->held = held;
    know_place(d, place);
    m->slot = take_slot(d);
    d->slots[m->slot] = m;
    d->daemon_count++;
    count_giving(d, m, !held);
    disp__want(d, m);
    disp__run(d, now_us);
    return m;
}

void disp_daemon_release(struct disp *d, struct disp_daemon *m, uint64_t now_us)
{
    m->held = false;
    count_giving(d, m, !m->draining && !m->paused);
    disp__want(d, m);
    disp__run(d, now_us);
}

void disp_daemon_drain(struct disp *d, struct disp_daemon *m)
{
    m->draining = true;
    d->events++;
    count_giving(d, m, false);
    disp__want(d, m);
}

void disp_daemon_pause(struct disp *d, struct disp_daemon *m, bool paused, uint64_t now_us)
{
    m->paused = paused;
    count_giving(d, m, !m->held && !m->draining && !paused);
    disp__want(d, m);
    disp__give_pins(d, m, now_us);
    disp__run(d, now_us);
}

void *disp_daemon_arg(const struct disp_daemon *m)
{
    return m->arg;
}

uint32_t disp_daemon_in_flight(const struct disp_daemon *m)
{
    return m->tasks;
}

uint64_t disp_daemon_done(const struct disp_daemon *m)
{
    return m->done;
}

uint64_t disp_daemon_failed(const struct disp_daemon *m)
{
    return m->failed;
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

bool disp_daemon_input(const struct disp_daemon *m, struct blk **block, const uint8_t **input, uint32_t *len)
{
    const struct disp_batch *b = m->ring_count ? disp__batch(m, 0) : NULL;
    if (!b || !b->range.chunk->tasks.block)
        return false;
    *block = b->range.chunk->tasks.block;
    *input = input_of(&b->range, len);
    return true;
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
        disp__pair_lost(d, j, m, &rest);
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
    count_giving(d, m, false);
    for (struct disp_job *j = d->jobs; j; j = j->after)
        unmark_open(j, m);
    drop_pins(d, m);
    for (bool first = true; m->ring_count; first = false) {
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
    ring_free(m);
    free(m);
    disp__run(d, now_us);
}

/* ---- given back ---- */

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

static void pin_again(struct disp *d, struct disp_daemon *m, struct disp_job *j, struct disp_range r)
{
    struct disp_pin *p = mem_zalloc(sizeof *p);
    *p = (struct disp_pin){.job = j, .chunk = r.chunk, .pos = r.pos, .next = m->pins};
    m->pins = p;
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
    struct disp_range r = b->range;
    bool pinned = disp__is_pinned(b), paired = b->paired;
    d->now_us = now_us;
    r.pos += r.n - n;
    r.n = n;
    uint32_t bytes = range_bytes(&r);
    double est = b->est_us * n / b->range.n;
    b->range.n -= n;
    b->bytes -= bytes;
    b->est_us -= est;
    m->tasks -= n;
    m->bytes -= bytes;
    m->load_us -= est;
    m->given -= n;
    d->stats.executing -= n;
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
    if (paired)
        disp__pair_lost(d, j, m, &r); /* the other one has it still */
    else
        wait_again(d, m, j, r, pinned);
    disp__want_remove(d, m);
    disp__want(d, m);
    disp__run(d, now_us);
    return CLW_OK;
}

enum clw_err disp_daemon_closed(struct disp *d, struct disp_daemon *m, uint64_t number, struct disp_job **which)
{
    struct disp_job *j = disp_job_find(d, (uint32_t)number);
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
    struct disp_range r = b->range;
    r.n = n;
    d->now_us = now_us;
    bool late = j->late && outcome == WIRE_CANCELLED;
    outcome = late ? WIRE_TIMEOUT : outcome;
    *verdict = (struct disp_verdict){.deliver = !j->abandoned,
        .late = late,
        .attempts = 1u + r.lost + r.tried,
        .job = j,
        .queued_us = b->sent_us - r.chunk->arrived_us};
    uint32_t bytes = range_bytes(&r);
    double est = b->est_us * n / b->range.n;
    b->range.pos += n;
    b->range.n -= n;
    b->bytes -= bytes;
    b->est_us -= est;
    m->tasks -= n;
    m->bytes -= bytes;
    m->load_us -= est;
    bool pinned = disp__is_pinned(b), paired = b->paired;
    if (b->range.n == 0)
        disp__pop_batch(m);
    if (m->tasks == 0) {
        m->load_us = 0;
        m->solo = false;
        d->busy_count--;
    }
    d->stats.executing -= n;
    m->quick = run_us < QUICK_US * (uint64_t)n;
    m->done += n;
    if (outcome == WIRE_DONE || outcome == WIRE_FAILED)
        learn(j, n, run_us);
    bool cancelled = j->cancelled || disp__is_gone(r.chunk, r.pos);
    bool again = (outcome == WIRE_FAILED || outcome == WIRE_TIMEOUT) && r.tried < j->options.retry_failed && !pinned;
    m->failed += outcome == WIRE_FAILED || outcome == WIRE_TIMEOUT ? n : 0;
    bool good = cancelled || outcome == WIRE_DONE || outcome == WIRE_CANCELLED;
    if (paired && !disp__pair_answer(d, j, m, &r, good)) {
        verdict->deliver = false;
    } else if (again && !cancelled) {
        r.tried++;
        r.avoid = (uint16_t)(m->place + 1);
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

uint64_t disp__avoided_until(const struct disp_job *j)
{
    return j->back_count && j->back[0].avoid ? j->back[0].back_us + AVOID_US : UINT64_MAX;
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

void disp_stats(const struct disp *d, struct disp_stats *s)
{
    *s = d->stats;
    s->daemons = d->daemon_count;
    s->busy = d->busy_count;
    s->jobs = d->job_count;
}
