/* A daemon as the engine sees it, from the decision to start it until its process is gone. */
#include "engine/profiles/running_daemon.h"

#include "base/mono.h"
#include "engine/model/core.h"
#include "engine/model/launcher.h"
#include "engine/peers/daemon_talk.h"
#include "engine/peers/dispatch.h"
#include "engine/profiles/orders.h"
#include "engine/profiles/place_state.h"
#include "engine/profiles/profile_state.h"
#include "engine/record/desired.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static const char no_text[] = "";

static void forget_text(const char **text)
{
    if (*text != no_text)
        free((char *)(uintptr_t)*text);
    *text = no_text;
}

void daemon_say(const char **text, const char *format, ...)
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

struct daemon *daemon_new(struct engine *e, struct place *l)
{
    struct profile *p = l->profile;
    struct daemon *m = mem_zalloc(sizeof *m);
    m->profile = p;
    m->place = l;
    m->reason = m->pause = m->limits = no_text;
    m->number = ++e->last_daemon & 0xffffff;
    snprintf(m->name, sizeof m->name, "%s-%u", p->name, ++p->counter);
    wire_new_secret(m->token);
    m->before = p->last_daemon;
    *(m->before ? &m->before->after : &p->daemons) = m;
    p->last_daemon = m;
    p->daemon_count++;
    m->fleet.arg = m;
    m->launcher = place_launcher(l);
    fleet_daemon_add(&l->fleet, &m->fleet, m->launcher->kind, mono_ms());
    return m;
}

void daemon_lose_tasks(struct engine *e, struct daemon *m)
{
    struct disp_daemon *daemon = m->disp;
    m->disp = NULL;
    m->setup_left = 0;
    m->paused = false;
    resume_free(m->resume);
    m->resume = NULL;
    if (!daemon)
        return;
    disp_daemon_lost(m->profile->disp, daemon, mono_us());
    profile_act(e, m->profile);
}

/* Its connections for files. */
static void close_files(struct engine *e, const struct daemon *m)
{
    for (struct peer *p = e->peers; p; p = p->after)
        if (p->role == PEER_FILES && p->daemon == m) {
            p->daemon = NULL;
            link_close(p->link);
        }
}

void daemon_remove(struct engine *e, struct daemon *m)
{
    struct profile *p = m->profile;
    daemon_lose_tasks(e, m);
    *(m->before ? &m->before->after : &p->daemons) = m->after;
    *(m->after ? &m->after->before : &p->last_daemon) = m->before;
    p->daemon_count--;
    fleet_daemon_remove(&m->fleet);
    if (m->launcher->fini)
        m->launcher->fini(m);
    close_files(e, m);
    mem_wipe(m->token, sizeof m->token);
    mem_wipe(m->instance, sizeof m->instance);
    forget_text(&m->reason);
    forget_text(&m->pause);
    forget_text(&m->limits);
    free(m);
    profile_fail_jobs(e, p);
    core_due(e);
}

void daemon_signal(const struct daemon *m, int signal)
{
    if (m->launcher->signal)
        m->launcher->signal(m, signal);
}

/* The process of a daemon on this machine has ended. */
void daemon_exited(struct engine *e, pid_t pid, int status)
{
    struct daemon *m = NULL;
    for (struct profile *p = e->profiles; p && !m; p = p->next)
        for (m = p->daemons; m && m->pid != pid; m = m->after)
            ;
    if (!m)
        return;
    char how[80];
    if (WIFSIGNALED(status))
        snprintf(how, sizeof how, "was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(how, sizeof how, "ended with status %d", WEXITSTATUS(status));
    m->pid = 0;
    unsigned acts = fleet_daemon_ended(&m->fleet, mono_ms());
    if (m->peer) { /* its connection goes next, and the rest then */
        daemon_say(&m->reason, "%s", how);
        peer_daemon_read_all(m->peer);
        core_due(e);
        return;
    }
    if (m->fleet.state == FLEET_LAUNCHING) {
        if (!m->reason[0])
            daemon_say(&m->reason, "%s before it connected", how);
        log_error("daemon", "launch failed daemon=%s why=\"%s\"", m->name, m->reason);
    } else if (m->fleet.state == FLEET_LOST) {
        log_info("daemon", "ended daemon=%s how=\"%s\"", m->name, how);
    }
    daemon_act(e, m, acts);
}

/* ---- what the fleet decided ---- */

void daemon_quit(struct daemon *m, bool now)
{
    daemon_act(m->profile->engine, m, fleet_daemon_quit(&m->fleet, now, mono_ms()));
}

/* Its place's trouble is this daemon's. */
static void blame(const struct daemon *m, bool gave_up)
{
    struct place *l = m->place;
    char text[sizeof l->reason];
    snprintf(text, sizeof text, "%s %s", m->name, m->reason);
    snprintf(l->reason, sizeof l->reason, "%s", text);
    if (!gave_up)
        return;
    log_error("profile", "gave up profile=%s host=%s launches=%u last=\"%s\"", l->profile->name, l->host,
        l->fleet.fails, text);
    place_say(l, CLW_UNREACHABLE, "see 'clowder log'", text);
}

static void say_late(struct daemon *m)
{
    daemon_say(
        &m->reason, "did not connect within %d s%s%.150s", FLEET_LAUNCH_MS / 1000, *m->reason ? ": " : "", m->reason);
}

static void stop(struct daemon *m)
{
    daemon_say(&m->reason, "%s", m->foreign ? "stopped" : "stopped while it was not connected");
    daemon_signal(m, SIGTERM);
}

/* In the order of the bits; all but to forget it. */
static void carry_out(struct engine *e, struct daemon *m, unsigned acts)
{
    if (acts & FLEET_SAY_LATE)
        say_late(m);
    peer_daemon_act(m, acts);
    if (acts & FLEET_KILL)
        daemon_signal(m, SIGKILL);
    if (acts & FLEET_CLOSE)
        link_close(m->peer->link);
    if (acts & FLEET_SAY_LOST)
        log_warn("daemon", "lost daemon=%s host=%s why=\"%s\"", m->name, m->place->host, m->reason);
    if (acts & FLEET_FAILED)
        blame(m, acts & FLEET_GAVE_UP);
    if (acts & FLEET_STOP)
        stop(m);
    if (acts & FLEET_SAVE)
        restore_save(e, m->profile, fleet_is_wanted(&m->profile->fleet), false);
    if (acts & FLEET_UNORDER)
        foreign_forget_order(m->foreign->order);
    if (acts & (FLEET_STOP | FLEET_DRAIN)) /* its time to go runs */
        core_due(e);
}

void daemon_act(struct engine *e, struct daemon *m, unsigned acts)
{
    carry_out(e, m, acts);
    if (!m->peer && m->fleet.state != FLEET_AWAY) /* nobody waits for it any more */
        daemon_lose_tasks(e, m);
    if (acts & FLEET_FORGET)
        daemon_remove(e, m);
}

void daemon_launch_failed(struct engine *e, struct daemon *m, const char *text, const char *hint)
{
    struct place *l = m->place;
    daemon_say(&m->reason, "%.190s", text);
    log_error("daemon", "launch failed daemon=%s host=%s why=\"%s\"", m->name, l->host, text);
    carry_out(e, m, fleet_daemon_failed(&m->fleet, mono_ms()));
    snprintf(l->reason, sizeof l->reason, "%.490s", text);
    snprintf(l->hint, sizeof l->hint, "%.290s", hint);
    daemon_remove(e, m);
}
