/* Transactions: one real one outside, savepoints inside, and the case where SQLite itself gave up the whole.
 */
#include "store/store_internal.h"

#include <assert.h>
#include <stdio.h>

enum clw_err store__lost(const struct store *s, struct clw_error *err)
{
    return clw_fail(
        err, CLW_IO, "roll back and begin again", "the transaction on %s was undone by an earlier failure", s->path);
}

static enum clw_err nested(struct store *s, const char *verb, unsigned level, struct clw_error *err)
{
    char sql[64];
    snprintf(sql, sizeof sql, "%s s%u", verb, level);
    return store__script(s, sql, err);
}

static enum clw_err begin(struct store *s, const char *outermost, struct clw_error *err)
{
    enum clw_err code;
    if (s->lost)
        return store__lost(s, err);
    code = s->depth ? nested(s, "SAVEPOINT", s->depth, err) : store__script(s, outermost, err);
    if (!code)
        s->depth++;
    return code;
}

enum clw_err store__read(struct store *s, struct clw_error *err)
{
    return begin(s, "BEGIN", err);
}

/* IMMEDIATE: waits for its turn here, where the busy timeout counts, and not at the first write, where it
 * would not. */
enum clw_err store__write(struct store *s, struct clw_error *err)
{
    return begin(s, "BEGIN IMMEDIATE", err);
}

static void undo(struct store *s)
{
    if (sqlite3_get_autocommit(s->db)) {
        s->lost = s->depth > 0;
        return;
    }
    if (!s->depth) {
        store__script(s, "ROLLBACK", NULL);
        return;
    }
    nested(s, "ROLLBACK TO", s->depth, NULL);
    nested(s, "RELEASE", s->depth, NULL);
}

enum clw_err store__end(struct store *s, enum clw_err code, struct clw_error *err)
{
    assert(s->depth > 0);
    s->depth--;
    if (!code && s->lost)
        code = store__lost(s, err);
    if (!code)
        code = s->depth ? nested(s, "RELEASE", s->depth, err) : store__script(s, "COMMIT", err);
    if (code)
        undo(s);
    if (!s->depth)
        s->lost = false;
    return code;
}

enum clw_err store_begin(struct store *s, struct clw_error *err)
{
    return store__write(s, err);
}

enum clw_err store_commit(struct store *s, struct clw_error *err)
{
    return store__end(s, CLW_OK, err);
}

void store_rollback(struct store *s)
{
    store__end(s, CLW_CANCELLED, NULL);
}
