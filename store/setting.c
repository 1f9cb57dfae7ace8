/* Settings. */
#include "store/setting.h"

#include "store/store_internal.h"

#include <stdlib.h>

void store_setting_list_fini(struct store_setting_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].value);
    free(list->items);
    *list = (struct store_setting_list){0};
}

static enum clw_err not_found(const char *key, struct clw_error *err)
{
    struct store__shown shown;
    return clw_fail(err, CLW_NOT_FOUND, NULL, "there is no setting named %s", store__show(&shown, key));
}

enum clw_err store_setting_get(struct store *s, const char *key, char **value, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    *value = NULL;
    enum clw_err code = store__prepare(s, "SELECT value FROM setting WHERE key = ?1", ARGS(TEXT(key)), &stmt, err);
    if (!code) {
        if (store__next(s, stmt, &code, err))
            *value = store__text(stmt, 0);
        else if (!code)
            code = not_found(key, err);
    }
    store__release(s, stmt);
    return code;
}

enum clw_err store_setting_set(struct store *s, const char *key, const char *value, struct clw_error *err)
{
    enum clw_err code = store_check_name("setting", key, err);
    if (!code)
        code = store__check_text("the value", value, STORE_VALUE_MAX, STORE__BYTES, err);
    if (!code)
        code = store__exec(s,
            "INSERT INTO setting(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = "
            "excluded.value",
            ARGS(TEXT(key), TEXT(value)), NULL, err);
    return code;
}

enum clw_err store_setting_remove(struct store *s, const char *key, struct clw_error *err)
{
    int changes = 0;
    enum clw_err code = store__exec(s, "DELETE FROM setting WHERE key = ?1", ARGS(TEXT(key)), &changes, err);
    return code || changes ? code : not_found(key, err);
}

enum clw_err store_setting_list(struct store *s, struct store_setting_list *out, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    *out = (struct store_setting_list){0};
    enum clw_err code = store__prepare(s, "SELECT key, value FROM setting ORDER BY key", NULL, &stmt, err);
    while (!code && store__next(s, stmt, &code, err)) {
        out->items = store__grow(out->items, out->count, sizeof *out->items);
        struct store_setting *setting = &out->items[out->count++];
        store__copy(stmt, 0, setting->key, sizeof setting->key);
        setting->value = store__text(stmt, 1);
    }
    store__release(s, stmt);
    if (code)
        store_setting_list_fini(out);
    return code;
}
