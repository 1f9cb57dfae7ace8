/* What a daemon says: hello, answers, that it leaves. */
#include "engine/serve/serve_daemon.h"

#include "base/mono.h"
#include "base/text.h"
#include "engine/model/core.h"
#include "engine/model/find.h"
#include "engine/model/launcher.h"
#include "engine/peers/client_talk.h"
#include "engine/peers/daemon_talk.h"
#include "engine/peers/dispatch.h"
#include "engine/peers/talk.h"
#include "engine/profiles/host_use.h"
#include "engine/profiles/place.h"
#include "engine/profiles/place_state.h"
#include "engine/profiles/profile_state.h"
#include "engine/profiles/running_daemon.h"
#include "engine/record/keep.h"
#include "engine/record/ledger.h"

#include <string.h>

enum { NEWS_EVERY_MS = 1000, NEWS_AT_ONCE = 64 };

/* The profile's setup commands, pinned to this daemon, before anything else. */
static void start_setups(struct daemon *m)
{
    struct profile *profile = m->profile;
    for (struct core_job *t = profile->setups; t; t = t->next) {
        struct core_job *j = mem_zalloc(sizeof *j);
        j->profile = profile;
        j->setup_of = m;
        j->func = blk_hold(t->func);
        j->func_len = t->func_len;
        func_copy(&j->spec, &t->spec);
        struct disp_job_options o = {.sequential = true, .arg = j};
        j->job = disp_job_open(profile->disp, &o);
        disp_job_pin(profile->disp, j->job, &m->disp, 1, mono_us());
        disp_job_end(profile->disp, j->job);
        m->setup_left++;
    }
}

/* A daemon that is told no terms has those of the default. */
static bool has_terms(const struct place *l)
{
    struct store_settings none, set = place_settings(l);
    store_settings_init(&none);
    return !store_settings_same(&set, &none, STORE_TOLD_TERMS);
}

/* As if it had not been away. */
static void welcome_back(struct peer *p, struct daemon *m, uint64_t has)
{
    if (!daemon_send_resumed(p, m, has)) {
        peer_drop(p, "it has received what was not sent");
        return;
    }
    daemon_send_terms(p, m);
    disp_daemon_back(m->disp, mono_us());
    daemon_give_or_not(m);
    if (m->is_outdated)
        daemon_quit(m, false);
    m->is_outdated = false;
}

static void welcome(struct peer *p, struct daemon *m, unsigned acts)
{
    struct profile *profile = m->profile;
    daemon_send_welcome(p, m);
    if (has_terms(m->place))
        daemon_send_terms(p, m);
    m->disp = disp_daemon_join(
        profile->disp, m, m->place->number, profile->settings.set.maxtasks, profile->setups != NULL, mono_us());
    if (m->place->via && m->place->via->shot.rtt_us)
        disp_daemon_line(m->disp, m->place->via->shot.rtt_us);
    daemon_act(p->engine, m, acts);
    if (m->fleet.state == FLEET_UP) {
        place_say(m->place, CLW_OK, NULL, NULL);
        start_setups(m);
    }
    profile_act(p->engine, profile);
}

void peer_daemon_hello(struct peer *p, struct daemon *m, const struct wire_hello *h)
{
    struct engine *e = p->engine;
    bool was_away = m->fleet.state == FLEET_AWAY, resumes = m->resume && h->has_received;
    if (!resumes)
        daemon_lose_tasks(e, m);
    p->role = PEER_DAEMON;
    p->daemon = m;
    m->peer = p;
    m->worker_pid = (pid_t)h->pid;
    memcpy(m->instance, h->instance, sizeof m->instance);
    unsigned acts = fleet_daemon_came(&m->fleet, mono_ms());
    daemon_say(&m->reason, NULL);
    link_set_max(p->link, WIRE_BODY_MAX);
    log_info("daemon", "%s daemon=%s host=%s pid=%d ms=%llu", was_away ? "resumed" : "connected", m->name,
        m->place->host, (int)m->worker_pid, (unsigned long long)(m->fleet.connected_ms - m->fleet.started_ms));
    if (resumes)
        welcome_back(p, m, h->received);
    else
        welcome(p, m, acts);
    core_due(e); /* the next may be launched */
    keep_hurry(e->keeper);
}

static void setup_ended(struct core_job *j, enum wire_outcome outcome, const struct frame *f)
{
    struct daemon *m = j->setup_of;
    struct wire_report r;
    char tail[120] = "";
    if (outcome == WIRE_DONE) {
        if (--m->setup_left == 0)
            disp_daemon_release(m->profile->disp, m->disp, mono_us());
        return;
    }
    if (f->type == WIRE_REPORT && f->len && wire_get_report(f, &r, NULL) == CLW_OK)
        text_escape(tail, sizeof tail, (const char *)r.err, r.err_len);
    daemon_say(&m->reason, "setup '%.40s' failed%s%.100s", j->spec.argv[0], tail[0] ? ": " : "", tail);
    log_error("daemon", "setup failed daemon=%s command=\"%s\" stderr=\"%s\"", m->name, j->spec.argv[0], tail);
    place_say(m->place, CLW_UNREACHABLE, "see 'clowder log'", m->reason);
    daemon_act(m->profile->engine, m, fleet_daemon_setup_failed(&m->fleet, mono_ms()));
}

static void count(struct daemon *m, enum wire_outcome outcome, uint32_t n)
{
    uint64_t now_ms = mono_ms();
    rates_add(&m->profile->rates, now_ms, n);
    rates_add(&m->place->rates, now_ms, n);
    pace_add(&m->pace, now_ms, n);
    m->place->done += n;
    core_worked(m->profile->engine, m);
    if (outcome != WIRE_DONE)
        m->place->failed += n;
    place_worked(m->place, n, outcome == WIRE_FAILED || outcome == WIRE_TIMEOUT ? n : 0);
    profile_record(m->profile, n);
}

/* What the frame says of its tasks; report counts when it has a body. */
static enum clw_err read_answer(
    const struct frame *f, enum wire_outcome *outcome, struct wire_report *report, struct clw_error *err)
{
    struct wire_slices slices;
    *outcome = WIRE_DONE;
    if (f->type == WIRE_RESULT)
        return wire_slices(f, &slices, err);
    *outcome = (enum wire_outcome)f->code;
    bool known = f->code < WIRE_OUTCOME_COUNT || f->code == WIRE_CANNOT;
    enum clw_err code = f->len ? wire_get_report(f, report, err) : CLW_OK;
    if (!code && (!known || f->n == 0 || (f->n != 1 && f->len)))
        code = clw_fail(err, CLW_PROTOCOL, NULL, "a report that makes no sense");
    return code;
}

/* Its machine cannot start the job's tasks: they go elsewhere, and that is said. */
static void tell_aside(const struct core_job *j, const struct daemon *m, const struct wire_report *r)
{
    char why[300];
    text_escape(why, sizeof why, (const char *)r->why, r->why_len);
    log_warn("job", "set aside host=%s profile=%s command=\"%s\" why=\"%s\"", m->place->host, m->profile->name,
        j->spec.argv[0], why);
    client_note(j, "%s: %s; it gets no tasks of this job while others can take them", m->place->host, why);
}

void serve_answer(struct peer *p, const struct frame *f, struct blk *block)
{
    struct daemon *m = p->daemon;
    struct profile *profile = m->profile;
    struct clw_error err;
    struct disp_verdict v;
    struct wire_report report = {0};
    struct frame told = *f;
    enum wire_outcome outcome;
    enum clw_err code = read_answer(f, &outcome, &report, &err);
    const uint8_t *input = NULL;
    uint32_t input_len = 0;
    struct blk *kept = NULL;
    if (!code && outcome != WIRE_DONE && disp_daemon_input(m->disp, &kept, &input, &input_len))
        blk_hold(kept);
    if (!code)
        code = disp_daemon_answer(profile->disp, m->disp, f->job, f->first, f->n, outcome,
            f->type == WIRE_RESULT ? f->run_us : report.run_us, mono_us(), &v, &err);
    if (code) {
        blk_rele(kept);
        peer_drop(p, err.message);
        return;
    }
    struct core_job *j = disp_job_arg(v.job);
    if (outcome == WIRE_CANNOT)
        told.code = outcome = WIRE_FAILED;
    if (j->setup_of) {
        setup_ended(j, outcome, &told);
    } else {
        if (v.set_aside)
            tell_aside(j, m, &report);
        count(m, outcome, f->n);
        m->has_worker = outcome == WIRE_DONE ? f->job : 0; /* else it may have died with the task */
        if (v.deliver) {
            ledger_answer(j, m, &told, outcome, &report, v.attempts, input, input_len);
            if (f->type == WIRE_REPORT && f->len)
                le_put_u64((uint8_t *)(uintptr_t)f->body + 16, v.queued_us);
            client_forward(j, m, &told, &v, block);
        }
    }
    blk_rele(kept);
    profile_act(p->engine, profile);
}

static void take_usage(struct peer *p, const struct frame *f)
{
    struct daemon *m = p->daemon;
    m->has_usage = true;
    m->cpu_permille = f->n;
    m->memory_bytes = f->first;
    core_changed(p->engine);
}

/* News of its state is rare: some dozens in a row, one a second for ever. Each is a line in the log, and an event. */
static bool tells_too_much(struct peer *p)
{
    if (quota_take(&p->daemon->news, mono_ms(), NEWS_EVERY_MS, NEWS_AT_ONCE))
        return false;
    peer_drop(p, "it tells of its state without end");
    return true;
}

static void take_yield(struct peer *p, const struct frame *f)
{
    struct daemon *m = p->daemon;
    if (tells_too_much(p))
        return;
    bool paused = f->len > 0;
    char text[200];
    text_escape(text, sizeof text, (const char *)f->body, f->len);
    if (paused)
        daemon_say(&m->pause, "%s", text);
    if (paused && !m->paused)
        log_info("daemon", "paused daemon=%s host=%s why=\"%s\"", m->name, m->place->host, m->pause);
    else if (m->paused && !paused)
        log_info("daemon", "goes on daemon=%s host=%s", m->name, m->place->host);
    m->paused = paused;
    daemon_give_or_not(m);
    core_due(p->engine);
}

static void take_limits(struct peer *p, const struct frame *f)
{
    struct daemon *m = p->daemon;
    char text[200];
    text_escape(text, sizeof text, (const char *)f->body, f->len);
    if (strcmp(text, m->limits) == 0 || tells_too_much(p))
        return;
    daemon_say(&m->limits, "%s", text);
    log_info("daemon", "limits daemon=%s host=%s are=\"%s\"", m->name, m->place->host, m->limits);
    core_changed(p->engine);
}

static void take_back(struct peer *p, const struct frame *f)
{
    struct clw_error err;
    struct profile *profile = p->daemon->profile;
    if (disp_daemon_returned(profile->disp, p->daemon->disp, f->job, f->first, f->n, mono_us(), &err))
        peer_drop(p, err.message);
    else
        profile_act(p->engine, profile);
}

static void take_closed(struct peer *p, const struct frame *f)
{
    struct disp_job *job = NULL;
    if (disp_daemon_closed(p->daemon->profile->disp, p->daemon->disp, f->job, &job)) {
        peer_drop(p, "it closed a job that it does not have");
        return;
    }
    profile_act(p->engine, p->daemon->profile);
}

static void take_fault(struct peer *p, const struct frame *f)
{
    struct disp_job *job = disp_daemon_job(p->daemon->profile->disp, p->daemon->disp, f->job);
    char text[300];
    if (!job) {
        peer_drop(p, "it finds fault with a job that it does not have");
        return;
    }
    if (tells_too_much(p))
        return;
    text_escape(text, sizeof text, (const char *)f->body, f->len);
    log_warn("job", "fault daemon=%s job=%u why=\"%s\"", p->daemon->name, f->job, text);
    client_fault(disp_job_arg(job), CLW_FAILED, "%s: %s", p->daemon->name, text);
}

/* Whoever started it may know more. */
static void look_at(struct daemon *m)
{
    if (m->launcher->look)
        m->launcher->look(m);
}

static void take_leave(struct peer *p, const struct frame *f)
{
    struct daemon *m = p->daemon;
    char text[200];
    if (tells_too_much(p))
        return;
    text_escape(text, sizeof text, (const char *)f->body, f->len);
    daemon_say(&m->reason, "%s", text);
    log_info("daemon", "leaves daemon=%s why=\"%s\"", m->name, m->reason);
    daemon_act(p->engine, m, fleet_daemon_leaves(&m->fleet, strcmp(m->reason, "idletime") == 0));
    look_at(m);
    core_due(p->engine);
}

void peer_daemon_frame(struct peer *p, const struct frame *f, struct blk *block)
{
    if (p->daemon->fleet.quit_sent) /* that may have been its last task */
        core_due(p->engine);
    switch (f->type) {
    case WIRE_RESULT:
    case WIRE_REPORT: serve_answer(p, f, block); break;
    case WIRE_CLOSED: take_closed(p, f); break;
    case WIRE_FAULT: take_fault(p, f); break;
    case WIRE_LEAVE: take_leave(p, f); break;
    case WIRE_PING: peer_answer_ping(p); break;
    case WIRE_PONG: break;
    case WIRE_USAGE: take_usage(p, f); break;
    case WIRE_YIELD: take_yield(p, f); break;
    case WIRE_LIMITS: take_limits(p, f); break;
    case WIRE_BACK: take_back(p, f); break;
    default: peer_drop(p, "a frame that no daemon sends"); break;
    }
}

void peer_daemon_gone(struct peer *p, const char *why)
{
    struct daemon *m = p->daemon;
    struct engine *e = p->engine;
    uint32_t in_flight = disp_daemon_in_flight(m->disp);
    bool was_up = m->fleet.state == FLEET_UP;
    m->peer = NULL;
    p->daemon = NULL;
    unsigned acts = fleet_daemon_gone(&m->fleet, in_flight > 0, host_is_open(m->place->via), mono_ms());
    if (was_up) {
        if (!m->reason[0])
            daemon_say(&m->reason, "%.190s", why);
        log_warn("daemon", "%s daemon=%s host=%s tasks=%u why=\"%s\"", m->fleet.state == FLEET_AWAY ? "away" : "lost",
            m->name, m->place->host, in_flight, m->reason);
    } else {
        log_info("daemon", "gone daemon=%s host=%s", m->name, m->place->host);
    }
    look_at(m);
    if (m->fleet.state == FLEET_AWAY && m->resume && !p->is_bad) /* it works on, and what it has stays its own */
        daemon_give_or_not(m);
    else
        daemon_lose_tasks(e, m);
    daemon_act(e, m, acts);
    core_due(e);
}
