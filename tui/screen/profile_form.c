/* The form of a profile: its settings, and a picker with what each host has. The number of daemons is the user's. */
#include "tui/screen/profiles.h"

#include "base/mem.h"
#include "base/text.h"
#include "tui/screen/child.h"
#include "tui/screen/form.h"
#include "tui/screen/hosts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { F_NAME, FIXED_MAX = STORE_SETTINGS_COUNT + 16 }; /* FIXED_MAX: all fields but those of hosts */

/* Which field is which. Those of settings have their row. */
struct edited {
    struct ui *ui;
    bool is_new;
    int env, setup, runtime, base, command, local, hosts; /* hosts: the first of them */
    const struct store_setting_row *rows[FIXED_MAX];
    size_t count;
    char (*names)[STORE_NAME_SIZE];
};

struct saving {
    struct store_profile profile;
    unsigned local;
};

static enum clw_err check_name(const struct form *f, int field, struct clw_error *err)
{
    const struct edited *e = f->arg;
    enum clw_err code = store_check_name("profile", form_text(f, field), err);
    if (!code && e->is_new && view_profile_saved(e->ui->store, form_text(f, field)))
        code = clw_fail(err, CLW_EXISTS, NULL, "the name is taken");
    return code;
}

static enum clw_err check_setting(const struct form *f, int field, struct clw_error *err)
{
    const struct edited *e = f->arg;
    struct store_settings any;
    return *form_text(f, field) ? store_row_parse(e->rows[field], form_text(f, field), &any, err) : CLW_OK;
}

static enum clw_err check_daemons(const struct form *f, int field, struct clw_error *err)
{
    int64_t n;
    return *form_text(f, field) ? text_parse_int(form_text(f, field), 0, STORE_DAEMONS_MAX, &n, err) : CLW_OK;
}

static enum clw_err check_words(const struct form *f, int field, struct clw_error *err)
{
    const struct edited *e = f->arg;
    size_t n;
    enum clw_err code = CLW_OK;
    char **words = child_split(form_text(f, field), &n);
    if (!words)
        return clw_fail(err, CLW_USAGE, NULL, "a quote is not closed");
    for (size_t i = 0; field == e->env && !code && i < n; i++)
        code = store_check_env(words[i], err);
    free(words);
    return code;
}

static int64_t number_of(const struct form *f, int field)
{
    int64_t n = 0;
    return text_parse_int(form_text(f, field), 0, INT64_MAX, &n, NULL) == CLW_OK ? n : 0;
}

static void read_words(const struct form *f, struct store_profile *p)
{
    const struct edited *e = f->arg;
    size_t n;
    char **words = child_split(form_text(f, e->env), &n);
    for (size_t i = 0; words && i < n; i++)
        store_strings_add(&p->env, words[i]);
    free(words);
    words = child_split(form_text(f, e->setup), &n);
    if (words && n)
        store_profile_setup_add(p, (const char *const *)(uintptr_t)words, n);
    free(words);
}

/* An empty field is the default. */
static void read_settings(const struct form *f, struct store_settings *set)
{
    const struct edited *e = f->arg;
    for (int i = 0; i < FIXED_MAX; i++) {
        const struct store_setting_row *row = e->rows[i];
        if (row && row->type == STORE_TYPE_FLAG)
            store_row_set(row, set, form_is_set(f, i));
        else if (row && *form_text(f, i))
            store_row_parse(row, form_text(f, i), set, NULL);
    }
}

static void read_runtime(const struct form *f, struct store_profile *p)
{
    const struct edited *e = f->arg;
    size_t n;
    p->runtime = (enum store_runtime)f->fields[e->runtime].choice;
    p->base_url = mem_strdup(form_text(f, e->base));
    char **words = child_split(form_text(f, e->command), &n);
    for (size_t i = 0; words && i < n && p->runtime == STORE_RUNTIME_COMMAND; i++)
        store_strings_add(&p->command, words[i]);
    free(words);
}

static void read_form(const struct form *f, struct saving *s)
{
    const struct edited *e = f->arg;
    struct store_profile *p = &s->profile;
    const struct store_profile *old = view_profile_saved(e->ui->store, form_text(f, F_NAME));
    store_profile_init(p);
    snprintf(p->name, sizeof p->name, "%s", form_text(f, F_NAME));
    read_settings(f, &p->set);
    read_words(f, p);
    read_runtime(f, p);
    if (old) { /* not in the form */
        store_strings_copy(&p->options, &old->options);
        for (size_t i = 1; i < old->setup_count; i++)
            store_profile_setup_add(p, (const char *const *)(uintptr_t)old->setup[i].items, old->setup[i].count);
    }
    s->local = (unsigned)number_of(f, e->local);
    p->hosts = mem_zalloc((e->count + 1) * sizeof *p->hosts);
    for (size_t i = 0; i < e->count; i++) {
        int64_t n = number_of(f, e->hosts + (int)i);
        if (!n && !(p->set.per_gpu && *form_text(f, e->hosts + (int)i)))
            continue;
        struct store_profile_host *h = &p->hosts[p->host_count++];
        snprintf(h->host, sizeof h->host, "%s", e->names[i]);
        h->daemons = (unsigned)n;
    }
}

static void save_run(struct feed_work *w)
{
    struct saving *s = w->arg;
    struct store_profile now;
    struct clw_error err;
    bool wanted = false;
    enum clw_err code = store_begin(w->store, &err);
    if (!code) {
        code = store_profile_set(w->store, &s->profile, &err);
        if (!code)
            code = store_profile_hosts_set(w->store, s->profile.name, s->profile.hosts, s->profile.host_count, &err);
        if (!code && store_profile_get(w->store, s->profile.name, &now, NULL) == CLW_OK) {
            wanted = now.wanted;
            store_profile_fini(&now);
        }
        if (!code)
            code = store_profile_want(w->store, s->profile.name, s->local, wanted, &err);
        if (code)
            store_rollback(w->store);
        else
            code = store_commit(w->store, &err);
    }
    if (code)
        feed_fail(w, &err);
}

static void saved(struct feed_work *w, void *arg)
{
    struct saving *s = w->arg;
    struct ui *ui = arg;
    const struct view_profile *live = view_profile_find(ui->engine, s->profile.name);
    ui_saved(ui, SCREEN_OVERVIEW);
    ui_saved(ui, SCREEN_PROFILES);
    if (w->err.status) {
        ui_say_error(ui, "profile", &w->err);
    } else {
        ui_cursor_on(ui, SCREEN_OVERVIEW, s->profile.name);
        ui_cursor_on(ui, SCREEN_PROFILES, s->profile.name);
        ui_say(ui, ROLE_GOOD, "%s is saved; u %s", s->profile.name,
            live && live->wanted ? "makes the running daemons follow" : "brings its daemons up");
    }
    store_profile_fini(&s->profile);
    free(s);
}

static bool save(struct ui *ui, struct form *f, char *why, size_t size)
{
    struct saving *s = mem_zalloc(sizeof *s);
    struct clw_error err;
    read_form(f, s);
    if (store_profile_check(&s->profile, &err)) {
        snprintf(why, size, "%s%s%s", err.message, *err.hint ? "; " : "", err.hint);
        store_profile_fini(&s->profile);
        free(s);
        return false;
    }
    ui_saving(ui, SCREEN_OVERVIEW);
    ui_saving(ui, SCREEN_PROFILES);
    feed_store(ui->feed, save_run, saved, s);
    return true;
}

static void release(void *arg)
{
    struct edited *e = arg;
    free(e->names);
    free(e);
}

static struct form_field *text(struct form *f, const char *label, const char *value, const char *hint,
    enum clw_err (*check)(const struct form *, int, struct clw_error *))
{
    struct form_field *field = form_add(f, FORM_TEXT, label, value);
    snprintf(field->hint, sizeof field->hint, "%s", hint);
    field->check = check;
    return field;
}

/* Words as child_split() reads them back. */
static void join(const struct store_strings *list, char *out, size_t size)
{
    size_t w = 0;
    for (size_t i = 0; i < list->count && w + 3 < size; i++) {
        w += (size_t)snprintf(out + w, size - w, "%s'", i ? " " : "");
        for (const char *at = list->items[i]; *at && w + 6 < size; at++)
            w += (size_t)snprintf(out + w, size - w, *at == '\'' ? "'\\''" : "%c", *at);
        w += (size_t)snprintf(out + w, size - w, "'");
    }
}

static void add_section(struct form *f, const struct store_settings *set, enum store_form section)
{
    struct edited *e = f->arg;
    char value[HOURS_SIZE];
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++) {
        if (row->form.section != section)
            continue;
        e->rows[f->count] = row;
        if (row->type == STORE_TYPE_FLAG) {
            struct form_field *field = form_add(f, FORM_CHECK, row->form.label, "");
            field->choice = store_row_number(row, set) != 0;
            snprintf(field->hint, sizeof field->hint, "%s", row->form.hint);
        } else {
            store_row_write(row, set, value, sizeof value);
            text(f, row->form.label, value, row->form.hint, check_setting);
        }
    }
}

static void add_settings(struct form *f, const struct store_profile *p)
{
    struct edited *e = f->arg;
    struct store_settings none;
    char env[EDIT_SIZE] = "", setup[EDIT_SIZE] = "";
    store_settings_init(&none);
    const struct store_settings *set = p ? &p->set : &none;
    if (p)
        join(&p->env, env, sizeof env);
    if (p && p->setup_count)
        join(&p->setup[0], setup, sizeof setup);
    text(f, "Name *", p ? p->name : "", "as in clowder map -p NAME", check_name);
    add_section(f, set, STORE_FORM_TOP);
    e->env = f->count;
    text(f, "Environment", env, "K=V K='a b', for its tasks", check_words);
    e->setup = f->count;
    text(f, "Set-up", setup, "a command, once per daemon", check_words);
    add_section(f, set, STORE_FORM_LIMITS);
    add_section(f, set, STORE_FORM_MANNERS);
}

static void add_runtime(struct form *f, const struct store_profile *p)
{
    static const char *const runtimes[] = {
#define X(name, word) word,
        STORE_RUNTIME_TABLE(X)
#undef X
            NULL};
    struct edited *e = f->arg;
    char command[EDIT_SIZE] = "";
    if (p)
        join(&p->command, command, sizeof command);
    e->runtime = f->count;
    struct form_field *field = form_add(f, FORM_CHOICE, "Runtime", "");
    field->choices = runtimes;
    field->choice = p ? (int)p->runtime : STORE_RUNTIME_CLOWDER;
    snprintf(field->hint, sizeof field->hint, "the kind of its daemons");
    e->base = f->count;
    text(f, "Base", p ? p->base_url : "", "mirai, dask: tcp://127.0.0.1:5555", NULL);
    e->command = f->count;
    text(f, "Command", command, "for command: ./worker {url}", check_words);
}

static void open_form(struct ui *ui, const struct store_profile *p)
{
    static const struct form_type type = {.title = "New profile", .save = save, .release = release};
    struct edited *e = mem_zalloc(sizeof *e);
    size_t n;
    struct host_line *rows = hosts_lines(ui, &n);
    char value[24] = "", state[64], gpus[80], mem[24];
    e->ui = ui;
    e->is_new = !p;
    e->names = mem_zalloc((n + 1) * sizeof *e->names);
    struct form *f = form_new(&type, FIXED_MAX + (int)n, e);
    if (p)
        snprintf(f->title, sizeof f->title, "Edit profile %s", p->name);
    add_settings(f, p);
    add_runtime(f, p);
    form_add(f, FORM_HEADING, "Daemons on each host: you choose the number", "");
    snprintf(value, sizeof value, "%u", p ? p->local_daemons : 0);
    snprintf(state, sizeof state, "it has %ld cores", sysconf(_SC_NPROCESSORS_ONLN));
    e->local = f->count;
    text(f, "this machine", p && p->local_daemons ? value : "", state, check_daemons)->cols = 6;
    e->hosts = f->count;
    for (size_t i = 0; i < n; i++) {
        if (!rows[i].host)
            continue;
        value[0] = '\0';
        for (size_t h = 0; p && h < p->host_count; h++)
            if (strcmp(p->hosts[h].host, rows[i].name) == 0)
                snprintf(value, sizeof value, "%u", p->hosts[h].daemons);
        struct form_field *field = text(f, rows[i].name, value, "", check_daemons);
        host_line_state(&rows[i], state, sizeof state);
        host_gpu_text(rows[i].host, gpus, sizeof gpus);
        snprintf(field->hint, sizeof field->hint, "%u core%s, %s, GPU %.24s   %.30s", rows[i].facts->cores,
            text_plural(rows[i].facts->cores), text_bytes(mem, sizeof mem, rows[i].facts->mem_total), gpus, state);
        if (!rows[i].host->facts)
            snprintf(field->hint, sizeof field->hint, "not probed yet   %s", state);
        field->cols = 6;
        snprintf(e->names[e->count++], STORE_NAME_SIZE, "%s", rows[i].name);
    }
    free(rows);
    form_open(ui, f);
}

void profiles_new(struct ui *ui)
{
    open_form(ui, NULL);
}

void profiles_edit(struct ui *ui)
{
    const struct profile_row *row = profiles_here(ui);
    if (row->saved)
        open_form(ui, row->saved);
    else
        ui_say(ui, ROLE_WARN, "edit: %s ends with the command that made it", row->name);
}
