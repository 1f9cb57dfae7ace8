/* Filters over hosts: text, KEY:TEXT, KEY<NUMBER. */
#include "tui/cli/host_row.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"name", "address", "user", "state", "reason", "tag", "note", "launcher", "os",
    "arch", "gpu", "cores", "load", "memory", "disk", "rtt", "gpus", NULL};
enum { FIRST_NUMBER = 10 }; /* from "gpu" on they are numbers; "gpu" is both */

static bool has(const char *text, const char *part)
{
    return text && strcasestr(text, part) != NULL;
}

static bool any_gpu(const struct host_row *row, const char *part)
{
    const json_t *gpu;
    size_t i;
    json_array_foreach (json_object_get(row->facts, "gpus"), i, gpu)
        if (has(json_text(gpu, "name"), part) || has(json_text(gpu, "vendor"), part))
            return true;
    return false;
}

static bool any_tag(const struct store_host *h, const char *part, bool whole)
{
    for (size_t i = 0; i < h->tags.count; i++)
        if (whole ? strcasecmp(h->tags.items[i], part) == 0 : has(h->tags.items[i], part))
            return true;
    return false;
}

static bool plain(const struct host_row *row, const char *part)
{
    const struct store_host *h = &row->host;
    return has(h->name, part) || has(h->address, part) || has(h->note, part) || has(row->state, part) ||
           has(json_text(row->facts, "os"), part) || any_tag(h, part, false) || any_gpu(row, part);
}

static bool text_is(const struct host_row *row, const char *key, const char *value)
{
    const struct store_host *h = &row->host;
    if (strcmp(key, "tag") == 0)
        return any_tag(h, value, true);
    if (strcmp(key, "state") == 0)
        return strcasecmp(row->state, value) == 0;
    if (strcmp(key, "launcher") == 0)
        return strcasecmp(store_launcher_text(h->launcher), value) == 0;
    if (strcmp(key, "gpu") == 0)
        return any_gpu(row, value);
    return has(strcmp(key, "name") == 0      ? h->name
               : strcmp(key, "address") == 0 ? (*h->address ? h->address : h->name)
               : strcmp(key, "user") == 0    ? h->user
               : strcmp(key, "reason") == 0  ? row->reason
               : strcmp(key, "note") == 0    ? h->note
                                             : json_text(row->facts, key),
        value);
}

/* NAN: not known. */
static double number_of(const struct host_row *row, const char *key)
{
    const char *fact = strcmp(key, "memory") == 0 ? "mem_total_bytes"
                       : strcmp(key, "disk") == 0 ? "disk_free_bytes"
                       : strcmp(key, "load") == 0 ? "load1"
                                                  : key;
    if (strncmp(key, "gpu", 3) == 0) {
        const json_t *gpus = json_object_get(row->facts, "gpus");
        return gpus ? (double)json_array_size(gpus) : NAN;
    }
    if (strcmp(key, "rtt") == 0)
        return host_row_rtt_us(row) ? (double)host_row_rtt_us(row) / 1000 : NAN;
    const json_t *value = json_object_get(row->facts, fact);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* A count, a size for memory and disk, a duration for rtt. */
static bool read_number(const char *key, const char *text, double *value)
{
    uint64_t whole;
    char *end;
    if (strcmp(key, "memory") == 0 || strcmp(key, "disk") == 0) {
        if (text_parse_size(text, &whole, NULL))
            return false;
        *value = (double)whole;
        return true;
    }
    *value = strtod(text, &end);
    if (strcmp(key, "rtt") == 0 && strcmp(end, "ms") == 0)
        end += 2;
    return end > text && *end == '\0' && isfinite(*value);
}

static bool compare(double a, const char *op, double b)
{
    if (isnan(a))
        return false;
    if (strcmp(op, "<") == 0)
        return a < b;
    if (strcmp(op, "<=") == 0)
        return a <= b;
    if (strcmp(op, ">") == 0)
        return a > b;
    if (strcmp(op, ">=") == 0)
        return a >= b;
    return !(a < b) && !(a > b);
}

static int find_word(const char *key)
{
    for (int i = 0; words[i]; i++)
        if (strcasecmp(words[i], key) == 0)
            return i;
    return strcasecmp(key, "mem") == 0 ? find_word("memory") : -1;
}

static int no_key(const char *key, char **why)
{
    const char *near = text_nearest(key, words);
    *why = mem_printf("there is no field '%s'; %s%s", key,
        near ? "did you mean "
             : "the fields are name, address, user, state, "
               "reason, tag, note, launcher, os, arch, gpu, cores, load, memory, disk, rtt",
        near ? near : "");
    return 2;
}

int host_row_matches(const struct host_row *row, const char *filter, bool *match, char **why)
{
    char key[32], op[3] = "";
    double number;
    bool turned = *filter == '!';
    filter += turned;
    size_t len = strspn(filter, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    const char *at = filter + len;
    *why = NULL;
    if (!*filter) {
        *why = mem_strdup("it is empty");
        return 2;
    }
    if (!len || len >= sizeof key || !*at || !strchr(":=<>", *at)) {
        *match = plain(row, filter) != turned;
        return 0;
    }
    snprintf(key, sizeof key, "%.*s", (int)len, filter);
    snprintf(op, sizeof op, "%.*s", at[1] == '=' ? 2 : 1, at);
    int word = find_word(key);
    if (word < 0)
        return no_key(key, why);
    at += strlen(op);
    bool equal = *op == ':' || *op == '=', is_number = read_number(words[word], at, &number);
    if (word >= FIRST_NUMBER && is_number) {
        *match = compare(number_of(row, words[word]), op, number) != turned;
    } else if (word < FIRST_NUMBER ? equal : equal && strcmp(words[word], "gpu") == 0 && *at) {
        *match = text_is(row, words[word], at) != turned;
    } else {
        *why = word < FIRST_NUMBER ? mem_printf("%s is text: %s:%s", words[word], words[word], *at ? at : "TEXT")
                                   : mem_printf("'%s' is not a number to compare %s with", at, words[word]);
        return 2;
    }
    return 0;
}
