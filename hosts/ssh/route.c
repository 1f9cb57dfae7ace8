/* From an address to the chain of hosts to log in to: the configuration, and the jumps. No network. */
#include "hosts/ssh/session_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct route {
    struct ssh_config *config;
    struct ssh_host hosts[PUMP_HOPS];
    size_t count;
    struct clw_error *err;
};

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
        code = ssh_config_lookup(r->config, name, user, port, &host, r->err);
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

static void prefer_identity(struct ssh_host *host, const char *path)
{
    struct ssh_words all = {0};
    ssh_words_add(&all, path);
    if (host->has_identity)
        for (size_t i = 0; i < host->identity.count; i++)
            ssh_words_add(&all, host->identity.items[i]);
    ssh_words_fini(&host->identity);
    host->identity = all;
    host->has_identity = true;
}

static enum clw_err build(struct host_session *l, struct route *r)
{
    struct ssh_host last;
    const char *address = *l->o.address ? l->o.address : l->o.name;
    enum clw_err code = ssh_config_load(l->o.config_path, &r->config, r->err);
    if (code)
        return code;
    code = ssh_config_lookup(r->config, address, l->o.user, l->o.port, &last, r->err);
    if (code)
        return code;
    if (*l->o.identity)
        prefer_identity(&last, l->o.identity);
    const char *jump = *l->o.jump ? l->o.jump : last.proxy_jump;
    if (*jump && strcasecmp(jump, "none") != 0) {
        code = add_jumps(r, jump, 1);
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
    return code;
}

static void log_notes(struct host_session *l, const struct ssh_host *host)
{
    for (const char *p = host->notes; *p;) {
        size_t len = strcspn(p, "\n");
        link__log(l, LOG_INFO, "ssh_config=\"%.*s\"", (int)len, p);
        p += len + (p[len] == '\n');
    }
}

enum clw_err link__route(struct host_session *l, struct clw_error *err)
{
    struct route r = {.err = err};
    enum clw_err code = build(l, &r);
    for (size_t i = 0; i < r.count; i++) {
        if (code) {
            ssh_host_fini(&r.hosts[i]);
            continue;
        }
        struct hop *h = pump_add_hop(&l->pump);
        h->host = r.hosts[i];
        snprintf(h->label, sizeof h->label, "%s@%s:%u", h->host.user, h->host.hostname, h->host.port);
        log_notes(l, &h->host);
    }
    ssh_config_free(r.config);
    return code;
}
