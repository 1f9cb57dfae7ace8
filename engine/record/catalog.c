#include "engine/record/catalog.h"

#include "base/log.h"
#include "base/mem.h"
#include "store/job.h"

#include <stdlib.h>
#include <string.h>

/* One state of the store. */
struct view {
    struct store_host_list hosts;
    struct store_profile_list profiles;
    struct store_batch_list batches;
    int64_t last_job;
};

struct catalog {
    struct errands *reader;
    struct store *store; /* in use by the reader's thread while it looks */
    int64_t version;     /* the reader's own: of the store at the last look */
    struct view now;
};

static void view_fini(struct view *v)
{
    store_host_list_fini(&v->hosts);
    store_profile_list_fini(&v->profiles);
    store_batch_list_fini(&v->batches);
}

static enum clw_err view_read(struct view *v, struct store *s, struct clw_error *err)
{
    *v = (struct view){0};
    enum clw_err code = store_host_list(s, &v->hosts, err);
    if (!code)
        code = store_profile_list(s, &v->profiles, err);
    if (!code)
        code = store_batch_list(s, &v->batches, err);
    if (!code)
        code = store_job_last_id(s, &v->last_job, err);
    if (code)
        view_fini(v);
    return code;
}

/* ---- looks ---- */

struct look {
    struct errand errand;
    struct catalog *catalog;
    struct view view;
    bool has_view;
    void (*then)(void *arg);
    void *arg;
};

/* The number is taken before the rest is read: what comes in between is read again next time. */
static void read_changes(void *arg)
{
    struct look *l = arg;
    struct catalog *i = l->catalog;
    struct clw_error err;
    int64_t version;
    enum clw_err code = store_data_version(i->store, &version, &err);
    if (!code && version == i->version)
        return;
    if (!code)
        code = view_read(&l->view, i->store, &err);
    l->has_view = !code;
    if (code)
        log_warn("store", "failed why=\"%s\" hint=\"%s\"", err.message, err.hint);
    else
        i->version = version;
}

static void take_view(void *arg)
{
    struct look *l = arg;
    if (l->has_view) {
        view_fini(&l->catalog->now);
        l->catalog->now = l->view;
    }
    if (l->then)
        l->then(l->arg);
    free(l);
}

void catalog_look(struct catalog *i, void (*then)(void *arg), void *arg)
{
    struct look *l = mem_zalloc(sizeof *l);
    *l = (struct look){.catalog = i, .then = then, .arg = arg};
    l->errand = (struct errand){.work = read_changes, .done = take_view, .arg = l};
    errands_give(i->reader, &l->errand);
}

struct question {
    struct errand errand;
    struct catalog *catalog;
    void (*work)(struct store *s, void *arg);
    void (*done)(void *arg);
    void *arg;
};

static void ask(void *arg)
{
    struct question *q = arg;
    q->work(q->catalog->store, q->arg);
}

static void answer(void *arg)
{
    struct question *q = arg;
    q->done(q->arg);
    free(q);
}

void catalog_ask(struct catalog *i, void (*work)(struct store *s, void *arg), void (*done)(void *arg), void *arg)
{
    struct question *q = mem_zalloc(sizeof *q);
    *q = (struct question){.catalog = i, .work = work, .done = done, .arg = arg};
    q->errand = (struct errand){.work = ask, .done = answer, .arg = q};
    errands_give(i->reader, &q->errand);
}

/* ---- what there is ---- */

const struct store_host *catalog_host(const struct catalog *i, const char *name)
{
    for (size_t n = 0; i && n < i->now.hosts.count; n++)
        if (strcmp(i->now.hosts.items[n].name, name) == 0)
            return &i->now.hosts.items[n];
    return NULL;
}

const struct store_profile *catalog_profile(const struct catalog *i, const char *name)
{
    for (size_t n = 0; i && n < i->now.profiles.count; n++)
        if (strcmp(i->now.profiles.items[n].name, name) == 0)
            return &i->now.profiles.items[n];
    return NULL;
}

const struct store_profile_list *catalog_profiles(const struct catalog *i)
{
    return &i->now.profiles;
}

enum clw_err catalog_host_get(
    const struct catalog *i, const char *name, const struct store_host **out, struct clw_error *err)
{
    *out = catalog_host(i, name);
    if (!i)
        return clw_fail(err, CLW_IO, "see 'clowder log'", "the inventory cannot be read");
    return *out ? CLW_OK : store_host_missing(name, err);
}

const struct store_batch_list *catalog_batches(const struct catalog *i)
{
    return &i->now.batches;
}

int64_t catalog_last_job(const struct catalog *i)
{
    return i ? i->now.last_job : 0;
}

/* ---- its life ---- */

bool catalog_is_looking(const struct catalog *i)
{
    return i && errands_count(i->reader);
}

enum clw_err catalog_open(struct loop *home, struct catalog **out, struct clw_error *err)
{
    struct catalog *i = mem_zalloc(sizeof *i);
    enum clw_err code = store_open(NULL, &i->store, err);
    *out = NULL;
    if (!code)
        code = store_data_version(i->store, &i->version, err);
    if (!code)
        code = view_read(&i->now, i->store, err);
    if (code) {
        view_fini(&i->now);
        store_close(i->store);
        free(i);
        return code;
    }
    i->reader = errands_new(home);
    *out = i;
    return CLW_OK;
}

void catalog_close(struct catalog *i)
{
    if (!i)
        return;
    errands_free(i->reader);
    store_close(i->store);
    view_fini(&i->now);
    free(i);
}
