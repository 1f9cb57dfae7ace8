/* Requests about profiles: down, launch, status, stop, and the table of them all. */
#include "engine/control/control_internal.h"

#include "engine/control/status.h"
#include "engine/model/core.h"
#include "engine/model/find.h"
#include "engine/profiles/foreign_order.h"
#include "engine/profiles/foreign_script.h"
#include "engine/profiles/orders.h"
#include "engine/profiles/restore.h"
#include "engine/profiles/running_daemon.h"
#include "engine/profiles/running_profile.h"
#include "engine/record/desired.h"
#include "engine/record/keep.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* ---- down ---- */

static bool is_meant(const struct profile *p, const char *name)
{
    return *name ? strcmp(p->name, name) == 0 : !p->ephemeral;
}

static json_t *down_answer(struct engine *e, struct waiter *w)
{
    for (const struct profile *p = e->profiles; p; p = p->next)
        for (const struct daemon *m = is_meant(p, w->name) ? p->daemons : NULL; m; m = m->after)
            if (!w->host[0] || strcmp(m->place->host, w->host) == 0)
                return NULL;
    return reply_ok();
}

bool control_down_on(struct engine *e, struct profile *p, const char *host, bool now)
{
    struct place *l = place_find(p, host);
    if (!l || !(l->fleet.on || fleet_place_active(&l->fleet)))
        return false;
    l->fleet.on = false;
    foreign_drop_orders_on(l);
    log_info("profile", "down profile=%s host=%s now=%d", p->name, host, now);
    for (struct daemon *m = p->daemons; m; m = m->after)
        if (m->place == l)
            daemon_quit(m, now);
    restore_save(e, p, true, false);
    return true;
}

/* The daemons of a detached job's own: it would bring them up again. */
static bool is_of_job(struct engine *e, const char *name, int64_t *job)
{
    const struct profile *p = profile_find(e, name);
    return p && p->ephemeral && sscanf(name, "job-%" SCNd64, job) == 1 && keep_has(e->keeper, *job, NULL);
}

static json_t *down(const struct call *c)
{
    struct engine *e = c->e;
    const json_t *request = c->request;
    const char *name = request_text(request, "profile", ""), *host = request_text(request, "on", "");
    bool now = false, wait = true, any = false, of_job = false; /* of_job: the keeper asks, whose they are */
    int64_t job;
    if (!request_bool(request, "now", &now) || !request_bool(request, "wait", &wait) ||
        !request_bool(request, "of_job", &of_job))
        return reply_refusal(CLW_USAGE, NULL, "a field of the request has the wrong type");
    if (!of_job && is_of_job(e, name, &job))
        return reply_refusal(CLW_REFUSED, "end that with 'clowder job cancel'",
            "profile '%s' ends when job %" PRId64 " ends", name, job);
    if (*name && !profile_find(e, name) && strcmp(name, "default") != 0 && !restore_is_known(e, name))
        return reply_refusal(CLW_NOT_FOUND, "see 'clowder status'", "there is no profile '%s'", name);
    for (struct profile *p = e->profiles; p; p = p->next) {
        if (!is_meant(p, name))
            continue;
        if (*host) {
            any |= control_down_on(e, p, host, now);
        } else {
            profile_down(e, p, now);
            restore_save(e, p, false, false);
        }
    }
    if (*host && !any)
        return reply_refusal(CLW_NOT_FOUND, "see 'clowder status'", "no daemons are up on '%s'", host);
    core_due(e);
    struct waiter w = {.check = wait ? down_answer : reply_saved, .saves = true, .what = "is not down yet"};
    snprintf(w.name, sizeof w.name, "%s", name);
    snprintf(w.host, sizeof w.host, "%s", host);
    control_wait(c->e, c->asked, w, request);
    return NULL;
}

/* A profile that nobody uses is forgotten; in the store it is removed by who asks. */
static json_t *remove_profile(const struct call *c)
{
    struct engine *e = c->e;
    const char *name = request_text(c->request, "profile", "");
    struct profile *p = profile_find(e, name);
    struct disp_stats s = {0};
    if (!p)
        return reply_ok();
    disp_stats(p->disp, &s);
    if (fleet_is_wanted(&p->fleet) || p->daemon_count || s.jobs)
        return reply_refusal(
            CLW_REFUSED, "take it down first: clowder down", "profile '%s' is %s", name, s.jobs ? "used" : "up");
    profile_free(e, p);
    core_changed(e);
    return reply_ok();
}

/* ---- launch ---- */

/* The profile with its hosts, for a daemon whose command was given. Without daemons of its own it takes any. */
static json_t *profile_for_order(struct engine *e, const char *name, struct profile **out)
{
    struct profile *p = *out = profile_find(e, name);
    if (!p && !restore_is_known(e, name))
        return reply_refusal(
            CLW_NOT_FOUND, "make it: clowder profile set NAME --on HOST:N", "there is no profile '%s'", name);
    if (!p)
        p = *out = profile_new(e, name);
    if (!p->daemon_count && !fleet_is_wanted(&p->fleet)) {
        restore_profile(e, p, false);
        if (!profile_is_foreign(p))
            p->settings.runtime = STORE_RUNTIME_COMMAND;
        restore_profile(e, p, true);
        if (!profile_is_foreign(p))
            p->settings.runtime = STORE_RUNTIME_COMMAND;
        for (struct place *l = p->places; l; l = l->next) {
            l->fleet.on = false;
            l->fleet.want = 0;
        }
    }
    if (!profile_is_foreign(p))
        return reply_refusal(CLW_REFUSED, "use another profile, or take it down first",
            "profile '%s' is up with daemons of Clowder's own", name);
    return NULL;
}

static json_t *launch(const struct call *c)
{
    struct engine *e = c->e;
    const json_t *request = c->request;
    const char *name = request_text(request, "profile", "default"), *command = request_text(request, "command", "");
    struct clw_error err;
    struct profile *p;
    if (!*command || strlen(command) > CORE_COMMAND_MAX)
        return reply_refusal(CLW_USAGE, NULL, "a daemon's command has 1 to %d bytes", CORE_COMMAND_MAX);
    if (e->stopping)
        return reply_refusal(CLW_REFUSED, "try again in a moment", "the engine is stopping");
    struct foreign_base base;
    if (!c->has_knocked && foreign_base_find(command, &base))
        return control_knock(c, base.target);
    json_t *problem = profile_for_order(e, name, &p);
    if (problem)
        return problem;
    struct profile_settings *s = &p->settings;
    if (!request_env(request, "local_env", &s->local_env))
        return reply_refusal(CLW_USAGE, NULL, "a field of the request has the wrong type");
    struct order *o = foreign_order(e, p, command, &err);
    if (!o)
        return reply_error(&err);
    json_t *reply = reply_ok();
    json_object_set_new(reply, "profile", json_string(p->name));
    json_object_set_new(reply, "host", json_string(o->place->host));
    json_object_set_new(reply, "daemon", json_string(o->daemon ? o->daemon->name : ""));
    return reply;
}

/* ---- stop and status ---- */

static json_t *stop(const struct call *c)
{
    struct engine *e = c->e;
    bool now = false;
    request_bool(c->request, "now", &now);
    for (struct profile *p = e->profiles; p; p = p->next)
        restore_save(e, p, false, false); /* the user's word: the next engine starts without them */
    core_stop(e, now);
    json_t *reply = reply_ok();
    json_object_set_new(reply, "pid", json_integer(getpid())); /* for those who wait for its end */
    return reply;
}

static json_t *status(const struct call *c)
{
    struct engine *e = c->e;
    const char *name = request_text(c->request, "profile", NULL);
    json_t *document = status_json(e, name);
    if (!document && e->catalog && !c->has_looked)
        return control_look(c);
    if (!document && (strcmp(name, "default") == 0 || restore_is_known(e, name))) {
        document = status_json(e, NULL);
        json_object_set_new(document, "profiles", json_array());
    }
    if (!document)
        return reply_refusal(CLW_NOT_FOUND, "see 'clowder status'", "there is no profile '%s'", name);
    json_object_set_new(document, "ok", json_true());
    return document;
}

/* A field of `up` for each setting. */
#define KEY(field, TYPE, value, key, ...) " [" #key "]"

const struct op profile_ops[] = {
    {"status", OP_NOTHING, "[profile]", "the document of `clowder status --json`", status},
    {"up", OP_LOOK,
        "[profile] [n] [on: {HOST: N, ...}] [by: {HOST: +-N}] [env: [\"K=V\"]] [wait] "
        "[timeout_ms] [patient]" STORE_SETTINGS_STORED(KEY) STORE_SETTINGS_PASSING(KEY),
        "connected. n is the number on this machine; hosts that are not named keep their number, 0 removes a host; by "
        "adds to the present numbers (\"local\": this machine). patient: what may pass is waited out until timeout_ms",
        control_up},
    {"missing", OP_NOTHING, "[profile]",
        "hosts: [{host daemons wanted passes reason hint}]: those that are not as wanted; passes: it is tried again, "
        "or goes on",
        control_missing},
    {"down", OP_LOOK, "[profile] [on: HOST] [now] [wait] [timeout_ms]", "", down},
    {"remove", OP_NOTHING, "profile",
        "the engine forgets it; refused while it is up or has jobs. Its row in the store stays", remove_profile},
    {"launch", OP_LOOK, "[profile] command [local_env: [\"K=V\"]]",
        "profile, host, daemon: of another engine, by its command line", launch},
    {"stop", OP_NOTHING, "[now]", "pid of the process that will end", stop},
    {.name = NULL},
};
