/* The dispatcher's choice: who wants work, and who gets which tasks next. */
#include "engine/sched/disp_internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    PREFETCH_BELOW_US = 50000,
    AHEAD_BELOW_US = 10000000, /* a task whose files travel waits behind one that takes at most so long */
    TAIL_BATCH_US = 100,
    UNKNOWN_TASK_US = 1000,
    AVOID_US = 5000000, /* what was lost on a machine waits so long for another */
    LOOK_BACK = 64,     /* of what came back, so many are looked at for one that a daemon may have */
    WAKE_US = 20,       /* what it costs to wake a daemon */
    START_DAEMONS = 32,
    START_TASKS = 512,
    START_US = 4000
};

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
        disp__ring_free(m);
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

/* Work that may be in flight, and bytes: what keeps it at work until the next comes. */
static double window_us(const struct disp_daemon *m)
{
    return DISP_WINDOW_US + 2.0 * m->line_us;
}

static uint64_t window_bytes(const struct disp_daemon *m)
{
    return DISP_WINDOW_BYTES + (uint64_t)m->line_us * DISP_LINE_BYTES_MS / 1000;
}

/* Another task would keep it from waiting. */
static bool has_room(const struct disp_daemon *m)
{
    return m->load_us < window_us(m) || (m->tasks == 1 && m->load_us < PREFETCH_BELOW_US);
}

/* The files of another task could travel while it is at work. */
static bool may_wait(const struct disp_daemon *m)
{
    return m->tasks == 1 && m->load_us < AHEAD_BELOW_US;
}

static enum disp_want wanted(const struct disp *d, const struct disp_daemon *m)
{
    if (m->paused || (!m->pins && !disp__is_giving(m)))
        return DISP_WANT_NO;
    if (!m->pins && disp__is_on_trial(d, m) && !disp__may_try(d, m))
        return DISP_WANT_NO;
    if (m->tasks == 0)
        return DISP_WANT_IDLE;
    /* room for a whole batch, or what it gets shrinks to what its last answer made room for, and stays that small */
    if (m->solo || m->tasks > DISP_WINDOW_TASKS - DISP_BATCH_TASKS || m->bytes >= window_bytes(m))
        return DISP_WANT_NO;
    return has_room(m) || (d->ahead && may_wait(m)) ? DISP_WANT_MORE : DISP_WANT_NO;
}

void disp__want(struct disp *d, struct disp_daemon *m)
{
    enum disp_want want = wanted(d, m);
    if (want == DISP_WANT_NO && disp__is_on_trial(d, m) && !disp__may_try(d, m))
        disp__wait_for_trial(d, m);
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

/* It goes alone. */
static bool is_solo(const struct disp_job *j, const struct disp_range *r)
{
    return r->lost && !j->options.sequential;
}

/* It is for another machine than m's: for good when it failed there, for a while when its daemon was lost. */
static bool avoids(struct disp *d, const struct disp_range *r, const struct disp_daemon *m)
{
    uint64_t until_us = r->back_us + AVOID_US;
    if (r->avoid != m->place + 1 || (!r->has_failed && d->now_us >= until_us))
        return false;
    if (!r->has_failed && until_us < d->avoided_us)
        d->avoided_us = until_us;
    return true;
}

/* The first of what came back that m may have; what is for other machines is so as long as another can do the job.
 * NULL: none. */
static const struct disp_range *back_for(struct disp *d, const struct disp_job *j, const struct disp_daemon *m)
{
    bool elsewhere = j->back_count && disp__is_elsewhere(d, j, m->place);
    for (size_t i = 0; i < j->back_count && i < LOOK_BACK; i++) {
        const struct disp_range *r = &j->back[i];
        if (!(elsewhere && avoids(d, r, m)) && !(is_solo(j, r) && m->tasks))
            return r;
    }
    return NULL;
}

/* How many tasks of the job one daemon may have: four times what each that works has done on average. Early answers
 * come from the tasks that happened to be short, and what is learned from them alone would pile the others onto a few
 * daemons. */
static double proven(const struct disp *d, const struct disp_job *j)
{
    return 2 + 4 * (double)j->ended / (d->busy_count ? d->busy_count : 1);
}

/* Its tasks cost less than to wake a daemon for one, and that is not what the first few alone say. */
static bool is_tiny(const struct disp *d, const struct disp_job *j)
{
    return j->task_us > 0 && j->task_us < WAKE_US && 4 * j->ended > d->stats.executing;
}

/* They may be tiny: of single ones most of the time goes to wake-ups. */
static bool may_be_tiny(const struct disp_job *j)
{
    return !j->answers || (j->task_us < 5 * WAKE_US && j->ended < START_TASKS);
}

/* Those that work have about all that they may have at a time. */
static bool are_full(const struct disp *d, const struct disp_job *j)
{
    double each = (double)d->stats.executing / (d->busy_count ? d->busy_count : 1);
    return each * j->task_us >= DISP_WINDOW_US / 2.0 || each >= DISP_WINDOW_TASKS / 2.0;
}

/* n for this job, beside those that work for others (each of its tasks that is out may keep one). */
static unsigned beside_others(const struct disp *d, const struct disp_job *j, unsigned n)
{
    uint64_t out = j->live - j->queued;
    return n + (d->busy_count > out ? d->busy_count - (unsigned)out : 0);
}

/* How many daemons may work while it is not known whether more are worth waking: a few, four times as many after every
 * few milliseconds without an answer. */
static unsigned few(const struct disp *d, const struct disp_job *j)
{
    uint64_t since_us = j->answered_us > j->begun_us ? j->answered_us : j->begun_us;
    uint64_t steps = since_us ? (d->now_us - since_us) / START_US : 0;
    return steps < 10 ? beside_others(d, j, (unsigned)START_DAEMONS << (2 * steps)) : UINT_MAX;
}

/* A busy daemon gets more when that keeps it from waiting, and not when another would be free for it sooner. */
bool disp__suits(struct disp *d, struct disp_job *j, const struct disp_daemon *m)
{
    if (!disp__has_turn(j))
        return false;
    if (disp__is_aside(d, j, m) || (disp__is_on_trial(d, m) && !disp__may_try(d, m))) {
        d->passed_over = true;
        return false;
    }
    if (!has_fresh(j) && !back_for(d, j, m)) {
        d->passed_over = true;
        return false;
    }
    if (m->tasks == 0)
        return true;
    if (m->tasks >= proven(d, j))
        return false;
    if (!has_room(m))
        return j->options.ahead && may_wait(m) && j->queued > d->giving_count;
    return m->load_us < window_us(m) || j->queued > 4 * (uint64_t)d->giving_count;
}

static uint32_t batch_limit(const struct disp *d, const struct disp_job *j, const struct disp_daemon *m)
{
    double us = j->task_us;
    if (us <= 0 || disp__is_on_trial(d, m))
        return 1;
    double n = window_us(m) / 4 / us,
           share = (double)j->queued / (2.0 * (d->most < d->giving_count ? d->most : d->giving_count));
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

/* The longest prefix within DISP_BATCH_BYTES, at least one task. */
static void cut_to_bytes(struct disp_range *r)
{
    uint32_t low = 1, high = r->n;
    struct disp_range part = *r;
    if (disp__range_bytes(r) <= DISP_BATCH_BYTES)
        return;
    while (low < high) {
        part.n = low + (high - low + 1) / 2;
        if (disp__range_bytes(&part) <= DISP_BATCH_BYTES)
            low = part.n;
        else
            high = part.n - 1;
    }
    r->n = low;
}

static struct disp_range take(struct disp *d, struct disp_job *j, const struct disp_daemon *m, uint32_t limit)
{
    struct disp_range r;
    const struct disp_range *back = back_for(d, j, m);
    if (back) {
        r = disp__take_back(j, (size_t)(back - j->back));
        struct disp_range rest = r;
        r.n = is_solo(j, &r) ? 1 : r.n < limit ? r.n : limit;
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

void disp__give(struct disp *d, struct disp_daemon *m, struct disp_job *j, struct disp_range r, bool paired)
{
    double us = j->task_us > 0 ? j->task_us : UNKNOWN_TASK_US;
    mark_open(d, j, m);
    j->begun_us = j->begun_us ? j->begun_us : d->now_us;
    struct disp_action *a = disp__act(d, DISP_SEND, j);
    a->daemon = m;
    a->tasks = &r.chunk->tasks;
    a->pos = r.pos;
    a->n = r.n;
    a->attempts = 1u + r.lost + r.tried;
    struct disp_batch *b = add_batch(m);
    *b = (struct disp_batch){
        .job = j, .range = r, .sent_us = d->now_us, .bytes = disp__range_bytes(&r), .paired = paired};
    b->est_us = j->task_us > 0 ? us * r.n : DISP_WINDOW_US;
    if (m->tasks == 0) {
        d->busy_count++;
        m->head_us = d->now_us;
    }
    m->tasks += r.n;
    d->places[m->place].tasks += r.n;
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

/* Idle daemons get something each, while fewer than d->most work. What an idle daemon cannot have, nobody can, unless
 * a task is for another machine: false then. */
static bool run_idle(struct disp *d)
{
    struct disp_daemon *m = d->idle.first, *next;
    d->start_us = 0;
    for (; d->stats.awaiting && m && d->busy_count < d->most; m = next) {
        next = m->want_after;
        if (assign(d, m)) {
            disp__want_remove(d, m);
            disp__want(d, m);
        } else if (!d->passed_over) {
            return false;
        }
    }
    d->start_us = d->stats.awaiting && m && d->most < UINT_MAX ? d->now_us + START_US : 0;
    return true;
}

/* A daemon that is busy and gets nothing leaves the list; its next answer brings it back. */
static void run_more(struct disp *d)
{
    struct disp_daemon *m;
    while (d->stats.awaiting && (m = d->more.first)) {
        bool got = assign(d, m);
        disp__want_remove(d, m);
        if (got)
            disp__want(d, m); /* at the end of its list */
    }
}

/* Tiny tasks are not worth waking many daemons, unless a few have all that they may have, or do not answer. */
void disp__run(struct disp *d, uint64_t now_us)
{
    const struct disp_job *j = disp__turn_first(d);
    d->now_us = now_us;
    disp__look_at_trials(d);
    d->events++;
    d->passed_over = false;
    d->avoided_us = UINT64_MAX;
    bool tiny = j && is_tiny(d, j);
    d->most = tiny ? beside_others(d, j, START_DAEMONS) : j && may_be_tiny(j) ? few(d, j) : UINT_MAX;
    if (!run_idle(d))
        return;
    run_more(d);
    if (!tiny || !d->stats.awaiting)
        return;
    d->most = are_full(d, j) ? UINT_MAX : few(d, j);
    if (run_idle(d))
        run_more(d);
}

void disp__give_pins(struct disp *d, struct disp_daemon *m, uint64_t now_us)
{
    d->now_us = now_us;
    while (m->pins && m->want != DISP_WANT_NO && assign(d, m))
        disp__want(d, m);
}
