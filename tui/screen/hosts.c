/* The Hosts screen: rows out of the inventory, the links and the profiles. */
#include "tui/screen/hosts.h"

#include "base/mem.h"
#include "tui/screen/host_trend.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { DETAIL_ROWS = 9 };

struct hosts {
    struct table table;
    struct host_line *rows;
    size_t count;
    struct host_trend trend;
};

static void cell(void *arg, size_t at, int column, struct table_cell *c)
{
    host_cell(&((const struct hosts *)arg)->rows[at], column, c);
}

static size_t count(void *arg)
{
    return ((struct hosts *)arg)->count;
}

static uint64_t id(void *arg, size_t row)
{
    return table_hash(((struct hosts *)arg)->rows[row].name);
}

/* ---- the screen ---- */

static void *open_screen(struct ui *ui)
{
    static const struct table_source source = {count, id, cell};
    static const char *const empty[] = {"No hosts yet. Three ways to begin:", "  a  add one by its name or address",
        "  i  choose from ~/.ssh/config", "  :  host add NAME user@address:port",
        "This machine needs no entry: daemons on it are started on the Profiles screen (3).", NULL};
    struct hosts *s = mem_zalloc(sizeof *s);
    (void)ui;
    table_init(&s->table, host_columns, HOST_COLUMNS, &source, s, empty);
    s->table.sort = HOST_NAME;
    return s;
}

static void close_screen(void *state)
{
    struct hosts *s = state;
    table_fini(&s->table);
    free(s->rows);
    free(s);
}

struct host_line *hosts_lines(const struct ui *ui, size_t *count_out)
{
    return host_lines(&(struct views){ui->engine, ui->links, ui->store}, count_out);
}

static void update(void *state, struct ui *ui)
{
    struct hosts *s = state;
    free(s->rows);
    s->rows = hosts_lines(ui, &s->count);
    table_update(&s->table);
}

static void draw(void *state, struct ui *ui)
{
    struct hosts *s = state;
    size_t row = table_row(&s->table);
    ui->layout = layout_make(ui->layout.cols, ui->layout.rows, row == SIZE_MAX ? 0 : DETAIL_ROWS, false);
    table_draw(&s->table, &ui->layout.table, true);
    if (ui->layout.rule >= 0 && row != SIZE_MAX) {
        host_trend_update(&s->trend, ui, s->rows[row].name);
        draw_rule(ui->layout.rule, 0, ui->layout.cols, s->rows[row].name);
        hosts_draw_detail(ui, &s->rows[row], &s->trend, &ui->layout.detail);
    }
}

static struct table *table(void *state)
{
    return &((struct hosts *)state)->table;
}

/* Enter: what runs there, on the profile's own screen. */
static void enter(void *state, struct ui *ui)
{
    struct hosts *s = state;
    size_t at = table_row(&s->table);
    for (size_t p = 0; at != SIZE_MAX && ui->engine && p < ui->engine->profile_count; p++)
        for (size_t h = 0; h < ui->engine->profiles[p].host_count; h++)
            if (strcmp(ui->engine->profiles[p].hosts[h].host, s->rows[at].name) == 0) {
                ui_go_to(ui, SCREEN_PROFILES, ui->engine->profiles[p].name);
                return;
            }
    if (at != SIZE_MAX && s->rows[at].link && s->rows[at].link->has_key)
        hosts_trust(ui);
    else if (at != SIZE_MAX && s->rows[at].link && s->rows[at].link->has_prompt)
        hosts_unlock(ui);
    else if (at != SIZE_MAX)
        ui_say(ui, ROLE_NORMAL, "%s: nothing runs there; L launches daemons, e edits", s->rows[at].name);
}

static char *json(void *state, struct ui *ui)
{
    struct hosts *s = state;
    size_t at = table_row(&s->table);
    char text[400];
    (void)ui;
    if (at == SIZE_MAX)
        return NULL;
    const struct host_line *row = &s->rows[at];
    host_line_state(row, text, sizeof text);
    json_t *facts = row->host && row->host->facts ? json_loads(row->host->facts, 0, NULL) : NULL;
    json_t *o = json_pack(
        "{s:s,s:s,s:i,s:o*}", "name", row->name, "state", text + 2, "daemons", (int)row->daemons, "facts", facts);
    if (row->host)
        json_object_set_new(o, "address", json_string(row->host->address));
    char *out = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return out;
}

const struct screen screen_hosts = {.name = "hosts",
    .title = "Hosts",
    .open = open_screen,
    .close = close_screen,
    .update = update,
    .draw = draw,
    .table = table,
    .list = table,
    .enter = enter,
    .json = json};

const struct host_line *hosts_here(struct ui *ui)
{
    struct hosts *s = ui->state[SCREEN_HOSTS];
    size_t row = table_row(&s->table);
    return row != SIZE_MAX && s->rows[row].host ? &s->rows[row] : NULL;
}

const char *hosts_no_host(struct ui *ui)
{
    struct hosts *s = ui->state[SCREEN_HOSTS];
    if (!s->table.shown)
        return "there is no host here; a adds one";
    return hosts_here(ui) || s->table.mark_count ? NULL : "this machine is not in the inventory and needs no login";
}

char **hosts_chosen(struct ui *ui, size_t *count_out)
{
    struct hosts *s = ui->state[SCREEN_HOSTS];
    size_t n, out = 0, *rows = table_chosen(&s->table, &n);
    char **names = mem_zalloc((n + 1) * (sizeof *names + STORE_NAME_SIZE)), *text = (char *)(names + n + 1);
    for (size_t i = 0; i < n; i++) {
        if (!s->rows[rows[i]].host)
            continue;
        names[out] = text + out * STORE_NAME_SIZE;
        snprintf(names[out++], STORE_NAME_SIZE, "%s", s->rows[rows[i]].name);
    }
    free(rows);
    *count_out = out;
    return names;
}
