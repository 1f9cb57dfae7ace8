/* The inventory as a JSON document: keys sorted, every field written, so that it is stable. */
#include "store/host.h"
#include "store/jsonx.h"
#include "store/profile.h"
#include "store/profile_setting_json.h"
#include "store/setting.h"
#include "store/store_internal.h"
#include "store/transfer.h"

#include "base/mem.h"

#include <stdlib.h>

/* Setting a value of NULL fails (a text that is not UTF-8), which *good remembers. */
static void put(json_t *object, const char *key, json_t *value, bool *good)
{
    if (json_object_set_new(object, key, value))
        *good = false;
}

static json_t *export_host(const struct store_host *h, bool *good)
{
    json_t *o = json_object();
    put(o, "address", json_string(h->address), good);
    put(o, "port", json_integer(h->port), good);
    put(o, "user", json_string(h->user), good);
    put(o, "launcher", json_string(store_launcher_text(h->launcher)), good);
    put(o, "jump", json_string(h->jump), good);
    put(o, "identity", json_string(h->identity), good);
    put(o, "note", json_string(h->note), good);
    put(o, "directives", json_string(h->directives), good);
    put(o, "mac", json_string(h->mac), good);
    put(o, "direct", json_boolean(h->direct), good);
    put(o, "enabled", json_boolean(h->enabled), good);
    put(o, "connect_timeout_s", json_integer(h->connect_timeout_s), good);
    put(o, "cache", json_string(h->cache ? h->cache : ""), good);
    json_t *manners = json_object();
    store_settings_put_host(manners, &h->manners);
    put(o, "manners", manners, good);
    put(o, "tags", store__json_strings(&h->tags), good);
    return o;
}

static json_t *export_setup(const struct store_profile *p, bool *good)
{
    json_t *array = json_array();
    for (size_t i = 0; i < p->setup_count; i++)
        if (json_array_append_new(array, store__json_strings(&p->setup[i])))
            *good = false;
    return array;
}

static json_t *export_profile(const struct store_profile *p, bool *good)
{
    json_t *o = json_object(), *hosts = json_object();
    for (size_t i = 0; i < p->host_count; i++)
        put(hosts, p->hosts[i].host, json_integer(p->hosts[i].daemons), good);
    put(o, "hosts", hosts, good);
    put(o, "runtime", json_string(store_runtime_text(p->runtime)), good);
    put(o, "base_url", json_string(p->base_url), good);
    put(o, "command", store__json_strings(&p->command), good);
    put(o, "options", store__json_strings(&p->options), good);
    put(o, "env", store__json_strings(&p->env), good);
    put(o, "setup", export_setup(p, good), good);
    store_settings_put(o, &p->set);
    put(o, "local_daemons", json_integer(p->local_daemons), good);
    put(o, "wanted", json_boolean(p->wanted), good);
    return o;
}

static json_t *export_all(const struct store_host_list *hosts, const struct store_profile_list *profiles,
    const struct store_setting_list *settings, bool *good)
{
    json_t *root = json_object(), *h = json_object(), *p = json_object(), *s = json_object();
    for (size_t i = 0; i < hosts->count; i++)
        put(h, hosts->items[i].name, export_host(&hosts->items[i], good), good);
    for (size_t i = 0; i < profiles->count; i++)
        put(p, profiles->items[i].name, export_profile(&profiles->items[i], good), good);
    for (size_t i = 0; i < settings->count; i++)
        put(s, settings->items[i].key, json_string(settings->items[i].value), good);
    put(root, "clowder", json_integer(STORE_FORMAT), good);
    put(root, "hosts", h, good);
    put(root, "profiles", p, good);
    put(root, "settings", s, good);
    return root;
}

static enum clw_err load(struct store *s, struct store_host_list *hosts, struct store_profile_list *profiles,
    struct store_setting_list *settings, struct clw_error *err)
{
    enum clw_err code = store__read(s, err);
    if (code)
        return code;
    code = store_host_list(s, hosts, err);
    if (!code)
        code = store_profile_list(s, profiles, err);
    if (!code)
        code = store_setting_list(s, settings, err);
    return store__end(s, code, err);
}

enum clw_err store_export(struct store *s, char **json, size_t *len, struct clw_error *err)
{
    struct store_host_list hosts = {0};
    struct store_profile_list profiles = {0};
    struct store_setting_list settings = {0};
    struct buf out = {0};
    *json = NULL;
    *len = 0;
    enum clw_err code = load(s, &hosts, &profiles, &settings, err);
    if (!code) {
        bool good = true;
        json_t *root = export_all(&hosts, &profiles, &settings, &good);
        char *text = good ? json_dumps(root, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;
        if (text) {
            buf_add_text(&out, text);
            buf_add_text(&out, "\n");
            *len = out.len;
            *json = buf_steal(&out);
        } else {
            code = store__damaged(s, err, "it holds text that is not UTF-8");
        }
        free(text);
        json_decref(root);
    }
    store_host_list_fini(&hosts);
    store_profile_list_fini(&profiles);
    store_setting_list_fini(&settings);
    return code;
}
