/* Throughput over time for the graphs: the last minute from the engine, longer spans from the store, so that they
 * outlive both. */
#ifndef TUI_SCREEN_HISTORY_H
#define TUI_SCREEN_HISTORY_H

#include "tui/screen/graph.h"
#include "tui/screen/ui.h"

enum { HISTORY_VALUES = 3600 };

struct history {
    char profile[STORE_NAME_SIZE]; /* "": all together */
    enum span span;
    double values[HISTORY_VALUES]; /* tasks a second; NAN: not known */
    size_t count;
    uint64_t loaded_ms, asked_ms;
};

const char *span_text(enum span s);
/* Brings values up to date: the minute at once, longer spans when the store has answered. */
void history_update(struct history *h, struct ui *ui, const char *profile, enum span span);
/* Spreads samples over values, of step_s seconds each from from_s on. Pure. */
struct store_sample;
void history_spread(
    const struct store_sample *samples, size_t n, int64_t from_s, unsigned step_s, double *values, size_t count);
/* Draws it as a graph that fills r, with its scale at the left: means as an area and, where a column stands for more
 * than one value, the highest as a dot above. */
struct rect;
void history_draw(const struct history *h, const struct rect *r);
/* The finest graph of the terminal. */
enum graph_style history_style(void);

#endif
