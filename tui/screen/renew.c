/* New views in, and rows made of them. See the rule of rows in ui.h: this is where it is kept. */
#include "tui/screen/ui.h"

#include <stdio.h>

static void take_store(struct ui *ui, struct view_store *v)
{
    bool first = !ui->store;
    if (*v->error && ui->store) { /* keep what is known */
        snprintf(ui->store->error, sizeof ui->store->error, "%s", v->error);
        view_store_rele(v);
        return;
    }
    view_store_rele(ui->store);
    ui->store = v;
    if (first && theme_find(v->theme) != theme_current())
        theme_use(theme_find(v->theme));
}

static void take_views(struct ui *ui)
{
    ui->views_wait = false;
    struct view_store *store = feed_take_store(ui->feed);
    if (store) {
        take_store(ui, store);
        ui->data_changed = true;
    }
    if (ui->paused)
        return;
    struct view_engine *engine = feed_take_engine(ui->feed);
    struct view_links *links = feed_take_links(ui->feed);
    if (engine) {
        ui->engine_alive = engine->alive;
        if (engine->alive) {
            view_engine_rele(ui->engine);
            ui->engine = engine;
        } else {
            view_engine_rele(engine);
        }
    }
    if (links) {
        view_links_rele(ui->links);
        ui->links = links;
    }
    if (engine || links)
        ui->data_changed = true;
}

static void rele(const struct views *v)
{
    view_engine_rele(v->engine);
    view_links_rele(v->links);
    view_store_rele(v->store);
}

/* The rows of before point into the views of before: these go last. */
static void make_rows(struct ui *ui, enum screen_id screen)
{
    struct views before = ui->made_of[screen];
    ui->made_of[screen] =
        (struct views){view_engine_hold(ui->engine), view_links_hold(ui->links), view_store_hold(ui->store)};
    screens[screen]->update(ui->state[screen], ui);
    rele(&before);
}

/* To the row that somebody goes to, or that was just added. */
static void place_cursor(struct ui *ui, enum screen_id screen)
{
    char *name = ui->cursor_on[screen];
    if (*name)
        table_show(screens[screen]->list(ui->state[screen]), table_hash(name));
    *name = '\0';
}

void ui_settle(struct ui *ui)
{
    if (!ui->data_changed)
        return;
    alerts_update(ui);
    make_rows(ui, ui->screen);
    place_cursor(ui, ui->screen);
    ui->data_changed = false;
    ui->dirty = true;
}

void ui_renew(struct ui *ui)
{
    take_views(ui);
    ui_settle(ui);
}

void ui_views_fini(struct ui *ui)
{
    for (int i = 0; i < SCREEN_COUNT; i++)
        rele(&ui->made_of[i]);
    rele(&(struct views){ui->engine, ui->links, ui->store});
}
