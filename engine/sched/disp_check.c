/* The dispatcher's invariants, checked from the ground: for tests. */
#include "engine/sched/disp_internal.h"

#include <assert.h>
#include <stdlib.h>

#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "dispatcher: broken at line %d: %s\n", __LINE__, #what);                                   \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

struct census {
    const struct disp_chunk *chunk;
    uint8_t *place; /* per task: how many places hold it */
};

static void count_range(const struct census *c, const struct disp_range *r)
{
    if (r->chunk != c->chunk)
        return;
    CHECK(r->n > 0 && r->pos + r->n <= c->chunk->tasks.slices.n);
    for (uint32_t i = 0; i < r->n; i++)
        c->place[r->pos + i]++;
}

static bool is_paired(const struct disp_job *j, const struct disp_chunk *chunk, uint32_t pos)
{
    for (size_t i = 0; i < j->pair_count; i++)
        if (j->pairs[i].chunk == chunk && j->pairs[i].pos == pos)
            return true;
    return false;
}

/* Every living task of the chunk is in exactly one place: waiting, back, pinned or with one
 * daemon; or with two, as a pair. */
static void check_chunk(const struct disp *d, const struct disp_job *j, const struct disp_chunk *chunk)
{
    uint32_t n = chunk->tasks.slices.n, living = 0;
    struct census c = {chunk, mem_zalloc(n)};
    for (uint32_t i = chunk->next; i < n; i++)
        c.place[i] = !disp__is_gone(chunk, i);
    for (size_t i = 0; i < j->back_count; i++)
        count_range(&c, &j->back[i]);
    for (unsigned s = 0; s < d->slot_count; s++) {
        const struct disp_daemon *m = d->slots[s];
        for (unsigned i = 0; m && i < m->ring_count; i++)
            count_range(&c, &disp__batch(m, i)->range);
        for (const struct disp_pin *p = m ? m->pins : NULL; p; p = p->next)
            if (p->chunk == chunk)
                c.place[p->pos]++;
    }
    for (uint32_t i = 0; i < n; i++) {
        CHECK(c.place[i] <= (is_paired(j, chunk, i) ? 2 : 1));
        living += c.place[i];
    }
    CHECK(living == chunk->left && living > 0);
    free(c.place);
}

static void check_job(const struct disp *d, const struct disp_job *j)
{
    uint64_t live = 0, mem = 0, queued = 0;
    unsigned open = 0;
    for (const struct disp_chunk *c = j->chunks; c; c = c->after) {
        check_chunk(d, j, c);
        live += c->left;
        mem += c->mem_bytes;
        for (uint32_t i = c->next; i < c->tasks.slices.n; i++)
            queued += !disp__is_gone(c, i);
    }
    for (size_t i = 0; i < j->back_count; i++) {
        queued += j->back[i].n;
        CHECK(i == 0 || disp__index(&j->back[(i - 1) / 2]) < disp__index(&j->back[i]));
        CHECK(j->back[i].lost <= j->options.retries && j->back[i].tried <= j->options.retry_failed);
    }
    for (unsigned s = 0; s < d->slot_count; s++)
        open += disp__is_open(j, s);
    CHECK(open == j->open_count);
    CHECK(live == j->live + j->pair_count && j->live + j->ended == j->total);
    CHECK(queued == j->queued);
    CHECK(!disp__has_turn(j) || j->turn_at);
    CHECK(mem == j->mem_used);
    CHECK(mem <= j->grant || j->chunks == j->last);
}

void disp_check(const struct disp *d)
{
    uint64_t mem = 0, executing = 0, awaiting = 0;
    unsigned jobs = 0, busy = 0, daemons = 0, giving = 0;
    for (const struct disp_job *j = d->jobs; j; j = j->after, jobs++) {
        check_job(d, j);
        mem += j->mem_used;
        awaiting += j->queued;
    }
    for (unsigned i = 0; i < d->turn_count; i++) {
        const struct disp_job *up = d->turn[i ? (i - 1) / 2 : 0], *j = d->turn[i];
        CHECK(j->turn_at == i + 1);
        CHECK(i == 0 || up->virtual_us < j->virtual_us || (up->virtual_us == j->virtual_us && up->number < j->number));
    }
    for (unsigned s = 0; s < d->slot_count; s++) {
        const struct disp_daemon *m = d->slots[s];
        uint32_t tasks = 0, bytes = 0;
        if (!m)
            continue;
        for (unsigned i = 0; i < m->ring_count; i++) {
            const struct disp_batch *b = disp__batch(m, i);
            tasks += b->range.n;
            bytes += b->bytes;
            CHECK(disp__is_open(b->job, s));
        }
        for (const struct disp_pin *p = m->pins; p; p = p->next)
            awaiting++;
        CHECK(tasks == m->tasks && bytes == m->bytes);
        CHECK(tasks <= DISP_WINDOW_TASKS);
        CHECK(!m->max_tasks || m->given <= m->max_tasks || m->pins || m->held);
        executing += tasks;
        busy += tasks > 0;
        giving += !m->held && !m->draining && !m->paused;
        daemons++;
    }
    CHECK(mem == d->stats.mem_used);
    CHECK(awaiting == d->stats.awaiting && executing == d->stats.executing);
    CHECK(giving == d->giving_count && d->free_count == d->slot_count - daemons);
    CHECK(jobs == d->job_count && busy == d->busy_count && daemons == d->daemon_count);
}
