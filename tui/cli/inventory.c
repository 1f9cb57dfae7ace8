/* The store for commands: opened, asked by name, and told about. */
#include "tui/cli/inventory.h"

#include "base/mem.h"
#include "base/owner.h"
#include "base/text.h"
#include "tui/cli/command.h"
#include "tui/cli/request.h"

#include <stdlib.h>
#include <string.h>

enum { REMOVE_MS = 10000 };

int say_failure(const struct clw_error *err)
{
    struct clowder_error out = {.status = clw_err_exit_status(err->code)};
    snprintf(out.message, sizeof out.message, "%s", err->message);
    snprintf(out.hint, sizeof out.hint, "%s", err->hint);
    return say_error(&out);
}

int inventory_open(struct store **s)
{
    struct clw_error err;
    return store_open(NULL, s, &err) ? say_failure(&err) : 0;
}

bool inventory_engine_runs(void)
{
    struct clw_error err;
    struct owner o;
    return owner_look(&o, &err) || o.state != OWNER_NOBODY;
}

/* Takes names, whose texts are borrowed. */
static int no_such(const char *what, const char *name, const char **names)
{
    const char *near = text_nearest(name, names);
    char hint[150];
    snprintf(hint, sizeof hint, near ? "did you mean '%s'?" : "'clowder %s list' shows them", near ? near : what);
    free((void *)(uintptr_t)names);
    return say(4, "there is no %s '%s'; %s", what, name, hint);
}

int inventory_host(struct store *s, const char *name, struct store_host *h)
{
    struct clw_error err;
    struct store_host_list list;
    enum clw_err code = store_host_get(s, name, h, &err);
    if (code != CLW_NOT_FOUND)
        return code ? say_failure(&err) : 0;
    if (store_host_list(s, &list, &err))
        return say_failure(&err);
    const char **names = mem_zalloc((list.count + 1) * sizeof *names);
    for (size_t i = 0; i < list.count; i++)
        names[i] = list.items[i].name;
    int status = no_such("host", name, names);
    store_host_list_fini(&list);
    return status;
}

int inventory_profile(struct store *s, const char *name, struct store_profile *p)
{
    struct clw_error err;
    struct store_profile_list list;
    enum clw_err code = store_profile_get(s, name, p, &err);
    if (code != CLW_NOT_FOUND)
        return code ? say_failure(&err) : 0;
    if (store_profile_list(s, &list, &err))
        return say_failure(&err);
    const char **names = mem_zalloc((list.count + 1) * sizeof *names);
    for (size_t i = 0; i < list.count; i++)
        names[i] = list.items[i].name;
    int status = no_such("profile", name, names);
    store_profile_list_fini(&list);
    return status;
}

int inventory_check_host(const char *name)
{
    struct store *s;
    struct store_host h;
    int status = inventory_open(&s);
    if (status)
        return status;
    status = inventory_host(s, name, &h);
    if (status == 0)
        store_host_fini(&h);
    store_close(s);
    return status;
}

int inventory_word(const struct opts *o, const char *what, const char **word)
{
    if (o->word_count == 0)
        return say(2, "%s: name a %s; see clowder %s --help", o->command, what, o->command);
    if (o->word_count > 1)
        return say(2, "%s: one %s at a time, not also '%s'", o->command, what, o->words[1]);
    *word = o->words[0];
    return 0;
}

json_t *inventory_links(const char *host)
{
    struct clowder *c;
    json_t *request = request_new("hosts"), *reply = NULL;
    if (host)
        request_set_text(request, "host", host);
    if (clowder_open(&c, &(struct clowder_options){.no_start = true}, NULL)) {
        json_decref(request);
        return NULL;
    }
    request_send(c, request, 5000, &reply, NULL);
    clowder_close(c);
    return reply;
}

enum clw_err inventory_profile_remove(struct store *s, const char *name, struct clw_error *err)
{
    struct clowder *c;
    struct clowder_error why;
    int status = clowder_open(&c, &(struct clowder_options){.no_start = true}, &why);
    if (status == CLOWDER_OK) {
        json_t *reply, *request = request_new("remove");
        request_set_text(request, "profile", name);
        status = request_send(c, request, REMOVE_MS, &reply, &why);
        json_decref(reply);
        clowder_close(c);
    }
    if (status && status != CLOWDER_UNREACHABLE)
        return clw_fail(err, CLW_REFUSED, why.hint, "%s", why.message);
    return store_profile_remove(s, name, err);
}

/* The first profile of an engine's status that has the host in use, or NULL. */
static const char *user_of(const json_t *doc, const char *host)
{
    const json_t *p, *h;
    size_t i, k;
    json_array_foreach (json_object_get(doc, "profiles"), i, p)
        json_array_foreach (json_object_get(p, "hosts"), k, h)
            if (strcmp(json_text(h, "host"), host) == 0)
                return json_text(p, "name");
    return NULL;
}

enum clw_err inventory_host_may_rename(const char *name, struct clw_error *err)
{
    struct clowder *c;
    struct clowder_error why;
    char *document = NULL, hint[200];
    if (!inventory_engine_runs())
        return CLW_OK;
    int status = clowder_open(&c, &(struct clowder_options){.no_start = true}, &why);
    if (status == CLOWDER_OK) {
        status = clowder_status(c, NULL, &document, &why);
        clowder_close(c);
    }
    if (status)
        return status == CLOWDER_UNREACHABLE && !inventory_engine_runs()
                   ? CLW_OK
                   : clw_fail(err, CLW_REFUSED, why.hint, "%s", why.message);
    json_t *doc = json_loads(document, 0, NULL);
    const char *profile = user_of(doc, name);
    enum clw_err code = CLW_OK;
    if (profile) {
        snprintf(hint, sizeof hint, "take it down there first: clowder down %s --on %s", profile, name);
        code = clw_fail(
            err, CLW_REFUSED, hint, "host '%s' is in use, in profile '%s', and cannot be renamed now", name, profile);
    }
    json_decref(doc);
    free(document);
    return code;
}

/* ---- names, and tags for names ---- */

static void add_name(struct inventory_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0)
            return;
    names->items = mem_realloc(names->items, (names->count + 1) * sizeof *names->items);
    names->items[names->count++] = mem_strdup(name);
}

static bool has_tag(const struct store_host *h, const char *tag)
{
    for (size_t i = 0; i < h->tags.count; i++)
        if (strcmp(h->tags.items[i], tag) == 0)
            return true;
    return false;
}

static int add_tagged(
    const struct opts *o, const struct store_host_list *list, const char *tag, struct inventory_names *names)
{
    bool found = false;
    for (size_t i = 0; i < list->count; i++) {
        if (!has_tag(&list->items[i], tag))
            continue;
        add_name(names, list->items[i].name);
        found = true;
    }
    return found ? 0 : say(4, "%s: no host has the tag '%s'; see clowder host list", o->command, tag);
}

static int add_word(const struct opts *o, struct store *s, const struct store_host_list *list, const char *word,
    struct inventory_names *names)
{
    struct store_host h;
    if (strncmp(word, "tag:", 4) == 0)
        return add_tagged(o, list, word + 4, names);
    int status = inventory_host(s, word, &h);
    if (status)
        return status;
    store_host_fini(&h);
    add_name(names, word);
    return 0;
}

int inventory_names(const struct opts *o, bool all, struct inventory_names *names)
{
    struct store *s;
    struct store_host_list list;
    struct clw_error err;
    *names = (struct inventory_names){0};
    int status = inventory_open(&s);
    if (status)
        return status;
    if (store_host_list(s, &list, &err))
        status = say_failure(&err);
    for (size_t i = 0; i < list.count && all; i++)
        if (list.items[i].launcher == STORE_LAUNCHER_SSH)
            add_name(names, list.items[i].name);
    for (size_t i = 0; i < o->word_count && status == 0; i++)
        status = add_word(o, s, &list, o->words[i], names);
    store_host_list_fini(&list);
    store_close(s);
    return status;
}

void inventory_names_fini(struct inventory_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct inventory_names){0};
}

/* ---- --on HOST:N ---- */

/* *host is NULL unless all is well. */
static int read_place(const struct opts *o, const char *text, bool per_gpu, char **host, unsigned *n)
{
    struct clw_error err;
    int64_t value = 0;
    bool is_tag = strncmp(text, "tag:", 4) == 0;
    const char *colon = strchr(is_tag ? text + 4 : text, ':');
    *host = NULL;
    if (!colon && !per_gpu)
        return say(2, "%s: --on %s does not say how many daemons: --on HOST:N", o->command, text);
    if (colon && text_parse_int(colon + 1, 0, STORE_DAEMONS_MAX, &value, &err))
        return say(2, "%s: --on %s: %s", o->command, text, err.message);
    *n = (unsigned)value;
    char *name = colon ? mem_printf("%.*s", (int)(colon - text), text) : mem_strdup(text);
    if (store_check_name(is_tag ? "tag" : "host", is_tag ? name + 4 : name, &err)) {
        free(name);
        return say_failure(&err);
    }
    *host = name;
    return 0;
}

static int add_place(const struct opts *o, struct inventory_places *places, const char *host, unsigned n)
{
    for (size_t i = 0; i < places->count; i++)
        if (strcmp(places->items[i].host, host) == 0)
            return say(2, "%s: --on names '%s' twice", o->command, host);
    if (strcmp(host, "local") == 0) {
        places->has_local = true;
        places->local = n;
        return 0;
    }
    places->items = mem_realloc(places->items, (places->count + 1) * sizeof *places->items);
    places->items[places->count++] = (struct clowder_place){mem_strdup(host), n};
    return 0;
}

static int add_places(const struct opts *o, struct inventory_places *places, char *host, unsigned n)
{
    struct inventory_names names;
    struct opts one = {.command = o->command, .words = &host, .word_count = 1};
    if (strncmp(host, "tag:", 4) != 0)
        return add_place(o, places, host, n);
    int status = inventory_names(&one, false, &names);
    for (size_t i = 0; i < names.count && status == 0; i++)
        status = add_place(o, places, names.items[i], n);
    inventory_names_fini(&names);
    return status;
}

int inventory_places(const struct opts *o, bool per_gpu, struct inventory_places *places)
{
    const char **list = opts_all(o, "on");
    int status = 0;
    *places = (struct inventory_places){0};
    for (const char **at = list; at && *at && status == 0; at++) {
        char *host;
        unsigned n;
        status = read_place(o, *at, per_gpu, &host, &n);
        if (!host)
            break;
        status = add_places(o, places, host, n);
        free(host);
    }
    free((void *)(uintptr_t)list);
    return status;
}

void inventory_places_fini(struct inventory_places *places)
{
    for (size_t i = 0; i < places->count; i++)
        free((void *)(uintptr_t)places->items[i].host);
    free(places->items);
    *places = (struct inventory_places){0};
}
