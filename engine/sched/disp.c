/* The dispatcher itself, and the daemons that it knows. */
#include "engine/sched/disp_internal.h"

#include <stdlib.h>
#include <string.h>

struct disp *disp_new(uint64_t budget_bytes)
{
    struct disp *d = mem_zalloc(sizeof *d);
    d->avoided_us = UINT64_MAX;
    d->stats.mem_budget = budget_bytes ? budget_bytes : DISP_BUDGET_DEFAULT;
    return d;
}

void disp_set_budget(struct disp *d, uint64_t budget_bytes)
{
    d->stats.mem_budget = budget_bytes ? budget_bytes : DISP_BUDGET_DEFAULT;
}

void disp__ring_free(struct disp_daemon *m)
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
            disp__ring_free(m);
            free(m);
        }
    }
    while (d->jobs)
        disp_job_free(d, d->jobs);
    disp_actions_clear(d);
    free(d->slots);
    free(d->free_slots);
    free(d->turn);
    free(d->places);
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

/* ---- daemons ---- */

static void know_place(struct disp *d, unsigned place)
{
    if (place < d->place_count)
        return;
    d->places = mem_realloc(d->places, (place + 1u) * sizeof *d->places);
    memset(d->places + d->place_count, 0, (place + 1u - d->place_count) * sizeof *d->places);
    d->place_count = place + 1;
}

void disp__count_giving(struct disp *d, struct disp_daemon *m, bool giving)
{
    if (m->counted == giving)
        return;
    m->counted = giving;
    d->giving_count += giving ? 1u : -1u;
    d->places[m->place].giving += giving ? 1u : -1u;
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
    disp__count_giving(d, m, !held);
    disp__want(d, m);
    disp__run(d, now_us);
    return m;
}

void disp_daemon_release(struct disp *d, struct disp_daemon *m, uint64_t now_us)
{
    m->held = false;
    disp__count_giving(d, m, !m->draining && !m->paused);
    disp__want(d, m);
    disp__run(d, now_us);
}

void disp_daemon_line(struct disp_daemon *m, uint64_t round_us)
{
    m->line_us = (uint32_t)(round_us < DISP_LINE_MAX_US ? round_us : DISP_LINE_MAX_US);
}

void disp_daemon_drain(struct disp *d, struct disp_daemon *m)
{
    m->draining = true;
    d->events++;
    disp__count_giving(d, m, false);
    disp__want(d, m);
}

void disp_daemon_pause(struct disp *d, struct disp_daemon *m, bool paused, uint64_t now_us)
{
    m->paused = paused;
    if (!paused)
        m->head_us = now_us; /* what it is at may have stood still */
    disp__count_giving(d, m, !m->held && !m->draining && !paused);
    disp__want(d, m);
    disp__give_pins(d, m, now_us);
    disp__run(d, now_us);
}

void disp_daemon_back(struct disp_daemon *m, uint64_t now_us)
{
    m->head_us = now_us;
}

bool disp_daemon_is_unwanted(const struct disp_daemon *m)
{
    for (unsigned i = 0; i < m->ring_count; i++)
        if (!disp__batch(m, i)->job->cancelled)
            return false;
    return m->ring_count > 0;
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

void disp_stats(const struct disp *d, struct disp_stats *s)
{
    *s = d->stats;
    s->daemons = d->daemon_count;
    s->giving = d->giving_count;
    s->busy = d->busy_count;
    s->jobs = d->job_count;
}
