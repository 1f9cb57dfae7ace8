/* job list, show, cancel, save: the ledger in the store, and over it what the engine has now. */
#include "tui/cli/cmd_job.h"

#include "base/mem.h"
#include "base/mono.h"
#include "base/text.h"
#include "tui/cli/inventory.h"
#include "tui/cli/map.h"
#include "tui/cli/out_file.h"
#include "tui/cli/request.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CANCEL_MS = 5000 }; /* an engine writes within it, unless the disk keeps it from that */

int job_id(const struct opts *o, size_t count, int64_t *id)
{
    struct clw_error err;
    *id = 0;
    if (o->word_count < count)
        return say(
            2, "%s: name a job%s; see clowder %s --help", o->command, count > 1 ? " and a file" : "", o->command);
    if (o->word_count > count)
        return say(2, "%s: unexpected argument '%s'; see clowder %s --help", o->command, o->words[count], o->command);
    if (text_parse_int(o->words[0], 1, INT64_MAX, id, &err))
        return say(2, "%s: '%s' is not the number of a job; 'clowder job list' shows them", o->command, o->words[0]);
    return 0;
}

int job_find(struct store *s, int64_t id, struct store_job *job)
{
    struct clw_error err;
    return store_job_get(s, id, job, &err) ? say_failure(&err) : 0;
}

/* What the engine has of the jobs, {"jobs": [...]}; NULL when none runs. */
static json_t *live_jobs(void)
{
    struct clowder *c;
    json_t *reply = NULL;
    if (clowder_open(&c, &(struct clowder_options){.no_start = true}, NULL))
        return NULL;
    request_send(c, request_new("jobs"), 5000, &reply, NULL);
    clowder_close(c);
    return reply;
}

static json_t *job_json(const struct store_job *j)
{
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "id", (json_int_t)j->id, "name",
        j->name, "profile", j->profile, "command", j->command, "state", store_job_state_text(j->state), "total",
        (json_int_t)j->total, "done", (json_int_t)j->done, "failed", (json_int_t)j->failed, "cancelled",
        (json_int_t)j->cancelled, "submitted_us", (json_int_t)j->submitted_us, "started_us", (json_int_t)j->started_us,
        "finished_us", (json_int_t)j->finished_us);
}

bool job_is_finished(const struct store_job *job)
{
    return job->state != STORE_JOB_QUEUED && job->state != STORE_JOB_RUNNING;
}

int job_kept(struct store *s, int64_t id, struct store_kept *kept)
{
    struct clw_error err;
    enum clw_err code = store_kept_get(s, id, kept, &err);
    return code == CLW_NOT_FOUND ? 1 : code ? (say_failure(&err), 3) : 0;
}

/* What a detached job has besides. */
static void add_kept(json_t *o, struct store *s, const struct store_job *j)
{
    struct store_kept kept;
    bool is_kept = store_kept_get(s, j->id, &kept, NULL) == CLW_OK;
    const char *reason = is_kept ? kept.reason : "";
    if (is_kept && kept.owner[0])
        reason = "its inputs are still being read";
    else if (is_kept && !*reason && !job_is_finished(j))
        reason = "no engine runs it; any command that needs an engine starts one";
    json_object_set_new(o, "detached", json_boolean(is_kept));
    request_set_text(o, "reason", reason);
    if (is_kept)
        json_object_set_new(o, "collected_us", json_integer((json_int_t)kept.collected_us));
    store_kept_fini(&kept);
}

/* The ledger's entry, with what the engine knows better. */
static json_t *merged(struct store *s, const struct store_job *j, const json_t *live)
{
    json_t *o = job_json(j);
    add_kept(o, s, j);
    const json_t *item;
    size_t i;
    if (job_is_finished(j))
        return o; /* the store is the newer one of the two */
    json_array_foreach (json_object_get(live, "jobs"), i, item)
        if (json_number(item, "id") == (json_int_t)j->id)
            json_object_update(o, (json_t *)(uintptr_t)item);
    return o;
}

static void when_text(char *out, size_t size, json_int_t at_us)
{
    time_t at = (time_t)(at_us / 1000000);
    struct tm tm;
    out[0] = '\0';
    if (at_us && localtime_r(&at, &tm))
        strftime(out, size, "%Y-%m-%d %H:%M", &tm);
}

static void print_reason(const json_t *o)
{
    char reason[900];
    text_escape(reason, sizeof reason, json_text(o, "reason"), strlen(json_text(o, "reason")));
    if (*reason)
        printf("       ! %s\n", reason);
}

static void print_job(const json_t *o)
{
    char command[60], when[24], total[32], done[32], failed[32];
    const char *name = json_text(o, "command");
    text_escape(command, sizeof command, name, strlen(name));
    when_text(when, sizeof when, json_number(o, "submitted_us"));
    printf("%6lld %-10s %-14s %12s %12s %8s %-16s  %s\n", (long long)json_number(o, "id"), json_text(o, "state"),
        json_text(o, "profile"), text_count(total, sizeof total, (uint64_t)json_number(o, "total")),
        text_count(done, sizeof done, (uint64_t)json_number(o, "done")),
        text_count(failed, sizeof failed, (uint64_t)json_number(o, "failed")), when, command);
    print_reason(o);
}

static void print_jobs(const json_t *list)
{
    const json_t *item;
    size_t i;
    if (!json_array_size(list)) {
        say(0, "there are no jobs; begin with: ls | clowder map -n 2 -- wc -c");
        return;
    }
    printf("%6s %-10s %-14s %12s %12s %8s %-16s  %s\n", "ID", "STATE", "PROFILE", "TASKS", "DONE", "FAILED",
        "SUBMITTED", "COMMAND");
    json_array_foreach (list, i, item)
        print_job(item);
}

int cmd_job_list(const struct opts *o, bool json)
{
    struct store *s;
    struct store_job_list list;
    struct clw_error err;
    int64_t limit = 20;
    if (o->word_count)
        return say(2, "job list: unexpected argument '%s'", o->words[0]);
    int status = opts_int(o, "limit", 1, 1000000, &limit);
    if (status == 0)
        status = inventory_open(&s);
    if (status)
        return status;
    if (store_job_list(s, opts_text(o, "profile", NULL), (size_t)limit, &list, &err)) {
        status = say_failure(&err);
    } else {
        json_t *live = live_jobs(), *all = json_array();
        for (size_t i = 0; i < list.count; i++)
            json_array_append_new(all, merged(s, &list.items[i], live));
        if (json)
            json_print(json_pack("{s:O}", "jobs", all));
        else
            print_jobs(all);
        json_decref(all);
        json_decref(live);
    }
    store_job_list_fini(&list);
    store_close(s);
    return status;
}

/* ---- show ---- */

/* Of a text that was cut, without the character that was cut in two. */
static size_t text_len(const struct store_failure *f)
{
    size_t len = f->input_len, least = len > 3 ? len - 3 : 0;
    while (f->input_cut && len > least && !text_is_utf8(f->input, len))
        len--;
    return text_is_utf8(f->input, len) ? len : f->input_len;
}

/* As map has it: what is no UTF-8 is told in base64. */
static void set_input(json_t *o, const struct store_failure *f)
{
    size_t len = text_len(f);
    if (!f->input || text_is_utf8(f->input, len)) {
        json_object_set_new(o, "input", f->input ? json_stringn(f->input, len) : json_null());
        return;
    }
    char *text = text_base64(f->input, len);
    json_object_set_new(o, "input_base64", json_string(text));
    free(text);
}

static json_t *failure_json(const struct store_failure *f)
{
    json_t *o = json_pack("{s:I, s:s, s:i, s:s, s:s, s:b}", "index", (json_int_t)f->task + 1, "host", f->host,
        "attempts", (int)f->attempts, "status", f->status, "stderr", f->stderr_tail, "input_cut", (int)f->input_cut);
    set_input(o, f);
    return o;
}

static void print_failure(const struct store_failure *f)
{
    char input[64], tail[200], status[400];
    size_t len = strlen(f->stderr_tail), from = len > 150 ? len - 150 : 0;
    while (len > from && f->stderr_tail[len - 1] == '\n')
        len--;
    text_escape(status, sizeof status, f->status, strlen(f->status));
    text_escape(input, sizeof input, f->input ? f->input : "", f->input_len);
    text_escape(tail, sizeof tail, f->stderr_tail + from, len - from);
    printf("  %8llu %-14s %-20s %-24s %s\n", (unsigned long long)f->task + 1, f->host, status, input, tail);
}

static void print_details(const json_t *o)
{
    char text[1200], when[24];
    static const char *const texts[] = {"name", "profile", "state", "reason", "command", NULL};
    static const char *const numbers[] = {"total", "done", "failed", "cancelled", "awaiting", "executing", NULL};
    static const char *const times[] = {"submitted_us", "started_us", "finished_us", "collected_us", NULL};
    printf("%-10s %lld\n", "job", (long long)json_number(o, "id"));
    for (const char *const *key = texts; *key; key++) {
        text_escape(text, sizeof text, json_text(o, *key), strlen(json_text(o, *key)));
        if (*text || strcmp(*key, "reason") != 0)
            printf("%-10s %s\n", *key, text);
    }
    for (const char *const *key = numbers; *key; key++)
        if (json_object_get(o, *key))
            printf("%-10s %lld\n", *key, (long long)json_number(o, *key));
    for (const char *const *key = times; *key; key++) {
        when_text(when, sizeof when, json_number(o, *key));
        if (*when)
            printf("%-10.*s %s\n", (int)strlen(*key) - 3, *key, when);
    }
}

static int show(struct store *s, const struct store_job *job, size_t limit, bool json)
{
    struct store_failure_list list;
    struct clw_error err;
    if (store_job_failures(s, job->id, 0, limit, &list, &err))
        return say_failure(&err);
    json_t *live = live_jobs(), *o = merged(s, job, live);
    json_decref(live);
    if (json) {
        json_t *failures = json_array();
        for (size_t i = 0; i < list.count; i++)
            json_array_append_new(failures, failure_json(&list.items[i]));
        json_object_set_new(o, "failures", failures);
        json_print(o);
    } else {
        print_details(o);
        json_decref(o);
        if (list.count)
            printf("\n  %8s %-14s %-20s %-24s %s\n", "TASK", "HOST", "STATUS", "INPUT", "STDERR");
        for (size_t i = 0; i < list.count; i++)
            print_failure(&list.items[i]);
        if (list.count == limit && job->failed > limit)
            printf("  ... and more: --failures %llu\n", (unsigned long long)job->failed);
    }
    store_failure_list_fini(&list);
    return 0;
}

int cmd_job_show(const struct opts *o, bool json)
{
    struct store *s;
    struct store_job job;
    int64_t id, limit = 20;
    int status = opts_int(o, "failures", 0, 1000000, &limit);
    if (status == 0)
        status = job_id(o, 1, &id);
    if (status == 0)
        status = inventory_open(&s);
    if (status)
        return status;
    status = job_find(s, id, &job);
    if (status == 0) {
        status = show(s, &job, (size_t)limit, json);
        store_job_fini(&job);
    }
    store_close(s);
    return status;
}

/* ---- cancel, save ---- */

/* An engine that runs the job writes what it has of it, and then its end. False: none does, or it cannot soon. */
static bool engine_cancels(int64_t id, bool *asked)
{
    struct clowder *c = open_client(true);
    json_t *request = request_new("cancel"), *reply = NULL;
    json_object_set_new(request, "job", json_integer(id));
    *asked = c && request_send(c, request, 30000, &reply, NULL) == CLOWDER_OK;
    bool done = *asked && job_await(c, id, NULL, mono_ms() + CANCEL_MS) == 0;
    json_decref(reply);
    clowder_close(c);
    return done;
}

static int cancel_kept(struct store *s, int64_t id)
{
    struct clw_error err;
    struct store_job job = {0};
    bool asked, done = engine_cancels(id, &asked);
    enum clw_err code = store_kept_cancel(s, id, &err);
    bool finished = code == CLW_EXISTS && store_job_get(s, id, &job, NULL) == CLW_OK;
    bool cancelled = finished && done && job.state == STORE_JOB_CANCELLED;
    store_job_fini(&job);
    if (!code || cancelled)
        return 0;
    if (asked && !finished)
        return say(0, "the engine ends it, and writes that down as soon as it can");
    return say_failure(&err);
}

static int cancel_live(int64_t id)
{
    json_t *reply;
    struct clowder *c = open_client(true);
    if (!c)
        return 1;
    json_t *request = request_new("cancel");
    json_object_set_new(request, "job", json_integer(id));
    int status = request_told(c, request, 30000, &reply);
    json_decref(reply);
    clowder_close(c);
    return status;
}

int cmd_job_cancel(const struct opts *o, bool json)
{
    struct store *s;
    struct store_kept kept = {0};
    int64_t id;
    (void)json;
    int status = job_id(o, 1, &id);
    if (status == 0)
        status = inventory_open(&s);
    if (status)
        return status;
    status = job_kept(s, id, &kept);
    if (status <= 1)
        status = status == 0 ? cancel_kept(s, id) : cancel_live(id);
    store_kept_fini(&kept);
    store_close(s);
    if (status == 0)
        printf("job %lld cancelled\n", (long long)id);
    return status;
}

static int save_one(const struct store_failure *f, FILE *out, bool inputs)
{
    if (!inputs) {
        json_t *o = failure_json(f);
        json_dumpf(o, out, JSON_COMPACT);
        json_decref(o);
    } else {
        if (!f->input || f->input_cut || memchr(f->input, '\n', f->input_len))
            return say(5, "job save: the input of task %llu %s; leave out --inputs", (unsigned long long)f->task + 1,
                !f->input      ? "was not kept"
                : f->input_cut ? "was too long to be kept whole"
                               : "has more than one line");
        fwrite(f->input, 1, f->input_len, out);
    }
    putc('\n', out);
    return 0;
}

bool job_tell_missing(const struct store_job *job, uint64_t kept)
{
    if (kept >= job->failed)
        return false;
    say(0, "job %lld: only %llu of its %llu failed tasks were kept; the others are left out", (long long)job->id,
        (unsigned long long)kept, (unsigned long long)job->failed);
    return true;
}

static int save_all(struct store *s, const struct store_job *job, FILE *out, bool inputs, uint64_t *count)
{
    struct store_failure_list list;
    struct clw_error err;
    uint64_t from = 0;
    int status = 0;
    *count = 0;
    do {
        if (store_job_failures(s, job->id, from, JOB_PAGE, &list, &err))
            return say_failure(&err);
        for (size_t i = 0; i < list.count && status == 0; i++)
            status = save_one(&list.items[i], out, inputs);
        *count += list.count;
        from = list.count ? list.items[list.count - 1].task + 1 : 0;
        store_failure_list_fini(&list);
    } while (from && status == 0);
    return status;
}

int cmd_job_save(const struct opts *o, bool json)
{
    struct store *s;
    struct store_job job;
    struct out_file out;
    int64_t id;
    uint64_t count;
    (void)json;
    int status = job_id(o, 2, &id);
    if (status == 0)
        status = inventory_open(&s);
    if (status)
        return status;
    status = job_find(s, id, &job);
    if (status == 0) {
        status = out_open(&out, o->command, o->words[1], opts_has(o, "force"));
        if (status == 0) {
            status = out_close(&out, save_all(s, &job, out.f, opts_has(o, "inputs"), &count));
            if (status == 0 && job_tell_missing(&job, count))
                status = 1;
        }
        store_job_fini(&job);
    }
    store_close(s);
    return status;
}
