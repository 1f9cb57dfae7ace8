/* The frame round every screen: the summary, the tabs, the message, the footer. */
#include "tui/screen/action.h"
#include "tui/screen/term.h"
#include "tui/screen/ui.h"

#include "base/mono.h"
#include "base/text.h"

#include <curses.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void ui_hit(struct ui *ui, int y, int x, int cols, enum hit_kind kind, int value)
{
    if (ui->hit_count < HITS_MAX)
        ui->hits[ui->hit_count++] = (struct hit){y, x, cols, kind, value};
}

unsigned ui_engine_age_s(const struct ui *ui)
{
    if (ui->engine_alive || !ui->engine)
        return 0;
    unsigned age = (unsigned)((mono_ms() - ui->engine->at_ms) / 1000);
    return age ? age : 1;
}

static void engine_text(const struct ui *ui, char *out, size_t size, enum role *role)
{
    if (ui->paused) {
        *role = ROLE_WARN;
        snprintf(out, size, "paused, Z resumes");
    } else if (ui->engine_alive) {
        *role = ROLE_GOOD;
        snprintf(out, size, "+ engine");
    } else if (ui->engine) {
        *role = ROLE_BAD;
        snprintf(out, size, "! engine gone, data %u s old", ui_engine_age_s(ui));
    } else {
        *role = ROLE_DIM;
        snprintf(out, size, "- no engine yet");
    }
}

static void draw_summary(struct ui *ui)
{
    char engine[80], rate[16], now_text[16], left[200];
    time_t now = time(NULL);
    struct tm local;
    unsigned connected = 0, wanted = 0, busy = 0, up = 0;
    double per_s = 0;
    enum role role;
    for (size_t i = 0; ui->engine && i < ui->engine->profile_count; i++) {
        connected += ui->engine->profiles[i].connected;
        wanted += ui->engine->profiles[i].wanted;
        busy += ui->engine->profiles[i].busy;
        per_s += ui->engine->profiles[i].rate;
    }
    for (size_t i = 0; ui->links && i < ui->links->link_count; i++)
        up += strcmp(ui->links->links[i].state, "up") == 0;
    engine_text(ui, engine, sizeof engine, &role);
    localtime_r(&now, &local);
    strftime(now_text, sizeof now_text, "%H:%M:%S", &local);
    snprintf(left, sizeof left,
        COLS < 90 ? "hosts %u/%zu up  daemons %u/%u  busy %u  %s/s"
                  : "hosts %u/%zu up   daemons %u/%u   busy %u   %s tasks/s",
        up, ui->store ? ui->store->hosts.count : 0, connected, wanted, busy, text_rate(rate, sizeof rate, per_s));
    bool old = ui->engine && !ui->engine_alive;
    draw_text(0, 0, COLS, ROLE_NORMAL, "");
    draw_printf(0, 1, 9, ROLE_STRONG, "clowder");
    int right = draw_width(engine) + 11, x = COLS - right;
    draw_printf(0, 10, x - 12, old ? ROLE_DIM : ROLE_NORMAL, "%s", left);
    draw_printf(0, x, right, role, "%s", engine);
    draw_printf(0, COLS - 9, 8, ROLE_DIM, "%s", now_text);
}

static void draw_tabs(struct ui *ui)
{
    struct table *t = ui_table(ui);
    int x = 1, y = ui->layout.tabs;
    char right[360], count[24], filter[220] = "", sort[60] = "", marks[32] = "";
    draw_text(y, 0, COLS, ROLE_NORMAL, "");
    for (int s = 0; s < SCREEN_COUNT; s++) {
        bool here = s == (int)ui->screen;
        int cols = (int)strlen(screens[s]->title) + 4;
        draw_printf(
            y, x, cols, here ? ROLE_TAB_HERE : ROLE_TAB, here ? "[%d %s]" : " %d %s ", s + 1, screens[s]->title);
        ui_hit(ui, y, x, cols, HIT_TAB, s);
        x += cols + (COLS > 70);
    }
    if (t->filter.count)
        snprintf(filter, sizeof filter, "filter: %s  ", t->filter_text);
    if (t->sort >= 0)
        snprintf(sort, sizeof sort, "%s%s  ", t->columns[t->sort].title, t->descending ? "-" : "+");
    if (t->mark_count)
        snprintf(marks, sizeof marks, "%zu marked  ", t->mark_count);
    text_count(count, sizeof count, t->shown);
    snprintf(right, sizeof right, "%s%s%s%s%s", filter, marks, sort, count, t->filter.count ? " shown" : "");
    draw_right(y, x + 1, COLS - x - 2, t->filter.count ? ROLE_WARN : ROLE_DIM, right);
}

static void draw_message(struct ui *ui)
{
    int y = ui->layout.message, right = 0;
    char alerts[40] = "", busy[40] = "";
    int waiting = feed_busy(ui->feed);
    draw_text(y, 0, COLS, ROLE_NORMAL, "");
    if (ui->alert_count)
        snprintf(alerts, sizeof alerts, "! %zu alert%s", ui->alert_count, ui->alert_count == 1 ? "" : "s");
    if (waiting)
        snprintf(busy, sizeof busy, "~ %d under way  ", waiting);
    right = (int)(strlen(alerts) + strlen(busy)) + 1;
    draw_printf(y, COLS - right, (int)strlen(busy), ROLE_BUSY, "%s", busy);
    if (ui->alert_count) {
        draw_printf(y, COLS - right + (int)strlen(busy), 20, ROLE_WARN, "%s", alerts);
        ui_hit(ui, y, COLS - right, right, HIT_KEY, '!');
    }
    draw_printf(y, 1, COLS - right - 2, ui->message_role, "%s", ui->message);
    if (*ui->message)
        ui->message_seen = true;
}

/* Draws one "key label" and returns the columns it took, 0 when it does not fit. */
static int draw_key(struct ui *ui, int y, int x, const struct action *a)
{
    char key[16];
    int cols, limit = COLS - 1;
    action_key_text(a->keys[0], key, sizeof key);
    cols = (int)(strlen(key) + strlen(a->label)) + 1;
    if (x + cols > limit)
        return 0;
    bool off = a->why_not && a->why_not(ui);
    int used = draw_printf(y, x, cols, off ? ROLE_DIM : ROLE_KEY, "%s", key);
    draw_printf(y, x + used + 1, cols - used - 1, off ? ROLE_DIM : ROLE_NORMAL, "%s", a->label);
    ui_hit(ui, y, x, cols, HIT_KEY, a->keys[0]);
    return cols + 2;
}

/* The screen's own actions by their place, then those of all screens; help and quit always have room. */
static void draw_footer(struct ui *ui)
{
    int y = ui->layout.footer, x = 1;
    const struct action *last[4] = {NULL};
    int kept = 0, reserve = 0;
    draw_text(y, 0, COLS, ROLE_NORMAL, "");
    if (ui->overlay && ui->overlay->type->footer) {
        draw_text(y, 1, COLS - 1, ROLE_DIM, ui->overlay->type->footer);
        return;
    }
    for (size_t i = 0; i < action_count; i++)
        if (actions[i].footer >= 22 && actions[i].screens & ON(ui->screen) && kept < 4) {
            last[kept++] = &actions[i];
            reserve += (int)strlen(actions[i].label) + 4;
        }
    for (int place = 1; place < 22; place++) {
        for (size_t i = 0; i < action_count; i++) {
            const struct action *a = &actions[i];
            if (a->footer != place || !(a->screens & ON(ui->screen)))
                continue;
            if (x + (int)strlen(a->label) + 8 < COLS - reserve)
                x += draw_key(ui, y, x, a);
        }
    }
    for (int i = 0; i < kept; i++)
        x += draw_key(ui, y, x, last[i]);
}

static void draw_too_small(void)
{
    erase();
    draw_printf(0, 0, COLS, ROLE_STRONG, "clowder: the window is too small");
    draw_printf(1, 0, COLS, ROLE_NORMAL, "%d x %d; at least %d x %d", COLS, LINES, LAYOUT_COLS_MIN, LAYOUT_ROWS_MIN);
    draw_printf(2, 0, COLS, ROLE_NORMAL, "q quits");
}

void frame_draw(struct ui *ui)
{
    const struct screen *s = screens[ui->screen];
    ui->hit_count = 0;
    curs_set(0);
    ui->layout = layout_make(COLS, LINES, 0, false);
    if (ui->layout.too_small) {
        draw_too_small();
    } else {
        erase();
        s->draw(ui->state[ui->screen], ui);
        draw_summary(ui);
        draw_tabs(ui);
        draw_message(ui);
        draw_footer(ui);
        struct overlay *stack[16];
        int n = 0;
        for (struct overlay *o = ui->overlay; o && n < 16; o = o->below)
            stack[n++] = o;
        while (n-- > 0)
            stack[n]->type->draw(ui, stack[n]->state);
    }
    refresh();
}
