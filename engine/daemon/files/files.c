/* The main thread's side of the file plane. */
#include "engine/daemon/files/files.h"

#include "engine/daemon/files/haul.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

static struct files *files_of(struct daemon *d)
{
    if (d->files)
        return d->files;
    struct files *f = d->files = mem_zalloc(sizeof *f);
    f->daemon = d;
    f->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (f->event_fd < 0 || sodium_init() < 0)
        abort();
    cache_init(&f->cache);
    haul_init(&f->in, f);
    haul_init(&f->out, f);
    return f;
}

static void task_files_free(struct task_files *t)
{
    struct task_files **at = &t->owner->all;
    while (*at != t)
        at = &(*at)->next_of_all;
    *at = t->next_of_all;
    if (t->job->root && t->index != UINT64_MAX && !t->is_gone)
        folder_clear(t->dir);
    gather_fini(&t->before);
    free(t->dir);
    free(t->input);
    free(t->why);
    free(t);
}

static bool is_under_way(const struct task_files *t)
{
    enum task_files_state state = files_state(t);
    return state == FILES_COMING || state == FILES_LEAVING;
}

void files_drop(struct task_files *t)
{
    if (t && is_under_way(t)) /* a thread has it */
        t->is_dropped = true;
    else if (t)
        task_files_free(t);
}

/* Frees what was dropped, as far as no thread has it. */
static void sweep(struct files *f)
{
    for (struct task_files *t = f->all, *next; t; t = next) {
        next = t->next_of_all;
        if (t->is_dropped && !is_under_way(t))
            task_files_free(t);
    }
}

/* To the thread for the way that it is on. */
static void give(struct task_files *t)
{
    struct files *f = t->owner;
    bool comes = files_state(t) == FILES_COMING;
    if (!haul_give(comes ? &f->in : &f->out, t, comes ? files_in_run : files_out_run))
        haul_fail(t, true, mem_printf("there is no thread for files on %s", f->daemon->host));
}

/* Ends the threads. What was under way fails (of: that of a job alone; NULL: all), and the rest begins again. */
static void interrupt(struct files *f, const struct job *of)
{
    haul_end(&f->in);
    haul_end(&f->out);
    for (struct task_files *t = f->all; t; t = t->next_of_all)
        if (is_under_way(t) && (!of || t->job == of))
            haul_fail(t, true, mem_strdup("stopped"));
        else if (is_under_way(t))
            give(t);
    sweep(f);
}

void files_stop(struct daemon *d)
{
    if (d->files)
        interrupt(d->files, NULL);
}

void files_forget(struct daemon *d, const struct job *j)
{
    bool others = false, left = false;
    if (!d->files || !j->root)
        return;
    for (const struct job *other = d->jobs; other; other = other->next)
        others |= other != j && other->root;
    sweep(d->files);
    for (const struct task_files *t = d->files->all; t; t = t->next_of_all)
        left |= t->job == j;
    if (left || !others)
        interrupt(d->files, j);
}

void files_end(struct daemon *d)
{
    struct files *f = d->files;
    if (!f)
        return;
    files_stop(d);
    haul_fini(&f->in);
    haul_fini(&f->out);
    cache_fini(&f->cache);
    close(f->event_fd);
    free(f);
    d->files = NULL;
}

void files_watch(struct daemon *d, struct watch *w)
{
    uint64_t ignored;
    if (!d->files)
        return;
    while (read(d->files->event_fd, &ignored, sizeof ignored) > 0)
        ; /* the step before this has looked at all */
    watch_add(w, d->files->event_fd, POLLIN);
}

/* ---- tasks ---- */

struct task_files *files_bring(struct daemon *d, struct job *j, uint64_t index, const char *input, size_t len)
{
    struct files *f = files_of(d);
    struct task_files *t = mem_zalloc(sizeof *t);
    *t = (struct task_files){.owner = f, .job = j, .index = index, .input = mem_strndup(input, len), .len = len};
    atomic_init(&t->state, FILES_COMING);
    t->dir =
        index != UINT64_MAX ? mem_printf("%s/%llu", j->root, (unsigned long long)++f->folders) : mem_strdup(j->dir);
    struct task_files **end = &f->all;
    while (*end)
        end = &(*end)->next_of_all;
    *end = t;
    give(t);
    return t;
}

bool files_of_job_are_coming(struct job *j)
{
    if (!j->ships)
        return false;
    if (files_state(j->ships) == FILES_FAILED && !j->problem)
        j->problem = mem_strdup(j->ships->why);
    return files_state(j->ships) == FILES_COMING;
}

void files_take_home(struct task_files *t)
{
    const struct func *f = &t->job->func;
    bool brings = f->outs || f->by_names;
    atomic_store(&t->state, brings ? FILES_LEAVING : FILES_HOME);
    if (brings)
        give(t);
}

/* ---- jobs ---- */

static void fail_job(struct job *j, const char *doing, const char *what)
{
    if (!j->problem)
        j->problem = mem_printf("cannot %s %s: %s", doing, what, strerror(errno));
}

/* On the engine's own machine in the file system of the files, so that links and moves do: where such folders are made
 * in any case, or beside the files. Elsewhere beside the cache. */
static bool make_root(struct daemon *d, struct job *j)
{
    const struct files *f = files_of(d);
    struct stat tmp, dir;
    if (!j->is_here)
        return *f->cache.folder && folder_make_root(j, f->cache.folder, false);
    bool is_apart =
        j->func.dir && stat(j->func.dir, &dir) == 0 && stat(folder_parent(), &tmp) == 0 && dir.st_dev != tmp.st_dev;
    return (is_apart && folder_make_root(j, j->func.dir, true)) || folder_make_root(j, folder_parent(), false);
}

void files_open_job(struct daemon *d, struct job *j)
{
    j->has_files = func_has_files(&j->func);
    j->is_here = !d->config.remote;
    if (!make_root(d, j)) {
        fail_job(j, "make a folder on", d->host);
        return;
    }
    j->dir = mem_printf("%s/all", j->root);
    if (mkdir(j->dir, 0700))
        fail_job(j, "make", j->dir);
    else if (j->func.ships)
        j->ships = files_bring(d, j, UINT64_MAX, "", 0);
}
