/* The layout. No curses here: it is tested with numbers. */
#include "tui/screen/layout.h"

enum { TABLE_ROWS_MIN = 5 };

struct layout layout_make(int cols, int rows, int detail, bool greedy)
{
    struct layout l = {.cols = cols, .rows = rows, .rule = -1};
    l.too_small = cols < LAYOUT_COLS_MIN || rows < LAYOUT_ROWS_MIN;
    l.summary = 0;
    l.tabs = 1;
    l.message = rows - 2;
    l.footer = rows - 1;
    int body = rows - 4; /* between tabs and message */
    if (body < 1)
        body = 1;
    if (greedy && detail > 0 && body * 3 / 5 > detail)
        detail = body * 3 / 5;
    int room = body - TABLE_ROWS_MIN - 1;
    if (detail > room)
        detail = room;
    if (detail < 2)
        detail = 0;
    int table = detail ? body - detail - 1 : body;
    l.table = (struct rect){2, 0, table, cols};
    if (detail) {
        l.rule = 2 + table;
        l.detail = (struct rect){l.rule + 1, 0, detail, cols};
    }
    return l;
}

struct rect layout_center(int cols, int rows, int want_cols, int want_rows)
{
    struct rect r;
    r.cols = want_cols < cols ? want_cols : cols;
    r.rows = want_rows < rows ? want_rows : rows;
    r.x = (cols - r.cols) / 2;
    r.y = (rows - r.rows) / 2;
    return r;
}

void layout_split(const struct rect *whole, int top, struct rect *above, int *rule, struct rect *below)
{
    const struct rect r = *whole; /* above or below may be the same */
    if (top > r.rows - 3)
        top = r.rows - 3;
    if (top < 1) {
        *above = r;
        *rule = -1;
        *below = (struct rect){r.y + r.rows, r.x, 0, r.cols};
        return;
    }
    *above = (struct rect){r.y, r.x, top, r.cols};
    *rule = r.y + top;
    *below = (struct rect){r.y + top + 1, r.x, r.rows - top - 1, r.cols};
}
