/* The Overview: the whole cluster on one page. Profiles, a map of the daemons on hosts, the throughput of all. */
#include "tui/screen/history.h"
#include "tui/screen/hosts.h"
#include "tui/screen/profiles.h"

#include "base/mem.h"
#include "base/text.h"
#include "tui/screen/term.h"

#include <stdlib.h>
#include <string.h>

struct overview {
    struct profile_list list;
    struct table table;
    struct host_line *hosts;
    size_t host_count;
    struct history history;
};

static void *open_screen(struct ui *ui)
{
    struct overview *s = mem_zalloc(sizeof *s);
    (void)ui;
    profile_table_init(&s->table, &s->list);
    return s;
}

static void close_screen(void *state)
{
    struct overview *s = state;
    table_fini(&s->table);
    free(s->list.rows);
    free(s->hosts);
    free(s);
}

static void update(void *state, struct ui *ui)
{
    struct overview *s = state;
    free(s->list.rows);
    free(s->hosts);
    s->list.rows = profile_rows(ui, &s->list.count);
    s->hosts = hosts_lines(ui, &s->host_count);
    table_update(&s->table);
    history_update(&s->history, ui, "", ui->span);
}

/* The sign of a daemon in the map. */
static const char *cell_of(const char *state, enum role *role)
{
    static const struct {
        const char *state, *utf8, *ascii;
        enum role role;
    } cells[] = {{"executing", "■", "#", ROLE_GOOD}, {"idle", "□", "o", ROLE_NORMAL},
        {"launching", "◌", "~", ROLE_BUSY}, {"setup", "◌", "~", ROLE_BUSY}, {"leaving", "▫", "-", ROLE_DIM},
        {"paused", "=", "=", ROLE_WARN}, {"away", "?", "?", ROLE_WARN}, {"lost", "×", "x", ROLE_BAD}};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        if (strcmp(cells[i].state, state) == 0) {
            *role = cells[i].role;
            return draw_sign(cells[i].utf8, cells[i].ascii);
        }
    *role = ROLE_DIM;
    return "?";
}

/* One cell a daemon of the host, of all profiles; returns how many there were. */
static int draw_cells(const struct ui *ui, const char *host, int y, int x, int cols)
{
    int n = 0;
    for (size_t p = 0; ui->engine && p < ui->engine->profile_count; p++) {
        const struct view_profile *v = &ui->engine->profiles[p];
        for (size_t d = 0; d < v->daemon_count; d++) {
            enum role role;
            if (strcmp(v->daemons[d].host, host) != 0)
                continue;
            if (n < cols)
                draw_text(y, x + n, 1, role = ROLE_NORMAL, cell_of(v->daemons[d].state, &role));
            if (n < cols && ui->engine_alive)
                draw_text(y, x + n, 1, role, cell_of(v->daemons[d].state, &role));
            n++;
        }
    }
    if (n > cols && cols > 0)
        draw_text(y, x + cols - 1, 1, ROLE_STRONG, "+");
    return n;
}

/* Hosts in columns: those that run something first, then by name. */
static void draw_map(const struct overview *s, const struct ui *ui, const struct rect *r)
{
    enum { CELL = 38, NAME = 12, STATE = 10 };
    int per_row = r->cols / CELL > 0 ? r->cols / CELL : 1, width = r->cols / per_row, place = 0,
        room = per_row * r->rows;
    size_t left = 0;
    if ((int)s->host_count > room)
        room--; /* the last place tells how many more there are */
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < s->host_count; i++) {
            const struct host_line *row = &s->hosts[i];
            char state[40];
            bool busy = row->daemons || row->link;
            if (busy != (pass == 0))
                continue;
            if (place >= room) {
                left++;
                continue;
            }
            int y = r->y + place / per_row, x = r->x + 1 + place % per_row * width;
            enum role role = host_line_state(row, state, sizeof state);
            draw_text(y, x, NAME, ROLE_NORMAL, row->name);
            draw_text(y, x + NAME + 1, STATE, role, state);
            draw_cells(ui, row->name, y, x + NAME + STATE + 2, width - NAME - STATE - 4);
            place++;
        }
    }
    if (left)
        draw_printf(
            r->y + r->rows - 1, r->x + 1 + (per_row - 1) * width, width, ROLE_DIM, "and %zu more: press 2", left);
    if (!s->host_count)
        draw_text(r->y, r->x + 2, r->cols - 4, ROLE_DIM, "No hosts yet: press 2, then a. This machine needs no entry.");
}

static void draw(void *state, struct ui *ui)
{
    struct overview *s = state;
    char title[200], rate[16];
    int body = ui->layout.rows - 4, profiles = (int)s->list.count + 1, map_rows, rule;
    double now = 0;
    struct rect above, graph, all = {2, 0, body, ui->layout.cols}, map;
    profiles = profiles < 6 ? 6 : profiles > body / 3 ? body / 3 : profiles;
    layout_split(&all, profiles, &above, &rule, &map);
    table_draw(&s->table, &above, true);
    int per_row = map.cols / 38 > 0 ? map.cols / 38 : 1;
    map_rows = ((int)s->host_count + per_row - 1) / per_row;
    map_rows = map_rows < 1 ? 1 : map_rows > map.rows / 2 - 1 ? map.rows / 2 - 1 : map_rows;
    if (rule >= 0) {
        snprintf(title, sizeof title, "hosts   %s busy  %s idle  = paused  %s launching  %s lost", draw_sign("■", "#"),
            draw_sign("□", "o"), draw_sign("◌", "~"), draw_sign("×", "x"));
        draw_rule(rule, 0, ui->layout.cols, title);
    }
    layout_split(&map, map_rows, &map, &rule, &graph);
    draw_map(s, ui, &map);
    if (rule < 0)
        return;
    for (size_t i = 0; ui->engine && i < ui->engine->profile_count; i++)
        now += ui->engine->profiles[i].rate;
    snprintf(title, sizeof title, "throughput of all, tasks/s, %s; now %s   v: span", span_text(ui->span),
        text_rate(rate, sizeof rate, now));
    draw_rule(rule, 0, ui->layout.cols, title);
    int alerts = ui->alert_count && graph.rows > 4 ? (ui->alert_count > 2 ? 2 : (int)ui->alert_count) : 0;
    graph.rows -= alerts;
    history_draw(&s->history, &graph);
    for (int i = 0; i < alerts; i++)
        draw_printf(graph.y + graph.rows + i, 1, ui->layout.cols - 2, ui->alerts[i].role, "! %s", ui->alerts[i].text);
}

static struct table *table(void *state)
{
    return &((struct overview *)state)->table;
}

static void enter(void *state, struct ui *ui)
{
    struct overview *s = state;
    size_t row = table_row(&s->table);
    if (row != SIZE_MAX)
        ui_go_to(ui, SCREEN_PROFILES, s->list.rows[row].name);
}

static char *json(void *state, struct ui *ui)
{
    struct overview *s = state;
    size_t row = table_row(&s->table);
    (void)ui;
    return row == SIZE_MAX ? NULL : mem_printf("{\"profile\":\"%s\"}", s->list.rows[row].name);
}

const struct screen screen_overview = {.name = "overview",
    .title = "Overview",
    .open = open_screen,
    .close = close_screen,
    .update = update,
    .draw = draw,
    .table = table,
    .list = table,
    .enter = enter,
    .json = json};

const struct profile_row *overview_here(struct ui *ui)
{
    struct overview *s = ui->state[SCREEN_OVERVIEW];
    size_t row = table_row(&s->table);
    return row == SIZE_MAX ? NULL : &s->list.rows[row];
}
