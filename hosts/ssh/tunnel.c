/* The step tunnel: places on the host that lead to targets here. The supervisor there (hosts/remote/mux.h) holds them,
 * never sshd, which would give a port back to whoever wants it as soon as its session ends.
 */
#include "hosts/ssh/session_private.h"

#include "base/dial.h"
#include "base/mono.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char home[] = "home";

bool link__is_target(const char *target)
{
    return strcmp(target, home) == 0 || (dial_is_target(target) && strlen(target) < LINK_TARGET_SIZE);
}

int link__dial(struct host_session *l, const struct forward *f, bool *pending)
{
    int fds[2];
    if (strcmp(f->target, home) != 0)
        return dial_target(f->target, pending);
    *pending = false;
    if (!l->o.cb.connection || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds))
        return -1;
    l->o.cb.connection(l->o.cb.arg, fds[1]);
    return fds[0];
}

static void on_connections(void *arg, unsigned n)
{
    const struct forward *f = arg;
    link__connections(f->link, f->owner, n);
}

static struct forward *forward_new(
    struct host_session *l, enum forward_kind kind, const char *target, struct clw_error *err)
{
    if (!link__is_target(target)) {
        clw_fail(err, CLW_USAGE, "write unix:/path or tcp:127.0.0.1:port",
            "'%.100s' is not an address that a tunnel can lead to", target);
        return NULL;
    }
    if (l->forward_count == LINK_FORWARDS) {
        clw_fail(err, CLW_TOO_LARGE, NULL, "more than %d tunnels on one host", LINK_FORWARDS);
        return NULL;
    }
    struct forward *f = mem_zalloc(sizeof *f);
    f->kind = kind;
    f->link = l;
    f->listener = ++l->listeners;
    snprintf(f->target, sizeof f->target, "%s", target);
    f->next = l->forwards;
    l->forwards = f;
    l->forward_count++;
    return f;
}

/* Off the list, and freed. */
static void forward_free(struct host_session *l, struct forward *f)
{
    struct forward **at = &l->forwards;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    l->forward_count--;
    if (f->meter)
        meter_watch(f->meter, NULL, NULL);
    meter_rele(f->meter);
    free(f);
}

static struct forward *find(const struct host_session *l, enum forward_kind kind, const char *target)
{
    struct forward *f = l->forwards;
    while (f && (f->kind != kind || strcmp(f->target, target) != 0))
        f = f->next;
    return f;
}

const struct forward *link__forward_of(const struct host_session *l, const char *target)
{
    return find(l, FORWARD_SHARED, target);
}

bool link__is_socket(const struct forward *f)
{
    return f->kind == FORWARD_SHARED || (f->kind == FORWARD_OWN && strncmp(f->target, "unix:", 5) == 0);
}

/* Where it is, or was, on the host; else where it may be. */
static const char *wish(const struct forward *f)
{
    static const char *const any[] = {
        [FORWARD_SHARED] = "", [FORWARD_OWN] = "tcp", [FORWARD_LED] = "tcp", [FORWARD_OPEN] = "any"};
    return *f->path ? f->path : link__is_socket(f) ? "" : any[f->kind];
}

/* Makes it, and says so. On failure it has no url. */
static enum clw_err open_forward(struct host_session *l, struct forward *f, struct clw_error *err)
{
    enum clw_err code = link__mux_listen(l, f, wish(f), err);
    if (code == CLW_REFUSED && f->kind == FORWARD_OPEN && *f->path) /* somebody has the port of before */
        code = link__mux_listen(l, f, "any", err);
    if (!code)
        link__log(l, LOG_INFO, "step=tunnel url=%s target=%s", f->url, f->target);
    return code;
}

/* The one of that kind, made when there is none. */
static enum clw_err get(
    struct host_session *l, enum forward_kind kind, const char *target, struct forward **out, struct clw_error *err)
{
    struct forward *f = find(l, kind, target);
    if (!f)
        f = forward_new(l, kind, target, err);
    *out = f;
    if (!f)
        return err ? err->code : CLW_USAGE;
    return *f->url ? CLW_OK : open_forward(l, f, err);
}

enum clw_err link__forward(struct host_session *l, const char *target, struct forward **out, struct clw_error *err)
{
    return get(l, FORWARD_SHARED, target, out, err);
}

enum clw_err link__forward_open(struct host_session *l, const char *target, struct forward **out, struct clw_error *err)
{
    return get(l, FORWARD_OPEN, target, out, err);
}

enum clw_err link__forward_own(
    struct host_session *l, const struct command *c, struct forward **out, struct clw_error *err)
{
    struct forward *f = *out = forward_new(l, FORWARD_OWN, c->target, err);
    if (!f)
        return err ? err->code : CLW_USAGE;
    f->owner = c->id;
    f->meter = meter_hold(c->meter);
    meter_watch(f->meter, on_connections, f);
    enum clw_err code = open_forward(l, f, err);
    if (code)
        forward_free(l, f);
    return code;
}

enum clw_err link__lead(struct host_session *l, unsigned port, struct clw_error *err)
{
    char target[LINK_TARGET_SIZE];
    snprintf(target, sizeof target, "tcp:127.0.0.1:%u", port);
    if (find(l, FORWARD_LED, target))
        return CLW_OK;
    struct forward *f = forward_new(l, FORWARD_LED, target, err);
    if (!f)
        return err ? err->code : CLW_USAGE;
    snprintf(f->path, sizeof f->path, "tcp:%u", port);
    enum clw_err code = open_forward(l, f, err);
    if (code)
        forward_free(l, f);
    return code;
}

enum clw_err link__forward_again(struct host_session *l, struct clw_error *err)
{
    for (struct forward *f = l->forwards, *next; f; f = next) {
        next = f->next;
        if (*f->url || !*f->path)
            continue;
        enum clw_err code = open_forward(l, f, err);
        if (code == CLW_CANCELLED || link__dead_hop(l))
            return code;
        if (code)
            link__log(l, LOG_WARN, "step=tunnel target=%s reason=\"%s\"", f->target, err->message);
    }
    return CLW_OK;
}

enum clw_err link__port_is_free(struct host_session *l, unsigned port, bool *is_free, struct clw_error *err)
{
    struct forward f = {.link = l, .kind = FORWARD_LED, .listener = ++l->listeners};
    char where[16];
    snprintf(where, sizeof where, "tcp:%u", port);
    enum clw_err code = link__mux_listen(l, &f, where, err);
    *is_free = code == CLW_OK;
    if (*is_free)
        link__mux_unlisten(l, f.listener);
    return code == CLW_REFUSED ? CLW_OK : code;
}

/* The place on the host is given back. */
static void close_forward(struct host_session *l, struct forward *f)
{
    if (*f->url && l->mux)
        link__mux_unlisten(l, f->listener);
    link__log(l, LOG_INFO, "step=tunnel url=%s target=%s ended", f->url, f->target);
    forward_free(l, f);
}

void link__forward_drop(struct host_session *l, const char *target)
{
    struct forward *f = find(l, FORWARD_SHARED, target);
    f = f ? f : find(l, FORWARD_LED, target);
    f = f ? f : find(l, FORWARD_OPEN, target);
    if (f)
        close_forward(l, f);
}

void link__forward_end(struct host_session *l, uint64_t owner)
{
    for (struct forward *f = l->forwards; f; f = f->next)
        f->gone |= f->owner == owner;
    link__inbound_end(l, owner);
}

void link__forward_sweep(struct host_session *l)
{
    for (struct forward *f = l->forwards, *next; f; f = next) {
        next = f->next;
        if (f->gone)
            close_forward(l, f);
    }
    link__inbound_sweep(l);
}

void link__forward_reset(struct host_session *l)
{
    for (struct forward *f = l->forwards, *next; f; f = next) {
        next = f->next;
        f->url[0] = '\0';
        if (f->kind == FORWARD_OWN)
            forward_free(l, f); /* its daemon ends with the session */
    }
    link__inbound_end(l, 0);
    link__inbound_sweep(l);
}

void link__forward_free_all(struct host_session *l)
{
    while (l->forwards)
        forward_free(l, l->forwards);
}
