/* Whose turn it is: a heap of the jobs that have tasks to give, the one that had least at the top. A job that has none
 * any more is taken out when it gets to the top, not before. */
#include "engine/sched/disp_internal.h"

enum { BUSY_LOOKS = 8 };

static bool before(const struct disp_job *a, const struct disp_job *b)
{
    return a->virtual_us < b->virtual_us || (a->virtual_us == b->virtual_us && a->number < b->number);
}

static void put(struct disp *d, unsigned at, struct disp_job *j)
{
    d->turn[at] = j;
    j->turn_at = at + 1;
}

static void rise(struct disp *d, unsigned at)
{
    struct disp_job *j = d->turn[at];
    for (; at && before(j, d->turn[(at - 1) / 2]); at = (at - 1) / 2)
        put(d, at, d->turn[(at - 1) / 2]);
    put(d, at, j);
}

static void sink(struct disp *d, unsigned at)
{
    struct disp_job *j = d->turn[at];
    for (unsigned child; (child = 2 * at + 1) < d->turn_count; at = child) {
        if (child + 1 < d->turn_count && before(d->turn[child + 1], d->turn[child]))
            child++;
        if (!before(d->turn[child], j))
            break;
        put(d, at, d->turn[child]);
    }
    put(d, at, j);
}

bool disp__has_turn(const struct disp_job *j)
{
    return j->queued && !j->paused && !j->cancelled;
}

void disp__turn_add(struct disp *d, struct disp_job *j)
{
    if (j->turn_at || !disp__has_turn(j))
        return;
    if (d->turn_count == d->turn_cap) {
        d->turn_cap = d->turn_cap ? d->turn_cap * 2 : 8;
        d->turn = mem_realloc(d->turn, d->turn_cap * sizeof *d->turn);
    }
    d->turn[d->turn_count] = j;
    rise(d, d->turn_count++);
}

void disp__turn_remove(struct disp *d, struct disp_job *j)
{
    unsigned at = j->turn_at;
    if (!at)
        return;
    struct disp_job *last = d->turn[--d->turn_count];
    j->turn_at = 0;
    if (last == j)
        return;
    put(d, at - 1, last);
    rise(d, at - 1);
    sink(d, last->turn_at - 1);
}

void disp__turn_used(struct disp *d, struct disp_job *j)
{
    if (j->turn_at)
        sink(d, j->turn_at - 1);
}

struct disp_job *disp__turn_first(struct disp *d)
{
    while (d->turn_count && !disp__has_turn(d->turn[0]))
        disp__turn_remove(d, d->turn[0]);
    return d->turn_count ? d->turn[0] : NULL;
}

/* Mostly it is the one at the top. Where that does not suit, an idle daemon looks at all of them; a busy one, that asks
 * after each answer, at a few. */
struct disp_job *disp__turn_choose(struct disp *d, const struct disp_daemon *m)
{
    struct disp_job *best = NULL, *first = disp__turn_first(d);
    if (first && disp__suits(d, first, m))
        return first;
    unsigned looks = m->tasks && d->turn_count > BUSY_LOOKS ? BUSY_LOOKS : d->turn_count;
    for (unsigned i = 1; i < looks; i++)
        if (disp__suits(d, d->turn[i], m) && (!best || before(d->turn[i], best)))
            best = d->turn[i];
    return best;
}
