/* host probe: several hosts at a time, told in the order in which they were named. */
#include "tui/cli/many.h"

#include "base/mem.h"
#include "base/text.h"
#include "tui/cli/command.h"
#include "tui/cli/request.h"

#include <stdlib.h>
#include <string.h>

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

static json_t *task_json(struct many_task *t)
{
    if (t->status)
        return json_pack("{s:s, s:b, s:i, s:s, s:s}", "name", t->host, "ok", 0, "status", t->status, "error",
            t->err.message, "hint", t->err.hint);
    return json_pack("{s:s, s:b, s:s, s:O*}", "name", t->host, "ok", 1, "state", json_text(t->reply, "state"), "facts",
        json_object_get(t->reply, "facts"));
}

/* The worst that happened is the exit status. */
static int tell(struct many_task *tasks, size_t count, bool json)
{
    int status = 0;
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        struct many_task *t = &tasks[i];
        if (json)
            json_array_append_new(list, task_json(t));
        else if (t->status)
            many_say(t);
        else
            print_facts(t->host, json_object_get(t->reply, "facts"));
        if (t->status > status)
            status = t->status;
    }
    if (json)
        json_print(json_pack("{s:O}", "hosts", list));
    json_decref(list);
    return status;
}

int cmd_host_probe(const struct opts *o, bool json)
{
    uint64_t timeout_ms = 60000;
    struct inventory_names names = {0};
    bool all = opts_has(o, "all");
    int status =
        all == (o->word_count > 0) ? say(2, "host probe: name hosts or use --all%s", all ? ", not both" : "") : 0;
    if (status == 0)
        status = opts_duration(o, "timeout", &timeout_ms);
    if (status == 0)
        status = inventory_names(o, all, &names);
    struct clowder *c = status == 0 ? open_client(false) : NULL;
    if (c) {
        struct many_task *tasks = many_ask(c, "probe", &names, timeout_ms);
        clowder_close(c);
        status = tell(tasks, names.count, json);
        many_free(tasks, names.count);
    } else if (status == 0) {
        status = 1;
    }
    inventory_names_fini(&names);
    return status;
}
