/* The line at the message row. */
#include "tui/screen/prompt.h"

#include "base/mem.h"
#include "tui/screen/edit.h"
#include "tui/screen/term.h"
#include "tui/screen/ui.h"

#include <curses.h>
#include <stdlib.h>
#include <string.h>

enum { HISTORY = 50 };

struct prompt {
    const char *sign;
    char about[STORE_NAME_SIZE];
    struct edit edit;
    prompt_cb done;
    prompt_complete_cb complete;
    char why[400];
    int back; /* how far back in the lines typed before; 0: the new one */
};

/* Lines typed before, the newest last; for all prompts, each begins with its sign. */
static struct {
    char *lines[HISTORY];
    int count;
} past;

static void remember(const char *sign, const char *text)
{
    if (!*text)
        return;
    char *line = mem_printf("%s%s", sign, text);
    if (past.count && strcmp(past.lines[past.count - 1], line) == 0) {
        free(line);
        return;
    }
    if (past.count == HISTORY) {
        free(past.lines[0]);
        memmove(past.lines, past.lines + 1, (HISTORY - 1) * sizeof *past.lines);
        past.count--;
    }
    past.lines[past.count++] = line;
}

static void recall(struct prompt *p, int step)
{
    int seen = 0, want = p->back + step;
    if (want <= 0) {
        p->back = 0;
        edit_set(&p->edit, "");
        return;
    }
    for (int i = past.count - 1; i >= 0; i--) {
        if (past.lines[i][0] == p->sign[0] && ++seen == want) {
            p->back = want;
            edit_set(&p->edit, past.lines[i] + strlen(p->sign));
            return;
        }
    }
}

static void on_tab(struct ui *ui, struct prompt *p)
{
    char text[EDIT_SIZE];
    if (!p->complete)
        return;
    snprintf(text, sizeof text, "%s", p->edit.text);
    p->why[0] = '\0';
    p->complete(ui, text, sizeof text, p->why, sizeof p->why);
    edit_set(&p->edit, text);
}

static void key(struct ui *ui, void *state, int key)
{
    struct prompt *p = state;
    char text[EDIT_SIZE];
    switch (key) {
    case TERM_ESC: ui_pop(ui); return;
    case '\t': on_tab(ui, p); return;
    case TERM_KEY(KEY_UP): recall(p, 1); return;
    case TERM_KEY(KEY_DOWN): recall(p, -1); return;
    case '\r':
    case '\n':
    case TERM_KEY(KEY_ENTER):
        snprintf(text, sizeof text, "%s", p->edit.text);
        if (!p->done(ui, &(struct prompt_line){text, p->about, p, p->why, sizeof p->why}))
            return;
        remember(p->sign, text);
        ui_close(ui, p); /* not always the topmost: done may have opened something */
        return;
    default: p->why[0] = '\0'; edit_key(&p->edit, key);
    }
}

static void draw(struct ui *ui, void *state)
{
    const struct prompt *p = state;
    int y = ui->layout.message, sign = (int)strlen(p->sign);
    if (*p->why)
        draw_text(y - 1, 0, COLS, ROLE_WARN, p->why);
    draw_text(y, 0, COLS, ROLE_STRONG, p->sign);
    edit_draw(&p->edit, y, sign, COLS - sign, true, false);
}

void prompt_open(
    struct ui *ui, const char *sign, const char *text, const char *about, prompt_cb done, prompt_complete_cb complete)
{
    static const struct overlay_type type = {
        .draw = draw, .key = key, .free = free, .footer = "Enter confirm  Esc cancel  Up Down earlier lines"};
    static const struct overlay_type completing = {
        .draw = draw, .key = key, .free = free, .footer = "Enter run  Tab complete  Esc cancel  Up Down earlier lines"};
    struct prompt *p = mem_zalloc(sizeof *p);
    p->sign = sign;
    snprintf(p->about, sizeof p->about, "%s", about ? about : "");
    p->done = done;
    p->complete = complete;
    edit_set(&p->edit, text);
    ui_push(ui, complete ? &completing : &type, p);
}
