/* Forms. */
#include "tui/screen/form.h"

#include "base/mem.h"
#include "tui/screen/term.h"
#include "tui/screen/ui.h"

#include <curses.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LABEL_COLS = 16, FIELD_COLS = 26 };

struct form *form_new(const struct form_type *type, int count, void *arg)
{
    struct form *f = mem_zalloc(sizeof *f);
    f->type = type;
    f->fields = mem_zalloc((size_t)count * sizeof *f->fields);
    f->arg = arg;
    snprintf(f->title, sizeof f->title, "%s", type->title);
    return f;
}

struct form_field *form_add(struct form *f, enum form_kind kind, const char *label, const char *value)
{
    struct form_field *field = &f->fields[f->count++];
    field->kind = kind;
    snprintf(field->label, sizeof field->label, "%s", label);
    edit_set(&field->edit, value ? value : "");
    if (kind == FORM_SECRET)
        mlock(&field->edit, sizeof field->edit);
    return field;
}

const char *form_text(const struct form *f, int field)
{
    struct edit *e = &f->fields[field].edit;
    while (e->len && e->text[e->len - 1] == ' ')
        e->text[--e->len] = '\0';
    if (e->cursor > e->len)
        e->cursor = e->len;
    return e->text + strspn(e->text, " ");
}

bool form_is_set(const struct form *f, int field)
{
    return f->fields[field].choice != 0;
}

static void form_free(void *state)
{
    struct form *f = state;
    for (int i = 0; i < f->count; i++)
        if (f->fields[i].kind == FORM_SECRET)
            edit_wipe(&f->fields[i].edit);
    if (f->type->release)
        f->type->release(f->arg);
    free(f->fields);
    free(f);
}

/* ---- checks ---- */

static bool check(struct form *f, int field)
{
    struct form_field *at = &f->fields[field];
    struct clw_error err = {0};
    at->why[0] = '\0';
    if (!at->check || at->check(f, field, &err) == CLW_OK)
        return true;
    snprintf(at->why, sizeof at->why, "%.*s", (int)sizeof at->why - 1, err.message);
    return false;
}

static bool check_all(struct form *f)
{
    int first = -1;
    for (int i = f->count - 1; i >= 0; i--)
        if (!check(f, i))
            first = i;
    if (first >= 0)
        f->here = first;
    return first < 0;
}

static void save(struct ui *ui, struct form *f)
{
    f->why[0] = '\0';
    if (!check_all(f)) {
        snprintf(f->why, sizeof f->why, "%s: %s", f->fields[f->here].label, f->fields[f->here].why);
        return;
    }
    if (f->type->save(ui, f, f->why, sizeof f->why))
        ui_close(ui, f);
}

/* ---- keys ---- */

static void step(struct form *f, int by)
{
    check(f, f->here);
    for (int i = 0; i < f->count; i++) {
        f->here = (f->here + by + f->count) % f->count;
        if (f->fields[f->here].kind != FORM_HEADING)
            return;
    }
}

static int choice_count(const struct form_field *field)
{
    int n = 0;
    while (field->choices && field->choices[n])
        n++;
    return n;
}

static bool change(struct form_field *field, int key)
{
    bool left = key == TERM_KEY(KEY_LEFT), right = key == TERM_KEY(KEY_RIGHT) || key == ' ';
    if (field->kind == FORM_TEXT || field->kind == FORM_SECRET)
        return edit_key(&field->edit, key);
    if (!left && !right)
        return false;
    int n = field->kind == FORM_CHECK ? 2 : choice_count(field);
    if (n)
        field->choice = (field->choice + (left ? n - 1 : 1)) % n;
    return true;
}

static void leave(struct ui *ui, struct form *f)
{
    if (f->changed && !f->confirm_leave) {
        f->confirm_leave = true;
        snprintf(f->why, sizeof f->why, "Esc again: leave without saving");
    } else {
        ui_close(ui, f);
    }
}

static void key(struct ui *ui, void *state, int key)
{
    struct form *f = state;
    switch (key) {
    case TERM_ESC: leave(ui, f); return;
    case TERM_CTRL('S'):
    case TERM_KEY(KEY_F(10)): save(ui, f); return;
    case TERM_KEY(KEY_ENTER):
    case '\r':
    case '\n':
        if (f->here == f->count - 1 || f->count == 1)
            save(ui, f);
        else
            step(f, 1);
        return;
    case '\t':
    case TERM_KEY(KEY_DOWN): step(f, 1); return;
    case TERM_KEY(KEY_BTAB):
    case TERM_KEY(KEY_UP): step(f, -1); return;
    case TERM_KEY(KEY_NPAGE):
        for (int i = 0; i < 8 && f->here < f->count - 1; i++)
            step(f, 1);
        return;
    case TERM_KEY(KEY_PPAGE):
        for (int i = 0; i < 8 && f->here > 0; i++)
            step(f, -1);
        return;
    default: break;
    }
    f->confirm_leave = false;
    f->why[0] = '\0';
    if (change(&f->fields[f->here], key)) {
        f->changed = true;
        f->fields[f->here].why[0] = '\0';
    }
}

/* ---- drawing ---- */

static void draw_value(const struct form_field *field, int y, int x, int cols, bool here)
{
    enum role role = here ? ROLE_FIELD_HERE : ROLE_FIELD;
    char text[200];
    if (field->kind == FORM_CHECK) {
        draw_text(y, x, 8, here ? ROLE_FIELD_HERE : ROLE_NORMAL, field->choice ? "[x] yes" : "[ ] no");
    } else if (field->kind == FORM_CHOICE) {
        int n = choice_count(field);
        snprintf(text, sizeof text, "< %s >", field->choice < n ? field->choices[field->choice] : "");
        draw_text(y, x, cols, role, text);
    } else {
        edit_draw(&field->edit, y, x, cols, here, field->kind == FORM_SECRET);
    }
}

static void draw_field(const struct form *f, int i, int y, const struct rect *r)
{
    const struct form_field *field = &f->fields[i];
    bool here = i == f->here;
    int label = field->label_cols ? field->label_cols : LABEL_COLS, x = r->x + 2 + label, right = r->x + r->cols - 2;
    int cols = field->cols ? field->cols : FIELD_COLS;
    if (field->kind == FORM_HEADING) {
        draw_text(y, r->x + 2, r->cols - 4, ROLE_HEADER, field->label);
        return;
    }
    if (cols > right - x)
        cols = right - x;
    draw_text(y, r->x + 2, label - 1, here ? ROLE_STRONG : ROLE_NORMAL, field->label);
    draw_value(field, y, x, cols, here);
    if (field->kind == FORM_CHECK)
        cols = 8;
    x += cols + 1;
    if (*field->why)
        draw_printf(y, x, right - x, ROLE_BAD, "! %s", field->why);
    else
        draw_text(y, x, right - x, ROLE_DIM, field->hint);
}

static void draw(struct ui *ui, void *state)
{
    struct form *f = state;
    int extra = f->type->extra ? f->type->extra_rows + 1 : 0, want = f->count + extra + 4;
    struct rect r = layout_center(COLS, LINES - 1, COLS < 100 ? COLS : 96, want < LINES - 2 ? want : LINES - 2);
    int rows = r.rows - 4 - extra;
    if (rows < 1)
        rows = 1;
    draw_box(&r, f->title);
    if (f->here < f->top)
        f->top = f->here;
    if (f->here >= f->top + rows)
        f->top = f->here - rows + 1;
    curs_set(0);
    if (f->type->extra)
        f->type->extra(ui, f, r.y + 1 + rows, r.x + 2, f->type->extra_rows, r.cols - 4);
    if (rows < f->count)
        draw_printf(r.y, r.x + r.cols - 20, 18, ROLE_HEADER, " %d-%d of %d ", f->top + 1, f->top + rows, f->count);
    f->drawn_y = r.y + 1;
    f->drawn_x = r.x;
    f->drawn_rows = rows;
    draw_text(r.y + r.rows - 3, r.x + 2, r.cols - 4, ROLE_BAD, f->why);
    draw_printf(r.y + r.rows - 2, r.x + 2, r.cols - 4, ROLE_DIM, "F10 %s   Esc Cancel",
        f->type->save_label ? f->type->save_label : "Save");
    for (int i = 0; i < rows && f->top + i < f->count; i++)
        if (f->top + i != f->here)
            draw_field(f, f->top + i, r.y + 1 + i, &r);
    draw_field(f, f->here, r.y + 1 + f->here - f->top, &r); /* last: the cursor stays in it */
}

static bool click(struct ui *ui, void *state, int y, int x, bool twice)
{
    struct form *f = state;
    int at = f->top + y - f->drawn_y;
    (void)ui;
    (void)x;
    if (y < f->drawn_y || y >= f->drawn_y + f->drawn_rows || at >= f->count || f->fields[at].kind == FORM_HEADING)
        return false;
    check(f, f->here);
    f->here = at;
    if (twice)
        change(&f->fields[at], ' ');
    return true;
}

void form_open(struct ui *ui, struct form *f)
{
    static const struct overlay_type type = {.draw = draw,
        .key = key,
        .free = form_free,
        .click = click,
        .footer = "Tab next  S-Tab previous  Space Left Right choose  F10 ^S save  Esc cancel"};
    while (f->here < f->count - 1 && f->fields[f->here].kind == FORM_HEADING)
        f->here++;
    ui_push(ui, &type, f);
}
