/* The Hosts screen: rows out of the inventory, the links and the profiles. */
#include "tui/screen/hosts.h"

#include "base/mem.h"
#include "base/text.h"
#include "tui/screen/host_trend.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
    COL_STATE,
    COL_HOST,
    COL_ADDRESS,
    COL_DAEMONS,
    COL_CORES,
    COL_LOAD,
    COL_MEM,
    COL_GPU,
    COL_RTT,
    COL_TAGS,
    COL_NOTE
};
enum { DETAIL_ROWS = 9 };

static const struct table_column columns[] = {
    [COL_STATE] = {"STATE", 9, 0, false, false},
    [COL_HOST] = {"HOST", 12, 0, false, true},
    [COL_ADDRESS] = {"ADDRESS", 16, 2, false, true},
    [COL_DAEMONS] = {"DAEMONS", 7, 1, true, false},
    [COL_CORES] = {"CORES", 5, 3, true, false},
    [COL_LOAD] = {"LOAD", 5, 4, true, false},
    [COL_MEM] = {"MEM", 5, 5, true, false},
    [COL_GPU] = {"GPU", 8, 3, false, false},
    [COL_RTT] = {"RTT", 7, 6, true, false},
    [COL_TAGS] = {"TAGS", 12, 7, false, true},
    [COL_NOTE] = {"NOTE", 16, 9, false, true},
};

struct hosts {
    struct table table;
    struct host_line *rows;
    size_t count;
    struct host_trend trend;
};

static int by_name(const void *key, const void *row)
{
    return strcmp(key, ((const struct host_line *)row)->name);
}

static struct host_line *find(struct host_line *rows, size_t count, const char *name)
{
    return count ? bsearch(name, rows, count, sizeof *rows, by_name) : NULL;
}

/* What profiles have on each host. */
static void add_profiles(const struct ui *ui, struct host_line *rows, size_t count, struct host_line *local)
{
    for (size_t i = 0; ui->engine && i < ui->engine->profile_count; i++) {
        const struct view_profile *p = &ui->engine->profiles[i];
        for (size_t h = 0; h < p->host_count; h++) {
            bool here = strcmp(p->hosts[h].host, "local") == 0;
            struct host_line *row = here ? local : find(rows, count, p->hosts[h].host);
            if (!row)
                continue;
            row->name = here ? "local" : row->name;
            row->daemons += p->hosts[h].daemons;
            row->live = &p->hosts[h];
            row->load = p->hosts[h].load;
        }
        for (size_t d = 0; d < p->daemon_count; d++) {
            bool busy = strcmp(p->daemons[d].state, "executing") == 0;
            if (!busy && strcmp(p->daemons[d].state, "paused") != 0)
                continue;
            struct host_line *row =
                strcmp(p->daemons[d].host, "local") == 0 ? local : find(rows, count, p->daemons[d].host);
            if (row)
                ++*(busy ? &row->busy : &row->paused);
        }
    }
}

struct host_line *hosts_rows(const struct ui *ui, size_t *count)
{
    size_t n = ui->store ? ui->store->hosts.count : 0;
    struct host_line *rows = mem_zalloc((n + 1) * sizeof *rows), local = {.load = -1};
    for (size_t i = 0; i < n; i++) {
        rows[i].host = &ui->store->hosts.items[i];
        rows[i].facts = &ui->store->facts[i];
        rows[i].name = rows[i].host->name;
        rows[i].load = rows[i].facts->load1;
    }
    for (size_t i = 0; ui->links && i < ui->links->link_count; i++) {
        struct host_line *row = find(rows, n, ui->links->links[i].host);
        if (row)
            row->link = &ui->links->links[i];
    }
    add_profiles(ui, rows, n, &local);
    if (local.name)
        rows[n++] = local;
    *count = n;
    return rows;
}

enum role hosts_state(const struct host_line *row, char *out, size_t size)
{
    static const struct {
        const char *state, *shown;
        enum role role;
    } words[] = {{"up", "+ up", ROLE_GOOD}, {"idle", ". idle", ROLE_DIM}, {"down", "- down", ROLE_WARN},
        {"backoff", "- retry", ROLE_WARN}, {"refused", "! refused", ROLE_BAD}, {"needs-secret", "! secret", ROLE_BAD},
        {"quarantined", "! resting", ROLE_BAD}};
    const char *state = row->link ? row->link->state : "";
    if (row->daemons && row->paused == row->daemons) {
        snprintf(out, size, "= paused");
        return ROLE_WARN;
    }
    if (!row->host) {
        snprintf(out, size, "+ up");
        return ROLE_GOOD;
    }
    if (row->link && row->link->has_key) {
        snprintf(out, size, "! key");
        return ROLE_BAD;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i].state, state) == 0) {
            snprintf(out, size, "%s", words[i].shown);
            return words[i].role;
        }
    }
    if (*state) {
        snprintf(out, size, "~ %s", state);
        return ROLE_BUSY;
    }
    if (!row->host->enabled)
        snprintf(out, size, "x off");
    else if (*row->host->state)
        snprintf(out, size, ". %s", row->host->state);
    else
        snprintf(out, size, row->host->facts ? ". known" : ". new");
    return ROLE_DIM;
}

void hosts_gpu_text(const struct store_host *h, char *out, size_t size)
{
    static const char *const makers[] = {"NVIDIA ", "AMD ", "Intel ", "GeForce ", "Tesla ", "Radeon "};
    if (!h || !h->gpu_count) {
        snprintf(out, size, "-");
        return;
    }
    const char *name = h->gpus[0].name;
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
        if (strncmp(name, makers[i], strlen(makers[i])) == 0)
            name += strlen(makers[i]);
    snprintf(out, size, "%zux%.*s", h->gpu_count, (int)strcspn(name, "-"), name);
}

static void number_cell(struct table_cell *c, double number, bool known, const char *text)
{
    c->number = number;
    c->numeric = known;
    snprintf(c->text, sizeof c->text, "%s", known ? text : "-");
    if (!known)
        c->role = ROLE_DIM;
}

static void address_text(const struct host_line *row, char *out, size_t size)
{
    const struct store_host *h = row->host;
    if (!h) {
        snprintf(out, size, "this machine");
        return;
    }
    snprintf(out, size, "%s%s%s", h->user, *h->user ? "@" : "", *h->address ? h->address : h->name);
    size_t used = strlen(out);
    if (h->port)
        snprintf(out + used, size - used, ":%u", h->port);
    used = strlen(out);
    if (*h->jump)
        snprintf(out + used, size - used, " via %s", h->jump);
    else if (h->launcher != STORE_LAUNCHER_SSH)
        snprintf(out + used, size - used, " (%s)", store_launcher_text(h->launcher));
}

static void tags_text(const struct host_line *row, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; row->host && i < row->host->tags.count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? "," : "", row->host->tags.items[i]);
}

static void cell(void *arg, size_t at, int column, struct table_cell *c)
{
    const struct hosts *s = arg;
    const struct host_line *row = &s->rows[at];
    const struct view_facts *f = row->facts;
    uint64_t rtt = row->link && row->link->rtt_us ? row->link->rtt_us : f ? f->rtt_us : 0;
    uint64_t mem = row->live && row->live->memory ? row->live->memory : f ? f->mem_total : 0;
    char text[40];
    switch (column) {
    case COL_STATE: c->role = hosts_state(row, c->text, sizeof c->text); break;
    case COL_HOST: snprintf(c->text, sizeof c->text, "%s", row->name); break;
    case COL_ADDRESS: address_text(row, c->text, sizeof c->text); break;
    case COL_DAEMONS:
        snprintf(text, sizeof text, "%u/%u", row->busy, row->daemons);
        number_cell(c, row->daemons, row->daemons > 0, text);
        break;
    case COL_CORES:
        snprintf(text, sizeof text, "%u", f ? f->cores : 0);
        number_cell(c, f ? f->cores : 0, f && f->cores, text);
        break;
    case COL_LOAD:
        snprintf(text, sizeof text, "%.1f", row->load);
        number_cell(c, row->load, row->load >= 0, text);
        if (f && f->cores && row->load > f->cores)
            c->role = ROLE_WARN;
        break;
    case COL_MEM: number_cell(c, (double)mem, mem > 0, text_bytes(text, sizeof text, mem)); break;
    case COL_GPU:
        hosts_gpu_text(row->host, c->text, sizeof c->text);
        c->number = row->host ? (double)row->host->gpu_count : 0;
        c->numeric = true;
        break;
    case COL_RTT:
        snprintf(text, sizeof text, "%.1fms", (double)rtt / 1000);
        number_cell(c, (double)rtt / 1e6, rtt > 0, text);
        break;
    case COL_TAGS: tags_text(row, c->text, sizeof c->text); break;
    default: snprintf(c->text, sizeof c->text, "%s", row->host ? row->host->note : "");
    }
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
    table_init(&s->table, columns, sizeof columns / sizeof *columns, &source, s, empty);
    s->table.sort = COL_HOST;
    return s;
}

static void close_screen(void *state)
{
    struct hosts *s = state;
    table_fini(&s->table);
    free(s->rows);
    free(s);
}

static void update(void *state, struct ui *ui)
{
    struct hosts *s = state;
    free(s->rows);
    s->rows = hosts_rows(ui, &s->count);
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
    hosts_state(row, text, sizeof text);
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
