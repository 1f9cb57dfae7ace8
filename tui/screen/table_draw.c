/* Drawing of the list widget: columns that fit, the rows that are visible. */
#include "tui/screen/table.h"

#include <stdio.h>
#include <string.h>

enum { LEFT = 2, GAP = 1 }; /* cursor and mark; between columns */

/* Which columns fit: the highest priority is dropped until the rest does; what is left goes to those that grow. */
static void place_columns(struct table *t, int cols)
{
    int limit = 100, need, growers;
    for (;; limit--) {
        need = LEFT;
        growers = 0;
        for (int c = 0; c < t->column_count; c++) {
            if (!t->columns[c].width || t->columns[c].priority > limit)
                continue;
            need += t->columns[c].width + GAP;
            growers += (t->columns[c].flags & COLUMN_GROW) != 0;
        }
        if (need - GAP <= cols || limit == 0)
            break;
    }
    int spare = cols - (need - GAP), x = LEFT;
    if (spare < 0)
        spare = 0;
    for (int c = 0; c < t->column_count; c++) {
        t->column_cols[c] = 0;
        if (!t->columns[c].width || t->columns[c].priority > limit)
            continue;
        int width = t->columns[c].width;
        if (t->columns[c].flags & COLUMN_GROW && growers) {
            width += spare / growers;
            spare -= spare / growers;
            growers--;
        }
        t->column_x[c] = x;
        t->column_cols[c] = width;
        x += width + GAP;
    }
}

static void draw_header(const struct table *t, const struct rect *r)
{
    draw_text(r->y, r->x, r->cols, ROLE_HEADER, "");
    for (int c = 0; c < t->column_count; c++) {
        char title[40];
        if (!t->column_cols[c])
            continue;
        const char *arrow = t->sort == c ? (t->descending ? "-" : "+") : "";
        snprintf(title, sizeof title, "%s%s", t->columns[c].title, arrow);
        if (t->columns[c].flags & COLUMN_RIGHT)
            draw_right(r->y, r->x + t->column_x[c], t->column_cols[c], ROLE_HEADER, title);
        else
            draw_text(r->y, r->x + t->column_x[c], t->column_cols[c], ROLE_HEADER, title);
    }
}

static void draw_row(const struct table *t, const struct rect *r, int y, size_t at, bool here)
{
    bool cursor = at == t->cursor;
    size_t row = t->order[at];
    bool marked = t->mark_count && table_is_marked(t, t->source->id(t->arg, row));
    enum role base = cursor && here ? ROLE_CURSOR : ROLE_NORMAL;
    draw_text(y, r->x, r->cols, base, cursor ? ">" : "");
    if (marked)
        draw_text(y, r->x + 1, 1, cursor && here ? ROLE_CURSOR : ROLE_WARN, "*");
    for (int c = 0; c < t->column_count; c++) {
        struct table_cell cell = {.text = "", .role = ROLE_NORMAL};
        if (!t->column_cols[c])
            continue;
        t->source->cell(t->arg, row, c, &cell);
        enum role role = base == ROLE_CURSOR                  ? ROLE_CURSOR
                         : marked && cell.role == ROLE_NORMAL ? ROLE_STRONG
                                                              : cell.role;
        if (*t->search && filter_has(cell.text, t->search) && base != ROLE_CURSOR)
            role = ROLE_MATCH;
        if (t->columns[c].flags & COLUMN_RIGHT)
            draw_right(y, r->x + t->column_x[c], t->column_cols[c], role, cell.text);
        else
            draw_text(y, r->x + t->column_x[c], t->column_cols[c], role, cell.text);
    }
}

static void draw_empty(const struct table *t, const struct rect *r)
{
    if (t->total) {
        draw_printf(
            r->y + 2, r->x + 2, r->cols - 4, ROLE_DIM, "No row passes the filter '%s'. Esc clears it.", t->filter_text);
        return;
    }
    for (int i = 0; t->empty && t->empty[i] && i + 2 < r->rows; i++)
        draw_text(r->y + 2 + i, r->x + 2, r->cols - 4, i ? ROLE_DIM : ROLE_NORMAL, t->empty[i]);
}

void table_draw(struct table *t, const struct rect *r, bool here)
{
    size_t rows = r->rows > 1 ? (size_t)r->rows - 1 : 0;
    t->drawn = *r;
    if (r->rows < 1)
        return;
    place_columns(t, r->cols);
    draw_header(t, r);
    if (t->cursor < t->top)
        t->top = t->cursor;
    if (rows && t->cursor >= t->top + rows)
        t->top = t->cursor - rows + 1;
    if (t->top + rows > t->shown)
        t->top = t->shown > rows ? t->shown - rows : 0;
    for (size_t i = 0; i < rows && t->top + i < t->shown; i++)
        draw_row(t, r, r->y + 1 + (int)i, t->top + i, here);
    if (!t->shown)
        draw_empty(t, r);
}
