/* Rows of hosts, and what stands in them. */
#include "tui/screen/host_columns.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct table_column host_columns[HOST_COLUMNS] = {
    [HOST_STATE] = {"STATE", 9, 0, FIELD_WORDS},
    [HOST_NAME] = {"HOST", 12, 0, COLUMN_GROW},
    [HOST_ADDRESS] = {"ADDRESS", 16, 2, COLUMN_GROW},
    [HOST_DAEMONS] = {"DAEMONS", 7, 1, COLUMN_RIGHT},
    [HOST_CORES] = {"CORES", 5, 3, COLUMN_RIGHT},
    [HOST_LOAD] = {"LOAD", 5, 4, COLUMN_RIGHT},
    [HOST_MEMORY] = {"MEMORY", 6, 5, COLUMN_RIGHT},
    [HOST_GPU] = {"GPU", 8, 3, COLUMN_GROW},
    [HOST_RTT] = {"RTT", 7, 6, COLUMN_RIGHT | FIELD_MS},
    [HOST_TAGS] = {"TAGS", 12, 7, COLUMN_GROW | FIELD_WORDS},
    [HOST_NOTE] = {"NOTE", 16, 9, COLUMN_GROW},
    [HOST_NAMED] = {"NAME", 0, 0, FIELD_NAMED},
    [HOST_USER] = {"USER", 0, 0, FIELD_NAMED},
    [HOST_OS] = {"OS", 0, 0, 0},
    [HOST_ARCH] = {"ARCH", 0, 0, FIELD_NAMED},
    [HOST_LAUNCHER] = {"LAUNCHER", 0, 0, FIELD_NAMED | FIELD_WORDS},
    [HOST_DISK] = {"DISK", 0, 0, FIELD_NAMED},
    [HOST_GPU_FREE] = {"GPU_FREE", 0, 0, FIELD_NAMED},
    [HOST_REASON] = {"REASON", 0, 0, FIELD_NAMED},
};

/* What the store may remember of a link that is no more: its engine is gone, or does not use it now. */
static const char *const passing[] = {
    "resolve", "connect", "hostkey", "auth", "probe", "upload", "tunnel", "launch", "up", NULL};

static bool is_passing(const char *state)
{
    for (const char *const *word = passing; *word; word++)
        if (strcmp(*word, state) == 0)
            return true;
    return false;
}

const char *host_state_remembered(const char *state)
{
    return is_passing(state) ? "idle" : *state ? state : "unknown";
}

/* A link that has done what it was to do is closed, with nothing to say. */
const char *host_state_linked(const char *state, const char *reason)
{
    return strcmp(state, "down") == 0 && !*reason ? "idle" : state;
}

static const struct state_word {
    const char *state;
    char sign;
    const char *shown;
    enum role role;
} words[] = {{"up", '+', "up", ROLE_GOOD}, {"idle", '.', "ready", ROLE_NORMAL}, {"down", '-', "down", ROLE_WARN},
    {"unknown", '.', "new", ROLE_DIM}, {"backoff", '~', "retry", ROLE_WARN}, {"refused", '!', "refused", ROLE_BAD},
    {"needs-secret", '!', "secret", ROLE_BAD}, {"quarantined", '!', "resting", ROLE_BAD},
    {"paused", '=', "paused", ROLE_WARN}, {"silent", '~', "silent", ROLE_WARN}};

static const struct state_word *find_word(const char *state)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].state, state) == 0)
            return &words[i];
    return NULL;
}

char host_state_sign(const char *state)
{
    const struct state_word *word = find_word(state);
    return word ? word->sign : is_passing(state) ? '~' : '-';
}

static struct state_word state_word(const struct host_line *row)
{
    const struct state_word *word = find_word(row->state);
    if (row->daemons && row->paused == row->daemons)
        return *find_word("paused");
    if (row->link && row->link->has_key)
        return (struct state_word){"", '!', "key", ROLE_BAD};
    if (row->host && !row->host->enabled && !row->link)
        return (struct state_word){"", 'x', "off", ROLE_DIM};
    if (row->host && row->host->facts && strcmp(row->state, "unknown") == 0)
        return (struct state_word){"", '.', "known", ROLE_DIM};
    return word ? *word : (struct state_word){"", host_state_sign(row->state), row->state, ROLE_BUSY};
}

enum role host_line_state(const struct host_line *row, char *out, size_t size)
{
    struct state_word word = state_word(row);
    snprintf(out, size, "%c %s", word.sign, word.shown);
    return word.role;
}

static int by_name(const void *key, const void *row)
{
    return strcmp(key, ((const struct host_line *)row)->name);
}

static struct host_line *find(struct host_line *rows, size_t count, const char *name)
{
    return count ? bsearch(name, rows, count, sizeof *rows, by_name) : NULL;
}

/* The row of what runs on a host, or on this machine; NULL: it is not in the inventory. */
static struct host_line *line_of(struct host_line *rows, size_t count, struct host_line *local, const char *host)
{
    return strcmp(host, "local") == 0 ? local : find(rows, count, host);
}

/* What profiles have on each host. */
static void add_profiles(
    const struct view_engine *engine, struct host_line *rows, size_t count, struct host_line *local)
{
    for (size_t i = 0; engine && i < engine->profile_count; i++) {
        const struct view_profile *p = &engine->profiles[i];
        for (size_t h = 0; h < p->host_count; h++) {
            struct host_line *row = line_of(rows, count, local, p->hosts[h].host);
            if (!row)
                continue;
            if (row == local)
                row->name = "local";
            row->daemons += p->hosts[h].daemons;
            row->live = &p->hosts[h];
            row->load = p->hosts[h].load;
        }
        for (size_t d = 0; d < p->daemon_count; d++) {
            bool busy = strcmp(p->daemons[d].state, "executing") == 0;
            if (!busy && strcmp(p->daemons[d].state, "paused") != 0)
                continue;
            struct host_line *row = line_of(rows, count, local, p->daemons[d].host);
            if (row)
                ++*(busy ? &row->busy : &row->paused);
        }
    }
}

struct host_line *host_lines(const struct views *v, size_t *count)
{
    size_t n = v->store ? v->store->hosts.count : 0;
    struct host_line *rows = mem_zalloc((n + 1) * sizeof *rows), local = {.load = -1, .state = "up", .reason = ""};
    for (size_t i = 0; i < n; i++) {
        rows[i].host = &v->store->hosts.items[i];
        rows[i].facts = &v->store->facts[i];
        rows[i].name = rows[i].host->name;
        rows[i].load = rows[i].facts->load1;
        rows[i].state = host_state_remembered(rows[i].host->state);
        rows[i].reason = rows[i].state == rows[i].host->state ? rows[i].host->reason : "";
    }
    for (size_t i = 0; v->links && i < v->links->link_count; i++) {
        struct host_line *row = find(rows, n, v->links->links[i].host);
        if (!row)
            continue;
        row->link = &v->links->links[i];
        row->state = host_state_linked(row->link->state, row->link->reason);
        row->reason = row->link->reason;
    }
    add_profiles(v->engine, rows, n, &local);
    if (local.name)
        rows[n++] = local;
    *count = n;
    return rows;
}

static void gpu_text(size_t count, const char *name, char *out, size_t size)
{
    static const char *const makers[] = {"NVIDIA ", "AMD ", "Intel ", "GeForce ", "Tesla ", "Radeon "};
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
        if (strncmp(name, makers[i], strlen(makers[i])) == 0)
            name += strlen(makers[i]);
    snprintf(out, size, "%zux%.*s", count, (int)strcspn(name, "-"), name);
}

void host_gpu_text(const struct store_host *h, char *out, size_t size)
{
    if (h && h->gpu_count)
        gpu_text(h->gpu_count, h->gpus[0].name, out, size);
    else
        snprintf(out, size, "-");
}

/* "74% ": of all its GPUs, on the average. */
static void gpu_use_text(const struct view_at_host *live, char *out, size_t size)
{
    double sum = 0;
    unsigned n = 0;
    for (unsigned i = 0; live && i < live->gpu_count; i++)
        if (live->gpus[i].busy >= 0) {
            sum += live->gpus[i].busy;
            n++;
        }
    *out = '\0';
    if (n)
        snprintf(out, size, "%.0f%% ", sum / n);
}

static void gpu_cell(const struct host_line *row, struct table_cell *c)
{
    const struct store_host *h = row->host;
    char kind[80], use[16];
    host_gpu_text(h, kind, sizeof kind);
    if (!h && row->live && row->live->gpu_count)
        gpu_text(row->live->gpu_count, row->live->gpus[0].name, kind, sizeof kind);
    gpu_use_text(row->live, use, sizeof use);
    snprintf(c->text, sizeof c->text, "%s%s", use, kind);
    snprintf(c->also, sizeof c->also, "%s", row->facts ? row->facts->gpus : "");
    c->number = h ? (double)h->gpu_count : row->live ? row->live->gpu_count : 0;
    c->numeric = true;
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

static void text_cell(struct table_cell *c, const char *text)
{
    snprintf(c->text, sizeof c->text, "%s", text);
}

/* What was measured, and where it is counted now. */
static void measured_cell(const struct host_line *row, int column, struct table_cell *c)
{
    static const struct view_facts unknown = {.load1 = -1};
    const struct view_facts *f = row->facts ? row->facts : &unknown;
    uint64_t rtt = row->link && row->link->rtt_us ? row->link->rtt_us : f->rtt_us;
    uint64_t memory = row->live && row->live->memory ? row->live->memory : f->mem_total;
    char text[40];
    switch (column) {
    case HOST_DAEMONS:
        snprintf(text, sizeof text, "%u/%u", row->busy, row->daemons);
        number_cell(c, row->daemons, row->daemons > 0, text);
        break;
    case HOST_CORES:
        snprintf(text, sizeof text, "%u", f->cores);
        number_cell(c, f->cores, f->cores > 0, text);
        break;
    case HOST_LOAD:
        snprintf(text, sizeof text, "%.1f", row->load);
        number_cell(c, row->load, row->load >= 0, text);
        if (f->cores && row->load > f->cores)
            c->role = ROLE_WARN;
        break;
    case HOST_MEMORY: number_cell(c, (double)memory, memory > 0, text_bytes(text, sizeof text, memory)); break;
    case HOST_DISK:
        number_cell(c, (double)f->disk_free, f->disk_free > 0, text_bytes(text, sizeof text, f->disk_free));
        break;
    case HOST_GPU_FREE:
        number_cell(c, (double)f->gpu_free, f->gpu_free > 0, text_bytes(text, sizeof text, f->gpu_free));
        break;
    default:
        snprintf(text, sizeof text, "%.1fms", (double)rtt / 1000);
        number_cell(c, (double)rtt / 1e6, rtt > 0, text);
    }
}

void host_cell(const struct host_line *row, int column, struct table_cell *c)
{
    const struct store_host *h = row->host;
    switch (column) {
    case HOST_STATE:
        c->role = host_line_state(row, c->text, sizeof c->text);
        snprintf(c->also, sizeof c->also, "%s", row->state);
        break;
    case HOST_NAME:
    case HOST_NAMED: text_cell(c, row->name); break;
    case HOST_ADDRESS: address_text(row, c->text, sizeof c->text); break;
    case HOST_GPU: gpu_cell(row, c); break;
    case HOST_TAGS: tags_text(row, c->text, sizeof c->text); break;
    case HOST_NOTE: text_cell(c, h ? h->note : ""); break;
    case HOST_USER: text_cell(c, h ? h->user : ""); break;
    case HOST_OS: text_cell(c, row->facts ? row->facts->os : ""); break;
    case HOST_ARCH: text_cell(c, row->facts ? row->facts->arch : ""); break;
    case HOST_LAUNCHER: text_cell(c, h ? store_launcher_text(h->launcher) : ""); break;
    case HOST_REASON: text_cell(c, row->reason); break;
    default: measured_cell(row, column, c);
    }
}
