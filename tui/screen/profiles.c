/* The Profiles screen: the list above; below, of the profile under the cursor, its throughput and its daemons, or how
 * its launches went. */
#include "tui/screen/profiles.h"

#include "base/mem.h"
#include "base/text.h"
#include "tui/screen/history.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COL_DAEMON, COL_HOST, COL_PID, COL_STATE, COL_DONE, COL_FAILED, COL_RATE, COL_CPU, COL_RSS, COL_UP, COL_REASON };
enum { PANE_PROFILES, PANE_DAEMONS, PANE_LAUNCHES };

static const struct table_column daemon_columns[] = {
    [COL_DAEMON] = {"DAEMON", 14, 0, COLUMN_GROW},
    [COL_HOST] = {"HOST", 10, 0, COLUMN_GROW},
    [COL_PID] = {"PID", 8, 3, COLUMN_RIGHT},
    [COL_STATE] = {"STATE", 11, 0, 0},
    [COL_DONE] = {"DONE", 10, 1, COLUMN_RIGHT},
    [COL_FAILED] = {"FAIL", 4, 2, COLUMN_RIGHT},
    [COL_RATE] = {"RATE/s", 6, 1, COLUMN_RIGHT},
    [COL_CPU] = {"CPU", 5, 1, COLUMN_RIGHT},
    [COL_RSS] = {"MEM", 6, 2, COLUMN_RIGHT},
    [COL_UP] = {"UP", 6, 4, COLUMN_RIGHT},
    [COL_REASON] = {"REASON", 20, 6, COLUMN_GROW},
};

static const struct table_column launch_columns[] = {{"TIME", 8, 0, 0}, {"HOST", 12, 0, COLUMN_GROW}, {"STEP", 9, 0, 0},
    {"OUTCOME", 10, 0, 0}, {"STEPS", 24, 4, COLUMN_GROW}, {"MESSAGE", 26, 1, COLUMN_GROW}};

struct profiles {
    struct ui *ui;
    struct profile_list list;
    struct table profiles, daemons, launches;
    int pane;
    const struct view_profile *shown; /* whose daemons */
    const struct store_launch **launch_rows;
    size_t launch_count;
    struct history history;
};

static size_t daemon_count(void *arg)
{
    const struct profiles *s = arg;
    return s->shown ? s->shown->daemon_count : 0;
}

static uint64_t daemon_id(void *arg, size_t row)
{
    return table_hash(((struct profiles *)arg)->shown->daemons[row].name);
}

static enum role daemon_role(const char *state)
{
    return strcmp(state, "executing") == 0                                                               ? ROLE_GOOD
           : strcmp(state, "lost") == 0                                                                  ? ROLE_BAD
           : strcmp(state, "launching") == 0 || strcmp(state, "setup") == 0                              ? ROLE_BUSY
           : strcmp(state, "leaving") == 0 || strcmp(state, "paused") == 0 || strcmp(state, "away") == 0 ? ROLE_WARN
                                                                                                         : ROLE_NORMAL;
}

static void daemon_cell(void *arg, size_t row, int column, struct table_cell *c)
{
    const struct view_daemon *d = &((struct profiles *)arg)->shown->daemons[row];
    c->numeric = column != COL_DAEMON && column != COL_HOST && column != COL_STATE && column != COL_REASON;
    switch (column) {
    case COL_DAEMON: snprintf(c->text, sizeof c->text, "%s", d->name); break;
    case COL_HOST: snprintf(c->text, sizeof c->text, "%s", d->host); break;
    case COL_PID: snprintf(c->text, sizeof c->text, "%lld", (long long)(c->number = (double)d->pid, d->pid)); break;
    case COL_STATE:
        snprintf(c->text, sizeof c->text, "%s", d->state);
        c->role = daemon_role(d->state);
        break;
    case COL_DONE:
        text_count(c->text, sizeof c->text, d->done);
        c->number = (double)d->done;
        break;
    case COL_FAILED:
        text_count(c->text, sizeof c->text, d->failed);
        c->number = (double)d->failed;
        c->role = d->failed ? ROLE_WARN : ROLE_DIM;
        break;
    case COL_RATE:
        c->numeric = d->rate >= 0;
        c->number = d->rate;
        text_rate(c->text, sizeof c->text, d->rate);
        break;
    case COL_CPU:
        c->numeric = d->cpu >= 0;
        c->number = d->cpu;
        snprintf(c->text, sizeof c->text, d->cpu < 0 ? "-" : "%.0f%%", d->cpu * 100);
        break;
    case COL_RSS:
        if (d->rss_bytes)
            text_bytes(c->text, sizeof c->text, d->rss_bytes);
        else
            snprintf(c->text, sizeof c->text, "-");
        c->numeric = d->rss_bytes != 0;
        c->number = (double)d->rss_bytes;
        break;
    case COL_UP:
        text_span(c->text, sizeof c->text, d->up_s * 1000);
        c->number = (double)d->up_s;
        break;
    default: snprintf(c->text, sizeof c->text, "%s", d->reason);
    }
}

static size_t launch_count(void *arg)
{
    return ((struct profiles *)arg)->launch_count;
}

static uint64_t launch_id(void *arg, size_t row)
{
    return (uint64_t)((struct profiles *)arg)->launch_rows[row]->id;
}

/* The steps that the host's link has behind it now, with their times. */
static void steps_text(const struct view_link *l, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; l && i < VIEW_STEPS && used < size; i++)
        if (l->steps_ms[i] >= 0)
            used += (size_t)snprintf(
                out + used, size - used, "%s%s %lldms", used ? " " : "", view_steps[i], (long long)l->steps_ms[i]);
}

static void launch_cell(void *arg, size_t row, int column, struct table_cell *c)
{
    const struct profiles *s = arg;
    const struct store_launch *l = s->launch_rows[row];
    time_t at = (time_t)(l->started_us / 1000000);
    struct tm local;
    bool failed = *l->outcome && strcmp(l->outcome, "ok") != 0 && strcmp(l->outcome, "up") != 0;
    switch (column) {
    case 0:
        localtime_r(&at, &local);
        strftime(c->text, sizeof c->text, "%H:%M:%S", &local);
        c->number = (double)l->started_us;
        c->numeric = true;
        break;
    case 1: snprintf(c->text, sizeof c->text, "%s", l->host); break;
    case 2: snprintf(c->text, sizeof c->text, "%s", l->step); break;
    case 3:
        snprintf(c->text, sizeof c->text, "%s %s",
            failed        ? "!"
            : *l->outcome ? "+"
                          : "~",
            *l->outcome ? l->outcome : "in progress");
        c->role = failed ? ROLE_BAD : *l->outcome ? ROLE_GOOD : ROLE_BUSY;
        break;
    case 4: steps_text(view_link_find(s->ui->links, l->host), c->text, sizeof c->text); break;
    default: snprintf(c->text, sizeof c->text, "%s", l->message);
    }
}

/* ---- the screen ---- */

static void *open_screen(struct ui *ui)
{
    static const struct table_source daemons = {daemon_count, daemon_id, daemon_cell};
    static const struct table_source launches = {launch_count, launch_id, launch_cell};
    static const char *const no_daemons[] = {"No daemons. u brings them up, e sets where and how many.", NULL};
    static const char *const no_launches[] = {
        "No launches of this profile are recorded.", "u launches its daemons.", NULL};
    struct profiles *s = mem_zalloc(sizeof *s);
    s->ui = ui;
    profile_table_init(&s->profiles, &s->list);
    table_init(&s->daemons, daemon_columns, sizeof daemon_columns / sizeof *daemon_columns, &daemons, s, no_daemons);
    table_init(&s->launches, launch_columns, sizeof launch_columns / sizeof *launch_columns, &launches, s, no_launches);
    return s;
}

static void close_screen(void *state)
{
    struct profiles *s = state;
    table_fini(&s->profiles);
    table_fini(&s->daemons);
    table_fini(&s->launches);
    free(s->list.rows);
    free(s->launch_rows);
    free(s);
}

static const struct profile_row *here(const struct profiles *s)
{
    size_t row = table_row(&s->profiles);
    return row == SIZE_MAX ? NULL : &s->list.rows[row];
}

/* What hangs on the profile under the cursor. */
static void follow_cursor(struct profiles *s)
{
    const struct profile_row *row = here(s);
    const struct view_store *store = s->ui->store;
    s->shown = row ? row->live : NULL;
    s->launch_count = 0;
    s->launch_rows = mem_realloc(s->launch_rows, (VIEW_LAUNCHES + 1) * sizeof *s->launch_rows);
    for (size_t i = 0; row && store && i < store->launches.count && s->launch_count < VIEW_LAUNCHES; i++)
        if (strcmp(store->launches.items[i].profile, row->name) == 0)
            s->launch_rows[s->launch_count++] = &store->launches.items[i];
    table_update(&s->daemons);
    table_update(&s->launches);
    history_update(&s->history, s->ui, row ? row->name : "", s->ui->span);
}

/* The lists below are those of the profile under the cursor, also when it has moved and nothing was drawn since:
 * whoever wants one of them settles this first. */
static void settle(struct profiles *s)
{
    const struct profile_row *row = here(s);
    if (!row || row->live != s->shown || strcmp(s->history.profile, row->name) != 0)
        follow_cursor(s);
}

static void update(void *state, struct ui *ui)
{
    struct profiles *s = state;
    free(s->list.rows);
    s->list.rows = profile_rows(ui, &s->list.count);
    table_update(&s->profiles);
    follow_cursor(s);
}

/* "mirai at tcp://127.0.0.1:5555, 4 connections, 1.2M/s", or "". */
static void foreign_text(const struct view_profile *p, char *out, size_t size)
{
    char bytes[24];
    out[0] = '\0';
    if (p && p->is_foreign)
        snprintf(out, size, "; %s%s%s, %u connection%s, %s/s", p->runtime, *p->base ? " at " : "", p->base,
            p->connections, p->connections == 1 ? "" : "s", text_bytes(bytes, sizeof bytes, (uint64_t)p->bytes_rate));
}

static void draw_below(struct profiles *s, struct ui *ui, const struct profile_row *row)
{
    struct rect graph, rest, *detail = &ui->layout.detail;
    char title[700], rate[16], mean[16], foreign[240];
    int rule, rows = detail->rows > 16 ? detail->rows / 3 : 4;
    layout_split(detail, rows, &graph, &rule, &rest);
    foreign_text(row->live, foreign, sizeof foreign);
    snprintf(title, sizeof title, "%s  tasks/s, %s; now %s, mean %s%s%s%s", row->name, span_text(ui->span),
        text_rate(rate, sizeof rate, row->live ? row->live->rate : 0),
        text_rate(mean, sizeof mean, row->live ? row->live->mean : 0), foreign,
        row->live && *row->live->reason ? "; " : "", row->live ? row->live->reason : "");
    draw_rule(ui->layout.rule, 0, ui->layout.cols, title);
    history_draw(&s->history, &graph);
    if (rule < 0)
        return;
    bool launches = s->pane == PANE_LAUNCHES;
    snprintf(title, sizeof title,
        launches ? "launches of %s (%zu)   l Tab: daemons" : "daemons of %s (%zu)   l: launches", row->name,
        launches ? s->launches.shown : s->daemons.shown);
    draw_rule(rule, 0, ui->layout.cols, title);
    table_draw(launches ? &s->launches : &s->daemons, &rest, s->pane != PANE_PROFILES);
}

static void draw(void *state, struct ui *ui)
{
    struct profiles *s = state;
    const struct profile_row *row = here(s);
    int body = ui->layout.rows - 4, want = body - 2 - (int)(s->list.count > 5 ? 5 : s->list.count);
    settle(s);
    ui->layout = layout_make(ui->layout.cols, ui->layout.rows, row ? want : 0, false);
    table_draw(&s->profiles, &ui->layout.table, s->pane == PANE_PROFILES);
    if (row && ui->layout.rule >= 0)
        draw_below(s, ui, row);
}

static struct table *list(void *state)
{
    return &((struct profiles *)state)->profiles;
}

static struct table *table(void *state)
{
    struct profiles *s = state;
    settle(s);
    return s->pane == PANE_DAEMONS ? &s->daemons : s->pane == PANE_LAUNCHES ? &s->launches : &s->profiles;
}

static void pane(void *state, int step)
{
    struct profiles *s = state;
    s->pane = step == 0 ? PANE_PROFILES : (s->pane + step + 3) % 3;
}

static void enter(void *state, struct ui *ui)
{
    struct profiles *s = state;
    size_t row = table_row(&s->daemons);
    if (s->pane == PANE_PROFILES)
        s->pane = PANE_DAEMONS;
    else if (s->pane == PANE_DAEMONS && row != SIZE_MAX)
        ui_go_to(ui, SCREEN_HOSTS, s->shown->daemons[row].host);
    else if (s->pane == PANE_LAUNCHES && table_row(&s->launches) != SIZE_MAX)
        ui_go_to(ui, SCREEN_HOSTS, s->launch_rows[table_row(&s->launches)]->host);
}

static char *json(void *state, struct ui *ui)
{
    struct profiles *s = state;
    const struct profile_row *row = here(s);
    size_t at = table_row(&s->daemons);
    (void)ui;
    json_t *o = NULL;
    if (s->pane == PANE_DAEMONS && at != SIZE_MAX)
        o = json_pack("{s:s,s:s,s:s,s:I}", "daemon", s->shown->daemons[at].name, "host", s->shown->daemons[at].host,
            "state", s->shown->daemons[at].state, "done", (json_int_t)s->shown->daemons[at].done);
    else if (row)
        o = json_pack("{s:s,s:s,s:i,s:i}", "profile", row->name, "state", row->live ? row->live->state : "stopped",
            "connected", (int)(row->live ? row->live->connected : 0), "wanted",
            (int)(row->live ? row->live->wanted : 0));
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    return text;
}

/* A click into the other list gives it the keyboard. */
static bool click(void *state, struct ui *ui, int y, int x)
{
    struct profiles *s = state;
    (void)ui;
    settle(s);
    struct table *below = s->pane == PANE_LAUNCHES ? &s->launches : &s->daemons;
    if (s->pane == PANE_PROFILES && table_click(below, y, x) == 1)
        s->pane = PANE_DAEMONS;
    else if (s->pane != PANE_PROFILES && table_click(&s->profiles, y, x) == 1)
        s->pane = PANE_PROFILES;
    else
        return false;
    return true;
}

const struct screen screen_profiles = {.name = "profiles",
    .title = "Profiles",
    .open = open_screen,
    .close = close_screen,
    .update = update,
    .draw = draw,
    .table = table,
    .list = list,
    .pane = pane,
    .enter = enter,
    .json = json,
    .click = click};

const struct profile_row *profiles_here(struct ui *ui)
{
    return ui->screen == SCREEN_PROFILES ? here(ui->state[SCREEN_PROFILES]) : overview_here(ui);
}

const char *profiles_row_host(struct ui *ui)
{
    struct profiles *s = ui->state[SCREEN_PROFILES];
    size_t row = table_row(&s->daemons);
    return ui->screen == SCREEN_PROFILES && s->pane == PANE_DAEMONS && row != SIZE_MAX ? s->shown->daemons[row].host
                                                                                       : NULL;
}

void profiles_show_launches(struct ui *ui)
{
    struct profiles *s = ui->state[SCREEN_PROFILES];
    s->pane = s->pane == PANE_LAUNCHES && ui->screen == SCREEN_PROFILES ? PANE_PROFILES : PANE_LAUNCHES;
}
