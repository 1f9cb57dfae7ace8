/* up: what a profile is to have from now on, and waiting until it has that. */
#include "engine/control/control_internal.h"

#include "base/mono.h"
#include "base/text.h"
#include "engine/model/find.h"
#include "engine/peers/daemon_talk.h"
#include "engine/profiles/host_json.h"
#include "engine/profiles/launchers/launch_foreign.h"
#include "engine/profiles/place.h"
#include "engine/profiles/place_state.h"
#include "engine/profiles/profile_state.h"
#include "engine/profiles/restore.h"
#include "engine/profiles/running_daemon.h"
#include "engine/profiles/running_profile.h"
#include "engine/record/catalog.h"
#include "engine/record/desired.h"
#include "store/profile_setting_json.h"

#include <stdlib.h>
#include <string.h>

/* Sets one variable in a list that has room for it. */
static void set_variable(char **env, const char *text)
{
    size_t name = (size_t)(strchr(text, '=') - text) + 1;
    while (*env && strncmp(*env, text, name) != 0)
        env++;
    free(*env);
    *env = mem_strdup(text);
}

static bool are_variables(const json_t *list)
{
    if (!json_is_array(list) || json_array_size(list) > 1000)
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text || !strchr(text, '='))
            return false;
    }
    return true;
}

bool request_env(const json_t *request, const char *key, char ***env)
{
    const json_t *list = json_object_get(request, key);
    size_t n = json_array_size(list), old = 0;
    if (!list)
        return true;
    if (!are_variables(list))
        return false;
    while (*env && (*env)[old])
        old++;
    *env = mem_realloc(*env, (old + n + 1) * sizeof **env);
    memset(*env + old, 0, (n + 1) * sizeof **env);
    for (size_t i = 0; i < n; i++)
        set_variable(*env, json_string_value(json_array_get(list, i)));
    return true;
}

static bool read_settings(const json_t *request, struct profile_settings *s)
{
    return !store_settings_take(request, &s->set) && request_env(request, "env", &s->env) &&
           request_env(request, "local_env", &s->local_env);
}

enum { TURNED_AWAY_TRIES = 5 };

/* ---- places ---- */

static bool is_count(const json_t *n)
{
    return json_is_integer(n) && json_integer_value(n) >= 0 && json_integer_value(n) <= CORE_DAEMONS_MAX;
}

static json_t *want_at(struct engine *e, struct profile *p, const char *host, unsigned n)
{
    struct clw_error err;
    struct place *l = place_find(p, host);
    bool take_out = n == 0 && (!p->settings.set.per_gpu || strcmp(host, "local") == 0);
    if (take_out && !l)
        return NULL;
    if (!take_out && place_get(e, p, host, &l, &err)) {
        if (err.code == CLW_NOT_FOUND)
            snprintf(err.hint, sizeof err.hint, "see 'clowder host list', or add it: clowder host add %s", host);
        return reply_error(&err);
    }
    l->fleet.on = !take_out;
    l->fleet.want = n;
    return NULL;
}

/* One daemon for each GPU of this machine. */
static json_t *want_gpus_here(struct engine *e, struct profile *p)
{
    struct place *l;
    struct clw_error err;
    if (place_get(e, p, "local", &l, &err))
        return reply_error(&err);
    l->fleet.on = true;
    l->fleet.want = 0;
    return NULL;
}

/* "by": so many more, or fewer, than there should be now. */
static json_t *read_changes(struct engine *e, struct profile *p, const json_t *by)
{
    const char *host;
    const json_t *value;
    json_t *problem = NULL;
    json_object_foreach ((json_t *)(uintptr_t)by, host, value) {
        const struct place *l = place_find(p, host);
        json_int_t n = (l ? place_want(l) : 0) + json_integer_value(value);
        if (n < 0 || n > CORE_DAEMONS_MAX)
            return reply_refusal(CLW_USAGE, NULL, "'%s' cannot have %lld daemons", host, (long long)n);
        if ((problem = want_at(e, p, host, (unsigned)n)))
            break;
    }
    return problem;
}

/* What the request names; the rest stays. */
static json_t *read_places(struct engine *e, struct profile *p, const json_t *request)
{
    const json_t *n = json_object_get(request, "n"), *on = json_object_get(request, "on"), *value;
    const char *host;
    json_t *problem = NULL;
    if ((n && !is_count(n)) || (on && !json_is_object(on)))
        return reply_refusal(CLW_USAGE, NULL, "the number of daemons is from 1 to %d", CORE_DAEMONS_MAX);
    if (n && json_integer_value(n) == 0 && json_is_true(json_object_get(request, "per_gpu")))
        problem = want_gpus_here(e, p); /* --on local */
    else if (n)
        problem = want_at(e, p, "local", (unsigned)json_integer_value(n));
    json_object_foreach ((json_t *)(uintptr_t)on, host, value) {
        if (problem)
            break;
        if (!is_count(value))
            problem =
                reply_refusal(CLW_USAGE, NULL, "the number of daemons on '%s' is from 1 to %d", host, CORE_DAEMONS_MAX);
        else
            problem = want_at(e, p, host, (unsigned)json_integer_value(value));
    }
    return problem ? problem : read_changes(e, p, json_object_get(request, "by"));
}

static json_t *make_ephemeral(struct engine *e, struct profile *p, const json_t *request)
{
    uint64_t owner = strtoull(request_text(request, "owner", "0"), NULL, 16);
    if (!client_find(e, owner))
        return reply_refusal(CLW_REFUSED, NULL, "no client with that number is connected");
    p->ephemeral = true;
    p->owner = owner;
    return NULL;
}

/* ---- waiting ---- */

/* Brought up until every place is as wanted, or has failed. */
static bool is_complete(const struct place *l)
{
    unsigned ready = 0, want = place_want(l);
    for (const struct daemon *m = l->profile->daemons; m; m = m->after)
        ready += m->place == l && m->fleet.state == FLEET_UP && (m->setup_left == 0 || m->paused);
    return want > 0 && ready >= want;
}

/* Nothing comes up there before somebody does something; or, for who is not patient, at the first try. A server that
 * hangs up on too many at once is tried some times in any case. */
static bool is_over(const struct place *l, bool patient)
{
    const struct host_snapshot *s = l->via ? &l->via->shot : NULL;
    if (s && s->state == HOST_BACKOFF && (patient || (s->turned_away && s->failures < TURNED_AWAY_TRIES)))
        return l->fleet.broken;
    if (s && s->state == HOST_QUARANTINED && patient)
        return false;
    return patient ? place_is_stuck(l) : place_has_failed(l);
}

static json_t *up_answer(struct engine *e, struct waiter *w)
{
    const struct profile *p = profile_find(e, w->name);
    const struct place *failed = NULL;
    unsigned failures = 0;
    struct clw_error err;
    if (!p || p->fleet.going)
        return reply_refusal(CLW_CANCELLED, NULL, "profile '%s' was taken down in the meantime", w->name);
    for (const struct place *l = p->places; l; l = l->next) {
        if (!l->fleet.on || is_complete(l))
            continue;
        if (!is_over(l, w->patient))
            return NULL;
        failed = failures++ ? failed : l;
    }
    if (failed) {
        place_explain(failed, &err);
        if (place_is_here(failed))
            return reply_refusal(err.code, err.hint, "daemons of '%s' do not start: %s", w->name, err.message);
        if (failures == 1)
            return reply_error(&err);
        return reply_refusal(
            err.code, "see 'clowder status' for the others", "%u hosts are not up; %s", failures, err.message);
    }
    json_t *o = reply_ok();
    json_object_set_new(o, "connected", json_integer(fleet_count(&p->fleet, FLEET_UP)));
    return o;
}

static const char *why_not(const struct place *l)
{
    const struct host_snapshot *s = l->via ? &l->via->shot : NULL;
    return *l->reason ? l->reason : !s ? "starting" : *s->reason ? s->reason : host_word(s);
}

/* The places that are not as wanted: what is known of each. */
static void up_missing(struct engine *e, const struct waiter *w, char *text, size_t size)
{
    const struct profile *p = profile_find(e, w->name);
    size_t used = 0;
    for (const struct place *l = p ? p->places : NULL; l && used < size; l = l->next) {
        if (l->fleet.on && !is_complete(l))
            used += (size_t)snprintf(text + used, size - used, "%s%s has %u of %u daemons (%.100s)", used ? ", " : "",
                l->host, l->fleet.counts[FLEET_UP], place_want(l), why_not(l));
    }
}

static json_t *missing_json(const struct place *l)
{
    struct clw_error err = {0};
    bool passes = !is_over(l, true);
    if (!passes)
        place_explain(l, &err);
    return json_pack("{s:s, s:i, s:i, s:b, s:s, s:s}", "host", l->host, "daemons", (int)l->fleet.counts[FLEET_UP],
        "wanted", (int)place_want(l), "passes", passes, "reason", *err.message ? err.message : why_not(l), "hint",
        err.hint);
}

json_t *control_missing(const struct call *c)
{
    const struct profile *p = profile_find(c->e, request_text(c->request, "profile", "default"));
    json_t *o = reply_ok(), *list = json_array();
    for (const struct place *l = p ? p->places : NULL; l; l = l->next)
        if (l->fleet.on && !is_complete(l))
            json_array_append_new(list, missing_json(l));
    json_object_set_new(o, "hosts", list);
    return o;
}

/* Hosts that are tried only now and then are tried more often while somebody waits for them. */
static void await_hosts(const struct profile *p, uint64_t until_ms)
{
    for (const struct place *l = p->places; l; l = l->next)
        if (l->via && l->fleet.on && until_ms > l->via->awaited_ms)
            l->via->awaited_ms = until_ms;
}

/* ---- all together ---- */

static bool names_places(const json_t *request)
{
    return json_object_get(request, "n") || json_object_get(request, "on");
}

/* One daemon for each GPU is asked for, and no host: they are those of this machine. */
static bool means_gpus_here(const struct profile *p, const json_t *request)
{
    if (!p->settings.set.per_gpu || names_places(request))
        return false;
    for (const struct place *l = p->places; l; l = l->next)
        if (l->fleet.on && strcmp(l->host, "local") != 0)
            return false;
    return !fleet_is_wanted(&p->fleet) || json_is_true(json_object_get(request, "per_gpu"));
}

static json_t *bring_up(struct engine *e, struct profile *p, bool is_new, const json_t *request, bool *wait)
{
    bool ephemeral = false, was_up = fleet_is_wanted(&p->fleet);
    struct clw_error err;
    bool named = names_places(request);
    bool is_good = request_bool(request, "ephemeral", &ephemeral) && request_bool(request, "wait", wait);
    bool is_stored = !ephemeral || !is_new; /* else one in the store that has the same name is not meant */
    if (is_stored && !was_up && !p->daemon_count)
        restore_profile(e, p, !named);
    else if (is_stored && !restore_edits(e, p, was_up || !named))
        return reply_refusal(CLW_REFUSED, "take it down first: clowder down",
            "profile '%s' was changed to another runtime while it is up", p->name);
    if (!is_good || !read_settings(request, &p->settings))
        return reply_refusal(CLW_USAGE, NULL, "a field of the request has the wrong type");
    json_t *problem = read_places(e, p, request);
    if (!problem && means_gpus_here(p, request))
        problem = want_gpus_here(e, p);
    if (!problem && !fleet_is_wanted(&p->fleet) && !was_up)
        problem = reply_refusal(CLW_USAGE, "give it with -n N or --on HOST:N", "the number of daemons is missing");
    if (!problem && ephemeral && is_new)
        problem = make_ephemeral(e, p, request);
    if (!problem && profile_is_foreign(p) && foreign_check(p, &err))
        problem = reply_error(&err);
    return problem;
}

/* Daemons that were welcomed with something else are replaced, after their tasks; terms are told again. */
static void tell_daemons(struct profile *p, const struct buf *before, const struct store_settings *was)
{
    struct buf now = {0};
    daemon_add_told(&now, p);
    bool is_other = now.len != before->len || memcmp(now.data, before->data, now.len) != 0;
    for (struct daemon *m = p->daemons; m; m = m->after)
        if (!m->peer)
            m->is_outdated |= is_other && m->resume;
        else if (is_other && m->fleet.state == FLEET_UP)
            daemon_quit(m, false);
        else if (m->place->has_news || !store_settings_same(was, &p->settings.set, STORE_TOLD_TERMS))
            daemon_send_terms(m->peer, m);
    for (struct place *l = p->places; l; l = l->next)
        l->has_news = false;
    buf_fini(&now);
}

/* Where daemons of another engine will dial, or "". */
static const char *base_of(const struct engine *e, const char *name)
{
    const struct store_profile *stored = catalog_profile(e->catalog, name);
    return stored && stored->runtime != STORE_RUNTIME_CLOWDER ? stored->base_url : "";
}

json_t *control_up(const struct call *c)
{
    struct engine *e = c->e;
    const json_t *request = c->request;
    const char *name = request_text(request, "profile", "default");
    bool wait = true, patient = false, named = names_places(request);
    uint64_t timeout_ms = 0;
    struct profile *p = profile_find(e, name);
    bool is_new = !p;
    if (!text_is_name(name))
        return reply_refusal(
            CLW_USAGE, "use letters, digits, '.', '_' and '-'", "that is not a valid name for a profile");
    if (e->stopping)
        return reply_refusal(CLW_REFUSED, "try again in a moment", "the engine is stopping");
    if (!request_bool(request, "patient", &patient) || !request_ms(request, "timeout_ms", &timeout_ms))
        return reply_refusal(CLW_USAGE, NULL, "a field of the request has the wrong type");
    if (!named && !p && !restore_is_known(e, name) && strcmp(name, "default") != 0 &&
        !json_is_true(json_object_get(request, "per_gpu")))
        return reply_refusal(CLW_NOT_FOUND, "to make it, give the number of daemons: -n N, or --on HOST:N",
            "there is no profile '%s'", name);
    const char *base = base_of(e, name);
    if (*base && !c->has_knocked)
        return control_knock(c, base);
    if (!p)
        p = profile_new(e, name);
    struct store_settings was = p->settings.set;
    struct buf told = {0};
    daemon_add_told(&told, p);
    json_t *problem = bring_up(e, p, is_new, request, &wait);
    if (!problem)
        tell_daemons(p, &told, &was);
    buf_fini(&told);
    if (problem && is_new)
        profile_free(e, p);
    if (problem)
        return problem;
    disp_set_budget(p->disp, p->settings.set.memory_bytes);
    log_info("profile", "up profile=%s daemons=%u", p->name, profile_want(p));
    profile_start(e, p);
    restore_save(e, p, fleet_is_wanted(&p->fleet), true);
    if (wait && patient)
        await_hosts(p, timeout_ms ? mono_ms() + timeout_ms : UINT64_MAX);
    struct waiter w = {.check = wait ? up_answer : reply_saved,
        .saves = true,
        .patient = patient,
        .what = "is not up yet",
        .explain = up_missing};
    snprintf(w.name, sizeof w.name, "%s", p->name);
    control_wait(c->e, c->asked, w, request);
    return NULL;
}
