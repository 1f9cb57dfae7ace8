/* host import: what an ssh configuration names becomes part of the inventory. Read by the engine, chosen here. */
#include "tui/cli/inventory.h"

#include "base/mem.h"
#include "tui/cli/command.h"
#include "tui/cli/request.h"

#include <stdlib.h>
#include <string.h>

enum { IMPORT_MS = 60000 }; /* ssh is asked for each name */

struct import {
    struct store *s;
    struct store_host *hosts; /* to add */
    size_t count;
    json_t *skipped; /* [{name, why}] */
    bool own;        /* the configuration that ssh itself reads */
};

/* The user's own configuration stays the only place for what it says: the name is enough there. Another file is not
 * read again, so what it says is kept. */
static enum clw_err fill(const struct import *m, const json_t *from, struct store_host *h, struct clw_error *err)
{
    const char *name = json_text(from, "name");
    json_int_t port = json_number(from, "port");
    enum clw_err code = store_check_name("host", name, err);
    if (code)
        return code;
    snprintf(h->name, sizeof h->name, "%s", name);
    if (m->own)
        return CLW_OK;
    if (strlen(json_text(from, "address")) >= sizeof h->address || strlen(json_text(from, "user")) >= sizeof h->user)
        return clw_fail(err, CLW_USAGE, NULL, "its address or user is too long");
    snprintf(h->address, sizeof h->address, "%s", json_text(from, "address"));
    snprintf(h->user, sizeof h->user, "%s", json_text(from, "user"));
    h->port = (uint16_t)(port > 0 && port <= 65535 && port != 22 ? port : 0);
    h->jump = mem_strdup(json_text(from, "jump"));
    h->identity = mem_strdup(json_text(from, "identity"));
    return store_host_check(h, err);
}

static void skip(struct import *m, const char *name, const char *why)
{
    json_array_append_new(m->skipped, json_pack("{s:s, s:s}", "name", name, "why", why));
}

static void consider(struct import *m, const json_t *from)
{
    struct store_host h, there;
    struct clw_error err;
    const char *name = json_text(from, "name");
    store_host_init(&h);
    if (fill(m, from, &h, &err)) {
        skip(m, name, err.message);
        store_host_fini(&h);
        return;
    }
    if (store_host_get(m->s, h.name, &there, &err) == CLW_OK) {
        skip(m, name, "it is already in the inventory");
        store_host_fini(&there);
        store_host_fini(&h);
        return;
    }
    m->hosts = mem_realloc(m->hosts, (m->count + 1) * sizeof *m->hosts);
    m->hosts[m->count++] = h;
}

/* Asks the engine for what the file names. */
static int read_config(struct import *m, const char *path, bool json)
{
    struct clowder *c = open_client(false);
    json_t *request = request_new("ssh_config"), *reply, *item;
    size_t i;
    if (!c) {
        json_decref(request);
        return 1;
    }
    if (path)
        request_set_text(request, "path", path);
    int status = request_told(c, request, IMPORT_MS, &reply);
    clowder_close(c);
    json_array_foreach (json_object_get(reply, "hosts"), i, item)
        consider(m, item);
    const json_t *notes = json_object_get(reply, "notes");
    if (!json && json_is_string(notes) && *json_string_value(notes))
        say(0, "%s", json_string_value(notes));
    json_array_foreach (json_is_array(notes) ? notes : NULL, i, item)
        if (!json && json_is_string(item))
            say(0, "%s", json_string_value(item));
    json_decref(reply);
    return status;
}

static void print_plan(const struct import *m, const json_t *skipped)
{
    const json_t *item;
    size_t i;
    for (i = 0; i < m->count; i++)
        printf("%-20s %s%s%s\n", m->hosts[i].name, m->hosts[i].user, *m->hosts[i].user ? "@" : "",
            *m->hosts[i].address ? m->hosts[i].address : "as ssh knows it");
    json_array_foreach (skipped, i, item)
        say(0, "skipped '%s': %s", json_text(item, "name"), json_text(item, "why"));
}

static int add_all(struct import *m)
{
    struct clw_error err;
    enum clw_err code = store_begin(m->s, &err);
    if (code)
        return say_failure(&err);
    for (size_t i = 0; i < m->count && !code; i++)
        code = store_host_add(m->s, &m->hosts[i], &err);
    if (code)
        store_rollback(m->s);
    else
        code = store_commit(m->s, &err);
    return code ? say_failure(&err) : 0;
}

static int import(struct import *m, const struct opts *o, bool json)
{
    if (!json)
        print_plan(m, m->skipped);
    int status = m->count ? ask_yes(opts_has(o, "yes"), "add %zu host%s", m->count, m->count == 1 ? "" : "s") : 0;
    if (status == 0)
        status = add_all(m);
    if (status == 0 && json) {
        json_t *added = json_array();
        for (size_t i = 0; i < m->count; i++)
            json_array_append_new(added, json_string(m->hosts[i].name));
        json_print(json_pack("{s:o, s:O}", "added", added, "skipped", m->skipped));
    } else if (status == 0) {
        say(0, m->count ? "%zu host%s added; next: clowder host probe --all" : "nothing to add", m->count,
            m->count == 1 ? "" : "s");
    }
    return status;
}

int cmd_host_import(const struct opts *o, bool json)
{
    struct import m = {.own = o->word_count == 0};
    if (o->word_count > 1)
        return say(2, "host import: one file at a time, not also '%s'", o->words[1]);
    char *path = o->word_count ? realpath(o->words[0], NULL) : NULL;
    if (o->word_count && !path)
        return say(4, "host import: cannot read %s: %m", o->words[0]);
    int status = inventory_open(&m.s);
    if (status == 0) {
        m.skipped = json_array();
        status = read_config(&m, path, json);
        if (status == 0)
            status = import(&m, o, json);
        for (size_t i = 0; i < m.count; i++)
            store_host_fini(&m.hosts[i]);
        free(m.hosts);
        json_decref(m.skipped);
        store_close(m.s);
    }
    free(path);
    return status;
}
