/* Applies a document that was found good, all or nothing. */
#include "store/import_internal.h"
#include "store/store_internal.h"

static enum clw_err exists(const char *kind, const char *name, struct clw_error *err)
{
    return clw_fail(err, CLW_EXISTS, "clowder import --replace replaces what has the same name; nothing was changed",
        "there is a %s named %s already", kind, name);
}

/* Whether a row of that name is there; more than it may be, in mode NEW, is CLW_EXISTS. */
static enum clw_err look(struct store *s, const char *sql, const char *kind, const char *name,
    enum store_import_mode mode, bool *there, struct clw_error *err)
{
    int64_t one;
    enum clw_err code = store__number(s, sql, ARGS(TEXT(name)), &one, err);
    *there = !code;
    if (code)
        return code == CLW_NOT_FOUND ? CLW_OK : code;
    return mode == STORE_IMPORT_NEW ? exists(kind, name, err) : CLW_OK;
}

static enum clw_err put_host(
    struct store *s, const struct store_host *h, enum store_import_mode mode, size_t *replaced, struct clw_error *err)
{
    bool there;
    enum clw_err code = look(s, "SELECT 1 FROM host WHERE name = ?1", "host", h->name, mode, &there, err);
    if (code)
        return code;
    *replaced += there;
    return there ? store_host_set(s, h->name, h, err) : store_host_add(s, h, err);
}

static enum clw_err put_profile(struct store *s, const struct store_profile *p, enum store_import_mode mode,
    size_t *replaced, struct clw_error *err)
{
    bool there;
    enum clw_err code = look(s, "SELECT 1 FROM profile WHERE name = ?1", "profile", p->name, mode, &there, err);
    if (code)
        return code;
    *replaced += there;
    code = store_profile_set(s, p, err);
    if (!code)
        code = store_profile_want(s, p->name, p->local_daemons, p->wanted, err);
    if (!code)
        code = store_profile_hosts_set(s, p->name, p->hosts, p->host_count, err);
    return code;
}

static enum clw_err put_setting(struct store *s, const struct store_setting *setting, enum store_import_mode mode,
    size_t *replaced, struct clw_error *err)
{
    bool there;
    enum clw_err code = look(s, "SELECT 1 FROM setting WHERE key = ?1", "setting", setting->key, mode, &there, err);
    if (code)
        return code;
    *replaced += there;
    return store_setting_set(s, setting->key, setting->value, err);
}

static enum clw_err apply(struct store *s, const struct store__document *d, enum store_import_mode mode,
    size_t *replaced, struct clw_error *err)
{
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    for (size_t i = 0; !code && i < d->hosts.count; i++)
        code = put_host(s, &d->hosts.items[i], mode, replaced, err);
    for (size_t i = 0; !code && i < d->profiles.count; i++)
        code = put_profile(s, &d->profiles.items[i], mode, replaced, err);
    for (size_t i = 0; !code && i < d->settings.count; i++)
        code = put_setting(s, &d->settings.items[i], mode, replaced, err);
    return store__end(s, code, err);
}

enum clw_err store_import(struct store *s, const char *json, size_t len, enum store_import_mode mode,
    struct store_import_counts *counts, struct clw_error *err)
{
    struct store__document d;
    size_t replaced = 0;
    enum clw_err code = store__document_read(json, len, &d, err);
    if (code)
        return code;
    code = apply(s, &d, mode, &replaced, err);
    if (!code && counts)
        *counts = (struct store_import_counts){d.hosts.count, d.profiles.count, d.settings.count, replaced};
    store__document_fini(&d);
    return code;
}
