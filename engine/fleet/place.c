/* The share of a profile on one machine: how many daemons should be there, who is started, and what happens when that
 * goes wrong - longer pauses, then quarantine - without a word to the other places. */
#include "engine/core.h"

#include "base/log.h"
#include "base/mono.h"
#include "hosts/local.h"
#include "engine/record/catalog.h"

#include <stdlib.h>
#include <string.h>

struct place *place_find(struct pool *p, const char *host)
{
    struct place *l = p->places;
    while (l && strcmp(l->host, host) != 0)
        l = l->next;
    return l;
}

bool place_is_here(const struct place *l)
{
    return !l->via || (l->via->here && !l->via->is_scheduler);
}

/* How the host is reached: NULL in *via for this machine, which is a host like others for daemons of other engines. */
static enum clw_err find_way(
    struct engine *e, const struct pool *p, const char *host, struct host **via, struct clw_error *err)
{
    const struct store_host *s;
    *via = NULL;
    if (strcmp(host, "local") == 0) {
        *via = pool_is_foreign(p) ? host_here(e) : NULL;
        return CLW_OK;
    }
    enum clw_err code = catalog_host_get(e->catalog, host, &s, err);
    if (code)
        return code;
    enum store_launcher launcher = s->launcher;
    if (!s->enabled)
        return clw_fail(err, CLW_REFUSED, NULL, "host '%s' is disabled", host);
    if (launcher != STORE_LAUNCHER_LOCAL && launcher != STORE_LAUNCHER_SSH && pool_is_foreign(p))
        return clw_fail(err, CLW_USAGE, "give the profile hosts that are reached by ssh",
            "host '%s' is a scheduler: daemons of other engines are not started through it", host);
    if (launcher == STORE_LAUNCHER_LOCAL)
        *via = pool_is_foreign(p) ? host_here(e) : NULL;
    return launcher == STORE_LAUNCHER_LOCAL ? CLW_OK : host_get(e, host, via, err);
}

enum clw_err place_get(struct engine *e, struct pool *p, const char *host, struct place **out, struct clw_error *err)
{
    struct host *via;
    enum clw_err code = find_way(e, p, host, &via, err);
    *out = place_find(p, host);
    if (code)
        return code;
    if (!*out) {
        struct place **at = &p->places;
        while (*at)
            at = &(*at)->next;
        *out = *at = mem_zalloc(sizeof **out);
        (*out)->pool = p;
        (*out)->number = p->place_count++;
        snprintf((*out)->host, sizeof(*out)->host, "%s", host);
    }
    (*out)->via = via;
    return CLW_OK;
}

void place_remove(struct place *l)
{
    struct place **at = &l->pool->places;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    free(l);
}

unsigned place_want(const struct place *l)
{
    unsigned orders = foreign_orders(l);
    if (!l->on || l->want || orders || !l->pool->settings.set.per_gpu || place_is_here(l))
        return l->on ? l->want + orders : 0;
    return l->via->has_facts ? (unsigned)l->via->facts.gpu_count : 0;
}

unsigned place_count(const struct place *l, enum member_state state)
{
    return l->counts[state];
}

unsigned place_active(const struct place *l)
{
    return l->counts[MEMBER_UP] + l->counts[MEMBER_LAUNCHING] + l->counts[MEMBER_AWAY];
}

unsigned place_paused(const struct place *l, const char **why)
{
    unsigned n = 0;
    *why = NULL;
    for (const struct member *m = l->pool->members; m; m = m->after) {
        if (m->place != l || m->state != MEMBER_UP || !m->paused)
            continue;
        *why = n++ ? *why : m->pause;
    }
    return n;
}

/* After a failure one at a time. */
bool place_may_launch(const struct place *l)
{
    return place_active(l) < place_want(l) && l->counts[MEMBER_LAUNCHING] < (l->fails ? 1 : CORE_LAUNCHING_MAX);
}

bool place_is_stuck(const struct place *l)
{
    if (l->broken)
        return true;
    if (!l->via)
        return false;
    enum host_state s = l->via->shot.state;
    bool rests = s == HOST_REFUSED || s == HOST_NEEDS_SECRET || s == HOST_QUARANTINED;
    return l->via->shot.asking || (l->via->shot.attempts > l->attempts && rests);
}

bool place_has_failed(const struct place *l)
{
    return place_is_stuck(l) || (l->via && l->via->shot.attempts > l->attempts && l->via->shot.state == HOST_BACKOFF);
}

void place_explain(const struct place *l, struct clw_error *err)
{
    const struct host_snapshot *s = l->via ? &l->via->shot : NULL;
    if (s && !l->broken && s->reason[0])
        clw_fail(err,
            s->state == HOST_NEEDS_SECRET ? CLW_REFUSED
            : s->code                     ? s->code
                                          : CLW_UNREACHABLE,
            s->hint, "host '%s': %.340s", l->host, s->reason);
    else
        clw_fail(err, l->code ? l->code : CLW_UNREACHABLE, l->hint[0] ? l->hint : "see 'clowder log'", "%s%s%s%.340s",
            place_is_here(l) ? "" : "host '", place_is_here(l) ? "" : l->host,
            place_is_here(l) ? "" : "': ", l->reason);
}

void place_reset(struct place *l)
{
    l->broken = false;
    l->fails = 0;
    l->reason[0] = l->hint[0] = '\0';
    l->code = CLW_OK;
    l->next_launch_ms = l->short_ms = l->failed_ms = 0;
}

void place_break(struct place *l, enum clw_err code, const char *hint, const char *reason)
{
    l->broken = true;
    l->code = code;
    l->next_launch_ms = mono_ms() + CORE_QUARANTINE_MS;
    snprintf(l->reason, sizeof l->reason, "%s", reason);
    snprintf(l->hint, sizeof l->hint, "%s", hint ? hint : "");
}

void place_connected(struct place *l)
{
    l->broken = false;
    l->reason[0] = l->hint[0] = '\0';
    l->code = CLW_OK;
    l->short_ms = 0;
}

/* It has done something, or lived as long as daemons should, or as long as its profile lets it. To connect is not
 * enough: what connects and dies at once would be started again and again. */
bool place_was_good(const struct member *m)
{
    uint64_t now_ms = mono_ms();
    const struct pool_settings *s = &m->pool->settings;
    uint64_t enough_ms = CORE_STABLE_MS;
    if (s->set.walltime_ms && s->set.walltime_ms < enough_ms)
        enough_ms = s->set.walltime_ms;
    if (s->set.idletime_ms && s->set.idletime_ms < enough_ms)
        enough_ms = s->set.idletime_ms;
    return m->worked || (m->connected_ms && now_ms - m->connected_ms >= enough_ms);
}

/* Those that end together are one failure: only one that was started after the last one says something new. */
static void count_failure(struct place *l, const struct member *m, uint64_t now_ms)
{
    if (place_was_good(m))
        l->fails = 0;
    else if (m->started_ms < l->failed_ms)
        return;
    uint64_t pause = (uint64_t)CORE_BACKOFF_MS << (l->fails < 10 ? l->fails : 10);
    l->next_launch_ms = now_ms + (pause < CORE_BACKOFF_MAX_MS ? pause : CORE_BACKOFF_MAX_MS);
    l->failed_ms = now_ms;
    if (!m->had_tasks || l->fails < CORE_GIVE_UP - 1) /* its task may have ended it: that is no reason to give up */
        l->fails++;
}

void place_back_off(struct place *l, const struct member *m)
{
    char text[sizeof l->reason];
    count_failure(l, m, mono_ms());
    snprintf(text, sizeof text, "%s %s", m->name, m->reason);
    snprintf(l->reason, sizeof l->reason, "%s", text);
    if (l->fails >= CORE_GIVE_UP && !l->broken) {
        log_error("pool", "gave up profile=%s host=%s launches=%u last=\"%s\"", l->pool->name, l->host, l->fails, text);
        place_break(l, CLW_UNREACHABLE, "see 'clowder log'", text);
    }
    if (!l->pool->settings.set.respawn)
        place_lower(l);
}

void place_lower(struct place *l)
{
    if (l->want)
        l->want--;
    l->on &= l->want > 0;
}

/* ---- launching ---- */

static enum clw_err launch_here(struct engine *e, struct member *m, struct clw_error *err)
{
    struct buf config = {0};
    buf_printf(&config, "url %s\ndaemon %u\ntoken %s\nautoexit 0\numask %u\n", e->data_url, m->number, m->token,
        e->user_umask);
    struct local_launch l = {
        .program = e->daemon_program, .config = (char *)config.data, .config_len = config.len, .log_fd = e->output_fd};
    enum clw_err code = local_launch(&l, &m->pid, err);
    mem_wipe(config.data, config.len);
    buf_fini(&config);
    return code;
}

/* With a GPU for each: the one that fewest daemons have. */
static int choose_gpu(const struct place *l)
{
    int best = -1;
    unsigned least = UINT32_MAX;
    const struct host_facts *f = &l->via->facts;
    for (int i = 0; i < f->gpu_count; i++) {
        unsigned users = 0;
        for (const struct member *m = l->pool->members; m; m = m->after)
            users += m->place == l && m->gpu == f->gpus[i].index;
        if (users < least) {
            least = users;
            best = f->gpus[i].index;
        }
    }
    return best;
}

/* No descriptors, memory or processes for the moment: nobody's fault, and over when others let go. */
static bool waits_out_shortage(struct place *l, enum clw_err code, const struct clw_error *err)
{
    uint64_t now_ms = mono_ms();
    if (code != CLW_AGAIN) {
        l->short_ms = 0;
        return false;
    }
    if (!l->short_ms) {
        l->short_ms = now_ms;
        snprintf(l->reason, sizeof l->reason, "%s", err->message);
        log_warn("daemon", "launch waits host=%s why=\"%s\"", l->host, err->message);
    }
    l->next_launch_ms = now_ms + CORE_SHORT_PAUSE_MS;
    return now_ms - l->short_ms < CORE_SHORT_MS;
}

static void launch(struct engine *e, struct place *l)
{
    struct clw_error err;
    int gpu = !place_is_here(l) && l->pool->settings.set.per_gpu ? choose_gpu(l) : -1;
    struct member *m = member_new(e, l);
    m->gpu = gpu;
    enum clw_err code = pool_is_foreign(l->pool) ? foreign_launch(e, m, &err)
                        : l->via                 ? host_launch(l->via, m, &err)
                                                 : launch_here(e, m, &err);
    if (waits_out_shortage(l, code, &err)) {
        member_remove(e, m);
        return;
    }
    if (code) {
        member_say(&m->reason, "%.190s", err.message);
        log_error("daemon", "launch failed daemon=%s host=%s why=\"%s\"", m->name, l->host, err.message);
        place_back_off(l, m);
        member_remove(e, m);
        return;
    }
    log_info("daemon", "launched daemon=%s host=%s pid=%d", m->name, l->host, (int)m->pid);
    core_changed(e);
}

/* Who goes first when there are too many: who is not connected, who is idle, who came last. */
static struct member *most_expendable(struct place *l)
{
    struct member *best = NULL;
    int best_rank = -1;
    for (struct member *m = l->pool->members; m; m = m->after) {
        int rank = m->place != l || (m->foreign && m->foreign->order)                 ? -1
                   : m->state == MEMBER_AWAY || m->state == MEMBER_LAUNCHING          ? 2
                   : m->state != MEMBER_UP                                            ? -1
                   : m->daemon && !disp_daemon_in_flight(m->daemon) && !m->setup_left ? 1
                                                                                      : 0;
        if (rank >= 0 && rank >= best_rank) {
            best = m;
            best_rank = rank;
        }
    }
    return best;
}

static bool has_gpus(struct place *l)
{
    if (place_is_here(l) || !l->pool->settings.set.per_gpu || !l->via->has_facts || l->via->facts.gpu_count)
        return true;
    if (!l->broken)
        place_break(l, CLW_USAGE, "see 'clowder host probe'; or leave out --per-gpu", "the host shows no GPU");
    return false;
}

void place_tick(struct engine *e, struct place *l, uint64_t now_ms)
{
    struct member *m;
    unsigned want = place_want(l);
    while (place_active(l) > want && (m = most_expendable(l)))
        member_quit(m, false, true);
    if (l->pool->going || l->pool->resting || now_ms < l->next_launch_ms)
        return;
    if (l->via && l->via->shot.state != HOST_UP)
        return;
    if ((l->broken && !l->via) || !has_gpus(l))
        return;
    if (l->broken) { /* out of quarantine, for one attempt */
        l->broken = false;
        l->fails = CORE_GIVE_UP - 1;
    }
    if (place_is_batch(l)) {
        batch_launch(e, l);
        return;
    }
    while (!l->broken && now_ms >= l->next_launch_ms && place_may_launch(l) && foreign_has_base(l, now_ms))
        launch(e, l);
}
