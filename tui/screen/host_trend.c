/* The load of a host over time. */
#include "tui/screen/host_trend.h"

#include "base/mem.h"
#include "base/mono.h"
#include "store/load.h"
#include "tui/screen/ui.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STALE_MS = 10000 };

/* What was asked for, and then what it brought. */
struct loading {
    struct host_trend *into;
    struct host_trend found;
};

static void load(struct feed_work *w)
{
    struct loading *l = w->arg;
    struct store_load_list list;
    struct clw_error err;
    int64_t from_s = (int64_t)(wall_us() / 1000000) - (int64_t)TREND_VALUES * TREND_STEP_S;
    unsigned known[TREND_VALUES] = {0};
    if (store_load_list(w->store, l->found.host, from_s, &list, &err)) {
        feed_fail(w, &err);
        return;
    }
    for (size_t i = 0; i < list.count; i++) {
        int64_t slot = (list.items[i].at_s - from_s) / TREND_STEP_S;
        if (slot < 0 || slot >= TREND_VALUES)
            continue;
        double *mean = &l->found.load[slot], value = list.items[i].load;
        *mean = known[slot] ? *mean + (value - *mean) / (known[slot] + 1) : value;
        known[slot]++;
        l->found.peak = value > l->found.peak ? value : l->found.peak;
    }
    store_load_list_fini(&list);
}

static void loaded(struct feed_work *w, void *ui)
{
    struct loading *l = w->arg;
    if (w->err.status == 0 && strcmp(l->found.host, l->into->host) == 0) {
        memcpy(l->into->load, l->found.load, sizeof l->found.load);
        l->into->peak = l->found.peak;
        ui_dirty(ui);
    }
    free(l);
}

static void forget(struct host_trend *t)
{
    t->peak = -1;
    for (size_t i = 0; i < TREND_VALUES; i++)
        t->load[i] = NAN;
}

void host_trend_update(struct host_trend *t, struct ui *ui, const char *host)
{
    uint64_t now = mono_ms();
    bool other = strcmp(t->host, host) != 0;
    if (!other && t->asked_ms && now - t->asked_ms < STALE_MS)
        return;
    t->asked_ms = now;
    if (other) {
        snprintf(t->host, sizeof t->host, "%s", host);
        forget(t);
    }
    struct loading *l = mem_zalloc(sizeof *l);
    l->into = t;
    snprintf(l->found.host, sizeof l->found.host, "%s", host);
    forget(&l->found);
    feed_look(ui->feed, load, loaded, l);
}
