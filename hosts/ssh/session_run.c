/* The thread of a link: attempts, one after the other, and the rests between them. */
#include "hosts/ssh/session_private.h"

#include "base/mono.h"
#include "base/random.h"
#include "hosts/ssh/jump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libssh/callbacks.h>

enum { STEADY_MS = 10000 }; /* a link that was up for this long was no failure */

/* ---- one attempt ---- */

/* What went wrong with a host on the way says so. */
static void name_jump(struct host_session *l, size_t i, struct clw_error *err)
{
    char copy[sizeof err->message];
    if (i + 1 >= l->pump.hop_count || !err->message[0])
        return;
    memcpy(copy, err->message, sizeof copy);
    snprintf(err->message, sizeof err->message, "jump host %.60s: %.300s", l->pump.hops[i]->host.alias, copy);
}

void link__on_the_way(struct host_session *l, size_t i)
{
    pthread_mutex_lock(&l->lock);
    l->shot.is_on_the_way = i + 1 < l->pump.hop_count;
    pthread_mutex_unlock(&l->lock);
}

enum clw_err link__reach(struct host_session *l, size_t i, struct clw_error *err)
{
    struct hop *h = l->pump.hops[i];
    int fd = -1;
    enum clw_err code = i > 0 ? jump_connect(l, i, &fd, err) : CLW_OK;
    if (code)
        return code; /* which jump host it is about is said */
    link__on_the_way(l, i);
    code = i > 0 ? hop_attach(h, fd, err) : link__connect(l, h, err);
    if (!code)
        code = link__hostkey(l, h, err);
    if (!code)
        code = link__auth(l, h, err);
    if (code)
        name_jump(l, i, err);
    return code;
}

static enum clw_err log_in(struct host_session *l, struct clw_error *err)
{
    enum clw_err code = link__route(l, err);
    if (code)
        return code;
    jump_follow(l);
    code = link__reach(l, l->pump.hop_count - 1, err);
    if (!code)
        l->hop = l->pump.hops[l->pump.hop_count - 1];
    return code;
}

/* The supervisor on the host. When somebody emptied the cache folder since it was probed, the program goes there once
 * more. */
static enum clw_err start_supervisor(struct host_session *l, struct clw_error *err)
{
    link__step(l, HOST_TUNNEL, l->o.tunnel_ms);
    enum clw_err code = link__mux_start(l, err);
    if (code != CLW_NOT_FOUND)
        return code;
    link__log(l, LOG_INFO, "step=tunnel note=\"the program is gone from the host, uploading it again\"");
    pthread_mutex_lock(&l->lock);
    l->facts.program_sha256[0] = '\0';
    pthread_mutex_unlock(&l->lock);
    link__step(l, HOST_UPLOAD, l->o.upload_ms);
    code = link__upload(l, err);
    if (code)
        return code;
    link__step(l, HOST_TUNNEL, l->o.tunnel_ms);
    code = link__mux_start(l, err);
    return code == CLW_NOT_FOUND ? CLW_REFUSED : code;
}

/* The way home of our own daemons. */
static enum clw_err make_tunnel(struct host_session *l, struct clw_error *err)
{
    struct forward *f;
    char before[HOST_URL_SIZE] = "";
    const struct forward *old = link__forward_of(l, l->o.target);
    if (old && *old->path)
        snprintf(before, sizeof before, "ipc://%.150s", old->path);
    enum clw_err code = link__forward(l, l->o.target, &f, err);
    if (code)
        return code;
    pthread_mutex_lock(&l->lock);
    snprintf(l->shot.url, sizeof l->shot.url, "%s", f->url);
    l->shot.same_url = strcmp(before, f->url) == 0;
    pthread_mutex_unlock(&l->lock);
    return CLW_OK;
}

/* This machine, as if it were a host: its supervisor is a child of ours. */
static enum clw_err attempt_here(struct host_session *l, struct clw_error *err)
{
    snprintf(l->program_path, sizeof l->program_path, "%s", l->o.program);
    pthread_mutex_lock(&l->lock);
    snprintf(l->shot.program, sizeof l->shot.program, "%s", l->program_path);
    pthread_mutex_unlock(&l->lock);
    if (link__goal(l) != HOST_GOAL_UP) {
        link__step(l, HOST_PROBE, l->o.probe_ms);
        return link__probe(l, err);
    }
    link__step(l, HOST_LAUNCH, l->o.launch_ms);
    enum clw_err code = link__mux_start(l, err);
    if (code)
        return code;
    l->reached = true;
    return link__serve(l, err);
}

static enum clw_err attempt(struct host_session *l, struct clw_error *err)
{
    pthread_mutex_lock(&l->lock);
    memset(l->shot.step_ms, 0, sizeof l->shot.step_ms);
    l->shot.attempts++;
    l->retry_now = l->answered = l->resting = false;
    l->aim = l->o.goal;
    pthread_mutex_unlock(&l->lock);
    l->reached = l->turned_away = false;
    if (l->o.here)
        return attempt_here(l, err);
    link__step(l, HOST_RESOLVE, l->o.resolve_ms);
    enum clw_err code = log_in(l, err);
    if (!code && link__goal(l) != HOST_GOAL_LOGIN) {
        link__step(l, HOST_PROBE, l->o.probe_ms);
        code = link__probe(l, err);
    }
    if (code || link__goal(l) != HOST_GOAL_UP)
        return code;
    if (*l->o.program) {
        link__step(l, HOST_UPLOAD, l->o.upload_ms);
        code = link__upload(l, err);
    }
    pthread_mutex_lock(&l->lock);
    snprintf(l->shot.program, sizeof l->shot.program, "%s", l->program_path);
    pthread_mutex_unlock(&l->lock);
    if (!code && *l->program_path)
        code = start_supervisor(l, err);
    if (!code && *l->o.target)
        code = make_tunnel(l, err);
    if (!code && l->mux)
        code = link__forward_again(l, err);
    if (code)
        return code;
    l->reached = true;
    return link__serve(l, err);
}

static void take_apart(struct host_session *l)
{
    link__launch_reset(l);
    link__mux_reset(l);
    link__forward_reset(l);
    pump_close_hops(&l->pump);
    jump_forget_way(l);
    l->hop = NULL;
    pthread_mutex_lock(&l->lock);
    l->shown_heard_ms = 0;
    l->shot.silent = false;
    pthread_mutex_unlock(&l->lock);
}

/* ---- the rests ---- */

static uint64_t with_jitter(uint64_t ms)
{
    uint32_t r;
    random_fill(&r, sizeof r);
    return ms - ms / 4 + r % (ms / 2 + 1);
}

static bool is_final(enum clw_err code)
{
    return code == CLW_REFUSED || code == CLW_USAGE || code == CLW_TOO_LARGE || code == CLW_DAMAGED ||
           code == CLW_NEWER;
}

/* Commands that wait for a link which does not come up. */
static void fail_waiting(struct host_session *l, const struct clw_error *how)
{
    static const struct clw_error over = {.code = CLW_CLOSED, .message = "the link to the host is down"};
    const struct clw_error *why = how->code ? how : &over;
    pthread_mutex_lock(&l->lock);
    struct command *c = l->commands;
    l->commands = NULL;
    l->command_tail = &l->commands;
    l->command_count = 0;
    pthread_mutex_unlock(&l->lock);
    for (struct command *next; c; c = next) {
        next = c->next;
        if (c->kind == COMMAND_LAUNCH)
            link__launch_failed(l, c->id, why);
        else if (c->kind == COMMAND_RUN && l->o.cb.run)
            l->o.cb.run(
                l->o.cb.arg, &(struct host_run_result){
                                 .id = c->id, .code = why->code, .status = -1, .out = "", .errors = why->message});
        command_free(c);
    }
}

/* Where to rest after an attempt, and until when (0: until told). */
static enum host_state judge(struct host_session *l, enum clw_err code, uint64_t up_ms, uint64_t *until)
{
    uint64_t now = mono_ms();
    *until = 0;
    if (code == CLW_OK)
        return HOST_DOWN;
    if (code == CLW_AGAIN)
        return HOST_NEEDS_SECRET;
    pthread_mutex_lock(&l->lock);
    bool retry = l->o.retry;
    pthread_mutex_unlock(&l->lock);
    if (!retry)
        return HOST_DOWN;
    if (is_final(code))
        return HOST_REFUSED;
    pthread_mutex_lock(&l->lock);
    unsigned failures = l->shot.failures = l->reached && up_ms >= STEADY_MS ? 1 : l->failures + 1;
    pthread_mutex_unlock(&l->lock);
    l->failures = failures;
    if (failures >= l->o.quarantine_after) {
        *until = now + l->o.quarantine_ms;
        return HOST_QUARANTINED;
    }
    unsigned doublings = failures - 1 < 16 ? failures - 1 : 16;
    uint64_t pause = (uint64_t)l->o.backoff_ms << doublings;
    *until = now + with_jitter(pause < l->o.backoff_max_ms ? pause : l->o.backoff_max_ms);
    return HOST_BACKOFF;
}

/* Until the time has come, or somebody says so. False: the link is being closed. */
static bool wait_until(struct host_session *l, uint64_t until)
{
    for (;;) {
        uint64_t now = mono_ms();
        pthread_mutex_lock(&l->lock);
        bool go = l->retry_now || (l->answered && l->shot.state == HOST_NEEDS_SECRET);
        pthread_mutex_unlock(&l->lock);
        if (atomic_load(&l->pump.cancelled))
            return false;
        if (go || (until && now >= until))
            return true;
        uint64_t left = until ? until - now : 60000;
        if (pump_round(&l->pump, left < 60000 ? (int)left : 60000))
            return false;
    }
}

static void log_library(int level, const char *function, const char *text, void *arg)
{
    (void)level;
    (void)function;
    log_debug("libssh", "host=%s %s", ((struct host_session *)arg)->o.name, text);
}

void *link__thread(void *arg)
{
    struct host_session *l = arg;
    uint64_t until;
    ssh_set_log_level(SSH_LOG_WARN);
    ssh_set_log_callback(log_library);
    ssh_set_log_userdata(l);
    do {
        struct clw_error why = {0};
        enum clw_err code = attempt(l, &why);
        uint64_t up_ms = l->reached ? mono_ms() - l->shot.since_ms : 0;
        take_apart(l);
        if (code == CLW_CANCELLED)
            break;
        if (!code)
            clw_error_clear(&why); /* something on the way may have failed first */
        why.code = code;
        enum host_state state = judge(l, code, up_ms, &until);
        link__rest(l, state, &why, until);
        if (state != HOST_BACKOFF)
            fail_waiting(l, &why);
    } while (wait_until(l, until));
    jump_leave(l);
    return NULL;
}
