/* status: a table for people, the document for programs, and the table again and again with --watch. */
#include "tui/command.h"

#include "base/text.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SPARK = 16 };

static json_int_t number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
    const char *value = json_string_value(json_object_get(o, key));
    return value ? value : "";
}

/* The last seconds as bars; '.' for none when the terminal has no UTF-8. */
static void sparkline(const json_t *history, char *out, size_t size)
{
    static const char *const bars[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const ascii[] = {" ", ".", ".", ":", ":", "|", "|", "#", "#"};
    const char *lang = getenv("LC_ALL");
    lang = lang && *lang ? lang : getenv("LC_CTYPE");
    lang = lang && *lang ? lang : getenv("LANG");
    const char *const *set = lang && (strstr(lang, "UTF-8") || strstr(lang, "utf8")) ? bars : ascii;
    size_t n = json_array_size(history), w = 0;
    json_int_t most = 1;
    out[0] = '\0';
    for (size_t i = n > SPARK ? n - SPARK : 0; i < n; i++) {
        json_int_t v = json_integer_value(json_array_get(history, i));
        most = v > most ? v : most;
    }
    for (size_t i = n > SPARK ? n - SPARK : 0; i < n && w + 4 < size; i++) {
        json_int_t v = json_integer_value(json_array_get(history, i));
        w += (size_t)snprintf(out + w, size - w, "%s", set[v ? 1 + v * 7 / most : 0]);
    }
}

static void print_profile(const json_t *p)
{
    const json_t *daemons = json_object_get(p, "daemons"), *tasks = json_object_get(p, "tasks");
    const json_t *rate = json_object_get(p, "rate");
    char up[24], now[16], done[32], await[32], spark[SPARK * 4 + 8];
    snprintf(up, sizeof up, "%lld/%lld", (long long)number(daemons, "connected"), (long long)number(daemons, "wanted"));
    sparkline(json_object_get(rate, "last_60s"), spark, sizeof spark);
    printf("%-14s %-9s %8s %11s %6lld %13s %6lld %8s  %s\n", text(p, "name"), text(p, "state"), up,
        text_count(await, sizeof await, (uint64_t)number(tasks, "awaiting")), (long long)number(tasks, "executing"),
        text_count(done, sizeof done, (uint64_t)number(tasks, "completed")), (long long)number(tasks, "failed"),
        text_rate(now, sizeof now, json_real_value(json_object_get(rate, "now"))), spark);
    const char *reason = text(p, "reason");
    if (*reason && strcmp(text(p, "state"), "up") != 0) {
        char clean[300];
        text_escape(clean, sizeof clean, reason, strlen(reason));
        printf("  ! %s\n", clean);
    }
}

static void print_daemons(const json_t *p)
{
    const json_t *d;
    size_t i;
    char done[32], rss[24], up[24];
    printf("\n%-20s %-14s %8s %-10s %12s %6s %8s %8s\n", "DAEMON", "HOST", "PID", "STATE", "DONE", "FAIL", "RSS", "UP");
    json_array_foreach (json_object_get(p, "daemon_list"), i, d)
        printf("%-20s %-14s %8lld %-10s %12s %6lld %8s %8s\n", text(d, "name"), text(d, "host"),
            (long long)number(d, "pid"), text(d, "state"), text_count(done, sizeof done, (uint64_t)number(d, "done")),
            (long long)number(d, "failed"), text_bytes(rss, sizeof rss, (uint64_t)number(d, "rss_bytes")),
            text_span(up, sizeof up, (uint64_t)number(d, "up_s") * 1000));
}

/* One profile is shown with its daemons. */
static void print_table(const json_t *doc, bool daemons)
{
    const json_t *engine = json_object_get(doc, "engine"), *profiles = json_object_get(doc, "profiles"), *p;
    char up[24], rss[24];
    size_t i;
    printf("engine up %s, %s\n", text_span(up, sizeof up, (uint64_t)number(engine, "uptime_s") * 1000),
        text_bytes(rss, sizeof rss, (uint64_t)number(engine, "rss_bytes")));
    if (!json_array_size(profiles)) {
        puts("no profiles are up; begin with: clowder up -n 2");
        return;
    }
    printf("%-14s %-9s %8s %11s %6s %13s %6s %8s  LAST %d s\n", "PROFILE", "STATE", "DAEMONS", "AWAIT", "EXEC", "DONE",
        "FAIL", "RATE/s", SPARK);
    json_array_foreach (profiles, i, p)
        print_profile(p);
    if (daemons)
        print_daemons(json_array_get(profiles, 0));
}

struct watching {
    const char *profile;
    bool json, terminal;
};

static void keep_only(json_t *doc, const char *profile)
{
    json_t *profiles = json_object_get(doc, "profiles");
    for (size_t i = json_array_size(profiles); profile && i-- > 0;)
        if (strcmp(text(json_array_get(profiles, i), "name"), profile) != 0)
            json_array_remove(profiles, i);
}

static bool show(void *arg, const char *update)
{
    const struct watching *w = arg;
    json_t *doc = json_loads(update, 0, NULL);
    keep_only(doc, w->profile);
    json_object_del(doc, "ok");
    if (w->json) {
        char *line = json_dumps(doc, JSON_COMPACT | JSON_REAL_PRECISION(9));
        puts(line);
        free(line);
    } else {
        if (w->terminal)
            fputs("\033[H\033[J", stdout);
        print_table(doc, w->profile != NULL);
    }
    json_decref(doc);
    return fflush(stdout) == 0;
}

int cmd_status(const struct opts *o, bool json)
{
    struct clowder_error err;
    struct watching w = {.json = json, .terminal = isatty(STDOUT_FILENO)};
    char *document;
    int status = one_word(o, &w.profile);
    if (status)
        return status;
    struct clowder *c = open_client(false);
    status = clowder_status(c, w.profile, &document, &err);
    if (status == 0 && opts_has(o, "watch")) {
        free(document);
        status = clowder_watch(c, show, &w, &err);
    } else if (status == 0) {
        json_t *doc = json_loads(document, 0, NULL);
        if (json)
            puts(document);
        else
            print_table(doc, w.profile != NULL);
        json_decref(doc);
        free(document);
    }
    clowder_close(c);
    return status ? say_error(&err) : 0;
}
