/* A detached job at the engine: opened, given its inputs chunk by chunk, and what comes back taken. */
#include "engine/record/keep_internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/mono.h"
#include "engine/client/detached.h"

#include <stdlib.h>
#include <string.h>

enum clw_err keep_job_load(struct keeper *k, int64_t id, struct keep_job **out, struct clw_error *err)
{
    struct store_job row = {0};
    struct store_kept kept = {0};
    enum clw_err code = store_job_get(k->s, id, &row, err);
    if (!code)
        code = store_kept_get(k->s, id, &kept, err);
    if (code) {
        store_job_fini(&row);
        return code;
    }
    struct keep_job *j = *out = mem_zalloc(sizeof *j);
    *j = (struct keep_job){.id = id,
        .submitted_us = row.submitted_us,
        .started_us = row.started_us,
        .total = row.total,
        .done = row.done,
        .failed = row.failed,
        .recorded = row.done + row.failed,
        .round = kept.round,
        .stop = kept.stop,
        .up = mem_strdup(kept.up),
        .command = mem_strdup(row.command)};
    memcpy(j->name, row.name, sizeof j->name);
    memcpy(j->profile, row.profile, sizeof j->profile);
    store_job_fini(&row);
    store_kept_fini(&kept);
    return CLW_OK;
}

void keep_job_free(struct keeper *k, struct keep_job *j)
{
    keep_job_close(k, j);
    keep_chunks_free(k, j);
    free(j->command);
    free(j->fault);
    free(j->up);
    free(j);
}

static void try_later(struct keeper *k, struct keep_job *j, const char *reason)
{
    j->retry_ms = keep_back_off(&j->backoff_ms);
    keep_set_reason(k, j, reason);
}

static void refused(struct keeper *k, struct keep_job *j, const struct clowder_error *err)
{
    char text[STORE_REASON_MAX];
    snprintf(text, sizeof text, "%s%s%s", err->message, err->hint[0] ? "; " : "", err->hint);
    try_later(k, j, text);
}

void keep_job_open(struct keeper *k, struct keep_job *j)
{
    uint8_t *func;
    size_t len;
    struct clw_error why;
    struct clowder_error err = {0};
    if (!k->c && clowder_open(&k->c, &(struct clowder_options){.no_start = true}, &err)) {
        refused(k, j, &err);
        return;
    }
    if (store_kept_func(k->s, j->id, &func, &len, &why)) {
        try_later(k, j, why.message);
        return;
    }
    int status = *j->up ? client_up_again(k->c, j->up, &err) : CLOWDER_OK;
    uint64_t started_us = j->started_us ? j->started_us : wall_us();
    if (status == CLOWDER_OK)
        status = client_job_open_kept(k->c, func, len, j->id, started_us, &j->job, &err);
    free(func);
    if (status) {
        refused(k, j, &err);
        return;
    }
    j->put_index = 0;
    j->all_given = j->finished = j->ended = false;
    j->out_bytes = 0;
    j->started_us = started_us;
    k->open_count++;
    j->open = j->news = true;
    keep_set_reason(k, j, "");
}

void keep_job_close(struct keeper *k, struct keep_job *j)
{
    if (!j->job)
        return;
    clowder_job_close(j->job);
    j->job = NULL;
    k->open_count--;
    j->open = false;
    j->news = true;
    if (*j->up)
        client_down_again(k->c, j->profile);
}

/* ---- giving ---- */

static void append(struct keep_job *j, struct keep_chunk *c)
{
    if (j->last)
        j->last->next = c;
    else
        j->chunks = c;
    j->last = c;
}

/* The chunk at next_from or after it; its inputs only when there are tasks without a result in it. */
static enum clw_err read_chunk(struct keeper *k, struct keep_job *j, struct keep_chunk *c, struct clw_error *err)
{
    struct store_results *results;
    enum clw_err code = store_chunk_get(k->s, j->id, j->next_from, false, &c->inputs, err);
    if (!code)
        code = store_results_get(k->s, j->id, c->inputs.first, c->inputs.n, j->round, &results, err);
    if (code)
        return code;
    c->left = c->inputs.n;
    c->seq = store_results_segments(results);
    c->have = mem_zalloc(c->inputs.n);
    for (uint32_t i = 0; c->seq && i < c->inputs.n; i++)
        if (store_results_has(results, i)) {
            c->have[i] = 1;
            c->left--;
        }
    store_results_free(results);
    return c->left ? store_chunk_load(k->s, j->id, &c->inputs, err) : CLW_OK;
}

/* The next chunk that has tasks without a result. False: there is no more, or it cannot be read now. */
static bool next_chunk(struct keeper *k, struct keep_job *j)
{
    struct clw_error err;
    struct keep_chunk *c = NULL;
    enum clw_err code;
    do {
        keep_chunk_free(c);
        c = mem_zalloc(sizeof *c);
        code = read_chunk(k, j, c, &err);
        if (!code)
            j->next_from = c->inputs.first + c->inputs.n;
    } while (!code && c->left == 0);
    if (!code) {
        append(j, c);
        return true;
    }
    keep_chunk_free(c);
    if (code == CLW_END) {
        j->all_given = true;
    } else {
        keep_job_close(k, j);
        try_later(k, j, err.message);
    }
    return false;
}

/* False when the engine takes no more now. */
static bool give_chunk(struct keeper *k, struct keep_job *j, struct keep_chunk *c)
{
    struct clowder_error err;
    const char *input;
    size_t len;
    for (; c->given < c->inputs.n; c->given++) {
        uint64_t index = c->inputs.first + c->given;
        if (c->have[c->given])
            continue;
        if (index > j->put_index)
            clowder_job_skip(j->job, index - j->put_index, NULL);
        j->put_index = index;
        store_chunk_input(&c->inputs, c->given, &input, &len);
        int status = clowder_job_put(j->job, input, len, 0, &err);
        if (status) {
            if (status != CLOWDER_AGAIN)
                refused(k, j, &err); /* the job says so itself when its results are taken */
            return false;
        }
        j->put_index++;
        j->out_bytes += len + 1;
    }
    store_chunk_fini(&(struct store_chunk){.data = c->inputs.data});
    c->inputs.data = NULL;
    return true;
}

void keep_job_give(struct keeper *k, struct keep_job *j)
{
    uint64_t share = KEEP_INPUT_BYTES / (k->open_count ? k->open_count : 1);
    if (j->all_given || j->finished || j->stopped || k->trouble[0])
        return;
    while (j->job && (j->out_bytes < share || !j->out_bytes)) {
        if (!j->last || !j->last->inputs.data) {
            if (!next_chunk(k, j))
                break;
        }
        if (!give_chunk(k, j, j->last))
            break;
    }
    if (!j->job)
        return;
    if (j->all_given && !j->finished) {
        clowder_job_finish(j->job, NULL);
        j->finished = true;
    } else {
        clowder_job_flush(j->job, NULL);
    }
}

/* ---- taking ---- */

/* Its last word. */
static void end(struct keeper *k, struct keep_job *j, int status, const struct clowder_error *err)
{
    if (status == CLOWDER_END) {
        j->ended = true;
        return;
    }
    keep_job_close(k, j);
    refused(k, j, err);
}

/* Its workers did not end well: the results are there, and in doubt. */
static void doubt(struct keep_job *j, const char *why)
{
    free(j->fault);
    j->fault = mem_strdup(why);
}

bool keep_job_take(struct keeper *k, struct keep_job *j)
{
    struct clowder_result r;
    struct clowder_error err;
    uint64_t now_us = wall_us();
    for (int n = 0; n < KEEP_TAKE && k->pending_bytes < KEEP_PENDING_MAX; n++) {
        int status = clowder_job_next(j->job, &r, 0, &err);
        if (status == CLOWDER_AGAIN)
            return false;
        if (status == CLOWDER_FAILED && !j->fault) {
            doubt(j, err.message);
            continue;
        }
        if (status) {
            end(k, j, status, &err);
            return false;
        }
        keep_gather(k, j, &r, now_us);
        if (j->stop && j->failed && !j->stopped) {
            j->stopped = j->finished = true;
            clowder_job_cancel(j->job, NULL);
            clowder_job_finish(j->job, NULL);
        }
    }
    return k->pending_bytes < KEEP_PENDING_MAX;
}
