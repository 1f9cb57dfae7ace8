/* Hosts as the engine uses them: one link each (hosts/ssh/session.h), shared by all profiles, and what it says. A link
 * has a thread, which posts what it has to say; another one closes links. */
#include "engine/fleet/launchers/launcher.h"

#include "base/log.h"
#include "base/mono.h"
#include "engine/record/catalog.h"
#include "engine/record/recorder.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { OPEN_AGAIN_MS = 1000, NEWS_MAX = 10000 };

struct host *host_find(struct engine *e, const char *name)
{
    struct host *h = e->hosts;
    while (h && strcmp(h->name, name) != 0)
        h = h->next;
    return h;
}

bool host_is_resting(const struct host *h)
{
    enum host_state s = h->shot.state;
    return s == HOST_BACKOFF || s == HOST_REFUSED || s == HOST_NEEDS_SECRET || s == HOST_QUARANTINED ||
           (s == HOST_DOWN && h->goal != HOST_GOAL_UP); /* what is to be up does not stay down */
}

static bool answers(const struct host_snapshot *s)
{
    return s->state == HOST_UP && !s->silent;
}

bool host_is_open(const struct host *h)
{
    return h && answers(&h->shot) && !h->direct;
}

/* ---- what the link says ---- */

/* The way home of who is away is closed, or open again: the same, or another one. */
static void tell_places(struct engine *e, const struct host *h, bool is_up, bool same_way)
{
    for (struct profile *p = e->profiles; p; p = p->next)
        for (struct place *l = p->places; l; l = l->next)
            if (l->via != h || h->direct)
                continue;
            else if (is_up)
                fleet_place_way_back(&l->fleet, same_way, mono_ms());
            else
                fleet_place_way_lost(&l->fleet, mono_ms());
}

static void take_state(struct host *h, const struct host_snapshot *shot)
{
    struct engine *e = h->engine;
    bool was_up = h->shot.state == HOST_UP, is_up = shot->state == HOST_UP;
    bool was_open = answers(&h->shot), is_open = answers(shot);
    h->shot = *shot;
    if (was_open && !is_open)
        tell_places(e, h, false, false);
    if (was_up && !is_up)
        foreign_link_lost(e, h);
    if (is_up && !was_up)
        foreign_link_up(e, h);
    for (struct profile *p = e->profiles; p && is_open && was_up; p = p->next)
        if (!was_open && place_find(p, h->name))
            p->fleet.awake_ms = mono_ms(); /* nobody there was heard */
    if (is_open && !was_open) {
        tell_places(e, h, true, was_up || shot->same_url);
        h->refresh_ms = mono_ms() + CORE_REFRESH_MS;
    }
    if (is_up || host_is_resting(h))
        recorder_state(e->recorder, h->name,
            shot->state == HOST_DOWN && !shot->code ? "idle" : host_state_text(shot->state), shot->reason);
    for (struct profile *p = e->profiles; p && host_is_resting(h); p = p->next)
        profile_fail_jobs(e, p);
    core_due(e);
}

static void take_facts(struct host *h, const struct host_facts *facts)
{
    struct engine *e = h->engine;
    h->facts = *facts;
    h->has_facts = true;
    core_changed(e);
    if (h->here && !h->is_scheduler) /* this machine: nobody's row in the inventory */
        return;
    h->measured++;
    recorder_facts(e->recorder, h->name, facts);
    if (facts->load1 >= 0)
        recorder_load(e->recorder, h->name, facts->load1,
            facts->mem_available_bytes ? facts->mem_total_bytes - facts->mem_available_bytes : 0);
    core_due(e);
}

static struct daemon *by_launch(struct host *h, uint64_t id)
{
    for (struct profile *p = h->engine->profiles; p; p = p->next)
        for (struct daemon *m = p->daemons; m; m = m->after)
            if (m->place->via == h && m->launch_id == id)
                return m;
    return NULL;
}

static void take_event(struct host *h, const struct host_daemon_event *event)
{
    struct daemon *m = by_launch(h, event->id);
    if (m && m->launcher->event)
        m->launcher->event(h->engine, m, event);
}

/* ---- on its way from the link's thread to ours ---- */

/* One thing that a link said, with copies of its texts. */
struct news {
    struct loop_call call;
    struct host *host;
    enum { NEWS_STATE, NEWS_FACTS, NEWS_EVENT, NEWS_RUN, NEWS_CONNECTION } kind;
    union {
        struct host_snapshot shot;
        struct host_facts facts;
        struct host_daemon_event event;
        struct host_run_result run;
        int fd;
    };
    char *texts[2];
};

static void take_news(void *arg)
{
    struct news *n = arg;
    struct host *h = n->host;
    atomic_fetch_sub(&h->news, 1);
    switch (n->kind) {
    case NEWS_STATE: take_state(h, &n->shot); break;
    case NEWS_FACTS: take_facts(h, &n->facts); break;
    case NEWS_EVENT: take_event(h, &n->event); break;
    case NEWS_RUN:
        if (h->is_scheduler)
            batch_ran(h->engine, h, &n->run);
        break;
    case NEWS_CONNECTION: accept_remote(h->engine, h, n->fd); break; /* a daemon on the host comes home */
    }
    free(n->texts[0]);
    free(n->texts[1]);
    free(n);
}

static void tell(struct host *h, struct news *from)
{
    struct news *n = mem_alloc(sizeof *n);
    *n = *from;
    n->host = h;
    n->call = (struct loop_call){.run = take_news, .arg = n};
    atomic_fetch_add(&h->news, 1);
    loop_post(h->engine->loop, &n->call);
}

static void state_cb(void *arg, const struct host_snapshot *shot)
{
    tell(arg, &(struct news){.kind = NEWS_STATE, .shot = *shot});
}

static void facts_cb(void *arg, const struct host_facts *facts)
{
    tell(arg, &(struct news){.kind = NEWS_FACTS, .facts = *facts});
}

static void daemon_cb(void *arg, const struct host_daemon_event *event)
{
    struct host *h = arg;
    struct news n = {.kind = NEWS_EVENT, .event = *event};
    if (event->kind == HOST_DAEMON_STDERR && atomic_load(&h->news) > NEWS_MAX)
        return; /* a host that talks without end fills no memory */
    n.event.text = n.texts[0] = event->text ? mem_strdup(event->text) : NULL;
    n.event.hint = n.texts[1] = event->hint ? mem_strdup(event->hint) : NULL;
    tell(h, &n);
}

static void run_cb(void *arg, const struct host_run_result *result)
{
    struct news n = {.kind = NEWS_RUN, .run = *result};
    n.texts[0] = mem_alloc(result->out_len + 1);
    memcpy(n.texts[0], result->out, result->out_len);
    n.texts[0][result->out_len] = '\0';
    n.run.out = n.texts[0];
    n.run.errors = n.texts[1] = mem_strdup(result->errors);
    tell(arg, &n);
}

static void connection_cb(void *arg, int fd)
{
    tell(arg, &(struct news){.kind = NEWS_CONNECTION, .fd = fd});
}

/* ---- links ---- */

struct host_session_options host_options(const struct engine *e, const struct store_host *s)
{
    return (struct host_session_options){.name = s->name,
        .address = s->address,
        .user = s->user,
        .port = s->port,
        .jump = s->jump,
        .identity = s->identity,
        .program = e->daemon_program,
        .target = s->direct || s->launcher != STORE_LAUNCHER_SSH ? "" : "home"};
}

static char *settings_text(const struct store_host *s)
{
    return mem_printf("%s\n%s\n%u\n%s\n%s\n%d\n%d\n%s", s->address, s->user, s->port, s->jump, s->identity, s->direct,
        (int)s->launcher, s->directives);
}

static bool scheduler_of(enum store_launcher launcher, enum scheduler_kind *kind)
{
    static const struct {
        enum store_launcher launcher;
        enum scheduler_kind kind;
    } known[] = {{STORE_LAUNCHER_SLURM, SCHEDULER_SLURM}, {STORE_LAUNCHER_PBS, SCHEDULER_PBS},
        {STORE_LAUNCHER_SGE, SCHEDULER_SGE}, {STORE_LAUNCHER_LSF, SCHEDULER_LSF}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].launcher == launcher) {
            *kind = known[i].kind;
            return true;
        }
    return false;
}

/* A scheduler without an address is this machine's. */
static bool is_elsewhere(const struct store_host *s)
{
    return s->address[0] && strcmp(s->address, "local") != 0;
}

bool host_has_ssh(const struct store_host *s)
{
    enum scheduler_kind kind;
    return s->launcher == STORE_LAUNCHER_SSH || (scheduler_of(s->launcher, &kind) && is_elsewhere(s));
}

static bool is_in_use(const struct engine *e, const struct host *h)
{
    for (const struct profile *p = e->profiles; p; p = p->next)
        for (const struct daemon *m = p->daemons; m; m = m->after)
            if (m->place->via == h)
                return true;
    return batch_uses(e, h);
}

static void close_link(void *arg)
{
    host_session_close(((struct host *)arg)->link);
}

/* What its link said before its end was posted before this. */
static void host_free(void *arg)
{
    struct host *h = arg;
    free(h->settings);
    free(h->directives);
    free(h);
}

/* It is of no use any more. now: who takes its place, or NULL. */
static void retire(struct engine *e, struct host *h, struct host *now)
{
    struct host **at = &e->hosts;
    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
    for (struct profile *p = e->profiles; p; p = p->next)
        for (struct place *l = p->places; l; l = l->next)
            if (l->via == h)
                l->via = now;
    h->closing = (struct errand){.work = close_link, .done = host_free, .arg = h};
    errands_give(e->closer, &h->closing);
}

/* With its link and its places. */
static void dismiss(struct engine *e, struct host *h)
{
    for (struct profile *p = e->profiles; p; p = p->next)
        for (struct place *l = p->places, *next; l; l = next) {
            next = l->next;
            if (l->via == h)
                place_remove(l);
        }
    retire(e, h, NULL);
}

static struct host *host_new(struct engine *e, const struct store_host *s, char *settings)
{
    struct host *h = mem_zalloc(sizeof *h);
    h->engine = e;
    snprintf(h->name, sizeof h->name, "%s", s->name);
    h->settings = settings;
    h->is_scheduler = scheduler_of(s->launcher, &h->scheduler);
    h->here = h->is_scheduler && !is_elsewhere(s);
    h->directives = mem_strdup(s->directives ? s->directives : "");
    h->direct = s->direct || h->is_scheduler;
    h->shot.state = HOST_IDLE;
    h->shot.since_ms = mono_ms();
    host_facts_init(&h->facts);
    h->next = e->hosts;
    e->hosts = h;
    return h;
}

enum clw_err host_get(struct engine *e, const char *name, struct host **out, struct clw_error *err)
{
    const struct store_host *s;
    struct host *h = *out = host_find(e, name);
    if (h && h->leaving)
        return clw_fail(err, CLW_REFUSED,
            "try again when its tasks have ended, or end them: clowder host remove --now NAME",
            "host '%s' is being removed", name);
    enum clw_err code = catalog_host_get(e->catalog, name, &s, err);
    if (code)
        return code;
    if (s->launcher == STORE_LAUNCHER_LOCAL || s->launcher == STORE_LAUNCHER_COMMAND)
        return clw_fail(err, CLW_USAGE, "its daemons are started on this machine: there is nothing to log in to",
            "host '%s' is not reached by SSH", name);
    enum scheduler_kind kind;
    if (s->launcher != STORE_LAUNCHER_SSH && !scheduler_of(s->launcher, &kind))
        return clw_fail(err, CLW_USAGE, "change it: clowder host edit NAME --launcher ssh",
            "host '%s' is reached by %s, which this version cannot use", name, store_launcher_text(s->launcher));
    char *settings = settings_text(s);
    if (!h || (strcmp(h->settings, settings) != 0 && !is_in_use(e, h))) {
        *out = host_new(e, s, settings);
        if (h)
            retire(e, h, *out);
    } else {
        free(settings);
    }
    return CLW_OK;
}

struct host *host_here(struct engine *e)
{
    struct host *h = host_find(e, "local");
    if (!h) {
        h = host_new(e, &(struct store_host){.name = "local"}, mem_strdup(""));
        h->here = true;
    }
    return h;
}

static enum clw_err open_link(struct host *h, enum host_goal goal, bool retry, struct clw_error *err)
{
    const struct store_host *s;
    if (h->here) {
        struct host_session_options here = {.name = h->name,
            .program = h->engine->daemon_program,
            .here = true,
            .goal = goal,
            .retry = retry,
            .cb = {.arg = h, .state = state_cb, .facts = facts_cb, .daemon = daemon_cb, .run = run_cb}};
        return host_session_open(&here, &h->link, err);
    }
    enum clw_err code = catalog_host_get(h->engine->catalog, h->name, &s, err);
    if (code)
        return code;
    struct host_session_options o = host_options(h->engine, s);
    o.goal = goal;
    o.retry = retry;
    o.cb = (struct host_callbacks){.arg = h,
        .state = state_cb,
        .facts = facts_cb,
        .daemon = daemon_cb,
        .run = run_cb,
        .connection = connection_cb};
    return host_session_open(&o, &h->link, err);
}

enum clw_err host_reach(struct host *h, enum host_goal goal, bool again, struct clw_error *err)
{
    bool more = !h->link || goal > h->goal || host_is_resting(h);
    if (h->link && goal < h->goal)
        goal = h->goal;
    if (more || !h->link) {
        h->goal = goal;
        h->retry = goal == HOST_GOAL_UP;
    }
    if (!h->link) {
        h->again_ms = mono_ms() + OPEN_AGAIN_MS;
        return open_link(h, h->goal, h->retry, err);
    }
    if (more)
        host_session_set_goal(h->link, h->goal, h->retry);
    if (again && host_is_resting(h))
        host_session_retry(h->link);
    return CLW_OK;
}

/* ---- chores ---- */

static bool is_wanted(const struct engine *e, const struct host *h)
{
    if (is_in_use(e, h))
        return true;
    for (const struct profile *p = e->profiles; p; p = p->next)
        for (const struct place *l = p->places; l && !p->fleet.going; l = l->next)
            if (l->via == h && l->fleet.on)
                return true;
    return false;
}

/* It could not be opened, as when there were no descriptors. */
static bool lacks_link(const struct engine *e, const struct host *h)
{
    return !h->link && h->goal == HOST_GOAL_UP && is_wanted(e, h);
}

static bool works_here(const struct engine *e)
{
    for (const struct profile *p = e->profiles; p; p = p->next)
        for (const struct place *l = p->places; l; l = l->next)
            if (!l->via && fleet_place_active(&l->fleet))
                return true;
    return false;
}

static void probe_here(struct engine *e)
{
    struct host *here = host_here(e);
    here->refresh_ms = mono_ms() + CORE_REFRESH_MS;
    host_reach(here, HOST_GOAL_FACTS, true, NULL);
    if (here->shot.state == HOST_UP)
        host_session_probe(here->link);
}

void host_look_here(struct engine *e)
{
    struct host *here = host_here(e);
    if (!here->has_facts && mono_ms() >= here->refresh_ms)
        probe_here(e);
}

/* This machine is measured like a host, while it has daemons. */
static void measure_here(struct engine *e, uint64_t now_ms)
{
    double load;
    if (now_ms < e->measured_ms + CORE_REFRESH_MS || !works_here(e))
        return;
    e->measured_ms = now_ms;
    if (host_here(e)->has_facts && now_ms >= host_here(e)->refresh_ms) /* somebody wants to know about its GPUs */
        probe_here(e);
    if (getloadavg(&load, 1) == 1)
        recorder_load(e->recorder, "local", load, 0);
}

static bool is_measured(const struct host *h)
{
    return answers(&h->shot) && !h->here;
}

void host_tick(struct engine *e, uint64_t now_ms)
{
    batch_tick(e, now_ms);
    measure_here(e, now_ms);
    for (struct host *h = e->hosts, *next; h; h = next) {
        next = h->next;
        if (h->leaving && !is_in_use(e, h)) {
            dismiss(e, h);
            core_changed(e); /* somebody may wait for it */
            continue;
        }
        if (lacks_link(e, h) && now_ms >= h->again_ms)
            host_reach(h, HOST_GOAL_UP, false, NULL);
        if (!h->link)
            continue;
        if (h->goal == HOST_GOAL_UP && !is_wanted(e, h)) { /* its secrets stay with the link */
            h->goal = HOST_GOAL_FACTS;
            h->retry = false;
            host_session_set_goal(h->link, h->goal, h->retry);
        } else if (is_measured(h) && now_ms >= h->refresh_ms) {
            h->refresh_ms = now_ms + CORE_REFRESH_MS;
            host_session_probe(h->link);
        }
    }
}

uint64_t host_next_ms(const struct engine *e)
{
    uint64_t next = batch_next_ms(e), here_ms = works_here(e) ? e->measured_ms + CORE_REFRESH_MS : UINT64_MAX;
    next = here_ms < next ? here_ms : next;
    for (const struct host *h = e->hosts; h; h = h->next) {
        bool measures = h->link && is_measured(h);
        uint64_t at = measures ? h->refresh_ms : lacks_link(e, h) ? h->again_ms : UINT64_MAX;
        next = at < next ? at : next;
    }
    return next;
}

void host_close_all(struct engine *e)
{
    while (e->hosts)
        retire(e, e->hosts, NULL);
}

/* ---- for people ---- */

json_t *host_key_json(const struct host_key_info *k)
{
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:s, s:i}", "host", k->host, "type", k->type, "fingerprint",
        k->fingerprint, "changed", k->changed, "other_type", k->other_type, "file", k->file, "line", (int)k->line);
}

json_t *host_prompt_json(const struct host_prompt *p)
{
    return json_pack("{s:s, s:s, s:b, s:b}", "kind", p->kind, "text", p->text, "echo", p->echo, "again", p->again);
}

static json_t *steps_json(const struct host_snapshot *s)
{
    json_t *o = json_object();
    for (int i = 0; i < HOST_STEPS; i++)
        if (s->step_ms[i])
            json_object_set_new(o, host_state_text((enum host_state)i), json_integer(s->step_ms[i]));
    return o;
}

const char *host_word(const struct host_snapshot *s)
{
    return s->silent ? "silent" : host_state_text(s->state);
}

json_t *host_json(struct engine *e, const struct host *h)
{
    struct host_snapshot s = h->shot;
    uint64_t now = mono_ms();
    unsigned daemons = 0;
    if (h->link)
        host_session_snapshot(h->link, &s);
    if (s.silent)
        snprintf(s.reason, sizeof s.reason, "no answer for %llu s; its tasks keep running",
            (unsigned long long)(s.quiet_ms / 1000));
    for (const struct profile *p = e->profiles; p; p = p->next)
        for (const struct daemon *m = p->daemons; m; m = m->after)
            daemons += m->place->via == h && m->fleet.state == FLEET_UP;
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:i, s:i, s:I, s:I, s:s, s:I, s:I, s:i, s:i, s:o}",
        "host", h->name, "state", host_word(&s), "step", host_state_text(s.step), "reason", s.reason, "hint", s.hint,
        "code", clw_err_text(s.code), "since_s", (json_int_t)((now - s.since_ms) / 1000), "attempts", (int)s.attempts,
        "failures", (int)s.failures, "rtt_us", (json_int_t)s.rtt_us, "quiet_ms", (json_int_t)s.quiet_ms, "url", s.url,
        "bytes_up", (json_int_t)s.bytes_up, "bytes_down", (json_int_t)s.bytes_down, "streams", (int)s.streams,
        "daemons", (int)daemons, "steps_ms", steps_json(&s));
    if (!o)
        return json_pack("{s:s, s:s}", "host", h->name, "state", host_word(&s));
    if (s.retry_at_ms)
        json_object_set_new(
            o, "retry_in_s", json_integer(s.retry_at_ms > now ? (json_int_t)((s.retry_at_ms - now + 999) / 1000) : 0));
    if (s.key.fingerprint[0])
        json_object_set_new(o, "key", host_key_json(&s.key));
    if (s.prompt.text[0])
        json_object_set_new(o, "prompt", host_prompt_json(&s.prompt));
    return o;
}
