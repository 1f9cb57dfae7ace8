/* The list widget: what it shows, in which order. Drawing is in table_draw.c. */
#include "tui/screen/table.h"

#include "base/mem.h"
#include "tui/screen/term.h"

#include <curses.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct sort_key {
    size_t row;
    double number;
    bool numeric;
    char *text;
};

uint64_t table_hash(const char *text)
{
    uint64_t h = 14695981039346656037u;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    return h;
}

void table_init(struct table *t, const struct table_column *columns, int count, const struct table_source *source,
    void *arg, const char *const *empty)
{
    *t = (struct table){.columns = columns, .column_count = count, .source = source, .arg = arg, .empty = empty};
    t->sort = -1;
}

void table_fini(struct table *t)
{
    free(t->order);
    free(t->marks);
}

void table_cell_words(const struct table_cell *cell, char *out, size_t size)
{
    snprintf(out, size, "%s%s%s", cell->text, *cell->also ? "\n" : "", cell->also);
}

struct field_arg {
    struct table *t;
    size_t row;
};

static void field(void *arg, int column, char *text, size_t size, double *number, bool *numeric)
{
    const struct field_arg *f = arg;
    struct table_cell cell = {.text = ""};
    f->t->source->cell(f->t->arg, f->row, column, &cell);
    table_cell_words(&cell, text, size);
    *number = cell.number;
    *numeric = cell.numeric;
}

static void name_fields(const struct table *t, struct filter_field *fields)
{
    for (int i = 0; i < t->column_count; i++)
        fields[i] = (struct filter_field){t->columns[i].title, t->columns[i].flags};
}

static int by_key(const void *left, const void *right, void *arg)
{
    const struct sort_key *a = left, *b = right;
    const struct table *t = arg;
    int order = 0;
    if (a->numeric && b->numeric)
        order = (a->number > b->number) - (a->number < b->number);
    else if (a->numeric != b->numeric)
        order = a->numeric ? 1 : -1;
    else if (a->text && b->text)
        order = strcasecmp(a->text, b->text);
    if (order == 0)
        return (a->row > b->row) - (a->row < b->row);
    return t->descending ? -order : order;
}

static void sort(struct table *t)
{
    struct sort_key *keys = mem_alloc((t->shown + 1) * sizeof *keys);
    for (size_t i = 0; i < t->shown; i++) {
        struct table_cell cell = {.text = ""};
        t->source->cell(t->arg, t->order[i], t->sort, &cell);
        keys[i] = (struct sort_key){t->order[i], cell.number, cell.numeric, NULL};
        if (!cell.numeric)
            keys[i].text = mem_strdup(cell.text);
    }
    qsort_r(keys, t->shown, sizeof *keys, by_key, t);
    for (size_t i = 0; i < t->shown; i++) {
        t->order[i] = keys[i].row;
        free(keys[i].text);
    }
    free(keys);
}

static void note_cursor(struct table *t)
{
    t->has_cursor_id = t->cursor < t->shown;
    if (t->has_cursor_id)
        t->cursor_id = t->source->id(t->arg, t->order[t->cursor]);
}

void table_update(struct table *t)
{
    size_t n = t->source->count(t->arg);
    bool at_end = t->follow;
    struct filter_field fields[TABLE_COLUMNS];
    name_fields(t, fields);
    t->total = n;
    t->order = mem_realloc(t->order, (n + 1) * sizeof *t->order);
    t->shown = 0;
    for (size_t row = 0; row < n; row++) {
        struct field_arg f = {t, row};
        if (!t->filter.count || filter_match(&t->filter, fields, t->column_count, field, &f))
            t->order[t->shown++] = row;
    }
    if (t->sort >= 0)
        sort(t);
    else if (t->descending)
        for (size_t i = 0; i < t->shown / 2; i++) {
            size_t other = t->order[i];
            t->order[i] = t->order[t->shown - 1 - i];
            t->order[t->shown - 1 - i] = other;
        }
    if (at_end && t->shown)
        t->cursor = t->shown - 1;
    else if (t->has_cursor_id)
        table_goto(t, t->cursor_id);
    if (t->cursor >= t->shown)
        t->cursor = t->shown ? t->shown - 1 : 0;
    note_cursor(t);
}

size_t table_row(const struct table *t)
{
    return t->cursor < t->shown ? t->order[t->cursor] : SIZE_MAX;
}

bool table_goto(struct table *t, uint64_t id)
{
    if (t->cursor < t->shown && t->source->id(t->arg, t->order[t->cursor]) == id)
        return true;
    for (size_t i = 0; i < t->shown; i++) {
        if (t->source->id(t->arg, t->order[i]) == id) {
            t->cursor = i;
            note_cursor(t);
            return true;
        }
    }
    return false;
}

bool table_show(struct table *t, uint64_t id)
{
    for (size_t row = 0; row < t->total; row++) {
        if (t->source->id(t->arg, row) != id)
            continue;
        if (!table_goto(t, id)) {
            table_filter(t, "", NULL);
            t->filter_text[0] = '\0';
            table_goto(t, id);
        }
        return true;
    }
    return false;
}

static void move_to(struct table *t, int64_t at)
{
    int64_t last = (int64_t)t->shown - 1;
    t->cursor = (size_t)(at < 0 || last < 0 ? 0 : at > last ? last : at);
    note_cursor(t);
}

bool table_key(struct table *t, int key)
{
    int64_t at = (int64_t)t->cursor, page = t->drawn.rows > 3 ? t->drawn.rows - 2 : 1;
    switch (key) {
    case 'j':
    case TERM_KEY(KEY_DOWN): move_to(t, at + 1); return true;
    case 'k':
    case TERM_KEY(KEY_UP): move_to(t, at - 1); return true;
    case TERM_CTRL('D'):
    case TERM_KEY(KEY_NPAGE): move_to(t, at + page); return true;
    case TERM_CTRL('U'):
    case TERM_KEY(KEY_PPAGE): move_to(t, at - page); return true;
    case 'g':
    case TERM_KEY(KEY_HOME): move_to(t, 0); return true;
    case 'G':
    case TERM_KEY(KEY_END): move_to(t, INT64_MAX); return true;
    default: return false;
    }
}

void table_scroll(struct table *t, int rows)
{
    move_to(t, (int64_t)t->cursor + rows);
}

enum clw_err table_filter(struct table *t, const char *text, struct clw_error *err)
{
    struct filter_field fields[TABLE_COLUMNS];
    struct filter f;
    name_fields(t, fields);
    enum clw_err code = filter_parse(text, fields, t->column_count, &f, err);
    if (code)
        return code;
    t->filter = f;
    strncpy(t->filter_text, text, sizeof t->filter_text - 1);
    table_update(t);
    return CLW_OK;
}

bool table_search(struct table *t, bool backward, bool from_here)
{
    if (!*t->search)
        return false;
    for (size_t step = from_here ? 0 : 1; step <= t->shown && t->shown; step++) {
        size_t at = backward ? (t->cursor + t->shown - step % t->shown) % t->shown : (t->cursor + step) % t->shown;
        for (int c = 0; c < t->column_count; c++) {
            struct table_cell cell = {.text = ""};
            if (!t->columns[c].width)
                continue;
            t->source->cell(t->arg, t->order[at], c, &cell);
            if (filter_has(cell.text, t->search)) {
                move_to(t, (int64_t)at);
                return true;
            }
        }
    }
    return false;
}

void table_sort_next(struct table *t, int step)
{
    int span = t->column_count + 1; /* and the source's order */
    do
        t->sort = (t->sort + 1 + step + span) % span - 1;
    while (t->sort >= 0 && !t->columns[t->sort].width);
    table_update(t);
}

void table_invert(struct table *t)
{
    t->descending = !t->descending;
    table_update(t);
}

/* Where id is, or would be, among the marks. */
static size_t mark_place(const struct table *t, uint64_t id)
{
    size_t low = 0, high = t->mark_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (t->marks[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool table_is_marked(const struct table *t, uint64_t id)
{
    size_t at = mark_place(t, id);
    return at < t->mark_count && t->marks[at] == id;
}

static void mark_add(struct table *t, uint64_t id)
{
    size_t at = mark_place(t, id);
    if (at < t->mark_count && t->marks[at] == id)
        return;
    t->marks = mem_realloc(t->marks, (t->mark_count + 1) * sizeof *t->marks);
    memmove(t->marks + at + 1, t->marks + at, (t->mark_count - at) * sizeof *t->marks);
    t->marks[at] = id;
    t->mark_count++;
}

void table_mark(struct table *t)
{
    if (t->cursor >= t->shown)
        return;
    uint64_t id = t->source->id(t->arg, t->order[t->cursor]);
    size_t at = mark_place(t, id);
    if (table_is_marked(t, id)) {
        memmove(t->marks + at, t->marks + at + 1, (t->mark_count - at - 1) * sizeof *t->marks);
        t->mark_count--;
    } else {
        mark_add(t, id);
    }
    move_to(t, (int64_t)t->cursor + 1);
}

void table_mark_all(struct table *t)
{
    for (size_t i = 0; i < t->shown; i++)
        mark_add(t, t->source->id(t->arg, t->order[i]));
}

void table_mark_none(struct table *t)
{
    t->mark_count = 0;
}

size_t *table_chosen(const struct table *t, size_t *count)
{
    size_t *rows = mem_alloc((t->shown + 1) * sizeof *rows), n = 0;
    for (size_t i = 0; t->mark_count && i < t->shown; i++)
        if (table_is_marked(t, t->source->id(t->arg, t->order[i])))
            rows[n++] = t->order[i];
    if (!n && t->cursor < t->shown)
        rows[n++] = t->order[t->cursor];
    *count = n;
    return rows;
}

int table_click(struct table *t, int y, int x)
{
    const struct rect *r = &t->drawn;
    if (y < r->y || y >= r->y + r->rows || x < r->x || x >= r->x + r->cols)
        return 0;
    if (y > r->y) {
        size_t at = t->top + (size_t)(y - r->y - 1);
        if (at >= t->shown)
            return 0;
        move_to(t, (int64_t)at);
        return 1;
    }
    for (int c = 0; c < t->column_count; c++) {
        if (t->column_cols[c] && x >= t->column_x[c] && x < t->column_x[c] + t->column_cols[c]) {
            t->descending = t->sort == c ? !t->descending : false;
            t->sort = c;
            table_update(t);
            return 2;
        }
    }
    return 0;
}
