/* host list, host show. */
#include "tui/cli/host_row.h"
#include "tui/cli/host_ssh.h"
#include "tui/cli/inventory.h"

#include "base/mem.h"
#include "base/mono.h"
#include "base/text.h"
#include "tui/cli/command.h"

#include <stdlib.h>
#include <string.h>

/* Text of others, harmless, into a column. */
static const char *clean(char *out, size_t size, const char *text)
{
    text_escape(out, size, *text ? text : "-", strlen(*text ? text : "-"));
    return out;
}

/* "2 NVIDIA A100", "1", "0", "-" */
static void gpus_text(const json_t *facts, char *out, size_t size)
{
    const json_t *gpus = json_object_get(facts, "gpus");
    char name[32];
    if (!gpus)
        snprintf(out, size, "-");
    else if (!json_array_size(gpus))
        snprintf(out, size, "0");
    else
        snprintf(out, size, "%zu %s", json_array_size(gpus),
            clean(name, sizeof name, json_text(json_array_get(gpus, 0), "name")));
}

static void bytes_text(const json_t *facts, const char *key, char *out, size_t size)
{
    if (json_object_get(facts, key))
        text_bytes(out, size, (uint64_t)json_number(facts, key));
    else
        snprintf(out, size, "-");
}

static void number_text(const json_t *facts, const char *key, const char *format, char *out, size_t size)
{
    const json_t *value = json_object_get(facts, key);
    if (!json_is_number(value))
        snprintf(out, size, "-");
    else if (strcmp(format, "d") == 0)
        snprintf(out, size, "%lld", (long long)json_integer_value(value));
    else
        snprintf(out, size, "%.1f", json_number_value(value));
}

static void rtt_text(const struct host_row *row, char *out, size_t size)
{
    uint64_t us = host_row_rtt_us(row);
    if (us)
        snprintf(out, size, "%.1f ms", (double)us / 1000);
    else
        snprintf(out, size, "-");
}

static void print_row(const struct host_row *row)
{
    char target[STORE_TARGET_SIZE], cores[16], load[16], memory[24], gpus[48], rtt[24], state[40], reason[300];
    number_text(row->facts, "cores", "d", cores, sizeof cores);
    number_text(row->facts, "load1", "f", load, sizeof load);
    bytes_text(row->facts, "mem_total_bytes", memory, sizeof memory);
    gpus_text(row->facts, gpus, sizeof gpus);
    rtt_text(row, rtt, sizeof rtt);
    snprintf(state, sizeof state, "%c %s", host_state_sign(row->state), row->state);
    printf("%-14s %-16s %-26s %5s %6s %8s %-18s %9s ", state, row->host.name, host_row_target(row, target), cores, load,
        memory, gpus, rtt);
    for (size_t i = 0; i < row->host.tags.count; i++)
        printf(" %s", row->host.tags.items[i]);
    putchar('\n');
    if (*row->reason && strcmp(row->state, "up") != 0)
        printf("  %s\n", clean(reason, sizeof reason, row->reason));
}

/* Takes out what a filter does not match. 0, or 2 and told. */
static int keep_matching(struct host_rows *rows, const struct opts *o)
{
    size_t kept = 0;
    for (size_t i = 0; i < o->word_count; i++) { /* a bad filter is one also when there are no hosts */
        struct host_row none = {.facts = json_object(), .state = "", .reason = "", .hint = ""};
        bool match;
        char *why;
        int status = host_row_matches(&none, o->words[i], &match, &why);
        if (status)
            say(2, "host list: the filter '%s' is no good: %s", o->words[i], why);
        free(why);
        host_row_fini(&none);
        if (status)
            return status;
    }
    for (size_t i = 0; i < rows->count; i++) {
        bool all = true;
        for (size_t k = 0; k < o->word_count && all; k++) {
            char *why;
            host_row_matches(&rows->items[i], o->words[k], &all, &why);
        }
        if (all)
            rows->items[kept++] = rows->items[i];
        else
            host_row_fini(&rows->items[i]);
    }
    rows->count = kept;
    return 0;
}

static void print_rows(const struct host_rows *rows, bool filtered)
{
    if (!rows->count) {
        say(0, filtered ? "no host matches" : "there are no hosts; begin with: clowder host add NAME user@address");
        return;
    }
    printf("%-14s %-16s %-26s %5s %6s %8s %-18s %9s  %s\n", "STATE", "HOST", "ADDRESS", "CORES", "LOAD", "MEMORY",
        "GPUS", "RTT", "TAGS");
    for (size_t i = 0; i < rows->count; i++)
        print_row(&rows->items[i]);
}

int cmd_host_list(const struct opts *o, bool json)
{
    struct store *s;
    struct host_rows rows;
    int status = inventory_open(&s);
    if (status)
        return status;
    status = host_rows_load(s, &rows);
    if (status == 0)
        status = keep_matching(&rows, o);
    if (status == 0 && opts_has(o, "names")) {
        for (size_t i = 0; i < rows.count; i++)
            puts(rows.items[i].host.name);
    } else if (status == 0 && json) {
        json_t *list = json_array();
        for (size_t i = 0; i < rows.count; i++)
            json_array_append_new(list, host_row_json(&rows.items[i]));
        json_print(json_pack("{s:o}", "hosts", list));
    } else if (status == 0) {
        print_rows(&rows, o->word_count > 0);
    }
    host_rows_fini(&rows);
    store_close(s);
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
    json_t *o = host_row_json(row);
    json_t *more = json_pack("{s:s, s:i, s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:I, s:o, s:O?, s:s, s:o}", "user", h->user,
        "port", (int)h->port, "launcher", store_launcher_text(h->launcher), "jump", h->jump, "identity", h->identity,
        "direct", (int)h->direct, "mac", h->mac, "note", h->note, "hint", row->hint, "probed_at_us",
        (json_int_t)h->probed_at_us, "profiles", profiles_of(s, h->name), "link", row->link, "directives",
        h->directives, "ssh", host_ssh_json(h));
    json_object_update(o, more);
    json_decref(more);
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

static void print_gpus(const json_t *gpus)
{
    const json_t *gpu;
    size_t i;
    char name[150], driver[60], memory[24];
    json_array_foreach (gpus, i, gpu) {
        bytes_text(gpu, "mem_bytes", memory, sizeof memory);
        printf("%-12s %lld: %s, %s, driver %s\n", "gpu", (long long)json_number(gpu, "index"),
            clean(name, sizeof name, json_text(gpu, "name")), memory,
            clean(driver, sizeof driver, json_text(gpu, "driver")));
    }
}

static void print_host(const json_t *o, const char *target)
{
    const json_t *value, *tag;
    const char *key;
    size_t i;
    char age[24];
    static const char *const settings[] = {"launcher", "jump", "identity", "mac", "note", NULL};
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
