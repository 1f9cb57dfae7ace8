/* The tasks of a job that failed for good. */
#include "store/job.h"

#include "base/mem.h"
#include "store/store_internal.h"

#include <stdlib.h>

size_t store_failure_keep(
    struct store_failure *f, const void *err_text, size_t err_len, const void *input, size_t input_len)
{
    size_t tail = err_len < STORE_STDERR_MAX ? err_len : STORE_STDERR_MAX;
    f->stderr_tail = err_text ? mem_strndup((const char *)err_text + (err_len - tail), tail) : NULL;
    f->input_len = input_len < STORE_INPUT_MAX ? input_len : STORE_INPUT_MAX;
    f->input = input ? mem_strndup(input, f->input_len) : NULL;
    f->input_cut = f->input_len < input_len;
    return tail + f->input_len;
}

void store_failures_free(struct store_failure *failures, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(failures[i].status);
        free(failures[i].stderr_tail);
        free(failures[i].input);
    }
    free(failures);
}

void store_failure_list_fini(struct store_failure_list *list)
{
    store_failures_free(list->items, list->count);
    *list = (struct store_failure_list){0};
}

static enum clw_err put(struct store *s, int64_t job, const struct store_failure *f, struct clw_error *err)
{
    char *status = store__clean(f->status, STORE_STATUS_MAX, false);
    char *tail = store__clean(f->stderr_tail, STORE_STDERR_MAX, true);
    bool cut = f->input_len > STORE_INPUT_MAX;
    enum clw_err code = store__exec(s,
        "INSERT OR REPLACE INTO job_failure(job, task, host, attempts, status, stderr_tail, input, input_cut)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        ARGS(INT(job), INT(f->task), TEXT(f->host), INT(f->attempts), TEXT(status), TEXT(tail),
            BLOB_OR_NULL(f->input, cut ? STORE_INPUT_MAX : f->input_len), INT(cut || f->input_cut)),
        NULL, err);
    free(status);
    free(tail);
    return code;
}

enum clw_err store_job_failures_add(
    struct store *s, int64_t job, const struct store_failure *failures, size_t count, struct clw_error *err)
{
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    for (size_t i = 0; !code && i < count; i++)
        code = put(s, job, &failures[i], err);
    if (code == CLW_NOT_FOUND) /* the foreign key */
        clw_fail(err, code, "'clowder job list' shows the jobs", "there is no job %lld", (long long)job);
    return store__end(s, code, err);
}

enum clw_err store_job_failures(
    struct store *s, int64_t job, uint64_t from, size_t limit, struct store_failure_list *out, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    *out = (struct store_failure_list){0};
    enum clw_err code = store__prepare(s,
        "SELECT task, host, attempts, status, stderr_tail, input, input_cut FROM job_failure WHERE job = ?1 AND task "
        ">= ?2"
        " ORDER BY task LIMIT ?3",
        ARGS(INT(job), INT(from), INT(limit)), &stmt, err);
    while (!code && store__next(s, stmt, &code, err)) {
        out->items = store__grow(out->items, out->count, sizeof *out->items);
        struct store_failure *f = &out->items[out->count++];
        f->task = store__u64(stmt, 0);
        store__copy(stmt, 1, f->host, sizeof f->host);
        f->attempts = (unsigned)store__u64(stmt, 2);
        f->status = store__text(stmt, 3);
        f->stderr_tail = store__text(stmt, 4);
        f->input = store__blob_or_null(stmt, 5, &f->input_len);
        f->input_cut = sqlite3_column_int(stmt, 6) != 0;
    }
    store__release(s, stmt);
    if (code)
        store_failure_list_fini(out);
    return code;
}
