/* The history of launches. */
#include "store/launch.h"

#include "store/store_internal.h"

#include <stdlib.h>

void store_launch_fini(struct store_launch *launch)
{
    free(launch->message);
    *launch = (struct store_launch){0};
}

void store_launch_list_fini(struct store_launch_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        store_launch_fini(&list->items[i]);
    free(list->items);
    *list = (struct store_launch_list){0};
}

enum clw_err store_launch_add(struct store *s, struct store_launch *launch, struct clw_error *err)
{
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    char *message = store__clean(launch->message, STORE_LAUNCH_MESSAGE_MAX, true);
    code = store__exec(s,
        "INSERT INTO launch(profile, host, started_us, step, outcome, message) VALUES(?1, ?2, ?3, ?4, ?5, "
        "?6)",
        ARGS(TEXT(launch->profile), TEXT(launch->host), INT(launch->started_us), TEXT(launch->step),
            TEXT(launch->outcome), TEXT(message)),
        NULL, err);
    free(message);
    int64_t id = sqlite3_last_insert_rowid(s->db);
    if (!code)
        code = store__exec(s, "DELETE FROM launch WHERE id <= ?1", ARGS(INT(id - STORE_LAUNCH_ROWS)), NULL, err);
    code = store__end(s, code, err);
    if (!code)
        launch->id = id;
    return code;
}

enum clw_err store_launch_update(struct store *s, const struct store_launch *launch, struct clw_error *err)
{
    int changes = 0;
    char *message = store__clean(launch->message, STORE_LAUNCH_MESSAGE_MAX, true);
    enum clw_err code = store__exec(s, "UPDATE launch SET step = ?1, outcome = ?2, message = ?3 WHERE id = ?4",
        ARGS(TEXT(launch->step), TEXT(launch->outcome), TEXT(message), INT(launch->id)), &changes, err);
    free(message);
    if (!code && !changes)
        code = clw_fail(err, CLW_NOT_FOUND, NULL, "there is no launch %lld", (long long)launch->id);
    return code;
}

enum clw_err store_launch_list(struct store *s, const char *profile, const char *host, size_t limit,
    struct store_launch_list *out, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    *out = (struct store_launch_list){0};
    enum clw_err code = store__prepare(s,
        "SELECT id, profile, host, started_us, step, outcome, message FROM launch"
        " WHERE (?1 IS NULL OR profile = ?1) AND (?2 IS NULL OR host = ?2) ORDER BY id DESC LIMIT ?3",
        ARGS(TEXT_OR_NULL(profile), TEXT_OR_NULL(host), INT(limit)), &stmt, err);
    while (!code && store__next(s, stmt, &code, err)) {
        out->items = store__grow(out->items, out->count, sizeof *out->items);
        struct store_launch *l = &out->items[out->count++];
        l->id = sqlite3_column_int64(stmt, 0);
        store__copy(stmt, 1, l->profile, sizeof l->profile);
        store__copy(stmt, 2, l->host, sizeof l->host);
        l->started_us = store__u64(stmt, 3);
        store__copy(stmt, 4, l->step, sizeof l->step);
        store__copy(stmt, 5, l->outcome, sizeof l->outcome);
        l->message = store__text(stmt, 6);
    }
    store__release(s, stmt);
    if (code)
        store_launch_list_fini(out);
    return code;
}
