/* The simulation: a heap of daemons by the moment of their next event, which is the answer to their oldest batch, or
 * their return. A batch is one event however many tasks it has. */
#include "engine/sched/sim.h"

#include "base/mono.h"
#include "engine/sched/disp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

struct sim_batch {
    uint64_t first, sent_ns, start_ns, run_ns;
    uint32_t n; /* 0: a CLOSE */
    uint32_t job;
    bool aborted;
};

struct sim_daemon {
    struct disp_daemon *handle; /* NULL: it is gone */
    uint64_t due_ns;
    struct sim_batch *ring;
    uint32_t cap, head, count;
    uint32_t at, place; /* in the heap (NOWHERE: it has nothing due); its host */
};

struct sim_job {
    struct disp_job *handle;
    uint64_t next, total, grant;
};

/* Measures one of `every` calls. */
struct meter {
    uint64_t calls, every, began;
    double ns;
};

struct sim {
    const struct sim_options *o;
    struct sim_result *r;
    struct disp *d;
    struct sim_random random;
    struct sim_daemon *daemons;
    struct sim_job *jobs;
    uint32_t *heap, heap_count;
    struct blk *chunk; /* every chunk is this one: inputs do not matter here */
    uint32_t chunk_tasks, jobs_open;
    uint64_t now_ns, engine_ns, lose_ns, arrive_ns; /* engine_ns: when it has done what it is at */
    uint64_t ended, executing, arrived;
    double waited_ns, clock_ns;
    bool granted;
    struct meter answers, tasks, joins, losses;
};

enum { NOWHERE = UINT32_MAX, SAMPLE_ABOVE = 10000000, SAMPLE_EVERY = 31 };

/* ---- measuring ---- */

static void begin(struct meter *m)
{
    if (m->calls++ % m->every == 0)
        m->began = mono_ns();
}

static void end(const struct sim *s, struct meter *m)
{
    if ((m->calls - 1) % m->every == 0)
        m->ns += ((double)(mono_ns() - m->began) - s->clock_ns) * (double)m->every;
}

/* What reading the clock adds to a measurement. */
static double clock_cost_ns(void)
{
    uint64_t began = mono_ns(), last = began;
    for (int i = 0; i < 1000; i++)
        last = mono_ns();
    return (double)(last - began) / 1000;
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the heap: four children each, for fewer cache lines ---- */

static void place(struct sim *s, uint32_t at, uint32_t who)
{
    s->heap[at] = who;
    s->daemons[who].at = at;
}

static bool sooner(const struct sim *s, uint32_t a, uint32_t b)
{
    return s->daemons[a].due_ns < s->daemons[b].due_ns;
}

static void rise(struct sim *s, uint32_t at)
{
    uint32_t who = s->heap[at];
    for (; at && sooner(s, who, s->heap[(at - 1) / 4]); at = (at - 1) / 4)
        place(s, at, s->heap[(at - 1) / 4]);
    place(s, at, who);
}

static void sink(struct sim *s, uint32_t at)
{
    uint32_t who = s->heap[at];
    for (;;) {
        uint32_t best = 4 * at + 1, last = best + 4 < s->heap_count ? best + 4 : s->heap_count;
        if (best >= s->heap_count)
            break;
        for (uint32_t child = best + 1; child < last; child++)
            best = sooner(s, s->heap[child], s->heap[best]) ? child : best;
        if (!sooner(s, s->heap[best], who))
            break;
        place(s, at, s->heap[best]);
        at = best;
    }
    place(s, at, who);
}

/* The daemon's next event is due then; UINT64_MAX: it has none. */
static void schedule(struct sim *s, struct sim_daemon *m, uint64_t due_ns)
{
    uint64_t was = m->due_ns;
    uint32_t at = m->at;
    m->due_ns = due_ns;
    if (at == NOWHERE && due_ns != UINT64_MAX) {
        s->heap[s->heap_count] = (uint32_t)(m - s->daemons);
        rise(s, s->heap_count++);
    } else if (at != NOWHERE && due_ns == UINT64_MAX) {
        uint32_t last = s->heap[--s->heap_count];
        m->at = NOWHERE;
        if (at == s->heap_count)
            return;
        place(s, at, last);
        rise(s, at);
        sink(s, s->daemons[last].at);
    } else if (at != NOWHERE && due_ns < was) {
        rise(s, at);
    } else if (at != NOWHERE) {
        sink(s, at);
    }
}

/* ---- daemons ---- */

static struct sim_batch *batch(const struct sim_daemon *m, uint32_t i)
{
    return &m->ring[(m->head + i) & (m->cap - 1)];
}

static void schedule_answer(struct sim *s, struct sim_daemon *m)
{
    const struct sim_batch *b = m->count ? batch(m, 0) : NULL;
    schedule(s, m, b ? b->start_ns + b->run_ns + s->o->rtt_ns / 2 : UINT64_MAX);
}

/* The batch i begins when it has arrived and what is before it is done. */
static void set_start(const struct sim *s, struct sim_daemon *m, uint32_t i)
{
    struct sim_batch *b = batch(m, i);
    const struct sim_batch *before = i ? batch(m, i - 1) : NULL;
    b->start_ns = b->sent_ns + s->o->rtt_ns / 2;
    if (before && before->start_ns + before->run_ns > b->start_ns)
        b->start_ns = before->start_ns + before->run_ns;
}

static void send(struct sim *s, struct sim_daemon *m, uint64_t first, uint32_t n, uint32_t job)
{
    if (m->count == m->cap) {
        uint32_t cap = m->cap ? m->cap * 2 : 4;
        struct sim_batch *ring = mem_alloc(cap * sizeof *ring);
        for (uint32_t i = 0; i < m->count; i++)
            ring[i] = *batch(m, i);
        free(m->ring);
        m->ring = ring;
        m->cap = cap;
        m->head = 0;
    }
    s->engine_ns += s->o->message_ns;
    struct sim_batch *b = batch(m, m->count++);
    *b = (struct sim_batch){.first = first, .n = n, .job = job, .sent_ns = s->engine_ns};
    b->run_ns = n ? sim_times_sum(&s->o->times, &s->random, n) : 0;
    set_start(s, m, m->count - 1);
    if (m->count == 1)
        schedule_answer(s, m);
    s->r->messages++;
    s->r->batches += n > 0;
    s->executing += n;
    if (s->executing > s->r->executing_peak)
        s->r->executing_peak = s->executing;
}

/* A task is to stop: it does when the word arrives, unless it has ended before. */
static void stop_task(struct sim *s, struct sim_daemon *m, uint64_t first)
{
    uint64_t at_ns = s->now_ns + s->o->rtt_ns / 2;
    bool moved = false;
    for (uint32_t i = 0; i < m->count; i++) {
        struct sim_batch *b = batch(m, i);
        if (moved)
            set_start(s, m, i);
        if (b->n != 1 || b->first != first || b->start_ns + b->run_ns <= at_ns)
            continue;
        b->run_ns = at_ns > b->start_ns ? at_ns - b->start_ns : 0;
        b->aborted = moved = true;
    }
    if (moved)
        schedule_answer(s, m);
}

static void join(struct sim *s, struct sim_daemon *m)
{
    begin(&s->joins);
    m->handle = disp_daemon_join(s->d, m, m->place, 0, false, s->now_ns / 1000);
    end(s, &s->joins);
}

/* ---- what the dispatcher wants done ---- */

static void ended(struct sim *s, uint64_t n)
{
    s->ended += n;
    s->r->wall_ns = s->now_ns;
}

static void act(struct sim *s, const struct disp_action *a)
{
    struct sim_job *j = disp_job_arg(a->job);
    switch (a->type) {
    case DISP_OPEN: break;
    case DISP_SEND: send(s, disp_daemon_arg(a->daemon), a->tasks->first + a->pos, a->n, (uint32_t)(j - s->jobs)); break;
    case DISP_ABORT: stop_task(s, disp_daemon_arg(a->daemon), a->first); break;
    case DISP_CLOSE: send(s, disp_daemon_arg(a->daemon), 0, 0, (uint32_t)(j - s->jobs)); break;
    case DISP_END: ended(s, a->n); break;
    case DISP_GRANT:
        j->grant += a->bytes;
        s->granted = true;
        break;
    case DISP_DONE:
        disp_job_free(s->d, j->handle);
        j->handle = NULL;
        s->jobs_open--;
        break;
    }
}

static void carry_out(struct sim *s)
{
    size_t count;
    const struct disp_action *list = disp_actions(s->d, &count);
    for (size_t i = 0; i < count; i++)
        act(s, &list[i]);
    disp_actions_clear(s->d);
}

/* ---- submitters ---- */

static void note_queue(struct sim *s)
{
    struct disp_stats stats;
    disp_stats(s->d, &stats);
    if (stats.awaiting > s->r->awaiting_peak)
        s->r->awaiting_peak = stats.awaiting;
}

/* One chunk; false when the grant has no room for it. */
static bool put(struct sim *s, struct sim_job *j, uint32_t n)
{
    uint32_t len = n * (4 + s->o->input_bytes);
    struct frame f = {.type = WIRE_TASKS, .n = n, .first = j->next, .len = len, .body = s->chunk->data};
    if (j->grant < len)
        return false;
    j->grant -= len;
    j->next += n;
    begin(&s->tasks);
    enum clw_err code = disp_job_tasks(s->d, j->handle, &f, s->chunk, s->now_ns / 1000, NULL);
    if (!code && j->next == j->total)
        disp_job_end(s->d, j->handle);
    end(s, &s->tasks);
    if (code)
        abort(); /* the model broke the protocol */
    s->r->messages++;
    note_queue(s);
    carry_out(s);
    return true;
}

/* What the grants allow, of all jobs in turn. */
static void feed(struct sim *s)
{
    while (s->granted) {
        s->granted = false;
        for (uint32_t i = 0; i < s->o->jobs && s->o->rate <= 0; i++) {
            struct sim_job *j = &s->jobs[i];
            uint64_t left = j->total - j->next;
            if (left && put(s, j, left < s->chunk_tasks ? (uint32_t)left : s->chunk_tasks))
                s->granted = true;
        }
    }
}

/* No room for it: its submitter tries again when the next one is due. */
static void arrive(struct sim *s)
{
    struct sim_job *j = &s->jobs[s->arrived % s->o->jobs];
    if (put(s, j, 1))
        s->arrived++;
    s->arrive_ns += (uint64_t)(sim_random_exp(&s->random) * 1e9 / s->o->rate);
    if (s->arrived == s->o->tasks)
        s->arrive_ns = UINT64_MAX;
}

static void open_jobs(struct sim *s)
{
    const struct sim_options *o = s->o;
    s->jobs = mem_zalloc(o->jobs * sizeof *s->jobs);
    for (uint32_t i = 0; i < o->jobs; i++) {
        struct disp_job_options job = {.retries = o->retries, .retry_failed = o->retry_failed};
        job.speculate = o->speculate;
        job.arg = &s->jobs[i];
        s->jobs[i].total = o->tasks / o->jobs + (i < o->tasks % o->jobs);
        s->jobs[i].handle = disp_job_open(s->d, &job);
        s->jobs_open++;
        if (!s->jobs[i].total)
            disp_job_end(s->d, s->jobs[i].handle);
    }
    carry_out(s);
}

/* ---- events ---- */

/* How many tasks go well before the next one that does not. */
static uint32_t good_run(struct sim *s, uint32_t most)
{
    if (s->o->fail <= 0)
        return most;
    double n = s->o->fail >= 1 ? 0 : floor(log(sim_random_unit(&s->random)) / log1p(-s->o->fail));
    return n < most ? (uint32_t)n : most;
}

static void answer_part(
    struct sim *s, struct sim_daemon *m, const struct sim_batch *b, uint32_t n, enum wire_outcome outcome)
{
    struct disp_verdict v;
    double run_ns = (double)b->run_ns * n / b->n;
    begin(&s->answers);
    enum clw_err code = disp_daemon_answer(s->d, m->handle, disp_job_number(s->jobs[b->job].handle), b->first, n,
        outcome, (uint64_t)(run_ns / 1000), s->now_ns / 1000, &v, NULL);
    end(s, &s->answers);
    if (code)
        abort();
    s->executing -= n;
    if (v.deliver) {
        ended(s, n);
        s->r->work_ns += run_ns;
        s->waited_ns += (double)n * ((double)v.queued_us * 1000 + (double)(b->start_ns - b->sent_ns));
    }
    carry_out(s);
}

/* A whole batch is answered at once; where a task failed, as real daemons do: the ones before, it, the ones after. */
static void answer(struct sim *s, struct sim_daemon *m)
{
    struct sim_batch b = *batch(m, 0);
    m->head = (m->head + 1) & (m->cap - 1);
    m->count--;
    schedule_answer(s, m);
    s->r->messages++;
    if (b.n == 0) {
        disp_daemon_closed(s->d, m->handle, disp_job_number(s->jobs[b.job].handle), NULL);
        carry_out(s);
        return;
    }
    if (b.aborted) {
        answer_part(s, m, &b, 1, WIRE_CANCELLED);
        return;
    }
    struct sim_batch part = b;
    while (part.n) {
        uint32_t n = good_run(s, part.n);
        bool fails = n == 0;
        n = fails ? 1 : n;
        answer_part(s, m, &part, n, fails ? WIRE_FAILED : WIRE_DONE);
        part.run_ns -= (uint64_t)((double)part.run_ns * n / part.n);
        part.first += n;
        part.n -= n;
    }
}

static void lose(struct sim *s)
{
    struct sim_daemon *m = &s->daemons[sim_random_bits(&s->random) % s->o->daemons];
    double each_ns = 3.6e12 / s->o->lose_per_hour / s->o->daemons;
    s->lose_ns += (uint64_t)(each_ns * sim_random_exp(&s->random)) + 1;
    if (!m->handle)
        return;
    for (uint32_t i = 0; i < m->count; i++)
        s->executing -= batch(m, i)->n;
    m->count = 0;
    struct disp_daemon *gone = m->handle;
    m->handle = NULL;
    schedule(s, m, s->now_ns + s->o->back_ns);
    begin(&s->losses);
    disp_daemon_lost(s->d, gone, s->now_ns / 1000);
    end(s, &s->losses);
    s->r->deaths++;
    note_queue(s);
    carry_out(s);
}

static void tick(struct sim *s)
{
    begin(&s->tasks);
    disp_tick(s->d, s->now_ns / 1000);
    end(s, &s->tasks);
    carry_out(s);
}

static void advance(struct sim *s, uint64_t to_ns)
{
    s->now_ns = to_ns > s->now_ns ? to_ns : s->now_ns;
    s->engine_ns = s->now_ns > s->engine_ns ? s->now_ns : s->engine_ns;
}

/* An answer, or a daemon that is back. An engine at work sees it later. */
static void hear(struct sim *s, struct sim_daemon *m)
{
    advance(s, m->due_ns > s->engine_ns ? m->due_ns : s->engine_ns);
    s->engine_ns += s->o->message_ns;
    if (m->handle) {
        answer(s, m);
    } else {
        schedule(s, m, UINT64_MAX);
        join(s, m);
        carry_out(s);
    }
}

static void step(struct sim *s)
{
    struct sim_daemon *m = s->heap_count ? &s->daemons[s->heap[0]] : NULL;
    uint64_t due_ns = m ? m->due_ns : UINT64_MAX, tick_us = disp_next_us(s->d);
    uint64_t tick_ns = tick_us > UINT64_MAX / 1000 ? UINT64_MAX : tick_us * 1000;
    if (tick_ns <= due_ns && tick_ns <= s->lose_ns && tick_ns <= s->arrive_ns) {
        advance(s, tick_ns);
        tick(s);
    } else if (s->lose_ns < due_ns && s->lose_ns < s->arrive_ns) {
        advance(s, s->lose_ns);
        lose(s);
    } else if (s->arrive_ns < due_ns) {
        advance(s, s->arrive_ns);
        arrive(s);
    } else if (m) {
        hear(s, m);
    } else {
        abort(); /* jobs are open, and nothing will ever happen: the dispatcher forgot something */
    }
    feed(s);
}

/* ---- the whole ---- */

static void make_chunk(struct sim *s)
{
    uint32_t each = 4 + s->o->input_bytes, most = WIRE_CHUNK_BYTES / each;
    s->chunk_tasks = most < 1 ? 1 : most < WIRE_CHUNK_TASKS ? most : WIRE_CHUNK_TASKS;
    s->chunk = blk_new((size_t)s->chunk_tasks * each);
    if (!s->chunk)
        abort();
    memset(s->chunk->data, 0, (size_t)s->chunk_tasks * each);
    for (uint32_t i = 0; i < s->chunk_tasks; i++)
        le_put_u32(s->chunk->data + 4 * (size_t)i, (i + 1) * s->o->input_bytes);
}

static void start(struct sim *s)
{
    const struct sim_options *o = s->o;
    uint64_t every = o->tasks > SAMPLE_ABOVE ? SAMPLE_EVERY : 1;
    s->answers.every = every;
    s->tasks.every = s->joins.every = s->losses.every = 1;
    s->clock_ns = clock_cost_ns();
    sim_random_init(&s->random, o->seed);
    s->lose_ns = s->arrive_ns = UINT64_MAX;
    if (o->lose_per_hour > 0)
        s->lose_ns = (uint64_t)(3.6e12 / o->lose_per_hour / o->daemons * sim_random_exp(&s->random));
    if (o->rate > 0)
        s->arrive_ns = (uint64_t)(sim_random_exp(&s->random) * 1e9 / o->rate);
    s->d = disp_new(o->budget_bytes);
    make_chunk(s);
    s->heap = mem_alloc(o->daemons * sizeof *s->heap);
    s->daemons = mem_zalloc(o->daemons * sizeof *s->daemons);
    for (uint32_t i = 0; i < o->daemons; i++) {
        s->daemons[i].at = NOWHERE;
        s->daemons[i].place = i % o->hosts;
        s->daemons[i].due_ns = UINT64_MAX;
        join(s, &s->daemons[i]);
    }
    open_jobs(s);
}

static void finish(struct sim *s, double elapsed_s, double cpu)
{
    struct sim_result *r = s->r;
    struct disp_stats stats;
    struct rusage usage;
    double share = elapsed_s > 0 && cpu < elapsed_s ? cpu / elapsed_s : 1; /* of the time was ours */
    disp_stats(s->d, &stats);
    getrusage(RUSAGE_SELF, &usage);
    r->completed = stats.completed;
    r->failed = stats.failed;
    r->retried = stats.retried;
    r->speculated = stats.speculated;
    r->queue_peak_bytes = stats.mem_peak;
    r->wait_ns = s->ended ? s->waited_ns / (double)s->ended : 0;
    r->disp_ns = (s->answers.ns + s->tasks.ns + s->losses.ns) * share / (double)s->o->tasks;
    r->join_ns = s->joins.ns * share / (double)s->joins.calls;
    r->lost_ns = s->losses.calls ? s->losses.ns * share / (double)s->losses.calls : 0;
    r->cpu_s = cpu;
    r->elapsed_s = elapsed_s;
    r->rss_peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
}

void sim_run(const struct sim_options *o, struct sim_result *r)
{
    struct sim s = {.o = o, .r = r};
    *r = (struct sim_result){0};
    uint64_t began_ns = mono_ns();
    double cpu = cpu_s();
    start(&s);
    for (feed(&s); s.jobs_open;)
        step(&s);
    finish(&s, (double)(mono_ns() - began_ns) / 1e9, cpu_s() - cpu);
    disp_free(s.d);
    for (uint32_t i = 0; i < o->daemons; i++)
        free(s.daemons[i].ring);
    free(s.daemons);
    free(s.heap);
    free(s.jobs);
    blk_rele(s.chunk);
}
