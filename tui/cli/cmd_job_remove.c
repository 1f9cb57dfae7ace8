/* job remove, job prune: finished jobs and their results are forgotten. */
#include "tui/cli/cmd_job.h"

#include "base/text.h"
#include "tui/cli/inventory.h"

#include <stdlib.h>
#include <string.h>

enum { PRUNE_MAX = 1000000 };

static int forget(struct store *s, int64_t id, bool is_kept)
{
    struct clw_error err;
    enum clw_err code = is_kept ? store_kept_remove(s, id, &err) : store_job_remove(s, id, &err);
    return code ? say_failure(&err) : 0;
}

/* Results that nobody has seen are asked for. */
static int remove_one(struct store *s, int64_t id, bool yes)
{
    struct store_job job;
    struct store_kept kept = {0};
    int status = job_find(s, id, &job);
    if (status)
        return status;
    int not_kept = job_kept(s, id, &kept);
    if (not_kept > 1)
        status = not_kept;
    else if (!job_is_finished(&job))
        status = say(5, "job %lld is not finished; end it: clowder job cancel %lld", (long long)id, (long long)id);
    else if (!not_kept && !kept.collected_us)
        status = ask_yes(yes, "remove job %lld with results that were not collected", (long long)id);
    if (status == 0)
        status = forget(s, id, !not_kept);
    store_kept_fini(&kept);
    store_job_fini(&job);
    return status;
}

int cmd_job_remove(const struct opts *o, bool json)
{
    struct store *s;
    struct clw_error err;
    int64_t id;
    (void)json;
    if (!o->word_count)
        return say(2, "%s: name a job; see clowder %s --help", o->command, o->command);
    int status = inventory_open(&s);
    if (status)
        return status;
    for (size_t i = 0; i < o->word_count && status == 0; i++) {
        if (text_parse_int(o->words[i], 1, INT64_MAX, &id, &err))
            status =
                say(2, "%s: '%s' is not the number of a job; 'clowder job list' shows them", o->command, o->words[i]);
        else
            status = remove_one(s, id, opts_has(o, "yes"));
    }
    store_close(s);
    return status;
}

/* Finished jobs after the newest keep. */
static size_t choose(struct store *s, struct store_job_list *list, size_t keep, size_t *unseen)
{
    size_t seen = 0, n = 0;
    struct store_kept kept;
    *unseen = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct store_job *j = &list->items[i];
        if (!job_is_finished(j) || seen++ < keep) {
            j->id = 0;
            continue;
        }
        n++;
        if (job_kept(s, j->id, &kept) == 0) {
            *unseen += kept.collected_us == 0;
            store_kept_fini(&kept);
        }
    }
    return n;
}

int cmd_job_prune(const struct opts *o, bool json)
{
    struct store *s;
    struct store_job_list list;
    struct store_kept kept;
    struct clw_error err;
    size_t unseen;
    int64_t keep = 0;
    (void)json;
    if (o->word_count)
        return say(2, "job prune: unexpected argument '%s'", o->words[0]);
    int status = opts_int(o, "keep", 0, PRUNE_MAX, &keep);
    if (status == 0)
        status = inventory_open(&s);
    if (status)
        return status;
    if (store_job_list(s, NULL, PRUNE_MAX, &list, &err)) {
        store_close(s);
        return say_failure(&err);
    }
    size_t n = choose(s, &list, (size_t)keep, &unseen);
    if (n)
        status = ask_yes(opts_has(o, "yes"),
            "remove %zu finished job%s, %zu of them with results that were not collected", n, text_plural(n), unseen);
    for (size_t i = 0; i < list.count && n && status == 0; i++) {
        if (!list.items[i].id)
            continue;
        bool is_kept = job_kept(s, list.items[i].id, &kept) == 0;
        status = forget(s, list.items[i].id, is_kept);
        if (is_kept)
            store_kept_fini(&kept);
    }
    if (status == 0)
        printf("%zu job%s removed\n", n, text_plural(n));
    store_job_list_fini(&list);
    store_close(s);
    return status;
}
