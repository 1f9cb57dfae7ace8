/* The list widget: rows of a source, filtered and sorted, with a cursor that follows its row, marks and a search. Only
 * visible rows are drawn, and rows are looked at only when they change: lists may be long. */
#ifndef TUI_SCREEN_TABLE_H
#define TUI_SCREEN_TABLE_H

#include "tui/screen/draw.h"
#include "tui/screen/filter.h"

#include <stdint.h>

enum { TABLE_COLUMNS = 24 };

/* Beside those of filter.h. */
enum { COLUMN_RIGHT = 16, COLUMN_GROW = 32 /* takes what is left */ };

struct table_column {
    const char *title; /* upper case; in lower case the field's name in filters */
    int width;         /* 0: not drawn, for filters alone */
    int priority;      /* 0: always shown; the highest is dropped first when it is narrow */
    unsigned flags;
};

struct table_cell {
    char text[512];
    char also[256]; /* not drawn: other words that a filter finds it by; "": none */
    enum role role;
    double number; /* what to sort and compare by, when numeric is set */
    bool numeric;
};

struct table_source {
    size_t (*count)(void *arg);
    uint64_t (*id)(void *arg, size_t row); /* the same row has the same id as long as it lives */
    void (*cell)(void *arg, size_t row, int column, struct table_cell *cell);
};

struct table {
    const struct table_column *columns;
    int column_count;
    const struct table_source *source;
    void *arg;
    const char *const *empty; /* lines for a list without rows, NULL-terminated */

    size_t *order; /* the rows shown, in order */
    size_t shown, total;
    size_t cursor, top; /* into order */
    uint64_t cursor_id;
    bool has_cursor_id;
    bool follow; /* the cursor stays at the last row */
    int sort;    /* column; -1: the source's order */
    bool descending;
    struct filter filter;
    char filter_text[200], search[100];
    uint64_t *marks; /* sorted */
    size_t mark_count;
    struct rect drawn; /* where it was drawn last, for the mouse */
    int column_x[TABLE_COLUMNS], column_cols[TABLE_COLUMNS];
};

void table_init(struct table *t, const struct table_column *columns, int count, const struct table_source *source,
    void *arg, const char *const *empty);
void table_fini(struct table *t);
/* The source has changed: filter and sort again. */
void table_update(struct table *t);
/* Draws header and rows. here: it has the keyboard. */
void table_draw(struct table *t, const struct rect *r, bool here);
/* Moves the cursor: by rows, pages, to the ends. False when it is no such key. */
bool table_key(struct table *t, int key);

/* The row under the cursor, or SIZE_MAX. */
size_t table_row(const struct table *t);
/* Puts the cursor on the row with that id; false when it is not shown. */
bool table_goto(struct table *t, uint64_t id);
/* The same; a filter that hides the row is taken away. False when there is no such row. */
bool table_show(struct table *t, uint64_t id);
/* CLW_USAGE keeps the last filter. */
enum clw_err table_filter(struct table *t, const char *text, struct clw_error *err);
/* The next row (or the one before) that has the text of search; false when there is none. */
bool table_search(struct table *t, bool backward, bool from_here);
void table_sort_next(struct table *t, int step);
void table_invert(struct table *t);
void table_mark(struct table *t);
void table_mark_all(struct table *t);
void table_mark_none(struct table *t);
bool table_is_marked(const struct table *t, uint64_t id);
/* The rows that an action is for: the marked ones that are shown, else the cursor's. Owned array; *count may be 0. */
size_t *table_chosen(const struct table *t, size_t *count);
/* A click: 0 none, 1 a row (the cursor is there now), 2 the header (sorted). */
int table_click(struct table *t, int y, int x);
void table_scroll(struct table *t, int rows);

/* What a filter looks at in a cell: its text, and below it what it has also. */
void table_cell_words(const struct table_cell *cell, char *out, size_t size);
/* A row's id from its name. */
uint64_t table_hash(const char *text);

#endif
