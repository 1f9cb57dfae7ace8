/* host probe: several hosts at a time, told in the order in which they were named. */
#include "tui/cli/inventory.h"

#include "base/mem.h"
#include "base/text.h"
#include "tui/cli/command.h"
#include "tui/cli/request.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 32, GRACE_MS = 5000 };

struct probe_task {
    char *host;
    int status;
    json_t *reply;
    struct clowder_error err;
};

struct probe_run {
    struct clowder *c;
    struct probe_task *tasks;
    size_t count;
    _Atomic size_t next;
    uint64_t timeout_ms;
};

static void *worker(void *arg)
{
    struct probe_run *run = arg;
    size_t i;
    while ((i = run->next++) < run->count) {
        struct probe_task *t = &run->tasks[i];
        json_t *request = request_new("probe");
        request_set_text(request, "host", t->host);
        json_object_set_new(request, "timeout_ms", json_integer((json_int_t)run->timeout_ms));
        t->status = request_send(run->c, request, (int64_t)run->timeout_ms + GRACE_MS, &t->reply, &t->err);
    }
    return NULL;
}

static int probe_all(struct probe_run *run)
{
    pthread_t threads[AT_ONCE];
    size_t n = 0;
    run->c = open_client(false);
    if (!run->c)
        return 1;
    while (n < AT_ONCE && n + 1 < run->count && pthread_create(&threads[n], NULL, worker, run) == 0)
        n++;
    worker(run);
    while (n > 0)
        pthread_join(threads[--n], NULL);
    clowder_close(run->c);
    return 0;
}

static void add(struct buf *b, const char *format, const char *text)
{
    char clean[200];
    if (!*text)
        return;
    text_escape(clean, sizeof clean, text, strlen(text));
    buf_add_text(b, b->len ? ", " : "");
    buf_add_text(b, format);
    buf_add_text(b, clean);
}

/* "Debian GNU/Linux 12, x86_64, 8 cores, 31G, load 0.3, 2 GPUs (...), R 4.2.2, 1.2 ms" */
static void print_facts(const char *host, const json_t *facts)
{
    struct buf b = {0};
    char text[200];
    const json_t *gpus = json_object_get(facts, "gpus");
    add(&b, "", json_text(facts, "os"));
    add(&b, "", json_text(facts, "arch"));
    if (json_number(facts, "cores"))
        buf_printf(&b, ", %lld core%s", (long long)json_number(facts, "cores"),
            text_plural((uint64_t)json_number(facts, "cores")));
    if (json_number(facts, "mem_total_bytes"))
        add(&b, "memory ", text_bytes(text, sizeof text, (uint64_t)json_number(facts, "mem_total_bytes")));
    if (json_object_get(facts, "load1"))
        buf_printf(&b, ", load %.1f", json_decimal(facts, "load1"));
    if (json_array_size(gpus)) {
        snprintf(text, sizeof text, "%zu GPU%s: %s", json_array_size(gpus), json_array_size(gpus) == 1 ? "" : "s",
            json_text(json_array_get(gpus, 0), "name"));
        add(&b, "", text);
    }
    add(&b, "R ", json_text(facts, "r"));
    add(&b, "mirai ", json_text(facts, "mirai"));
    add(&b, "nanonext ", json_text(facts, "nanonext"));
    add(&b, "Python ", json_text(facts, "python"));
    add(&b, "Dask ", json_text(facts, "dask"));
    add(&b, "cache folder not writable: ", json_text(facts, "cache_error"));
    add(&b, "cache folder open to others: ", json_text(facts, "cache_open"));
    if (json_number(facts, "rtt_us"))
        buf_printf(&b, ", %.1f ms", json_decimal(facts, "rtt_us") / 1000);
    printf("%s: %s\n", host, buf_text(&b));
    add(&b, "", json_text(facts, "unparsed"));
    buf_fini(&b);
    if (*json_text(facts, "unparsed"))
        say(0, "%s also said: %s", host, json_text(facts, "unparsed"));
}

static json_t *task_json(struct probe_task *t)
{
    if (t->status)
        return json_pack("{s:s, s:b, s:i, s:s, s:s}", "name", t->host, "ok", 0, "status", t->status, "error",
            t->err.message, "hint", t->err.hint);
    return json_pack("{s:s, s:b, s:s, s:O*}", "name", t->host, "ok", 1, "state", json_text(t->reply, "state"), "facts",
        json_object_get(t->reply, "facts"));
}

/* The worst that happened is the exit status. */
static int tell(struct probe_run *run, bool json)
{
    int status = 0;
    json_t *list = json_array();
    for (size_t i = 0; i < run->count; i++) {
        struct probe_task *t = &run->tasks[i];
        if (json) {
            json_array_append_new(list, task_json(t));
        } else if (t->status) {
            char message[sizeof t->err.message];
            memcpy(message, t->err.message, sizeof message);
            if (!strstr(message, t->host))
                snprintf(t->err.message, sizeof t->err.message, "%s: %.300s", t->host, message);
            fflush(stdout);
            say_error(&t->err);
        } else {
            print_facts(t->host, json_object_get(t->reply, "facts"));
        }
        if (t->status > status)
            status = t->status;
    }
    if (json)
        json_print(json_pack("{s:O}", "hosts", list));
    json_decref(list);
    return status;
}

static void add_task(struct probe_run *run, const char *host)
{
    for (size_t i = 0; i < run->count; i++)
        if (strcmp(run->tasks[i].host, host) == 0)
            return;
    run->tasks[run->count++] = (struct probe_task){.host = mem_strdup(host)};
}

static int choose(const struct opts *o, struct probe_run *run)
{
    struct store *s;
    struct store_host_list list;
    struct clw_error err;
    bool all = opts_has(o, "all");
    if (all == (o->word_count > 0))
        return say(2, "host probe: name hosts or use --all%s", all ? ", not both" : "");
    int status = inventory_open(&s);
    if (status)
        return status;
    if (store_host_list(s, &list, &err))
        status = say_failure(&err);
    run->tasks = mem_zalloc((o->word_count + list.count + 1) * sizeof *run->tasks);
    for (size_t i = 0; i < list.count && all; i++)
        if (list.items[i].launcher == STORE_LAUNCHER_SSH)
            add_task(run, list.items[i].name);
    for (size_t i = 0; i < o->word_count && status == 0; i++) {
        struct store_host h;
        status = inventory_host(s, o->words[i], &h);
        if (status == 0) {
            store_host_fini(&h);
            add_task(run, o->words[i]);
        }
    }
    store_host_list_fini(&list);
    store_close(s);
    return status;
}

int cmd_host_probe(const struct opts *o, bool json)
{
    struct probe_run run = {.timeout_ms = 60000};
    int status = opts_duration(o, "timeout", &run.timeout_ms);
    if (status == 0)
        status = choose(o, &run);
    if (status == 0 && run.count)
        status = probe_all(&run);
    if (status == 0)
        status = tell(&run, json);
    for (size_t i = 0; i < run.count; i++) {
        free(run.tasks[i].host);
        json_decref(run.tasks[i].reply);
    }
    free(run.tasks);
    return status;
}
