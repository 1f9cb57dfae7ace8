/* The history of load. */
#include "store/load.h"

#include "store/store_internal.h"

#include <stdlib.h>

void store_load_list_fini(struct store_load_list *list)
{
    free(list->items);
    *list = (struct store_load_list){0};
}

/* Hundredths are all that a load means. */
enum clw_err store_load_add(struct store *s, const char *host, const struct store_load *load, struct clw_error *err)
{
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    code = store__exec(s,
        "INSERT OR IGNORE INTO host_load(host, at_s, load_percent, mem_used_bytes) VALUES(?1, ?2, ?3, ?4)",
        ARGS(TEXT(host), INT(load->at_s), INT((int64_t)(load->load * 100 + 0.5)), INT(load->mem_used_bytes)), NULL,
        err);
    return store__end(s, code, err);
}

enum clw_err store_load_list(
    struct store *s, const char *host, int64_t from_s, struct store_load_list *out, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    *out = (struct store_load_list){0};
    enum clw_err code = store__prepare(s,
        "SELECT at_s, load_percent, mem_used_bytes FROM host_load WHERE host = ?1 AND at_s >= ?2 ORDER BY at_s",
        ARGS(TEXT(host), INT(from_s)), &stmt, err);
    while (!code && store__next(s, stmt, &code, err)) {
        out->items = store__grow(out->items, out->count, sizeof *out->items);
        out->items[out->count++] = (struct store_load){.at_s = sqlite3_column_int64(stmt, 0),
            .load = (double)sqlite3_column_int64(stmt, 1) / 100,
            .mem_used_bytes = store__u64(stmt, 2)};
    }
    store__release(s, stmt);
    if (code)
        store_load_list_fini(out);
    return code;
}

enum clw_err store_load_tidy(struct store *s, int64_t now_s, struct clw_error *err)
{
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    code = store__exec(s, "DELETE FROM host_load WHERE at_s < ?1", ARGS(INT(now_s - STORE_LOAD_KEPT_S)), NULL, err);
    return store__end(s, code, err);
}
