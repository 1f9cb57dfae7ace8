/* What screens and dialogs ask of the front end. */
#include "tui/screen/ui.h"

#include "base/mem.h"
#include "base/mono.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void ui_dirty(struct ui *ui)
{
    ui->dirty = true;
}

void ui_go(struct ui *ui, enum screen_id screen)
{
    ui->screen = screen;
    ui->data_changed = true;
    ui->dirty = true;
}

struct table *ui_table(struct ui *ui)
{
    return screens[ui->screen]->table(ui->state[ui->screen]);
}

void ui_go_to(struct ui *ui, enum screen_id screen, const char *name)
{
    ui_go(ui, screen);
    if (screens[screen]->pane)
        screens[screen]->pane(ui->state[screen], 0);
    ui_cursor_on(ui, screen, name);
}

void ui_cursor_on(struct ui *ui, enum screen_id screen, const char *name)
{
    snprintf(ui->cursor_on[screen], sizeof ui->cursor_on[screen], "%s", name);
    ui->data_changed = true;
}

void ui_saving(struct ui *ui, enum screen_id screen)
{
    ui->saving[screen]++;
}

void ui_saved(struct ui *ui, enum screen_id screen)
{
    ui->saving[screen]--;
}

void ui_push(struct ui *ui, const struct overlay_type *type, void *state)
{
    struct overlay *o = mem_alloc(sizeof *o);
    *o = (struct overlay){type, state, ui->overlay};
    ui->overlay = o;
    ui->dirty = true;
}

void ui_close(struct ui *ui, const void *state)
{
    for (struct overlay **at = &ui->overlay; *at; at = &(*at)->below) {
        struct overlay *o = *at;
        if (o->state == state) {
            *at = o->below;
            o->type->free(o->state);
            free(o);
            break;
        }
    }
    ui->dirty = true;
}

void ui_pop(struct ui *ui)
{
    if (ui->overlay)
        ui_close(ui, ui->overlay->state);
}

void ui_say(struct ui *ui, enum role role, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(ui->message, sizeof ui->message, format, ap);
    va_end(ap);
    ui->message_role = role;
    ui->message_ms = mono_ms();
    ui->message_seen = false;
    ui->dirty = true;
}

void ui_say_error(struct ui *ui, const char *what, const struct clowder_error *err)
{
    ui_say(ui, ROLE_BAD, "%s: %s%s%s", what, err->message, *err->hint ? "; " : "", err->hint);
}
