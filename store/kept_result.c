/* Results of detached jobs. A segment is three byte strings: heads, names (host and daemon, NUL-terminated, in pairs)
 * and data. A head is one of a run: u32 pos, u32 n, u8 RUN, u8 attempts, u16 0, u32 name, u64 run_us, u64 ended_us,
 * then n times u32 length: tasks in a row that went well and have nothing but output; one in full: the same with n 1
 * and FULL + outcome, then u64 queued_us, u64 out_total, i32 exit, i32 signal, u32 lengths of out, err and why, u32
 * files and u64 bytes that came home. Numbers are little-endian. data holds the bytes in the order of the heads. */
#include "store/kept.h"

#include "base/le.h"
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

enum { RUN = 0, FULL = 1, HEAD = 32, HEAD_FULL = HEAD + 48 };

/* Segments that are held while results are read, in bytes. */
enum { HELD_MAX = 32 << 20 };

/* ---- gathering ---- */

static uint32_t name_of(struct store_segment *g, const struct store_result *r)
{
    const char *host = r->host ? r->host : "", *daemon = r->daemon ? r->daemon : "";
    const char *at = (const char *)g->names.data, *end = at + g->names.len;
    if (g->name_count && g->last_daemon == daemon)
        return g->last_name; /* the caller's texts stay where they are */
    g->last_daemon = daemon;
    for (g->last_name = 0; at < end; g->last_name++) {
        const char *second = at + strlen(at) + 1;
        if (strcmp(at, host) == 0 && strcmp(second, daemon) == 0)
            return g->last_name;
        at = second + strlen(second) + 1;
    }
    buf_add(&g->names, host, strlen(host) + 1);
    buf_add(&g->names, daemon, strlen(daemon) + 1);
    g->name_count++;
    return g->last_name;
}

static bool is_plain(const struct store_result *r)
{
    return r->outcome == STORE_DONE && !r->exit_status && !r->signal && !r->err_len && !r->why_len && !r->file_count &&
           !r->queued_us && r->out_total == r->out_len;
}

/* Does it go on with the run that was begun last? */
static bool continues(const struct store_segment *g, const struct store_result *r, uint32_t name)
{
    const uint8_t *h = g->heads.data + g->run_at;
    return g->run_n && le_u32(h) + g->run_n == r->pos && h[9] == r->attempts && le_u32(h + 12) == name &&
           le_u64(h + 16) == r->run_us;
}

static uint8_t *add_head(struct store_segment *g, const struct store_result *r, uint32_t name, uint8_t kind)
{
    uint8_t *h = buf_reserve(&g->heads, HEAD);
    g->heads.len += HEAD;
    le_put_u32(h, r->pos);
    le_put_u32(h + 4, 1);
    h[8] = kind;
    h[9] = (uint8_t)(r->attempts < 255 ? r->attempts : 255);
    h[10] = h[11] = 0;
    le_put_u32(h + 12, name);
    le_put_u64(h + 16, r->run_us);
    le_put_u64(h + 24, r->ended_us);
    return h;
}

static void add_plain(struct store_segment *g, const struct store_result *r, uint32_t name)
{
    uint8_t len[4];
    if (continues(g, r, name)) {
        le_put_u32(g->heads.data + g->run_at + 4, ++g->run_n);
    } else {
        g->run_at = g->heads.len;
        g->run_n = 1;
        add_head(g, r, name, RUN);
    }
    le_put_u32(len, (uint32_t)r->out_len);
    buf_add(&g->heads, len, sizeof len);
    buf_add(&g->data, r->out, r->out_len);
}

static void add_full(struct store_segment *g, const struct store_result *r, uint32_t name)
{
    uint8_t rest[HEAD_FULL - HEAD];
    g->run_n = 0;
    add_head(g, r, name, (uint8_t)(FULL + r->outcome));
    le_put_u64(rest, r->queued_us);
    le_put_u64(rest + 8, r->out_total);
    le_put_u32(rest + 16, (uint32_t)r->exit_status);
    le_put_u32(rest + 20, (uint32_t)r->signal);
    le_put_u32(rest + 24, (uint32_t)r->out_len);
    le_put_u32(rest + 28, (uint32_t)r->err_len);
    le_put_u32(rest + 32, (uint32_t)r->why_len);
    le_put_u32(rest + 36, r->file_count);
    le_put_u64(rest + 40, r->file_bytes);
    buf_add(&g->heads, rest, sizeof rest);
    buf_add(&g->data, r->out, r->out_len);
    buf_add(&g->data, r->err, r->err_len);
    buf_add(&g->data, r->why, r->why_len);
}

void store_segment_add(struct store_segment *g, const struct store_result *r)
{
    uint32_t name = name_of(g, r);
    if (is_plain(r))
        add_plain(g, r, name);
    else
        add_full(g, r, name);
    g->n++;
}

size_t store_segment_bytes(const struct store_segment *g)
{
    return g->heads.len + g->data.len + g->names.len;
}

void store_segment_clear(struct store_segment *g)
{
    buf_clear(&g->heads);
    buf_clear(&g->names);
    buf_clear(&g->data);
    *g = (struct store_segment){.heads = g->heads, .names = g->names, .data = g->data};
}

void store_segment_fini(struct store_segment *g)
{
    buf_fini(&g->heads);
    buf_fini(&g->names);
    buf_fini(&g->data);
    *g = (struct store_segment){0};
}

static const char *bytes(const struct buf *b)
{
    return b->data ? (const char *)b->data : "";
}

enum clw_err store_segment_write(struct store *s, int64_t job, uint64_t first, uint32_t seq, uint32_t round,
    const struct store_segment *g, struct clw_error *err)
{
    return store__exec(s,
        "INSERT INTO job_result(job, first, seq, round, heads, names, data) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        ARGS(INT(job), INT(first), INT(seq), INT(round), BLOB_OR_NULL(bytes(&g->heads), g->heads.len),
            BLOB_OR_NULL(bytes(&g->names), g->names.len), BLOB_OR_NULL(bytes(&g->data), g->data.len)),
        NULL, err);
}

/* ---- reading ---- */

struct segment {
    int64_t id;
    uint8_t *heads;
    char *names;
    size_t heads_len, names_len;
    uint64_t data_len;
    uint8_t *data; /* NULL: not fetched, or given up again */
};

/* Where a task's result is. */
struct place {
    const uint8_t *head; /* NULL: it has none */
    uint32_t segment, out_len;
    uint64_t at; /* in data */
};

struct store_results {
    uint32_t n, segment_count;
    struct segment *segments;
    size_t held;
    uint32_t next_out; /* the segment that is given up next */
    struct place places[];
};

void store_results_free(struct store_results *r)
{
    if (!r)
        return;
    for (uint32_t i = 0; i < r->segment_count; i++) {
        free(r->segments[i].heads);
        free(r->segments[i].names);
        free(r->segments[i].data);
    }
    free(r->segments);
    free(r);
}

uint32_t store_results_segments(const struct store_results *r)
{
    return r->segment_count;
}

bool store_results_has(const struct store_results *r, uint32_t pos)
{
    return r->places[pos].head != NULL;
}

/* Files a head that begins at h, of which left bytes are there. 0: it is broken; else its length. */
static size_t file_head(
    struct store_results *r, uint32_t segment, bool old, const uint8_t *h, size_t left, uint64_t *at)
{
    if (left < HEAD)
        return 0;
    uint32_t pos = le_u32(h), n = le_u32(h + 4);
    if (pos >= r->n || n == 0 || n > r->n - pos)
        return 0;
    if (h[8] == RUN) {
        size_t len = HEAD + 4 * (size_t)n;
        if (left < len)
            return 0;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t out_len = le_u32(h + HEAD + 4 * (size_t)i);
            r->places[pos + i] = (struct place){h, segment, out_len, *at};
            *at += out_len;
        }
        return len;
    }
    if (n != 1 || left < HEAD_FULL || h[8] > FULL + STORE_LOST)
        return 0;
    struct place place = {h, segment, le_u32(h + HEAD + 24), *at};
    for (size_t i = 0; i < 3; i++)
        *at += le_u32(h + HEAD + 24 + 4 * i);
    if (!old || h[8] == FULL + STORE_DONE)
        r->places[pos] = place;
    else
        r->places[pos] = (struct place){0};
    return HEAD_FULL;
}

static bool file_segment(struct store_results *r, uint32_t i, bool old)
{
    const struct segment *g = &r->segments[i];
    uint64_t at = 0;
    size_t len;
    for (size_t done = 0; done < g->heads_len; done += len)
        if (!(len = file_head(r, i, old, g->heads + done, g->heads_len - done, &at)))
            return false;
    return at == g->data_len && (g->names_len == 0 || g->names[g->names_len - 1] == '\0');
}

enum clw_err store_results_get(struct store *s, int64_t job, uint64_t first, uint32_t n, uint32_t round,
    struct store_results **out, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    struct store_results *r = mem_zalloc(sizeof *r + n * sizeof *r->places);
    r->n = n;
    *out = NULL;
    enum clw_err code = store__prepare(s,
        "SELECT id, seq, round, heads, names, length(data) FROM job_result WHERE job = ?1 AND first = ?2 ORDER BY seq",
        ARGS(INT(job), INT(first)), &stmt, err);
    while (!code && store__next(s, stmt, &code, err)) {
        r->segments = store__grow(r->segments, r->segment_count, sizeof *r->segments);
        struct segment *g = &r->segments[r->segment_count++];
        *g = (struct segment){.id = sqlite3_column_int64(stmt, 0), .data_len = store__u64(stmt, 5)};
        g->heads = (uint8_t *)store__blob_or_null(stmt, 3, &g->heads_len);
        g->names = store__blob_or_null(stmt, 4, &g->names_len);
        bool in_order = store__u64(stmt, 1) == r->segment_count - 1;
        if (!in_order || !file_segment(r, r->segment_count - 1, store__u64(stmt, 2) < round))
            code = store__damaged(s, err, "the stored results of a job are inconsistent");
    }
    store__release(s, stmt);
    if (code)
        store_results_free(r);
    else
        *out = r;
    return code;
}

/* Gives up segments until there is room for more bytes. */
static void make_room(struct store_results *r, uint64_t more)
{
    for (uint32_t i = 0; i < r->segment_count && r->held && r->held + more > HELD_MAX; i++) {
        struct segment *g = &r->segments[r->next_out++ % r->segment_count];
        if (!g->data)
            continue;
        r->held -= g->data_len;
        free(g->data);
        g->data = NULL;
    }
}

static enum clw_err fetch(struct store *s, struct store_results *r, struct segment *g, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    size_t len = 0;
    make_room(r, g->data_len);
    enum clw_err code = store__prepare(s, "SELECT data FROM job_result WHERE id = ?1", ARGS(INT(g->id)), &stmt, err);
    if (code)
        return code;
    if (store__next(s, stmt, &code, err))
        g->data = (uint8_t *)store__blob_or_null(stmt, 0, &len);
    else if (!code)
        code = clw_fail(err, CLW_NOT_FOUND, NULL, "results of the job were removed in the meantime");
    store__release(s, stmt);
    if (!code && len != g->data_len)
        code = store__damaged(s, err, "the stored results of a job are inconsistent");
    if (!code)
        r->held += len;
    return code;
}

static void fill_names(const struct segment *g, uint32_t name, struct store_result *out)
{
    const char *at = g->names, *end = at + g->names_len;
    out->host = out->daemon = "";
    for (uint32_t i = 0; at < end; i++) {
        const char *second = at + strlen(at) + 1;
        if (second >= end)
            return;
        if (i == name) {
            out->host = at;
            out->daemon = second;
            return;
        }
        at = second + strlen(second) + 1;
    }
}

enum clw_err store_results_read(
    struct store *s, struct store_results *r, uint32_t pos, struct store_result *out, struct clw_error *err)
{
    const struct place *p = &r->places[pos];
    struct segment *g = &r->segments[p->segment];
    const uint8_t *h = p->head;
    enum clw_err code = g->data ? CLW_OK : fetch(s, r, g, err);
    if (code)
        return code;
    *out = (struct store_result){.pos = pos,
        .attempts = h[9],
        .run_us = le_u64(h + 16),
        .ended_us = le_u64(h + 24),
        .out = (const char *)g->data + p->at,
        .out_len = p->out_len,
        .out_total = p->out_len};
    fill_names(g, le_u32(h + 12), out);
    if (h[8] == RUN)
        return CLW_OK;
    out->outcome = (enum store_outcome)(h[8] - FULL);
    out->queued_us = le_u64(h + HEAD);
    out->out_total = le_u64(h + HEAD + 8);
    out->exit_status = (int)le_u32(h + HEAD + 16);
    out->signal = (int)le_u32(h + HEAD + 20);
    out->err = out->out + out->out_len;
    out->err_len = le_u32(h + HEAD + 28);
    out->why = out->err + out->err_len;
    out->why_len = le_u32(h + HEAD + 32);
    out->file_count = le_u32(h + HEAD + 36);
    out->file_bytes = le_u64(h + HEAD + 40);
    return CLW_OK;
}
