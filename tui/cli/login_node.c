/* A scheduler's host without an address is this machine's scheduler. But who has a login node in ~/.ssh/config, or in
 * the inventory, names it as for ssh, and would otherwise submit here without knowing. It is decided when the host is
 * added and written down as its address, so that a later line in ~/.ssh/config moves nothing. */
#include "tui/cli/login_node.h"

#include "base/mem.h"
#include "hosts/ssh/ssh_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool ssh_knows(const char *name)
{
    struct ssh_words names = {0};
    bool knows = false;
    if (ssh_config_names(NULL, &names, NULL) != CLW_OK)
        return false;
    for (size_t i = 0; i < names.count; i++)
        knows |= strcmp(names.items[i], name) == 0;
    ssh_words_fini(&names);
    return knows;
}

static void copy_text(char **to, const char *from)
{
    if ((*to && **to) || !from)
        return;
    free(*to);
    *to = mem_strdup(from);
}

/* As that host is reached; what was said of h itself stays. */
static void copy_way(struct store_host *h, const struct store_host *from)
{
    snprintf(h->address, sizeof h->address, "%s", *from->address ? from->address : from->name);
    memcpy(h->user, from->user, sizeof h->user);
    h->port = from->port;
    copy_text(&h->jump, from->jump);
    copy_text(&h->identity, from->identity);
}

void login_node(struct store *s, struct store_host *h)
{
    struct store_host other;
    if (!store_launcher_is_scheduler(h->launcher) || strcmp(h->address, "local") == 0)
        return;
    if (!*h->address && ssh_knows(h->name)) {
        snprintf(h->address, sizeof h->address, "%s", h->name);
    } else if (*h->address && !*h->user && !h->port && strcmp(h->address, h->name) != 0 &&
               store_host_get(s, h->address, &other, NULL) == CLW_OK) {
        if (store_host_has_ssh(&other))
            copy_way(h, &other);
        store_host_fini(&other);
    }
}
