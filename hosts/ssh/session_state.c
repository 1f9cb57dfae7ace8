/* States, their times and reasons: everything that a user sees of a link goes through here. */
#include "hosts/ssh/session_private.h"

#include "base/mono.h"
#include "base/text.h"
#include "hosts/ssh/jump.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const words[] = {
#define X(name, word) word,
    HOST_STATE_TABLE(X)
#undef X
};

const char *host_state_text(enum host_state state)
{
    return (unsigned)state < HOST_STATE_COUNT ? words[state] : "?";
}

void link__log(struct host_session *l, enum log_level level, const char *format, ...)
{
    char line[1200];
    va_list ap;
    int n = snprintf(line, sizeof line, "host=%s ", l->o.name);
    va_start(ap, format);
    vsnprintf(line + n, sizeof line - (size_t)n, format, ap);
    va_end(ap);
    log_line(level, "ssh", "%s", line);
    if (l->o.cb.log)
        l->o.cb.log(l->o.cb.arg, level, line);
}

void link__publish(struct host_session *l)
{
    struct host_snapshot shot;
    if (!l->o.cb.state)
        return;
    host_session_snapshot(l, &shot);
    l->o.cb.state(l->o.cb.arg, &shot);
}

/* The time of the step that ends now. A step may be walked more than once (jump hosts): the times add up. */
static void end_step(struct host_session *l, uint64_t now, const char *how)
{
    if (!l->step_began_ms || l->shot.step >= HOST_UP)
        return;
    uint32_t ms = (uint32_t)(now - l->step_began_ms);
    enum host_state step = l->shot.step;
    pthread_mutex_lock(&l->lock);
    l->shot.step_ms[step] += ms;
    pthread_mutex_unlock(&l->lock);
    l->step_began_ms = 0;
    link__log(l, LOG_INFO, "step=%s ms=%u %s", host_state_text(step), ms, how);
}

enum host_goal link__goal(struct host_session *l)
{
    pthread_mutex_lock(&l->lock);
    enum host_goal goal = l->aim = l->o.goal;
    pthread_mutex_unlock(&l->lock);
    return goal;
}

void link__step(struct host_session *l, enum host_state step, unsigned limit_ms)
{
    uint64_t now = mono_ms();
    end_step(l, now, "ok");
    pthread_mutex_lock(&l->lock);
    l->shot.state = l->shot.step = step;
    l->shot.code = CLW_OK;
    l->shot.reason[0] = l->shot.hint[0] = '\0';
    l->shot.since_ms = now;
    l->shot.retry_at_ms = 0;
    pthread_mutex_unlock(&l->lock);
    l->step_began_ms = now;
    l->deadline_ms = now + limit_ms;
    link__publish(l);
}

void link__up(struct host_session *l)
{
    uint64_t now = mono_ms();
    bool news = l->shot.state != HOST_UP;
    end_step(l, now, "ok");
    pthread_mutex_lock(&l->lock);
    l->shot.state = l->shot.step = HOST_UP;
    l->shot.since_ms = now;
    l->shot.failures = 0;
    pthread_mutex_unlock(&l->lock);
    if (news)
        link__log(l, LOG_INFO, "state=up url=%s", l->shot.url[0] ? l->shot.url : "-");
    link__publish(l);
}

void link__rest(struct host_session *l, enum host_state state, const struct clw_error *why, uint64_t retry_at_ms)
{
    uint64_t now = mono_ms();
    bool good = !why || why->code == CLW_OK;
    end_step(l, now, good ? "ok" : "failed");
    pthread_mutex_lock(&l->lock);
    l->resting = true;
    l->shot.asking = false;
    l->retry_now |= state == HOST_DOWN && l->o.goal > l->aim; /* more was wanted meanwhile */
    l->shot.state = state;
    l->shot.code = why ? why->code : CLW_OK;
    snprintf(l->shot.reason, sizeof l->shot.reason, "%s", why ? why->message : "");
    snprintf(l->shot.hint, sizeof l->shot.hint, "%s", why ? why->hint : "");
    l->shot.since_ms = now;
    l->shot.retry_at_ms = retry_at_ms;
    l->shot.turned_away = l->turned_away;
    l->shot.streams = 0;
    if (state != HOST_DOWN || !good)
        l->shot.url[0] = '\0';
    if (good || l->shot.step != HOST_HOSTKEY)
        memset(&l->shot.key, 0, sizeof l->shot.key);
    if (state != HOST_NEEDS_SECRET)
        memset(&l->shot.prompt, 0, sizeof l->shot.prompt);
    pthread_mutex_unlock(&l->lock);
    if (good)
        link__log(l, LOG_INFO, "state=%s", host_state_text(state));
    else
        link__log(l, LOG_WARN, "state=%s step=%s reason=\"%s\" hint=\"%s\" retry_ms=%llu", host_state_text(state),
            host_state_text(l->shot.step), why->message, why->hint,
            (unsigned long long)(retry_at_ms > now ? retry_at_ms - now : 0));
    link__publish(l);
}

struct hop *link__dead_hop(struct host_session *l)
{
    for (size_t i = 0; i < l->pump.hop_count; i++)
        if (l->pump.hops[i]->dead)
            return l->pump.hops[i];
    return NULL;
}

enum clw_err link__wait(struct host_session *l)
{
    uint64_t now = mono_ms();
    if (now >= l->deadline_ms)
        return CLW_TIMED_OUT;
    uint64_t left = l->deadline_ms - now;
    if (pump_round(&l->pump, left > 1000 ? 1000 : (int)left))
        return CLW_CANCELLED;
    link__listen(l);
    return link__dead_hop(l) ? CLW_CLOSED : CLW_OK;
}

enum clw_err link__pause(struct host_session *l, uint64_t ms)
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

const char *link__ssh_error(struct hop *h, char *text, size_t size)
{
    const char *said = h->floods    ? "it sends requests without end and does not read the answers"
                       : h->session ? ssh_get_error(h->session)
                                    : "";
    text_escape(text, size, said, strnlen(said, 300));
    return text;
}

enum clw_err link__explain(struct host_session *l, enum clw_err code, const char *doing, struct clw_error *err)
{
    char said[300];
    struct hop *dead;
    switch (code) {
    case CLW_TIMED_OUT:
        return clw_fail(err, code, "`clowder doctor` checks each step", "%s: no answer within %u s", doing,
            (unsigned)((l->deadline_ms - l->step_began_ms + 500) / 1000));
    case CLW_CLOSED:
        if (jump_ended(l, err))
            return CLW_UNREACHABLE;
        dead = link__dead_hop(l);
        return clw_fail(err, CLW_UNREACHABLE, "check the host's own log (journalctl -u ssh)",
            "%s: %s ended the connection: %s", doing, dead ? dead->label : "the host",
            dead ? link__ssh_error(dead, said, sizeof said) : "");
    case CLW_CANCELLED: return clw_fail(err, code, NULL, "stopped");
    default: return code;
    }
}
