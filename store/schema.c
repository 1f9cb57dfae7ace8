/* The schema, as the steps that led to it, and whether a file has it. */
#include "store/store_internal.h"

#include "base/mem.h"
#include "store/profile_setting.h"

#include <stdlib.h>
#include <string.h>

/* The columns of a profile's settings. */
#define COLUMN_COUNT(field, value) " " #field " INTEGER NOT NULL DEFAULT " #value ","
#define COLUMN_SPAN(field, value) COLUMN_COUNT(field, value)
#define COLUMN_BYTES(field, value) COLUMN_COUNT(field, value)
#define COLUMN_PERMILLE(field, value) COLUMN_COUNT(field, value)
#define COLUMN_FLAG(field, value) " " #field " INTEGER NOT NULL DEFAULT " #value " CHECK(" #field " IN (0, 1)),"
#define COLUMN_INDICES(field, value) COLUMN_COUNT(field, value)
#define COLUMN_SEED(field, value) " " #field " INTEGER,"
#define COLUMN_HOURS(field, value) " " #field " TEXT NOT NULL DEFAULT '',"
#define COLUMN(field, TYPE, value, ...) COLUMN_##TYPE(field, value)
#define SETTINGS STORE_SETTINGS_STORED(COLUMN)

/* Where the values of a column are words of ours (launcher, runtime, state), the check is in C and not here, so that a
 * new word needs no rebuilt table. */
static const char schema[] =
    "CREATE TABLE host("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " address TEXT NOT NULL DEFAULT '',"
    " port INTEGER NOT NULL DEFAULT 0 CHECK(port BETWEEN 0 AND 65535),"
    " user TEXT NOT NULL DEFAULT '',"
    " launcher TEXT NOT NULL DEFAULT 'ssh',"
    " jump TEXT NOT NULL DEFAULT '',"
    " identity TEXT NOT NULL DEFAULT '',"
    " direct INTEGER NOT NULL DEFAULT 0 CHECK(direct IN (0, 1)),"
    " connect_timeout_s INTEGER NOT NULL DEFAULT 0,"
    " cache TEXT NOT NULL DEFAULT '',"
    " manners TEXT NOT NULL DEFAULT '{}',"
    " mac TEXT NOT NULL DEFAULT '',"
    " note TEXT NOT NULL DEFAULT '',"
    " directives TEXT NOT NULL DEFAULT '',"
    " enabled INTEGER NOT NULL DEFAULT 1 CHECK(enabled IN (0, 1)),"
    " facts TEXT,"
    " probed_at_us INTEGER NOT NULL DEFAULT 0,"
    " state TEXT NOT NULL DEFAULT '',"
    " reason TEXT NOT NULL DEFAULT ''"
    ") STRICT;"
    "CREATE TABLE host_tag("
    " host INTEGER NOT NULL REFERENCES host(id) ON DELETE CASCADE,"
    " tag TEXT NOT NULL,"
    " PRIMARY KEY(host, tag)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE gpu("
    " host INTEGER NOT NULL REFERENCES host(id) ON DELETE CASCADE,"
    " number INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " mem_bytes INTEGER NOT NULL,"
    " driver TEXT NOT NULL,"
    " PRIMARY KEY(host, number)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE profile("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " runtime TEXT NOT NULL DEFAULT 'clowder',"
    " base_url TEXT NOT NULL DEFAULT '',"
    " command TEXT NOT NULL DEFAULT '[]',"
    " env TEXT NOT NULL DEFAULT '[]',"
    " setup TEXT NOT NULL DEFAULT '[]',"
    " local_daemons INTEGER NOT NULL DEFAULT 0 CHECK(local_daemons >= 0),"
    " wanted INTEGER NOT NULL DEFAULT 0 CHECK(wanted IN (0, 1))," SETTINGS " options TEXT NOT NULL DEFAULT '[]'"
    ") STRICT;"
    "CREATE TABLE profile_host("
    " profile INTEGER NOT NULL REFERENCES profile(id) ON DELETE CASCADE,"
    " host INTEGER NOT NULL REFERENCES host(id) ON DELETE CASCADE,"
    " daemons INTEGER NOT NULL CHECK(daemons >= 0),"
    " PRIMARY KEY(profile, host)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX profile_host_host ON profile_host(host);"
    "CREATE TABLE setting(key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    /* History names hosts and profiles by text: it outlives them. */
    "CREATE TABLE job("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL,"
    " profile TEXT NOT NULL,"
    " command TEXT NOT NULL,"
    " state TEXT NOT NULL,"
    " submitted_us INTEGER NOT NULL,"
    " started_us INTEGER NOT NULL DEFAULT 0,"
    " finished_us INTEGER NOT NULL DEFAULT 0,"
    " total INTEGER NOT NULL DEFAULT 0,"
    " done INTEGER NOT NULL DEFAULT 0,"
    " failed INTEGER NOT NULL DEFAULT 0,"
    " cancelled INTEGER NOT NULL DEFAULT 0,"
    " function TEXT NOT NULL DEFAULT ''"
    ") STRICT;"
    "CREATE TABLE job_failure("
    " job INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,"
    " task INTEGER NOT NULL,"
    " host TEXT NOT NULL,"
    " attempts INTEGER NOT NULL,"
    " status TEXT NOT NULL,"
    " stderr_tail TEXT NOT NULL,"
    " input BLOB,"
    " input_cut INTEGER NOT NULL DEFAULT 0 CHECK(input_cut IN (0, 1)),"
    " PRIMARY KEY(job, task)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE launch("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " profile TEXT NOT NULL,"
    " host TEXT NOT NULL,"
    " started_us INTEGER NOT NULL,"
    " step TEXT NOT NULL,"
    " outcome TEXT NOT NULL,"
    " message TEXT NOT NULL"
    ") STRICT;"
    "CREATE TABLE sample("
    " span_s INTEGER NOT NULL CHECK(span_s IN (1, 60, 3600)),"
    " at_s INTEGER NOT NULL,"
    " profile TEXT NOT NULL,"
    " tasks INTEGER NOT NULL,"
    " PRIMARY KEY(span_s, at_s, profile)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE event("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " at_us INTEGER NOT NULL,"
    " level INTEGER NOT NULL,"
    " host TEXT NOT NULL,"
    " profile TEXT NOT NULL,"
    " text TEXT NOT NULL"
    ") STRICT;"
    "CREATE TABLE host_load("
    " host TEXT NOT NULL,"
    " at_s INTEGER NOT NULL,"
    " load_percent INTEGER NOT NULL,"
    " mem_used_bytes INTEGER NOT NULL,"
    " PRIMARY KEY(host, at_s)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX host_load_at ON host_load(at_s);"
    /* Detached jobs: what they run, their inputs and their results, in chunks; kept.h says how. The function is apart
     * from the row that changes, for SQLite writes whole rows. */
    "CREATE TABLE job_kept("
    " job INTEGER PRIMARY KEY REFERENCES job(id) ON DELETE CASCADE,"
    " owner TEXT NOT NULL,"
    " up TEXT NOT NULL,"
    " stop INTEGER NOT NULL CHECK(stop IN (0, 1)),"
    " round INTEGER NOT NULL DEFAULT 0,"
    " collected_us INTEGER NOT NULL DEFAULT 0,"
    " reason TEXT NOT NULL DEFAULT ''"
    ") STRICT;"
    "CREATE TABLE job_func("
    " job INTEGER PRIMARY KEY REFERENCES job_kept(job) ON DELETE CASCADE,"
    " func BLOB NOT NULL"
    ") STRICT;"
    "CREATE TABLE job_chunk("
    " id INTEGER PRIMARY KEY,"
    " job INTEGER NOT NULL REFERENCES job_kept(job) ON DELETE CASCADE,"
    " first INTEGER NOT NULL,"
    " n INTEGER NOT NULL,"
    " inputs BLOB NOT NULL,"
    " UNIQUE(job, first)"
    ") STRICT;"
    "CREATE TABLE job_result("
    " id INTEGER PRIMARY KEY,"
    " job INTEGER NOT NULL REFERENCES job_kept(job) ON DELETE CASCADE,"
    " first INTEGER NOT NULL,"
    " seq INTEGER NOT NULL,"
    " round INTEGER NOT NULL,"
    " heads BLOB NOT NULL,"
    " names BLOB NOT NULL,"
    " data BLOB NOT NULL,"
    " UNIQUE(job, first, seq)"
    ") STRICT;"
    "CREATE TABLE batch("
    " id INTEGER PRIMARY KEY,"
    " host TEXT NOT NULL,"
    " profile TEXT NOT NULL,"
    " job TEXT NOT NULL,"
    " folder TEXT NOT NULL,"
    " count INTEGER NOT NULL,"
    " submitted_us INTEGER NOT NULL,"
    " UNIQUE(host, job)"
    ") STRICT;";

/* A step leads to a version from the one before in the list, or from an empty file. One that has been released is never
 * edited: a change is a new step. */
static const struct {
    int64_t version;
    const char *sql, *stamp;
} steps[] = {
    {11, schema, "PRAGMA application_id = 1131179895; PRAGMA user_version = 11"},
};
enum { STEPS = sizeof steps / sizeof *steps };

_Static_assert(STORE_VERSION == 11, "the last step's");
_Static_assert(STORE__APPLICATION_ID == 1131179895, "the stamp is the application id");

enum clw_err store__newer(const struct store *s, int64_t version, struct clw_error *err)
{
    return clw_fail(err, CLW_NEWER, "use that newer version, or set XDG_DATA_HOME to another folder",
        "the database %s was written by a newer version of Clowder (format %lld, this one knows %d)", s->path,
        (long long)version, STORE_VERSION);
}

/* The step that leads on from version; STEPS: none. */
static size_t step_from(int64_t version)
{
    for (size_t i = 0; i < STEPS; i++)
        if (version == (i ? steps[i - 1].version : 0))
            return i;
    return STEPS;
}

static enum clw_err too_old(const struct store *s, int64_t version, struct clw_error *err)
{
    return clw_fail(err, CLW_REFUSED, "export it with that version, move it away, and import",
        "the database %s has format %lld, of a version of Clowder that was never released", s->path,
        (long long)version);
}

/* One step, if it is still missing once we alone may write: another process may have been faster. */
static enum clw_err step(struct store *s, int64_t *version, struct clw_error *err)
{
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    code = store__number(s, "PRAGMA user_version", NULL, version, err);
    if (!code && (*version < 0 || *version > STORE_VERSION))
        code = store__newer(s, *version, err);
    size_t i = step_from(*version);
    if (!code && *version < STORE_VERSION && i == STEPS)
        code = too_old(s, *version, err);
    if (!code && *version < STORE_VERSION) {
        code = store__script(s, steps[i].sql, err);
        if (!code)
            code = store__script(s, steps[i].stamp, err);
        if (!code)
            *version = steps[i].version;
    }
    return store__end(s, code, err);
}

/* ---- is it ours? ---- */

/* What it consists of, a line each: tables with their columns, indexes with theirs, and whatever else there is; owned.
 * The limit bounds what a file that is not ours makes us read. */
static char *parts(struct store *s, enum clw_err *code, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    struct buf out = {0};
    *code = store__prepare(s,
        "SELECT type, name, tbl_name || ' ' || coalesce(CASE type"
        " WHEN 'table' THEN (SELECT group_concat(name || ' ' || type || ' ' || \"notnull\" || ' ' ||"
        "  coalesce(dflt_value, '-') || ' ' || pk || ' ' || hidden) FROM pragma_table_xinfo(m.name))"
        " WHEN 'index' THEN (SELECT group_concat(coalesce(name, '-') || ' ' || \"desc\" || ' ' || key)"
        "  FROM pragma_index_xinfo(m.name))"
        " END, '') FROM sqlite_master m WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY type, name LIMIT 200",
        NULL, &stmt, err);
    if (*code)
        return NULL;
    while (out.len < 1 << 20 && store__next(s, stmt, code, err)) {
        for (int i = 0; i < 3; i++) {
            char *text = store__text(stmt, i);
            for (char *at = text; (at = strchr(at, '\n'));)
                *at = ' ';
            buf_printf(&out, "%s%c", text, i < 2 ? ' ' : '\n');
            free(text);
        }
    }
    store__release(s, stmt);
    return buf_steal(&out);
}

/* The first line of a that b has not: "view host"; owned, NULL: there is none. */
static char *first_difference(const char *a, const char *b)
{
    for (const char *line = a; *line;) {
        size_t len = strcspn(line, "\n");
        char *copy = mem_strndup(line, len + 1);
        bool found = strstr(b, copy) != NULL;
        if (!found) {
            size_t type = strcspn(copy, " "), name = strcspn(copy + type + 1, " ");
            copy[type + 1 + name] = '\0';
            return copy;
        }
        free(copy);
        line += len + 1;
    }
    return NULL;
}

static enum clw_err differs(struct store *s, const char *have, const char *want, struct clw_error *err)
{
    char *extra = first_difference(have, want), *missing = extra ? NULL : first_difference(want, have);
    char what[200];
    snprintf(what, sizeof what, "%s is %s",
        extra     ? extra
        : missing ? missing
                  : "something",
        missing ? "missing" : "not as Clowder makes it");
    free(extra);
    free(missing);
    return store__damaged(s, err, what);
}

/* Are all definitions those of the script, word by word, as in a file that was made by one step? Cheap: no model. */
static bool is_word_by_word(struct store *s)
{
    sqlite3_stmt *stmt;
    enum clw_err code = store__prepare(s,
        "SELECT coalesce(sql, '') || ';' FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!' LIMIT 200", NULL,
        &stmt, NULL);
    size_t have = 0, want = 0;
    bool same = !code;
    while (same && store__next(s, stmt, &code, NULL)) {
        char *text = store__text(stmt, 0);
        same = strstr(schema, text) != NULL && strncmp(text, "CREATE ", 7) == 0;
        free(text);
        have++;
    }
    if (stmt)
        store__release(s, stmt);
    for (const char *at = schema; (at = strstr(at, "CREATE ")); at++)
        want++;
    return same && !code && have == want;
}

enum clw_err store__check_schema(struct store *s, struct clw_error *err)
{
    struct store *model;
    char *have = NULL, *want = NULL;
    if (is_word_by_word(s))
        return CLW_OK;
    enum clw_err code = store_open(":memory:", &model, err);
    if (code)
        return code;
    want = parts(model, &code, err);
    if (!code)
        have = parts(s, &code, err);
    if (!code && strcmp(have, want) != 0)
        code = differs(s, have, want, err);
    store_close(model);
    free(have);
    free(want);
    return code;
}

enum clw_err store__migrate(struct store *s, struct clw_error *err)
{
    int64_t version = 0;
    enum clw_err code = store__number(s, "PRAGMA user_version", NULL, &version, err);
    while (!code && version != STORE_VERSION)
        code = step(s, &version, err);
    return code;
}
