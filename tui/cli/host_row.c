/* Rows of hosts: the store and the engine put together. */
#include "tui/cli/host_row.h"

#include "tui/cli/inventory.h"
#include "tui/screen/host_columns.h"

#include <stdlib.h>
#include <string.h>

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
        row->reason = json_text(row->link, "reason");
        row->state = host_state_linked(json_text(row->link, "state"), row->reason);
        row->hint = json_text(row->link, "hint");
    } else {
        row->state = host_state_remembered(h->state);
        row->reason = row->state == h->state ? h->reason : "";
    }
}

void host_row_fini(struct host_row *row)
{
    json_decref(row->facts);
    json_decref(row->link);
    store_host_fini(&row->host);
    *row = (struct host_row){0};
}

/* Where it is reached, without user and port. */
static const char *address_of(const struct store_host *h)
{
    bool is_here = store_launcher_is_scheduler(h->launcher) && !store_host_has_ssh(h);
    return is_here ? "local" : *h->address ? h->address : h->name;
}

const char *host_row_target(const struct host_row *row, char *out)
{
    const struct store_host *h = &row->host;
    struct store_target target = {.port = h->port};
    memcpy(target.user, h->user, sizeof target.user);
    snprintf(target.address, sizeof target.address, "%s", address_of(h));
    return store_target_text(&target, out);
}

json_t *host_row_json(const struct store_host *h, const char *state, const char *reason, json_t *facts)
{
    json_t *tags = json_array();
    for (size_t i = 0; i < h->tags.count; i++)
        json_array_append_new(tags, json_string(h->tags.items[i]));
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "name", h->name, "address", address_of(h), "state", state,
        "reason", reason, "tags", tags, "facts", facts ? facts : json_object());
}
