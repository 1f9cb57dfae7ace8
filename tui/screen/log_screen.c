/* The Log screen: the events of the store, the newest last. */
#include "tui/screen/log_screen.h"

#include "base/mem.h"
#include "tui/screen/dialog.h"
#include "tui/screen/ui.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COL_TIME, COL_LEVEL, COL_HOST, COL_PROFILE, COL_TEXT };

static const struct table_column columns[] = {
    [COL_TIME] = {"TIME", 8, 0, 0},
    [COL_LEVEL] = {"LEVEL", 7, 0, 0},
    [COL_HOST] = {"HOST", 12, 2, 0},
    [COL_PROFILE] = {"PROFILE", 10, 3, 0},
    [COL_TEXT] = {"EVENT", 24, 0, COLUMN_GROW},
};

struct log {
    struct table table;
    const struct store_event **rows;
    size_t count;
    enum log_level level; /* this or worse */
    char host[STORE_NAME_SIZE];
};

static size_t count(void *arg)
{
    return ((struct log *)arg)->count;
}

static uint64_t id(void *arg, size_t row)
{
    return (uint64_t)((struct log *)arg)->rows[row]->id;
}

static void cell(void *arg, size_t row, int column, struct table_cell *c)
{
    static const char *const levels[] = {". debug", "  info", "! warn", "! error"};
    const struct store_event *e = ((struct log *)arg)->rows[row];
    time_t at = (time_t)(e->at_us / 1000000);
    struct tm local;
    switch (column) {
    case COL_TIME:
        localtime_r(&at, &local);
        strftime(c->text, sizeof c->text, time(NULL) - at < 86400 ? "%H:%M:%S" : "%m-%d %H", &local);
        c->number = (double)e->at_us;
        c->numeric = true;
        break;
    case COL_LEVEL:
        snprintf(c->text, sizeof c->text, "%s", levels[e->level <= LOG_ERROR ? e->level : LOG_ERROR]);
        c->role = e->level == LOG_ERROR ? ROLE_BAD : e->level == LOG_WARN ? ROLE_WARN : ROLE_DIM;
        break;
    case COL_HOST: snprintf(c->text, sizeof c->text, "%s", e->host); break;
    case COL_PROFILE: snprintf(c->text, sizeof c->text, "%s", e->profile); break;
    default: snprintf(c->text, sizeof c->text, "%s", e->text);
    }
}

static void *open_screen(struct ui *ui)
{
    static const struct table_source source = {count, id, cell};
    static const char *const empty[] = {"There are no events, or none of this level and host.",
        "Launches, lost daemons, host keys and the like appear here.", NULL};
    struct log *s = mem_zalloc(sizeof *s);
    (void)ui;
    table_init(&s->table, columns, sizeof columns / sizeof *columns, &source, s, empty);
    s->table.follow = true;
    return s;
}

static void close_screen(void *state)
{
    struct log *s = state;
    table_fini(&s->table);
    free(s->rows);
    free(s);
}

static void update(void *state, struct ui *ui)
{
    struct log *s = state;
    size_t n = ui->store ? ui->store->events.count : 0;
    s->rows = mem_realloc(s->rows, (n + 1) * sizeof *s->rows);
    s->count = 0;
    for (size_t i = 0; i < n; i++) {
        const struct store_event *e = &ui->store->events.items[i];
        if (e->level >= s->level && (!*s->host || strcmp(e->host, s->host) == 0))
            s->rows[s->count++] = e;
    }
    table_update(&s->table);
}

static void draw(void *state, struct ui *ui)
{
    static const char *const levels[] = {"all levels", "info and above", "warnings and errors", "errors"};
    struct log *s = state;
    char title[200];
    size_t row = table_row(&s->table);
    if (s->table.follow && s->table.cursor + 1 < s->table.shown)
        s->table.follow = false; /* moved away from the end */
    ui->layout = layout_make(ui->layout.cols, ui->layout.rows, 3, false);
    table_draw(&s->table, &ui->layout.table, true);
    if (ui->layout.rule < 0)
        return;
    snprintf(title, sizeof title, "%s, %s%s, %s", levels[s->level], *s->host ? "host " : "all hosts", s->host,
        s->table.follow ? "following" : "f follows");
    draw_rule(ui->layout.rule, 0, ui->layout.cols, title);
    if (row == SIZE_MAX)
        return;
    const char *text = s->rows[row]->text; /* all of it, over the rows that there are */
    for (int i = 0; i < ui->layout.detail.rows && *text; i++) {
        size_t len = strcspn(text, "\n"), cols = (size_t)ui->layout.cols - 3;
        if (len > cols)
            len = cols;
        draw_printf(ui->layout.detail.y + i, 1, ui->layout.cols - 2, ROLE_NORMAL, "%.*s", (int)len, text);
        text += len + (text[len] == '\n');
    }
}

static struct table *table(void *state)
{
    return &((struct log *)state)->table;
}

/* "job 17 ..." names a job. */
static bool job_of(const char *text, char *out, size_t size)
{
    const char *at = strstr(text, "job ");
    if (!at || strspn(at + 4, "0123456789") == 0)
        return false;
    snprintf(out, size, "%.*s", (int)strspn(at + 4, "0123456789"), at + 4);
    return true;
}

static void enter(void *state, struct ui *ui)
{
    struct log *s = state;
    size_t row = table_row(&s->table);
    char job[24];
    if (row == SIZE_MAX)
        return;
    const struct store_event *e = s->rows[row];
    if (job_of(e->text, job, sizeof job))
        ui_go_to(ui, SCREEN_JOBS, job);
    else if (*e->host && view_host_find(ui->store, e->host))
        ui_go_to(ui, SCREEN_HOSTS, e->host);
    else if (*e->profile)
        ui_go_to(ui, SCREEN_PROFILES, e->profile);
    else
        dialog_page(ui, "event", e->text, strlen(e->text));
}

static char *json(void *state, struct ui *ui)
{
    struct log *s = state;
    size_t row = table_row(&s->table);
    (void)ui;
    if (row == SIZE_MAX)
        return NULL;
    const struct store_event *e = s->rows[row];
    json_t *o = json_pack("{s:I,s:i,s:s,s:s,s:s}", "at_us", (json_int_t)e->at_us, "level", (int)e->level, "host",
        e->host, "profile", e->profile, "text", e->text);
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

const struct screen screen_log = {.name = "log",
    .title = "Log",
    .open = open_screen,
    .close = close_screen,
    .update = update,
    .draw = draw,
    .table = table,
    .list = table,
    .enter = enter,
    .json = json};

void log_follow(struct ui *ui)
{
    struct log *s = ui->state[SCREEN_LOG];
    s->table.follow = !s->table.follow;
    table_update(&s->table);
    ui_say(ui, ROLE_NORMAL, s->table.follow ? "following: the newest event is shown" : "not following");
}

void log_level(struct ui *ui)
{
    struct log *s = ui->state[SCREEN_LOG];
    s->level = s->level == LOG_ERROR ? LOG_DEBUG : s->level + 1;
    ui->data_changed = true;
}

void log_host(struct ui *ui)
{
    struct log *s = ui->state[SCREEN_LOG];
    size_t row = table_row(&s->table);
    if (*s->host)
        s->host[0] = '\0';
    else if (row != SIZE_MAX && *s->rows[row]->host)
        snprintf(s->host, sizeof s->host, "%s", s->rows[row]->host);
    else
        ui_say(ui, ROLE_WARN, "host: this event belongs to no host");
    ui->data_changed = true;
}
