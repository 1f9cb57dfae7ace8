/* Daemons of other engines, from the decision to start one until its process is gone. */
#include "engine/profiles/launchers/launch_foreign.h"

#include "base/mono.h"
#include "engine/profiles/bases.h"
#include "engine/profiles/foreign_script.h"
#include "engine/profiles/host_use.h"
#include "engine/profiles/launchers/launchers.h"
#include "engine/profiles/orders.h"
#include "engine/profiles/place_state.h"
#include "engine/profiles/profile_state.h"
#include "engine/profiles/running_daemon.h"
#include "engine/model/core.h"
#include "engine/model/find.h"
#include "engine/model/launcher.h"
#include "engine/record/catalog.h"
#include "store/host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SECOND = 1000, SAMPLE_AT = 950, BELIEVED_MS = 1500 };

/* ---- before it starts ---- */

static bool has_base(const struct profile *p)
{
    return p->settings.base_url && *p->settings.base_url;
}

enum clw_err foreign_check_words(const struct profile *p, struct clw_error *err)
{
    const struct profile_settings *s = &p->settings;
    char hint[300];
    if (s->runtime == STORE_RUNTIME_COMMAND && !(s->command && *s->command)) {
        snprintf(hint, sizeof hint, "set one: clowder profile set %s --runtime command -- PROGRAM {url}", p->name);
        return clw_fail(err, CLW_USAGE, hint, "profile '%s' has no command for its daemons", p->name);
    }
    if (has_base(p) || s->runtime == STORE_RUNTIME_COMMAND)
        return CLW_OK;
    snprintf(hint, sizeof hint, "set one: clowder profile set %s --base tcp://127.0.0.1:5555", p->name);
    return clw_fail(err, CLW_USAGE, hint, "profile '%s' has no base URL for its daemons", p->name);
}

enum clw_err foreign_check(const struct profile *p, struct clw_error *err)
{
    const struct profile_settings *s = &p->settings;
    enum clw_err code = foreign_check_words(p, err);
    if (code || !has_base(p))
        return code;
    switch (bases_state(p->engine->bases, s->base_url, BELIEVED_MS, NULL, err)) {
    case BASE_BAD: return err->code;
    case BASE_SILENT:
        return clw_fail(err, CLW_UNREACHABLE,
            s->runtime == STORE_RUNTIME_MIRAI  ? "start it in R: mirai::daemons(url = mirai::local_url(tcp = TRUE))"
            : s->runtime == STORE_RUNTIME_DASK ? "start it: dask scheduler --host 127.0.0.1"
                                               : "start it first",
            "nothing listens at the base %s", s->base_url);
    case BASE_ASKED:
    case BASE_LISTENS: break;
    }
    return CLW_OK;
}

/* The next order there that has no daemon and whose base, if it names one, listens. False: it is not known yet. */
static bool find_order(struct place *l, struct order **o)
{
    struct foreign_base base;
    while ((*o = foreign_next_order(l)) && foreign_base_find((*o)->command, &base)) {
        enum base_state state = bases_state(l->profile->engine->bases, base.target, BELIEVED_MS, NULL, NULL);
        if (state != BASE_SILENT)
            return state != BASE_ASKED;
        log_warn("daemon", "dropped profile=%s host=%s why=\"nothing listens at %s any more\"", l->profile->name,
            l->host, strchr(base.target, ':') + 1);
        foreign_forget_order(*o);
    }
    return true;
}

/* Orders may have been dropped since it was asked. */
static bool may_launch(const struct place *l)
{
    struct fleet_machine machine = place_machine(l);
    return fleet_place_may_launch(&l->fleet, &machine);
}

/* Somebody listens where the place's next daemon will dial. Else it says so and looks again a little later; or it is
 * not known yet, and a round follows when it is. */
static bool has_listener(struct place *l, uint64_t now_ms)
{
    struct profile *p = l->profile;
    struct clw_error err;
    struct order *o;
    if (!find_order(l, &o))
        return false;
    if (o || !has_base(p))
        return may_launch(l);
    switch (bases_state(p->engine->bases, p->settings.base_url, BELIEVED_MS, NULL, &err)) {
    case BASE_LISTENS: return may_launch(l);
    case BASE_ASKED: return false;
    case BASE_BAD: profile_rest(p, err.code, err.hint, err.message); return false;
    case BASE_SILENT: break;
    }
    snprintf(l->reason, sizeof l->reason, "nothing listens at the base %.300s", p->settings.base_url);
    fleet_place_wait(&l->fleet, now_ms + CORE_BASE_MS);
    core_changed(p->engine);
    return false;
}

/* ---- starting ---- */

static unsigned free_index(const struct profile *p)
{
    for (unsigned i = 1;; i++) {
        const struct daemon *m = p->daemons;
        while (m && !(m->foreign && m->foreign->index == i))
            m = m->after;
        if (!m)
            return i;
    }
}

/* A port that nobody here has now. */
static unsigned free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good =
        fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && getsockname(fd, (struct sockaddr *)&a, &len) == 0;
    if (fd >= 0)
        close(fd);
    return good ? ntohs(a.sin_port) : 0;
}

static bool can_be_led(const struct host *h)
{
    return h && !h->here && h->link && h->shot.state == HOST_UP;
}

/* The port at which others reach m leads there from every other host of the profile; or not any more. */
static void lead(struct daemon *m, bool lead)
{
    for (struct place *l = m->profile->places; l && m->foreign->contact_port; l = l->next) {
        if (!can_be_led(l->via) || l->via == m->place->via)
            continue;
        if (lead)
            host_session_lead(l->via->link, m->foreign->contact_port, NULL);
        else
            host_session_unlead(l->via->link, m->foreign->contact_port, NULL);
    }
}

static enum store_runtime order_runtime(const struct profile *p, const char *command)
{
    return p->settings.runtime != STORE_RUNTIME_COMMAND ? p->settings.runtime
           : strstr(command, "mirai::")                 ? STORE_RUNTIME_MIRAI
                                                        : STORE_RUNTIME_COMMAND;
}

static void write_script(
    struct engine *e, struct daemon *m, const struct foreign_base *base, const char *mark, struct buf *script)
{
    const struct profile_settings *s = &m->profile->settings;
    bool is_here = place_is_here(m->place);
    const struct store_host *host = is_here ? NULL : catalog_host(e->catalog, m->place->host);
    size_t tag_count = host ? host->tags.count : 0;
    char **tags = mem_zalloc((tag_count + 1) * sizeof *tags);
    for (size_t i = 0; i < tag_count; i++)
        tags[i] = host->tags.items[i];
    struct foreign_launch l = {.runtime = s->runtime,
        .base = base,
        .mark = mark,
        .command = (const char *const *)s->command,
        .options = (const char *const *)s->options,
        .env = (const char *const *)s->env,
        .more_env = is_here ? (const char *const *)s->local_env : NULL,
        .tags = (const char *const *)tags,
        .idletime_ms = s->set.idletime_ms,
        .walltime_ms = s->set.walltime_ms,
        .maxtasks = s->set.maxtasks,
        .name = m->name,
        .host = m->place->host,
        .number = m->foreign->index,
        .gpu = m->fleet.gpu,
        .contact_port = m->foreign->contact_port,
        .is_reached = !is_here};
    if (m->foreign->order)
        foreign_script_given(m->foreign->order->command, base, &l, script);
    else
        foreign_script(&l, script);
    free(tags);
}

/* As it was found a moment ago, when it was looked at before this launch. */
static enum clw_err find_base(const struct profile *p, struct foreign_base *base, struct clw_error *err)
{
    if (bases_state(p->engine->bases, p->settings.base_url, UINT64_MAX, base, err) == BASE_LISTENS)
        return CLW_OK;
    return clw_fail(err, CLW_UNREACHABLE, NULL, "nothing listens at the base %s", p->settings.base_url);
}

static enum clw_err launch(struct engine *e, struct daemon *m, struct clw_error *err)
{
    struct profile *p = m->profile;
    struct foreign_base base;
    struct buf script = {0};
    char mark[WIRE_TOKEN + 1];
    enum clw_err code = CLW_OK;
    enum store_runtime runtime = p->settings.runtime;
    m->foreign = mem_zalloc(sizeof *m->foreign);
    m->foreign->order = foreign_next_order(m->place);
    m->foreign->index = free_index(p);
    if (m->foreign->order) {
        m->foreign->order->daemon = m;
        m->fleet.is_ordered = true;
        m->foreign->is_metered = foreign_base_find(m->foreign->order->command, &base);
        runtime = order_runtime(p, m->foreign->order->command);
    } else {
        code = has_base(p) ? find_base(p, &base, err) : CLW_OK;
        m->foreign->is_metered = !code && has_base(p);
    }
    if (runtime == STORE_RUNTIME_DASK && !m->foreign->order)
        m->foreign->contact_port = free_port();
    m->foreign->meter = meter_new(m->foreign->is_metered ? foreign_meter_kind(&base, runtime) : METER_BYTES);
    if (code)
        return code;
    wire_new_secret(mark);
    mark[16] = '\0';
    write_script(e, m, m->foreign->is_metered ? &base : NULL, mark, &script);
    struct host_launch l = {.target = m->foreign->is_metered ? base.target : "",
        .config = script.data,
        .config_len = script.len,
        .script = true,
        .mark = mark,
        .meter = m->foreign->is_metered ? m->foreign->meter : NULL,
        .contact_port = place_is_here(m->place) ? 0 : m->foreign->contact_port};
    code = host_session_launch(m->place->via->link, &l, &m->launch_id, err);
    buf_fini(&script);
    return code;
}

/* ---- how it fares ---- */

static void set_up(struct engine *e, struct daemon *m)
{
    bool was_away = m->fleet.state == FLEET_AWAY;
    if (m->fleet.state != FLEET_LAUNCHING && !was_away)
        return;
    lead(m, true); /* not before: where hosts are one machine, its port is its own first */
    daemon_say(&m->reason, NULL);
    daemon_act(e, m, fleet_daemon_came(&m->fleet, mono_ms()));
    place_say(m->place, CLW_OK, NULL, NULL);
    log_info("daemon", "%s daemon=%s host=%s pid=%d ms=%llu", was_away ? "resumed" : "connected", m->name,
        m->place->host, (int)m->worker_pid, (unsigned long long)(m->fleet.connected_ms - m->fleet.started_ms));
    core_due(e);
}

static void on_connections(struct engine *e, struct daemon *m, unsigned n)
{
    if (n) {
        set_up(e, m);
    } else if (m->fleet.state == FLEET_UP) {
        daemon_act(e, m, fleet_daemon_gone(&m->fleet, m->fleet.had_tasks, false, mono_ms()));
        daemon_say(&m->reason, "its connection to the base ended");
        core_due(e);
    }
}

static uint64_t take(uint64_t now, uint64_t *seen, uint64_t *total)
{
    uint64_t d = now - *seen;
    *total += d;
    *seen = now;
    return d;
}

void foreign_sample(struct daemon *m, uint64_t now_ms)
{
    struct profile *p = m->profile;
    struct meter_counts now, *seen = &m->foreign->seen, *all = &p->passed;
    meter_read(m->foreign->meter, &now);
    uint64_t bytes =
        take(now.bytes_up, &seen->bytes_up, &all->bytes_up) + take(now.bytes_down, &seen->bytes_down, &all->bytes_down);
    take(now.frames_up, &seen->frames_up, &all->frames_up);
    take(now.frames_down, &seen->frames_down, &all->frames_down);
    take(now.tasks, &seen->tasks, &all->tasks);
    take(now.cancels, &seen->cancels, &all->cancels);
    take(now.opened, &seen->opened, &all->opened);
    uint32_t n = (uint32_t)take(now.results, &seen->results, &all->results);
    if (bytes)
        rates_add(&p->bytes, now_ms, bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX);
    if (n) {
        rates_add(&p->rates, now_ms, n);
        rates_add(&m->place->rates, now_ms, n);
        pace_add(&m->pace, now_ms, n);
        m->place->done += n;
        core_worked(p->engine, m);
        profile_record(p, n);
    }
    if (bytes || now.busy != seen->busy)
        core_changed(p->engine);
    m->fleet.had_tasks = now.busy > 0;
    seen->busy = now.busy;
    seen->connections = now.connections;
}

static void set_reason(struct daemon *m, const struct host_daemon_event *event, bool *by_itself)
{
    char said[200] = "";
    if (m->fleet.state == FLEET_LAUNCHING) /* its last words tell most */
        snprintf(said, sizeof said, "%.120s", m->reason);
    const char *text = event->signal
                           ? NULL
                           : foreign_exit_text(m->foreign->order ? order_runtime(m->profile, m->foreign->order->command)
                                                                 : m->profile->settings.runtime,
                                 event->status, by_itself);
    if (event->signal)
        daemon_say(&m->reason, "was killed by signal %d (%s)", event->signal, strsignal(event->signal));
    else if (text)
        daemon_say(&m->reason, "%s (exit status %d)%s%s", text, event->status, *said ? ": " : "", said);
    else
        daemon_say(&m->reason, "ended with status %d%s%s", event->status, *said ? ": " : "", said);
    if (m->foreign->order && !event->signal && event->status == 0)
        *by_itself = true;
}

/* Its process is gone. */
static void on_end(struct engine *e, struct daemon *m, const struct host_daemon_event *event)
{
    bool by_itself = false, was_leaving = m->fleet.state == FLEET_LEAVING;
    foreign_sample(m, mono_ms());
    if (!was_leaving)
        set_reason(m, event, &by_itself);
    bool idle = by_itself && strncmp(m->reason, "idletime", 8) == 0;
    if (was_leaving)
        log_info("daemon", "gone daemon=%s host=%s", m->name, m->place->host);
    else if (by_itself)
        log_info("daemon", "leaves daemon=%s why=\"%s\"", m->name, m->reason);
    else
        log_warn("daemon", "lost daemon=%s host=%s why=\"%s\"", m->name, m->place->host, m->reason);
    daemon_act(e, m, fleet_daemon_finished(&m->fleet, by_itself, idle, mono_ms()));
}

static void take_event(struct engine *e, struct daemon *m, const struct host_daemon_event *event)
{
    switch (event->kind) {
    case HOST_DAEMON_STARTED:
        m->worker_pid = (pid_t)event->pid;
        if (!m->foreign->is_metered)
            set_up(e, m);
        break;
    case HOST_DAEMON_STDERR:
        log_info("daemon", "said daemon=%s host=%s text=\"%s\"", m->name, m->place->host, event->text);
        if (m->fleet.state == FLEET_LAUNCHING)
            daemon_say(&m->reason, "%.190s", event->text);
        break;
    case HOST_DAEMON_CONNECTIONS: on_connections(e, m, event->connections); break;
    case HOST_DAEMON_EXITED: on_end(e, m, event); break;
    case HOST_DAEMON_FAILED: daemon_launch_failed(e, m, event->text, event->hint); break;
    }
    core_changed(e);
}

void foreign_link_lost(struct engine *e, struct host *h)
{
    for (struct profile *p = e->profiles; p; p = p->next)
        for (struct daemon *m = p->daemons, *after; m; m = after) {
            after = m->after;
            if (m->place->via != h || !m->foreign || !m->worker_pid)
                continue;
            daemon_say(&m->reason, "the link to the host was lost");
            log_warn("daemon", "lost daemon=%s host=%s why=\"%s\"", m->name, h->name, m->reason);
            foreign_sample(m, mono_ms());
            daemon_act(e, m, fleet_daemon_cut_off(&m->fleet, mono_ms()));
        }
}

bool foreign_mismatch(const struct place *l, char *text, size_t size)
{
    const struct host *here = host_find(l->profile->engine, "local");
    const struct host_facts *there = l->via && l->via->has_facts ? &l->via->facts : NULL;
    *text = '\0';
    if (l->profile->settings.runtime != STORE_RUNTIME_MIRAI || !there)
        return false;
    const char *mirai = here && here->has_facts ? here->facts.mirai_version : "";
    const char *nanonext = here && here->has_facts ? here->facts.nanonext_version : "";
    if (!*there->r_version)
        snprintf(text, size, "there is no Rscript on it");
    else if (!*there->mirai_version)
        snprintf(text, size, "it has R %s without mirai", there->r_version);
    else if (*mirai && strcmp(mirai, there->mirai_version) != 0)
        snprintf(text, size, "it has mirai %s, this machine %s", there->mirai_version, mirai);
    else if (*nanonext && *there->nanonext_version && strcmp(nanonext, there->nanonext_version) != 0)
        snprintf(text, size, "it has nanonext %s, this machine %s", there->nanonext_version, nanonext);
    return *text != '\0';
}

void foreign_link_up(struct engine *e, struct host *h)
{
    for (struct profile *p = e->profiles; p; p = p->next)
        if (p->settings.runtime == STORE_RUNTIME_MIRAI && place_find(p, h->name))
            host_look_here(e); /* the base is on this machine: its versions are what hosts are compared with */
    for (struct profile *p = e->profiles; p; p = p->next)
        for (struct daemon *m = p->daemons; m && place_find(p, h->name); m = m->after)
            if (m->foreign && m->foreign->contact_port && m->fleet.connected_ms && m->place->via != h && can_be_led(h))
                host_session_lead(h->link, m->foreign->contact_port, NULL);
}

void foreign_tick(struct engine *e, struct profile *p, uint64_t now_ms)
{
    (void)e;
    if (now_ms < p->sample_at_ms)
        return;
    uint64_t at_ms =
        now_ms / SECOND * SECOND + SAMPLE_AT; /* near its end: once in each second, so that none looks empty */
    p->sample_at_ms = at_ms > now_ms ? at_ms : at_ms + SECOND;
    for (struct daemon *m = p->daemons; m; m = m->after)
        if (m->foreign)
            foreign_sample(m, now_ms);
}

uint64_t foreign_next_ms(const struct profile *p)
{
    for (const struct daemon *m = p->daemons; m; m = m->after)
        if (m->foreign && m->foreign->is_metered && m->fleet.state == FLEET_UP)
            return p->sample_at_ms;
    return UINT64_MAX;
}

static void fini(struct daemon *m)
{
    if (!m->foreign)
        return;
    lead(m, false);
    if (m->foreign->order && m->fleet.state == FLEET_LEAVING)
        foreign_forget_order(m->foreign->order);
    else if (m->foreign->order)
        m->foreign->order->daemon = NULL;
    meter_rele(m->foreign->meter);
    free(m->foreign);
    m->foreign = NULL;
}

const struct launcher launcher_foreign = {.kind = FLEET_FOREIGN,
    .is_ready = has_listener,
    .launch = launch,
    .signal = launch_signal_there,
    .event = take_event,
    .fini = fini};
