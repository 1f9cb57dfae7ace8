/* The parts of a profile: its hosts, and the columns that hold lists as JSON text. */
#include "store/profile_internal.h"

#include "base/mem.h"
#include "store/host_internal.h"
#include "store/jsonx.h"

#include <stdlib.h>
#include <string.h>

/* The lists were checked to be UTF-8, so that packing cannot fail. */
static char *dump(json_t *root)
{
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text ? text : mem_strdup("[]");
}

char *store__pack_strings(const struct store_strings *list)
{
    return dump(store__json_strings(list));
}

char *store__pack_setup(const struct store_profile *p)
{
    json_t *root = json_array();
    for (size_t i = 0; i < p->setup_count; i++)
        json_array_append_new(root, store__json_strings(&p->setup[i]));
    return dump(root);
}

bool store__unpack_strings(const char *text, struct store_strings *list)
{
    json_t *root;
    if (store__json_parse("", text, strlen(text), &root, NULL))
        return false;
    bool good = store__json_read_strings(root, list);
    json_decref(root);
    return good;
}

bool store__unpack_setup(const char *text, struct store_profile *p)
{
    json_t *root;
    if (store__json_parse("", text, strlen(text), &root, NULL))
        return false;
    bool good = json_is_array(root);
    for (size_t i = 0; good && i < json_array_size(root); i++) {
        store_profile_setup_add(p, NULL, 0);
        good = store__json_read_strings(json_array_get(root, i), &p->setup[i]);
    }
    json_decref(root);
    return good;
}

enum clw_err store__profile_load_hosts(struct store *s, struct store_profile *p, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    enum clw_err code = store__prepare(s,
        "SELECT host.name, daemons FROM profile_host JOIN host ON host.id = profile_host.host"
        " WHERE profile = ?1 ORDER BY host.name",
        ARGS(INT(p->id)), &stmt, err);
    while (!code && store__next(s, stmt, &code, err)) {
        p->hosts = store__grow(p->hosts, p->host_count, sizeof *p->hosts);
        struct store_profile_host *host = &p->hosts[p->host_count++];
        store__copy(stmt, 0, host->host, sizeof host->host);
        host->daemons = (unsigned)store__u64(stmt, 1);
    }
    store__release(s, stmt);
    if (code)
        return code;
    code = store_profile_check(p, err);
    for (size_t i = 0; !code && i < p->host_count; i++)
        if (p->hosts[i].daemons > STORE_DAEMONS_MAX)
            code = clw_fail(err, CLW_USAGE, NULL, "at most %d daemons on one host", STORE_DAEMONS_MAX);
    return store__distrust(s, "profile", p->name, code, err);
}

/* replace: a host that is there already gets the new number; else it is an error. */
static enum clw_err put_host(
    struct store *s, int64_t profile, const struct store_profile_host *host, bool replace, struct clw_error *err)
{
    int64_t id = 0;
    const char *sql = replace ? "INSERT INTO profile_host(profile, host, daemons) VALUES(?1, ?2, ?3)"
                                " ON CONFLICT(profile, host) DO UPDATE SET daemons = excluded.daemons"
                              : "INSERT INTO profile_host(profile, host, daemons) VALUES(?1, ?2, ?3)";
    if (host->daemons > STORE_DAEMONS_MAX)
        return clw_fail(err, CLW_USAGE, NULL, "at most %d daemons on one host", STORE_DAEMONS_MAX);
    enum clw_err code = store__host_id(s, host->host, &id, err);
    if (!code)
        code = store__exec(s, sql, ARGS(INT(profile), INT(id), INT(host->daemons)), NULL, err);
    if (code == CLW_EXISTS)
        clw_fail(err, code, "name each host once", "host %s is named twice", host->host);
    return code;
}

enum clw_err store_profile_hosts_set(
    struct store *s, const char *name, const struct store_profile_host *hosts, size_t count, struct clw_error *err)
{
    int64_t id = 0;
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    code = store__profile_id(s, name, &id, err);
    if (!code)
        code = store__exec(s, "DELETE FROM profile_host WHERE profile = ?1", ARGS(INT(id)), NULL, err);
    for (size_t i = 0; !code && i < count; i++)
        code = put_host(s, id, &hosts[i], false, err);
    return store__end(s, code, err);
}

enum clw_err store_profile_host_set(
    struct store *s, const char *name, const struct store_profile_host *host, struct clw_error *err)
{
    int64_t id = 0;
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    code = store__profile_id(s, name, &id, err);
    if (!code)
        code = put_host(s, id, host, true, err);
    return store__end(s, code, err);
}

enum clw_err store_profile_host_remove(struct store *s, const char *name, const char *host, struct clw_error *err)
{
    int64_t id = 0, host_id = 0;
    int changes = 0;
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    code = store__profile_id(s, name, &id, err);
    if (!code)
        code = store__host_id(s, host, &host_id, err);
    if (!code)
        code = store__exec(
            s, "DELETE FROM profile_host WHERE profile = ?1 AND host = ?2", ARGS(INT(id), INT(host_id)), &changes, err);
    if (!code && !changes)
        code = clw_fail(
            err, CLW_NOT_FOUND, "'clowder profile show' lists its hosts", "host %s is not in profile %s", host, name);
    return store__end(s, code, err);
}
