/* Opening, checking and closing the file. The order matters: look first, refuse without a trace, write last.
 */
#include "store/store_internal.h"

#include "base/mem.h"
#include "base/owner.h"
#include "base/paths.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_memory(const struct store *s)
{
    return !strcmp(s->path, ":memory:");
}

/* Closing the last handle folds the journal into the file. Until we know that the file is ours to write, a
 * journal that was there before stays as it is. */
static void keep_journal(struct store *s, bool keep)
{
    char *wal = mem_printf("%s-wal", s->path);
    struct stat st;
    if (!keep || (!stat(wal, &st) && st.st_size))
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, (int)keep, NULL);
    free(wal);
}

static enum clw_err open_file(struct store *s, struct clw_error *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (is_memory(s) ? SQLITE_OPEN_CREATE : 0);
    int rc = sqlite3_open_v2(s->path, &s->db, flags, NULL);
    if (rc != SQLITE_OK)
        return store__sql_fail(s, rc, err);
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, STORE_BUSY_MS);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL); /* we have none: they would be somebody else's */
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    keep_journal(s, true);
    if (sqlite3_db_readonly(s->db, "main") == 1)
        return clw_fail(err, CLW_IO,
            "make the file and its folder writable for you, or set XDG_DATA_HOME to another folder",
            "the database %s is read-only", s->path);
    return CLW_OK;
}

static enum clw_err check_owner(struct store *s, struct clw_error *err)
{
    int64_t version = 0, application = 0;
    enum clw_err code = store__number(s, "PRAGMA user_version", NULL, &version, err);
    if (!code)
        code = store__number(s, "PRAGMA application_id", NULL, &application, err);
    if (code)
        return code;
    if (application != STORE__APPLICATION_ID)
        return clw_fail(err, CLW_REFUSED, "move it away, or set XDG_DATA_HOME to another folder",
            "%s is a database of another program", s->path);
    if (version < 1 || version > STORE_VERSION)
        return store__newer(s, version, err);
    return CLW_OK;
}

/* Runs one of SQLite's check pragmas: no row, or a row that is not "ok", is a fault. */
static enum clw_err verify(struct store *s, const char *sql, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    enum clw_err code = store__prepare(s, sql, NULL, &stmt, err);
    if (!code && store__next(s, stmt, &code, err)) {
        char *text = store__text(stmt, 0);
        if (strcmp(text, "ok") != 0)
            code = store__damaged(s, err, text);
        free(text);
    }
    store__release(s, stmt);
    return code;
}

/* A file that is not in WAL mode yet can only be switched by whoever has it alone, and SQLite does not wait
 * for that. */
static enum clw_err use_wal(struct store *s, struct clw_error *err)
{
    enum clw_err code;
    for (int waited_ms = 0;; waited_ms += 20) {
        code = store__script(s, "PRAGMA journal_mode = WAL", err);
        if (code != CLW_BUSY || waited_ms >= STORE_BUSY_MS)
            break;
        usleep(20 * 1000);
    }
    return code ? code : store__script(s, "PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 16777216", err);
}

enum clw_err store__connect(struct store *s, bool fresh, struct clw_error *err)
{
    struct stat st;
    enum clw_err code = open_file(s, err);
    if (!code && !fresh)
        code = check_owner(s, err);
    if (!code && !fresh && !stat(s->path, &st) && st.st_size <= STORE_CHECK_BYTES)
        code = verify(s, "PRAGMA quick_check(1)", err);
    if (!code && fresh) /* so that room can be given back: it must be said before the first table */
        code = store__script(s, "PRAGMA auto_vacuum = INCREMENTAL", err);
    if (!code)
        code = use_wal(s, err);
    if (!code)
        code = store__migrate(s, err);
    if (!code && !is_memory(s))
        code = store__check_schema(s, err);
    if (!code)
        keep_journal(s, false);
    return code;
}

void store__disconnect(struct store *s)
{
    for (size_t i = 0; i < s->statement_count; i++)
        sqlite3_finalize(s->statements[i].stmt);
    s->statement_count = 0;
    sqlite3_close(s->db);
    s->db = NULL;
}

enum clw_err store_open(const char *path, struct store **out, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    *out = NULL;
    struct store *s = mem_zalloc(sizeof *s);
    if (path)
        s->path = mem_strdup(path);
    else if (!(code = owner_check_here(err)))
        code = paths_data("clowder.db", &s->path, err);
    if (!code && !*s->path)
        code = clw_fail(err, CLW_USAGE, NULL, "the path of the database is empty");
    if (!code && !is_memory(s))
        code = store__create(s->path, err);
    if (!code)
        code = store__connect(s, is_memory(s), err);
    if (code)
        store_close(s);
    else
        *out = s;
    return code;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    store__disconnect(s);
    free(s->path);
    free(s);
}

const char *store_path(const struct store *s)
{
    return s->path;
}

enum clw_err store_check(struct store *s, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    enum clw_err code = verify(s, "PRAGMA integrity_check(1)", err);
    if (code)
        return code;
    code = store__prepare(s, "PRAGMA foreign_key_check", NULL, &stmt, err);
    if (!code && store__next(s, stmt, &code, err))
        code = store__damaged(s, err, "a row refers to another row that does not exist");
    store__release(s, stmt);
    return code;
}

enum clw_err store_data_version(struct store *s, int64_t *version, struct clw_error *err)
{
    return store__number(s, "PRAGMA data_version", NULL, version, err);
}
