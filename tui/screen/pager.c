/* The pager. Lines are found once and drawn when visible, so a long output scrolls well. */
#include "tui/screen/pager.h"

#include "tui/screen/dialog.h"
#include "tui/screen/edit.h"
#include "tui/screen/filter.h"
#include "tui/screen/term.h"
#include "tui/screen/ui.h"

#include <curses.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_BYTES_MAX = 8 << 20 };

struct pager {
    char title[200];
    struct buf text;
    size_t *lines; /* where each begins */
    size_t line_count, top;
    int left; /* columns scrolled to the right */
    bool at_end, searching;
    struct edit search;
    struct child *child;
    int status; /* of the child, once it has ended */
};

static void find_lines(struct pager *p)
{
    size_t from = p->line_count ? p->lines[p->line_count - 1] : 0;
    if (!p->line_count && p->text.len) {
        p->lines = mem_realloc(p->lines, sizeof *p->lines);
        p->lines[p->line_count++] = 0;
    }
    for (size_t i = from; i + 1 < p->text.len; i++) {
        if (p->text.data[i] == '\n') {
            p->lines = mem_realloc(p->lines, (p->line_count + 1) * sizeof *p->lines);
            p->lines[p->line_count++] = i + 1;
        }
    }
}

static void line_at(const struct pager *p, size_t line, const char **text, size_t *len)
{
    size_t from = p->lines[line], to = line + 1 < p->line_count ? p->lines[line + 1] : p->text.len;
    *text = (const char *)p->text.data + from;
    while (to > from && (p->text.data[to - 1] == '\n' || p->text.data[to - 1] == '\r'))
        to--;
    *len = to - from;
}

static size_t page_rows(void)
{
    return LINES > 4 ? (size_t)LINES - 3 : 1;
}

static void scroll_to(struct pager *p, int64_t top)
{
    int64_t last = (int64_t)p->line_count - (int64_t)page_rows();
    if (top > last)
        top = last;
    p->top = (size_t)(top < 0 ? 0 : top);
    p->at_end = top >= last;
}

static void search_next(struct ui *ui, struct pager *p, bool from_here)
{
    char line[2048];
    for (size_t step = from_here ? 0 : 1; step <= p->line_count; step++) {
        const char *text;
        size_t len, at = (p->top + step) % (p->line_count ? p->line_count : 1);
        if (!p->line_count)
            break;
        line_at(p, at, &text, &len);
        snprintf(line, sizeof line, "%.*s", (int)len, text);
        if (filter_has(line, p->search.text)) {
            p->top = at;
            return;
        }
    }
    ui_say(ui, ROLE_WARN, "search: '%s' is not found", p->search.text);
}

static void search_key(struct ui *ui, struct pager *p, int key)
{
    if (key == TERM_ESC) {
        p->searching = false;
    } else if (key == '\r' || key == '\n' || key == TERM_KEY(KEY_ENTER)) {
        p->searching = false;
        search_next(ui, p, true);
    } else {
        edit_key(&p->search, key);
    }
}

static void key(struct ui *ui, void *state, int key)
{
    struct pager *p = state;
    int64_t top = (int64_t)p->top, page = (int64_t)page_rows();
    if (p->searching) {
        search_key(ui, p, key);
        return;
    }
    switch (key) {
    case TERM_ESC:
    case 'q': ui_close(ui, p); break;
    case 'j':
    case '\r':
    case TERM_KEY(KEY_DOWN): scroll_to(p, top + 1); break;
    case 'k':
    case TERM_KEY(KEY_UP): scroll_to(p, top - 1); break;
    case ' ':
    case TERM_CTRL('D'):
    case TERM_KEY(KEY_NPAGE): scroll_to(p, top + page); break;
    case TERM_CTRL('U'):
    case TERM_KEY(KEY_PPAGE): scroll_to(p, top - page); break;
    case 'g':
    case TERM_KEY(KEY_HOME): scroll_to(p, 0); break;
    case 'G':
    case TERM_KEY(KEY_END): scroll_to(p, INT64_MAX / 2); break;
    case TERM_KEY(KEY_RIGHT): p->left += 20; break;
    case TERM_KEY(KEY_LEFT): p->left = p->left > 20 ? p->left - 20 : 0; break;
    case '/':
        p->searching = true;
        edit_set(&p->search, "");
        break;
    case 'n': search_next(ui, p, false); break;
    default: break;
    }
}

/* The part of a line right of the columns that are scrolled out. */
static void draw_line(int y, const char *text, size_t len, int left)
{
    char out[8192];
    draw_fit(out, sizeof out, text, len, left + COLS, term_caps()->utf8, false);
    const char *from = out;
    for (int skip = left; skip > 0 && *from; skip--)
        do
            from++;
        while (((unsigned char)*from & 0xc0) == 0x80);
    draw_text(y, 0, COLS, ROLE_NORMAL, from);
}

static void draw(struct ui *ui, void *state)
{
    struct pager *p = state;
    struct rect all = {0, 0, LINES - 1, COLS};
    char place[64];
    size_t rows = page_rows();
    (void)ui;
    draw_clear(&all, ROLE_NORMAL);
    draw_rule(0, 0, COLS, p->title);
    for (size_t i = 0; i < rows && p->top + i < p->line_count; i++) {
        const char *text;
        size_t len;
        line_at(p, p->top + i, &text, &len);
        draw_line((int)i + 1, text, len, p->left);
    }
    if (!p->line_count)
        draw_text(1, 0, COLS, ROLE_DIM, p->child ? "(no output yet)" : "(no output)");
    if (p->searching) {
        draw_text(LINES - 2, 0, 1, ROLE_STRONG, "/");
        edit_draw(&p->search, LINES - 2, 1, COLS - 1, true, false);
        return;
    }
    snprintf(place, sizeof place, "%zu of %zu lines", p->top + rows < p->line_count ? p->top + rows : p->line_count,
        p->line_count);
    draw_rule(LINES - 2, 0, COLS, place);
    if (p->child)
        draw_printf(LINES - 2, COLS - 12, 10, ROLE_BUSY, " running ");
    else if (p->status)
        draw_printf(LINES - 2, COLS - 18, 16, ROLE_BAD, " exit status %d ", p->status);
}

static void pager_free(void *state)
{
    struct pager *p = state;
    child_end(p->child);
    buf_fini(&p->text);
    free(p->lines);
    free(p);
}

static const struct overlay_type type = {.draw = draw,
    .key = key,
    .free = pager_free,
    .footer = "Esc close  Up Down PgUp PgDn scroll  Left Right sideways  / search  n next"};

static struct pager *open_page(struct ui *ui, const char *title)
{
    struct pager *p = mem_zalloc(sizeof *p);
    snprintf(p->title, sizeof p->title, "%s", title);
    ui_push(ui, &type, p);
    return p;
}

void dialog_page(struct ui *ui, const char *title, const char *text, size_t len)
{
    struct pager *p = open_page(ui, title);
    buf_add(&p->text, text, len);
    find_lines(p);
}

void pager_open_child(struct ui *ui, const char *title, struct child *child)
{
    struct pager *p = open_page(ui, title);
    p->child = child;
    p->at_end = true;
}

static struct pager *running(struct ui *ui)
{
    for (struct overlay *o = ui->overlay; o; o = o->below)
        if (o->type == &type && ((struct pager *)o->state)->child)
            return o->state;
    return NULL;
}

int pager_fd(struct ui *ui)
{
    struct pager *p = running(ui);
    return p ? p->child->fd : -1;
}

void pager_poll(struct ui *ui)
{
    struct pager *p = running(ui);
    char block[16384];
    if (!p)
        return;
    for (int i = 0; i < 16; i++) {
        ssize_t n = child_read(p->child, block, sizeof block);
        if (n == 0) {
            p->status = child_wait(p->child);
            p->child = NULL;
        }
        if (n <= 0)
            break;
        if (p->text.len + (size_t)n < PAGE_BYTES_MAX)
            buf_add(&p->text, block, (size_t)n);
    }
    bool follow = p->at_end;
    find_lines(p);
    if (follow && p->child)
        scroll_to(p, INT64_MAX / 2);
    ui_dirty(ui);
}
