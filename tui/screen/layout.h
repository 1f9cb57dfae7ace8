/* Where things stand: a pure function of the size of the window. */
#ifndef TUI_SCREEN_LAYOUT_H
#define TUI_SCREEN_LAYOUT_H

#include "tui/screen/draw.h"

enum { LAYOUT_COLS_MIN = 60, LAYOUT_ROWS_MIN = 16 };

/* The frame, the same on every screen. */
struct layout {
    bool too_small;
    int cols, rows;
    int summary, tabs, message, footer; /* rows */
    struct rect table;                  /* its header is the first row */
    int rule;                           /* row of the rule above detail; -1: no detail */
    struct rect detail;
};

/* detail: the rows that the detail pane would like (0: none); it gets less when the window is low, and more of a high
 * window when greedy is set. */
struct layout layout_make(int cols, int rows, int detail, bool greedy);
/* A rectangle of that size in the middle, cut to the window. */
struct rect layout_center(int cols, int rows, int want_cols, int want_rows);
/* Splits whole in rows: the first gets top rows (cut), a rule's row is left between them. above or below may be whole.
 */
void layout_split(const struct rect *whole, int top, struct rect *above, int *rule, struct rect *below);

#endif
