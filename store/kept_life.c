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

enum clw_err store_kept_update(
    struct store *s, const struct store_job *job, uint32_t round, const char *reason, struct clw_error *err)
{
    int changes = 0;
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    code = store__exec(s,
        "UPDATE job SET state = ?2, started_us = ?3, finished_us = ?4, done = ?5, failed = ?6, cancelled = ?7"
        " WHERE id = ?1 AND state IN ('queued', 'running')"
        " AND EXISTS (SELECT 1 FROM job_kept WHERE job = ?1 AND owner = '' AND round = ?8)",
        ARGS(INT(job->id), TEXT(store_job_state_text(job->state)), INT(job->started_us), INT(job->finished_us),
            INT(job->done), INT(job->failed), INT(job->cancelled), INT(round)),
        &changes, err);
    if (!code && !changes)
        code = clw_fail(err, CLW_CANCELLED, NULL, "job %lld has ended, or runs again", (long long)job->id);
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
        code = store__exec(s,
            "UPDATE job SET state = 'queued', started_us = 0, finished_us = 0, failed = 0, cancelled = 0 WHERE id = ?1",
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

/* Some of the pages that are free go back to the disk, where the file was made for it. *more: there are others. */
static enum clw_err give_back(struct store *s, bool *more, struct clw_error *err)
{
    int64_t mode = 0, before = 0, after = 0;
    char sql[64];
    *more = false;
    enum clw_err code = store__number(s, "PRAGMA auto_vacuum", NULL, &mode, err);
    if (code || mode != 2)
        return code;
    code = store__number(s, "PRAGMA freelist_count", NULL, &before, err);
    if (code || !before)
        return code;
    snprintf(sql, sizeof sql, "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES);
    code = store__script(s, sql, err);
    if (!code)
        code = store__number(s, "PRAGMA freelist_count", NULL, &after, err);
    *more = after && after < before;
    return code;
}

/* Some of the rows of a job; the last step takes the job itself. */
static enum clw_err remove_some(struct store *s, int64_t job, bool *more, struct clw_error *err)
{
    int rows = 0;
    enum clw_err code =
        store__exec(s, "DELETE FROM job_result WHERE id IN (SELECT id FROM job_result WHERE job = ?1 LIMIT ?2)",
            ARGS(INT(job), INT(REMOVE_ROWS)), &rows, err);
    if (!code && !rows)
        code = store__exec(s, "DELETE FROM job_chunk WHERE id IN (SELECT id FROM job_chunk WHERE job = ?1 LIMIT ?2)",
            ARGS(INT(job), INT(REMOVE_ROWS)), &rows, err);
    if (!code && !rows)
        code = store__exec(s, "DELETE FROM job WHERE id = ?1", ARGS(INT(job)), NULL, err);
    *more = rows;
    return code;
}

static enum clw_err mark_removed(struct store *s, int64_t job, struct clw_error *err)
{
    return store__exec(
        s, "UPDATE job_kept SET owner = 'removed' WHERE job = ?1 AND owner <> 'removed'", ARGS(INT(job)), NULL, err);
}

enum clw_err store_kept_remove(struct store *s, int64_t job, struct clw_error *err)
{
    bool more = true;
    enum clw_err code = mark_removed(s, job, err);
    while (!code && more)
        code = remove_some(s, job, &more, err);
    for (more = true; !code && more;)
        code = give_back(s, &more, err);
    return code;
}

enum clw_err store_kept_sweep(struct store *s, int64_t *after, bool *more, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    char owner[PROCESS_NAME_SIZE] = "";
    int64_t job = 0;
    enum clw_err code = CLW_OK;
    if (*after == 0)
        code = store__exec(s,
            "UPDATE job_kept SET owner = 'removed' WHERE owner = '' AND collected_us <> 0 AND job <="
            " (SELECT job FROM job_kept WHERE owner = '' AND collected_us <> 0 ORDER BY job DESC LIMIT 1 OFFSET ?1)",
            ARGS(INT(STORE_COLLECTED_KEPT)), NULL, err);
    if (!code)
        code = store__prepare(s, "SELECT job, owner FROM job_kept WHERE owner <> '' AND job > ?1 ORDER BY job LIMIT 1",
            ARGS(INT(*after)), &stmt, err);
    if (code)
        return code;
    if (store__next(s, stmt, &code, err)) {
        job = sqlite3_column_int64(stmt, 0);
        store__copy(stmt, 1, owner, sizeof owner);
    }
    store__release(s, stmt);
    if (code)
        return code;
    if (!job)
        return give_back(s, more, err);
    *more = true;
    enum process_life life = process_look(owner);
    bool stays = life == PROCESS_LIVES || life == PROCESS_ELSEWHERE_HERE, rows = false;
    if (!stays)
        code = mark_removed(s, job, err);
    if (!stays && !code)
        code = remove_some(s, job, &rows, err);
    if (!code && !rows)
        *after = job;
    return code;
}
