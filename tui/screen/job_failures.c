/* The failed tasks of a job. */
#include "tui/screen/job_failures.h"

#include "base/mem.h"
#include "base/mono.h"
#include "store/job.h"
#include "tui/screen/ui.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 2000, AGAIN_MS = 1000, AGAIN_MS_PER_TASK_SHIFT = 5 };

/* A list on its way. */
struct reading {
    struct job_failures *into;
    void (*changed)(struct ui *ui);
    int64_t job;
    uint64_t from;
    struct job_failure *items;
    size_t count;
    bool more;
};

/* The last line with something in it. */
static void last_line(const char *text, char *out, size_t size)
{
    size_t end = strlen(text), start;
    while (end && strchr("\r\n ", text[end - 1]))
        end--;
    for (start = end; start && text[start - 1] != '\n'; start--)
        ;
    snprintf(out, size, "%.*s", (int)(end - start), text + start);
}

static void read_page(struct feed_work *w)
{
    struct reading *r = w->arg;
    struct store_failure_list list;
    struct clw_error err;
    if (store_job_failures(w->store, r->job, r->from, PAGE, &list, &err)) {
        feed_fail(w, &err);
        return;
    }
    r->items = mem_realloc(r->items, (r->count + list.count + 1) * sizeof *r->items);
    for (size_t i = 0; i < list.count; i++) {
        struct job_failure *f = &r->items[r->count++];
        *f = (struct job_failure){.task = list.items[i].task, .attempts = list.items[i].attempts};
        snprintf(f->host, sizeof f->host, "%s", list.items[i].host);
        snprintf(f->status, sizeof f->status, "%s", list.items[i].status);
        last_line(list.items[i].stderr_tail, f->message, sizeof f->message);
        r->from = f->task + 1;
    }
    r->more = list.count == PAGE;
    store_failure_list_fini(&list);
}

/* The list is shown whole when it is whole; a first page need not wait for that. */
static void page_came(struct feed_work *w, void *ui)
{
    struct reading *r = w->arg;
    struct job_failures *l = r->into;
    bool wanted = l->job == r->job && !w->err.status;
    if (wanted && r->more) {
        if (!l->count) {
            l->items = mem_realloc(l->items, r->count * sizeof *l->items);
            memcpy(l->items, r->items, r->count * sizeof *l->items);
            l->count = r->count;
            r->changed(ui);
        }
        feed_look(((struct ui *)ui)->feed, read_page, page_came, r);
        return;
    }
    if (wanted) {
        l->settled = r->count == l->count || r->count >= l->known;
        free(l->items);
        l->items = r->items;
        l->count = r->count;
        r->items = NULL;
        r->changed(ui);
    }
    l->reading = false;
    l->read_ms = mono_ms();
    free(r->items);
    free(r);
}

bool job_failures_update(
    struct job_failures *l, struct ui *ui, int64_t job, uint64_t count, void (*changed)(struct ui *ui))
{
    bool other = job != l->job;
    if (other) {
        l->job = job;
        l->count = 0;
        l->known = 0;
        l->settled = false;
    }
    uint64_t rest_ms = AGAIN_MS + (l->count >> AGAIN_MS_PER_TASK_SHIFT); /* a long list is not read all the time */
    if (!count || l->reading || (l->settled && count == l->known) || (!other && mono_ms() - l->read_ms < rest_ms))
        return other;
    struct reading *r = mem_zalloc(sizeof *r);
    *r = (struct reading){.into = l, .changed = changed, .job = job};
    l->reading = true;
    l->known = count;
    feed_look(ui->feed, read_page, page_came, r);
    return other;
}

void job_failures_fini(struct job_failures *l)
{
    free(l->items);
}
