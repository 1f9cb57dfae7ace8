/* Forms for hosts: add and edit, the checklist of ~/.ssh/config, daemons on marked hosts. */
#include "tui/screen/hosts.h"

#include "base/mem.h"
#include "base/text.h"
#include "tui/cli/inventory.h"
#include "tui/cli/login_node.h"
#include "tui/screen/form.h"
#include "tui/screen/screen_request.h"
#include "tui/screen/term.h"

#include <curses.h>
#include <stdlib.h>
#include <string.h>

enum {
    F_NAME,
    F_ADDRESS,
    F_PORT,
    F_USER,
    F_LAUNCHER,
    F_JUMP,
    F_IDENTITY,
    F_TAGS,
    F_MAC,
    F_NOTE,
    F_DIRECT,
    F_ENABLED,
    F_COUNT
};

struct edited {
    struct ui *ui;
    char name[STORE_NAME_SIZE]; /* "": a new one */
};

struct saving {
    char name[STORE_NAME_SIZE];
    struct store_host host;
};

static const char *launcher_words[STORE_LAUNCHER_COUNT + 1] = {
#define X(name, word) word,
    STORE_LAUNCHER_TABLE(X)
#undef X
        NULL};

static enum clw_err check_name(const struct form *f, int field, struct clw_error *err)
{
    const struct edited *e = f->arg;
    const char *name = form_text(f, field);
    enum clw_err code = store_check_name("host", name, err);
    if (!code && strcmp(name, e->name) != 0 && view_host_find(e->ui->store, name))
        code = clw_fail(err, CLW_EXISTS, NULL, "the name is taken");
    return code;
}

static enum clw_err check_address(const struct form *f, int field, struct clw_error *err)
{
    const char *text = form_text(f, field);
    return *text ? store_check_address(text, err) : CLW_OK;
}

static enum clw_err check_port(const struct form *f, int field, struct clw_error *err)
{
    uint16_t port;
    const char *text = form_text(f, field);
    return *text ? store_parse_port(text, &port, err) : CLW_OK;
}

static enum clw_err check_user(const struct form *f, int field, struct clw_error *err)
{
    const char *text = form_text(f, field);
    return *text ? store_check_user(text, err) : CLW_OK;
}

static enum clw_err check_jump(const struct form *f, int field, struct clw_error *err)
{
    const char *text = form_text(f, field);
    return *text ? store_check_jump(text, err) : CLW_OK;
}

static enum clw_err check_mac(const struct form *f, int field, struct clw_error *err)
{
    char mac[STORE_MAC_SIZE];
    const char *text = form_text(f, field);
    return *text ? store_parse_mac(text, mac, err) : CLW_OK;
}

static void read_tags(const char *text, struct store_strings *tags)
{
    char tag[200];
    for (; *(text += strspn(text, " ,")); text += strcspn(text, " ,")) {
        snprintf(tag, sizeof tag, "%.*s", (int)strcspn(text, " ,"), text);
        store_strings_add(tags, tag);
    }
}

static void read_form(const struct form *f, struct store_host *h)
{
    store_host_init(h);
    snprintf(h->name, sizeof h->name, "%s", form_text(f, F_NAME));
    snprintf(h->address, sizeof h->address, "%s", form_text(f, F_ADDRESS));
    store_parse_port(form_text(f, F_PORT), &h->port, NULL);
    snprintf(h->user, sizeof h->user, "%s", form_text(f, F_USER));
    h->launcher = (enum store_launcher)f->fields[F_LAUNCHER].choice;
    h->jump = mem_strdup(form_text(f, F_JUMP));
    h->identity = mem_strdup(form_text(f, F_IDENTITY));
    h->note = mem_strdup(form_text(f, F_NOTE));
    snprintf(h->mac, sizeof h->mac, "%s", form_text(f, F_MAC));
    read_tags(form_text(f, F_TAGS), &h->tags);
    h->direct = form_is_set(f, F_DIRECT);
    h->enabled = form_is_set(f, F_ENABLED);
}

/* What the form does not show stays as it is. */
static void save_run(struct feed_work *w)
{
    struct saving *s = w->arg;
    struct store_host old;
    struct clw_error err;
    enum clw_err code;
    if (!*s->name) {
        login_node(w->store, &s->host);
        code = store_host_add(w->store, &s->host, &err);
    } else {
        code = store_host_get(w->store, s->name, &old, &err);
        if (!code) {
            bool was_command = old.launcher == STORE_LAUNCHER_COMMAND;
            free(s->host.directives); /* a command is no line for a scheduler */
            s->host.directives =
                mem_strdup(was_command == (s->host.launcher == STORE_LAUNCHER_COMMAND) ? old.directives : "");
            s->host.connect_timeout_s = old.connect_timeout_s;
            s->host.manners = old.manners;
            s->host.cache = mem_strdup(old.cache);
            store_host_fini(&old);
            if (strcmp(s->name, s->host.name) != 0)
                code = inventory_host_may_rename(s->name, &err);
        }
        if (!code)
            code = store_host_set(w->store, s->name, &s->host, &err);
    }
    if (code)
        feed_fail(w, &err);
}

/* "p probes it": so the cursor goes there. */
static void saved(struct feed_work *w, void *ui)
{
    struct saving *s = w->arg;
    ui_saved(ui, SCREEN_HOSTS);
    if (w->err.status) {
        ui_say_error(ui, "host", &w->err);
    } else {
        ui_cursor_on(ui, SCREEN_HOSTS, s->host.name);
        ui_say(ui, ROLE_GOOD, "%s is %s; p probes it", s->host.name, *s->name ? "saved" : "in the inventory");
    }
    store_host_fini(&s->host);
    free(s);
}

static bool save(struct ui *ui, struct form *f, char *why, size_t size)
{
    const struct edited *e = f->arg;
    struct saving *s = mem_zalloc(sizeof *s);
    struct clw_error err;
    read_form(f, &s->host);
    snprintf(s->name, sizeof s->name, "%s", e->name);
    if (store_host_check(&s->host, &err)) {
        snprintf(why, size, "%s%s%s", err.message, *err.hint ? "; " : "", err.hint);
        store_host_fini(&s->host);
        free(s);
        return false;
    }
    ui_saving(ui, SCREEN_HOSTS);
    feed_store(ui->feed, save_run, saved, s);
    return true;
}

static void hint(
    struct form_field *f, const char *text, enum clw_err (*check)(const struct form *, int, struct clw_error *))
{
    snprintf(f->hint, sizeof f->hint, "%s", text);
    f->check = check;
}

static void open_form(struct ui *ui, const struct store_host *h)
{
    static const struct form_type type = {.title = "Add host", .save = save, .release = free};
    struct edited *e = mem_zalloc(sizeof *e);
    char port[8] = "", tags[800] = "";
    e->ui = ui;
    if (h)
        snprintf(e->name, sizeof e->name, "%s", h->name);
    if (h && h->port)
        snprintf(port, sizeof port, "%u", h->port);
    for (size_t i = 0; h && i < h->tags.count; i++)
        snprintf(tags + strlen(tags), sizeof tags - strlen(tags), "%s%s", i ? ", " : "", h->tags.items[i]);
    struct form *f = form_new(&type, F_COUNT, e);
    if (h)
        snprintf(f->title, sizeof f->title, "Edit host %s", h->name);
    hint(form_add(f, FORM_TEXT, "Name *", h ? h->name : ""), "any name you like", check_name);
    hint(form_add(f, FORM_TEXT, "Address", h ? h->address : ""), "empty: its name (~/.ssh/config)", check_address);
    hint(form_add(f, FORM_TEXT, "Port", port), "empty: 22, or ~/.ssh/config", check_port);
    hint(form_add(f, FORM_TEXT, "User", h ? h->user : ""), "empty: yours, or ~/.ssh/config", check_user);
    form_add(f, FORM_CHOICE, "Launcher", "")->choices = launcher_words;
    f->fields[F_LAUNCHER].choice = h ? (int)h->launcher : 0;
    hint(&f->fields[F_LAUNCHER], "how daemons are started there", NULL);
    hint(form_add(f, FORM_TEXT, "Jump host", h ? h->jump : ""), "empty: none", check_jump);
    hint(form_add(f, FORM_TEXT, "Key file", h ? h->identity : ""), "empty: agent and usual keys", NULL);
    hint(form_add(f, FORM_TEXT, "Tags", tags), "rack2, gpu", NULL);
    hint(form_add(f, FORM_TEXT, "MAC", h ? h->mac : ""), "to wake it; empty: as probed", check_mac);
    hint(form_add(f, FORM_TEXT, "Note", h ? h->note : ""), "", NULL);
    form_add(f, FORM_CHECK, "Direct (TLS)", "")->choice = h && h->direct;
    hint(&f->fields[F_DIRECT], "no tunnel: it must reach this machine", NULL);
    form_add(f, FORM_CHECK, "Enabled", "")->choice = !h || h->enabled;
    form_open(ui, f);
}

void hosts_add(struct ui *ui)
{
    open_form(ui, NULL);
}

void hosts_edit(struct ui *ui)
{
    const struct host_line *row = hosts_here(ui);
    if (row)
        open_form(ui, row->host);
}

/* ---- daemons on the marked hosts ---- */

static bool launch_save(struct ui *ui, struct form *f, char *why, size_t size)
{
    char **names = f->arg, doing[120];
    struct clw_error err = {0};
    int64_t n;
    json_t *o = request_up(form_text(f, 0)), *on = json_object();
    bool ok = true;
    for (int i = 1; ok && i < f->count; i++) {
        const char *text = form_text(f, i);
        ok = !*text || text_parse_int(text, 0, STORE_DAEMONS_MAX, &n, &err) == CLW_OK;
        if (ok && *text)
            json_object_set_new(on, names[i - 1], json_integer(n));
    }
    if (ok && !json_object_size(on))
        ok = clw_fail(&err, CLW_USAGE, NULL, "give the number of daemons") == CLW_OK;
    if (!ok)
        snprintf(why, size, "%s", err.message);
    json_object_set_new(o, "on", on);
    if (!ok) {
        json_decref(o);
        return false;
    }
    snprintf(doing, sizeof doing, "up %s", form_text(f, 0));
    screen_request(ui, o, true, -1, doing, "all daemons are connected");
    ui_say(ui, ROLE_NORMAL, "%s: launching ...", doing);
    return true;
}

static enum clw_err check_profile(const struct form *f, int field, struct clw_error *err)
{
    return store_check_name("profile", form_text(f, field), err);
}

void hosts_launch(struct ui *ui)
{
    static const struct form_type type = {
        .title = "Launch daemons", .save = launch_save, .release = free, .save_label = "Launch"};
    size_t n, rows;
    char **names = hosts_chosen(ui, &n), gpus[80];
    struct host_line *all = hosts_lines(ui, &rows);
    struct form *f = form_new(&type, (int)n + 1, names);
    hint(form_add(f, FORM_TEXT, "Profile *",
             ui->store && ui->store->profiles.count ? ui->store->profiles.items[0].name : "default"),
        "a new profile is made", check_profile);
    for (size_t i = 0; i < n; i++) {
        struct form_field *field = form_add(f, FORM_TEXT, names[i], "");
        field->cols = 6;
        for (size_t k = 0; k < rows; k++)
            if (all[k].host && strcmp(all[k].name, names[i]) == 0) {
                host_gpu_text(all[k].host, gpus, sizeof gpus);
                snprintf(field->hint, sizeof field->hint, "daemons; %u core%s, GPU %.30s, %u run now",
                    all[k].facts->cores, text_plural(all[k].facts->cores), gpus, all[k].daemons);
            }
    }
    free(all);
    form_open(ui, f);
}

/* ---- import ---- */

static const struct table_column import_columns[] = {
    {"HOST", 16, 0, COLUMN_GROW}, {"TARGET", 24, 0, COLUMN_GROW}, {"JUMP", 12, 2, COLUMN_GROW}, {"HERE", 10, 1, 0}};

struct import {
    struct ui *ui;
    struct table table;
    json_t *list;
};

static const char *word(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

static size_t import_count(void *arg)
{
    return json_array_size(((struct import *)arg)->list);
}

static uint64_t import_id(void *arg, size_t row)
{
    return table_hash(word(json_array_get(((struct import *)arg)->list, row), "name"));
}

static void import_cell(void *arg, size_t row, int column, struct table_cell *c)
{
    struct import *m = arg;
    const json_t *o = json_array_get(m->list, row);
    bool here = view_host_find(m->ui->store, word(o, "name")) != NULL;
    long port = (long)json_integer_value(json_object_get(o, "port"));
    if (here)
        c->role = ROLE_DIM;
    if (column == 0)
        snprintf(c->text, sizeof c->text, "%s", word(o, "name"));
    else if (column == 1)
        snprintf(c->text, sizeof c->text, "%s%s%s:%ld", word(o, "user"), *word(o, "user") ? "@" : "",
            word(o, "address"), port ? port : 22);
    else
        snprintf(c->text, sizeof c->text, "%s", column == 2 ? word(o, "jump") : here ? "exists already" : "");
}

static void import_free(void *state)
{
    struct import *m = state;
    table_fini(&m->table);
    json_decref(m->list);
    free(m);
}

/* Only the names go in: the rest stays in ~/.ssh/config, which is read at each login. */
static void import_run(struct feed_work *w)
{
    struct clw_error err;
    for (char **name = w->arg; *name; name++) {
        struct store_host h;
        store_host_init(&h);
        snprintf(h.name, sizeof h.name, "%s", *name);
        enum clw_err code = store_host_add(w->store, &h, &err);
        store_host_fini(&h);
        if (code && code != CLW_EXISTS) {
            feed_fail(w, &err);
            return;
        }
    }
}

static void imported(struct feed_work *w, void *ui)
{
    char **names = w->arg;
    ui_saved(ui, SCREEN_HOSTS);
    if (w->err.status) {
        ui_say_error(ui, "import", &w->err);
    } else if (names[0]) {
        ui_cursor_on(ui, SCREEN_HOSTS, names[0]);
        ui_say(ui, ROLE_GOOD, "the hosts are in the inventory; * and p probe them all");
    }
    free(names);
}

static void import_key(struct ui *ui, void *state, int key)
{
    struct import *m = state;
    size_t n, *rows;
    switch (key) {
    case TERM_ESC: ui_close(ui, m); return;
    case ' ': table_mark(&m->table); return;
    case '*': table_mark_all(&m->table); return;
    case 'U': table_mark_none(&m->table); return;
    case '\r':
    case '\n':
    case TERM_KEY(KEY_ENTER): break;
    default: table_key(&m->table, key); return;
    }
    rows = table_chosen(&m->table, &n);
    char **names = mem_zalloc((n + 1) * (sizeof *names + STORE_NAME_SIZE)), *text = (char *)(names + n + 1);
    for (size_t i = 0; i < n; i++) {
        names[i] = text + i * STORE_NAME_SIZE;
        snprintf(names[i], STORE_NAME_SIZE, "%s", word(json_array_get(m->list, rows[i]), "name"));
    }
    free(rows);
    ui_saving(ui, SCREEN_HOSTS);
    feed_store(ui->feed, import_run, imported, names);
    ui_close(ui, m);
}

static void import_draw(struct ui *ui, void *state)
{
    struct import *m = state;
    (void)ui;
    struct rect r = layout_center(COLS, LINES - 1, COLS < 84 ? COLS : 80, LINES - 4);
    struct rect inside = {r.y + 1, r.x + 1, r.rows - 2, r.cols - 2};
    draw_box(&r, "Hosts in ~/.ssh/config");
    table_draw(&m->table, &inside, true);
}

static void config_came(struct feed_work *w, void *arg)
{
    static const struct table_source source = {import_count, import_id, import_cell};
    static const char *const empty[] = {"No hosts in ~/.ssh/config.", "a adds one by its address.", NULL};
    static const struct overlay_type type = {.draw = import_draw,
        .key = import_key,
        .free = import_free,
        .footer = "Space mark  * all  U none  Enter add the marked hosts  Esc cancel"};
    struct ui *ui = arg;
    if (w->err.status) {
        ui_say_error(ui, "import", &w->err);
        return;
    }
    json_t *o = json_loads(w->reply, 0, NULL);
    struct import *m = mem_zalloc(sizeof *m);
    m->ui = ui;
    m->list = json_incref(json_object_get(o, "hosts"));
    json_decref(o);
    table_init(&m->table, import_columns, 4, &source, m, empty);
    table_update(&m->table);
    ui_push(ui, &type, m);
}

void hosts_import(struct ui *ui)
{
    ui_say(ui, ROLE_NORMAL, "reading ~/.ssh/config ...");
    request_ask(ui, json_pack("{s:s}", "op", "ssh_config"), true, 10000, config_came, NULL);
}
