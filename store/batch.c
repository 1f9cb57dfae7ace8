/* Jobs of schedulers that may still be there. */
#include "store/batch.h"

#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

void store_batch_list_fini(struct store_batch_list *list)
{
    free(list->items);
    *list = (struct store_batch_list){0};
}

enum clw_err store_batch_add(struct store *s, const struct store_batch *b, struct clw_error *err)
{
    return store__exec(s,
        "INSERT OR REPLACE INTO batch(host, profile, job, folder, count, submitted_us) VALUES(?1, ?2, ?3, ?4, ?5, "
        "unixepoch() * 1000000)",
        ARGS(TEXT(b->host), TEXT(b->profile), TEXT(b->job), TEXT(b->folder), INT(b->count)), NULL, err);
}

enum clw_err store_batch_remove(struct store *s, const char *host, const char *job, struct clw_error *err)
{
    return store__exec(s, "DELETE FROM batch WHERE host = ?1 AND job = ?2", ARGS(TEXT(host), TEXT(job)), NULL, err);
}

static bool is_plain(const char *text)
{
    return *text && !text[strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_[]")];
}

static bool is_sound(const struct store_batch *b)
{
    return is_plain(b->job) && is_plain(b->folder) && strncmp(b->folder, "launch-", 7) == 0;
}

enum clw_err store_batch_list(struct store *s, struct store_batch_list *out, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    *out = (struct store_batch_list){0};
    enum clw_err code = store__prepare(
        s, "SELECT host, profile, job, folder, count FROM batch ORDER BY submitted_us", NULL, &stmt, err);
    if (code)
        return code;
    while (store__next(s, stmt, &code, err)) {
        out->items = store__grow(out->items, out->count, sizeof *out->items);
        struct store_batch *b = &out->items[out->count++];
        *b = (struct store_batch){.count = (unsigned)store__u64(stmt, 4)};
        store__copy(stmt, 0, b->host, sizeof b->host);
        store__copy(stmt, 1, b->profile, sizeof b->profile);
        store__copy(stmt, 2, b->job, sizeof b->job);
        store__copy(stmt, 3, b->folder, sizeof b->folder);
        if (!is_sound(b))
            out->count--; /* its words would become part of a script */
    }
    store__release(s, stmt);
    if (code)
        store_batch_list_fini(out);
    return code;
}
