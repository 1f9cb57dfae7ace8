/* The thread of a login at a jump host: it opens ways for sessions, carries their bytes, and goes when nobody has
 * needed it for a while. Ways are opened at the same time: one to a host that does not answer may take minutes. */
#include "hosts/ssh/jump_private.h"

#include "base/mono.h"
#include "base/thread.h"
#include "hosts/ssh/bridge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libssh/callbacks.h>

enum { ROUND_MS = 1000, DEAF_MS = 5000 /* in which an idle server shows that it is there */ };

void jump__way_free(struct jump_way *w)
{
    if (w->fd >= 0)
        close(w->fd);
    free(w->host);
    free(w);
}

/* ---- ways ---- */

/* The way is as it will be. Whoever asked takes it from here, unless nobody waits for it. */
static void tell(struct jump_way *w, int state)
{
    jump__lock();
    bool is_wanted = w->asker != NULL;
    w->state = state;
    w->channel = NULL;
    if (is_wanted)
        pump_wake(&w->asker->pump);
    jump__unlock();
    if (!is_wanted)
        jump__way_free(w);
}

/* "Channel opening failure: channel 43 error (2) Connection refused": the number is that of RFC 4254, 5.1. */
static const char *reason_of(const char *said)
{
    const char *at = strstr(said, " error (");
    unsigned long code = at ? strtoul(at + 8, NULL, 10) : 0;
    const char *text = at ? strstr(at, ") ") : NULL;
    if (code == 1)
        return "its SSH server does not allow that (AllowTcpForwarding, PermitOpen)";
    if (code == 4)
        return "it lacks the resources";
    return text ? text + 2 : said;
}

/* The library has one text for all: of two that fail in one round, both get the reason of the second. */
static void fail(struct jump_login *g, struct jump_way *w)
{
    char said[300];
    clw_fail(&w->why, CLW_UNREACHABLE, "try it from the jump host itself: nc -z HOST PORT",
        "the jump host %s cannot connect to %s:%u: %s", g->jump->label, w->host, w->port,
        reason_of(link__ssh_error(g->hop, said, sizeof said)));
    if (w->channel)
        ssh_channel_free(w->channel);
    tell(w, WAY_FAILED);
}

static void join(struct jump_login *g, struct jump_way *w)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) {
        clw_fail(
            &w->why, CLW_IO, "raise the limit of open files (ulimit -n)", "cannot make a socket: %s", strerror(errno));
        ssh_channel_free(w->channel);
        tell(w, WAY_FAILED);
        return;
    }
    bridge_open(&g->pump, g->hop, w->channel, pair[0]);
    w->fd = pair[1]; /* where nobody wants it, the bridge sees its end */
    tell(w, WAY_OPEN);
}

/* One more look at a way. False: it is open, or not to be had, and gone from here. */
static bool is_opening(struct jump_login *g, struct jump_way *w)
{
    if (!w->channel)
        w->channel = ssh_channel_new(g->hop->session);
    int rc = w->channel ? ssh_channel_open_forward(w->channel, w->host, (int)w->port, "127.0.0.1", 0) : SSH_ERROR;
    if (rc == SSH_AGAIN)
        return true;
    if (rc == SSH_OK)
        join(g, w);
    else
        fail(g, w);
    return false;
}

static void take_asked(struct jump_login *g)
{
    jump__lock();
    struct jump_way *first = g->asked, **end = &g->asked;
    while (*end)
        end = &(*end)->next;
    *end = g->opening;
    g->asked = NULL;
    jump__unlock();
    if (!first)
        return;
    if (!g->opening)
        g->asked_ms = mono_ms();
    g->opening = first;
    if (!g->pump.bridges)
        keepalive_ask(&g->alive, g->hop); /* is it still there? */
}

static void open_ways(struct jump_login *g)
{
    take_asked(g);
    for (struct jump_way **at = &g->opening, *w; !g->hop->dead && (w = *at) != NULL;) {
        struct jump_way *next = w->next;
        if (is_opening(g, w))
            at = &w->next;
        else
            *at = next;
    }
}

/* ---- the end ---- */

/* From now on nobody asks it for a way. Before its ways are closed, so that whoever had one finds the reason. False:
 * a way has just been asked for, and that counts. */
static bool close_up(struct jump_login *g, const struct clw_error *why, bool whoever_asks)
{
    jump__lock();
    bool ends = !g->over && (whoever_asks || !g->asked);
    if (ends) {
        g->over = true;
        g->why = g->jump->ended = *why;
        g->jump->login = NULL;
    }
    jump__unlock();
    if (ends)
        log_info("ssh", "jump=%s state=down reason=\"%s\"", g->jump->label, why->message);
    return ends;
}

static enum clw_err fail_lost(struct jump_login *g, const char *reason, struct clw_error *err)
{
    return clw_fail(err, CLW_UNREACHABLE, "Clowder reconnects by itself when the host is back",
        "the connection to the jump host %s was lost: %s", g->jump->label, reason);
}

static void lose(struct jump_login *g)
{
    char said[300];
    struct clw_error why;
    const struct jump *via = g->jump->via;
    jump__lock();
    bool earlier = via && (!via->login || via->logins != g->via_number); /* one before it is what was lost */
    if (earlier)
        why = via->ended;
    jump__unlock();
    if (!earlier)
        fail_lost(g, link__ssh_error(g->hop, said, sizeof said), &why);
    close_up(g, &why, true);
}

static void after_look(void *arg)
{
    struct jump_login *g = arg;
    if (g->hop->dead)
        lose(g);
}

/* Nobody has used it for a while. */
static bool is_idle(struct jump_login *g)
{
    static const struct clw_error why = {.code = CLW_CLOSED, .message = "nobody used it"};
    uint64_t now = mono_ms();
    if (g->pump.bridges || g->opening)
        g->used_ms = now;
    return now - g->used_ms >= g->idle_ms && close_up(g, &why, false);
}

/* Asked for a way, a server that has been idle says something soon: that the way is open, or that it is alive. */
static bool is_deaf(const struct jump_login *g)
{
    return g->opening && !g->pump.bridges && g->alive.heard_ms < g->asked_ms && mono_ms() - g->asked_ms > DEAF_MS;
}

static void check_alive(struct jump_login *g)
{
    struct clw_error why;
    char reason[60];
    if (keepalive_tick(&g->alive, g->hop, NULL) == CLW_OK && !is_deaf(g))
        return;
    snprintf(reason, sizeof reason, "it has not answered for %u s", (unsigned)((mono_ms() - g->alive.heard_ms) / 1000));
    fail_lost(g, reason, &why);
    close_up(g, &why, true);
}

static bool one_round(struct jump_login *g)
{
    static const struct clw_error stopped = {.code = CLW_CANCELLED, .message = "stopped"};
    if (pump_round(&g->pump, ROUND_MS))
        close_up(g, &stopped, true);
    if (!g->over)
        open_ways(g);
    if (!g->over)
        check_alive(g); /* after the ways: what it asks of the library changes the reason of one that failed */
    return !g->over && !is_idle(g);
}

static void end_ways(struct jump_login *g)
{
    take_asked(g);
    for (struct jump_way *w = g->opening, *next; w; w = next) {
        next = w->next;
        if (w->channel)
            ssh_channel_free(w->channel);
        w->why = g->why;
        tell(w, WAY_LOST);
    }
    g->opening = NULL;
}

static void log_library(int level, const char *function, const char *text, void *arg)
{
    (void)level;
    (void)function;
    log_debug("libssh", "jump=%s %s", ((struct jump_login *)arg)->jump->label, text);
}

static void *serve(void *arg)
{
    struct jump_login *g = arg;
    ssh_set_log_level(SSH_LOG_WARN);
    ssh_set_log_callback(log_library);
    ssh_set_log_userdata(g);
    while (one_round(g))
        ;
    end_ways(g);
    pump_fini(&g->pump);
    jump__finish(g);
    return NULL;
}

/* ---- the beginning ---- */

enum clw_err jump__start(struct jump *j, struct host_session *l, struct hop *h, struct clw_error *err)
{
    struct jump_login *g = mem_zalloc(sizeof *g);
    enum clw_err code = pump_init(&g->pump, err);
    jump__join_finished();
    if (code) {
        free(g);
        return code;
    }
    g->jump = j;
    g->via_number = l->over_number;
    g->idle_ms = l->o.jump_idle_ms;
    g->used_ms = mono_ms();
    keepalive_begin(&g->alive, h, l->o.keepalive_ms, l->o.keepalive_misses);
    g->hop = hop_hand_over(h, &g->pump);
    g->pump.after_look = after_look;
    g->pump.after_arg = g;
    jump__lock();
    bool started = thread_start(&g->thread, serve, g);
    if (started)
        jump__begin(g);
    jump__unlock();
    if (started)
        return CLW_OK;
    pump_fini(&g->pump);
    free(g);
    return clw_fail(err, CLW_NO_MEMORY, NULL, "cannot start a thread for %s", h->label);
}
