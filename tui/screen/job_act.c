/* What can be done to jobs. */
#include "tui/screen/jobs.h"

#include "base/mem.h"
#include "tui/screen/child.h"
#include "tui/screen/dialog.h"
#include "tui/screen/prompt.h"
#include "tui/screen/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 2000, CANCEL_MS = 30000 };

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
        l->text = mem_printf("host %s, %u tries, %s\n\nThe end of what it wrote to stderr:\n\n%s\n", f->host,
            f->attempts, f->status, *f->stderr_tail ? f->stderr_tail : "(nothing)");
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

/* ---- cancel, retry, save ---- */

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

void jobs_cancel(struct ui *ui)
{
    size_t n;
    int64_t *ids = jobs_chosen(ui, &n);
    const struct job_row *j = jobs_here(ui);
    char lines[300];
    ids[n] = 0;
    if (n == 1 && !j->live) {
        ui_say(ui, ROLE_WARN, "cancel: job %lld is over", (long long)j->id);
        free(ids);
        return;
    }
    if (n == 1)
        snprintf(lines, sizeof lines, "Cancel job %lld %s? Its tasks end now; results that are there stay.",
            (long long)j->id, j->name);
    else
        snprintf(lines, sizeof lines, "Cancel %zu jobs? Their tasks end now.", n);
    dialog_confirm(ui, "Cancel", lines, NULL, cancel_yes, ids, free);
}

void jobs_retry(struct ui *ui)
{
    const struct job_row *j = jobs_here(ui);
    char id[24], label[60];
    const char *argv[] = {"clowder", "job", "retry", id, NULL};
    if (!j->failed) {
        ui_say(ui, ROLE_WARN, "retry: job %lld has no failed tasks", (long long)j->id);
        return;
    }
    snprintf(id, sizeof id, "%lld", (long long)j->id);
    snprintf(label, sizeof label, "retry of job %s", id);
    if (child_detach(argv, NULL, label, j->detached ? "its failed tasks run again" : NULL))
        ui_say(ui, ROLE_NORMAL, "%s: started%s", label, j->detached ? "" : ", a job of its own");
    else
        ui_say(ui, ROLE_BAD, "%s: cannot start: %s", label, strerror(errno));
}

struct saved_file {
    int64_t job;
    size_t count;
    char path[1024];
};

static void save_run(struct feed_work *w)
{
    struct saved_file *s = w->arg;
    struct store_failure_list list;
    struct clw_error err;
    FILE *f = fopen(s->path, "wxe");
    if (!f) {
        clw_fail(&err, CLW_IO, NULL, "%s: %s", s->path, strerror(errno));
        feed_fail(w, &err);
        return;
    }
    for (uint64_t from = 0;; from = list.items[list.count - 1].task + 1, store_failure_list_fini(&list)) {
        if (store_job_failures(w->store, s->job, from, PAGE, &list, &err)) {
            feed_fail(w, &err);
            break;
        }
        for (size_t i = 0; i < list.count; i++) {
            const struct store_failure *t = &list.items[i];
            json_t *o = json_pack("{s:I,s:s,s:i,s:s,s:s}", "task", (json_int_t)t->task + 1, "host", t->host, "attempts",
                (int)t->attempts, "status", t->status, "stderr", t->stderr_tail);
            json_dumpf(o, f, JSON_COMPACT);
            fputc('\n', f);
            json_decref(o);
        }
        s->count += list.count;
        if (list.count < PAGE) {
            store_failure_list_fini(&list);
            break;
        }
    }
    if (fclose(f) && !w->err.status) {
        clw_fail(&err, CLW_IO, NULL, "%s: %s", s->path, strerror(errno));
        feed_fail(w, &err);
    }
}

static void save_done(struct feed_work *w, void *ui)
{
    struct saved_file *s = w->arg;
    if (w->err.status)
        ui_say_error(ui, "save", &w->err);
    else
        ui_say(ui, ROLE_GOOD, "%zu failed tasks are in %s", s->count, s->path);
    free(s);
}

static bool save_to(struct ui *ui, const char *text, char *why, size_t size)
{
    const struct job_row *j = jobs_here(ui);
    if (!*text || !j) {
        snprintf(why, size, "name a file");
        return false;
    }
    struct saved_file *s = mem_zalloc(sizeof *s);
    s->job = j->id;
    snprintf(s->path, sizeof s->path, "%s", text);
    feed_store(ui->feed, save_run, save_done, s);
    return true;
}

void jobs_save(struct ui *ui)
{
    const struct job_row *j = jobs_here(ui);
    char path[60];
    if (!j->failed) {
        ui_say(ui, ROLE_WARN, "save: job %lld has no failed tasks", (long long)j->id);
        return;
    }
    snprintf(path, sizeof path, "job-%lld-failed.jsonl", (long long)j->id);
    prompt_open(ui, "save failed tasks to: ", path, save_to, NULL);
}

/* ---- results of a detached job ---- */

static bool collect_to(struct ui *ui, const char *path, char *why, size_t size)
{
    const struct job_row *j = jobs_here(ui);
    char id[24], label[60], good[300];
    const char *argv[] = {"clowder", "job", "collect", id, NULL};
    if (!*path || !j) {
        snprintf(why, size, "name a file");
        return false;
    }
    snprintf(id, sizeof id, "%lld", (long long)j->id);
    snprintf(label, sizeof label, "results of job %s", id);
    snprintf(good, sizeof good, "all are in %.250s", path);
    bool ok = child_detach(argv, path, label, good);
    if (ok)
        ui_say(ui, ROLE_NORMAL, "%s: on their way to %s", label, path);
    else
        snprintf(why, size, "%s: %s", path, strerror(errno));
    return ok;
}

void jobs_collect(struct ui *ui)
{
    const struct job_row *j = jobs_here(ui);
    char path[60];
    if (!j->detached) {
        ui_say(ui, ROLE_WARN, "collect: job %lld was not detached: its results went to where it was started",
            (long long)j->id);
        return;
    }
    snprintf(path, sizeof path, "job-%lld.txt", (long long)j->id);
    prompt_open(ui, "save results to: ", path, collect_to, NULL);
}
