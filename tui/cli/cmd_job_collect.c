/* job collect: the results of a detached job from the store, in the order of its inputs and as map would print them. */
#include "tui/cli/cmd_job.h"

#include "base/mono.h"
#include "base/text.h"
#include "engine/wire/func.h"
#include "tui/cli/inventory.h"
#include "tui/cli/map.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct collect {
    struct store *s;
    struct store_job job;
    struct store_kept kept;
    struct func func;
    struct map m;
    struct clowder *c; /* to wait with; NULL: not needed so far */
    int64_t id;
    uint64_t until_ms, index;
    unsigned idle; /* waits in a row after which nothing had changed */
};

/* ---- one chunk ---- */

/* Inputs are read only where they are shown. */
static int show(struct collect *x, struct store_chunk *in, const struct store_result *from)
{
    struct clw_error err;
    bool cancelled = from == NULL;
    uint32_t pos = (uint32_t)(x->index - in->first);
    struct clowder_result r = {
        .index = x->index, .out = "", .err = "", .input = "", .why = "", .host = "", .daemon = ""};
    char *why = NULL;
    if (cancelled) {
        r.outcome = CLOWDER_TASK_CANCELLED;
        r.exit_status = -1;
    } else {
        r.outcome = (enum clowder_outcome)from->outcome;
        r.exit_status = from->exit_status;
        r.signal = from->signal;
        r.attempts = from->attempts;
        r.out = from->out;
        r.out_len = from->out_len;
        r.err = from->err ? from->err : "";
        r.err_len = from->err_len;
        r.host = from->host;
        r.daemon = from->daemon;
        r.out_total = from->out_total;
        r.queued_us = from->queued_us;
        r.run_us = from->run_us;
        r.file_count = from->file_count;
        r.file_bytes = from->file_bytes;
        if (from->why_len)
            r.why = why = mem_printf("%.*s", (int)from->why_len, from->why);
        x->m.ended_us = from->ended_us;
    }
    if (x->m.json || x->m.tag || x->m.joblog || x->m.results || r.outcome != CLOWDER_DONE) {
        if (store_chunk_load(x->s, x->id, in, &err)) {
            free(why);
            return say_failure(&err);
        }
        store_chunk_input(in, pos, &r.input, &r.input_len);
    }
    bool good = map_write_result(&x->m, &r);
    x->index++;
    free(why);
    return good ? 0 : 1;
}

/* Results from x->index on, to the first that is missing: that one and those after it count as cancelled when no more
 * will come. */
static int show_chunk(struct collect *x, struct store_chunk *in)
{
    struct store_results *results;
    struct store_result r;
    struct clw_error err;
    if (store_results_get(x->s, x->id, in->first, in->n, x->kept.round, &results, &err))
        return say_failure(&err);
    int status = 0;
    while (status == 0 && x->index < in->first + in->n) {
        uint32_t pos = (uint32_t)(x->index - in->first);
        bool has = store_results_has(results, pos);
        if (!has && !job_is_finished(&x->job))
            break;
        if (has && store_results_read(x->s, results, pos, &r, &err))
            status = say_failure(&err);
        else
            status = show(x, in, has ? &r : NULL);
    }
    store_results_free(results);
    return status;
}

/* ---- the whole ---- */

static int read_again(struct collect *x)
{
    struct clw_error err;
    store_job_fini(&x->job);
    store_kept_fini(&x->kept);
    if (store_job_get(x->s, x->id, &x->job, &err))
        return say_failure(&err);
    int status = job_kept(x->s, x->id, &x->kept);
    if (status == 1)
        return say(5, "job %lld was not detached: its results went to the terminal that ran it", (long long)x->id);
    return status;
}

/* Until more results are there. 6: not in time. */
static int wait_for_more(struct collect *x)
{
    uint64_t recorded = x->job.done + x->job.failed;
    fflush(stdout);
    if (mono_ms() >= x->until_ms)
        return 6;
    if (!x->c)
        x->c = open_client(false);
    int status = x->c ? job_await(x->c, x->id, &recorded, x->until_ms) : 1;
    if (status == 0)
        status = read_again(x);
    if (status == 0 && !job_is_finished(&x->job) && x->job.done + x->job.failed == recorded)
        return job_idle(x->id, x->idle++);
    x->idle = 0;
    return status;
}

static int show_all(struct collect *x)
{
    struct store_chunk in;
    struct clw_error err;
    uint64_t from = 0;
    int status = 0;
    while (status == 0) {
        enum clw_err code = store_chunk_get(x->s, x->id, from, false, &in, &err);
        bool whole = false;
        if (code == CLW_END && job_is_finished(&x->job))
            return 0;
        if (code && code != CLW_END)
            return say_failure(&err);
        if (!code) {
            x->index = x->index < in.first ? in.first : x->index;
            status = show_chunk(x, &in);
            whole = x->index == in.first + in.n;
            from = whole ? x->index : in.first;
            store_chunk_fini(&in);
        }
        if (status == 0 && !whole)
            status = wait_for_more(x);
    }
    return status;
}

static int load_function(struct collect *x)
{
    uint8_t *bytes;
    size_t len;
    struct clw_error err;
    enum clw_err code = store_kept_func(x->s, x->id, &bytes, &len, &err);
    if (!code)
        code = func_decode(&x->func, bytes, len, &err);
    free(bytes);
    if (code)
        return say_failure(&err);
    x->m.f.kind = (enum clowder_kind)x->func.kind;
    x->m.f.argv = (const char *const *)x->func.argv;
    x->m.f.use_stdin = x->func.use_stdin;
    x->m.f.no_input = x->func.no_input;
    x->m.f.has_columns = x->func.has_columns;
    x->m.f.names = (const char *const *)x->func.names;
    x->m.f.shell = x->func.shell == 1; /* with words before it, the line is shown as one */
    x->m.results = x->func.results;
    return 0;
}

/* Everything is out: said as map says it, noted, and removed when that was wanted. */
static int finish(struct collect *x, bool remove)
{
    struct clw_error err;
    enum clw_err code;
    if (!stdout_is_good() || !map_close_joblog(&x->m))
        return 1;
    if (remove)
        code = store_kept_remove(x->s, x->id, &err);
    else
        code = store_kept_collected(x->s, x->id, wall_us(), &err);
    if (code)
        say_failure(&err);
    if (x->kept.reason[0])
        say(1, "job %lld: %s", (long long)x->id, x->kept.reason);
    if (x->m.failed && !x->m.json)
        say(1, "%llu of %llu task%s failed", (unsigned long long)x->m.failed, (unsigned long long)x->m.done,
            text_plural(x->m.done));
    return x->m.failed || x->job.state != STORE_JOB_DONE || code ? 1 : 0;
}

static int read_options(const struct opts *o, struct collect *x)
{
    uint64_t timeout_ms = UINT64_MAX;
    int status = job_id(o, 1, &x->id);
    if (status == 0)
        status = opts_duration(o, "timeout", &timeout_ms);
    x->until_ms = opts_has(o, "no-wait") ? 0 : timeout_ms == UINT64_MAX ? UINT64_MAX : mono_ms() + timeout_ms;
    x->m.tag = opts_has(o, "tag");
    if (status == 0)
        status = map_output_options(o, &x->m);
    x->m.stdout_is_terminal = !x->m.out_path && isatty(STDOUT_FILENO);
    return status;
}

int cmd_job_collect(const struct opts *o, bool json)
{
    struct collect x = {.m = {.json = json}};
    const char *joblog = opts_text(o, "joblog", NULL);
    int status = read_options(o, &x);
    if (status == 0)
        status = inventory_open(&x.s);
    if (status == 0)
        status = read_again(&x);
    if (status == 0)
        status = load_function(&x);
    if (status == 0 && joblog)
        status = map_load_joblog(&x.m, joblog, JOBLOG_NEW);
    if (status == 0)
        status = map_begin_output(&x.m);
    if (status == 0) {
        status = show_all(&x);
        if (status == 0)
            status = finish(&x, opts_has(o, "remove"));
        else if (status == 6)
            say(6, "job %lld is not finished: %llu of %llu results are printed", (long long)x.job.id,
                (unsigned long long)x.m.done, (unsigned long long)x.job.total);
    }
    clowder_close(x.c);
    func_fini(&x.func);
    store_job_fini(&x.job);
    store_kept_fini(&x.kept);
    store_close(x.s);
    map_fini(&x.m);
    return status;
}
