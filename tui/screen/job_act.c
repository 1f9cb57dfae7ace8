/* What can be done to jobs. */
#include "tui/screen/jobs.h"

#include "base/mem.h"
#include "tui/screen/child.h"
#include "tui/screen/dialog.h"
#include "tui/screen/prompt.h"
#include "tui/screen/screen_request.h"
#include "tui/screen/write_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CANCEL_MS = 30000 };

const char *jobs_none(struct ui *ui)
{
    return jobs_here(ui) ? NULL : "there is no job here; a submits one";
}

/* ---- failed tasks ---- */

struct looking {
    int64_t job;
    uint64_t task;
    char *text;
};

static void look(struct feed_work *w)
{
    struct looking *l = w->arg;
    struct store_failure_list list;
    struct clw_error err;
    if (store_job_failures(w->store, l->job, l->task, 1, &list, &err)) {
        feed_fail(w, &err);
        return;
    }
    const struct store_failure *f = list.count ? &list.items[0] : NULL;
    if (f)
        l->text = mem_printf("host %s, %u %s, %s\n\nThe end of its stderr:\n\n%s\n", f->host, f->attempts,
            f->attempts == 1 ? "try" : "tries", f->status, *f->stderr_tail ? f->stderr_tail : "(nothing)");
    store_failure_list_fini(&list);
}

static void looked(struct feed_work *w, void *ui)
{
    struct looking *l = w->arg;
    char title[80];
    snprintf(title, sizeof title, "job %lld, task %llu", (long long)l->job, (unsigned long long)l->task + 1);
    if (w->err.status)
        ui_say_error(ui, title, &w->err);
    else if (l->text)
        dialog_page(ui, title, l->text, strlen(l->text));
    free(l->text);
    free(l);
}

void jobs_show_failure(struct ui *ui, int64_t job, uint64_t task)
{
    struct looking *l = mem_zalloc(sizeof *l);
    *l = (struct looking){job, task, NULL};
    feed_look(ui->feed, look, looked, l);
}

/* ---- cancel ---- */

static void cancel_yes(struct ui *ui, void *arg)
{
    for (int64_t *id = arg; *id; id++) {
        char doing[60], done[80];
        snprintf(doing, sizeof doing, "cancel job %lld", (long long)*id);
        snprintf(done, sizeof done, "job %lld is cancelled", (long long)*id);
        screen_request(
            ui, json_pack("{s:s,s:I}", "op", "cancel", "job", (json_int_t)*id), false, CANCEL_MS, doing, done);
    }
}

/* The store knows of a new job up to a second before the engine is asked for what it runs. */
static bool is_over(const struct job_row *j)
{
    return !j->live && strcmp(j->state, "running") != 0 && strcmp(j->state, "queued") != 0;
}

void jobs_cancel(struct ui *ui)
{
    size_t n;
    int64_t *ids = jobs_chosen(ui, &n);
    char lines[300];
    ids[n] = 0;
    const struct job_row *j = jobs_find(ui, ids[0]); /* the marked one, not always that under the cursor */
    if (n == 1 && is_over(j)) {
        ui_say(ui, ROLE_WARN, "cancel: job %lld has ended", (long long)j->id);
        free(ids);
        return;
    }
    if (n == 1)
        snprintf(lines, sizeof lines, "Cancel job %lld %s? Its tasks end now; the results that it has stay.",
            (long long)j->id, j->name);
    else
        snprintf(lines, sizeof lines, "Cancel %zu jobs? Their tasks end now.", n);
    dialog_confirm(ui, "Cancel", lines, NULL, cancel_yes, ids, free);
}

/* ---- what goes into a file: results, failed tasks ---- */

/* clowder job VERB ID [OPTION] FILE */
static bool write_job(struct ui *ui, const struct prompt_line *line, const char *verb, const char *option,
    const char *what, const char *good)
{
    const char *head[] = {"clowder", "job", verb, line->about, option, NULL};
    char label[80], said[400];
    if (!*line->text) {
        snprintf(line->why, line->why_size, "name a file");
        return false;
    }
    snprintf(label, sizeof label, "%s of job %s", what, line->about);
    snprintf(said, sizeof said, "%s %.300s", good, line->text);
    return write_file_start(ui, line->overlay,
        &(struct write_file){.head = head, .path = line->text, .label = label, .good = said}, line->why,
        line->why_size);
}

/* Proposes job-ID and then that end of a name. */
static void ask_file(struct ui *ui, const struct job_row *j, const char *sign, const char *end, prompt_cb done)
{
    char id[24], path[60];
    snprintf(id, sizeof id, "%lld", (long long)j->id);
    snprintf(path, sizeof path, "job-%s%s", id, end);
    prompt_open(ui, sign, path, id, done, NULL);
}

static bool save_to(struct ui *ui, const struct prompt_line *line)
{
    return write_job(ui, line, "save", NULL, "failed tasks", "all are in");
}

void jobs_save(struct ui *ui)
{
    const struct job_row *j = jobs_here(ui);
    if (j->failed)
        ask_file(ui, j, "save failed tasks to: ", "-failed.jsonl", save_to);
    else
        ui_say(ui, ROLE_WARN, "save: job %lld has no failed tasks", (long long)j->id);
}

static bool collect_to(struct ui *ui, const struct prompt_line *line)
{
    return write_job(ui, line, "collect", "-o", "results", "all are in");
}

void jobs_collect(struct ui *ui)
{
    const struct job_row *j = jobs_here(ui);
    if (j->detached)
        ask_file(ui, j, "save results to: ", ".txt", collect_to);
    else
        ui_say(ui, ROLE_WARN, "collect: job %lld was not detached: its results went to the command that started it",
            (long long)j->id);
}

static bool retry_to(struct ui *ui, const struct prompt_line *line)
{
    return write_job(ui, line, "retry", "-o", "retry", "finished, all tasks done; their results are in");
}

/* A detached job keeps its results; those of others need a file. */
void jobs_retry(struct ui *ui)
{
    const struct job_row *j = jobs_here(ui);
    char id[24], label[60];
    const char *argv[] = {"clowder", "job", "retry", id, NULL};
    if (!j->failed) {
        ui_say(ui, ROLE_WARN, "retry: job %lld has no failed tasks", (long long)j->id);
        return;
    }
    if (!j->detached) {
        ask_file(ui, j, "save results to: ", "-retry.txt", retry_to);
        return;
    }
    snprintf(id, sizeof id, "%lld", (long long)j->id);
    snprintf(label, sizeof label, "retry of job %s", id);
    if (child_detach(argv, label, "its failed tasks run again"))
        ui_say(ui, ROLE_NORMAL, "%s: started", label);
    else
        ui_say(ui, ROLE_BAD, "%s: cannot start: %s", label, strerror(errno));
}
