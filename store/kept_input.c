/* The inputs of detached jobs: chunks as u32 end offsets and the bytes. */
#include "store/kept.h"

#include "base/le.h"
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

bool store_inputs_is_full(const struct store_inputs *in, size_t len)
{
    return in->n == STORE_CHUNK_TASKS || (in->n && in->bytes.len + len > STORE_CHUNK_BYTES);
}

void store_inputs_add(struct store_inputs *in, const void *input, size_t len)
{
    buf_add(&in->bytes, input, len);
    le_put_u32(buf_reserve(&in->ends, 4), (uint32_t)in->bytes.len);
    in->ends.len += 4;
    in->n++;
}

void store_inputs_fini(struct store_inputs *in)
{
    buf_fini(&in->ends);
    buf_fini(&in->bytes);
    *in = (struct store_inputs){0};
}

static enum clw_err ended(int64_t job, struct clw_error *err)
{
    return clw_fail(
        err, CLW_CANCELLED, "'clowder job list' shows the jobs", "job %lld was cancelled or removed", (long long)job);
}

enum clw_err store_inputs_write(struct store *s, int64_t job, struct store_inputs *in, struct clw_error *err)
{
    int changes = 0;
    if (!in->n)
        return CLW_OK;
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    code = store__exec(s,
        "UPDATE job SET total = total + ?2 WHERE id = ?1 AND state = 'queued'"
        " AND EXISTS (SELECT 1 FROM job_kept WHERE job = ?1 AND owner NOT IN ('', 'removed'))",
        ARGS(INT(job), INT(in->n)), &changes, err);
    if (!code && !changes)
        code = ended(job, err);
    if (!code) {
        size_t ends = in->ends.len;
        buf_add(&in->ends, in->bytes.data, in->bytes.len);
        code = store__exec(s, "INSERT INTO job_chunk(job, first, n, inputs) VALUES(?1, ?2, ?3, ?4)",
            ARGS(INT(job), INT(in->first), INT(in->n), BLOB_OR_NULL((const char *)in->ends.data, in->ends.len)), NULL,
            err);
        in->ends.len = ends;
    }
    code = store__end(s, code, err);
    if (!code) {
        in->first += in->n;
        in->n = 0;
        buf_clear(&in->ends);
        buf_clear(&in->bytes);
    }
    return code;
}

enum clw_err store_kept_seal(struct store *s, int64_t job, struct clw_error *err)
{
    int changes = 0;
    /* A commit that is synchronous carries all those before it to the disk as well. */
    enum clw_err code = store__script(s, "PRAGMA synchronous = FULL", err);
    if (!code)
        code = store__exec(s,
            "UPDATE job_kept SET owner = '' WHERE job = ?1 AND owner <> 'removed'"
            " AND EXISTS (SELECT 1 FROM job WHERE id = ?1 AND state = 'queued')",
            ARGS(INT(job)), &changes, err);
    store__script(s, "PRAGMA synchronous = NORMAL", NULL);
    return code || changes ? code : ended(job, err);
}

/* Every end is within the bytes, and not before the one before. */
static bool is_sound(const struct store_chunk *c)
{
    size_t head = 4 * (size_t)c->n;
    uint32_t last = 0;
    if (c->n > STORE_CHUNK_TASKS || c->len < head)
        return false;
    for (uint32_t i = 0; i < c->n; i++) {
        uint32_t end = le_u32(c->data + 4 * (size_t)i);
        if (end < last)
            return false;
        last = end;
    }
    return last == c->len - head;
}

static enum clw_err load(struct store *s, int64_t job, struct store_chunk *c, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    enum clw_err code = store__prepare(
        s, "SELECT inputs FROM job_chunk WHERE job = ?1 AND first = ?2", ARGS(INT(job), INT(c->first)), &stmt, err);
    if (code)
        return code;
    if (store__next(s, stmt, &code, err))
        c->data = (uint8_t *)store__blob_or_null(stmt, 0, &c->len);
    else if (!code)
        code = clw_fail(err, CLW_NOT_FOUND, NULL, "the inputs of job %lld are gone", (long long)job);
    store__release(s, stmt);
    return code || is_sound(c) ? code : store__damaged(s, err, "the stored inputs of a job are inconsistent");
}

enum clw_err store_chunk_load(struct store *s, int64_t job, struct store_chunk *c, struct clw_error *err)
{
    return c->data ? CLW_OK : load(s, job, c, err);
}

enum clw_err store_chunk_get(
    struct store *s, int64_t job, uint64_t from, bool inputs, struct store_chunk *out, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    *out = (struct store_chunk){0};
    enum clw_err code =
        store__prepare(s, "SELECT first, n FROM job_chunk WHERE job = ?1 AND first >= ?2 ORDER BY first LIMIT 1",
            ARGS(INT(job), INT(from)), &stmt, err);
    if (code)
        return code;
    if (store__next(s, stmt, &code, err)) {
        out->first = store__u64(stmt, 0);
        out->n = (uint32_t)store__u64(stmt, 1);
    } else if (!code) {
        code = CLW_END;
    }
    store__release(s, stmt);
    if (!code && (out->n == 0 || out->n > STORE_CHUNK_TASKS || out->first > STORE_INDEX_MAX))
        code = store__damaged(s, err, "a chunk of a job has an impossible size");
    if (!code && inputs)
        code = load(s, job, out, err);
    if (code)
        store_chunk_fini(out);
    return code;
}

void store_chunk_input(const struct store_chunk *c, uint32_t i, const char **input, size_t *len)
{
    const uint8_t *bytes = c->data + 4 * (size_t)c->n;
    uint32_t from = i ? le_u32(c->data + 4 * (size_t)(i - 1)) : 0;
    *input = (const char *)bytes + from;
    *len = le_u32(c->data + 4 * (size_t)i) - from;
}

void store_chunk_fini(struct store_chunk *c)
{
    free(c->data);
    *c = (struct store_chunk){0};
}
