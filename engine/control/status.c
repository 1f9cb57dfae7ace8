/* The state of everything, as the JSON document that `clowder status --json` promises. */
#include "engine/control/status.h"

#include "base/mono.h"
#include "engine/profiles/foreign_status.h"
#include "engine/profiles/host_json.h"
#include "engine/profiles/launchers/launch_foreign.h"
#include "engine/profiles/place_state.h"
#include "engine/profiles/profile_state.h"
#include "engine/model/find.h"
#include "engine/peers/sockets.h"
#include "engine/record/keep.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A field of /proc/PID/status in bytes ("VmRSS:" or "VmHWM:"), 0 when it cannot be read. */
static uint64_t proc_memory(pid_t pid, const char *field)
{
    char path[64], line[256];
    unsigned long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    size_t len = strlen(field);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, field, len) == 0) {
            kib = strtoul(line + len, NULL, 10);
            break;
        }
    fclose(f);
    return (uint64_t)kib * 1024;
}

static const char *daemon_state(const struct daemon *m)
{
    if (m->fleet.state == FLEET_UP && m->foreign)
        return m->foreign->seen.busy ? "executing" : "idle";
    if (m->fleet.state == FLEET_UP)
        return m->paused                                   ? "paused"
               : m->setup_left                             ? "setup"
               : m->disp && disp_daemon_in_flight(m->disp) ? "executing"
                                                           : "idle";
    return m->fleet.state == FLEET_LAUNCHING ? "launching"
           : m->fleet.state == FLEET_LEAVING ? "leaving"
           : m->fleet.state == FLEET_AWAY    ? "away"
                                             : "lost";
}

/* What it uses: as it said itself, or before that what this machine's kernel says of its process. */
static void add_usage(json_t *o, const struct daemon *m)
{
    pid_t here = m->pid ? m->pid : place_is_here(m->place) ? m->worker_pid : 0;
    uint64_t memory = m->has_usage ? m->memory_bytes : here ? proc_memory(here, "VmRSS:") : 0;
    json_object_set_new(o, "rss_bytes", json_integer((json_int_t)memory));
    json_object_set_new(o, "cpu", m->has_usage ? json_real(m->cpu_permille / 1000.0) : json_null());
}

static json_t *reason_of(const struct daemon *m, uint64_t now_ms)
{
    uint64_t until_ms = m->fleet.away_until_ms;
    if (m->fleet.state == FLEET_AWAY && m->resume)
        return json_sprintf("%s; it works on, and is waited for another %llu s", m->reason,
            (unsigned long long)(until_ms > now_ms ? (until_ms - now_ms + 999) / 1000 : 0));
    return json_string(m->paused                    ? m->pause
                       : m->peer && m->peer->unread ? "a client does not read its results"
                                                    : m->reason);
}

static json_t *daemon_json(struct daemon *m, uint64_t now_ms)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", json_string(m->name));
    json_object_set_new(o, "host", json_string(m->place->host));
    json_object_set_new(o, "pid", json_integer(m->worker_pid ? m->worker_pid : m->pid));
    json_object_set_new(o, "state", json_string(daemon_state(m)));
    json_object_set_new(o, "reason", reason_of(m, now_ms));
    json_object_set_new(o, "limits", json_string(m->limits));
    json_object_set_new(o, "done", json_integer(m->disp ? (json_int_t)disp_daemon_done(m->disp) : 0));
    json_object_set_new(o, "failed", json_integer(m->disp ? (json_int_t)disp_daemon_failed(m->disp) : 0));
    json_object_set_new(o, "rate", json_real(pace_mean(&m->pace, now_ms)));
    json_object_set_new(
        o, "up_s", json_integer(m->fleet.connected_ms ? (json_int_t)((now_ms - m->fleet.connected_ms) / 1000) : 0));
    if (m->foreign) {
        json_object_set_new(o, "done", json_integer((json_int_t)m->foreign->seen.results));
        json_object_set_new(o, "traffic", foreign_daemon_json(m));
    }
    add_usage(o, m);
    return o;
}

static unsigned profile_paused(const struct profile *p, const char **why)
{
    unsigned n = 0;
    const char *one;
    *why = "";
    for (const struct place *l = p->places; l; l = l->next) {
        n += place_paused(l, &one);
        *why = one && !**why ? one : *why;
    }
    return n;
}

static const char *profile_state(const struct profile *p)
{
    const char *why;
    unsigned up = fleet_count(&p->fleet, FLEET_UP), want = profile_want(p);
    if (p->fleet.going)
        return p->daemon_count ? "stopping" : "stopped";
    if (up && profile_paused(p, &why) == up)
        return "paused";
    if (up && up >= want)
        return "up";
    if (up)
        return "partial";
    if (!fleet_is_wanted(&p->fleet))
        return "stopped";
    if (fleet_count(&p->fleet, FLEET_AWAY))
        return "away";
    return profile_is_hopeless(p) ? "failed" : "launching";
}

static const char *place_state(const struct place *l)
{
    unsigned up = l->fleet.counts[FLEET_UP], want = place_want(l);
    const char *why;
    if (!l->fleet.on)
        return "stopping";
    if (l->fleet.broken)
        return place_is_here(l) ? "failed" : "quarantined";
    if (l->via && (l->via->shot.state != HOST_UP || l->via->shot.silent))
        return host_word(&l->via->shot);
    if (up && place_paused(l, &why) == up)
        return "paused";
    return up && up >= want ? "up" : up ? "partial" : "launching";
}

static json_t *known(int n)
{
    return n < 0 ? json_null() : json_integer(n);
}

static json_t *gpus_json(const struct host_facts *f)
{
    json_t *list = json_array();
    for (int i = 0; i < f->gpu_count; i++)
        json_array_append_new(list, json_pack("{s:i, s:s, s:I, s:o, s:I, s:o, s:o}", "index", f->gpus[i].index, "name",
                                        f->gpus[i].name, "mem_bytes", (json_int_t)f->gpus[i].mem_bytes, "busy",
                                        known(f->gpus[i].busy), "mem_used_bytes", (json_int_t)f->gpus[i].mem_used_bytes,
                                        "temp_c", known(f->gpus[i].temp_c), "power_w", known(f->gpus[i].power_w)));
    return list;
}

/* What the machine itself is like: this one as of now, a host as of its last probe. */
static void add_machine(json_t *o, const struct place *l)
{
    double load = -1;
    json_int_t memory = 0, cores = 0;
    if (place_is_here(l)) {
        if (getloadavg(&load, 1) != 1)
            load = -1;
        memory = (json_int_t)sysconf(_SC_PHYS_PAGES) * (json_int_t)sysconf(_SC_PAGESIZE);
        cores = sysconf(_SC_NPROCESSORS_ONLN);
    } else if (l->via->has_facts) {
        load = l->via->facts.load1;
        memory = (json_int_t)l->via->facts.mem_total_bytes;
        cores = l->via->facts.cores;
    }
    json_object_set_new(o, "load", load >= 0 ? json_real(load) : json_null());
    json_object_set_new(o, "memory", json_integer(memory));
    json_object_set_new(o, "cores", json_integer(cores));
    json_object_set_new(o, "gpus", place_facts(l) ? gpus_json(place_facts(l)) : json_array());
}

static json_t *place_json(struct place *l, uint64_t now_ms)
{
    struct clw_error err = {0};
    const char *paused;
    json_t *o = json_object();
    place_paused(l, &paused);
    if (l->reason[0] || (l->via && l->via->shot.reason[0]))
        place_explain(l, &err);
    json_object_set_new(o, "host", json_string(l->host));
    json_object_set_new(o, "daemons", json_integer(l->fleet.counts[FLEET_UP]));
    json_object_set_new(o, "wanted", json_integer(place_want(l)));
    json_object_set_new(o, "state", json_string(place_state(l)));
    json_object_set_new(o, "reason", json_string(paused && !err.message[0] ? paused : err.message));
    json_object_set_new(o, "hint", json_string(err.hint));
    char note[200];
    foreign_mismatch(l, note, sizeof note);
    json_object_set_new(o, "note", json_string(note));
    json_object_set_new(o, "suspect", json_boolean(l->fleet.suspect));
    json_object_set_new(o, "suspicion", json_string(l->suspicion));
    json_object_set_new(o, "rate", json_real(rates_now(&l->rates, now_ms)));
    json_object_set_new(o, "rate_mean_60s", json_real(rates_mean_60s(&l->rates, now_ms)));
    json_object_set_new(o, "done", json_integer((json_int_t)l->done));
    json_object_set_new(o, "failed", json_integer((json_int_t)l->failed));
    add_machine(o, l);
    if (!place_is_here(l)) {
        json_object_set_new(o, "step", json_string(host_state_text(l->via->shot.step)));
        json_object_set_new(o, "rtt_us", json_integer(l->via->shot.rtt_us));
        json_object_set_new(o, "url", json_string(l->via->shot.url));
        json_object_set_new(o, "direct", json_boolean(l->via->direct));
    }
    return o;
}

static json_t *hosts_json(struct profile *p, uint64_t now_ms)
{
    json_t *list = json_array();
    for (struct place *l = p->places; l; l = l->next)
        if (l->fleet.on || fleet_place_active(&l->fleet) || l->fleet.counts[FLEET_LEAVING])
            json_array_append_new(list, place_json(l, now_ms));
    return list;
}

static json_t *daemons_json(const struct profile *p, const struct disp_stats *s)
{
    const char *why;
    json_t *o = json_object();
    json_object_set_new(o, "wanted", json_integer(profile_want(p)));
    json_object_set_new(
        o, "connected", json_integer(fleet_count(&p->fleet, FLEET_UP) + fleet_count(&p->fleet, FLEET_LEAVING)));
    json_object_set_new(o, "busy", json_integer(s->busy));
    json_object_set_new(o, "paused", json_integer(profile_paused(p, &why)));
    json_object_set_new(o, "launching", json_integer(fleet_count(&p->fleet, FLEET_LAUNCHING)));
    json_object_set_new(o, "away", json_integer(fleet_count(&p->fleet, FLEET_AWAY)));
    json_object_set_new(o, "lost", json_integer(fleet_count(&p->fleet, FLEET_LOST)));
    return o;
}

static json_t *tasks_json(const struct disp_stats *s)
{
    json_t *o = json_object();
    json_object_set_new(o, "awaiting", json_integer((json_int_t)s->awaiting));
    json_object_set_new(o, "executing", json_integer((json_int_t)s->executing));
    json_object_set_new(o, "completed", json_integer((json_int_t)s->completed));
    json_object_set_new(o, "failed", json_integer((json_int_t)s->failed));
    json_object_set_new(o, "cancelled", json_integer((json_int_t)s->cancelled));
    json_object_set_new(o, "retried", json_integer((json_int_t)s->retried));
    json_object_set_new(o, "speculated", json_integer((json_int_t)s->speculated));
    return o;
}

static json_t *rate_json(struct profile *p, uint64_t now_ms)
{
    uint32_t last[60];
    json_t *o = json_object(), *history = json_array();
    rates_history(&p->rates, now_ms, last, 60);
    for (int i = 0; i < 60; i++)
        json_array_append_new(history, json_integer(last[i]));
    json_object_set_new(o, "now", json_real(rates_now(&p->rates, now_ms)));
    json_object_set_new(o, "mean_60s", json_real(rates_mean_60s(&p->rates, now_ms)));
    json_object_set_new(o, "last_60s", history);
    return o;
}

static json_t *memory_json(const struct disp_stats *s)
{
    json_t *o = json_object();
    json_object_set_new(o, "used", json_integer((json_int_t)s->mem_used));
    json_object_set_new(o, "peak", json_integer((json_int_t)s->mem_peak));
    json_object_set_new(o, "budget", json_integer((json_int_t)s->mem_budget));
    return o;
}

static json_t *profile_json(struct engine *e, struct profile *p, uint64_t now_ms)
{
    struct disp_stats s;
    const char *paused;
    json_t *o = json_object(), *list = json_array();
    disp_stats(p->disp, &s);
    profile_paused(p, &paused);
    json_object_set_new(o, "name", json_string(p->name));
    json_object_set_new(o, "state", json_string(profile_state(p)));
    json_object_set_new(o, "reason", json_string(*profile_reason(p) ? profile_reason(p) : paused));
    bool is_foreign = profile_is_foreign(p);
    if (is_foreign) {
        json_object_set_new(o, "traffic", foreign_traffic_json(p, now_ms));
        s.completed = p->passed.results;
        s.cancelled = p->passed.cancels;
        s.busy = foreign_busy(p);
        s.executing = s.busy;
    }
    json_object_set_new(o, "url",
        json_string(!is_foreign            ? e->data_url
                    : p->settings.base_url ? p->settings.base_url
                                           : ""));
    json_object_set_new(o, "runtime", json_string(store_runtime_text(p->settings.runtime)));
    json_object_set_new(o, "daemons", daemons_json(p, &s));
    json_object_set_new(o, "tasks", tasks_json(&s));
    json_object_set_new(o, "rate", rate_json(p, now_ms));
    json_object_set_new(o, "memory", memory_json(&s));
    json_object_set_new(o, "hosts", hosts_json(p, now_ms));
    for (struct daemon *m = p->daemons; m; m = m->after)
        json_array_append_new(list, daemon_json(m, now_ms));
    json_object_set_new(o, "daemon_list", list);
    return o;
}

json_t *status_json(struct engine *e, const char *profile)
{
    uint64_t now_ms = mono_ms();
    json_t *o = json_object(), *engine = json_object(), *profiles = json_array();
    bool found = profile == NULL;
    json_object_set_new(engine, "pid", json_integer(getpid()));
    json_object_set_new(engine, "version", json_string(CLW_VERSION));
    json_object_set_new(engine, "sockets", json_string(sockets_folder(e)));
    json_object_set_new(engine, "uptime_s", json_integer((json_int_t)((now_ms - e->started_ms) / 1000)));
    json_object_set_new(engine, "rss_bytes", json_integer((json_int_t)proc_memory(getpid(), "VmRSS:")));
    json_object_set_new(engine, "rss_peak_bytes", json_integer((json_int_t)proc_memory(getpid(), "VmHWM:")));
    json_object_set_new(engine, "connections", json_integer(e->peer_count));
    json_t *problem = json_string(e->store_problem); /* NULL: a path that is not UTF-8 */
    json_object_set_new(engine, "store_problem", problem ? problem : json_string("it cannot be opened"));
    json_object_set_new(o, "engine", engine);
    for (struct profile *p = e->profiles; p; p = p->next) {
        if (profile && strcmp(profile, p->name) != 0)
            continue;
        found = true;
        json_array_append_new(profiles, profile_json(e, p, now_ms));
    }
    json_object_set_new(o, "profiles", profiles);
    json_object_set_new(o, "waiting", keep_waiting_json(e->keeper, profile));
    if (!found) {
        json_decref(o);
        return NULL;
    }
    return o;
}
