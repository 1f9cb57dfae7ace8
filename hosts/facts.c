/* Facts as JSON. */
#include "hosts/facts.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

void host_facts_init(struct host_facts *f)
{
    memset(f, 0, sizeof *f);
    f->load1 = -1;
    f->uptime_s = f->disk_free_bytes = -1;
}

static void text(json_t *o, const char *key, const char *value)
{
    if (*value)
        json_object_set_new(o, key, json_string(value));
}

static void number(json_t *o, const char *key, int64_t value, bool known)
{
    if (known)
        json_object_set_new(o, key, json_integer(value));
}

static json_t *processes(const struct host_facts *f, int gpu)
{
    json_t *list = json_array();
    for (int i = 0; i < f->gpu_process_count; i++) {
        const struct host_gpu_process *p = &f->gpu_processes[i];
        if (p->gpu != gpu)
            continue;
        json_t *o = json_object();
        number(o, "pid", p->pid, true);
        text(o, "user", p->user);
        number(o, "mem_bytes", (int64_t)p->mem_bytes, p->mem_bytes > 0);
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *gpus(const struct host_facts *f)
{
    json_t *list = json_array();
    for (int i = 0; i < f->gpu_count; i++) {
        const struct host_gpu *g = &f->gpus[i];
        json_t *o = json_object();
        number(o, "index", g->index, true);
        text(o, "name", g->name);
        text(o, "vendor", g->vendor);
        number(o, "mem_bytes", (int64_t)g->mem_bytes, g->mem_bytes > 0);
        number(o, "mem_used_bytes", (int64_t)g->mem_used_bytes, g->mem_used_bytes > 0);
        number(o, "busy", g->busy, g->busy >= 0);
        number(o, "temp_c", g->temp_c, g->temp_c >= 0);
        number(o, "power_w", g->power_w, g->power_w >= 0);
        json_object_set_new(o, "processes", processes(f, g->index));
        text(o, "driver", g->driver);
        text(o, "source", g->source);
        json_array_append_new(list, o);
    }
    return list;
}

char *host_facts_json(const struct host_facts *f)
{
    json_t *o = json_object();
    text(o, "system", f->system);
    text(o, "os", f->os);
    text(o, "kernel", f->kernel);
    text(o, "arch", f->arch);
    number(o, "word_bits", f->word_bits, f->word_bits > 0);
    text(o, "user", f->user);
    text(o, "shell", f->shell);
    text(o, "home", f->home);
    text(o, "mac", f->mac);
    number(o, "cores", f->cores, f->cores > 0);
    number(o, "mem_total_bytes", (int64_t)f->mem_total_bytes, f->mem_total_bytes > 0);
    number(o, "mem_available_bytes", (int64_t)f->mem_available_bytes, f->mem_available_bytes > 0);
    if (f->load1 >= 0)
        json_object_set_new(o, "load1", json_real(f->load1));
    number(o, "uptime_s", f->uptime_s, f->uptime_s >= 0);
    text(o, "cache_dir", f->cache_dir);
    json_object_set_new(o, "cache_writable", json_boolean(f->cache_writable));
    text(o, "cache_error", f->cache_error);
    text(o, "cache_open", f->cache_open);
    number(o, "disk_free_bytes", f->disk_free_bytes, f->disk_free_bytes >= 0);
    number(o, "programs", f->programs, f->programs > 0);
    number(o, "programs_bytes", f->programs_bytes, f->programs > 0);
    json_object_set_new(o, "gpus", gpus(f));
    text(o, "r", f->r_version);
    text(o, "mirai", f->mirai_version);
    text(o, "nanonext", f->nanonext_version);
    text(o, "python", f->python_version);
    text(o, "dask", f->dask_version);
    number(o, "clock_offset_ms", f->clock_offset_ms, f->clock_known);
    number(o, "clock_error_ms", f->clock_error_ms, f->clock_known);
    number(o, "rtt_us", f->rtt_us, f->rtt_us > 0);
    text(o, "unparsed", f->unparsed);
    char *dumped = json_dumps(o, JSON_COMPACT), *out = mem_strdup(dumped ? dumped : "{}");
    free(dumped);
    json_decref(o);
    return out;
}
