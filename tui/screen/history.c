/* Throughput over time. */
#include "tui/screen/history.h"

#include "base/mem.h"
#include "base/mono.h"
#include "base/text.h"
#include "store/sample.h"
#include "tui/screen/term.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCALE_COLS = 6 };

static const struct {
    const char *text;
    unsigned step_s, count, stale_ms;
} spans[SPAN_COUNT] = {
    {"last minute", 1, 60, 0},
    {"last hour", 1, 3600, 5000},
    {"last day", 60, 1440, 30000},
    {"last month", 3600, 720, 300000},
};

/* One load on its way: what was asked for, and then what it brought. */
struct loading {
    struct history *into;
    char profile[STORE_NAME_SIZE];
    enum span span;
    double values[HISTORY_VALUES];
};

const char *span_text(enum span s)
{
    return spans[s].text;
}

enum graph_style history_style(void)
{
    return term_caps()->utf8 ? GRAPH_BRAILLE : GRAPH_ASCII;
}

static void live(struct history *h, const struct view_engine *e, const char *profile)
{
    h->count = VIEW_LAST;
    for (size_t i = 0; i < VIEW_LAST; i++) {
        h->values[i] = NAN;
        for (size_t p = 0; e && p < e->profile_count; p++)
            if ((!*profile || strcmp(e->profiles[p].name, profile) == 0) && !isnan(e->profiles[p].last[i]))
                h->values[i] = (isnan(h->values[i]) ? 0 : h->values[i]) + e->profiles[p].last[i];
    }
}

void history_spread(
    const struct store_sample *samples, size_t n, int64_t from_s, unsigned step_s, double *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = NAN;
    for (size_t i = 0; i < n; i++) {
        const struct store_sample *s = &samples[i];
        unsigned wide = s->span_s > step_s ? s->span_s : step_s;
        for (int64_t at = s->at_s; at < s->at_s + s->span_s; at += step_s) {
            int64_t slot = (at - from_s) / step_s;
            if (at >= from_s && slot < (int64_t)count)
                values[slot] = (isnan(values[slot]) ? 0 : values[slot]) + (double)s->tasks / wide;
        }
    }
}

static void load(struct feed_work *w)
{
    struct loading *l = w->arg;
    struct store_sample_list list;
    struct clw_error err;
    int64_t step = spans[l->span].step_s, count = spans[l->span].count;
    int64_t to = (int64_t)(wall_us() / 1000000) / step * step, from = to - step * count;
    if (store_sample_list(w->store, *l->profile ? l->profile : NULL, from, to, &list, &err)) {
        feed_fail(w, &err);
        return;
    }
    history_spread(list.items, list.count, from, (unsigned)step, l->values, (size_t)count);
    store_sample_list_fini(&list);
}

static void loaded(struct feed_work *w, void *ui)
{
    struct loading *l = w->arg;
    struct history *h = l->into;
    if (w->err.status == 0 && l->span == h->span && strcmp(l->profile, h->profile) == 0) {
        h->count = spans[l->span].count;
        memcpy(h->values, l->values, sizeof l->values);
        h->loaded_ms = mono_ms();
        ui_dirty(ui);
    }
    free(l);
}

void history_update(struct history *h, struct ui *ui, const char *profile, enum span span)
{
    uint64_t now = mono_ms();
    bool other = h->span != span || strcmp(h->profile, profile) != 0;
    if (other) {
        h->count = 0;
        h->span = span;
        snprintf(h->profile, sizeof h->profile, "%s", profile);
    }
    if (span == SPAN_MINUTE) {
        live(h, ui->engine, profile);
    } else if (other || now - h->asked_ms >= spans[span].stale_ms) {
        struct loading *l = mem_zalloc(sizeof *l);
        l->into = h;
        l->span = span;
        snprintf(l->profile, sizeof l->profile, "%s", profile);
        h->asked_ms = now;
        feed_look(ui->feed, load, loaded, l);
    }
}

void history_draw(const struct history *h, const struct rect *r)
{
    static char rows[64][GRAPH_ROW_SIZE];
    double means[GRAPH_COLS_MAX * 2], peaks[GRAPH_COLS_MAX * 2];
    char scale[24];
    int cols = r->cols - SCALE_COLS - 2, height = r->rows > 64 ? 64 : r->rows;
    if (cols < 8 || height < 1)
        return;
    if (cols > GRAPH_COLS_MAX)
        cols = GRAPH_COLS_MAX;
    size_t room = (size_t)(cols * graph_values_per_column(history_style())), n = h->count;
    bool squeezed = n > room;
    if (n) { /* all of the span, as wide as the graph is */
        graph_squeeze(h->values, n, means, peaks, room);
        n = room;
    }
    double max = graph_area(history_style(), means, squeezed ? peaks : NULL, n, 0, cols, height, rows);
    for (int i = 0; i < height; i++) {
        draw_text(r->y + i, r->x + SCALE_COLS + 1, cols, ROLE_GRAPH, rows[i]);
        draw_text(r->y + i, r->x, SCALE_COLS + 1, ROLE_DIM, "");
    }
    draw_right(r->y, r->x, SCALE_COLS, ROLE_DIM, text_rate(scale, sizeof scale, max));
    if (height > 1)
        draw_right(r->y + height - 1, r->x, SCALE_COLS, ROLE_DIM, "0");
    if (!(max > 0))
        draw_text(r->y + height / 2, r->x + SCALE_COLS + 2, cols - 2, ROLE_DIM,
            h->count ? "no task ended in this time" : "no history yet");
}
