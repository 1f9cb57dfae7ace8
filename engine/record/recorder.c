/* The recorder: what happened goes into the store in a thread of its own, so that a slow disk slows nobody. To tell it
 * only queues; when the queue is full the newest news is dropped, and the log says so. Lines of the log become events.
 */
#include "engine/record/recorder.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/mono.h"
#include "base/thread.h"
#include "store/event.h"
#include "store/host.h"
#include "store/job.h"
#include "store/load.h"
#include "store/sample.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE_MAX = 20000, FAILURES_BYTES_MAX = 128 << 20, JOBS_KEPT = 1000, TIDY_MS = 60000, LAST_TRIES = 3 };

enum kind { STATE, FACTS, EVENT, SAMPLE, LOAD, RESET, JOB_NEW, JOB, FAILURES, WRITE };

struct record {
    struct record *next;
    enum kind kind;
    char name[STORE_NAME_SIZE];  /* host, or profile of a SAMPLE */
    char other[STORE_NAME_SIZE]; /* state, or profile of an EVENT */
    char *text;                  /* reason, facts, line */
    enum log_level level;
    uint64_t at_us, number;
    double load;
    struct store_gpu *gpus;
    size_t gpu_count;
    struct store_job *job;
    int64_t job_id;
    struct store_failure *failures;
    size_t failure_count;
    struct recorder_write *write;
};

struct recorder {
    struct loop *home;
    pthread_mutex_t lock;
    pthread_cond_t more, idle;
    pthread_t thread;
    struct record *first, **last;
    unsigned count, dropped;
    size_t failure_bytes; /* in the queue */
    bool stopping, writing, complained;
    bool hurried;         /* somebody waits for the end: a store that is locked is not waited for without end */
    int64_t *strange;     /* its thread's own: numbers of detached jobs, given by an engine that died … */
    size_t strange_count; /* … and then by this one to its own: nothing is written of those */
};

/* ---- writing (its own thread) ---- */

static void complain(struct recorder *r, const struct clw_error *err)
{
    if (!r->complained)
        log_warn("store", "failed why=\"%s\" hint=\"%s\"", err->message, err->hint);
    r->complained = true;
}

/* States of an engine that is gone say nothing any more. */
static enum clw_err reset_states(struct store *s, struct clw_error *err)
{
    struct store_host_list list;
    enum clw_err code = store_host_list(s, &list, err);
    for (size_t i = 0; i < list.count && !code; i++)
        if (strcmp(list.items[i].state, "up") == 0 || strcmp(list.items[i].state, "backoff") == 0)
            code = store_host_state_set(s, list.items[i].name, "idle", "", err);
    store_host_list_fini(&list);
    return code;
}

static bool is_strange(const struct recorder *r, int64_t job)
{
    for (size_t i = 0; i < r->strange_count; i++)
        if (r->strange[i] == job)
            return true;
    return false;
}

static enum clw_err add_job(struct recorder *r, struct store *s, struct store_job *job, struct clw_error *err)
{
    enum clw_err code = store_job_add(s, job, err);
    if (code == CLW_EXISTS) {
        r->strange = mem_realloc(r->strange, (r->strange_count + 1) * sizeof *r->strange);
        r->strange[r->strange_count++] = job->id;
    }
    return code;
}

static enum clw_err write_record(struct recorder *r, struct store *s, const struct record *c, struct clw_error *err)
{
    if ((c->kind == JOB && is_strange(r, c->job->id)) || (c->kind == FAILURES && is_strange(r, c->job_id)))
        return CLW_OK;
    switch (c->kind) {
    case STATE: return store_host_state_set(s, c->name, c->other, c->text, err);
    case FACTS: return store_host_facts_set(s, c->name, c->text, c->at_us, c->gpus, c->gpu_count, err);
    case RESET: {
        enum clw_err code = reset_states(s, err);
        return code ? code : store_job_mark_lost(s, c->at_us, NULL, err);
    }
    case JOB_NEW: return add_job(r, s, c->job, err);
    case JOB: return store_job_update(s, c->job, err);
    case FAILURES: return store_job_failures_add(s, c->job_id, c->failures, c->failure_count, err);
    case EVENT: {
        struct store_event e = {.at_us = c->at_us, .level = c->level, .text = c->text};
        memcpy(e.host, c->name, sizeof e.host);
        memcpy(e.profile, c->other, sizeof e.profile);
        return store_event_add(s, &e, err);
    }
    case LOAD: {
        struct store_load load = {(int64_t)(c->at_us / 1000000), c->load, c->number};
        return store_load_add(s, c->name, &load, err);
    }
    case SAMPLE: {
        struct store_sample sample = {.at_s = (int64_t)(c->at_us / 1000000), .span_s = 1, .tasks = c->number};
        memcpy(sample.profile, c->name, sizeof sample.profile);
        return store_sample_add(s, &sample, 1, err);
    }
    case WRITE: return c->write->err.code = c->write->write(s, c->write->arg, &c->write->err);
    }
    return CLW_OK;
}

static void record_free(struct record *c)
{
    store_failures_free(c->failures, c->failure_count);
    if (c->job)
        store_job_fini(c->job);
    free(c->job);
    free(c->text);
    free(c->gpus);
    free(c);
}

/* All in one transaction. A host or profile that is not in the store any more is no failure. */
static enum clw_err write_list(struct recorder *r, struct store *s, const struct record *list, struct clw_error *err)
{
    struct clw_error one;
    enum clw_err code = store_begin(s, err);
    if (code)
        return code;
    for (const struct record *c = list; c; c = c->next) {
        code = write_record(r, s, c, &one);
        if (code && code != CLW_NOT_FOUND)
            complain(r, &one);
    }
    return store_commit(s, err);
}

static bool is_hurried(struct recorder *r)
{
    pthread_mutex_lock(&r->lock);
    bool hurried = r->hurried || r->stopping;
    pthread_mutex_unlock(&r->lock);
    return hurried;
}

/* Another process may keep the store for long: what is to be written then waits, and nobody waits for us. */
static enum clw_err write_in_time(struct recorder *r, struct store *s, const struct record *list, struct clw_error *err)
{
    enum clw_err code;
    int last_tries = 0;
    do
        code = write_list(r, s, list, err);
    while (code == CLW_BUSY && (!is_hurried(r) || ++last_tries < LAST_TRIES));
    return code;
}

static void tell(struct recorder *r, struct recorder_write *w, enum clw_err code, const struct clw_error *err)
{
    if (code)
        w->err = *err;
    loop_post(r->home, &w->call);
}

static void write_all(struct recorder *r, struct store *s, struct record *list)
{
    struct clw_error err;
    enum clw_err code = s ? write_in_time(r, s, list, &err) : clw_fail(&err, CLW_IO, NULL, "the store cannot be used");
    if (code && list)
        complain(r, &err);
    for (struct record *c = list, *next; c; c = next) {
        next = c->next;
        if (c->kind == WRITE)
            tell(r, c->write, code, &err);
        record_free(c);
    }
}

static struct record *take_all(struct recorder *r, bool *stopping)
{
    pthread_mutex_lock(&r->lock);
    while (!r->first && !r->stopping)
        pthread_cond_wait(&r->more, &r->lock);
    struct record *list = r->first;
    unsigned dropped = r->dropped;
    *stopping = r->stopping;
    r->writing = true;
    r->first = NULL;
    r->last = &r->first;
    r->count = r->dropped = 0;
    r->failure_bytes = 0;
    pthread_mutex_unlock(&r->lock);
    if (dropped)
        log_debug("store", "dropped records=%u why=\"the disk is too slow\"", dropped);
    return list;
}

static void *work(void *arg)
{
    struct recorder *r = arg;
    struct store *s = NULL;
    struct clw_error err;
    uint64_t tidied_ms = 0;
    bool stopping = false;
    if (store_open(NULL, &s, &err))
        complain(r, &err);
    while (!stopping) {
        write_all(r, s, take_all(r, &stopping));
        pthread_mutex_lock(&r->lock);
        r->writing = false;
        pthread_cond_broadcast(&r->idle);
        pthread_mutex_unlock(&r->lock);
        if (s && (!tidied_ms || mono_ms() - tidied_ms > TIDY_MS)) {
            tidied_ms = mono_ms();
            int64_t now_s = (int64_t)(wall_us() / 1000000);
            if (store_sample_downsample(s, now_s, &err) || store_load_tidy(s, now_s, &err) ||
                store_job_prune(s, JOBS_KEPT, &err))
                complain(r, &err);
        }
    }
    store_close(s);
    return NULL;
}

/* ---- being told ---- */

/* Failed tasks take as much as they said and were given; of all else there is little. */
static size_t bytes_of(const struct record *c)
{
    size_t n = c->failure_count * sizeof *c->failures;
    for (size_t i = 0; i < c->failure_count; i++) {
        const struct store_failure *f = &c->failures[i];
        n += f->input_len + strlen(f->status) + (f->stderr_tail ? strlen(f->stderr_tail) : 0);
    }
    return n;
}

static void push(struct recorder *r, struct record *c)
{
    pthread_mutex_lock(&r->lock);
    bool must = c->kind == JOB || c->kind == JOB_NEW || c->kind == WRITE;
    bool is_full = (r->count >= QUEUE_MAX && !must) || r->failure_bytes + bytes_of(c) > FAILURES_BYTES_MAX;
    if (is_full || r->stopping) {
        r->dropped++;
        pthread_mutex_unlock(&r->lock);
        record_free(c);
        return;
    }
    *r->last = c;
    r->last = &c->next;
    r->count++;
    r->failure_bytes += bytes_of(c);
    pthread_cond_signal(&r->more);
    pthread_mutex_unlock(&r->lock);
}

static struct record *record_new(enum kind kind, const char *name, const char *other, const char *text)
{
    struct record *c = mem_zalloc(sizeof *c);
    c->kind = kind;
    snprintf(c->name, sizeof c->name, "%s", name);
    snprintf(c->other, sizeof c->other, "%s", other);
    c->text = mem_strdup(text);
    c->at_us = wall_us();
    return c;
}

/* The value of " key=value" in a line of the log, as far as it is a name. */
static void field(const char *line, const char *key, char *out, size_t size)
{
    const char *at = strstr(line, key);
    size_t n = 0;
    if (at)
        at += strlen(key);
    while (at && n + 1 < size && at[n] && at[n] != ' ' && at[n] != '"') {
        out[n] = at[n];
        n++;
    }
    out[n] = '\0';
}

/* "time level module text": of the modules that speak of hosts, profiles, daemons and jobs. */
static void tap(void *arg, enum log_level level, const char *line)
{
    static const char *const modules[] = {" ssh ", " host ", " profile ", " daemon ", " job ", " engine "};
    struct recorder *r = arg;
    const char *text = NULL;
    if (level < LOG_INFO)
        return;
    for (size_t i = 0; i < sizeof modules / sizeof *modules && !text; i++) {
        const char *at = strstr(line, modules[i]);
        if (at && at - line < 40)
            text = at + 1;
    }
    if (!text)
        return;
    struct record *c = record_new(EVENT, "", "", text);
    c->level = level;
    field(text, " host=", c->name, sizeof c->name);
    field(text, " profile=", c->other, sizeof c->other);
    push(r, c);
}

struct recorder *recorder_start(struct loop *home)
{
    struct recorder *r = mem_zalloc(sizeof *r);
    r->home = home;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->more, NULL);
    pthread_cond_init(&r->idle, NULL);
    r->last = &r->first;
    push(r, record_new(RESET, "", "", ""));
    if (!thread_start(&r->thread, work, r))
        abort();
    log_set_tap(tap, r);
    return r;
}

void recorder_flush(struct recorder *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->hurried = true;
    while (r->first || r->writing)
        pthread_cond_wait(&r->idle, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

void recorder_stop(struct recorder *r)
{
    if (!r)
        return;
    log_set_tap(NULL, NULL);
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_cond_signal(&r->more);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->more);
    pthread_cond_destroy(&r->idle);
    pthread_mutex_destroy(&r->lock);
    free(r->strange);
    free(r);
}

void recorder_state(struct recorder *r, const char *host, const char *state, const char *reason)
{
    push(r, record_new(STATE, host, state, reason));
}

void recorder_facts(struct recorder *r, const char *host, const struct host_facts *f)
{
    char *json = host_facts_json(f);
    struct record *c = record_new(FACTS, host, "", json);
    free(json);
    c->gpu_count = (size_t)f->gpu_count;
    c->gpus = mem_zalloc((c->gpu_count + 1) * sizeof *c->gpus);
    for (int i = 0; i < f->gpu_count; i++) {
        c->gpus[i].index = (unsigned)f->gpus[i].index;
        c->gpus[i].mem_bytes = f->gpus[i].mem_bytes;
        snprintf(c->gpus[i].name, sizeof c->gpus[i].name, "%s", f->gpus[i].name);
        snprintf(c->gpus[i].driver, sizeof c->gpus[i].driver, "%s", f->gpus[i].driver);
    }
    push(r, c);
}

void recorder_sample(struct recorder *r, const char *profile, uint64_t second, uint64_t tasks)
{
    struct record *c = record_new(SAMPLE, profile, "", "");
    c->at_us = second * 1000000;
    c->number = tasks;
    push(r, c);
}

void recorder_load(struct recorder *r, const char *host, double load, uint64_t mem_used_bytes)
{
    struct record *c = record_new(LOAD, host, "", "");
    c->load = load;
    c->number = mem_used_bytes;
    push(r, c);
}

void recorder_job(struct recorder *r, struct store_job *job, bool is_new)
{
    struct record *c = record_new(is_new ? JOB_NEW : JOB, "", "", "");
    c->job = job;
    push(r, c);
}

void recorder_failures(struct recorder *r, int64_t job, struct store_failure *failures, size_t count)
{
    struct record *c = record_new(FAILURES, "", "", "");
    c->job_id = job;
    c->failures = failures;
    c->failure_count = count;
    push(r, c);
}

void recorder_write(struct recorder *r, struct recorder_write *w)
{
    struct record *c = record_new(WRITE, "", "", "");
    c->write = w;
    w->err.code = CLW_OK;
    w->call = (struct loop_call){.run = w->done, .arg = w->arg};
    push(r, c);
}
