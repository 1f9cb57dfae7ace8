/* The state up: commands from other threads, keepalives, and the numbers that are shown. */
#include "hosts/ssh/session_private.h"

#include "base/mono.h"
#include "hosts/ssh/jump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 1000, ANSWER_MS = 2000 /* in which an answer comes */ };

void command_free(struct command *c)
{
    if (!c)
        return;
    if (c->data)
        mem_wipe(c->data, c->len);
    free(c->data);
    free(c->target);
    free(c->mark);
    meter_rele(c->meter);
    free(c);
}

/* ---- silence ---- */

static void show_silence(struct host_session *l, bool silent)
{
    bool is_news;
    pthread_mutex_lock(&l->lock);
    is_news = l->shot.silent != silent;
    l->shot.silent = silent;
    l->shown_heard_ms = l->alive.heard_ms;
    pthread_mutex_unlock(&l->lock);
    if (!is_news)
        return;
    link__log(l, silent ? LOG_WARN : LOG_INFO, silent ? "silent" : "heard again");
    link__publish(l);
}

void link__listen(struct host_session *l)
{
    const struct keepalive *k = &l->alive;
    if (!l->serving || !l->hop || l->hop->dead)
        return; /* without a hop: this machine */
    l->hop->dead = keepalive_tick(&l->alive, l->hop, &l->silence) != CLW_OK;
    show_silence(l, k->missed && mono_ms() - k->asked_ms >= (k->missed > 1 ? 0 : ANSWER_MS));
}

/* ---- commands ---- */

static struct command *next_command(struct host_session *l)
{
    pthread_mutex_lock(&l->lock);
    struct command *c = l->commands;
    if (c) {
        l->commands = c->next;
        if (!l->commands)
            l->command_tail = &l->commands;
        l->command_count--;
    }
    pthread_mutex_unlock(&l->lock);
    return c;
}

static bool has_launches(struct host_session *l)
{
    bool any = false;
    pthread_mutex_lock(&l->lock);
    for (struct command *c = l->commands; c && !any; c = c->next)
        any = c->kind == COMMAND_LAUNCH;
    pthread_mutex_unlock(&l->lock);
    return any;
}

static void limit(struct host_session *l, unsigned ms)
{
    l->step_began_ms = mono_ms();
    l->deadline_ms = l->step_began_ms + ms;
}

/* What it does may fail without ending the session; a session that ended is noticed by the loop. */
static void carry_out(struct host_session *l, struct command *c)
{
    struct clw_error why = {0};
    enum clw_err code = CLW_OK;
    switch (c->kind) {
    case COMMAND_LAUNCH:
        limit(l, l->o.launch_ms);
        code = link__launch(l, c, &why);
        if (code) {
            why.code = code;
            link__launch_failed(l, c->id, &why);
        }
        break;
    case COMMAND_SIGNAL:
        limit(l, l->o.launch_ms);
        code = link__signal(l, c, &why);
        break;
    case COMMAND_RUN:
        limit(l, c->limit_ms);
        link__run(l, c);
        break;
    case COMMAND_UNTUNNEL:
        limit(l, l->o.tunnel_ms);
        link__forward_drop(l, c->target);
        break;
    case COMMAND_LEAD:
        limit(l, l->o.tunnel_ms);
        code = link__lead(l, c->contact_port, &why);
        break;
    case COMMAND_PROBE:
        limit(l, l->o.probe_ms);
        code = link__probe(l, &why);
        break;
    }
    if (code && code != CLW_CANCELLED)
        link__log(l, LOG_WARN, "command=%d reason=\"%s\" hint=\"%s\"", (int)c->kind, why.message, why.hint);
    command_free(c);
}

static void publish_numbers(struct host_session *l)
{
    pthread_mutex_lock(&l->lock);
    l->shown_heard_ms = l->alive.heard_ms;
    l->shot.streams = link__mux_streams(l);
    pthread_mutex_unlock(&l->lock);
}

static enum clw_err lost(struct host_session *l, struct clw_error *err)
{
    char said[300];
    struct hop *h = link__dead_hop(l);
    if (!h)
        return !l->hop && link__mux_ended(l, err) ? err->code : CLW_OK;
    if (l->silence.code) {
        *err = l->silence;
        return err->code;
    }
    if (jump_ended(l, err) || link__mux_ended(l, err))
        return err->code;
    return clw_fail(err, CLW_UNREACHABLE, "Clowder reconnects by itself when the host is back",
        "the connection to %s was lost: %s", h->label, link__ssh_error(h, said, sizeof said));
}

/* What waits, as long as there is a session to do it in. */
static void carry_out_all(struct host_session *l)
{
    for (struct command *c; !link__dead_hop(l) && (c = next_command(l)) != NULL;)
        carry_out(l, c);
}

static enum clw_err one_round(struct host_session *l, struct clw_error *err)
{
    carry_out_all(l);
    if (pump_round(&l->pump, TICK_MS))
        return clw_fail(err, CLW_CANCELLED, NULL, "stopped");
    link__launch_tick(l);
    link__forward_sweep(l);
    publish_numbers(l);
    link__listen(l);
    return lost(l, err);
}

enum clw_err link__serve(struct host_session *l, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    keepalive_begin(&l->alive, l->hop, l->o.keepalive_ms, l->o.keepalive_misses);
    l->silence = (struct clw_error){0};
    l->serving = true;
    publish_numbers(l);
    if (has_launches(l)) {
        link__step(l, HOST_LAUNCH, l->o.launch_ms);
        uint64_t began = l->step_began_ms;
        carry_out_all(l);
        l->step_began_ms = began;
    }
    link__up(l);
    while (!code && link__goal(l) == HOST_GOAL_UP)
        code = one_round(l, err);
    l->serving = false;
    return code;
}
