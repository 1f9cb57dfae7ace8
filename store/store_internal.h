/* Inside store/ only: the handle, statements, transactions and small helpers. */
#ifndef STORE_STORE_INTERNAL_H
#define STORE_STORE_INTERNAL_H

#include "store/store.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

/* "Clow": tells our file from that of any other program. */
#define STORE__APPLICATION_ID 0x436c6f77
/* More statements than the folder has: each literal is prepared once. */
#define STORE__STATEMENTS 128

struct store {
    sqlite3 *db;
    char *path;
    unsigned depth; /* of transactions */
    bool lost;      /* SQLite undid the whole transaction by itself: nothing more may be done in it */
    size_t statement_count;
    struct store__statement {
        const char *sql;
        sqlite3_stmt *stmt;
        bool in_use;
    } statements[STORE__STATEMENTS];
};

/* The values of a statement's ?1, ?2, ...: ARGS(TEXT(name), INT(port)). Texts are borrowed until the release.
 */
struct store__arg {
    enum { STORE__END, STORE__NULL, STORE__TEXT, STORE__INT, STORE__BLOB } type;
    const char *text;
    int64_t number; /* BLOB: bytes at text */
};
#define ARGS(...) ((const struct store__arg[]){__VA_ARGS__, {.type = STORE__END}})
#define INT(value)                                                                                                     \
    {                                                                                                                  \
        .type = STORE__INT, .number = (int64_t)(value)                                                                 \
    }
#define TEXT(value)                                                                                                    \
    {                                                                                                                  \
        .type = STORE__TEXT, .text = (value)                                                                           \
    } /* NULL counts as "" */
#define INT_OR_NULL(has, value)                                                                                        \
    {                                                                                                                  \
        .type = (has) ? STORE__INT : STORE__NULL, .number = (int64_t)(value)                                           \
    }
#define TEXT_OR_NULL(value)                                                                                            \
    {                                                                                                                  \
        .type = (value) ? STORE__TEXT : STORE__NULL, .text = (value)                                                   \
    }

#define BLOB_OR_NULL(data, len)                                                                                        \
    {                                                                                                                  \
        .type = (data) ? STORE__BLOB : STORE__NULL, .text = (data), .number = (int64_t)(len)                           \
    }

/* db.c: opens s->path and checks it; fresh says that it is known to be a new, empty file. Leaves s for
 * store__disconnect(). */
enum clw_err store__connect(struct store *s, bool fresh, struct clw_error *err);
void store__disconnect(struct store *s);
/* create.c: makes the file at path, complete, unless it is there; refuses what cannot be a database of ours.
 */
enum clw_err store__create(const char *path, struct clw_error *err);
/* schema.c: runs the migrations that are missing. */
enum clw_err store__migrate(struct store *s, struct clw_error *err);
/* DAMAGED: something in it was not made by these steps. */
enum clw_err store__check_schema(struct store *s, struct clw_error *err);
enum clw_err store__newer(const struct store *s, int64_t version, struct clw_error *err);

/* sql.c: sql is a string literal (its address is the key of the cache). A statement goes back with
 * store__release(). */
enum clw_err store__prepare(
    struct store *s, const char *sql, const struct store__arg *args, sqlite3_stmt **out, struct clw_error *err);
void store__release(struct store *s, sqlite3_stmt *stmt);
/* True with a row; false at the end (*code CLW_OK) or on failure (*code says which). */
bool store__next(struct store *s, sqlite3_stmt *stmt, enum clw_err *code, struct clw_error *err);
/* Runs it to its end; *changes (may be NULL) = rows changed. */
enum clw_err store__exec(
    struct store *s, const char *sql, const struct store__arg *args, int *changes, struct clw_error *err);
/* The first column of the first row, or CLW_NOT_FOUND without a message. */
enum clw_err store__number(
    struct store *s, const char *sql, const struct store__arg *args, int64_t *value, struct clw_error *err);
/* Runs SQL text (several statements) that takes no values and is not kept. */
enum clw_err store__script(struct store *s, const char *sql, struct clw_error *err);
/* Translates a result code of SQLite. */
enum clw_err store__sql_fail(struct store *s, int rc, struct clw_error *err);
/* What was loaded, of that name, did not pass the check that it passed when it was written (found): DAMAGED. */
enum clw_err store__distrust(
    const struct store *s, const char *what, const char *name, enum clw_err found, struct clw_error *err);
enum clw_err store__damaged(const struct store *s, struct clw_error *err, const char *why);
char *store__text(sqlite3_stmt *stmt, int column);         /* owned, never NULL */
char *store__text_or_null(sqlite3_stmt *stmt, int column); /* owned, NULL for NULL */
/* The bytes, owned and NUL-terminated; NULL for NULL. */
char *store__blob_or_null(sqlite3_stmt *stmt, int column, size_t *len);
void store__copy(sqlite3_stmt *stmt, int column, char *out, size_t size);
uint64_t store__u64(sqlite3_stmt *stmt, int column); /* negative counts as 0 */

/* tx.c: reads in between see one state of the file; writes happen all or not at all. */
enum clw_err store__read(struct store *s, struct clw_error *err);
enum clw_err store__write(struct store *s, struct clw_error *err);
/* The failure of all that is tried in a transaction that SQLite has undone already (s->lost). */
enum clw_err store__lost(const struct store *s, struct clw_error *err);
/* Commits when code is CLW_OK, else undoes; returns code, or what made the commit fail. */
enum clw_err store__end(struct store *s, enum clw_err code, struct clw_error *err);

/* strlist.c: items with room for one more, for arrays that grow one by one. */
void *store__grow(void *items, size_t count, size_t item_size);
/* An owned copy of text (NULL: "") for columns that hold what others wrote: the last max bytes when tail,
 * else the first max; bytes that are not UTF-8 become \xNN. */
char *store__clean(const char *text, size_t max, bool tail);
/* The place of text in a table of count names, or -1. */
int store__word(const char *const *names, size_t count, const char *text);

/* valid.c */
enum store__rule { STORE__LINE, STORE__BLOCK, STORE__BYTES }; /* no control bytes; newline and tab too; any */
enum clw_err store__check_text(
    const char *what, const char *text, size_t max, enum store__rule rule, struct clw_error *err);
/* An owned copy of text (NULL: "") that passes that check: what does not pass becomes \xNN, what is too long is cut. */
char *store__clean_text(const char *text, size_t max, enum store__rule rule);
/* text in quotes, made printable and cut, for messages: written into *out, returned borrowed from it. */
struct store__shown {
    char text[84];
};
const char *store__show(struct store__shown *out, const char *text);

#endif
