/* The step tunnel: a port on the host's loopback that leads to a target here. Ports are asked for by number,
 * at random: sshd could choose one, but the library looks for the number it chose in the last packet that was
 * read, which may be another one. Where sshd forbids all of it, the stdio fallback takes the tunnel's place.
 */
#include "hosts/link_private.h"

#include "base/mono.h"
#include "hosts/bridge.h"
#include "hosts/serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <libssh/callbacks.h>
#include <libssh/server.h>

enum { BRIDGES_MAX = 8192, PORT_TRIES = 4, AGAIN_TRIES = 10, AGAIN_PAUSE_MS = 100 };

static struct forward *by_port(struct host_link *l, int port)
{
    for (size_t i = 0; i < l->forward_count; i++)
        if (port > 0 && l->forwards[i].port == (unsigned)port)
            return &l->forwards[i];
    return NULL;
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
    int fd = bridge_dial(f->target, &pending);
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
    bridge_open(&l->pump, l->hop, channel, fd, pending, f->target, true);
    return 0;
}

/* Asks for a port. CLW_REFUSED: it is taken, or none is to be had. */
static enum clw_err ask(struct host_link *l, unsigned port, unsigned *bound, struct clw_error *err)
{
    int rc = SSH_ERROR;
    enum clw_err code = link__keepalive_settle(l);
    while (!code && (rc = ssh_channel_listen_forward(l->hop->session, "127.0.0.1", (int)port, NULL)) == SSH_AGAIN)
        code = link__wait(l);
    if (code)
        return link__explain(l, code, "asking for a forwarded port", err);
    if (rc != SSH_OK)
        return clw_fail(err, CLW_REFUSED, "set AllowTcpForwarding yes in the host's sshd_config",
            "the host's sshd refuses to forward a port");
    *bound = port;
    return CLW_OK;
}

/* Below the ports that systems give to outgoing connections. */
static unsigned random_port(void)
{
    uint16_t r = 0;
    if (getrandom(&r, sizeof r, 0) < 0)
        r = (uint16_t)mono_us();
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
    for (size_t i = 0; i < l->forward_count; i++)
        if (l->forwards[i].port)
            return true;
    return false;
}

/* The port of before, so that daemons which dial it again find us; it may take a moment until it is free. */
static enum clw_err ask_again(struct host_link *l, struct forward *f, struct clw_error *err)
{
    enum clw_err code = CLW_REFUSED;
    for (int i = 0; i < AGAIN_TRIES && code == CLW_REFUSED; i++) {
        code = ask(l, f->asked, &f->port, err);
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
        code = ask_again(l, f, err);
    for (int i = 0; i < PORT_TRIES && code == CLW_REFUSED; i++)
        code = ask(l, random_port(), &f->port, err);
    return code;
}

static struct forward *slot(struct host_link *l, const char *target)
{
    for (size_t i = 0; i < l->forward_count; i++)
        if (strcmp(l->forwards[i].target, target) == 0)
            return &l->forwards[i];
    if (l->forward_count == LINK_FORWARDS)
        return NULL;
    struct forward *f = &l->forwards[l->forward_count++];
    *f = (struct forward){.listener = ++l->listeners};
    snprintf(f->target, sizeof f->target, "%s", target);
    return f;
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
        if (has_port(l))
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

enum clw_err link__forward(struct host_link *l, const char *target, struct forward **out, struct clw_error *err)
{
    if (!bridge_is_target(target))
        return clw_fail(err, CLW_USAGE, "write unix:/path or tcp:127.0.0.1:port",
            "'%.100s' is no place for a tunnel to end", target);
    struct forward *f = slot(l, target);
    if (!f)
        return clw_fail(err, CLW_TOO_LARGE, NULL, "more than %d tunnels on one host", LINK_FORWARDS);
    *out = f;
    if (*f->url)
        return CLW_OK;
    enum clw_err code = make(l, f, err);
    if (code)
        f->port = 0;
    else
        link__log(l, LOG_INFO, "step=tunnel url=%s target=%s", f->url, f->target);
    return code;
}

enum clw_err link__forward_again(struct host_link *l, struct clw_error *err)
{
    for (size_t i = 0; i < l->forward_count; i++) {
        struct forward *f = &l->forwards[i];
        if (*f->url || (!f->asked && !*f->path))
            continue;
        enum clw_err code = link__forward(l, f->target, &f, err);
        if (code == CLW_CANCELLED || link__dead_hop(l))
            return code;
        if (code)
            link__log(l, LOG_WARN, "step=tunnel target=%s reason=\"%s\"", f->target, err->message);
    }
    return CLW_OK;
}

void link__forward_drop(struct host_link *l, const char *target)
{
    for (size_t i = 0; i < l->forward_count; i++) {
        struct forward *f = &l->forwards[i];
        if (strcmp(f->target, target) != 0)
            continue;
        enum clw_err code = f->port ? link__keepalive_settle(l) : CLW_OK;
        while (f->port && !code && ssh_channel_cancel_forward(l->hop->session, "127.0.0.1", (int)f->port) == SSH_AGAIN)
            code = link__wait(l);
        link__log(l, LOG_INFO, "step=tunnel url=%s target=%s ended", f->url, f->target);
        *f = l->forwards[--l->forward_count];
        return;
    }
}

void link__forward_reset(struct host_link *l)
{
    for (size_t i = 0; i < l->forward_count; i++) {
        l->forwards[i].port = 0;
        l->forwards[i].url[0] = '\0';
    }
}
