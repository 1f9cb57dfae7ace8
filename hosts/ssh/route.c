/* From an address to the chain of hosts to log in to: what ssh says of each, and the jumps. */
#include "hosts/ssh/session_private.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct route {
    struct host_session *link;
    struct ssh_host hosts[PUMP_HOPS];
    size_t count;
    struct clw_error *err;
};

static void nothing(struct source *source, short events)
{
    (void)source;
    (void)events;
}

/* Asks ssh, in rounds of the pump. */
static enum clw_err look_up(struct route *r, const struct ssh_query *query, struct ssh_host *out)
{
    struct source source = {.ready = nothing};
    struct pump *p = &r->link->pump;
    struct ssh_lookup *lookup;
    enum clw_err code = ssh_lookup_begin(query, &lookup, r->err), wait = CLW_OK;
    if (code)
        return code;
    int fd = ssh_lookup_fd(lookup);
    if (fd >= 0)
        pump_arm(p, fd, &source, POLLIN);
    while (!wait && !ssh_lookup_step(lookup))
        wait = link__wait(r->link);
    if (fd >= 0)
        pump_arm(p, fd, &source, 0);
    code = ssh_lookup_end(lookup, out, r->err);
    if (wait != CLW_CANCELLED)
        return code;
    if (!code)
        ssh_host_fini(out);
    return link__explain(r->link, wait, "asking ssh", r->err);
}

static bool same_place(const struct ssh_host *a, const struct ssh_host *b)
{
    return a->port == b->port && strcasecmp(a->hostname, b->hostname) == 0;
}

static enum clw_err add_jump(struct route *r, const char *text, bool first, unsigned depth);

/* "a,b,c" in order. Only the first of a list may have a jump of its own: the others are reached through it.
 */
static enum clw_err add_jumps(struct route *r, const char *list, unsigned depth)
{
    char *copy = mem_strdup(list), *save = NULL;
    bool first = true;
    enum clw_err code = CLW_OK;
    for (char *one = strtok_r(copy, ",", &save); one && !code; one = strtok_r(NULL, ",", &save)) {
        code = add_jump(r, one, first, depth);
        first = false;
    }
    free(copy);
    return code;
}

/* A jump host whose own configuration says to jump through itself (from `Host *`) is reached directly. */
static bool jumps_itself(const struct ssh_host *host)
{
    char *user = NULL, *name = NULL;
    unsigned port = 0;
    bool itself = strchr(host->proxy_jump, ',') == NULL &&
                  ssh_target_parse(host->proxy_jump, &user, &name, &port, NULL) == CLW_OK &&
                  (strcasecmp(name, host->alias) == 0 || strcasecmp(name, host->hostname) == 0);
    free(user);
    free(name);
    return itself;
}

static enum clw_err add_jump(struct route *r, const char *text, bool first, unsigned depth)
{
    char *user = NULL, *name = NULL;
    unsigned port = 0;
    struct ssh_host host = {0};
    enum clw_err code;
    if (depth > PUMP_HOPS)
        return clw_fail(r->err, CLW_USAGE, "check ProxyJump in the ssh configuration",
            "the jump hosts form a loop at %.100s", text);
    code = ssh_target_parse(text, &user, &name, &port, r->err);
    if (!code)
        code = look_up(
            r, &(struct ssh_query){.config = r->link->o.config_path, .alias = name, .user = user, .port = port}, &host);
    if (!code && first && *host.proxy_jump && !jumps_itself(&host))
        code = add_jumps(r, host.proxy_jump, depth + 1);
    if (!code && r->count == PUMP_HOPS)
        code = clw_fail(r->err, CLW_USAGE, NULL, "more than %d jump hosts", PUMP_HOPS - 1);
    free(user);
    free(name);
    if (code)
        ssh_host_fini(&host);
    else
        r->hosts[r->count++] = host;
    return code;
}

static enum clw_err build(struct host_session *l, struct route *r)
{
    struct ssh_host last;
    const struct ssh_query query = {.config = l->o.config_path,
        .alias = *l->o.address ? l->o.address : l->o.name,
        .user = l->o.user,
        .port = l->o.port,
        .identity = l->o.identity,
        .jump = l->o.jump};
    enum clw_err code = look_up(r, &query, &last);
    if (code)
        return code;
    if (*last.proxy_jump) {
        code = add_jumps(r, last.proxy_jump, 1);
        last.proxy_command[0] = '\0';
        for (size_t i = 0; i < r->count && !code; i++)
            if (same_place(&r->hosts[i], &last))
                code = clw_fail(r->err, CLW_USAGE, "write `ProxyJump none` for the jump host, or --jump none",
                    "%s is its own jump host", last.hostname);
    }
    if (!code && r->count == PUMP_HOPS)
        code = clw_fail(r->err, CLW_USAGE, NULL, "more than %d jump hosts", PUMP_HOPS - 1);
    if (code)
        ssh_host_fini(&last);
    else
        r->hosts[r->count++] = last;
    if (!code && l->o.connect_timeout_s)
        r->hosts[r->count - 1].connect_timeout_s = l->o.connect_timeout_s;
    return code;
}

enum clw_err link__route(struct host_session *l, struct clw_error *err)
{
    struct route r = {.link = l, .err = err};
    enum clw_err code = build(l, &r);
    for (size_t i = 0; i < r.count; i++) {
        if (code) {
            ssh_host_fini(&r.hosts[i]);
            continue;
        }
        struct hop *h = pump_add_hop(&l->pump);
        h->host = r.hosts[i];
        snprintf(h->label, sizeof h->label, "%s@%s:%u", h->host.user, h->host.hostname, h->host.port);
    }
    return code;
}
