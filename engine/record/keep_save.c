/* Results of detached jobs: gathered by chunk, and written with the counts of their job in one transaction. */
#include "engine/record/keep_internal.h"

#include "base/log.h"
#include "engine/record/ending.h"
#include "base/mem.h"
#include "base/mono.h"

#include <stdlib.h>
#include <string.h>

/* ---- gathering ---- */

static struct keep_chunk *find_chunk(struct keep_job *j, uint64_t index)
{
    struct keep_chunk *c = j->near && index >= j->near->inputs.first ? j->near : j->chunks;
    while (c && index >= c->inputs.first + c->inputs.n)
        c = c->next;
    return j->near = c && index >= c->inputs.first ? c : NULL;
}

/* For the ledger. */
static void keep_failure(struct keep_job *j, const struct clowder_result *r)
{
    if (j->failures_kept >= STORE_FAILURES_MAX)
        return;
    if ((j->failure_count & (j->failure_count - 1)) == 0)
        j->failures = mem_realloc(j->failures, (j->failure_count ? j->failure_count * 2 : 1) * sizeof *j->failures);
    struct store_failure *f = &j->failures[j->failure_count++];
    *f = (struct store_failure){.task = r->index,
        .attempts = r->attempts,
        .status = ending_text((enum wire_outcome)r->outcome, r->exit_status, r->signal, r->why, strlen(r->why))};
    snprintf(f->host, sizeof f->host, "%s", r->host);
    j->failures_kept++;
    j->pending_bytes += store_failure_keep(f, r->err, r->err_len, r->input, r->input_len);
}

static void drop_failures(struct keep_job *j)
{
    store_failures_free(j->failures, j->failure_count);
    j->failures = NULL;
    j->failure_count = 0;
}

void keep_gather(struct keeper *k, struct keep_job *j, const struct clowder_result *r, uint64_t now_us)
{
    struct keep_chunk *c = find_chunk(j, r->index);
    uint32_t pos = c ? (uint32_t)(r->index - c->inputs.first) : 0;
    j->out_bytes -= r->input_len + 1 < j->out_bytes ? r->input_len + 1 : j->out_bytes;
    if (r->outcome == CLOWDER_TASK_CANCELLED || !c || c->have[pos])
        return; /* taken back: it has no result */
    struct store_result result = {.pos = pos,
        .outcome = (enum store_outcome)r->outcome,
        .attempts = r->attempts,
        .exit_status = r->exit_status,
        .signal = r->signal,
        .out = r->out,
        .out_len = r->out_len,
        .err = r->err,
        .err_len = r->err_len,
        .why = r->why,
        .why_len = strlen(r->why),
        .file_count = r->file_count,
        .file_bytes = r->file_bytes,
        .host = r->host,
        .daemon = r->daemon,
        .out_total = r->out_total,
        .queued_us = r->queued_us,
        .run_us = r->run_us,
        .ended_us = now_us};
    size_t before = store_segment_bytes(&c->results), pending = j->pending_bytes;
    store_segment_add(&c->results, &result);
    c->have[pos] = 1;
    c->left--;
    j->backoff_ms = 0;
    if (r->outcome == CLOWDER_DONE) {
        j->done++;
    } else {
        j->failed++;
        keep_failure(j, r);
    }
    j->pending_bytes += store_segment_bytes(&c->results) - before;
    if (!k->pending_bytes)
        k->pending_ms = mono_ms();
    k->pending_bytes += j->pending_bytes - pending;
}

/* ---- forgetting ---- */

void keep_chunk_free(struct keep_chunk *c)
{
    if (!c)
        return;
    store_chunk_fini(&c->inputs);
    store_segment_fini(&c->results);
    free(c->have);
    free(c);
}

void keep_chunks_free(struct keeper *k, struct keep_job *j)
{
    while (j->chunks) {
        struct keep_chunk *c = j->chunks;
        j->chunks = c->next;
        keep_chunk_free(c);
    }
    j->last = j->near = NULL;
    drop_failures(j);
    k->pending_bytes -= j->pending_bytes;
    j->pending_bytes = 0;
}

/* After a write: nothing is pending, and chunks that are complete are done with. */
static void settle(struct keeper *k, struct keep_job *j)
{
    struct keep_chunk **at = &j->chunks, *last = NULL;
    while (*at) {
        struct keep_chunk *c = *at;
        c->seq += c->results.n > 0;
        store_segment_clear(&c->results);
        if (c->left == 0 && !c->inputs.data) {
            *at = c->next;
            keep_chunk_free(c);
            continue;
        }
        last = c;
        at = &c->next;
    }
    j->last = last;
    j->near = NULL;
    drop_failures(j);
    k->pending_bytes -= j->pending_bytes;
    j->pending_bytes = 0;
}

/* ---- writing ---- */

static bool is_over(const struct keep_job *j)
{
    return j->ended && !j->cancelled;
}

static struct store_job row(const struct keep_job *j)
{
    struct store_job r = {.id = j->id,
        .state = STORE_JOB_RUNNING,
        .started_us = j->started_us,
        .done = j->done,
        .failed = j->failed,
        .total = j->total};
    if (is_over(j)) {
        r.finished_us = wall_us();
        r.cancelled = j->total - j->done - j->failed;
        r.state = j->failed || j->fault || r.cancelled ? STORE_JOB_FAILED : STORE_JOB_DONE;
    } else if (!j->job) {
        r.state = STORE_JOB_QUEUED;
    }
    return r;
}

static const char *reason(const struct keep_job *j)
{
    if (!is_over(j))
        return j->reason;
    return j->fault ? j->fault : j->stopped ? "stopped at its first failure" : "";
}

/* All of one job, or nothing of it. */
static enum clw_err write_job(struct keeper *k, struct keep_job *j, struct clw_error *err)
{
    struct store_job r = row(j);
    enum clw_err code = store_begin(k->s, err);
    if (code)
        return code;
    code = store_kept_update(k->s, &r, j->round, reason(j), err);
    for (struct keep_chunk *c = j->chunks; c && !code; c = c->next)
        if (c->results.n)
            code = store_segment_write(k->s, j->id, c->inputs.first, c->seq, j->round, &c->results, err);
    if (!code && j->failure_count)
        code = store_job_failures_add(k->s, j->id, j->failures, j->failure_count, err);
    if (!code)
        return store_commit(k->s, err);
    store_rollback(k->s);
    return code;
}

static enum clw_err cancel_job(struct keeper *k, struct keep_job *j, struct clw_error *err)
{
    enum clw_err code = store_kept_cancel(k->s, j->id, err);
    return code == CLW_EXISTS ? CLW_OK : code;
}

static bool has_news(const struct keep_job *j)
{
    return !j->gone && (j->pending_bytes || j->news || is_over(j) || j->cancelled);
}

static enum clw_err write_all(struct keeper *k, struct clw_error *err)
{
    enum clw_err code = store_begin(k->s, err);
    if (code)
        return code;
    for (struct keep_job *j = k->jobs; j && !code; j = j->next) {
        if (!has_news(j))
            continue;
        code = write_job(k, j, err); /* also before its end: it may be in another round by now */
        if (!code && j->cancelled)
            code = cancel_job(k, j, err);
        /* Ended, removed, put back, or run by somebody else meanwhile: what we have of it is worth nothing. */
        if (code == CLW_CANCELLED || code == CLW_NOT_FOUND || code == CLW_EXISTS) {
            log_info("job", "left job=%lld why=\"%s\"", (long long)j->id, err->message);
            j->gone = true;
            k->asked++; /* for its next round, perhaps */
            code = CLW_OK;
        }
    }
    if (!code)
        return store_commit(k->s, err);
    store_rollback(k->s);
    return code;
}

static void say_trouble(struct keeper *k, const char *text)
{
    snprintf(k->trouble, sizeof k->trouble, "%s", text);
    for (struct keep_job *j = k->jobs; j; j = j->next)
        if (j->job)
            keep_set_reason(k, j, text);
}

static void log_end(const struct keep_job *j)
{
    log_info("job", "recorded job=%lld profile=%s done=%llu failed=%llu of=%llu", (long long)j->id, j->profile,
        (unsigned long long)j->done, (unsigned long long)j->failed, (unsigned long long)j->total);
}

void keep_save(struct keeper *k)
{
    struct clw_error err = {0};
    bool any = false;
    for (struct keep_job *j = k->jobs; j; j = j->next)
        any |= has_news(j);
    if (!any && !k->trouble[0])
        return;
    if (write_all(k, &err)) {
        for (struct keep_job *j = k->jobs; j; j = j->next)
            j->gone = false; /* nothing was written */
        k->trouble_ms = keep_back_off(&k->trouble_backoff_ms);
        if (strcmp(k->trouble, err.message) != 0)
            log_warn("job", "results cannot be written why=\"%s\" hint=\"%s\"", err.message, err.hint);
        say_trouble(k, err.message);
        k->nudge(k->nudge_arg);
        return;
    }
    if (k->trouble[0]) {
        log_info("job", "results can be written again");
        say_trouble(k, "");
    }
    k->trouble_backoff_ms = 0;
    pthread_mutex_lock(&k->lock);
    for (struct keep_job *j = k->jobs; j; j = j->next) {
        if (is_over(j) && !j->gone)
            log_end(j);
        j->gone |= is_over(j) || j->cancelled;
        j->recorded = j->done + j->failed;
        j->news = false;
        settle(k, j);
    }
    pthread_mutex_unlock(&k->lock);
    k->nudge(k->nudge_arg);
}
