/* Detached jobs: their rows. */
#include "store/kept.h"

#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

void store_kept_fini(struct store_kept *k)
{
    free(k->up);
    *k = (struct store_kept){0};
}

enum clw_err store_kept_add(struct store *s, struct store_job *job, const struct store_kept *kept, const void *func,
    size_t func_len, struct clw_error *err)
{
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    code = store_job_add(s, job, err);
    if (!code)
        code = store__exec(s, "INSERT INTO job_kept(job, owner, up, stop) VALUES(?1, ?2, ?3, ?4)",
            ARGS(INT(job->id), TEXT(kept->owner), TEXT(kept->up), INT(kept->stop)), NULL, err);
    if (!code)
        code = store__exec(s, "INSERT INTO job_func(job, func) VALUES(?1, ?2)",
            ARGS(INT(job->id), BLOB_OR_NULL(func, func_len)), NULL, err);
    return store__end(s, code, err);
}

/* ---- looking ---- */

enum clw_err store_kept_get(struct store *s, int64_t job, struct store_kept *out, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    *out = (struct store_kept){0};
    enum clw_err code = store__prepare(s,
        "SELECT owner, up, stop, round, collected_us, reason FROM job_kept WHERE job = ?1 AND owner <> 'removed'",
        ARGS(INT(job)), &stmt, err);
    if (code)
        return code;
    if (store__next(s, stmt, &code, err)) {
        out->job = job;
        store__copy(stmt, 0, out->owner, sizeof out->owner);
        out->up = store__text(stmt, 1);
        out->stop = sqlite3_column_int(stmt, 2) != 0;
        out->round = (uint32_t)store__u64(stmt, 3);
        out->collected_us = store__u64(stmt, 4);
        store__copy(stmt, 5, out->reason, sizeof out->reason);
    } else if (!code) {
        code = clw_fail(err, CLW_NOT_FOUND, "see 'clowder job list'", "job %lld is not a detached job", (long long)job);
    }
    store__release(s, stmt);
    return code;
}

enum clw_err store_kept_func(struct store *s, int64_t job, uint8_t **func, size_t *len, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    *func = NULL;
    *len = 0;
    enum clw_err code = store__prepare(s, "SELECT func FROM job_func WHERE job = ?1", ARGS(INT(job)), &stmt, err);
    if (code)
        return code;
    if (store__next(s, stmt, &code, err))
        *func = (uint8_t *)store__blob_or_null(stmt, 0, len);
    else if (!code)
        code = clw_fail(err, CLW_NOT_FOUND, NULL, "the function of job %lld is gone", (long long)job);
    store__release(s, stmt);
    return code;
}

enum clw_err store_kept_open(struct store *s, int64_t **ids, size_t *count, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    *ids = NULL;
    *count = 0;
    enum clw_err code = store__prepare(s,
        "SELECT id FROM job JOIN job_kept ON job = id WHERE owner = '' AND state IN ('queued', 'running') ORDER BY id",
        NULL, &stmt, err);
    while (!code && store__next(s, stmt, &code, err)) {
        *ids = store__grow(*ids, *count, sizeof **ids);
        (*ids)[(*count)++] = sqlite3_column_int64(stmt, 0);
    }
    store__release(s, stmt);
    return code;
}

enum clw_err store_kept_count(struct store *s, uint64_t *jobs, struct clw_error *err)
{
    int64_t n = 0;
    enum clw_err code = store__number(s, "SELECT count(*) FROM job_kept WHERE owner <> 'removed'", NULL, &n, err);
    *jobs = (uint64_t)n;
    return code;
}
