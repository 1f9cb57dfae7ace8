/* The actions that every screen has: they act on the list that has the keyboard. */
#include "tui/screen/general.h"

#include "base/mem.h"
#include "store/setting.h"
#include "tui/screen/history.h"
#include "tui/screen/prompt.h"
#include "tui/screen/term.h"
#include "tui/screen/ui.h"

#include <curses.h>
#include <stdlib.h>
#include <string.h>

static bool searched(struct ui *ui, const struct prompt_line *line)
{
    struct table *t = ui_table(ui);
    snprintf(t->search, sizeof t->search, "%s", line->text);
    if (*line->text && !table_search(t, false, true))
        ui_say(ui, ROLE_WARN, "search: '%s' is not found", line->text);
    return true;
}

void general_search(struct ui *ui)
{
    prompt_open(ui, "/", "", NULL, searched, NULL);
}

static void search_on(struct ui *ui, bool backward)
{
    struct table *t = ui_table(ui);
    if (!*t->search)
        ui_say(ui, ROLE_WARN, "search: press / first, then n and N");
    else if (!table_search(t, backward, false))
        ui_say(ui, ROLE_WARN, "search: '%s' is not found", t->search);
}

void general_next(struct ui *ui)
{
    search_on(ui, false);
}

void general_previous(struct ui *ui)
{
    search_on(ui, true);
}

static bool filtered(struct ui *ui, const struct prompt_line *line)
{
    struct clw_error err;
    struct table *t = ui_table(ui);
    if (table_filter(t, line->text, &err)) {
        snprintf(line->why, line->why_size, "%s%s%s", err.message, *err.hint ? "; " : "", err.hint);
        return false;
    }
    if (t->filter.count && !t->shown)
        ui_say(ui, ROLE_WARN, "filter: no row passes '%s'", line->text);
    return true;
}

void general_filter(struct ui *ui)
{
    prompt_open(ui, "\\", ui_table(ui)->filter_text, NULL, filtered, NULL);
}

static void say_sort(struct ui *ui)
{
    const struct table *t = ui_table(ui);
    ui_say(ui, ROLE_NORMAL, "sorted by %s%s", t->sort < 0 ? "nothing" : t->columns[t->sort].title,
        t->descending ? ", largest first" : "");
}

void general_sort(struct ui *ui)
{
    table_sort_next(ui_table(ui), 1);
    say_sort(ui);
}

void general_sort_back(struct ui *ui)
{
    table_sort_next(ui_table(ui), -1);
    say_sort(ui);
}

void general_invert(struct ui *ui)
{
    table_invert(ui_table(ui));
    say_sort(ui);
}

void general_span(struct ui *ui)
{
    ui->span = (ui->span + 1) % SPAN_COUNT;
    ui->data_changed = true;
    ui_say(ui, ROLE_NORMAL, "graphs: %s", span_text(ui->span));
}

void general_pause(struct ui *ui)
{
    ui->paused = !ui->paused;
    ui_say(ui, ROLE_NORMAL, ui->paused ? "paused: Z resumes" : "resumed");
}

void general_mark(struct ui *ui)
{
    table_mark(ui_table(ui));
}

void general_mark_all(struct ui *ui)
{
    table_mark_all(ui_table(ui));
    ui_say(ui, ROLE_NORMAL, "%zu marked; U removes the marks", ui_table(ui)->mark_count);
}

void general_mark_none(struct ui *ui)
{
    table_mark_none(ui_table(ui));
}

void general_copy(struct ui *ui)
{
    const struct screen *s = screens[ui->screen];
    char *text = s->json ? s->json(ui->state[ui->screen], ui) : NULL;
    if (text) {
        term_copy(text, strlen(text));
        ui_say(ui, ROLE_NORMAL, "copied: %s", text);
    } else {
        ui_say(ui, ROLE_WARN, "copy: there is no row here");
    }
    free(text);
}

static void pane(struct ui *ui, int step)
{
    if (screens[ui->screen]->pane)
        screens[ui->screen]->pane(ui->state[ui->screen], step);
}

void general_pane(struct ui *ui)
{
    pane(ui, 1);
}

void general_pane_back(struct ui *ui)
{
    pane(ui, -1);
}

void general_enter(struct ui *ui)
{
    if (screens[ui->screen]->enter)
        screens[ui->screen]->enter(ui->state[ui->screen], ui);
}

void general_back(struct ui *ui)
{
    struct table *t = ui_table(ui);
    if (t->filter.count || *t->search) {
        table_filter(t, "", NULL);
        t->filter_text[0] = t->search[0] = '\0';
    } else if (t->mark_count) {
        table_mark_none(t);
    } else {
        pane(ui, 0);
    }
}

void general_screen_1(struct ui *ui)
{
    ui_go(ui, SCREEN_OVERVIEW);
}

void general_screen_2(struct ui *ui)
{
    ui_go(ui, SCREEN_HOSTS);
}

void general_screen_3(struct ui *ui)
{
    ui_go(ui, SCREEN_PROFILES);
}

void general_screen_4(struct ui *ui)
{
    ui_go(ui, SCREEN_JOBS);
}

void general_screen_5(struct ui *ui)
{
    ui_go(ui, SCREEN_LOG);
}

static void save_theme(struct feed_work *w)
{
    struct clw_error err;
    if (store_setting_set(w->store, "theme", w->arg, &err))
        feed_fail(w, &err);
}

static void theme_saved(struct feed_work *w, void *ui)
{
    if (w->err.status)
        ui_say_error(ui, "theme", &w->err);
    free(w->arg);
}

void general_theme(struct ui *ui)
{
    enum theme t = (theme_current() + 1) % THEME_COUNT;
    theme_use(t);
    clearok(curscr, TRUE);
    feed_store(ui->feed, save_theme, theme_saved, mem_strdup(theme_name(t)));
    ui_say(ui, ROLE_NORMAL, "theme: %s%s", theme_name(t), term_caps()->color ? "" : " (without colours: NO_COLOR)");
}

void general_mouse(struct ui *ui)
{
    term_mouse_set(!term_caps()->mouse);
    ui_say(ui, ROLE_NORMAL, "mouse: %s", term_caps()->mouse ? "on" : "off, text can be selected");
}

void general_redraw(struct ui *ui)
{
    clearok(curscr, TRUE);
    ui_dirty(ui);
}

void general_quit(struct ui *ui)
{
    ui->quit = true;
}
