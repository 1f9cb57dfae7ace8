/* Structures shared by the dispatcher's files. Nobody else includes this. */
#ifndef ENGINE_DISP_INTERNAL_H
#define ENGINE_DISP_INTERNAL_H

#include "engine/disp.h"

struct disp_chunk {
    struct disp_tasks tasks;
    struct disp_chunk *before, *after; /* in the job, FIFO */
    uint32_t next;                     /* first task never given out */
    uint32_t left;                     /* tasks that have not ended */
    uint32_t mem_bytes;
    uint64_t arrived_us;
    uint8_t *gone; /* bit per task: cancelled while it waited; NULL: none */
};

/* Tasks that came back, or stand alone. */
struct disp_range {
    struct disp_chunk *chunk;
    uint32_t pos, n;
    uint16_t lost;  /* daemons that it took down, perhaps */
    uint16_t tried; /* times that it failed */
};

struct disp_batch {
    struct disp_job *job;
    struct disp_range range; /* what is left of it */
    uint64_t sent_us;
    double est_us;
    uint32_t bytes;
};

struct disp_pin {
    struct disp_job *job;
    struct disp_chunk *chunk;
    uint32_t pos;
    struct disp_pin *next;
};

struct disp_daemon {
    void *arg;
    unsigned slot;
    bool held, draining, paused, solo;
    uint64_t max_tasks, given, done, failed;
    struct disp_pin *pins;
    /* batches in flight, oldest first: a ring */
    struct disp_batch *ring;
    unsigned ring_cap, ring_head, ring_count;
    uint32_t tasks, bytes;
    double load_us;
    /* the list it waits in for work */
    enum disp_want { DISP_WANT_NO, DISP_WANT_IDLE, DISP_WANT_MORE } want;
    struct disp_daemon *want_before, *want_after;
};

struct disp_job {
    void *arg;
    uint32_t number;
    struct disp_job_options options;
    struct disp_chunk *chunks, *last, *fresh;
    struct disp_range *back; /* heap by index: tasks that came back */
    size_t back_count, back_cap;
    uint64_t next_index;
    uint64_t queued, live; /* not given out (pins aside); not ended */
    uint64_t total, ended, failed;
    uint64_t mem_used, grant;
    double task_us, virtual_us;
    bool paused, input_ended, cancelled, abandoned, closing, done;
    uint8_t *open; /* bit per daemon slot: knows the function */
    size_t open_size;
    unsigned open_count;
    struct disp_job *before, *after;
};

struct disp_want_list {
    struct disp_daemon *first, *last;
};

struct disp {
    struct disp_job *jobs;
    unsigned job_count;
    uint32_t next_number;
    struct disp_daemon **slots;
    unsigned slot_count, daemon_count, busy_count, giving_count;
    struct disp_want_list idle, more;
    double virtual_us;
    uint64_t promised;
    struct disp_action *actions;
    size_t action_count, action_cap;
    struct disp_stats stats;
};

struct disp_action *disp__act(struct disp *d, enum disp_action_type type, struct disp_job *j);
void disp__run(struct disp *d, uint64_t now_us);
/* Puts the daemon into the list that it belongs in. */
void disp__want(struct disp *d, struct disp_daemon *m);
void disp__want_remove(struct disp *d, struct disp_daemon *m);
/* n tasks of chunk have ended; may free it. */
void disp__ended(struct disp *d, struct disp_job *j, struct disp_chunk *c, uint32_t n, enum wire_outcome outcome);
/* n of the chunk's tasks (or holds on it) are over; the last one frees it and lets the submitter send as much again. */
void disp__settle(struct disp *d, struct disp_job *j, struct disp_chunk *c, uint32_t n);
void disp__give_pins(struct disp *d, struct disp_daemon *m, uint64_t now_us);
void disp__push_back(struct disp_job *j, struct disp_range r);
struct disp_range disp__pop_back(struct disp_job *j);
void disp__finish_if_over(struct disp *d, struct disp_job *j);
struct disp_batch *disp__batch(const struct disp_daemon *m, unsigned i);
void disp__pop_batch(struct disp_daemon *m);

static inline uint64_t disp__index(const struct disp_range *r)
{
    return r->chunk->tasks.first + r->pos;
}
static inline bool disp__is_gone(const struct disp_chunk *c, uint32_t pos)
{
    return c->gone && (c->gone[pos / 8] >> (pos % 8) & 1);
}
static inline bool disp__is_open(const struct disp_job *j, unsigned slot)
{
    return slot / 8 < j->open_size && (j->open[slot / 8] >> (slot % 8) & 1);
}

#endif
