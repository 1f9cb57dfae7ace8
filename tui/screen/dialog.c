/* Questions. */
#include "tui/screen/dialog.h"

#include "base/mem.h"
#include "tui/screen/edit.h"
#include "tui/screen/term.h"
#include "tui/screen/ui.h"

#include <curses.h>
#include <stdlib.h>
#include <string.h>

struct confirm {
    char title[100], lines[1600], word[100];
    struct edit edit;
    void (*yes)(struct ui *ui, void *arg);
    void *arg;
    void (*release)(void *arg);
    bool seen;
};

static void confirm_free(void *state)
{
    struct confirm *c = state;
    if (c->release)
        c->release(c->arg);
    free(c);
}

/* Keys that were typed before the question could be read are no answer to it; Esc always is. */
static void confirm_key(struct ui *ui, void *state, int key)
{
    struct confirm *c = state;
    bool enter = key == '\r' || key == '\n' || key == TERM_KEY(KEY_ENTER);
    if (!c->seen && key != TERM_ESC)
        return;
    if (*c->word ? enter && strcmp(c->edit.text, c->word) == 0 : key == 'y' || key == 'Y') {
        c->yes(ui, c->arg);
        ui_close(ui, c);
    } else if (key == TERM_ESC || (!*c->word && (key == 'n' || key == 'N' || enter || key == 'q'))) {
        ui_say(ui, ROLE_NORMAL, "%s: not changed", c->title);
        ui_close(ui, c);
    } else if (*c->word) {
        edit_key(&c->edit, key);
    }
}

static void confirm_draw(struct ui *ui, void *state)
{
    struct confirm *c = state;
    int count = 1, y;
    (void)ui;
    c->seen = true;
    for (const char *at = c->lines; *at; at++)
        count += *at == '\n';
    struct rect r = layout_center(COLS, LINES, COLS < 76 ? COLS - 4 : 72, count + 5);
    draw_box(&r, c->title);
    y = r.y + 1;
    for (const char *at = c->lines; *at && y < r.y + r.rows - 3; y++) {
        size_t len = strcspn(at, "\n");
        draw_printf(y, r.x + 2, r.cols - 4, ROLE_NORMAL, "%.*s", (int)len, at);
        at += len + (at[len] == '\n');
    }
    y = r.y + r.rows - 2;
    if (*c->word) {
        int used = draw_printf(y, r.x + 2, r.cols - 4, ROLE_STRONG, "Type %s and Enter: ", c->word);
        edit_draw(&c->edit, y, r.x + 2 + used, r.cols - 4 - used, true, false);
    } else {
        draw_printf(y, r.x + 2, r.cols - 4, ROLE_STRONG, "y / N");
    }
}

void dialog_confirm(struct ui *ui, const char *title, const char *lines, const char *word,
    void (*yes)(struct ui *ui, void *arg), void *arg, void (*release)(void *arg))
{
    static const struct overlay_type ask = {
        .draw = confirm_draw, .key = confirm_key, .free = confirm_free, .footer = "y yes  N Esc no"};
    static const struct overlay_type type_it = {
        .draw = confirm_draw, .key = confirm_key, .free = confirm_free, .footer = "Enter confirm  Esc cancel"};
    struct confirm *c = mem_zalloc(sizeof *c);
    snprintf(c->title, sizeof c->title, "%s", title);
    snprintf(c->lines, sizeof c->lines, "%s", lines);
    snprintf(c->word, sizeof c->word, "%s", word ? word : "");
    c->yes = yes;
    c->arg = arg;
    c->release = release;
    ui_push(ui, word ? &type_it : &ask, c);
}
