/* The ledger of jobs. */
#include "store/job.h"

#include "base/mem.h"
#include "base/text.h"
#include "store/jsonx.h"
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS                                                                                                        \
    "id, name, profile, command, state, submitted_us, started_us, finished_us, total, done, failed, "                  \
    "cancelled, function, id IN (SELECT job FROM job_kept)"

static const char *const states[] = {
#define X(name, word) word,
    STORE_JOB_STATE_TABLE(X)
#undef X
};

const char *store_job_state_text(enum store_job_state state)
{
    return (unsigned)state < STORE_JOB_STATE_COUNT ? states[state] : "?";
}

void store_job_describe(struct store_job *job, const char *name, const char *const *argv)
{
    struct buf command = {0};
    const char *slash = strrchr(argv[0], '/');
    if (!name)
        name = slash ? slash + 1 : argv[0];
    text_escape(job->name, sizeof job->name, name, strlen(name));
    for (size_t i = 0; argv[i] && command.len < STORE_COMMAND_MAX; i++)
        buf_printf(&command, "%s%s", i ? " " : "", argv[i]);
    job->command = buf_steal(&command);
}

void store_job_fini(struct store_job *job)
{
    free(job->command);
    free(job->function);
    *job = (struct store_job){0};
}

void store_job_list_fini(struct store_job_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        store_job_fini(&list->items[i]);
    free(list->items);
    *list = (struct store_job_list){0};
}

static enum clw_err not_found(int64_t id, struct clw_error *err)
{
    return clw_fail(err, CLW_NOT_FOUND, "'clowder job list' shows the jobs", "there is no job %lld", (long long)id);
}

/* What may be stored: the text of a JSON object, or "". */
static const char *function_text(const char *text)
{
    size_t len = text ? strlen(text) : 0;
    json_t *o = NULL;
    if (!len || len > STORE_FUNCTION_MAX || store__json_parse("a function", text, len, &o, NULL))
        return "";
    bool good = json_is_object(o);
    json_decref(o);
    return good ? text : "";
}

enum clw_err store_job_add(struct store *s, struct store_job *job, struct clw_error *err)
{
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    char *name = store__clean(job->name, sizeof job->name - 1, false);
    char *command = store__clean(job->command, STORE_COMMAND_MAX, false);
    code = store__exec(s,
        "INSERT INTO job(name, profile, command, state, submitted_us, started_us, finished_us, total, done, "
        "failed,"
        " cancelled, function, id) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        ARGS(TEXT(name), TEXT(job->profile), TEXT(command), TEXT(store_job_state_text(job->state)),
            INT(job->submitted_us), INT(job->started_us), INT(job->finished_us), INT(job->total), INT(job->done),
            INT(job->failed), INT(job->cancelled), TEXT(function_text(job->function)),
            INT_OR_NULL(job->id > 0, job->id)),
        NULL, err);
    int64_t id = sqlite3_last_insert_rowid(s->db);
    free(name);
    free(command);
    code = store__end(s, code, err);
    if (!code)
        job->id = id;
    return code;
}

enum clw_err store_job_update(struct store *s, const struct store_job *job, struct clw_error *err)
{
    int changes = 0;
    enum clw_err code = store__exec(s,
        "UPDATE job SET state = ?1, submitted_us = ?2, started_us = ?3, finished_us = ?4, total = ?5, done = "
        "?6,"
        " failed = ?7, cancelled = ?8 WHERE id = ?9 AND id NOT IN (SELECT job FROM job_kept)",
        ARGS(TEXT(store_job_state_text(job->state)), INT(job->submitted_us), INT(job->started_us),
            INT(job->finished_us), INT(job->total), INT(job->done), INT(job->failed), INT(job->cancelled),
            INT(job->id)),
        &changes, err);
    return code || changes ? code : not_found(job->id, err);
}

static enum clw_err read_job(struct store *s, sqlite3_stmt *stmt, struct store_job *job, struct clw_error *err)
{
    char state[32];
    *job = (struct store_job){.id = sqlite3_column_int64(stmt, 0)};
    store__copy(stmt, 1, job->name, sizeof job->name);
    store__copy(stmt, 2, job->profile, sizeof job->profile);
    job->command = store__text(stmt, 3);
    store__copy(stmt, 4, state, sizeof state);
    job->submitted_us = store__u64(stmt, 5);
    job->started_us = store__u64(stmt, 6);
    job->finished_us = store__u64(stmt, 7);
    job->total = store__u64(stmt, 8);
    job->done = store__u64(stmt, 9);
    job->failed = store__u64(stmt, 10);
    job->cancelled = store__u64(stmt, 11);
    job->function = store__text(stmt, 12);
    job->detached = sqlite3_column_int(stmt, 13) != 0;
    int found = store__word(states, STORE_JOB_STATE_COUNT, state);
    if (found < 0)
        return store__damaged(s, err, "a job has a state that does not exist");
    job->state = (enum store_job_state)found;
    return CLW_OK;
}

enum clw_err store_job_get(struct store *s, int64_t id, struct store_job *out, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    *out = (struct store_job){0};
    enum clw_err code = store__prepare(s, "SELECT " COLUMNS " FROM job WHERE id = ?1", ARGS(INT(id)), &stmt, err);
    if (!code) {
        if (store__next(s, stmt, &code, err))
            code = read_job(s, stmt, out, err);
        else if (!code)
            code = not_found(id, err);
    }
    store__release(s, stmt);
    if (code)
        store_job_fini(out);
    return code;
}

enum clw_err store_job_list(
    struct store *s, const char *profile, size_t limit, struct store_job_list *out, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    *out = (struct store_job_list){0};
    enum clw_err code =
        store__prepare(s, "SELECT " COLUMNS " FROM job WHERE ?1 IS NULL OR profile = ?1 ORDER BY id DESC LIMIT ?2",
            ARGS(TEXT_OR_NULL(profile), INT(limit)), &stmt, err);
    while (!code && store__next(s, stmt, &code, err)) {
        out->items = store__grow(out->items, out->count, sizeof *out->items);
        code = read_job(s, stmt, &out->items[out->count++], err);
    }
    store__release(s, stmt);
    if (code)
        store_job_list_fini(out);
    return code;
}

enum clw_err store_job_last_id(struct store *s, int64_t *id, struct clw_error *err)
{
    *id = 0;
    enum clw_err code = store__number(s, "SELECT seq FROM sqlite_sequence WHERE name = 'job'", NULL, id, err);
    return code == CLW_NOT_FOUND ? CLW_OK : code;
}

enum clw_err store_job_mark_lost(struct store *s, uint64_t at_us, size_t *count, struct clw_error *err)
{
    int changes = 0;
    enum clw_err code = store__exec(s,
        "UPDATE job SET state = 'lost', finished_us = ?1 WHERE state IN ('queued', 'running')"
        " AND id NOT IN (SELECT job FROM job_kept)",
        ARGS(INT(at_us)), &changes, err);
    if (count)
        *count = (size_t)changes;
    return code;
}

enum clw_err store_job_prune(struct store *s, size_t keep, struct clw_error *err)
{
    return store__exec(s,
        "DELETE FROM job WHERE state NOT IN ('queued', 'running') AND id NOT IN"
        " (SELECT id FROM job WHERE state NOT IN ('queued', 'running') ORDER BY id DESC LIMIT ?1)"
        " AND id NOT IN (SELECT job FROM job_kept)",
        ARGS(INT(keep)), NULL, err);
}

enum clw_err store_job_remove(struct store *s, int64_t id, struct clw_error *err)
{
    int changes = 0;
    enum clw_err code = store__exec(s, "DELETE FROM job WHERE id = ?1", ARGS(INT(id)), &changes, err);
    return code || changes ? code : not_found(id, err);
}
