/* Statements: prepared once each, bound from ARGS, and every code of SQLite turned into one of ours. */
#include "store/store_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define RESTORE_HINT                                                                                                   \
    "nothing was changed; move the file away, then restore a backup, or start with an empty one and run "              \
    "'clowder import FILE' with an earlier export; 'sqlite3 FILE .recover' reads what is left"

enum clw_err store__damaged(const struct store *s, struct clw_error *err, const char *why)
{
    return clw_fail(err, CLW_DAMAGED, RESTORE_HINT, "the database %s is damaged: %s", s->path, why);
}

enum clw_err store__distrust(
    const struct store *s, const char *what, const char *name, enum clw_err found, struct clw_error *err)
{
    struct store__shown shown;
    char why[300];
    if (!found)
        return CLW_OK;
    snprintf(why, sizeof why, "%s %s is not as Clowder would write it (%.150s)", what, store__show(&shown, name),
        err ? err->message : "");
    return store__damaged(s, err, why);
}

static enum clw_err constraint(struct store *s, int extended, struct clw_error *err)
{
    const char *text = sqlite3_errmsg(s->db);
    if (extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY)
        return clw_fail(err, CLW_EXISTS, NULL, "exists already (%s)", text);
    if (extended == SQLITE_CONSTRAINT_FOREIGNKEY)
        return clw_fail(err, CLW_NOT_FOUND, NULL, "it refers to something that does not exist (%s)", text);
    return clw_fail(err, CLW_USAGE, NULL, "the value is not allowed (%s)", text);
}

static enum clw_err no_room(const struct store *s, struct clw_error *err)
{
    return clw_fail(err, CLW_NO_ROOM, "free some space there and try again; nothing was changed",
        "no room on the disk where the store lives (%s)", s->path);
}

static bool is_no_room(int system_errno)
{
    return system_errno == ENOSPC || system_errno == EDQUOT || system_errno == EFBIG;
}

enum clw_err store__sql_fail(struct store *s, int rc, struct clw_error *err)
{
    const char *text = s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc);
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return clw_fail(err, CLW_BUSY, "try again; 'fuser' on the file shows who holds it",
            "another process keeps the database %s locked (%s)", s->path, text);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return store__damaged(s, err, text);
    case SQLITE_CONSTRAINT: return constraint(s, sqlite3_extended_errcode(s->db), err);
    case SQLITE_FULL: return no_room(s, err);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        return clw_fail(err, CLW_IO,
            "make the file and its folder writable for you, or set XDG_DATA_HOME to another folder",
            "cannot open or write the database %s: %s", s->path, text);
    case SQLITE_NOMEM: return clw_fail(err, CLW_NO_MEMORY, NULL, "out of memory while using the database %s", s->path);
    case SQLITE_TOOBIG: return clw_fail(err, CLW_TOO_LARGE, NULL, "the value is too large for the database (%s)", text);
    default:
        if (rc == SQLITE_IOERR_SHMSIZE || is_no_room(s->db ? sqlite3_system_errno(s->db) : 0))
            return no_room(s, err);
        return clw_fail(err, CLW_IO, "check the disk with 'df' and 'dmesg'", "the database %s: %s", s->path, text);
    }
}

static int bind(sqlite3_stmt *stmt, const struct store__arg *args)
{
    int rc = SQLITE_OK;
    for (int i = 1; args && args->type != STORE__END && rc == SQLITE_OK; i++, args++) {
        if (args->type == STORE__TEXT)
            rc = sqlite3_bind_text(stmt, i, args->text ? args->text : "", -1, SQLITE_STATIC);
        else if (args->type == STORE__BLOB)
            rc = sqlite3_bind_blob64(stmt, i, args->text, (sqlite3_uint64)args->number, SQLITE_STATIC);
        else if (args->type == STORE__INT)
            rc = sqlite3_bind_int64(stmt, i, args->number);
        else
            rc = sqlite3_bind_null(stmt, i);
    }
    return rc;
}

/* A free statement of that literal, or NULL. */
static sqlite3_stmt *cached(struct store *s, const char *sql)
{
    for (size_t i = 0; i < s->statement_count; i++)
        if (s->statements[i].sql == sql && !s->statements[i].in_use) {
            s->statements[i].in_use = true;
            return s->statements[i].stmt;
        }
    return NULL;
}

enum clw_err store__prepare(
    struct store *s, const char *sql, const struct store__arg *args, sqlite3_stmt **out, struct clw_error *err)
{
    int rc = SQLITE_OK;
    *out = NULL;
    if (s->lost)
        return store__lost(s, err);
    sqlite3_stmt *stmt = cached(s, sql);
    if (!stmt) {
        rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
        if (rc != SQLITE_OK)
            return store__sql_fail(s, rc, err);
        if (s->statement_count < STORE__STATEMENTS)
            s->statements[s->statement_count++] = (struct store__statement){sql, stmt, true};
    }
    rc = bind(stmt, args);
    if (rc != SQLITE_OK) {
        enum clw_err code = store__sql_fail(s, rc, err);
        store__release(s, stmt);
        return code;
    }
    *out = stmt;
    return CLW_OK;
}

void store__release(struct store *s, sqlite3_stmt *stmt)
{
    if (!stmt)
        return;
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    for (size_t i = 0; i < s->statement_count; i++)
        if (s->statements[i].stmt == stmt) {
            s->statements[i].in_use = false;
            return;
        }
    sqlite3_finalize(stmt); /* the cache was full */
}

bool store__next(struct store *s, sqlite3_stmt *stmt, enum clw_err *code, struct clw_error *err)
{
    int rc = sqlite3_step(stmt);
    *code = rc == SQLITE_ROW || rc == SQLITE_DONE ? CLW_OK : store__sql_fail(s, rc, err);
    if (*code && s->depth && sqlite3_get_autocommit(s->db))
        s->lost = true; /* a full disk and the like undo the whole transaction, not only this statement */
    return rc == SQLITE_ROW;
}

enum clw_err store__exec(
    struct store *s, const char *sql, const struct store__arg *args, int *changes, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    enum clw_err code = store__prepare(s, sql, args, &stmt, err);
    if (!code)
        while (store__next(s, stmt, &code, err)) {
        }
    if (!code && changes)
        *changes = sqlite3_changes(s->db);
    store__release(s, stmt);
    return code;
}

enum clw_err store__number(
    struct store *s, const char *sql, const struct store__arg *args, int64_t *value, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    enum clw_err code = store__prepare(s, sql, args, &stmt, err);
    if (!code) {
        if (store__next(s, stmt, &code, err))
            *value = sqlite3_column_int64(stmt, 0);
        else if (!code)
            code = CLW_NOT_FOUND;
    }
    store__release(s, stmt);
    return code;
}

enum clw_err store__script(struct store *s, const char *sql, struct clw_error *err)
{
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? CLW_OK : store__sql_fail(s, rc, err);
}

char *store__text_or_null(sqlite3_stmt *stmt, int column)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    return text ? mem_strdup((const char *)text) : NULL;
}

char *store__text(sqlite3_stmt *stmt, int column)
{
    char *text = store__text_or_null(stmt, column);
    return text ? text : mem_strdup("");
}

char *store__blob_or_null(sqlite3_stmt *stmt, int column, size_t *len)
{
    *len = 0;
    if (sqlite3_column_type(stmt, column) == SQLITE_NULL)
        return NULL;
    const void *data = sqlite3_column_blob(stmt, column); /* NULL when it is empty */
    *len = (size_t)sqlite3_column_bytes(stmt, column);
    char *out = mem_zalloc(*len + 1);
    if (*len)
        memcpy(out, data, *len);
    return out;
}

void store__copy(sqlite3_stmt *stmt, int column, char *out, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    size_t len = text ? strlen(text) : 0;
    if (len >= size)
        len = size - 1;
    if (text)
        memcpy(out, text, len);
    out[len] = '\0';
}

uint64_t store__u64(sqlite3_stmt *stmt, int column)
{
    int64_t value = sqlite3_column_int64(stmt, column);
    return value > 0 ? (uint64_t)value : 0;
}
