/* Structures shared by the dispatcher's files. Nobody else includes this. */
#ifndef ENGINE_SCHED_DISP_INTERNAL_H
#define ENGINE_SCHED_DISP_INTERNAL_H

#include "engine/sched/disp.h"

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
    uint16_t lost;   /* daemons that it took down, perhaps */
    uint16_t tried;  /* times that it failed */
    uint16_t avoid;  /* place to keep it from, + 1; 0: none … */
    bool has_failed; /* … as long as there is another, for it failed there; else for a while */
    bool copied;     /* a copy of it was made: there is no second one */
    uint64_t back_us;
};

struct disp_batch {
    struct disp_job *job;
    struct disp_range range; /* what is left of it */
    uint64_t sent_us;
    double est_us;
    uint32_t bytes;
    bool paired; /* one task, which another daemon has too */
};

/* A straggler and its copy: the first good answer counts, the other is swallowed. Its chunk is held (left + 1) until
 * both are heard of. */
struct disp_pair {
    struct disp_chunk *chunk;
    uint32_t pos;
    bool decided;
    struct disp_daemon *side[2];
};

struct disp_pin {
    struct disp_job *job;
    struct disp_chunk *chunk;
    uint32_t pos;
    struct disp_pin *next;
};

enum { DISP_FEW = 2 };

struct disp_daemon {
    void *arg;
    /* batches in flight, oldest first: a ring, in few while it is short (with many daemons time goes to cache misses)
     */
    struct disp_batch *ring;
    unsigned ring_cap, ring_head, ring_count;
    uint32_t tasks, bytes;
    unsigned slot, place;
    bool quick;                                 /* what it did last took no time worth speaking of */
    bool held, draining, paused, counted, solo; /* counted: among those that are giving */
    bool blameless;                             /* no task is to count its loss */
    uint64_t head_us;                           /* since when it is at what it answers next */
    double load_us;
    uint32_t line_us; /* there and back */
    struct disp_batch few[DISP_FEW];
    uint64_t max_tasks, given, done, failed;
    struct disp_pin *pins;
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
    uint64_t begun_us, answered_us; /* its first tasks were given, the last answer came; 0: not yet */
    double task_us, virtual_us;
    unsigned answers; /* that task_us is the mean of, up to LEARN_ANSWERS */
    unsigned turn_at; /* in the heap of turns, + 1; 0: not in it */
    bool paused, input_ended, cancelled, late, abandoned, closing, done;
    uint8_t *open; /* bit per daemon slot: knows the function */
    size_t open_size;
    unsigned open_count;
    uint8_t *aside; /* bit per place: it cannot do the job */
    size_t aside_size;
    struct disp_pair *pairs;
    size_t pair_count;
    struct disp_job *before, *after;
};

/* One machine. */
struct disp_place {
    unsigned giving;
    uint32_t tasks;              /* that its daemons have */
    bool suspect;                /* it fails more than others: … */
    bool on_trial;               /* … one task at a time, until one succeeds, … */
    uint64_t trial_us, pause_us; /* … and the next one not before then, a pause after the last failure */
    bool waits;                  /* a daemon of it wants nothing for that reason */
};

struct disp_want_list {
    struct disp_daemon *first, *last;
};

struct disp {
    struct disp_job *jobs;
    unsigned job_count;
    uint32_t next_number;
    struct disp_daemon **slots;
    unsigned *free_slots; /* a stack */
    unsigned slot_count, free_count, daemon_count, busy_count;
    unsigned giving_count;     /* daemons that are not held, draining or paused … */
    struct disp_place *places; /* … and per place */
    unsigned place_count;
    unsigned trials;                     /* places that are suspect */
    unsigned ahead;                      /* jobs with that option */
    unsigned watched;                    /* jobs that have a deadline, or speculate */
    uint64_t events;                     /* counted */
    uint64_t looked, looked_us, late_us; /* for stragglers: after which event (0: look again), when, next one due */
    uint64_t avoided_us;                 /* until when somebody does not get what another may have */
    bool passed_over;                    /* somebody did not get what another may have */
    unsigned most;                       /* so many daemons may work, in the run at hand */
    uint64_t start_us;                   /* from then on more may; 0: nobody waits for that */
    uint64_t now_us;                     /* of the event at hand */
    struct disp_want_list idle, more;
    struct disp_job **turn; /* heap of jobs */
    unsigned turn_count, turn_cap;
    double virtual_us;
    uint64_t promised;
    struct disp_action *actions;
    size_t action_count, action_cap;
    struct disp_stats stats;
};

/* disp.c */
struct disp_action *disp__act(struct disp *d, enum disp_action_type type, struct disp_job *j);
/* After a change of held, draining or paused. */
void disp__count_giving(struct disp *d, struct disp_daemon *m, bool giving);
void disp__ring_free(struct disp_daemon *m);

/* disp_choice.c */
void disp__run(struct disp *d, uint64_t now_us);
void disp__give(struct disp *d, struct disp_daemon *m, struct disp_job *j, struct disp_range r, bool paired);
void disp__give_pins(struct disp *d, struct disp_daemon *m, uint64_t now_us);
/* Puts the daemon into the list that it belongs in. */
void disp__want(struct disp *d, struct disp_daemon *m);
void disp__want_remove(struct disp *d, struct disp_daemon *m);
bool disp__is_giving(const struct disp_daemon *m);
/* m may get tasks of j now. */
bool disp__suits(struct disp *d, struct disp_job *j, const struct disp_daemon *m);
struct disp_batch *disp__batch(const struct disp_daemon *m, unsigned i);
void disp__pop_batch(struct disp_daemon *m);

/* disp_back.c */
void disp__push_back(struct disp_job *j, struct disp_range r);
/* Takes the i-th of the heap out. */
struct disp_range disp__take_back(struct disp_job *j, size_t i);
bool disp__is_pinned(const struct disp_batch *b);

/* disp_job.c */
/* n tasks of chunk have ended; may free it. */
void disp__ended(struct disp *d, struct disp_job *j, struct disp_chunk *c, uint32_t n, enum wire_outcome outcome);
/* n of the chunk's tasks (or holds on it) are over; the last one frees it and lets the submitter send as much again. */
void disp__settle(struct disp *d, struct disp_job *j, struct disp_chunk *c, uint32_t n);
void disp__finish_if_over(struct disp *d, struct disp_job *j);

/* disp_turn.c */
/* The job has tasks to give, or may give them again. */
void disp__turn_add(struct disp *d, struct disp_job *j);
void disp__turn_remove(struct disp *d, struct disp_job *j);
/* Its virtual_us has grown. */
void disp__turn_used(struct disp *d, struct disp_job *j);
/* The job that had least, or NULL. */
struct disp_job *disp__turn_first(struct disp *d);
/* The job that m gets a batch of, or NULL. */
struct disp_job *disp__turn_choose(struct disp *d, const struct disp_daemon *m);
bool disp__has_turn(const struct disp_job *j);

/* disp_trial.c */
/* m's machine is suspect, and may have one task at a time, or none yet; another one may be given tasks. */
bool disp__is_on_trial(const struct disp *d, const struct disp_daemon *m);
bool disp__may_try(const struct disp *d, const struct disp_daemon *m);
/* A task ended there, well or not. */
void disp__tried(struct disp *d, const struct disp_daemon *m, bool good);
/* When the next trial is due; UINT64_MAX: none waits for its time. */
uint64_t disp__trial_us(const struct disp *d);
/* A daemon of that place wants nothing for now, for its machine is on trial. */
void disp__wait_for_trial(struct disp *d, const struct disp_daemon *m);
/* Daemons that may have a task again want one. */
void disp__look_at_trials(struct disp *d);

/* disp_aside.c */
/* Another place than this one may be given tasks of the job. */
bool disp__is_elsewhere(const struct disp *d, const struct disp_job *j, unsigned place);
/* m's machine cannot do the job, and another one that may be given tasks now perhaps can. */
bool disp__is_aside(const struct disp *d, const struct disp_job *j, const struct disp_daemon *m);
/* m's machine cannot do the job, from now on. True: that is news. */
bool disp__set_aside(struct disp_job *j, const struct disp_daemon *m);

/* disp_pair.c */
/* What the answer to a paired task means: true when it counts like any other, false when it is swallowed (all is done
 * then). */
bool disp__pair_answer(
    struct disp *d, struct disp_job *j, const struct disp_daemon *m, const struct disp_range *r, bool good);
/* The daemon of a paired task is gone, perhaps by it (suspect). */
void disp__pair_lost(
    struct disp *d, struct disp_job *j, const struct disp_daemon *m, const struct disp_range *r, bool suspect);

/* How tasks end that are taken back. */
static inline enum wire_outcome disp__taken_back(const struct disp_job *j)
{
    return j->late ? WIRE_TIMEOUT : WIRE_CANCELLED;
}
static inline uint64_t disp__index(const struct disp_range *r)
{
    return r->chunk->tasks.first + r->pos;
}
static inline uint32_t disp__range_bytes(const struct disp_range *r)
{
    const struct wire_slices *s = &r->chunk->tasks.slices;
    return wire_slice_end(s, r->pos + r->n - 1) - wire_slice_start(s, r->pos);
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
