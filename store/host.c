/* Hosts: add, set, get, remove, list. */
#include "store/host_internal.h"

#include "base/mem.h"
#include "store/profile_setting_json.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS                                                                                                        \
    "id, name, address, port, user, launcher, jump, identity, note, directives, mac, direct, enabled, "                \
    "facts, probed_at_us, state, reason, connect_timeout_s, cache, manners"

enum clw_err store_host_missing(const char *name, struct clw_error *err)
{
    struct store__shown shown;
    return clw_fail(err, CLW_NOT_FOUND, "'clowder host list' shows the names; 'clowder host add' adds one",
        "there is no host named %s", store__show(&shown, name));
}

enum clw_err store__host_id(struct store *s, const char *name, int64_t *id, struct clw_error *err)
{
    enum clw_err code = store__number(s, "SELECT id FROM host WHERE name = ?1", ARGS(TEXT(name)), id, err);
    return code == CLW_NOT_FOUND ? store_host_missing(name, err) : code;
}

static enum clw_err exists(const char *name, struct clw_error *err)
{
    return clw_fail(err, CLW_EXISTS, "choose another name, or change that host with 'clowder host edit'",
        "there is a host named %s already", name);
}

static char *manners_text(const struct store_host *h)
{
    json_t *o = json_object();
    store_settings_put_host(o, &h->manners);
    char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(o);
    return text ? text : mem_strdup("{}");
}

/* What cannot be read is nothing: the file may have been written by hand. */
static void read_manners(sqlite3_stmt *stmt, int column, struct store_settings *out)
{
    char *text = store__text(stmt, column);
    json_t *o = json_loads(text, 0, NULL);
    struct store_settings all;
    store_settings_init(&all);
    store_settings_init(out);
    if (o && !store_settings_take(o, &all))
        store_settings_add_host(out, &all);
    json_decref(o);
    free(text);
}

static enum clw_err insert(struct store *s, const struct store_host *h, struct clw_error *err)
{
    char address[STORE_ADDRESS_SIZE], mac[STORE_MAC_SIZE] = "";
    store__plain_address(h->address, address);
    if (*h->mac)
        store_parse_mac(h->mac, mac, NULL);
    char *manners = manners_text(h);
    enum clw_err code = store__exec(s,
        "INSERT INTO host(name, address, port, user, launcher, jump, identity, note, directives, mac, "
        "direct, enabled, connect_timeout_s, cache, manners)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        ARGS(TEXT(h->name), TEXT(address), INT(h->port), TEXT(h->user), TEXT(store_launcher_text(h->launcher)),
            TEXT(h->jump), TEXT(h->identity), TEXT(h->note), TEXT(h->directives), TEXT(mac), INT(h->direct),
            INT(h->enabled), INT(h->connect_timeout_s), TEXT(h->cache), TEXT(manners)),
        NULL, err);
    free(manners);
    return code == CLW_EXISTS ? exists(h->name, err) : code;
}

static enum clw_err update(struct store *s, int64_t id, const struct store_host *h, struct clw_error *err)
{
    char address[STORE_ADDRESS_SIZE], mac[STORE_MAC_SIZE] = "";
    store__plain_address(h->address, address);
    if (*h->mac)
        store_parse_mac(h->mac, mac, NULL);
    char *manners = manners_text(h);
    enum clw_err code = store__exec(s,
        "UPDATE host SET name = ?1, address = ?2, port = ?3, user = ?4, launcher = ?5, jump = ?6, identity = "
        "?7,"
        " note = ?8, directives = ?9, mac = ?10, direct = ?11, enabled = ?12, connect_timeout_s = ?13, cache = ?14,"
        " manners = ?15 WHERE id = ?16",
        ARGS(TEXT(h->name), TEXT(address), INT(h->port), TEXT(h->user), TEXT(store_launcher_text(h->launcher)),
            TEXT(h->jump), TEXT(h->identity), TEXT(h->note), TEXT(h->directives), TEXT(mac), INT(h->direct),
            INT(h->enabled), INT(h->connect_timeout_s), TEXT(h->cache), TEXT(manners), INT(id)),
        NULL, err);
    free(manners);
    return code == CLW_EXISTS ? exists(h->name, err) : code;
}

enum clw_err store_host_add(struct store *s, const struct store_host *h, struct clw_error *err)
{
    enum clw_err code = store_host_check(h, err);
    if (!code)
        code = store__write(s, err);
    if (code)
        return code;
    code = insert(s, h, err);
    if (!code)
        code = store__host_tags_set(s, sqlite3_last_insert_rowid(s->db), &h->tags, err);
    return store__end(s, code, err);
}

enum clw_err store_host_set(struct store *s, const char *name, const struct store_host *h, struct clw_error *err)
{
    int64_t id = 0;
    enum clw_err code = store_host_check(h, err);
    if (!code)
        code = store__write(s, err);
    if (code)
        return code;
    code = store__host_id(s, name, &id, err);
    if (!code)
        code = update(s, id, h, err);
    if (!code)
        code = store__host_tags_set(s, id, &h->tags, err);
    return store__end(s, code, err);
}

static enum clw_err read_host(struct store *s, sqlite3_stmt *stmt, struct store_host *h, struct clw_error *err)
{
    char launcher[32];
    store_host_init(h);
    h->id = sqlite3_column_int64(stmt, 0);
    store__copy(stmt, 1, h->name, sizeof h->name);
    store__copy(stmt, 2, h->address, sizeof h->address);
    h->port = (uint16_t)sqlite3_column_int(stmt, 3);
    store__copy(stmt, 4, h->user, sizeof h->user);
    store__copy(stmt, 5, launcher, sizeof launcher);
    h->jump = store__text(stmt, 6);
    h->identity = store__text(stmt, 7);
    h->note = store__text(stmt, 8);
    h->directives = store__text(stmt, 9);
    store__copy(stmt, 10, h->mac, sizeof h->mac);
    h->direct = sqlite3_column_int(stmt, 11) != 0;
    h->enabled = sqlite3_column_int(stmt, 12) != 0;
    h->facts = store__text_or_null(stmt, 13);
    h->probed_at_us = store__u64(stmt, 14);
    store__copy(stmt, 15, h->state, sizeof h->state);
    h->reason = store__text(stmt, 16);
    h->connect_timeout_s = (unsigned)store__u64(stmt, 17);
    h->cache = store__text(stmt, 18);
    read_manners(stmt, 19, &h->manners);
    if (store_launcher_parse(launcher, &h->launcher, NULL))
        return store__damaged(s, err, "a host has a launcher that does not exist");
    return CLW_OK;
}

enum clw_err store_host_get(struct store *s, const char *name, struct store_host *out, struct clw_error *err)
{
    int64_t id = 0;
    sqlite3_stmt *stmt = NULL;
    *out = (struct store_host){0};
    enum clw_err code = store__read(s, err);
    if (code)
        return code;
    code = store__host_id(s, name, &id, err);
    if (!code)
        code = store__prepare(s, "SELECT " COLUMNS " FROM host WHERE id = ?1", ARGS(INT(id)), &stmt, err);
    if (!code && store__next(s, stmt, &code, err))
        code = read_host(s, stmt, out, err);
    store__release(s, stmt);
    if (!code)
        code = store__host_load_parts(s, out, err);
    code = store__end(s, code, err);
    if (code)
        store_host_fini(out);
    return code;
}

enum clw_err store_host_remove(struct store *s, const char *name, struct clw_error *err)
{
    int64_t id = 0;
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    code = store__host_id(s, name, &id, err);
    if (!code)
        code = store__exec(s, "DELETE FROM host WHERE id = ?1", ARGS(INT(id)), NULL, err);
    return store__end(s, code, err);
}

enum clw_err store_host_list(struct store *s, struct store_host_list *out, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    *out = (struct store_host_list){0};
    enum clw_err code = store__read(s, err);
    if (code)
        return code;
    code = store__prepare(s, "SELECT " COLUMNS " FROM host ORDER BY name", NULL, &stmt, err);
    while (!code && store__next(s, stmt, &code, err)) {
        out->items = store__grow(out->items, out->count, sizeof *out->items);
        code = read_host(s, stmt, &out->items[out->count++], err);
    }
    store__release(s, stmt);
    for (size_t i = 0; !code && i < out->count; i++)
        code = store__host_load_parts(s, &out->items[i], err);
    code = store__end(s, code, err);
    if (code)
        store_host_list_fini(out);
    return code;
}
