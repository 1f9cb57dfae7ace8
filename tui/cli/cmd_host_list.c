/* host list, host show. */
#include "store/profile_setting_json.h"
#include "tui/cli/host_row.h"
#include "tui/cli/host_ssh.h"
#include "tui/cli/inventory.h"

#include "base/mem.h"
#include "base/mono.h"
#include "base/text.h"
#include "tui/cli/command.h"
#include "tui/screen/host_columns.h"

#include <stdlib.h>
#include <string.h>

enum { ASK_MS = 5000 };

/* Text of others, harmless, into a column. */
static const char *clean(char *out, size_t size, const char *text)
{
    text_escape(out, size, *text ? text : "-", strlen(*text ? text : "-"));
    return out;
}

static void bytes_text(const json_t *facts, const char *key, char *out, size_t size)
{
    if (json_object_get(facts, key))
        text_bytes(out, size, (uint64_t)json_number(facts, key));
    else
        snprintf(out, size, "-");
}

/* What the engine knows of hosts now; nothing when none runs: it is not started for this. */
static void ask_engine(struct views *v)
{
    struct clowder *c;
    char *status = NULL, *hosts = NULL;
    if (clowder_open(&c, &(struct clowder_options){.no_start = true}, NULL))
        return;
    clowder_request(c, "{\"op\":\"status\"}", ASK_MS, &status, NULL);
    clowder_request(c, "{\"op\":\"hosts\"}", ASK_MS, &hosts, NULL);
    v->engine = status ? view_engine_read(status) : NULL;
    v->links = view_links_read(hosts, NULL);
    free(status);
    free(hosts);
    clowder_close(c);
}

static int load_views(struct views *v)
{
    struct store *s;
    struct clw_error err;
    int status = inventory_open(&s);
    if (status)
        return status;
    *v = (struct views){.store = mem_zalloc(sizeof *v->store)};
    if (view_store_hosts(v->store, s, &err))
        status = say_failure(&err);
    else if (v->store->hosts.count)
        ask_engine(v);
    store_close(s);
    return status;
}

static void views_fini(struct views *v)
{
    view_engine_rele(v->engine);
    view_links_rele(v->links);
    view_store_rele(v->store);
}

/* ---- filters ---- */

static void field(void *arg, int column, char *text, size_t size, double *number, bool *numeric)
{
    struct table_cell cell = {.text = ""};
    host_cell(arg, column, &cell);
    table_cell_words(&cell, text, size);
    *number = cell.number;
    *numeric = cell.numeric;
}

/* Leaves those of the inventory that match all words. 0, or 2 and told. */
static int keep_matching(struct host_line *rows, size_t *count, const struct opts *o)
{
    struct filter_field fields[HOST_COLUMNS];
    struct filter f = {.count = 0};
    struct clw_error err = {0};
    size_t kept = 0;
    for (int i = 0; i < HOST_COLUMNS; i++)
        fields[i] = (struct filter_field){host_columns[i].title, host_columns[i].flags};
    for (size_t i = 0; i < o->word_count; i++)
        if (filter_add(&f, o->words[i], fields, HOST_COLUMNS, &err))
            return say(2, "host list: the filter '%s' is wrong: %s%s%s", o->words[i], err.message,
                *err.hint ? "; " : "", err.hint);
    for (size_t i = 0; i < *count; i++)
        if (rows[i].host && filter_match(&f, fields, HOST_COLUMNS, field, &rows[i]))
            rows[kept++] = rows[i];
    *count = kept;
    return 0;
}

/* ---- as text ---- */

static const char *cell_text(const struct host_line *row, int column, char *out, size_t size)
{
    struct table_cell cell = {.text = ""};
    host_cell(row, column, &cell);
    text_escape(out, size, cell.text, strlen(cell.text));
    return out;
}

/* Characters of UTF-8. */
static int columns_of(const char *text)
{
    int columns = 0;
    for (; *text; text++)
        columns += (*text & 0xc0) != 0x80;
    return columns;
}

static void add_cell(struct buf *line, int column, int width, const char *text)
{
    int pad = width - columns_of(text);
    if (host_columns[column].flags & COLUMN_RIGHT)
        buf_printf(line, "%*s%s  ", pad, "", text);
    else
        buf_printf(line, "%s%*s  ", text, pad, "");
}

static void print_line(struct buf *line)
{
    size_t len = line->len;
    while (len && line->data[len - 1] == ' ')
        len--;
    printf("%.*s\n", (int)len, (const char *)line->data);
    buf_clear(line);
}

static void find_widths(const struct host_line *rows, size_t count, int *width)
{
    char text[600];
    for (int c = 0; c < HOST_SHOWN; c++) {
        width[c] = columns_of(host_columns[c].title);
        for (size_t i = 0; i < count; i++) {
            int cols = columns_of(cell_text(&rows[i], c, text, sizeof text));
            width[c] = cols > width[c] ? cols : width[c];
        }
    }
}

static void print_rows(const struct host_line *rows, size_t count, bool filtered)
{
    int width[HOST_SHOWN];
    char text[600];
    struct buf line = {0};
    if (!count) {
        say(0, filtered ? "no host matches" : "there are no hosts; begin with: clowder host add NAME user@address");
        return;
    }
    find_widths(rows, count, width);
    for (int c = 0; c < HOST_SHOWN; c++)
        add_cell(&line, c, width[c], host_columns[c].title);
    print_line(&line);
    for (size_t i = 0; i < count; i++) {
        for (int c = 0; c < HOST_SHOWN; c++)
            add_cell(&line, c, width[c], cell_text(&rows[i], c, text, sizeof text));
        print_line(&line);
        if (*rows[i].reason && strcmp(rows[i].state, "up") != 0)
            printf("  %s\n", clean(text, sizeof text, rows[i].reason));
    }
    buf_fini(&line);
}

static void print_json(const struct host_line *rows, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct store_host *h = rows[i].host;
        json_array_append_new(
            list, host_row_json(h, rows[i].state, rows[i].reason, h->facts ? json_loads(h->facts, 0, NULL) : NULL));
    }
    json_print(json_pack("{s:o}", "hosts", list));
}

int cmd_host_list(const struct opts *o, bool json)
{
    struct views v;
    size_t count;
    int status = load_views(&v);
    if (status)
        return status;
    struct host_line *rows = host_lines(&v, &count);
    status = keep_matching(rows, &count, o);
    if (status == 0 && opts_has(o, "names"))
        for (size_t i = 0; i < count; i++)
            puts(rows[i].name);
    else if (status == 0 && json)
        print_json(rows, count);
    else if (status == 0)
        print_rows(rows, count, o->word_count > 0);
    free(rows);
    views_fini(&v);
    return status;
}

/* ---- show ---- */

/* {"gpu": 2, ...}: the profiles that use it. */
static json_t *profiles_of(struct store *s, const char *host)
{
    struct store_profile_list list;
    json_t *o = json_object();
    if (store_profile_list(s, &list, NULL))
        return o;
    for (size_t i = 0; i < list.count; i++)
        for (size_t k = 0; k < list.items[i].host_count; k++)
            if (strcmp(list.items[i].hosts[k].host, host) == 0)
                json_object_set_new(o, list.items[i].name, json_integer(list.items[i].hosts[k].daemons));
    store_profile_list_fini(&list);
    return o;
}

static json_t *show_json(struct store *s, const struct host_row *row)
{
    const struct store_host *h = &row->host;
    json_t *o = host_row_json(h, row->state, row->reason, json_incref(row->facts));
    json_t *more = json_pack("{s:s, s:i, s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:I, s:o, s:O?, s:s, s:o}", "user", h->user,
        "port", (int)h->port, "launcher", store_launcher_text(h->launcher), "jump", h->jump, "identity", h->identity,
        "direct", (int)h->direct, "mac", h->mac, "note", h->note, "hint", row->hint, "probed_at_us",
        (json_int_t)h->probed_at_us, "profiles", profiles_of(s, h->name), "link", row->link, "directives",
        h->directives, "ssh", host_ssh_json(h));
    json_object_update(o, more);
    json_decref(more);
    json_t *manners = json_object();
    store_settings_put_host(manners, &h->manners);
    json_object_set_new(o, "manners", manners);
    json_object_set_new(o, "connect_timeout_s", json_integer(h->connect_timeout_s));
    json_object_set_new(o, "cache", json_string(h->cache));
    return o;
}

static void line(const char *key, const char *value)
{
    char text[1200];
    if (*value)
        printf("%-12s %s\n", key, clean(text, sizeof text, value));
}

static void print_measured(const char *key, const json_t *value)
{
    char text[600];
    if (json_is_string(value))
        line(key, json_string_value(value));
    else if (json_is_boolean(value))
        line(key, json_is_true(value) ? "yes" : "no");
    else if (json_is_integer(value) && strstr(key, "_bytes"))
        line(key, text_bytes(text, sizeof text, (uint64_t)json_integer_value(value)));
    else if (json_is_integer(value))
        printf("%-12s %lld\n", key, (long long)json_integer_value(value));
    else if (json_is_real(value))
        printf("%-12s %.2f\n", key, json_real_value(value));
}

static void add_figure(struct buf *b, const json_t *gpu, const char *key, const char *unit)
{
    if (json_object_get(gpu, key))
        buf_printf(b, ", %lld%s", (long long)json_number(gpu, key), unit);
}

static void print_gpu(const json_t *gpu)
{
    char name[150], driver[60], memory[24], used[24], user[60];
    const json_t *process;
    size_t i;
    struct buf b = {0};
    bytes_text(gpu, "mem_bytes", memory, sizeof memory);
    buf_printf(&b, "%s, %s", clean(name, sizeof name, json_text(gpu, "name")), memory);
    if (json_object_get(gpu, "mem_used_bytes")) {
        bytes_text(gpu, "mem_used_bytes", used, sizeof used);
        buf_printf(&b, ", %s used", used);
    }
    add_figure(&b, gpu, "busy", " % busy");
    add_figure(&b, gpu, "temp_c", " C");
    add_figure(&b, gpu, "power_w", " W");
    printf("%-12s %lld: %s, driver %s\n", "gpu", (long long)json_number(gpu, "index"), buf_text(&b),
        clean(driver, sizeof driver, json_text(gpu, "driver")));
    json_array_foreach (json_object_get(gpu, "processes"), i, process) {
        bytes_text(process, "mem_bytes", memory, sizeof memory);
        printf("%-12s    process %lld of %s: %s\n", "", (long long)json_number(process, "pid"),
            *json_text(process, "user") ? clean(user, sizeof user, json_text(process, "user")) : "an unknown user",
            memory);
    }
    buf_fini(&b);
}

static void print_gpus(const json_t *gpus)
{
    const json_t *gpu;
    size_t i;
    json_array_foreach (gpus, i, gpu)
        print_gpu(gpu);
}

/* What its owner asks of all profiles, in the words of 'profile show'. */
static void print_manners(const json_t *o)
{
    struct store_settings set;
    char text[120];
    store_settings_init(&set);
    store_settings_take(json_object_get(o, "manners"), &set);
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++) {
        if (store_row_is_default(row, &set) || !row->show.label)
            continue;
        store_row_write(row, &set, text, sizeof text);
        printf("%-12s %s%s%s\n", row->show.label, row->show.before, text, row->show.after);
    }
    if (json_number(o, "connect_timeout_s"))
        printf("%-12s %lld s\n", "connect", (long long)json_number(o, "connect_timeout_s"));
}

static void print_host(const json_t *o, const char *target)
{
    const json_t *value, *tag;
    const char *key;
    size_t i;
    char age[24];
    static const char *const settings[] = {"launcher", "jump", "identity", "mac", "note", "cache", NULL};
    line("host", json_text(o, "name"));
    line("address", target);
    char *ssh = host_ssh_text(json_object_get(o, "ssh"));
    line("ssh", ssh);
    free(ssh);
    printf("%-12s %c %s\n", "state", host_state_sign(json_text(o, "state")), json_text(o, "state"));
    line("reason", json_text(o, "reason"));
    line("next", json_text(o, "hint"));
    for (const char *const *name = settings; *name; name++)
        line(*name, json_text(o, *name));
    for (const char *at = json_text(o, "directives"); *at; at += strcspn(at, "\n"), at += *at == '\n') {
        char one[300];
        snprintf(one, sizeof one, "%.*s", (int)strcspn(at, "\n"), at);
        line(strcmp(json_text(o, "launcher"), "command") == 0 ? "command" : "directive", one);
    }
    line("direct", json_is_true(json_object_get(o, "direct")) ? "yes" : "");
    print_manners(o);
    json_array_foreach (json_object_get(o, "tags"), i, tag)
        line("tag", json_string_value(tag));
    json_object_foreach (json_object_get(o, "profiles"), key, value)
        printf("%-12s %s: %lld\n", "profile", key, (long long)json_integer_value(value));
    uint64_t probed_us = (uint64_t)json_number(o, "probed_at_us"), now_us = wall_us();
    if (probed_us)
        printf("%-12s %s ago\n", "measured",
            text_span(age, sizeof age, now_us > probed_us ? (now_us - probed_us) / 1000 : 0));
    json_object_foreach (json_object_get(o, "facts"), key, value)
        print_measured(key, value);
    print_gpus(json_object_get(json_object_get(o, "facts"), "gpus"));
    json_object_foreach (json_object_get(o, "link"), key, value)
        if (strcmp(key, "host") != 0 && !json_object_get(o, key))
            print_measured(key, value);
}

int cmd_host_show(const struct opts *o, bool json)
{
    struct store *s;
    struct host_row row = {0};
    const char *name;
    char target[STORE_TARGET_SIZE];
    int status = inventory_word(o, "host", &name);
    if (status == 0)
        status = inventory_open(&s);
    if (status)
        return status;
    status = inventory_host(s, name, &row.host);
    if (status == 0) {
        json_t *links = inventory_links(name);
        host_row_fill(&row, links);
        json_decref(links);
        json_t *doc = show_json(s, &row);
        if (json) {
            json_print(doc);
        } else {
            print_host(doc, host_row_target(&row, target));
            json_decref(doc);
        }
        host_row_fini(&row);
    }
    store_close(s);
    return status;
}
