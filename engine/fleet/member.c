/* A daemon as the engine sees it, from the decision to start it until its process is gone. */
#include "engine/core.h"

#include "base/log.h"
#include "base/mono.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

bool member_is_local(const struct member *m)
{
    return !m->place->via;
}

struct member *member_by_number(struct engine *e, uint32_t number)
{
    for (struct pool *p = e->pools; p; p = p->next)
        for (struct member *m = p->members; m; m = m->after)
            if (m->number == number)
                return m;
    return NULL;
}

static const char no_text[] = "";

static void forget_text(const char **text)
{
    if (*text != no_text)
        free((char *)(uintptr_t)*text);
    *text = no_text;
}

void member_say(const char **text, const char *format, ...)
{
    char now[200] = "";
    va_list ap;
    va_start(ap, format);
    if (format)
        vsnprintf(now, sizeof now, format, ap);
    va_end(ap);
    forget_text(text); /* only now: it may be part of what is said */
    if (*now)
        *text = mem_strdup(now);
}

struct member *member_new(struct engine *e, struct place *l)
{
    struct pool *p = l->pool;
    struct member *m = mem_zalloc(sizeof *m);
    m->pool = p;
    m->place = l;
    m->gpu = -1;
    m->reason = m->pause = m->limits = no_text;
    m->number = ++e->last_daemon & 0xffffff;
    snprintf(m->name, sizeof m->name, "%s-%u", p->name, ++p->counter);
    wire_new_secret(m->token);
    m->started_ms = mono_ms();
    m->before = p->last_member;
    *(m->before ? &m->before->after : &p->members) = m;
    p->last_member = m;
    p->member_count++;
    l->counts[m->state]++;
    return m;
}

void member_set_state(struct member *m, enum member_state state)
{
    m->place->counts[m->state]--;
    m->place->counts[state]++;
    m->state = state;
}

void member_remove(struct engine *e, struct member *m)
{
    struct pool *p = m->pool;
    *(m->before ? &m->before->after : &p->members) = m->after;
    *(m->after ? &m->after->before : &p->last_member) = m->before;
    p->member_count--;
    m->place->counts[m->state]--;
    foreign_fini(m);
    mem_wipe(m->token, sizeof m->token);
    mem_wipe(m->instance, sizeof m->instance);
    forget_text(&m->reason);
    forget_text(&m->pause);
    forget_text(&m->limits);
    free(m);
    pool_fail_jobs(e, p);
    core_due(e);
}

void member_signal(const struct member *m, int signal)
{
    if (m->pid)
        kill(m->pid, signal);
    else if (m->place->via && m->place->via->link && m->launch_id && !m->ended)
        host_session_signal(m->place->via->link, m->launch_id, signal, NULL);
}

/* The process of a daemon on this machine has ended. */
void member_exited(struct engine *e, pid_t pid, int status)
{
    struct member *m = NULL;
    for (struct pool *p = e->pools; p && !m; p = p->next)
        for (m = p->members; m && m->pid != pid; m = m->after)
            ;
    if (!m)
        return;
    char how[80];
    if (WIFSIGNALED(status))
        snprintf(how, sizeof how, "was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(how, sizeof how, "ended with status %d", WEXITSTATUS(status));
    m->pid = 0;
    if (m->peer) { /* its connection goes next, and the rest then */
        member_say(&m->reason, "%s", how);
        daemon_read_all(m->peer);
        return;
    }
    if (m->state == MEMBER_LAUNCHING) {
        if (!m->reason[0])
            member_say(&m->reason, "%s before it connected", how);
        log_error("daemon", "launch failed daemon=%s why=\"%s\"", m->name, m->reason);
        place_back_off(m->place, m);
    } else if (m->state == MEMBER_LOST) {
        log_info("daemon", "ended daemon=%s how=\"%s\"", m->name, how);
    }
    member_remove(e, m);
}

void member_quit(struct member *m, bool now, bool shrink)
{
    m->shrink |= shrink;
    if (m->state == MEMBER_LOST)
        return;
    member_set_state(m, MEMBER_LEAVING);
    if (now)
        m->kill_at_ms = mono_ms() + CORE_QUIT_MS;
    if (!m->peer) {
        member_say(&m->reason, "%s", m->foreign ? "stopped" : "stopped while it was not connected");
        member_signal(m, SIGTERM);
        if (m->batch) { /* the scheduler is told, and it is gone then */
            m->kill_at_ms = mono_ms() + CORE_LAUNCH_MS;
            core_due(m->pool->engine);
            return;
        }
        m->kill_at_ms = mono_ms() + (m->foreign && !now ? CORE_FOREIGN_QUIT_MS : CORE_QUIT_MS);
        return;
    }
    disp_daemon_drain(m->pool->disp, m->daemon);
    if (now)
        daemon_read_all(m->peer);
    if (!m->quit_sent || now)
        peer_send(m->peer, &(struct frame){.type = WIRE_QUIT, .flags = now ? WIRE_NOW : 0}, NULL);
    m->quit_sent = true;
    core_due(m->pool->engine); /* its time to go runs */
}

static void give_up_on(struct engine *e, struct member *m)
{
    log_warn("daemon", "lost daemon=%s host=%s why=\"%s\"", m->name, m->place->host, m->reason);
    place_back_off(m->place, m);
    if (m->batch) /* its job may be there still */
        member_quit(m, true, false);
    else
        member_remove(e, m);
}

/* A daemon that must go at once: its process here is reaped later, one on a host is only told. May free m. */
static void kill_it(struct engine *e, struct member *m)
{
    m->kill_at_ms = 0;
    member_signal(m, SIGKILL);
    if (member_is_local(m))
        return;
    if (m->peer)
        link_close(m->peer->link);
    else if (m->state == MEMBER_LAUNCHING)
        give_up_on(e, m);
    else
        member_remove(e, m);
}

void member_tick(struct engine *e, struct member *m, uint64_t now_ms)
{
    bool is_due = !m->batch || m->running_ms; /* who waits in a queue waits as long as that takes */
    if (m->state == MEMBER_LAUNCHING && is_due && now_ms - m->started_ms > CORE_LAUNCH_MS && !m->kill_at_ms) {
        member_say(&m->reason, "did not connect within %d s%s%.150s", CORE_LAUNCH_MS / 1000, *m->reason ? ": " : "",
            m->reason);
        m->kill_at_ms = now_ms;
    }
    if (m->state == MEMBER_AWAY && now_ms >= m->away_until_ms) {
        if (m->foreign) /* its process is there still */
            member_signal(m, SIGKILL);
        give_up_on(e, m);
        return;
    }
    daemon_tick(m, now_ms);
    if (m->kill_at_ms && now_ms >= m->kill_at_ms)
        kill_it(e, m);
}

uint64_t member_next_ms(const struct member *m, uint64_t now_ms)
{
    uint64_t next = UINT64_MAX;
    if (m->kill_at_ms)
        next = m->kill_at_ms;
    if (m->state == MEMBER_LAUNCHING && (!m->batch || m->running_ms) && m->started_ms + CORE_LAUNCH_MS + 1 < next)
        next = m->started_ms + CORE_LAUNCH_MS + 1;
    if (m->state == MEMBER_AWAY && m->away_until_ms < next)
        next = m->away_until_ms;
    uint64_t daemon = daemon_next_ms(m, now_ms);
    return daemon < next ? daemon : next;
}
