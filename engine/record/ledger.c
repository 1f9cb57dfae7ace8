/* The ledger: what each job of a client came to, for `clowder job`, the Jobs screen, and for those who ask later. It
 * counts as results pass, keeps the tasks that failed, and hands all of it to the recorder. */
#include "engine/record/ledger.h"

#include "base/mono.h"
#include "base/text.h"
#include "engine/model/core.h"
#include "engine/record/catalog.h"
#include "engine/record/ending.h"
#include "engine/record/keep.h"
#include "engine/record/recorder.h"
#include "store/job.h"

#include <stdlib.h>
#include <string.h>

enum {
    SAVE_MS = 2000,         /* counts in the store are at most so old while a job runs */
    FAILURES_AT_ONCE = 256, /* handed over together */
};

/* How many tasks of a job a host has ended. */
struct ledger_host {
    struct ledger_host *next;
    char name[HOST_NAME_SIZE];
    uint64_t done, failed;
};

struct ledger {
    int64_t id;
    uint64_t submitted_us, saved_ms;
    uint64_t done, failed, cancelled;
    bool changed, was_cancelled;
    bool kept; /* detached: the keeper writes its row and its failures, with its results */
    struct ledger_host *hosts;
    struct store_failure *failures; /* not handed over yet */
    size_t failure_count, failures_kept;
    struct rates rates;
};

/* ---- the function as JSON ---- */

static void add_number(json_t *o, const char *key, uint64_t value)
{
    if (value)
        json_object_set_new(o, key, json_integer((json_int_t)value));
}

static void add_text(json_t *o, const char *key, const char *value)
{
    if (value)
        json_object_set_new(o, key, json_string(value));
}

static void add_texts(json_t *o, const char *key, char *const *list)
{
    json_t *array = list ? json_array() : NULL;
    for (; list && *list; list++)
        json_array_append_new(array, json_string(*list));
    if (array)
        json_object_set_new(o, key, array);
}

static char *function_text(const struct func *f, size_t files)
{
    static const char *const kinds[] = {"command", "lines", "framed"};
    json_t *o = json_object(), *argv = json_array();
    for (size_t i = 0; i < f->argc; i++)
        if (json_array_append_new(argv, json_string(f->argv[i]))) { /* not UTF-8: it cannot be run again from here */
            json_decref(argv);
            json_decref(o);
            return NULL;
        }
    json_object_set_new(o, "argv", argv);
    json_object_set_new(o, "kind", json_string(kinds[f->kind]));
    add_text(o, "dir", f->dir);
    add_texts(o, "ship", f->ships);
    add_texts(o, "in", f->ins);
    add_texts(o, "out", f->outs);
    add_texts(o, "names", f->names);
    add_number(o, "columns", f->has_columns);
    add_number(o, "shell", f->shell);
    add_number(o, "by_names", f->by_names);
    add_text(o, "results", f->results);
    add_number(o, "use_stdin", f->use_stdin);
    add_number(o, "no_input", f->no_input);
    add_number(o, "everywhere", f->everywhere);
    add_number(o, "timeout_ms", f->timeout_ms);
    add_number(o, "retries", f->retries);
    add_number(o, "retry_failed", f->retry_failed);
    add_number(o, "speculate", f->speculate);
    add_number(o, "max_output", f->max_output);
    add_number(o, "files", files);
    if (f->has_seed)
        json_object_set_new(o, "seed", json_integer((json_int_t)f->seed));
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

/* ---- into the store ---- */

static struct store_job *row(const struct core_job *j, enum store_job_state state)
{
    const struct ledger *l = j->ledger;
    struct store_job *r = mem_zalloc(sizeof *r);
    *r = (struct store_job){.id = l->id,
        .state = state,
        .submitted_us = l->submitted_us,
        .started_us = l->submitted_us,
        .done = l->done,
        .failed = l->failed,
        .cancelled = l->cancelled};
    disp_job_counts(j->job, &r->total, NULL, NULL);
    return r;
}

static void hand_over(struct core_job *j)
{
    struct ledger *l = j->ledger;
    if (l->failure_count)
        recorder_failures(j->profile->engine->recorder, l->id, l->failures, l->failure_count);
    l->failures = NULL;
    l->failure_count = 0;
}

/* Takes the row. */
static void record(const struct core_job *j, struct store_job *r, bool is_new)
{
    if (!j->ledger->kept) {
        recorder_job(j->profile->engine->recorder, r, is_new);
        return;
    }
    store_job_fini(r);
    free(r);
}

static void save(struct core_job *j, uint64_t now_ms)
{
    hand_over(j);
    record(j, row(j, STORE_JOB_RUNNING), false);
    j->ledger->changed = false;
    j->ledger->saved_ms = now_ms;
}

int64_t ledger_next_id(struct engine *e)
{
    int64_t stored = catalog_last_job(e->catalog);
    if (stored > e->last_job)
        e->last_job = stored; /* a submitter had it from the engine before */
    return ++e->last_job;
}

void ledger_open(struct core_job *j, size_t files)
{
    struct engine *e = j->profile->engine;
    struct ledger *l = j->ledger = mem_zalloc(sizeof *l);
    l->kept = j->spec.kept != 0;
    l->id = l->kept ? j->spec.kept : ledger_next_id(e);
    l->submitted_us = wall_us();
    l->saved_ms = mono_ms();
    struct store_job *r = row(j, STORE_JOB_RUNNING);
    store_job_describe(r, j->spec.name, (const char *const *)j->spec.argv);
    snprintf(r->profile, sizeof r->profile, "%s", j->profile->name);
    r->function = function_text(&j->spec, files);
    log_info("job", "open job=%lld profile=%s name=\"%s\" command=\"%.200s\"", (long long)l->id, j->profile->name,
        r->name, r->command);
    record(j, r, true);
}

/* ---- as tasks end ---- */

static struct ledger_host *host_of(struct ledger *l, const char *name)
{
    struct ledger_host **at = &l->hosts;
    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    if (!*at) {
        *at = mem_zalloc(sizeof **at);
        snprintf((*at)->name, sizeof(*at)->name, "%s", name);
    }
    return *at;
}

static char *status_text(enum wire_outcome outcome, const struct wire_report *r)
{
    return r ? ending_text(outcome, r->exit_status, r->signal, r->why, r->why_len)
             : ending_text(outcome, -1, 0, NULL, 0);
}

static void keep_failure(struct core_job *j, uint64_t task, const char *host, unsigned attempts, char *status,
    const struct wire_report *r, const uint8_t *input, uint32_t input_len)
{
    struct ledger *l = j->ledger;
    if (l->kept || l->failures_kept >= STORE_FAILURES_MAX) {
        free(status);
        return;
    }
    if (!l->failures)
        l->failures = mem_alloc(FAILURES_AT_ONCE * sizeof *l->failures);
    struct store_failure *f = &l->failures[l->failure_count++];
    *f = (struct store_failure){.task = task, .attempts = attempts, .status = status};
    snprintf(f->host, sizeof f->host, "%s", host);
    store_failure_keep(f, r ? r->err : NULL, r ? r->err_len : 0, input, input_len);
    l->failures_kept++;
    if (l->failure_count == FAILURES_AT_ONCE)
        hand_over(j);
}

static void count(struct core_job *j, enum wire_outcome outcome, const char *host, uint32_t n)
{
    struct ledger *l = j->ledger;
    bool failed = outcome == WIRE_FAILED || outcome == WIRE_TIMEOUT || outcome == WIRE_LOST;
    *(outcome == WIRE_DONE ? &l->done : failed ? &l->failed : &l->cancelled) += n;
    rates_add(&l->rates, mono_ms(), n);
    if (host) {
        struct ledger_host *h = host_of(l, host);
        *(failed ? &h->failed : &h->done) += n;
    }
    if (!l->changed)
        core_due(j->profile->engine);
    l->changed = true;
}

void ledger_answer(struct core_job *j, const struct daemon *m, const struct frame *f, enum wire_outcome outcome,
    const struct wire_report *r, unsigned attempts, const uint8_t *input, uint32_t input_len)
{
    if (!j->ledger)
        return;
    count(j, outcome, m->place->host, f->n);
    if (outcome == WIRE_FAILED || outcome == WIRE_TIMEOUT)
        keep_failure(j, f->first, m->place->host, attempts, status_text(outcome, f->len ? r : NULL), f->len ? r : NULL,
            input, input_len);
}

void ledger_end(struct core_job *j, const struct disp_action *a)
{
    if (!j->ledger)
        return;
    count(j, a->outcome, NULL, a->n);
    if (a->outcome == WIRE_LOST)
        for (uint32_t i = 0; i < a->n; i++)
            keep_failure(j, a->first + i, "", a->attempts, status_text(a->outcome, NULL), NULL, a->input, a->input_len);
}

void ledger_close(struct core_job *j)
{
    struct ledger *l = j->ledger;
    uint64_t total, ended;
    if (!l)
        return;
    disp_job_counts(j->job, &total, &ended, NULL);
    bool whole = !l->was_cancelled && l->done + l->failed == total;
    struct store_job *r = row(j, !whole ? STORE_JOB_CANCELLED : l->failed ? STORE_JOB_FAILED : STORE_JOB_DONE);
    r->finished_us = wall_us();
    if (!l->kept) /* the keeper tells its own */
        log_info("job", "end job=%lld profile=%s state=%s done=%llu failed=%llu cancelled=%llu", (long long)l->id,
            j->profile->name, store_job_state_text(r->state), (unsigned long long)l->done,
            (unsigned long long)l->failed, (unsigned long long)(total - l->done - l->failed));
    r->cancelled = total - l->done - l->failed;
    hand_over(j);
    record(j, r, false);
    core_changed(j->profile->engine); /* somebody may wait for its end */
    while (l->hosts) {
        struct ledger_host *h = l->hosts;
        l->hosts = h->next;
        free(h);
    }
    free(l);
    j->ledger = NULL;
}

/* ---- chores and questions ---- */

void ledger_tick(struct engine *e, uint64_t now_ms)
{
    for (struct peer *p = e->peers; p; p = p->after)
        for (struct core_job *j = p->role == PEER_CLIENT ? p->jobs : NULL; j; j = j->next)
            if (j->ledger && j->ledger->changed && now_ms - j->ledger->saved_ms >= SAVE_MS)
                save(j, now_ms);
}

uint64_t ledger_next_ms(const struct engine *e)
{
    uint64_t next = UINT64_MAX;
    for (const struct peer *p = e->peers; p; p = p->after)
        for (const struct core_job *j = p->role == PEER_CLIENT ? p->jobs : NULL; j; j = j->next)
            if (j->ledger && j->ledger->changed && j->ledger->saved_ms + SAVE_MS < next)
                next = j->ledger->saved_ms + SAVE_MS;
    return next;
}

/* Why its tasks do not go on now; or "". */
static json_t *waits_for(const struct core_job *j, bool executes)
{
    struct disp_stats s;
    const struct daemon *paused = NULL, *unread = NULL;
    if (j->client && j->client->jobs_paused)
        return json_string("its client does not read its results");
    disp_stats(j->profile->disp, &s);
    for (const struct daemon *m = s.giving ? NULL : j->profile->daemons; m; m = m->after) {
        paused = m->paused && !paused ? m : paused;
        unread = m->peer && m->peer->unread && !unread ? m : unread;
    }
    return unread ? json_string("its daemons hold results of another job, whose client does not read them")
           : paused && !executes ? json_sprintf("its daemons are paused: %s", paused->pause)
                                 : json_string("");
}

static json_t *job_json(struct core_job *j, uint64_t now_ms)
{
    struct ledger *l = j->ledger;
    uint64_t total, ended, executing, awaiting;
    struct store_job seen = {0};
    char clean[STORE_COMMAND_MAX * 4];
    json_t *hosts = json_array();
    store_job_describe(&seen, j->spec.name, (const char *const *)j->spec.argv);
    disp_job_counts(j->job, &total, &ended, NULL);
    disp_job_load(j->job, &executing, &awaiting);
    text_escape(clean, sizeof clean, seen.command, strlen(seen.command));
    for (const struct ledger_host *h = l->hosts; h; h = h->next)
        json_array_append_new(hosts, json_pack("{s:s, s:I, s:I}", "host", h->name, "done", (json_int_t)h->done,
                                         "failed", (json_int_t)h->failed));
    json_t *o = json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:I, s:f, s:o}", "id",
        (json_int_t)l->id, "name", seen.name, "profile", j->profile->name, "command", clean, "state", "running",
        "awaiting", (json_int_t)awaiting, "executing", (json_int_t)executing, "done", (json_int_t)l->done, "failed",
        (json_int_t)l->failed, "cancelled", (json_int_t)l->cancelled, "total", (json_int_t)total, "finished_input",
        disp_job_has_all(j->job), "submitted_us", (json_int_t)l->submitted_us, "rate", rates_now(&l->rates, now_ms),
        "hosts", hosts);
    store_job_fini(&seen);
    json_object_set_new(o, "reason", awaiting + executing ? waits_for(j, executing) : json_string(""));
    return o;
}

bool ledger_has(const struct engine *e, int64_t id)
{
    for (const struct peer *p = e->peers; p; p = p->after)
        for (const struct core_job *j = p->role == PEER_CLIENT ? p->jobs : NULL; j; j = j->next)
            if (j->ledger && j->ledger->id == id)
                return true;
    return false;
}

json_t *ledger_json(struct engine *e, const char *profile)
{
    json_t *list = json_array();
    uint64_t now_ms = mono_ms();
    for (struct peer *p = e->peers; p; p = p->after)
        for (struct core_job *j = p->role == PEER_CLIENT ? p->jobs : NULL; j; j = j->next)
            if (j->ledger && (!profile || strcmp(j->profile->name, profile) == 0))
                json_array_append_new(list, job_json(j, now_ms));
    keep_json(e->keeper, list, profile);
    return list;
}

struct profile *ledger_cancel(struct engine *e, int64_t id)
{
    for (struct peer *p = e->peers; p; p = p->after)
        for (struct core_job *j = p->role == PEER_CLIENT ? p->jobs : NULL; j; j = j->next)
            if (j->ledger && j->ledger->id == id) {
                j->ledger->was_cancelled = true;
                log_info("job", "cancel job=%lld profile=%s", (long long)id, j->profile->name);
                disp_job_cancel(j->profile->disp, j->job, 0, 0, mono_us());
                return j->profile;
            }
    return NULL;
}
