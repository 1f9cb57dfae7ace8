/* Reads a document strictly: every key known, every type right, every value allowed. The first fault is
 * remembered with its place, and what comes after it is skipped. */
#include "store/import_internal.h"
#include "store/jsonx.h"
#include "store/profile_setting_json.h"
#include "store/store_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    enum clw_err code;
    struct clw_error *err;
    const char *kind; /* "hosts" or "profiles" */
    const char *name; /* the key below it */
};

static void fault(struct reader *r, const char *key, const char *why)
{
    struct store__shown name, shown;
    if (!r->code)
        r->code = clw_fail(r->err, CLW_USAGE, "'clowder export' writes such a document: compare with it",
            "%s%s%s, %s: %s", r->kind, *r->name ? " " : "", *r->name ? store__show(&name, r->name) : "",
            store__show(&shown, key), why);
}

/* Keys that are not ours are refused: they are mistakes, or from a version that knows more. */
static void check_keys(struct reader *r, json_t *object, const char *const *known, size_t count)
{
    const char *key;
    json_t *value;
    json_object_foreach (object, key, value)
        if (store__word(known, count, key) < 0)
            fault(r, key, "there is no such field");
}

static void read_text(struct reader *r, const json_t *o, const char *key, char **out)
{
    const json_t *value = json_object_get(o, key);
    const char *text = json_string_value(value);
    if (value && !text)
        fault(r, key, "it must be a text");
    *out = mem_strdup(text ? text : "");
}

static void read_fixed(struct reader *r, const json_t *o, const char *key, char *out, size_t size)
{
    char *text;
    read_text(r, o, key, &text);
    if (strlen(text) >= size)
        fault(r, key, "it is too long");
    else
        memcpy(out, text, strlen(text) + 1);
    free(text);
}

static void read_bool(struct reader *r, const json_t *o, const char *key, bool *out)
{
    const json_t *value = json_object_get(o, key);
    if (value && !json_is_boolean(value))
        fault(r, key, "it must be true or false");
    else if (value)
        *out = json_is_true(value);
}

static uint64_t number(struct reader *r, const json_t *value, const char *key, uint64_t max)
{
    json_int_t n = json_integer_value(value);
    if (value && (!json_is_integer(value) || n < 0 || (uint64_t)n > max))
        fault(r, key, "it must be a whole number in its range");
    return r->code ? 0 : (uint64_t)n;
}

static uint64_t read_number(struct reader *r, const json_t *o, const char *key, uint64_t max)
{
    return number(r, json_object_get(o, key), key, max);
}

static void read_strings(struct reader *r, const json_t *o, const char *key, struct store_strings *out)
{
    const json_t *value = json_object_get(o, key);
    if (value && !store__json_read_strings(value, out))
        fault(r, key, "it must be a list of texts");
}

/* Puts the place in front of what a check of ours said. */
static void checked(struct reader *r, enum clw_err code)
{
    char message[sizeof r->err->message];
    struct store__shown name;
    if (!code || r->code)
        return;
    r->code = code;
    if (r->err) {
        memcpy(message, r->err->message, sizeof message);
        snprintf(
            r->err->message, sizeof r->err->message, "%s %s: %.300s", r->kind, store__show(&name, r->name), message);
    }
}

static void read_manners(struct reader *r, const json_t *o, struct store_host *h)
{
    const json_t *manners = json_object_get(o, "manners");
    struct store_settings all;
    store_settings_init(&all);
    if (manners && (!json_is_object(manners) || store_settings_take(manners, &all)))
        fault(r, "manners", "a setting has the wrong type or range");
    store_settings_add_host(&h->manners, &all);
}

static void read_host(struct reader *r, json_t *o, struct store_host *h)
{
    static const char *const known[] = {"address", "port", "user", "launcher", "jump", "identity", "note", "directives",
        "mac", "direct", "enabled", "connect_timeout_s", "cache", "manners", "tags"};
    char launcher[32] = "ssh";
    check_keys(r, o, known, sizeof known / sizeof *known);
    snprintf(h->name, sizeof h->name, "%s", r->name);
    read_fixed(r, o, "address", h->address, sizeof h->address);
    h->port = (uint16_t)read_number(r, o, "port", 65535);
    read_fixed(r, o, "user", h->user, sizeof h->user);
    if (json_object_get(o, "launcher"))
        read_fixed(r, o, "launcher", launcher, sizeof launcher);
    read_text(r, o, "jump", &h->jump);
    read_text(r, o, "identity", &h->identity);
    read_text(r, o, "note", &h->note);
    read_text(r, o, "directives", &h->directives);
    read_fixed(r, o, "mac", h->mac, sizeof h->mac);
    read_bool(r, o, "direct", &h->direct);
    read_bool(r, o, "enabled", &h->enabled);
    h->connect_timeout_s = (unsigned)read_number(r, o, "connect_timeout_s", STORE_CONNECT_MAX_S);
    read_text(r, o, "cache", &h->cache);
    read_manners(r, o, h);
    read_strings(r, o, "tags", &h->tags);
    if (!r->code)
        checked(r, store_launcher_parse(launcher, &h->launcher, r->err));
    if (!r->code)
        checked(r, store_host_check(h, r->err));
}

static void read_setup(struct reader *r, const json_t *o, struct store_profile *p)
{
    json_t *value = json_object_get(o, "setup");
    if (value && !json_is_array(value))
        fault(r, "setup", "it must be a list of commands, each a list of words");
    for (size_t i = 0; !r->code && i < json_array_size(value); i++) {
        store_profile_setup_add(p, NULL, 0);
        if (!store__json_read_strings(json_array_get(value, i), &p->setup[i]))
            fault(r, "setup", "each command must be a list of words");
    }
}

static void read_profile_hosts(struct reader *r, const json_t *o, struct store_profile *p)
{
    const char *host;
    json_t *hosts = json_object_get(o, "hosts"), *daemons;
    if (hosts && (!json_is_object(hosts) || json_object_size(hosts) > STORE_IMPORT_HOSTS))
        fault(r, "hosts", "it must be an object: how many daemons on which host");
    json_object_foreach (hosts, host, daemons) {
        if (r->code)
            return;
        checked(r, store_check_name("host", host, r->err));
        p->hosts = store__grow(p->hosts, p->host_count, sizeof *p->hosts);
        struct store_profile_host *entry = &p->hosts[p->host_count++];
        snprintf(entry->host, sizeof entry->host, "%s", host);
        entry->daemons = (unsigned)number(r, daemons, host, STORE_DAEMONS_MAX);
    }
}

static void read_settings_of(struct reader *r, const json_t *o, struct store_profile *p)
{
    const struct store_setting_row *wrong = store_settings_take(o, &p->set);
    if (!wrong)
        return;
    fault(r, wrong->key,
        wrong->type == STORE_TYPE_FLAG ? "it must be true or false"
        : wrong->type == STORE_TYPE_PERMILLE || wrong->type == STORE_TYPE_HOURS
            ? "it is not what 'clowder profile set' takes"
            : "it must be a whole number in its range");
}

static void read_profile(struct reader *r, json_t *o, struct store_profile *p)
{
#define KEY(field, TYPE, value, key, ...) #key,
    static const char *const known[] = {STORE_SETTINGS_STORED(KEY) "hosts", "runtime", "base_url", "command", "env",
        "setup", "local_daemons", "wanted", "options"};
#undef KEY
    char runtime[32] = "clowder";
    check_keys(r, o, known, sizeof known / sizeof *known);
    snprintf(p->name, sizeof p->name, "%s", r->name);
    if (json_object_get(o, "runtime"))
        read_fixed(r, o, "runtime", runtime, sizeof runtime);
    read_text(r, o, "base_url", &p->base_url);
    read_strings(r, o, "command", &p->command);
    read_strings(r, o, "options", &p->options);
    read_strings(r, o, "env", &p->env);
    read_setup(r, o, p);
    p->local_daemons = (unsigned)read_number(r, o, "local_daemons", STORE_DAEMONS_MAX);
    read_bool(r, o, "wanted", &p->wanted);
    read_profile_hosts(r, o, p);
    read_settings_of(r, o, p);
    if (!r->code)
        checked(r, store_runtime_parse(runtime, &p->runtime, r->err));
    if (!r->code)
        checked(r, store_profile_check(p, r->err));
}

/* The object below a key of the root, or NULL when there is none or it does not fit. */
static json_t *section(struct reader *r, json_t *root, const char *kind, size_t max)
{
    json_t *object = json_object_get(root, kind);
    r->kind = kind;
    r->name = "";
    if (object && (!json_is_object(object) || json_object_size(object) > max)) {
        fault(r, kind, "it must be an object of bounded size");
        return NULL;
    }
    return object;
}

static void read_hosts(struct reader *r, json_t *root, struct store_host_list *out)
{
    json_t *value, *object = section(r, root, "hosts", STORE_IMPORT_HOSTS);
    json_object_foreach (object, r->name, value) {
        out->items = store__grow(out->items, out->count, sizeof *out->items);
        struct store_host *h = &out->items[out->count++];
        store_host_init(h);
        if (!json_is_object(value))
            fault(r, r->name, "it must be an object");
        if (!r->code)
            checked(r, store_check_name("host", r->name, r->err));
        if (!r->code)
            read_host(r, value, h);
    }
}

static void read_profiles(struct reader *r, json_t *root, struct store_profile_list *out)
{
    json_t *value, *object = section(r, root, "profiles", STORE_IMPORT_PROFILES);
    json_object_foreach (object, r->name, value) {
        out->items = store__grow(out->items, out->count, sizeof *out->items);
        struct store_profile *p = &out->items[out->count++];
        store_profile_init(p);
        if (!json_is_object(value))
            fault(r, r->name, "it must be an object");
        if (!r->code)
            checked(r, store_check_name("profile", r->name, r->err));
        if (!r->code)
            read_profile(r, value, p);
    }
}

static void read_settings(struct reader *r, json_t *root, struct store_setting_list *out)
{
    json_t *value, *object = section(r, root, "settings", STORE_IMPORT_SETTINGS);
    json_object_foreach (object, r->name, value) {
        const char *text = json_string_value(value);
        out->items = store__grow(out->items, out->count, sizeof *out->items);
        struct store_setting *setting = &out->items[out->count++];
        snprintf(setting->key, sizeof setting->key, "%s", r->name);
        setting->value = mem_strdup(text ? text : "");
        if (!r->code)
            checked(r, store_check_name("setting", r->name, r->err));
        if (!text || strlen(text) > STORE_VALUE_MAX)
            fault(r, r->name, "it must be a text of bounded size");
    }
}

static enum clw_err check_format(const json_t *root, struct clw_error *err)
{
    const json_t *format = json_object_get(root, "clowder");
    if (!json_is_integer(format))
        return clw_fail(err, CLW_USAGE, "'clowder export' writes such a document",
            "this is not an exported inventory: it has no \"clowder\" format number");
    if (json_integer_value(format) != STORE_FORMAT)
        return clw_fail(err, CLW_NEWER, "import it with the version of Clowder that wrote it, or a newer one",
            "the inventory has format %lld, this version reads format %d", (long long)json_integer_value(format),
            STORE_FORMAT);
    return CLW_OK;
}

void store__document_fini(struct store__document *d)
{
    store_host_list_fini(&d->hosts);
    store_profile_list_fini(&d->profiles);
    store_setting_list_fini(&d->settings);
}

enum clw_err store__document_read(const char *json, size_t len, struct store__document *out, struct clw_error *err)
{
    static const char *const known[] = {"clowder", "hosts", "profiles", "settings"};
    json_t *root = NULL;
    *out = (struct store__document){0};
    if (len > STORE_IMPORT_BYTES)
        return clw_fail(err, CLW_TOO_LARGE, NULL, "the document is larger than %d MiB", STORE_IMPORT_BYTES >> 20);
    enum clw_err code = store__json_parse("the document", json, len, &root, err);
    if (!code)
        code = check_format(root, err);
    if (!code) {
        struct reader r = {.err = err, .kind = "the document", .name = ""};
        check_keys(&r, root, known, sizeof known / sizeof *known);
        read_hosts(&r, root, &out->hosts);
        read_profiles(&r, root, &out->profiles);
        read_settings(&r, root, &out->settings);
        code = r.code;
    }
    json_decref(root);
    if (code)
        store__document_fini(out);
    return code;
}
