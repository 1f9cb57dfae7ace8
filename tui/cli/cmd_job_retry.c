/* job retry: the failed tasks of a job again, as a map in the foreground with the same function. Each keeps its number,
 * so that CLOWDER_TASK and CLOWDER_SEED are what they were. */
#include "tui/cli/cmd_job.h"

#include "base/mem.h"
#include "base/text.h"
#include "tui/cli/inventory.h"
#include "tui/cli/map.h"
#include "tui/cli/request.h"

#include <stdlib.h>
#include <string.h>

struct retry {
    struct store *s;
    struct store_job job;
    json_t *function;
};

static int refuse(const struct retry *r, const char *why)
{
    return say(5, "job %lld cannot be run again: %s", (long long)r->job.id, why);
}

/* A list that ends with NULL, or NULL; its texts stay in o. */
static const char **texts(const json_t *o, const char *key)
{
    const json_t *array = json_object_get(o, key), *one;
    size_t i;
    if (!json_array_size(array))
        return NULL;
    const char **list = mem_zalloc((json_array_size(array) + 1) * sizeof *list);
    json_array_foreach (array, i, one)
        list[i] = json_string_value(one) ? json_string_value(one) : "";
    return list;
}

/* A line for a shell, and the words before it. */
static void read_shell(const struct retry *r, struct map *m)
{
    size_t count = json_array_size(json_object_get(r->function, "argv")),
           line_at = (size_t)json_number(r->function, "shell");
    m->f.shell = line_at != 0;
    if (line_at < 2 || line_at > count)
        return;
    m->wrap = mem_zalloc(line_at * sizeof *m->wrap);
    memcpy(m->wrap, m->argv, (line_at - 1) * sizeof *m->wrap);
    memmove(m->argv, m->argv + line_at - 1, (count + 2 - line_at) * sizeof *m->argv);
    m->f.wrap = m->wrap;
}

/* The texts of the function stay in r->function. */
static int read_function(struct retry *r, struct map *m)
{
    static const char *const kinds[] = {"command", "lines", "framed"};
    const json_t *argv, *word, *seed;
    const char *dir, *results;
    size_t i;
    r->function = *r->job.function ? json_loads(r->job.function, 0, NULL) : NULL;
    argv = json_object_get(r->function, "argv");
    if (!json_array_size(argv))
        return refuse(r, "its function was not kept");
    if (json_number(r->function, "everywhere"))
        return refuse(r, "it ran once on each daemon; run clowder everywhere again");
    if (json_number(r->function, "files"))
        return refuse(r, "files were shipped with it; save its inputs and map them again with --ship");
    m->argv = mem_zalloc((json_array_size(argv) + 1) * sizeof *m->argv);
    json_array_foreach (argv, i, word)
        if (!(m->argv[i] = json_string_value(word)))
            return refuse(r, "its function is damaged");
    for (i = 0; i < 3; i++)
        if (strcmp(json_text(r->function, "kind"), kinds[i]) == 0)
            m->f.kind = (enum clowder_kind)i;
    dir = json_text(r->function, "dir");
    seed = json_object_get(r->function, "seed");
    m->f.argv = m->argv;
    m->f.name = r->job.name;
    m->f.dir = *dir ? dir : NULL;
    m->f.ship = m->ship = texts(r->function, "ship");
    m->f.in = m->in = texts(r->function, "in");
    m->f.out = m->out = texts(r->function, "out");
    m->f.names = m->names = texts(r->function, "names");
    m->f.has_columns = json_number(r->function, "columns") != 0;
    read_shell(r, m);
    m->f.files = json_number(r->function, "by_names") != 0;
    results = json_text(r->function, "results");
    m->f.results = m->results = *results ? results : NULL;
    m->f.use_stdin = json_number(r->function, "use_stdin") != 0;
    m->f.no_input = json_number(r->function, "no_input") != 0;
    m->f.speculate = json_number(r->function, "speculate") != 0;
    m->f.timeout_ms = (uint64_t)json_number(r->function, "timeout_ms");
    if (json_object_get(r->function, "retries"))
        m->f.retries = (unsigned)json_number(r->function, "retries");
    m->f.retry_failed = (unsigned)json_number(r->function, "retry_failed");
    if (json_number(r->function, "max_output") > 0)
        m->f.max_output = (size_t)json_number(r->function, "max_output");
    m->f.has_seed = json_is_integer(seed);
    m->f.seed = (uint64_t)json_integer_value(seed);
    return 0;
}

/* Are all inputs there, and whole? *count: how many. */
static int check_inputs(struct retry *r, const struct map *m, uint64_t *count)
{
    struct store_failure_list list;
    struct clw_error err;
    uint64_t from = 0;
    char why[120] = "";
    *count = 0;
    do {
        if (store_job_failures(r->s, r->job.id, from, JOB_PAGE, &list, &err))
            return say_failure(&err);
        for (size_t i = 0; i < list.count && !*why; i++) {
            const struct store_failure *f = &list.items[i];
            if (!m->f.no_input && (!f->input || f->input_cut))
                snprintf(why, sizeof why, "the input of task %llu was %s", (unsigned long long)f->task + 1,
                    f->input_cut ? "too long to be kept whole" : "not kept");
        }
        *count += list.count;
        from = list.count ? list.items[list.count - 1].task + 1 : 0;
        store_failure_list_fini(&list);
    } while (from && !*why);
    return *why ? refuse(r, why) : 0;
}

/* The reader's life: page after page of the store, which is this thread's own meanwhile. */
static void feed(struct map *m, void *arg)
{
    struct retry *r = arg;
    struct store_failure_list list;
    struct clw_error err;
    uint64_t from = 0;
    bool more = true;
    while (more && !m->stopping) {
        if (store_job_failures(r->s, r->job.id, from, JOB_PAGE, &list, &err)) {
            m->input_error = (struct clowder_error){.status = clw_err_exit_status(err.code)};
            snprintf(m->input_error.message, sizeof m->input_error.message, "%s", err.message);
            return;
        }
        more = list.count > 0;
        for (size_t i = 0; i < list.count && more; i++) {
            const struct store_failure *f = &list.items[i];
            more = map_put_at(m, f->task, f->input ? f->input : "", f->input_len);
            from = f->task + 1;
        }
        store_failure_list_fini(&list);
    }
}

static int run(struct retry *r, const struct opts *o, bool json)
{
    struct map m = {.json = json, .tag = opts_has(o, "tag"), .feed = feed, .feed_arg = r};
    uint64_t count;
    clowder_function_init(&m.f);
    m.f.profile = opts_text(o, "profile", r->job.profile);
    int status = map_output_options(o, &m);
    if (status == 0)
        status = read_function(r, &m);
    if (status == 0)
        status = check_inputs(r, &m, &count);
    if (status == 0 && count == 0)
        say(0, "job %lld has no failed tasks: nothing to do", (long long)r->job.id);
    else if (status == 0) {
        if (!opts_has(o, "no-progress") && stderr_is_terminal())
            m.progress = progress_new();
        status = map_run(&m, 0);
        status = job_tell_missing(&r->job, count) && status == 0 ? 1 : status;
    }
    map_fini(&m);
    json_decref(r->function);
    return status;
}

/* A detached one goes on by itself. */
static int queue_again(struct store *s, int64_t id, const struct opts *o)
{
    struct clw_error err;
    uint64_t count;
    if (opts_has(o, "output"))
        return say(
            2, "job %lld is detached: its results stay with it; 'job collect' writes them to a file", (long long)id);
    if (store_kept_retry(s, id, &count, &err))
        return say_failure(&err);
    if (!count) {
        say(0, "job %lld has no failed tasks: nothing to do", (long long)id);
        return 0;
    }
    job_announce(true);
    printf("job %lld: %llu task%s will run again\n", (long long)id, (unsigned long long)count, text_plural(count));
    return 0;
}

int cmd_job_retry(const struct opts *o, bool json)
{
    struct retry r = {0};
    struct store_kept kept = {0};
    int64_t id;
    int status = job_id(o, 1, &id);
    if (status == 0)
        status = inventory_open(&r.s);
    if (status)
        return status;
    status = job_find(r.s, id, &r.job);
    int not_kept = status == 0 ? job_kept(r.s, id, &kept) : 1;
    if (not_kept > 1)
        status = not_kept;
    if (status == 0 && !job_is_finished(&r.job))
        status = refuse(&r, "it is not finished");
    if (status == 0)
        status = not_kept ? run(&r, o, json) : queue_again(r.s, id, o);
    store_kept_fini(&kept);
    store_job_fini(&r.job);
    store_close(r.s);
    return status;
}
