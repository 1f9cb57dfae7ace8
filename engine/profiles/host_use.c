/* Hosts as the engine uses them: one link each (hosts/ssh/session.h), shared by all profiles. A link has a thread,
 * which posts what it has to say; another one closes links. */
#include "engine/profiles/host_use.h"

#include "base/mono.h"
#include "engine/model/find.h"
#include "engine/model/launcher.h"
#include "engine/record/catalog.h"
#include "store/host.h"

#include <stdlib.h>
#include <string.h>

enum { OPEN_AGAIN_MS = 1000, NEWS_MAX = 10000 };

bool host_is_resting(const struct host *h)
{
    enum host_state s = h->shot.state;
    return s == HOST_BACKOFF || s == HOST_REFUSED || s == HOST_NEEDS_SECRET || s == HOST_QUARANTINED ||
           (s == HOST_DOWN && h->goal != HOST_GOAL_UP); /* what is to be up does not stay down */
}

bool host_answers(const struct host_snapshot *s)
{
    return s->state == HOST_UP && !s->silent;
}

bool host_is_open(const struct host *h)
{
    return h && host_answers(&h->shot) && !h->direct;
}

/* ---- on its way from the link's thread to ours ---- */

static void take_news(void *arg)
{
    struct host_news *n = arg;
    struct host *h = n->host;
    atomic_fetch_sub(&h->news, 1);
    h->engine->take_news(h, n);
    free(n->texts[0]);
    free(n->texts[1]);
    free(n);
}

static void tell(struct host *h, struct host_news *from)
{
    struct host_news *n = mem_alloc(sizeof *n);
    *n = *from;
    n->host = h;
    n->call = (struct loop_call){.run = take_news, .arg = n};
    atomic_fetch_add(&h->news, 1);
    loop_post(h->engine->loop, &n->call);
}

static void state_cb(void *arg, const struct host_snapshot *shot)
{
    tell(arg, &(struct host_news){.kind = NEWS_STATE, .shot = *shot});
}

static void facts_cb(void *arg, const struct host_facts *facts)
{
    tell(arg, &(struct host_news){.kind = NEWS_FACTS, .facts = *facts});
}

static void daemon_cb(void *arg, const struct host_daemon_event *event)
{
    struct host *h = arg;
    struct host_news n = {.kind = NEWS_EVENT, .event = *event};
    if (event->kind == HOST_DAEMON_STDERR && atomic_load(&h->news) > NEWS_MAX)
        return; /* a host that talks without end fills no memory */
    n.event.text = n.texts[0] = event->text ? mem_strdup(event->text) : NULL;
    n.event.hint = n.texts[1] = event->hint ? mem_strdup(event->hint) : NULL;
    tell(h, &n);
}

static void run_cb(void *arg, const struct host_run_result *result)
{
    struct host_news n = {.kind = NEWS_RUN, .run = *result};
    n.texts[0] = mem_alloc(result->out_len + 1);
    memcpy(n.texts[0], result->out, result->out_len);
    n.texts[0][result->out_len] = '\0';
    n.run.out = n.texts[0];
    n.run.errors = n.texts[1] = mem_strdup(result->errors);
    tell(arg, &n);
}

static void connection_cb(void *arg, int fd)
{
    tell(arg, &(struct host_news){.kind = NEWS_CONNECTION, .fd = fd});
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
        .cache = s->cache,
        .agent = e->agent,
        .connect_timeout_s = s->connect_timeout_s,
        .program = e->daemon_program,
        .target = s->direct || s->launcher != STORE_LAUNCHER_SSH ? "" : "home"};
}

static char *settings_text(const struct store_host *s)
{
    return mem_printf("%s\n%s\n%u\n%s\n%s\n%d\n%d\n%s\n%u\n%s", s->address, s->user, s->port, s->jump, s->identity,
        s->direct, (int)s->launcher, s->directives, s->connect_timeout_s, s->cache);
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

bool host_in_use(const struct engine *e, const struct host *h)
{
    for (const struct profile *p = e->profiles; p; p = p->next)
        for (const struct daemon *m = p->daemons; m; m = m->after)
            if (m->place->via == h)
                return true;
    return h->batches > 0;
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

void host_retire(struct engine *e, struct host *h, struct host *now)
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

static struct host *host_new(struct engine *e, const struct store_host *s, char *settings)
{
    struct host *h = mem_zalloc(sizeof *h);
    h->engine = e;
    snprintf(h->name, sizeof h->name, "%s", s->name);
    h->settings = settings;
    h->is_scheduler = scheduler_of(s->launcher, &h->scheduler);
    h->here = h->is_scheduler && !store_host_has_ssh(s);
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
    if (!h || (strcmp(h->settings, settings) != 0 && !host_in_use(e, h))) {
        *out = host_new(e, s, settings);
        if (h)
            host_retire(e, h, *out);
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
    host_session_set_agent(h->link, h->engine->agent);
    if (more)
        host_session_set_goal(h->link, h->goal, h->retry);
    if (again && host_is_resting(h))
        host_session_retry(h->link);
    return CLW_OK;
}

void host_probe_here(struct engine *e)
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
        host_probe_here(e);
}

void host_close_all(struct engine *e)
{
    while (e->hosts)
        host_retire(e, e->hosts, NULL);
}
