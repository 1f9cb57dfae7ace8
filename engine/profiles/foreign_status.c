/* What passed between daemons of other engines and their bases, for people. */
#include "engine/profiles/foreign_status.h"

#include "engine/profiles/foreign_script.h"
#include "engine/profiles/launchers/launch_foreign.h"

#include <string.h>

unsigned foreign_busy(const struct profile *p)
{
    struct meter_counts now;
    unsigned n = 0;
    for (const struct daemon *m = p->daemons; m; m = m->after) {
        if (m->foreign) {
            meter_read(m->foreign->meter, &now);
            n += now.busy;
        }
    }
    return n;
}

static const char *framing(const struct profile *p)
{
    struct foreign_base base;
    struct clw_error err;
    static const char *const words[] = {"bytes", "sp", "mirai", "dask"};
    if (!p->settings.base_url || !*p->settings.base_url || foreign_base_parse(p->settings.base_url, &base, &err))
        return p->settings.runtime == STORE_RUNTIME_MIRAI ? "mirai" : p->orders ? "sp" : "bytes";
    return words[foreign_meter_kind(&base, p->settings.runtime)];
}

static json_t *counts_json(const struct meter_counts *c)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:I}", "tasks", (json_int_t)c->tasks, "results",
        (json_int_t)c->results, "cancels", (json_int_t)c->cancels, "messages_up", (json_int_t)c->frames_up,
        "messages_down", (json_int_t)c->frames_down, "bytes_up", (json_int_t)c->bytes_up, "bytes_down",
        (json_int_t)c->bytes_down, "connections", (int)c->connections, "connected_ever", (json_int_t)c->opened);
}

json_t *foreign_daemon_json(const struct daemon *m)
{
    struct meter_counts now;
    meter_read(m->foreign->meter, &now);
    json_t *o = counts_json(&now);
    json_object_set_new(o, "framed", json_boolean(now.is_framed));
    return o;
}

json_t *foreign_traffic_json(struct profile *p, uint64_t now_ms)
{
    struct meter_counts all = p->passed, now;
    bool is_framed = strcmp(framing(p), "bytes") != 0;
    all.connections = 0;
    for (struct daemon *m = p->daemons; m; m = m->after) {
        if (!m->foreign)
            continue;
        foreign_sample(m, now_ms);
        meter_read(m->foreign->meter, &now);
        all.connections += now.connections;
        is_framed &= now.is_framed || !now.opened;
    }
    unsigned connections = all.connections;
    all = p->passed;
    all.connections = connections;
    json_t *o = counts_json(&all);
    json_object_set_new(o, "framing", json_string(framing(p)));
    json_object_set_new(o, "framed", json_boolean(is_framed));
    json_object_set_new(o, "bytes_per_s", json_real(rates_now(&p->bytes, now_ms)));
    json_object_set_new(o, "bytes_per_s_60s", json_real(rates_mean_60s(&p->bytes, now_ms)));
    return o;
}
