/* Views out of JSON. A field that is missing or of another type is unknown, never an error: engines differ in age. */
#include "tui/screen/view.h"

#include "base/mem.h"
#include "base/mono.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

const char *const view_steps[VIEW_STEPS] = {
    "resolve", "connect", "hostkey", "auth", "probe", "upload", "tunnel", "launch", "up"};

static uint64_t count_of(const json_t *o, const char *key)
{
    const json_t *value = json_object_get(o, key);
    json_int_t n = json_is_real(value) ? (json_int_t)json_real_value(value) : json_integer_value(value);
    return n > 0 ? (uint64_t)n : 0;
}

static double number_of(const json_t *o, const char *key, double otherwise)
{
    const json_t *value = json_object_get(o, key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

static void text_of(const json_t *o, const char *key, char *out, size_t size)
{
    const char *value = json_string_value(json_object_get(o, key));
    size_t len = value ? strlen(value) : 0;
    if (len >= size)
        len = size - 1;
    memcpy(out, value ? value : "", len);
    out[len] = '\0';
}

#define TEXT_OF(o, key, field) text_of((o), (key), (field), sizeof(field))

static void read_daemon(const json_t *o, struct view_daemon *d)
{
    TEXT_OF(o, "name", d->name);
    TEXT_OF(o, "host", d->host);
    TEXT_OF(o, "state", d->state);
    TEXT_OF(o, "reason", d->reason);
    d->pid = (int64_t)count_of(o, "pid");
    d->done = count_of(o, "done");
    d->failed = count_of(o, "failed");
    d->up_s = count_of(o, "up_s");
    d->rss_bytes = count_of(o, "rss_bytes");
    d->cpu = number_of(o, "cpu", -1);
    d->rate = number_of(o, "rate", -1);
}

static void read_at_host(const json_t *o, struct view_at_host *h)
{
    TEXT_OF(o, "host", h->host);
    TEXT_OF(o, "state", h->state);
    TEXT_OF(o, "suspicion", h->suspicion);
    h->daemons = (unsigned)count_of(o, "daemons");
    h->rate = number_of(o, "rate", -1);
    h->load = number_of(o, "load", -1);
    h->memory = count_of(o, "memory");
    const json_t *gpus = json_object_get(o, "gpus"), *item;
    size_t i;
    json_array_foreach (gpus, i, item) {
        if (h->gpu_count == VIEW_GPUS)
            break;
        struct view_gpu *g = &h->gpus[h->gpu_count++];
        g->index = (int)count_of(item, "index");
        g->busy = number_of(item, "busy", -1);
        g->mem_used = count_of(item, "mem_used_bytes");
        g->mem_bytes = count_of(item, "mem_bytes");
        g->temp_c = (int)number_of(item, "temp_c", -1);
        g->power_w = (int)number_of(item, "power_w", -1);
        TEXT_OF(item, "name", g->name);
    }
}

static void read_profile(const json_t *o, struct view_profile *p)
{
    const json_t *daemons = json_object_get(o, "daemons"), *tasks = json_object_get(o, "tasks"), *item;
    const json_t *rate = json_object_get(o, "rate"), *memory = json_object_get(o, "memory");
    const json_t *list = json_object_get(o, "daemon_list"), *hosts = json_object_get(o, "hosts");
    size_t i;
    TEXT_OF(o, "name", p->name);
    TEXT_OF(o, "state", p->state);
    TEXT_OF(o, "reason", p->reason);
    TEXT_OF(o, "runtime", p->runtime);
    p->wanted = (unsigned)count_of(daemons, "wanted");
    p->connected = (unsigned)count_of(daemons, "connected");
    p->busy = (unsigned)count_of(daemons, "busy");
    p->launching = (unsigned)count_of(daemons, "launching");
    p->lost = (unsigned)count_of(daemons, "lost");
    p->awaiting = count_of(tasks, "awaiting");
    p->executing = count_of(tasks, "executing");
    p->completed = count_of(tasks, "completed");
    p->failed = count_of(tasks, "failed");
    p->cancelled = count_of(tasks, "cancelled");
    p->retried = count_of(tasks, "retried");
    p->rate = number_of(rate, "now", 0);
    p->mean = number_of(rate, "mean_60s", 0);
    for (i = 0; i < VIEW_LAST; i++)
        p->last[i] = json_number_value(json_array_get(json_object_get(rate, "last_60s"), i));
    const json_t *traffic = json_object_get(o, "traffic");
    p->is_foreign = traffic != NULL;
    p->is_opaque = traffic && (!json_is_true(json_object_get(traffic, "framed")) || strcmp(p->runtime, "dask") == 0);
    p->connections = (unsigned)count_of(traffic, "connections");
    p->bytes_rate = number_of(traffic, "bytes_per_s", 0);
    if (traffic)
        TEXT_OF(o, "url", p->base);
    p->mem_used = count_of(memory, "used");
    p->mem_budget = count_of(memory, "budget");
    p->daemons = mem_zalloc((json_array_size(list) + 1) * sizeof *p->daemons);
    json_array_foreach (list, i, item)
        read_daemon(item, &p->daemons[p->daemon_count++]);
    p->hosts = mem_zalloc((json_array_size(hosts) + 1) * sizeof *p->hosts);
    json_array_foreach (hosts, i, item)
        read_at_host(item, &p->hosts[p->host_count++]);
}

struct view_engine *view_engine_read(const char *json)
{
    json_t *doc = json_loads(json, 0, NULL);
    const json_t *engine = json_object_get(doc, "engine"), *list = json_object_get(doc, "profiles"), *item;
    size_t i;
    if (!json_is_object(engine) || !json_is_array(list)) {
        json_decref(doc);
        return NULL;
    }
    struct view_engine *v = mem_zalloc(sizeof *v);
    v->at_ms = mono_ms();
    v->alive = true;
    v->pid = (int64_t)count_of(engine, "pid");
    v->uptime_s = count_of(engine, "uptime_s");
    v->rss_bytes = count_of(engine, "rss_bytes");
    TEXT_OF(engine, "version", v->version);
    v->profiles = mem_zalloc((json_array_size(list) + 1) * sizeof *v->profiles);
    json_array_foreach (list, i, item)
        read_profile(item, &v->profiles[v->profile_count++]);
    json_decref(doc);
    return v;
}

struct view_engine *view_engine_hold(struct view_engine *v)
{
    if (v)
        v->holds++;
    return v;
}

void view_engine_rele(struct view_engine *v)
{
    if (!v || v->holds-- > 0)
        return;
    for (size_t i = 0; i < v->profile_count; i++) {
        free(v->profiles[i].daemons);
        free(v->profiles[i].hosts);
    }
    free(v->profiles);
    free(v);
}

static void read_link(const json_t *o, struct view_link *l)
{
    const json_t *key = json_object_get(o, "key"), *prompt = json_object_get(o, "prompt");
    const json_t *steps = json_object_get(o, "steps_ms");
    TEXT_OF(o, "host", l->host);
    TEXT_OF(o, "state", l->state);
    TEXT_OF(o, "step", l->step);
    TEXT_OF(o, "reason", l->reason);
    TEXT_OF(o, "hint", l->hint);
    l->since_s = count_of(o, "since_s");
    l->retry_in_s = count_of(o, "retry_in_s");
    l->attempts = count_of(o, "attempts");
    l->failures = count_of(o, "failures");
    l->rtt_us = count_of(o, "rtt_us");
    l->bytes_up = count_of(o, "bytes_up");
    l->bytes_down = count_of(o, "bytes_down");
    l->daemons = count_of(o, "daemons");
    for (int i = 0; i < VIEW_STEPS; i++)
        l->steps_ms[i] = (int64_t)number_of(steps, view_steps[i], -1);
    l->has_key = json_is_object(key);
    TEXT_OF(key, "host", l->key_host);
    TEXT_OF(key, "type", l->key_type);
    TEXT_OF(key, "fingerprint", l->fingerprint);
    TEXT_OF(key, "file", l->key_file);
    l->key_line = count_of(key, "line");
    l->key_changed = json_is_true(json_object_get(key, "changed"));
    l->has_prompt = json_is_object(prompt);
    TEXT_OF(prompt, "kind", l->prompt_kind);
    TEXT_OF(prompt, "text", l->prompt);
    l->prompt_echo = json_is_true(json_object_get(prompt, "echo"));
    l->prompt_again = json_is_true(json_object_get(prompt, "again"));
}

static void read_job(const json_t *o, struct view_job *j)
{
    const json_t *hosts = json_object_get(o, "hosts"), *item;
    size_t i;
    j->id = (int64_t)count_of(o, "id");
    TEXT_OF(o, "name", j->name);
    TEXT_OF(o, "profile", j->profile);
    TEXT_OF(o, "state", j->state);
    TEXT_OF(o, "command", j->command);
    j->awaiting = count_of(o, "awaiting");
    j->executing = count_of(o, "executing");
    j->done = count_of(o, "done");
    j->failed = count_of(o, "failed");
    j->cancelled = count_of(o, "cancelled");
    j->total = count_of(o, "total");
    j->submitted_us = count_of(o, "submitted_us");
    j->total_known = json_is_true(json_object_get(o, "finished_input"));
    j->detached = json_is_true(json_object_get(o, "detached"));
    TEXT_OF(o, "reason", j->reason);
    j->rate = number_of(o, "rate", 0);
    j->hosts = mem_zalloc((json_array_size(hosts) + 1) * sizeof *j->hosts);
    json_array_foreach (hosts, i, item) {
        struct view_job_host *h = &j->hosts[j->host_count++];
        TEXT_OF(item, "host", h->host);
        h->done = count_of(item, "done");
        h->failed = count_of(item, "failed");
    }
}

struct view_links *view_links_read(const char *hosts_json, const char *jobs_json)
{
    json_t *hosts = hosts_json ? json_loads(hosts_json, 0, NULL) : NULL;
    json_t *jobs = jobs_json ? json_loads(jobs_json, 0, NULL) : NULL;
    const json_t *links = json_object_get(hosts, "hosts"), *list = json_object_get(jobs, "jobs"), *item;
    struct view_links *v = mem_zalloc(sizeof *v);
    size_t i;
    v->links = mem_zalloc((json_array_size(links) + 1) * sizeof *v->links);
    v->jobs = mem_zalloc((json_array_size(list) + 1) * sizeof *v->jobs);
    json_array_foreach (links, i, item)
        read_link(item, &v->links[v->link_count++]);
    json_array_foreach (list, i, item)
        read_job(item, &v->jobs[v->job_count++]);
    json_decref(hosts);
    json_decref(jobs);
    return v;
}

struct view_links *view_links_hold(struct view_links *v)
{
    if (v)
        v->holds++;
    return v;
}

void view_links_rele(struct view_links *v)
{
    if (!v || v->holds-- > 0)
        return;
    for (size_t i = 0; i < v->job_count; i++)
        free(v->jobs[i].hosts);
    free(v->jobs);
    free(v->links);
    free(v);
}

static void add_runtime(const json_t *o, const char *key, struct view_facts *f)
{
    size_t used = strlen(f->runtimes);
    const char *version = json_string_value(json_object_get(o, key));
    if (version)
        snprintf(f->runtimes + used, sizeof f->runtimes - used, "%s%s %s", used ? ", " : "", key, version);
}

static void add_gpus(const json_t *list, struct view_facts *f)
{
    const json_t *gpu;
    size_t i, used = 0;
    json_array_foreach (list, i, gpu) {
        char vendor[40], name[100];
        TEXT_OF(gpu, "vendor", vendor);
        TEXT_OF(gpu, "name", name);
        if (used + strlen(vendor) + strlen(name) + 3 < sizeof f->gpus)
            used += (size_t)sprintf(f->gpus + used, "%s%s %s", used ? "\n" : "", vendor, name);
        uint64_t total = count_of(gpu, "mem_bytes"), taken = count_of(gpu, "mem_used_bytes");
        if (total > taken && total - taken > f->gpu_free)
            f->gpu_free = total - taken;
    }
}

static void read_facts(const char *facts, struct view_facts *out)
{
    json_t *o = facts ? json_loads(facts, 0, NULL) : NULL;
    *out = (struct view_facts){.load1 = -1, .uptime_s = -1};
    out->cores = (unsigned)count_of(o, "cores");
    out->load1 = number_of(o, "load1", -1);
    out->mem_total = count_of(o, "mem_total_bytes");
    out->mem_available = count_of(o, "mem_available_bytes");
    out->disk_free = count_of(o, "disk_free_bytes");
    out->rtt_us = count_of(o, "rtt_us");
    out->uptime_s = (int64_t)number_of(o, "uptime_s", -1);
    TEXT_OF(o, "os", out->os);
    TEXT_OF(o, "kernel", out->kernel);
    TEXT_OF(o, "arch", out->arch);
    TEXT_OF(o, "user", out->user);
    add_runtime(o, "r", out);
    add_runtime(o, "mirai", out);
    add_runtime(o, "python", out);
    add_runtime(o, "dask", out);
    add_gpus(json_object_get(o, "gpus"), out);
    json_decref(o);
}

enum clw_err view_store_hosts(struct view_store *v, struct store *s, struct clw_error *err)
{
    enum clw_err code = store_host_list(s, &v->hosts, err);
    v->facts = mem_zalloc((v->hosts.count + 1) * sizeof *v->facts);
    for (size_t i = 0; i < v->hosts.count; i++)
        read_facts(v->hosts.items[i].facts, &v->facts[i]);
    return code;
}

struct view_store *view_store_hold(struct view_store *v)
{
    if (v)
        v->holds++;
    return v;
}

void view_store_rele(struct view_store *v)
{
    if (!v || v->holds-- > 0)
        return;
    store_host_list_fini(&v->hosts);
    free(v->facts);
    store_profile_list_fini(&v->profiles);
    store_job_list_fini(&v->jobs);
    store_event_list_fini(&v->events);
    store_launch_list_fini(&v->launches);
    free(v);
}

const struct view_profile *view_profile_find(const struct view_engine *v, const char *name)
{
    for (size_t i = 0; v && i < v->profile_count; i++)
        if (strcmp(v->profiles[i].name, name) == 0)
            return &v->profiles[i];
    return NULL;
}

const struct view_link *view_link_find(const struct view_links *v, const char *host)
{
    for (size_t i = 0; v && i < v->link_count; i++)
        if (strcmp(v->links[i].host, host) == 0)
            return &v->links[i];
    return NULL;
}

const struct store_host *view_host_find(const struct view_store *v, const char *name)
{
    for (size_t i = 0; v && i < v->hosts.count; i++)
        if (strcmp(v->hosts.items[i].name, name) == 0)
            return &v->hosts.items[i];
    return NULL;
}

const struct store_profile *view_profile_saved(const struct view_store *v, const char *name)
{
    for (size_t i = 0; v && i < v->profiles.count; i++)
        if (strcmp(v->profiles.items[i].name, name) == 0)
            return &v->profiles.items[i];
    return NULL;
}
