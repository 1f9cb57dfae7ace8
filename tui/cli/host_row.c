/* Rows of hosts: the store and the engine put together. */
#include "tui/cli/host_row.h"

#include "base/mem.h"
#include "tui/cli/inventory.h"

#include <stdlib.h>
#include <string.h>

/* What the store may remember of a link that is no more: its engine is gone, or does not use it now. */
static const char *const passing[] = {
    "resolve", "connect", "hostkey", "auth", "probe", "upload", "tunnel", "launch", "up", NULL};

static bool is_passing(const char *state)
{
    for (const char *const *word = passing; *word; word++)
        if (strcmp(*word, state) == 0)
            return true;
    return false;
}

char host_state_sign(const char *state)
{
    if (strcmp(state, "up") == 0)
        return '+';
    if (strcmp(state, "refused") == 0 || strcmp(state, "needs-secret") == 0 || strcmp(state, "quarantined") == 0)
        return '!';
    if (strcmp(state, "paused") == 0)
        return '=';
    return is_passing(state) || strcmp(state, "backoff") == 0 ? '~' : '-';
}

static json_t *find_link(const json_t *links, const char *name)
{
    json_t *link;
    size_t i;
    json_array_foreach (json_object_get(links, "hosts"), i, link)
        if (strcmp(json_text(link, "host"), name) == 0)
            return json_incref(link);
    return NULL;
}

void host_row_fill(struct host_row *row, const json_t *links)
{
    const struct store_host *h = &row->host;
    row->facts = h->facts ? json_loads(h->facts, 0, NULL) : NULL;
    if (!json_is_object(row->facts)) {
        json_decref(row->facts);
        row->facts = json_object();
    }
    row->link = find_link(links, h->name);
    row->hint = "";
    if (row->link) {
        row->state = json_text(row->link, "state");
        row->reason = json_text(row->link, "reason");
        row->hint = json_text(row->link, "hint");
    } else if (is_passing(h->state)) {
        row->state = "idle";
        row->reason = "";
    } else {
        row->state = *h->state ? h->state : "unknown";
        row->reason = h->reason;
    }
}

void host_row_fini(struct host_row *row)
{
    json_decref(row->facts);
    json_decref(row->link);
    store_host_fini(&row->host);
    *row = (struct host_row){0};
}

int host_rows_load(struct store *s, struct host_rows *rows)
{
    struct clw_error err;
    struct store_host_list list;
    *rows = (struct host_rows){0};
    if (store_host_list(s, &list, &err))
        return say_failure(&err);
    json_t *links = list.count ? inventory_links(NULL) : NULL;
    rows->items = mem_zalloc((list.count + 1) * sizeof *rows->items);
    rows->count = list.count;
    for (size_t i = 0; i < list.count; i++) {
        rows->items[i].host = list.items[i]; /* and what it owns */
        host_row_fill(&rows->items[i], links);
    }
    free(list.items);
    json_decref(links);
    return 0;
}

void host_rows_fini(struct host_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        host_row_fini(&rows->items[i]);
    free(rows->items);
    *rows = (struct host_rows){0};
}

const char *host_row_target(const struct host_row *row, char *out)
{
    const struct store_host *h = &row->host;
    struct store_target target = {.port = h->port};
    memcpy(target.user, h->user, sizeof target.user);
    snprintf(target.address, sizeof target.address, "%s", *h->address ? h->address : h->name);
    return store_target_text(&target, out);
}

uint64_t host_row_rtt_us(const struct host_row *row)
{
    json_int_t live = json_number(row->link, "rtt_us"), probed = json_number(row->facts, "rtt_us");
    return (uint64_t)(live > 0 ? live : probed > 0 ? probed : 0);
}

json_t *host_row_json(const struct host_row *row)
{
    const struct store_host *h = &row->host;
    json_t *tags = json_array();
    for (size_t i = 0; i < h->tags.count; i++)
        json_array_append_new(tags, json_string(h->tags.items[i]));
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:O}", "name", h->name, "address", *h->address ? h->address : h->name,
        "state", row->state, "reason", row->reason, "tags", tags, "facts", row->facts);
}
