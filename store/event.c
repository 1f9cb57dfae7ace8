/* Events. */
#include "store/event.h"

#include "store/store_internal.h"

#include <stdlib.h>

void store_event_list_fini(struct store_event_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].text);
    free(list->items);
    *list = (struct store_event_list){0};
}

enum clw_err store_event_add(struct store *s, const struct store_event *event, struct clw_error *err)
{
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    char *text = store__clean(event->text, STORE_EVENT_TEXT_MAX, false);
    code = store__exec(s, "INSERT INTO event(at_us, level, host, profile, text) VALUES(?1, ?2, ?3, ?4, ?5)",
        ARGS(INT(event->at_us), INT(event->level), TEXT(event->host), TEXT(event->profile), TEXT(text)), NULL, err);
    free(text);
    if (!code)
        code = store__exec(s, "DELETE FROM event WHERE id <= ?1",
            ARGS(INT(sqlite3_last_insert_rowid(s->db) - STORE_EVENT_ROWS)), NULL, err);
    return store__end(s, code, err);
}

enum clw_err store_event_list(struct store *s, const struct store_event_filter *filter, size_t limit,
    struct store_event_list *out, struct clw_error *err)
{
    static const struct store_event_filter everything;
    const struct store_event_filter *f = filter ? filter : &everything;
    sqlite3_stmt *stmt;
    *out = (struct store_event_list){0};
    enum clw_err code = store__prepare(s,
        "SELECT * FROM (SELECT id, at_us, level, host, profile, text FROM event WHERE id > ?1 AND level >= ?2"
        " AND (?3 IS NULL OR host = ?3) AND (?4 IS NULL OR profile = ?4) ORDER BY id DESC LIMIT ?5) ORDER BY "
        "id",
        ARGS(INT(f->after_id), INT(f->level), TEXT_OR_NULL(f->host), TEXT_OR_NULL(f->profile), INT(limit)), &stmt, err);
    while (!code && store__next(s, stmt, &code, err)) {
        out->items = store__grow(out->items, out->count, sizeof *out->items);
        struct store_event *e = &out->items[out->count++];
        int level = sqlite3_column_int(stmt, 2);
        e->id = sqlite3_column_int64(stmt, 0);
        e->at_us = store__u64(stmt, 1);
        e->level = level > LOG_ERROR ? LOG_ERROR : (enum log_level)level;
        store__copy(stmt, 3, e->host, sizeof e->host);
        store__copy(stmt, 4, e->profile, sizeof e->profile);
        e->text = store__text(stmt, 5);
    }
    store__release(s, stmt);
    if (code)
        store_event_list_fini(out);
    return code;
}
