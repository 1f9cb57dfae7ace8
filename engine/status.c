/* The state of everything, as the JSON document that `clowder status --json` promises. */
#include "engine/core.h"

#include "base/mono.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIST_DAEMONS_MAX = 512 };

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

static const char *daemon_state(const struct member *m)
{
    if (m->state == MEMBER_UP)
        return m->setup_left ? "setup" : m->daemon && disp_daemon_in_flight(m->daemon) ? "executing" : "idle";
    return m->state == MEMBER_LAUNCHING ? "launching" : m->state == MEMBER_LEAVING ? "leaving" : "lost";
}

static json_t *daemon_json(const struct member *m, uint64_t now_ms)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", json_string(m->name));
    json_object_set_new(o, "host", json_string(m->host));
    json_object_set_new(o, "pid", json_integer(m->worker_pid ? m->worker_pid : m->pid));
    json_object_set_new(o, "state", json_string(daemon_state(m)));
    json_object_set_new(o, "reason", json_string(m->reason));
    json_object_set_new(o, "done", json_integer(m->daemon ? (json_int_t)disp_daemon_done(m->daemon) : 0));
    json_object_set_new(o, "failed", json_integer(m->daemon ? (json_int_t)disp_daemon_failed(m->daemon) : 0));
    json_object_set_new(o, "up_s", json_integer(m->connected_ms ? (json_int_t)((now_ms - m->connected_ms) / 1000) : 0));
    json_object_set_new(o, "rss_bytes", json_integer(m->pid ? (json_int_t)proc_memory(m->pid, "VmRSS:") : 0));
    json_object_set_new(o, "rss_peak_bytes", json_integer(m->pid ? (json_int_t)proc_memory(m->pid, "VmHWM:") : 0));
    return o;
}

static const char *pool_state(const struct pool *p)
{
    unsigned up = pool_count(p, MEMBER_UP);
    if (p->broken)
        return "failed";
    if (p->going && p->member_count)
        return "stopping";
    if (up && up >= p->want)
        return "up";
    if (up)
        return "partial";
    return p->want ? "launching" : "stopped";
}

static json_t *hosts_json(struct pool *p, double rate)
{
    double load[1] = {0};
    json_t *list = json_array();
    if (!p->member_count)
        return list;
    getloadavg(load, 1);
    json_t *o = json_object();
    json_object_set_new(o, "host", json_string("local"));
    json_object_set_new(o, "daemons", json_integer(pool_count(p, MEMBER_UP)));
    json_object_set_new(o, "state", json_string(pool_state(p)));
    json_object_set_new(o, "rate", json_real(rate));
    json_object_set_new(o, "load", json_real(load[0]));
    json_object_set_new(
        o, "memory", json_integer((json_int_t)sysconf(_SC_PHYS_PAGES) * (json_int_t)sysconf(_SC_PAGESIZE)));
    json_object_set_new(o, "gpus", json_array());
    json_array_append_new(list, o);
    return list;
}

static json_t *daemons_json(const struct pool *p, const struct disp_stats *s)
{
    json_t *o = json_object();
    json_object_set_new(o, "wanted", json_integer(p->want));
    json_object_set_new(o, "connected", json_integer(pool_count(p, MEMBER_UP) + pool_count(p, MEMBER_LEAVING)));
    json_object_set_new(o, "busy", json_integer(s->busy));
    json_object_set_new(o, "launching", json_integer(pool_count(p, MEMBER_LAUNCHING)));
    json_object_set_new(o, "lost", json_integer(pool_count(p, MEMBER_LOST)));
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
    return o;
}

static json_t *rate_json(struct pool *p, uint64_t now_ms)
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

static json_t *pool_json(struct engine *e, struct pool *p, uint64_t now_ms)
{
    struct disp_stats s;
    json_t *o = json_object(), *list = json_array();
    unsigned n = 0;
    disp_stats(p->disp, &s);
    json_object_set_new(o, "name", json_string(p->name));
    json_object_set_new(o, "state", json_string(pool_state(p)));
    json_object_set_new(o, "reason", json_string(p->reason));
    json_object_set_new(o, "url", json_string(e->data_url));
    json_object_set_new(o, "runtime", json_string("clowder"));
    json_object_set_new(o, "daemons", daemons_json(p, &s));
    json_object_set_new(o, "tasks", tasks_json(&s));
    json_object_set_new(o, "rate", rate_json(p, now_ms));
    json_object_set_new(o, "memory", memory_json(&s));
    json_object_set_new(o, "hosts", hosts_json(p, rates_now(&p->rates, now_ms)));
    for (struct member *m = p->members; m && n < LIST_DAEMONS_MAX; m = m->after, n++)
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
    json_object_set_new(engine, "uptime_s", json_integer((json_int_t)((now_ms - e->started_ms) / 1000)));
    json_object_set_new(engine, "rss_bytes", json_integer((json_int_t)proc_memory(getpid(), "VmRSS:")));
    json_object_set_new(engine, "rss_peak_bytes", json_integer((json_int_t)proc_memory(getpid(), "VmHWM:")));
    json_object_set_new(engine, "connections", json_integer(e->peer_count));
    json_object_set_new(o, "engine", engine);
    for (struct pool *p = e->pools; p; p = p->next) {
        if (profile && strcmp(profile, p->name) != 0)
            continue;
        found = true;
        json_array_append_new(profiles, pool_json(e, p, now_ms));
    }
    json_object_set_new(o, "profiles", profiles);
    if (!found) {
        json_decref(o);
        return NULL;
    }
    return o;
}
