/* The main loop: keys, signals and feeds come in, frames go out. Nothing in here waits but poll(2). */
#include "tui/screen/screen_main.h"

#include "base/mem.h"
#include "base/mono.h"
#include "base/text.h"
#include "tui/cli/command.h"
#include "tui/screen/action.h"
#include "tui/screen/child.h"
#include "tui/screen/pager.h"
#include "tui/screen/term.h"
#include "tui/screen/ui.h"

#include <curses.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FRAME_MS = 100, TICK_MS = 1000, FIRST_DATA_MS = 60, TWICE_MS = 400, SEEN_MS = 1500, MOUSE_QUEUE = 8 };

const struct screen *const screens[SCREEN_COUNT] = {
    &screen_overview, &screen_hosts, &screen_profiles, &screen_jobs, &screen_log};

/* A key makes old messages go: ordinary ones at once, errors when they have been on the screen for a while. */
static void age_message(struct ui *ui)
{
    bool bad = ui->message_role == ROLE_BAD || ui->message_role == ROLE_WARN;
    if (ui->message_seen && (!bad || mono_ms() - ui->message_ms > SEEN_MS))
        ui->message[0] = '\0';
}

/* ---- input ---- */

static void press(struct ui *ui, int key)
{
    ui->dirty = true;
    if (ui->layout.too_small && key == 'q') {
        ui->quit = true;
        return;
    }
    if (ui->overlay) {
        ui->overlay->type->key(ui, ui->overlay->state, key);
        return;
    }
    age_message(ui);
    const struct action *a = action_find(ui->screen, key);
    if (table_key(ui_table(ui), key))
        return;
    if (a)
        action_run(ui, a);
    else if (key != TERM_KEY(KEY_RESIZE))
        ui_say(ui, ROLE_DIM, "this key does nothing here; ? shows the keys");
}

static bool click_frame(struct ui *ui, int y, int x)
{
    for (int i = 0; i < ui->hit_count; i++) {
        const struct hit *h = &ui->hits[i];
        if (y != h->y || x < h->x || x >= h->x + h->cols)
            continue;
        if (h->kind == HIT_TAB)
            ui_go(ui, (enum screen_id)h->value);
        else
            press(ui, h->value);
        return true;
    }
    return false;
}

static void click(struct ui *ui, MEVENT e)
{
    const struct screen *s = screens[ui->screen];
    ui->dirty = true;
    if (e.bstate & (BUTTON4_PRESSED | BUTTON5_PRESSED)) {
        bool up = (e.bstate & BUTTON4_PRESSED) != 0;
        if (ui->overlay)
            for (int i = 0; i < 3; i++)
                ui->overlay->type->key(ui, ui->overlay->state, TERM_KEY(up ? KEY_UP : KEY_DOWN));
        else
            table_scroll(ui_table(ui), up ? -3 : 3);
        return;
    }
    uint64_t now = mono_ms();
    bool twice = e.y == ui->last_click.y && e.x == ui->last_click.x && now - ui->last_click.ms < TWICE_MS;
    ui->last_click.y = e.y;
    ui->last_click.x = e.x;
    ui->last_click.ms = now;
    if (ui->overlay) {
        if (ui->overlay->type->click)
            ui->overlay->type->click(ui, ui->overlay->state, e.y, e.x, twice);
        return;
    }
    age_message(ui);
    if (click_frame(ui, e.y, e.x) || (s->click && s->click(ui->state[ui->screen], ui, e.y, e.x) && !twice))
        return;
    if (table_click(ui_table(ui), e.y, e.x) == 1 && twice && s->enter)
        s->enter(ui->state[ui->screen], ui);
}

/* All that came in one read: curses tells of them once, and has the last one first. */
static void mouse(struct ui *ui)
{
    MEVENT events[MOUSE_QUEUE];
    int n = 0;
    while (n < MOUSE_QUEUE && getmouse(&events[n]) == OK)
        n++;
    while (n) {
        ui_settle(ui);
        click(ui, events[--n]);
    }
}

static void read_keys(struct ui *ui)
{
    for (int key; !ui->quit && (key = term_key()) >= 0;) {
        ui_settle(ui);
        if (key == TERM_KEY(KEY_MOUSE))
            mouse(ui);
        else if (key == TERM_KEY(KEY_RESIZE))
            ui->dirty = true;
        else
            press(ui, key);
    }
}

static void read_signals(struct ui *ui)
{
    for (int number; (number = term_signal());) {
        switch (number) {
        case SIGWINCH: term_resize(); break;
        case SIGTSTP: term_suspend(); break;
        case SIGCONT: break;
        case SIGINT: ui->quit = true; break;
        default: ui->quit = true; ui->status = 128 + number;
        }
        ui->dirty = true;
    }
}

/* ---- the loop ---- */

static void paint(struct ui *ui)
{
    frame_draw(ui);
    ui->dirty = false;
    if (ui->frames_left > 0 && --ui->frames_left == 0)
        ui->quit = true;
}

/* How long nothing needs to be done. */
static int patience(const struct ui *ui, uint64_t frame_ms, uint64_t tick_ms)
{
    uint64_t now = mono_ms(), at = tick_ms;
    if ((ui->dirty || ui->data_changed || ui->views_wait || ui->frames_left > 0) && frame_ms + FRAME_MS < at)
        at = frame_ms + FRAME_MS;
    return at > now ? (int)(at - now) : 0;
}

/* Finished work at once, with what it has changed; other views with the next frame. */
static void take_news(struct ui *ui)
{
    ui->views_wait = true;
    if (feed_finish(ui->feed, ui) > 0) {
        ui->dirty = true;
        ui_renew(ui);
    }
}

static void wait_first(struct ui *ui)
{
    struct pollfd fd = {feed_fd(ui->feed), POLLIN, 0};
    uint64_t end = mono_ms() + FIRST_DATA_MS;
    for (uint64_t now; !ui->store && (now = mono_ms()) < end;)
        if (poll(&fd, 1, (int)(end - now)) > 0) {
            take_news(ui);
            ui_renew(ui);
        }
}

static void loop(struct ui *ui)
{
    uint64_t frame_ms = mono_ms(), tick_ms = frame_ms + TICK_MS;
    wait_first(ui);
    ui->data_changed = true;
    ui_settle(ui);
    paint(ui);
    while (!ui->quit) {
        struct pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {term_signal_fd(), POLLIN, 0}, {feed_fd(ui->feed), POLLIN, 0},
            {pager_fd(ui), POLLIN, 0}};
        bool key = false;
        poll(fds, 4, patience(ui, frame_ms, tick_ms));
        if (fds[1].revents)
            read_signals(ui);
        if (fds[0].revents & POLLIN) {
            read_keys(ui);
            key = true;
        } else if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) {
            ui->quit = true; /* the terminal is gone */
        }
        if (fds[3].revents)
            pager_poll(ui);
        if (fds[2].revents)
            take_news(ui);
        uint64_t now = mono_ms();
        if (now >= tick_ms) { /* the clock, ages, children */
            child_reap(ui);
            tick_ms = now + TICK_MS;
            ui->dirty = true;
            ui->data_changed |= ui->engine && !ui->engine_alive;
        }
        if (!key && now - frame_ms < FRAME_MS)
            continue;
        ui_renew(ui);
        if (ui->dirty || ui->frames_left > 0) {
            frame_ms = now;
            paint(ui);
        }
    }
}

static int find_screen(const char *name)
{
    const char *names[SCREEN_COUNT + 1] = {NULL};
    for (int i = 0; i < SCREEN_COUNT; i++) {
        names[i] = screens[i]->name;
        if (strcmp(names[i], name) == 0)
            return i;
    }
    const char *near = text_nearest(name, names);
    say(2, "there is no screen '%s'; %s%s%s", name,
        near ? "did you mean '" : "there are overview hosts profiles jobs log", near ? near : "", near ? "'?" : "");
    return -1;
}

int screen_main(const char *screen, long frames)
{
    struct clw_error err;
    int first = screen ? find_screen(screen) : SCREEN_OVERVIEW;
    if (first < 0)
        return 2;
    term_block_signals();
    if (term_open(&err))
        return say(2, "%s; %s", err.message, err.hint);
    struct ui *ui = mem_zalloc(sizeof *ui);
    ui->feed = feed_start();
    ui->frames_left = frames > 0 ? frames : -1;
    ui->screen = (enum screen_id)first;
    theme_use(THEME_DEFAULT);
    for (int i = 0; i < SCREEN_COUNT; i++)
        ui->state[i] = screens[i]->open(ui);
    loop(ui);
    term_close();
    for (size_t i = 0; ui->status == 0 && ui->engine_alive && i < ui->engine->profile_count; i++)
        if (ui->engine->profiles[i].wanted) {
            fprintf(stderr, "clowder: profiles and jobs keep running; clowder down --all stops them\n");
            break;
        }
    while (ui->overlay)
        ui_pop(ui);
    for (int i = 0; i < SCREEN_COUNT; i++)
        screens[i]->close(ui->state[i]);
    int status = ui->status;
    ui_views_fini(ui);
    free(ui);
    exit(status); /* the feeds' threads end with the process */
}
