/* Alerts: what needs the user, found in the views; and the list of them. */
#include "tui/screen/term.h"
#include "tui/screen/ui.h"

#include <curses.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 5, 6))) static void add(
    struct ui *ui, enum role role, enum screen_id screen, const char *name, const char *format, ...)
{
    va_list ap;
    if (ui->alert_count == ALERTS_MAX)
        return;
    struct alert *a = &ui->alerts[ui->alert_count++];
    a->role = role;
    a->id = table_hash(format) ^ (table_hash(name) << 3 | screen);
    a->screen = screen;
    snprintf(a->name, sizeof a->name, "%s", name);
    va_start(ap, format);
    vsnprintf(a->text, sizeof a->text, format, ap);
    va_end(ap);
}

static void link_alert(struct ui *ui, const struct view_link *l)
{
    if (l->has_key && l->key_changed)
        add(ui, ROLE_BAD, SCREEN_HOSTS, l->host, "%s: its host key has changed; t shows it", l->host);
    else if (l->has_key)
        add(ui, ROLE_WARN, SCREEN_HOSTS, l->host, "%s: its host key is not known yet; t shows it", l->host);
    else if (l->has_prompt)
        add(ui, ROLE_WARN, SCREEN_HOSTS, l->host, "%s wants a %s; u gives it", l->host, l->prompt_kind);
    else if (strcmp(l->state, "refused") == 0 || strcmp(l->state, "quarantined") == 0)
        add(ui, ROLE_BAD, SCREEN_HOSTS, l->host, "%s: %s", l->host, *l->reason ? l->reason : l->state);
    else if (strcmp(l->state, "backoff") == 0)
        add(ui, ROLE_WARN, SCREEN_HOSTS, l->host, "%s: %s; tries again in %llu s", l->host,
            *l->reason ? l->reason : "not reached", (unsigned long long)l->retry_in_s);
}

static void profile_alert(struct ui *ui, const struct view_profile *p)
{
    if (strcmp(p->state, "failed") == 0)
        add(ui, ROLE_BAD, SCREEN_PROFILES, p->name, "%s: %s", p->name, *p->reason ? p->reason : "its daemons fail");
    else if (strcmp(p->state, "partial") == 0 || strcmp(p->state, "away") == 0)
        add(ui, ROLE_WARN, SCREEN_PROFILES, p->name, "%s: %u of %u daemons connected%s%s", p->name, p->connected,
            p->wanted, *p->reason ? ": " : "", p->reason);
    for (size_t i = 0; i < p->host_count; i++)
        if (*p->hosts[i].suspicion)
            add(ui, ROLE_WARN, SCREEN_HOSTS, p->hosts[i].host, "%s is suspect: %s", p->hosts[i].host,
                p->hosts[i].suspicion);
}

void alerts_update(struct ui *ui)
{
    ui->alert_count = 0;
    if (ui->store && *ui->store->error)
        add(ui, ROLE_BAD, SCREEN_LOG, "", "%s", ui->store->error);
    if (!ui->engine_alive && ui->engine)
        add(ui, ROLE_BAD, SCREEN_LOG, "", "the engine is gone; u on a profile, or 'clowder up', starts a new one");
    for (size_t i = 0; ui->engine_alive && ui->links && i < ui->links->link_count; i++)
        link_alert(ui, &ui->links->links[i]);
    for (size_t i = 0; ui->engine_alive && ui->engine && i < ui->engine->profile_count; i++)
        profile_alert(ui, &ui->engine->profiles[i]);
    for (size_t i = 0; ui->engine_alive && ui->links && i < ui->links->job_count; i++) {
        const struct view_job *j = &ui->links->jobs[i];
        char id[24];
        snprintf(id, sizeof id, "%lld", (long long)j->id);
        if (j->detached && *j->reason)
            add(ui, ROLE_WARN, SCREEN_JOBS, id, "job %s %s waits: %s", id, j->name, j->reason);
        if (j->failed)
            add(ui, ROLE_WARN, SCREEN_JOBS, id, "job %s %s: %llu failed", id, j->name, (unsigned long long)j->failed);
    }
}

/* ---- the list ---- */

static const struct table_column columns[] = {{"ALERT", 30, 0, COLUMN_GROW}, {"WHERE", 9, 1, 0}};

static size_t count(void *arg)
{
    return ((struct ui *)arg)->alert_count;
}

static uint64_t id(void *arg, size_t row)
{
    return ((struct ui *)arg)->alerts[row].id;
}

static void cell(void *arg, size_t row, int column, struct table_cell *c)
{
    const struct alert *a = &((struct ui *)arg)->alerts[row];
    c->role = a->role;
    snprintf(c->text, sizeof c->text, "%s%s", column ? screens[a->screen]->title : "! ", column ? "" : a->text);
}

static void draw(struct ui *ui, void *state)
{
    struct table *t = state;
    struct rect r =
        layout_center(COLS, LINES - 1, COLS < 104 ? COLS : 100, ui->alert_count < 10 ? 14 : (int)ui->alert_count + 4);
    struct rect inside = {r.y + 1, r.x + 1, r.rows - 2, r.cols - 2};
    draw_box(&r, "Alerts");
    table_update(t);
    table_draw(t, &inside, true);
}

static void key(struct ui *ui, void *state, int key)
{
    struct table *t = state;
    table_update(t); /* the alerts may be others than those that were drawn; the cursor stays with its own */
    if (key == TERM_ESC || key == 'q' || key == '!') {
        ui_close(ui, t);
    } else if (key == '\r' || key == '\n' || key == TERM_KEY(KEY_ENTER)) {
        size_t row = table_row(t);
        struct alert a = row < ui->alert_count ? ui->alerts[row] : (struct alert){0};
        ui_close(ui, t);
        if (*a.text)
            ui_go_to(ui, a.screen, a.name);
    } else {
        table_key(t, key);
    }
}

static bool click(struct ui *ui, void *state, int y, int x, bool twice)
{
    if (table_click(state, y, x) == 1 && twice)
        key(ui, state, '\r');
    return true;
}

static void release(void *state)
{
    table_fini(state);
    free(state);
}

void alerts_open(struct ui *ui)
{
    static const struct table_source source = {count, id, cell};
    static const char *const empty[] = {"Nothing needs your attention.",
        "Hosts that want a key or a password, profiles that lack",
        "daemons, jobs with failed tasks and the like appear here.", NULL};
    static const struct overlay_type type = {
        .draw = draw, .key = key, .free = release, .click = click, .footer = "Enter go there  Esc close"};
    struct table *t = malloc(sizeof *t);
    if (!t)
        return;
    table_init(t, columns, 2, &source, ui, empty);
    ui_push(ui, &type, t);
}
