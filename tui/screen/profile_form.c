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

enum {
    F_NAME,
    F_PER_GPU,
    F_ENV,
    F_SETUP,
    F_IDLE,
    F_WALL,
    F_MAXTASKS,
    F_MEMORY,
    F_SEED,
    F_RESPAWN,
    F_NICE,
    F_CPUS,
    F_MEM,
    F_PAUSE_LOAD,
    F_PAUSE_USER,
    F_HOURS,
    F_PAUSE_NOW,
    F_NO_NEW_PRIVS,
    F_RUNTIME,
    F_BASE,
    F_COMMAND,
    F_HEADING,
    F_LOCAL,
    F_HOSTS
};

struct edited {
    struct ui *ui;
    bool is_new;
    size_t count;
    char (*hosts)[STORE_NAME_SIZE];
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

static enum clw_err check_span(const struct form *f, int field, struct clw_error *err)
{
    uint64_t ms;
    return *form_text(f, field) ? text_parse_duration(form_text(f, field), &ms, err) : CLW_OK;
}

static enum clw_err check_size(const struct form *f, int field, struct clw_error *err)
{
    uint64_t bytes;
    return *form_text(f, field) ? text_parse_size(form_text(f, field), &bytes, err) : CLW_OK;
}

static enum clw_err check_count(const struct form *f, int field, struct clw_error *err)
{
    int64_t n, most = field == F_LOCAL || field >= F_HOSTS ? STORE_DAEMONS_MAX
                      : field == F_NICE                    ? STORE_NICE_MAX
                                                           : INT64_MAX;
    return *form_text(f, field) ? text_parse_int(form_text(f, field), 0, most, &n, err) : CLW_OK;
}

static enum clw_err check_decimal(const struct form *f, int field, struct clw_error *err)
{
    uint32_t n;
    const char *what = field == F_CPUS ? "number of CPUs" : "load", *text = form_text(f, field);
    return *text ? store_manners_permille(what, text, &n, err) : CLW_OK;
}

static enum clw_err check_hours(const struct form *f, int field, struct clw_error *err)
{
    return hours_check(form_text(f, field), err);
}

static enum clw_err check_words(const struct form *f, int field, struct clw_error *err)
{
    size_t n;
    enum clw_err code = CLW_OK;
    char **words = child_split(form_text(f, field), &n);
    if (!words)
        return clw_fail(err, CLW_USAGE, NULL, "a quote is open");
    for (size_t i = 0; field == F_ENV && !code && i < n; i++)
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
    size_t n;
    char **words = child_split(form_text(f, F_ENV), &n);
    for (size_t i = 0; words && i < n; i++)
        store_strings_add(&p->env, words[i]);
    free(words);
    words = child_split(form_text(f, F_SETUP), &n);
    if (words && n)
        store_profile_setup_add(p, (const char *const *)(uintptr_t)words, n);
    free(words);
}

static void read_manners(const struct form *f, struct store_manners *m)
{
    if (*form_text(f, F_CPUS))
        store_manners_permille("", form_text(f, F_CPUS), &m->cpus_permille, NULL);
    if (*form_text(f, F_PAUSE_LOAD))
        store_manners_permille("", form_text(f, F_PAUSE_LOAD), &m->pause_load_permille, NULL);
    m->nice = (uint32_t)number_of(f, F_NICE);
    text_parse_size(form_text(f, F_MEM), &m->mem_bytes, NULL);
    text_parse_duration(form_text(f, F_PAUSE_USER), &m->pause_user_ms, NULL);
    snprintf(m->hours, sizeof m->hours, "%s", form_text(f, F_HOURS));
    m->pause_now = form_is_set(f, F_PAUSE_NOW);
    m->no_new_privs = form_is_set(f, F_NO_NEW_PRIVS);
}

static void read_runtime(const struct form *f, struct store_profile *p)
{
    size_t n;
    p->runtime = (enum store_runtime)f->fields[F_RUNTIME].choice;
    p->base_url = mem_strdup(form_text(f, F_BASE));
    char **words = child_split(form_text(f, F_COMMAND), &n);
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
    p->per_gpu = form_is_set(f, F_PER_GPU);
    p->respawn = form_is_set(f, F_RESPAWN);
    text_parse_duration(form_text(f, F_IDLE), &p->idletime_ms, NULL);
    text_parse_duration(form_text(f, F_WALL), &p->walltime_ms, NULL);
    text_parse_size(form_text(f, F_MEMORY), &p->memory_bytes, NULL);
    p->maxtasks = (uint64_t)number_of(f, F_MAXTASKS);
    p->has_seed = *form_text(f, F_SEED) != '\0';
    p->seed = number_of(f, F_SEED);
    read_words(f, p);
    read_manners(f, &p->manners);
    read_runtime(f, p);
    if (old) { /* not in the form */
        store_strings_copy(&p->options, &old->options);
        for (size_t i = 1; i < old->setup_count; i++)
            store_profile_setup_add(p, (const char *const *)(uintptr_t)old->setup[i].items, old->setup[i].count);
    }
    s->local = (unsigned)number_of(f, F_LOCAL);
    p->hosts = mem_zalloc((e->count + 1) * sizeof *p->hosts);
    for (size_t i = 0; i < e->count; i++) {
        int64_t n = number_of(f, F_HOSTS + (int)i);
        if (!n && !(p->per_gpu && *form_text(f, F_HOSTS + (int)i)))
            continue;
        struct store_profile_host *h = &p->hosts[p->host_count++];
        snprintf(h->host, sizeof h->host, "%s", e->hosts[i]);
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
    free(e->hosts);
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

static const char *span(uint64_t ms, char *out, size_t size)
{
    snprintf(out, size, ms % 1000 ? "%llums" : "%llus", (unsigned long long)(ms % 1000 ? ms : ms / 1000));
    return ms ? out : "";
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

static void add_settings(struct form *f, const struct store_profile *p)
{
    char env[EDIT_SIZE] = "", setup[EDIT_SIZE] = "", a[32], number[24] = "", memory[24] = "", seed[24] = "";
    if (p) {
        join(&p->env, env, sizeof env);
        if (p->setup_count)
            join(&p->setup[0], setup, sizeof setup);
        if (p->maxtasks)
            snprintf(number, sizeof number, "%llu", (unsigned long long)p->maxtasks);
        if (p->memory_bytes)
            snprintf(memory, sizeof memory, "%llu", (unsigned long long)p->memory_bytes);
        if (p->has_seed)
            snprintf(seed, sizeof seed, "%lld", (long long)p->seed);
    }
    text(f, "Name *", p ? p->name : "", "as in clowder map -p NAME", check_name);
    form_add(f, FORM_CHECK, "One per GPU", "")->choice = p && p->per_gpu;
    snprintf(f->fields[F_PER_GPU].hint, sizeof f->fields[0].hint, "each daemon sees one GPU; 0 below: one for each");
    text(f, "Environment", env, "K=V K='a b', for its tasks", check_words);
    text(f, "Set-up", setup, "a command, once per daemon", check_words);
    text(f, "Idle time", p ? span(p->idletime_ms, a, sizeof a) : "", "without work they leave: 10m", check_span);
    text(f, "Wall time", p ? span(p->walltime_ms, a, sizeof a) : "", "replaced after so long: 12h", check_span);
    text(f, "Tasks at most", number, "then replaced", check_count);
    text(f, "Queue memory", memory, "empty: 64M", check_size);
    text(f, "Seed", seed, "gives tasks CLOWDER_SEED", check_count);
    form_add(f, FORM_CHECK, "Respawn", "")->choice = !p || p->respawn;
    snprintf(f->fields[F_RESPAWN].hint, sizeof f->fields[0].hint, "replace a daemon that dies");
}

static const char *decimal(uint32_t permille, char *out, size_t size)
{
    snprintf(out, size, "%g", permille / 1000.0);
    return permille ? out : "";
}

static void add_manners(struct form *f, const struct store_manners *m)
{
    char a[32], nice[16] = "", mem[24] = "";
    if (m->nice)
        snprintf(nice, sizeof nice, "%u", m->nice);
    if (m->mem_bytes)
        snprintf(mem, sizeof mem, "%llu", (unsigned long long)m->mem_bytes);
    text(f, "Nice", nice, "of tasks, up to 19; from 10 on idle I/O", check_count);
    text(f, "CPUs", decimal(m->cpus_permille, a, sizeof a), "for the tasks of a daemon: 0.5", check_decimal);
    text(f, "Memory", mem, "for the tasks of a daemon: 2G", check_size);
    text(f, "Pause at load", decimal(m->pause_load_permille, a, sizeof a), "of others: 4", check_decimal);
    text(f, "Pause for users", span(m->pause_user_ms, a, sizeof a), "until nobody typed for: 15m", check_span);
    text(f, "Hours", m->hours, "to work in, there: 22:00-06:00", check_hours);
    form_add(f, FORM_CHECK, "Pause at once", "")->choice = m->pause_now;
    snprintf(f->fields[F_PAUSE_NOW].hint, sizeof f->fields[0].hint, "stop what runs, do not let it end");
    form_add(f, FORM_CHECK, "No privileges", "")->choice = m->no_new_privs;
    snprintf(f->fields[F_NO_NEW_PRIVS].hint, sizeof f->fields[0].hint, "no new ones: no sudo in tasks");
}

static void add_runtime(struct form *f, const struct store_profile *p)
{
    static const char *const runtimes[] = {
#define X(name, word) word,
        STORE_RUNTIME_TABLE(X)
#undef X
            NULL};
    char command[EDIT_SIZE] = "";
    if (p)
        join(&p->command, command, sizeof command);
    struct form_field *field = form_add(f, FORM_CHOICE, "Runtime", "");
    field->choices = runtimes;
    field->choice = p ? (int)p->runtime : STORE_RUNTIME_CLOWDER;
    snprintf(field->hint, sizeof field->hint, "what its daemons are");
    text(f, "Base", p ? p->base_url : "", "where those of others dial: tcp://127.0.0.1:5555", NULL);
    text(f, "Command", command, "of runtime command: ./worker {url}", check_words);
}

static void open_form(struct ui *ui, const struct store_profile *p)
{
    static const struct form_type type = {.title = "New profile", .save = save, .release = release};
    struct edited *e = mem_zalloc(sizeof *e);
    size_t n;
    struct host_line *rows = hosts_rows(ui, &n);
    char value[24] = "", state[64], gpus[80], mem[24];
    e->ui = ui;
    e->is_new = !p;
    e->hosts = mem_zalloc((n + 1) * sizeof *e->hosts);
    struct form *f = form_new(&type, F_HOSTS + (int)n, e);
    if (p)
        snprintf(f->title, sizeof f->title, "Edit profile %s", p->name);
    add_settings(f, p);
    add_manners(f, p ? &p->manners : &(struct store_manners){0});
    add_runtime(f, p);
    form_add(f, FORM_HEADING, "Daemons on each host: the number is yours to choose", "");
    snprintf(value, sizeof value, "%u", p ? p->local_daemons : 0);
    snprintf(state, sizeof state, "it has %ld cores", sysconf(_SC_NPROCESSORS_ONLN));
    text(f, "this machine", p && p->local_daemons ? value : "", state, check_count)->cols = 6;
    for (size_t i = 0; i < n; i++) {
        if (!rows[i].host)
            continue;
        value[0] = '\0';
        for (size_t h = 0; p && h < p->host_count; h++)
            if (strcmp(p->hosts[h].host, rows[i].name) == 0)
                snprintf(value, sizeof value, "%u", p->hosts[h].daemons);
        struct form_field *field = text(f, rows[i].name, value, "", check_count);
        hosts_state(&rows[i], state, sizeof state);
        hosts_gpu_text(rows[i].host, gpus, sizeof gpus);
        snprintf(field->hint, sizeof field->hint, "%u cores, %s, GPU %.24s   %.30s", rows[i].facts->cores,
            text_bytes(mem, sizeof mem, rows[i].facts->mem_total), gpus, state);
        if (!rows[i].host->facts)
            snprintf(field->hint, sizeof field->hint, "not probed yet   %s", state);
        field->cols = 6;
        snprintf(e->hosts[e->count++], STORE_NAME_SIZE, "%s", rows[i].name);
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
        ui_say(ui, ROLE_WARN, "edit: %s lives as long as the command that made it", row->name);
}
