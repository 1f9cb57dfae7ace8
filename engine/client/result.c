/* Results: taken from the engine in any order, handed to the caller in the order of the inputs (or as they come), each
 * once. */
#include "engine/client/internal.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static struct clowder_job *find_job(struct clowder *c, uint32_t number)
{
    struct clowder_job *j = c->jobs;
    while (j && j->number != number)
        j = j->next;
    return j;
}

/* ---- what the engine says about a job ---- */

/* code, "message\0hint". */
static void take_error(struct clw_error *to, const struct frame *f)
{
    const char *text = (const char *)f->body;
    const char *nul = memchr(text, 0, f->len);
    int len = (int)(nul ? nul - text : (ptrdiff_t)f->len), hint_len = nul ? (int)f->len - len - 1 : 0;
    enum clw_err code = f->code && f->code < CLW_ERR_COUNT ? (enum clw_err)f->code : CLW_PROTOCOL;
    if (to->code)
        return; /* the first one counts */
    clw_fail(to, code, NULL, "%.*s", len < 390 ? len : 390, text);
    snprintf(to->hint, sizeof to->hint, "%.*s", hint_len < 290 ? hint_len : 290, nul ? nul + 1 : "");
}

/* Those that nobody has taken, a line each; what is too much is lost. */
static void take_note(struct clowder_job *j, const struct frame *f)
{
    size_t len = strnlen((const char *)f->body, f->len), used = strlen(j->notes);
    if (used + len + 2 <= sizeof j->notes)
        snprintf(j->notes + used, sizeof j->notes - used, "%.*s\n", (int)len, (const char *)f->body);
}

bool clowder_job_note(struct clowder_job *j, char *text, size_t size)
{
    pthread_mutex_lock(&j->c->lock);
    size_t len = strcspn(j->notes, "\n"), all = strlen(j->notes);
    bool any = all > 0;
    if (any) {
        snprintf(text, size, "%.*s", (int)len, j->notes);
        memmove(j->notes, j->notes + len + 1, all - len);
    }
    pthread_mutex_unlock(&j->c->lock);
    return any;
}

/* The engine made the tasks itself: one for each daemon. */
static void add_everywhere(struct clowder_job *j, uint32_t n)
{
    uint8_t zero[4] = {0};
    if (n == 0 || j->next_index)
        return;
    for (uint32_t i = 0; i < n; i++)
        buf_add(&j->open_ends, zero, sizeof zero);
    j->open_count = n;
    j->next_index = n;
    job_close_chunk(j);
    j->unsent = 0; /* they are there already */
    j->sent = n;
}

static void take_opened(struct clowder_job *j, const struct frame *f)
{
    if (f->code) {
        take_error(&j->broken, f);
        return;
    }
    j->opened = true;
    if (j->func.everywhere) {
        add_everywhere(j, f->n);
        j->finished = true;
    }
}

/* ---- answers ---- */

struct chunk *job_chunk_of(struct clowder_job *j, uint64_t index)
{
    size_t low = 0, high = j->ring_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        struct chunk *k = job_chunk(j, mid);
        if (index >= k->first + k->slices.n)
            low = mid + 1;
        else if (index < k->first)
            high = mid;
        else
            return k;
    }
    return NULL;
}

static void drop_finished_chunks(struct clowder_job *j)
{
    while (j->ring_count) {
        struct chunk *k = job_chunk(j, 0);
        if (k->taken < k->slices.n)
            return;
        if (j->cursor_chunk == k)
            j->cursor_chunk = NULL;
        chunk_free(k);
        j->ring_head = (j->ring_head + 1) & (j->ring_cap - 1);
        j->ring_count--;
    }
}

void answer_done(struct clowder_job *j, struct answer *a, uint32_t n)
{
    a->chunk->taken += n;
    a->n -= n;
    if (a->n)
        return;
    j->backlog_bytes -= a->frame.len;
    blk_rele(a->block);
    free(a);
    drop_finished_chunks(j);
}

static void finish_futures(struct clowder_job *j, struct answer *a)
{
    struct chunk *k = a->chunk;
    uint32_t n = a->n;
    for (uint32_t i = 0; i < n; i++) {
        struct clowder_future *future = k->futures[a->pos + i];
        if (!future || future->freed) {
            free(future);
            answer_done(j, a, 1);
            continue;
        }
        future->answer = a;
        future->place = i;
        if (future->cb) {
            future->next_done = NULL;
            if (j->c->done_last)
                j->c->done_last->next_done = future;
            else
                j->c->done_first = future;
            j->c->done_last = future;
        }
    }
}

static void deliver(struct clowder_job *j, struct answer *a)
{
    if (a->chunk->futures) {
        finish_futures(j, a);
    } else if (j->ordered) {
        a->chunk->answers[a->pos] = a;
    } else {
        if (j->ready_last)
            j->ready_last->next = a;
        else
            j->ready = a;
        j->ready_last = a;
    }
    pthread_cond_broadcast(&j->c->changed);
    client_signal(j->c);
}

static bool is_new(const struct chunk *k, uint32_t pos, uint32_t n)
{
    return !memchr(k->have + pos, 1, n);
}

/* Its daemon, by the name that it has with this engine. */
static void name_source(const struct clowder *c, struct answer *a)
{
    uint32_t number = a->frame.daemon & 0xffffff;
    bool known = number < c->source_count && number;
    a->daemon = known && c->sources[number].name ? c->sources[number].name : "";
    a->host = known && c->sources[number].host ? c->sources[number].host : "";
}

static void take_answer(struct clowder_job *j, const struct frame *f, struct blk *block)
{
    struct answer *a = mem_zalloc(sizeof *a);
    struct chunk *k = job_chunk_of(j, f->first);
    struct clw_error err;
    a->chunk = k;
    a->frame = *f;
    a->n = f->n;
    a->pos = k ? (uint32_t)(f->first - k->first) : 0;
    bool good = k && f->n && f->n <= k->slices.n - a->pos && is_new(k, a->pos, f->n);
    if (good && f->type == WIRE_RESULT)
        good = wire_slices(f, &a->slices, &err) == CLW_OK;
    if (!good) {
        free(a);
        clw_fail(&j->broken, CLW_PROTOCOL, NULL, "the engine answered tasks that it was not given");
        pthread_cond_broadcast(&j->c->changed);
        return;
    }
    /* A small answer must not keep a large receive block alive. */
    if (f->len && block->cap / 4 > f->len && (a->block = blk_new(f->len))) {
        memcpy(a->block->data, f->body, f->len);
        a->frame.body = a->block->data;
        if (f->type == WIRE_RESULT)
            wire_slices(&a->frame, &a->slices, &err);
    } else {
        a->block = blk_hold(block);
    }
    name_source(j->c, a);
    memset(k->have + a->pos, 1, f->n);
    k->received += f->n;
    j->received += f->n;
    j->c->recoveries = 0; /* this engine is good for something */
    j->received_bytes += f->len;
    j->backlog_bytes += f->len;
    deliver(j, a);
}

void result_frame(struct clowder *c, const struct frame *f, struct blk *block)
{
    struct clowder_job *j = find_job(c, f->job);
    if (!j)
        return; /* closed meanwhile */
    switch (f->type) {
    case WIRE_OPENED: take_opened(j, f); break;
    case WIRE_GRANT: j->grant += f->first; break;
    case WIRE_RESULT:
    case WIRE_REPORT: take_answer(j, f, block); return;
    case WIRE_FAULT: take_error(f->code == CLW_FAILED ? &j->fault : &j->broken, f); break;
    case WIRE_NOTE: take_note(j, f); break;
    case WIRE_CLOSED: j->closed_by_engine = true; break;
    default: break;
    }
    pthread_cond_broadcast(&c->changed);
    client_signal(c); /* there may be room for more tasks, or an end to see */
}

/* ---- to the caller ---- */

static void fill_report(struct clowder_result *r, const struct answer *a, char **why)
{
    struct wire_report w;
    free(*why);
    *why = NULL;
    r->outcome = (enum clowder_outcome)a->frame.code;
    r->exit_status = -1;
    if (a->frame.len && wire_get_report(&a->frame, &w, NULL) == CLW_OK) {
        r->exit_status = w.exit_status;
        r->signal = w.signal;
        r->run_us = w.run_us;
        r->queued_us = w.queued_us;
        r->out = (const char *)w.out;
        r->out_len = w.out_len;
        r->out_total = w.out_total;
        r->err = (const char *)w.err;
        r->err_len = w.err_len;
        r->file_count = w.file_count;
        r->file_bytes = w.file_bytes;
        if (w.why_len)
            *why = mem_printf("%.*s", (int)w.why_len, (const char *)w.why);
    } else if (r->outcome == CLOWDER_TASK_LOST) {
        *why = mem_printf("its daemon died, %u time%s in a row", r->attempts, text_plural(r->attempts));
    }
    r->why = *why ? *why : "";
}

void answer_fill_shared(const struct answer *a, struct clowder_result *r, char **why)
{
    *r = (struct clowder_result){.attempts = a->frame.daemon >> 24, .why = "", .err = "", .out = ""};
    if (!r->attempts)
        r->attempts = 1;
    r->daemon = a->daemon;
    r->host = a->host;
    if (a->frame.type == WIRE_REPORT) {
        fill_report(r, a, why);
    } else {
        r->outcome = CLOWDER_DONE;
        r->run_us = a->frame.run_us / a->frame.n;
    }
}

void answer_fill_own(const struct clowder_job *j, const struct answer *a, uint32_t i, struct clowder_result *r)
{
    const struct chunk *k = a->chunk;
    bool lines = j->func.kind == FUNC_LINES;
    uint32_t pos = a->pos + i, from = wire_slice_start(&k->slices, pos), to = wire_slice_end(&k->slices, pos);
    r->index = k->first + pos;
    r->input = (const char *)k->slices.bytes + from;
    r->input_len = to - from - (lines && to > from);
    if (a->frame.type == WIRE_RESULT) {
        uint32_t start = wire_slice_start(&a->slices, i), end = wire_slice_end(&a->slices, i);
        r->out = (const char *)a->slices.bytes + start;
        r->out_len = r->out_total = end - start;
    }
    if (lines && r->outcome == CLOWDER_DONE && r->out_len) {
        r->out_len--;
        r->out_total--;
    }
}

/* The answer with the next result in order, when it is here. Locked. */
static struct answer *next_answer(struct clowder_job *j)
{
    struct answer *a;
    if (!j->ordered) {
        if ((a = j->ready)) {
            j->ready = a->next;
            if (!j->ready)
                j->ready_last = NULL;
        }
        return a;
    }
    /* The chunk that is next: the first in the ring that has not been handed out (futures take theirs themselves). */
    for (size_t i = 0; i < j->ring_count; i++) {
        struct chunk *k = job_chunk(j, i);
        if (j->cursor_chunk && k->first < j->cursor_chunk->first)
            continue;
        if (!j->cursor_chunk || k != j->cursor_chunk) {
            if (k->futures)
                continue;
            j->cursor_chunk = k;
            j->cursor_pos = 0;
        }
        if (j->cursor_pos == k->slices.n)
            continue;
        a = k->answers[j->cursor_pos];
        if (a) {
            k->answers[j->cursor_pos] = NULL;
            j->cursor_pos += a->n;
        }
        return a;
    }
    return NULL;
}

/* All results are out: the last word is the engine's, that workers ended well. */
static bool is_over(const struct clowder_job *j)
{
    return j->finished && j->received == j->next_index && !j->open_count && j->closed_by_engine;
}

static enum clw_err wait_answer(struct clowder_job *j, int64_t timeout_ms, struct answer **a, struct clw_error *err)
{
    uint64_t deadline_ms = client_deadline(timeout_ms);
    enum clw_err code = CLW_OK;
    bool first = true;
    while (!code && !(*a = next_answer(j))) {
        if (j->broken.code || is_over(j)) {
            bool in_doubt = !j->broken.code && j->fault.code;
            *err = j->broken.code ? j->broken : in_doubt ? j->fault : (struct clw_error){.code = CLW_END};
            if (in_doubt)
                j->fault.code = CLW_OK; /* said once, then END */
            return err->code;
        }
        if (first && !j->unsent)
            job_close_chunk(j);
        job_send_ready(j);
        if (j->c->link && !j->c->lost)
            link_flush(j->c->link);
        first = false;
        code = client_wait(j->c, deadline_ms, err);
    }
    return code;
}

/* Makes sure that current has a result to give. */
static int find_current(struct clowder_job *j, int64_t timeout_ms, struct clowder_error *out)
{
    struct clw_error err; /* filled by who fails */
    enum clw_err code = CLW_OK;
    if (!j->current || j->current_at == j->current->frame.n) {
        pthread_mutex_lock(&j->c->lock);
        if (j->current) {
            struct answer *done = j->current;
            j->current = NULL;
            answer_done(j, done, done->n);
            pthread_cond_broadcast(&j->c->changed); /* room for more */
        }
        struct answer *a = NULL;
        code = wait_answer(j, timeout_ms, &a, &err);
        j->current = a;
        j->current_at = 0;
        if (a)
            answer_fill_shared(a, &j->shared, &j->why);
        pthread_mutex_unlock(&j->c->lock);
    }
    return code ? client_fail(out, &err) : CLOWDER_OK;
}

static void take_one(struct clowder_job *j, struct clowder_result *r)
{
    *r = j->shared;
    answer_fill_own(j, j->current, j->current_at++, r);
}

int clowder_job_next(struct clowder_job *j, struct clowder_result *r, int64_t timeout_ms, struct clowder_error *out)
{
    int status = find_current(j, timeout_ms, out);
    if (!status)
        take_one(j, r);
    return status;
}

int clowder_job_take(struct clowder_job *j, struct clowder_result *results, size_t max, size_t *n, int64_t timeout_ms,
    struct clowder_error *out)
{
    int status = max ? find_current(j, timeout_ms, out) : CLOWDER_AGAIN;
    *n = 0;
    if (status)
        return status;
    if (j->current->frame.type == WIRE_REPORT)
        max = 1; /* they share one text */
    while (*n < max && j->current_at < j->current->frame.n)
        take_one(j, &results[(*n)++]);
    return CLOWDER_OK;
}

struct clowder_held *clowder_job_hold(struct clowder_job *j)
{
    return j->current ? (struct clowder_held *)blk_hold(j->current->block) : NULL;
}

void clowder_held_free(struct clowder_held *held)
{
    blk_rele((struct blk *)held);
}

static void free_answers(struct clowder_job *j)
{
    if (j->current) {
        blk_rele(j->current->block);
        free(j->current);
    }
    for (struct answer *a = j->ready, *next; a; a = next) {
        next = a->next;
        blk_rele(a->block);
        free(a);
    }
    for (size_t i = 0; i < j->ring_count; i++) {
        struct chunk *k = job_chunk(j, i);
        for (uint32_t pos = 0; k->answers && pos < k->slices.n; pos++) {
            if (k->answers[pos]) { /* not handed out */
                blk_rele(k->answers[pos]->block);
                free(k->answers[pos]);
            }
        }
        for (uint32_t pos = 0; k->futures && pos < k->slices.n; pos++) {
            struct clowder_future *future = k->futures[pos];
            if (!future)
                continue;
            if (future->answer && future->place == 0) {
                blk_rele(future->answer->block);
                free(future->answer);
            }
            free(future);
        }
        chunk_free(k);
    }
}

void clowder_job_close(struct clowder_job *j)
{
    if (!j)
        return;
    struct clowder *c = j->c;
    pthread_mutex_lock(&c->lock);
    while (c->recovering)
        pthread_cond_wait(&c->changed, &c->lock);
    for (struct clowder_job **at = &c->jobs; *at; at = &(*at)->next)
        if (*at == j) {
            *at = j->next;
            break;
        }
    if (c->link && !c->lost && !j->closed_by_engine && (j->opened || j->broken.code)) {
        link_send(c->link, &(struct frame){.type = WIRE_CLOSE, .job = j->number}, NULL);
        link_flush(c->link);
    }
    free_answers(j);
    pthread_mutex_unlock(&c->lock);
    buf_fini(&j->open_bytes);
    buf_fini(&j->open_ends);
    func_fini(&j->func);
    free(j->ring);
    free(j->why);
    free(j);
}
