/* host scan: machines that could be added to the inventory, from what this machine knows anyway. None is contacted. */
#include "base/mem.h"
#include "base/text.h"
#include "hosts/scan.h"
#include "hosts/ssh/ssh_config.h"
#include "tui/cli/command.h"
#include "tui/cli/inventory.h"
#include "tui/cli/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { TEXT_MAX = 4 << 20 };

/* ---- sources ---- */

static void read_stream(FILE *f, struct buf *out)
{
    size_t n;
    while (out->len < TEXT_MAX && (n = fread(buf_reserve(out, 65536), 1, 65536, f)) > 0)
        out->len += n;
}

static void read_file(const char *path, void (*take)(struct scan *s, const char *text), struct scan *s)
{
    struct buf text = {0};
    FILE *f = fopen(path, "re");
    if (f) {
        read_stream(f, &text);
        fclose(f);
        take(s, buf_text(&text));
    }
    buf_fini(&text);
}

/* False: nobody can be asked for what is announced. */
static bool read_announced(struct scan *s)
{
    struct buf text = {0};
    static const char command[] = "timeout 10 avahi-browse -rpt _ssh._tcp 2>/dev/null";
    FILE *f = popen(command, "re"); // NOLINT(cert-env33-c): no word of it is from outside
    int status = -1;
    if (f) {
        read_stream(f, &text);
        status = pclose(f);
        scan_announced(s, buf_text(&text));
    }
    buf_fini(&text);
    return status == 0;
}

/* The files that ssh itself reads. */
static void read_known(struct scan *s)
{
    struct ssh_host h;
    if (ssh_config_lookup(&(struct ssh_query){.alias = "localhost"}, -1, &h, NULL))
        return;
    for (size_t i = 0; i < h.user_known_hosts.count; i++)
        read_file(h.user_known_hosts.items[i], scan_known, s);
    for (size_t i = 0; i < h.global_known_hosts.count; i++)
        read_file(h.global_known_hosts.items[i], scan_known, s);
    ssh_host_fini(&h);
}

/* ---- what is shown ---- */

static const char *reached_at(const struct store_host *h)
{
    return *h->address ? h->address : h->name;
}

/* The host of the inventory that this is, or "". */
static const char *in_inventory(const struct store_host_list *list, const struct scan_machine *m)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *at = reached_at(&list->items[i]);
        if (strcasecmp(at, m->name) == 0 || strcasecmp(at, m->hostname) == 0 || strcmp(at, m->address) == 0)
            return list->items[i].name;
    }
    return "";
}

static bool is_shown(const struct scan_machine *m, bool all)
{
    return all || m->is_announced || m->is_known;
}

static void seen_by(const struct scan_machine *m, char *out, size_t size)
{
    snprintf(out, size, "%s%s%s", m->is_announced ? "announced, " : "", m->is_known ? "known_hosts, " : "",
        m->is_near ? "neighbour, " : "");
    out[strlen(out) - 2] = '\0'; /* it is from somewhere */
}

static void where(const struct scan_machine *m, char *out, size_t size)
{
    const char *address = *m->address ? m->address : m->hostname;
    bool bare = m->port == 22, wraps = !bare && strchr(address, ':');
    snprintf(out, size, "%s%s%s", wraps ? "[" : "", address, wraps ? "]" : "");
    if (!bare)
        snprintf(out + strlen(out), size - strlen(out), ":%u", m->port);
}

static int print_table(const struct scan *s, const struct store_host_list *list, bool all, bool asked)
{
    size_t shown = 0;
    char seen[64], at[330];
    for (size_t i = 0; i < s->count; i++) {
        const struct scan_machine *m = &s->items[i];
        if (!is_shown(m, all))
            continue;
        if (!shown++)
            printf("%-24s %-30s %-34s %s\n", "NAME", "ADDRESS", "SEEN", "INVENTORY");
        seen_by(m, seen, sizeof seen);
        where(m, at, sizeof at);
        printf("%-24s %-30s %-34s %s\n", m->name, at, seen, *in_inventory(list, m) ? in_inventory(list, m) : "-");
    }
    if (!asked)
        say(0, "what machines announce is not known: avahi-browse is missing (package avahi-utils), or no avahi-daemon "
               "runs");
    if (s->hashed)
        say(0, "hashed names in %u line%s of known_hosts are left out: nobody can read them", s->hashed,
            text_plural(s->hashed));
    say(0,
        shown ? "to add one: clowder host scan --add NAME" : "no machine is seen; clowder host add adds one by name");
    return 0;
}

static int print_json(const struct scan *s, const struct store_host_list *list, bool all, bool asked)
{
    json_t *machines = json_array();
    for (size_t i = 0; i < s->count; i++) {
        const struct scan_machine *m = &s->items[i];
        const char *host = in_inventory(list, m);
        if (is_shown(m, all))
            json_array_append_new(
                machines, json_pack("{s:s, s:s, s:s, s:i, s:s, s:b, s:b, s:b, s:o}", "name", m->name, "hostname",
                              m->hostname, "address", m->address, "port", (int)m->port, "mac", m->mac, "announced",
                              (int)m->is_announced, "known", (int)m->is_known, "neighbour", (int)m->is_near, "host",
                              *host ? json_string(host) : json_null()));
    }
    json_print(json_pack("{s:o, s:b, s:i}", "machines", machines, "asked", (int)asked, "hashed", (int)s->hashed));
    return 0;
}

/* ---- adding ---- */

static const struct scan_machine *find(const struct scan *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->items[i].name, name) == 0)
            return &s->items[i];
    return NULL;
}

/* What ssh knows by name is reached by that name: its configuration may say more. An address of one link means nothing
 * without that link. */
static void to_host(const struct scan_machine *m, struct store_host *h)
{
    bool by_name = *m->hostname && (m->is_known || !*m->address || strncasecmp(m->address, "fe80:", 5) == 0);
    const char *address = by_name ? m->hostname : m->address;
    store_host_init(h);
    snprintf(h->name, sizeof h->name, "%s", m->name);
    if (strcmp(address, m->name) != 0)
        snprintf(h->address, sizeof h->address, "%s", address);
    snprintf(h->mac, sizeof h->mac, "%s", m->mac);
    h->port = m->port == 22 ? 0 : m->port;
}

static enum clw_err add_one(struct store *store, const struct scan *s, const char *name, struct clw_error *err)
{
    struct store_host h;
    const struct scan_machine *m = find(s, name);
    if (!m)
        return clw_fail(err, CLW_NOT_FOUND, "clowder host scan --all shows those that there are",
            "no machine that is seen is called '%s'", name);
    to_host(m, &h);
    enum clw_err code = store_host_add(store, &h, err);
    store_host_fini(&h);
    return code;
}

/* All of them, or none. */
static int add_all(struct store *store, const struct scan *s, const char *const *names, bool json)
{
    struct clw_error err;
    json_t *added = json_array();
    enum clw_err code = store_begin(store, &err);
    for (; *names && !code; names++) {
        code = add_one(store, s, *names, &err);
        json_array_append_new(added, json_string(*names));
    }
    if (code)
        store_rollback(store);
    else
        code = store_commit(store, &err);
    if (!code && json)
        json_print(json_pack("{s:O}", "added", added));
    else if (!code)
        printf("%zu host%s added; next: clowder host trust --all\n", json_array_size(added),
            text_plural(json_array_size(added)));
    json_decref(added);
    return code ? say_failure(&err) : 0;
}

int cmd_host_scan(const struct opts *o, bool json)
{
    struct scan s = {0};
    struct store *store;
    struct store_host_list list;
    struct clw_error err;
    if (o->word_count)
        return say(
            2, "host scan: it takes no name; add '%s' with: clowder host scan --add %s", o->words[0], o->words[0]);
    int status = inventory_open(&store);
    if (status)
        return status;
    if (store_host_list(store, &list, &err)) {
        store_close(store);
        return say_failure(&err);
    }
    bool asked = read_announced(&s);
    read_known(&s);
    read_file("/proc/net/arp", scan_neighbours, &s);
    scan_sort(&s);
    const char **names = opts_all(o, "add");
    if (names)
        status = add_all(store, &s, names, json);
    else
        status = (json ? print_json : print_table)(&s, &list, opts_has(o, "all"), asked);
    free(names);
    scan_fini(&s);
    store_host_list_fini(&list);
    store_close(store);
    return status;
}
