/* The life of detached jobs: progress, end, another round, removal. */
#include "store/kept.h"

#include "base/mono.h"
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

enum { REMOVE_ROWS = 64, VACUUM_PAGES = 1000 };

static enum clw_err set_reason(struct store *s, int64_t job, const char *reason, struct clw_error *err)
{
    char *clean = store__clean(reason, STORE_REASON_MAX - 1, false);
    enum clw_err code = store__exec(
        s, "UPDATE job_kept SET reason = ?2 WHERE job = ?1 AND reason <> ?2", ARGS(INT(job), TEXT(clean)), NULL, err);
    free(clean);
    return code;
}

enum clw_err store_kept_update(struct store *s, const struct store_job *job, const char *reason, struct clw_error *err)
{
    int changes = 0;
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    code = store__exec(s,
        "UPDATE job SET state = ?2, started_us = ?3, finished_us = ?4, done = ?5, failed = ?6, cancelled = ?7"
        " WHERE id = ?1 AND state IN ('queued', 'running')"
        " AND EXISTS (SELECT 1 FROM job_kept WHERE job = ?1 AND owner = '')",
        ARGS(INT(job->id), TEXT(store_job_state_text(job->state)), INT(job->started_us), INT(job->finished_us),
            INT(job->done), INT(job->failed), INT(job->cancelled)),
        &changes, err);
    if (!code && !changes)
        code = clw_fail(err, CLW_CANCELLED, NULL, "job %lld was ended", (long long)job->id);
    if (!code)
        code = set_reason(s, job->id, reason, err);
    return store__end(s, code, err);
}

enum clw_err store_kept_cancel(struct store *s, int64_t job, struct clw_error *err)
{
    int changes = 0;
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    code = store__exec(s,
        "UPDATE job SET state = 'cancelled', finished_us = ?2, cancelled = total - done - failed"
        " WHERE id = ?1 AND state IN ('queued', 'running') AND EXISTS (SELECT 1 FROM job_kept WHERE job = ?1)",
        ARGS(INT(job), INT(wall_us())), &changes, err);
    if (!code && !changes)
        code = clw_fail(err, CLW_EXISTS, "see 'clowder job show'", "job %lld is finished already", (long long)job);
    if (!code)
        code = set_reason(s, job, "", err);
    return store__end(s, code, err);
}

enum clw_err store_kept_retry(struct store *s, int64_t job, uint64_t *count, struct clw_error *err)
{
    struct store_job j;
    enum clw_err code = store__write(s, err);
    *count = 0;
    if (code)
        return code;
    code = store_job_get(s, job, &j, err);
    if (!code && (j.state == STORE_JOB_QUEUED || j.state == STORE_JOB_RUNNING))
        code = clw_fail(err, CLW_BUSY, "'clowder job wait' waits for it", "job %lld is not finished", (long long)job);
    if (!code)
        *count = j.total - j.done;
    if (!code && *count)
        code =
            store__exec(s, "UPDATE job SET state = 'queued', finished_us = 0, failed = 0, cancelled = 0 WHERE id = ?1",
                ARGS(INT(job)), NULL, err);
    if (!code && *count)
        code = store__exec(s, "UPDATE job_kept SET round = round + 1, collected_us = 0, reason = '' WHERE job = ?1",
            ARGS(INT(job)), NULL, err);
    if (!code && *count)
        code = store__exec(s, "DELETE FROM job_failure WHERE job = ?1", ARGS(INT(job)), NULL, err);
    store_job_fini(&j);
    return store__end(s, code, err);
}

enum clw_err store_kept_collected(struct store *s, int64_t job, uint64_t at_us, struct clw_error *err)
{
    return store__exec(
        s, "UPDATE job_kept SET collected_us = ?2 WHERE job = ?1", ARGS(INT(job), INT(at_us)), NULL, err);
}

/* Pages that are free go back to the disk, some at a time; where the file was made for it. */
static enum clw_err give_back(struct store *s, struct clw_error *err)
{
    int64_t mode = 0, before = 0, after = 0;
    enum clw_err code = store__number(s, "PRAGMA auto_vacuum", NULL, &mode, err);
    if (code || mode != 2)
        return code;
    code = store__number(s, "PRAGMA freelist_count", NULL, &before, err);
    while (!code && before) {
        char sql[64];
        snprintf(sql, sizeof sql, "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES);
        code = store__script(s, sql, err);
        if (!code)
            code = store__number(s, "PRAGMA freelist_count", NULL, &after, err);
        if (after >= before)
            break;
        before = after;
    }
    return code;
}

static enum clw_err remove_rows(struct store *s, int64_t job, struct clw_error *err)
{
    int results = 1, chunks = 1;
    enum clw_err code = CLW_OK;
    while (!code && results)
        code = store__exec(s, "DELETE FROM job_result WHERE id IN (SELECT id FROM job_result WHERE job = ?1 LIMIT ?2)",
            ARGS(INT(job), INT(REMOVE_ROWS)), &results, err);
    while (!code && chunks)
        code = store__exec(s, "DELETE FROM job_chunk WHERE id IN (SELECT id FROM job_chunk WHERE job = ?1 LIMIT ?2)",
            ARGS(INT(job), INT(REMOVE_ROWS)), &chunks, err);
    return code ? code : store__exec(s, "DELETE FROM job WHERE id = ?1", ARGS(INT(job)), NULL, err);
}

enum clw_err store_kept_remove(struct store *s, int64_t job, struct clw_error *err)
{
    enum clw_err code =
        store__exec(s, "UPDATE job_kept SET owner = 'removed' WHERE job = ?1", ARGS(INT(job)), NULL, err);
    if (!code)
        code = remove_rows(s, job, err);
    return code ? code : give_back(s, err);
}

static enum clw_err sweep_one(struct store *s, int64_t *after, bool *more, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    char owner[STORE_OWNER_SIZE] = "";
    *more = false;
    enum clw_err code =
        store__prepare(s, "SELECT job, owner FROM job_kept WHERE owner <> '' AND job > ?1 ORDER BY job LIMIT 1",
            ARGS(INT(*after)), &stmt, err);
    if (!code && (*more = store__next(s, stmt, &code, err))) {
        *after = sqlite3_column_int64(stmt, 0);
        store__copy(stmt, 1, owner, sizeof owner);
    }
    store__release(s, stmt);
    if (!code && *more && !store_owner_is_alive(owner))
        code = store_kept_remove(s, *after, err);
    return code;
}

enum clw_err store_kept_sweep(struct store *s, struct clw_error *err)
{
    int64_t after = 0;
    bool more = true;
    enum clw_err code = store__exec(s,
        "UPDATE job_kept SET owner = 'removed' WHERE owner = '' AND collected_us <> 0 AND job <="
        " (SELECT job FROM job_kept WHERE owner = '' AND collected_us <> 0 ORDER BY job DESC LIMIT 1 OFFSET ?1)",
        ARGS(INT(STORE_COLLECTED_KEPT)), NULL, err);
    while (!code && more)
        code = sweep_one(s, &after, &more, err);
    return code;
}
