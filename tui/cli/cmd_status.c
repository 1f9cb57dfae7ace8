/* status: a table for people, the document for programs, and the table again and again with --watch. */
#include "tui/cli/command.h"

#include "tui/cli/inventory.h"
#include "tui/cli/request.h"
#include "tui/screen/host_columns.h"

#include "base/text.h"
#include "store/kept.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SPARK = 16, DYING_TRIES = 50, DYING_PAUSE_MS = 20 };

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

/* Of daemons of another engine. */
static void print_traffic(const json_t *p)
{
    const json_t *t = json_object_get(p, "traffic");
    char rate[24], up[24], down[24];
    if (!t)
        return;
    printf("  %s%s%s: %lld connection%s, %s/s; %s up, %s down%s\n", json_text(p, "runtime"),
        *json_text(p, "url") ? " at " : "", json_text(p, "url"), (long long)json_number(t, "connections"),
        text_plural((uint64_t)json_number(t, "connections")),
        text_bytes(rate, sizeof rate, (uint64_t)json_decimal(t, "bytes_per_s")),
        text_bytes(up, sizeof up, (uint64_t)json_number(t, "bytes_up")),
        text_bytes(down, sizeof down, (uint64_t)json_number(t, "bytes_down")),
        json_is_true(json_object_get(t, "framed")) ? "" : "; its bytes show no tasks");
}

static void print_profile(const json_t *p)
{
    const json_t *daemons = json_object_get(p, "daemons"), *tasks = json_object_get(p, "tasks");
    const json_t *rate = json_object_get(p, "rate");
    char up[24], now[16], done[32], await[32], spark[SPARK * 4 + 8];
    snprintf(up, sizeof up, "%lld/%lld", (long long)json_number(daemons, "connected"),
        (long long)json_number(daemons, "wanted"));
    sparkline(json_object_get(rate, "last_60s"), spark, sizeof spark);
    printf("%-14s %-9s %8s %11s %6lld %13s %6lld %8s  %s\n", json_text(p, "name"), json_text(p, "state"), up,
        text_count(await, sizeof await, (uint64_t)json_number(tasks, "awaiting")),
        (long long)json_number(tasks, "executing"),
        text_count(done, sizeof done, (uint64_t)json_number(tasks, "completed")),
        (long long)json_number(tasks, "failed"),
        text_rate(now, sizeof now, json_real_value(json_object_get(rate, "now"))), spark);
    print_traffic(p);
    const char *reason = json_text(p, "reason");
    if (*reason && strcmp(json_text(p, "state"), "up") != 0) {
        char clean[300];
        text_escape(clean, sizeof clean, reason, strlen(reason));
        printf("  ! %s\n", clean);
    }
}

static void print_daemons(const json_t *p)
{
    const json_t *d;
    size_t i;
    const char *limits = ""; /* the same for many: said once */
    char done[32], rate[16], cpu[16], rss[24], up[24];
    printf("\n%-16s %-14s %8s %-10s %11s %5s %8s %5s %7s %7s\n", "DAEMON", "HOST", "PID", "STATE", "DONE", "FAIL",
        "RATE/s", "CPU", "MEMORY", "UP");
    json_array_foreach (json_object_get(p, "daemon_list"), i, d) {
        snprintf(
            cpu, sizeof cpu, json_is_number(json_object_get(d, "cpu")) ? "%.0f%%" : "-", json_decimal(d, "cpu") * 100);
        printf("%-16s %-14s %8lld %-10s %11s %5lld %8s %5s %7s %7s\n", json_text(d, "name"), json_text(d, "host"),
            (long long)json_number(d, "pid"), json_text(d, "state"),
            text_count(done, sizeof done, (uint64_t)json_number(d, "done")), (long long)json_number(d, "failed"),
            text_rate(rate, sizeof rate, json_decimal(d, "rate")), cpu,
            json_number(d, "rss_bytes") ? text_bytes(rss, sizeof rss, (uint64_t)json_number(d, "rss_bytes")) : "-",
            text_span(up, sizeof up, (uint64_t)json_number(d, "up_s") * 1000));
        if (strcmp(json_text(d, "state"), "paused") == 0 || strcmp(json_text(d, "state"), "away") == 0)
            printf("  ! %s: %s\n", json_text(d, "state"), json_text(d, "reason"));
        if (*json_text(d, "limits") && strcmp(json_text(d, "limits"), limits) != 0)
            printf("  limits: %s\n", limits = json_text(d, "limits"));
    }
}

static void print_host(const json_t *h, const char *profile)
{
    char state[40], daemons[24], rate[16], rtt[24] = "-", load[16] = "-", memory[24] = "-", reason[400];
    const char *word = json_text(h, "state");
    snprintf(state, sizeof state, "%c %s", host_state_sign(word), word);
    snprintf(daemons, sizeof daemons, "%lld/%lld", (long long)json_number(h, "daemons"),
        (long long)json_number(h, json_object_get(h, "wanted") ? "wanted" : "daemons"));
    if (json_number(h, "rtt_us"))
        snprintf(rtt, sizeof rtt, "%.1f ms", json_decimal(h, "rtt_us") / 1000);
    if (json_is_number(json_object_get(h, "load")))
        snprintf(load, sizeof load, "%.1f", json_decimal(h, "load"));
    if (json_number(h, "memory") > 0)
        text_bytes(memory, sizeof memory, (uint64_t)json_number(h, "memory"));
    printf("%-14s %-16s %-14s %8s %8s %6s %8s %5zu %9s\n", profile, json_text(h, "host"), state, daemons,
        text_rate(rate, sizeof rate, json_decimal(h, "rate")), load, memory,
        json_array_size(json_object_get(h, "gpus")), rtt);
    if (*json_text(h, "suspicion"))
        printf("  ! suspect: %s\n", json_text(h, "suspicion"));
    if (*json_text(h, "note"))
        printf("  ! %s\n", json_text(h, "note"));
    if (!*json_text(h, "reason") || strcmp(word, "up") == 0)
        return;
    text_escape(reason, sizeof reason, json_text(h, "reason"), strlen(json_text(h, "reason")));
    printf("  ! %s", reason);
    text_escape(reason, sizeof reason, json_text(h, "hint"), strlen(json_text(h, "hint")));
    printf(*reason ? "; %s\n" : "\n", reason);
}

/* Only when there is another machine than this one. */
static void print_hosts(const json_t *profiles)
{
    const json_t *p, *h;
    size_t i, k;
    bool any = false;
    json_array_foreach (profiles, i, p)
        json_array_foreach (json_object_get(p, "hosts"), k, h)
            any |= strcmp(json_text(h, "host"), "local") != 0;
    if (!any)
        return;
    printf("\n%-14s %-16s %-14s %8s %8s %6s %8s %5s %9s\n", "PROFILE", "HOST", "STATE", "DAEMONS", "RATE/s", "LOAD",
        "MEMORY", "GPUS", "RTT");
    json_array_foreach (profiles, i, p)
        json_array_foreach (json_object_get(p, "hosts"), k, h)
            print_host(h, json_text(p, "name"));
}

/* Detached jobs that cannot go on. */
static void print_waiting(const json_t *list)
{
    const json_t *w;
    size_t i;
    char reason[900];
    json_array_foreach (list, i, w) {
        text_escape(reason, sizeof reason, json_text(w, "reason"), strlen(json_text(w, "reason")));
        printf("! job %lld waits: %s\n", (long long)json_number(w, "job"), reason);
    }
}

/* A profile that has numbers in the store comes up without a word more. */
static bool is_numbered(const char *profile)
{
    struct store *s;
    struct store_profile p;
    json_int_t wanted = 0;
    if (store_open(NULL, &s, NULL))
        return false;
    if (store_profile_get(s, profile, &p, NULL) == CLW_OK) {
        wanted = p.local_daemons;
        for (size_t i = 0; i < p.host_count; i++)
            wanted += p.hosts[i].daemons || p.set.per_gpu;
        store_profile_fini(&p);
    }
    store_close(s);
    return wanted > 0;
}

static void print_none(const char *profile)
{
    if (!profile)
        puts("no profiles are up; begin with: clowder up -n 2");
    else
        printf("%s is down; bring it up: clowder up %s%s\n", profile, profile, is_numbered(profile) ? "" : " -n 2");
}

/* The one profile that was asked for (or NULL) is shown with its daemons. */
static void print_table(const json_t *doc, const char *profile)
{
    const json_t *engine = json_object_get(doc, "engine"), *profiles = json_object_get(doc, "profiles"), *p;
    char up[24], rss[24];
    size_t i;
    printf("engine up %s, %s\n", text_span(up, sizeof up, (uint64_t)json_number(engine, "uptime_s") * 1000),
        text_bytes(rss, sizeof rss, (uint64_t)json_number(engine, "rss_bytes")));
    if (*json_text(engine, "store_problem"))
        printf("! no store, so nothing is kept, and no profile or host is known: %s\n",
            json_text(engine, "store_problem"));
    print_waiting(json_object_get(doc, "waiting"));
    if (!json_array_size(profiles)) {
        print_none(profile);
        return;
    }
    printf("%-14s %-9s %8s %11s %6s %13s %6s %8s  LAST %d s\n", "PROFILE", "STATE", "DAEMONS", "AWAIT", "EXEC", "DONE",
        "FAIL", "RATE/s", SPARK);
    json_array_foreach (profiles, i, p)
        print_profile(p);
    print_hosts(profiles);
    if (profile)
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
        if (strcmp(json_text(json_array_get(profiles, i), "name"), profile) != 0)
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
        print_table(doc, w->profile);
    }
    json_decref(doc);
    return fflush(stdout) == 0;
}

/* ---- without an engine: what the store knows; nobody is started to be looked at ---- */

static json_t *stored_profile(const struct store_profile *p)
{
    json_int_t wanted = p->local_daemons;
    for (size_t i = 0; i < p->host_count; i++)
        wanted += p->hosts[i].daemons;
    return json_pack("{s:s, s:s, s:s, s:s, s:{s:I, s:i}, s:[], s:[]}", "name", p->name, "state", "stopped", "reason",
        "no engine runs; it comes up again with the next one", "runtime", store_runtime_text(p->runtime), "daemons",
        "wanted", wanted, "connected", 0, "hosts", "daemon_list");
}

/* As the engine's document, with null for the engine. */
static int stored(const char *profile, json_t **doc)
{
    struct store *s;
    struct store_profile_list list;
    struct clw_error err;
    int64_t *jobs = NULL;
    size_t count = 0;
    bool is_known = !profile || strcmp(profile, "default") == 0;
    *doc = json_pack("{s:n, s:[], s:[]}", "engine", "profiles", "waiting");
    int status = inventory_open(&s);
    if (status)
        return status;
    if (store_kept_open(s, &jobs, &count, &err) || store_profile_list(s, &list, &err)) {
        status = say_failure(&err);
    } else {
        for (size_t i = 0; i < list.count; i++) {
            bool is_asked = !profile || strcmp(list.items[i].name, profile) == 0;
            is_known |= is_asked;
            if (is_asked && list.items[i].wanted)
                json_array_append_new(json_object_get(*doc, "profiles"), stored_profile(&list.items[i]));
        }
        store_profile_list_fini(&list);
    }
    for (size_t i = 0; i < count && !profile; i++)
        json_array_append_new(json_object_get(*doc, "waiting"),
            json_pack("{s:I, s:s}", "job", (json_int_t)jobs[i], "reason", "no engine runs it"));
    free(jobs);
    if (!status && !is_known) {
        struct store_profile none;
        status = inventory_profile(s, profile, &none);
    }
    store_close(s);
    return status;
}

static int show_stored(const struct watching *w)
{
    json_t *doc, *p;
    size_t i;
    int status = stored(w->profile, &doc);
    if (status == 0 && w->json) {
        char *line = json_dumps(doc, JSON_COMPACT);
        puts(line);
        free(line);
    } else if (status == 0) {
        puts("no engine runs; it starts with the first command that needs it: clowder up -n 2");
        print_waiting(json_object_get(doc, "waiting"));
        json_array_foreach (json_object_get(doc, "profiles"), i, p)
            printf("%-14s %-9s 0 of %lld up; it comes up again with the engine\n", json_text(p, "name"),
                json_text(p, "state"), (long long)json_number(json_object_get(p, "daemons"), "wanted"));
    }
    json_decref(doc);
    return status ? status : fflush(stdout) == 0 ? 0 : 1;
}

int cmd_status(const struct opts *o, bool json)
{
    struct clowder_error err;
    struct watching w = {.json = json, .terminal = isatty(STDOUT_FILENO)};
    char *document;
    int status = one_word(o, &w.profile);
    if (status)
        return status;
    if (!opts_has(o, "watch") && !inventory_engine_runs())
        return show_stored(&w);
    struct clowder *c = open_client(true);
    status = clowder_status(c, w.profile, &document, &err);
    for (int i = 0; i < DYING_TRIES && status == CLOWDER_UNREACHABLE && !opts_has(o, "watch");
         i++) { /* it was about to end */
        if (!inventory_engine_runs()) {
            clowder_close(c);
            return show_stored(&w);
        }
        nanosleep(&(struct timespec){.tv_nsec = DYING_PAUSE_MS * 1000000L}, NULL);
        status = clowder_status(c, w.profile, &document, &err);
    }
    if (status == 0 && opts_has(o, "watch")) {
        free(document);
        status = clowder_watch(c, show, &w, &err);
    } else if (status == 0) {
        json_t *doc = json_loads(document, 0, NULL);
        if (json)
            puts(document);
        else
            print_table(doc, w.profile);
        json_decref(doc);
        free(document);
    }
    clowder_close(c);
    return status ? say_error(&err) : 0;
}
