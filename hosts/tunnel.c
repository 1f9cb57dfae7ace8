/* The step tunnel: a port on the host's loopback that leads to a target here. Ports are asked for by number,
 * at random: sshd could choose one, but the library looks for the number it chose in the last packet that was
 * read, which may be another one. Where sshd forbids all of it, the stdio fallback takes the tunnel's place.
 */
#include "hosts/link_private.h"

#include "base/dial.h"
#include "base/mono.h"
#include "base/random.h"
#include "hosts/bridge.h"
#include "hosts/serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libssh/callbacks.h>
#include <libssh/server.h>

enum { BRIDGES_MAX = 8192, PORT_TRIES = 4, AGAIN_TRIES = 10, AGAIN_PAUSE_MS = 100 };

static struct forward *by_port(struct host_link *l, int port)
{
    struct forward *f = l->forwards;
    while (f && !(port > 0 && f->port == (unsigned)port && !f->gone))
        f = f->next;
    return f;
}

/* A daemon connected to one of our ports. Called inside calls of the library. 1: refuse. */
static int on_message(ssh_session session, ssh_message message, void *arg)
{
    struct host_link *l = arg;
    bool pending = false;
    (void)session;
    if (ssh_message_type(message) != SSH_REQUEST_CHANNEL_OPEN ||
        ssh_message_subtype(message) != SSH_CHANNEL_FORWARDED_TCPIP)
        return 1;
    struct forward *f = by_port(l, ssh_message_channel_request_open_destination_port(message));
    if (!f || l->pump.bridge_count >= BRIDGES_MAX)
        return 1;
    int fd = dial_target(f->target, &pending);
    if (fd < 0 && errno != EAGAIN) {
        link__log(l, LOG_WARN, "step=tunnel target=%s reason=\"%s\"", f->target, strerror(errno));
        return 1;
    }
    ssh_channel channel = ssh_message_channel_request_open_reply_accept(message);
    if (!channel) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    bridge_open(&l->pump, l->hop, channel, fd, pending, f->target, true, f->meter);
    return 0;
}

/* Asks for a port. CLW_REFUSED: it is taken, or none is to be had. */
static enum clw_err ask(struct host_link *l, const char *address, unsigned port, unsigned *bound, struct clw_error *err)
{
    int rc = SSH_ERROR;
    enum clw_err code = link__keepalive_settle(l);
    while (!code && (rc = ssh_channel_listen_forward(l->hop->session, address, (int)port, NULL)) == SSH_AGAIN)
        code = link__wait(l);
    if (code)
        return link__explain(l, code, "asking for a forwarded port", err);
    if (rc != SSH_OK)
        return clw_fail(err, CLW_REFUSED, "set AllowTcpForwarding yes in the host's sshd_config",
            "the host's sshd refuses to forward a port");
    *bound = port;
    return CLW_OK;
}

static const char *address_of(const struct forward *f)
{
    return f->is_open ? "0.0.0.0" : "127.0.0.1";
}

/* Below the ports that systems give to outgoing connections. */
static unsigned random_port(void)
{
    uint16_t r;
    random_fill(&r, sizeof r);
    return 16384 + r % 16384u;
}

static enum clw_err pause_ms(struct host_link *l, uint64_t ms)
{
    uint64_t until = mono_ms() + ms, limit = l->deadline_ms;
    enum clw_err code = CLW_OK;
    if (until < limit)
        l->deadline_ms = until;
    while (!code)
        code = link__wait(l);
    l->deadline_ms = limit;
    return code == CLW_TIMED_OUT && mono_ms() < limit ? CLW_OK : code;
}

static bool has_port(const struct host_link *l)
{
    for (const struct forward *f = l->forwards; f; f = f->next)
        if (f->port)
            return true;
    return false;
}

/* The port of before, so that daemons which dial it again find us; it may take a moment until it is free. */
static enum clw_err ask_again(struct host_link *l, struct forward *f, struct clw_error *err)
{
    enum clw_err code = CLW_REFUSED;
    for (int i = 0; i < AGAIN_TRIES && code == CLW_REFUSED; i++) {
        code = ask(l, address_of(f), f->asked, &f->port, err);
        if (code == CLW_REFUSED && i + 1 < AGAIN_TRIES) {
            enum clw_err paused = pause_ms(l, AGAIN_PAUSE_MS);
            if (paused)
                return link__explain(l, paused, "asking for the forwarded port of before", err);
        }
    }
    return code;
}

static enum clw_err get_port(struct host_link *l, struct forward *f, struct clw_error *err)
{
    enum clw_err code = CLW_REFUSED;
    ssh_set_message_callback(l->hop->session, on_message, l);
    if (f->asked)
        code = f->fixed ? ask(l, address_of(f), f->asked, &f->port, err) : ask_again(l, f, err);
    for (int i = 0; i < PORT_TRIES && code == CLW_REFUSED && !f->fixed; i++)
        code = ask(l, address_of(f), random_port(), &f->port, err);
    return code;
}

static void on_connections(void *arg, unsigned n)
{
    const struct forward *f = arg;
    link__connections(f->link, f->owner, n);
}

static struct forward *forward_new(struct host_link *l, const char *target, struct clw_error *err)
{
    if (l->forward_count == LINK_FORWARDS) {
        clw_fail(err, CLW_TOO_LARGE, NULL, "more than %d tunnels on one host", LINK_FORWARDS);
        return NULL;
    }
    struct forward *f = mem_zalloc(sizeof *f);
    f->link = l;
    f->listener = ++l->listeners;
    snprintf(f->target, sizeof f->target, "%s", target);
    f->next = l->forwards;
    l->forwards = f;
    l->forward_count++;
    return f;
}

/* Off the list, and freed. */
static void forward_free(struct host_link *l, struct forward *f)
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

static struct forward *find_shared(const struct host_link *l, const char *target)
{
    struct forward *f = l->forwards;
    while (f && (f->owner || f->fixed || f->is_open || strcmp(f->target, target) != 0))
        f = f->next;
    return f;
}

const struct forward *link__forward_of(const struct host_link *l, const char *target)
{
    return find_shared(l, target);
}

static void learn(struct host_link *l, int forwarding)
{
    struct host_facts *f = NULL;
    pthread_mutex_lock(&l->lock);
    bool news = l->facts.forwarding != forwarding;
    l->facts.forwarding = forwarding;
    if (news && l->has_facts && l->o.cb.facts) {
        f = mem_alloc(sizeof *f);
        *f = l->facts;
    }
    pthread_mutex_unlock(&l->lock);
    if (f)
        l->o.cb.facts(l->o.cb.arg, f);
    free(f);
}

static enum clw_err make(struct host_link *l, struct forward *f, struct clw_error *err)
{
    enum clw_err code = CLW_REFUSED;
    if (!l->mux && !l->o.stdio_only) {
        code = get_port(l, f, err);
        if (!code) {
            f->asked = f->port;
            snprintf(f->url, sizeof f->url, "tcp://127.0.0.1:%u", f->port);
            learn(l, 1);
            return CLW_OK;
        }
        if (code != CLW_REFUSED)
            return code;
        if (has_port(l) || f->fixed || f->is_open)
            return code;
        learn(l, 0);
        link__log(l, LOG_INFO, "step=tunnel note=\"sshd refuses to forward, using stdin and stdout of the launch\"");
    }
    if (!*l->program_path)
        return clw_fail(err, CLW_REFUSED, "set AllowTcpForwarding yes in the host's sshd_config",
            "without forwarding the daemon program is needed on the host");
    if (!l->mux)
        code = link__mux_start(l, err);
    else
        code = CLW_OK;
    return code ? code : link__mux_listen(l, f, err);
}

/* Makes it, and says so. On failure it has no port. */
static enum clw_err open_forward(struct host_link *l, struct forward *f, struct clw_error *err)
{
    enum clw_err code = make(l, f, err);
    if (code)
        f->port = 0;
    else
        link__log(l, LOG_INFO, "step=tunnel url=%s target=%s", f->url, f->target);
    return code;
}

enum clw_err link__forward(struct host_link *l, const char *target, struct forward **out, struct clw_error *err)
{
    if (!dial_is_target(target))
        return clw_fail(err, CLW_USAGE, "write unix:/path or tcp:127.0.0.1:port",
            "'%.100s' is no place for a tunnel to end", target);
    struct forward *f = find_shared(l, target);
    if (!f)
        f = forward_new(l, target, err);
    *out = f;
    if (!f)
        return CLW_TOO_LARGE;
    return *f->url ? CLW_OK : open_forward(l, f, err);
}

enum clw_err link__forward_open(struct host_link *l, const char *target, struct forward **out, struct clw_error *err)
{
    struct forward *f = l->forwards;
    while (f && !(f->is_open && strcmp(f->target, target) == 0))
        f = f->next;
    if (!f && l->mux)
        return clw_fail(err, CLW_REFUSED,
            "set AllowTcpForwarding yes and GatewayPorts clientspecified in the host's sshd_config",
            "the scheduler's nodes have no way home: sshd refuses to forward a port");
    if (!f && (f = forward_new(l, target, err)))
        f->is_open = true;
    *out = f;
    if (!f)
        return CLW_TOO_LARGE;
    return *f->url ? CLW_OK : open_forward(l, f, err);
}

enum clw_err link__forward_own(
    struct host_link *l, const struct command *c, struct forward **out, struct clw_error *err)
{
    struct forward *f = *out = forward_new(l, c->target, err);
    if (!f)
        return CLW_TOO_LARGE;
    f->owner = c->id;
    f->meter = meter_hold(c->meter);
    meter_watch(f->meter, on_connections, f);
    enum clw_err code = open_forward(l, f, err);
    if (code)
        forward_free(l, f);
    return code;
}

enum clw_err link__lead(struct host_link *l, unsigned port, struct clw_error *err)
{
    char target[LINK_TARGET_SIZE];
    snprintf(target, sizeof target, "tcp:127.0.0.1:%u", port);
    for (struct forward *f = l->forwards; f; f = f->next)
        if (f->fixed && f->asked == port)
            return CLW_OK;
    struct forward *f = l->mux ? NULL : forward_new(l, target, err);
    if (!f)
        return clw_fail(err, CLW_REFUSED, NULL, "port %u of the host cannot lead here", port);
    f->fixed = true;
    f->asked = port;
    enum clw_err code = open_forward(l, f, err);
    if (code)
        forward_free(l, f);
    return code;
}

enum clw_err link__forward_again(struct host_link *l, struct clw_error *err)
{
    for (struct forward *f = l->forwards, *next; f; f = next) {
        next = f->next;
        if (*f->url || (!f->asked && !*f->path))
            continue;
        enum clw_err code = open_forward(l, f, err);
        if (code == CLW_CANCELLED || link__dead_hop(l))
            return code;
        if (code)
            link__log(l, LOG_WARN, "step=tunnel target=%s reason=\"%s\"", f->target, err->message);
    }
    return CLW_OK;
}

static enum clw_err cancel(struct host_link *l, const char *address, unsigned port)
{
    enum clw_err code = link__keepalive_settle(l);
    while (!code && ssh_channel_cancel_forward(l->hop->session, address, (int)port) == SSH_AGAIN)
        code = link__wait(l);
    return code;
}

enum clw_err link__port_is_free(struct host_link *l, unsigned port, bool *is_free, struct clw_error *err)
{
    unsigned bound;
    ssh_set_message_callback(l->hop->session, on_message, l);
    enum clw_err code = ask(l, "127.0.0.1", port, &bound, err);
    *is_free = code == CLW_OK;
    if (*is_free)
        code = cancel(l, "127.0.0.1", port);
    return code == CLW_REFUSED ? CLW_OK : code;
}

/* The host's port is given back. */
static void close_forward(struct host_link *l, struct forward *f)
{
    if (f->port)
        cancel(l, address_of(f), f->port);
    else if (l->mux)
        link__mux_unlisten(l, f->listener);
    link__log(l, LOG_INFO, "step=tunnel url=%s target=%s ended", f->url, f->target);
    forward_free(l, f);
}

void link__forward_drop(struct host_link *l, const char *target)
{
    for (struct forward *f = l->forwards; f; f = f->next)
        if (!f->owner && strcmp(f->target, target) == 0) {
            close_forward(l, f);
            return;
        }
}

void link__forward_end(struct host_link *l, uint64_t owner)
{
    for (struct forward *f = l->forwards; f; f = f->next)
        if (f->owner == owner)
            f->gone = true;
    link__inbound_end(l, owner);
}

void link__forward_sweep(struct host_link *l)
{
    for (struct forward *f = l->forwards; f;) {
        if (f->gone && !link__dead_hop(l)) {
            l->deadline_ms = mono_ms() + l->o.tunnel_ms;
            close_forward(l, f);
            f = l->forwards; /* waiting may have changed the list */
        } else {
            f = f->next;
        }
    }
}

void link__forward_reset(struct host_link *l)
{
    for (struct forward *f = l->forwards, *next; f; f = next) {
        next = f->next;
        f->port = 0;
        f->url[0] = '\0';
        if (f->owner)
            forward_free(l, f); /* its daemon ends with the session */
    }
    link__inbound_end(l, 0);
}

void link__forward_free_all(struct host_link *l)
{
    while (l->forwards)
        forward_free(l, l->forwards);
}
