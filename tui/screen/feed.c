/* The feeds: one thread watches the engine's state, one asks for links and jobs once a second, one follows the store
 * and works on it, and each request has its own. */
#include "tui/screen/feed.h"

#include "base/mem.h"
#include "base/mono.h"
#include "store/setting.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { RETRY_MS = 500, ASK_MS = 1000, STORE_POLL_MS = 250, VIEW_GAP_MS = 90, ASK_LIMIT_MS = 10000 };

struct feed {
    pthread_mutex_t lock;
    pthread_cond_t store_work, ask_now;
    int event;
    bool alive, hurry; /* the engine answers; ask for links at once */
    int busy;
    struct view_engine *engine;
    struct view_links *links;
    struct view_store *store;
    struct feed_work *queued, *finished; /* in order */
    struct clowder *quiet, *starting;    /* handles: one that starts no engine, one that may */
};

static void wake(struct feed *f)
{
    uint64_t one = 1;
    ssize_t ignored = write(f->event, &one, sizeof one);
    (void)ignored;
}

static void pause_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

/* Waits on cond at most ms; the lock is held. */
static void wait_ms(struct feed *f, pthread_cond_t *cond, unsigned ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(cond, &f->lock, &t);
}

/* ---- the engine's state ---- */

static void give_engine(struct feed *f, struct view_engine *v)
{
    pthread_mutex_lock(&f->lock);
    struct view_engine *old = f->engine;
    f->engine = v;
    f->hurry |= v->alive && !f->alive;
    if (f->hurry)
        pthread_cond_signal(&f->ask_now);
    f->alive = v->alive;
    pthread_mutex_unlock(&f->lock);
    view_engine_rele(old);
    wake(f);
}

static bool state_cb(void *arg, const char *json)
{
    struct view_engine *v = view_engine_read(json);
    if (v)
        give_engine(arg, v);
    pause_ms(VIEW_GAP_MS); /* who has not read the last update is not sent another */
    return true;
}

static void *watch(void *arg)
{
    struct feed *f = arg;
    bool was = true;
    for (;;) {
        struct clowder_error err;
        clowder_watch(f->quiet, state_cb, f, &err);
        pthread_mutex_lock(&f->lock);
        bool alive = f->alive;
        pthread_mutex_unlock(&f->lock);
        if (alive || was)
            give_engine(f, mem_zalloc(sizeof(struct view_engine)));
        was = false;
        pause_ms(RETRY_MS);
    }
    return NULL;
}

/* ---- links and jobs ---- */

static void *ask(void *arg)
{
    struct feed *f = arg;
    for (;;) {
        struct clowder_error err;
        char *hosts = NULL, *jobs = NULL;
        pthread_mutex_lock(&f->lock);
        if (!f->hurry)
            wait_ms(f, &f->ask_now, ASK_MS);
        f->hurry = false;
        bool alive = f->alive;
        pthread_mutex_unlock(&f->lock);
        if (!alive)
            continue;
        clowder_request(f->quiet, "{\"op\":\"hosts\"}", ASK_LIMIT_MS, &hosts, &err);
        clowder_request(f->quiet, "{\"op\":\"jobs\"}", ASK_LIMIT_MS, &jobs, &err);
        struct view_links *v = view_links_read(hosts, jobs), *old;
        pthread_mutex_lock(&f->lock);
        old = f->links;
        f->links = v;
        pthread_mutex_unlock(&f->lock);
        view_links_rele(old);
        free(hosts);
        free(jobs);
        wake(f);
        pause_ms(VIEW_GAP_MS);
    }
    return NULL;
}

void feed_hurry(struct feed *f)
{
    pthread_mutex_lock(&f->lock);
    f->hurry = true;
    pthread_cond_signal(&f->ask_now);
    pthread_mutex_unlock(&f->lock);
}

/* ---- the store ---- */

static void give_store(struct feed *f, struct view_store *v)
{
    pthread_mutex_lock(&f->lock);
    struct view_store *old = f->store;
    f->store = v;
    pthread_mutex_unlock(&f->lock);
    view_store_rele(old);
    wake(f);
}

static void load(struct feed *f, struct store *s)
{
    struct view_store *v = mem_zalloc(sizeof *v);
    struct clw_error err = {0};
    char *theme = NULL;
    if (view_store_hosts(v, s, &err) || store_profile_list(s, &v->profiles, &err) ||
        store_job_list(s, NULL, VIEW_JOBS, &v->jobs, &err) ||
        store_event_list(s, NULL, VIEW_EVENTS, &v->events, &err) ||
        store_launch_list(s, NULL, NULL, VIEW_LAUNCHES, &v->launches, &err))
        snprintf(v->error, sizeof v->error, "%s", err.message);
    if (store_setting_get(s, "theme", &theme, NULL) == CLW_OK)
        snprintf(v->theme, sizeof v->theme, "%s", theme);
    free(theme);
    give_store(f, v);
}

static void finish(struct feed *f, struct feed_work *w)
{
    pthread_mutex_lock(&f->lock);
    struct feed_work **at = &f->finished;
    while (*at)
        at = &(*at)->next;
    w->next = NULL;
    *at = w;
    pthread_mutex_unlock(&f->lock);
    wake(f);
}

static struct feed_work *next_work(struct feed *f)
{
    pthread_mutex_lock(&f->lock);
    if (!f->queued)
        wait_ms(f, &f->store_work, STORE_POLL_MS);
    struct feed_work *w = f->queued;
    if (w)
        f->queued = w->next;
    pthread_mutex_unlock(&f->lock);
    return w;
}

/* Opens the store; while that fails the screens are told why, and work fails with the reason. */
static struct store *open_store(struct feed *f)
{
    struct store *s;
    struct clw_error err = {0};
    while (store_open(NULL, &s, &err)) {
        struct view_store *v = mem_zalloc(sizeof *v);
        snprintf(v->error, sizeof v->error, "%s%s%s", err.message, *err.hint ? "; " : "", err.hint);
        give_store(f, v);
        for (struct feed_work *w; (w = next_work(f));) {
            feed_fail(w, &err);
            finish(f, w);
        }
        pause_ms(RETRY_MS);
    }
    return s;
}

static void *keep_store(void *arg)
{
    struct feed *f = arg;
    struct store *s = open_store(f);
    int64_t seen = -1, version = 0;
    for (;;) {
        if (seen < 0 || (store_data_version(s, &version, NULL) == CLW_OK && version != seen)) {
            store_data_version(s, &seen, NULL);
            load(f, s);
        }
        struct feed_work *w = next_work(f);
        if (!w)
            continue;
        w->store = s;
        w->run(w);
        w->store = NULL;
        if (w->changes)
            load(f, s); /* first: who hears of its end finds what it changed */
        finish(f, w);
    }
    return NULL;
}

void feed_fail(struct feed_work *w, const struct clw_error *err)
{
    int status = clw_err_exit_status(err->code);
    w->err.status = status ? status : CLOWDER_FAILED;
    snprintf(w->err.message, sizeof w->err.message, "%s", err->message);
    snprintf(w->err.hint, sizeof w->err.hint, "%s", err->hint);
}

/* ---- work ---- */

static struct feed_work *work_new(struct feed *f, void (*done)(struct feed_work *, void *), void *arg)
{
    struct feed_work *w = mem_zalloc(sizeof *w);
    w->feed = f;
    w->done = done;
    w->arg = arg;
    pthread_mutex_lock(&f->lock);
    f->busy++;
    pthread_mutex_unlock(&f->lock);
    return w;
}

struct request {
    struct feed_work *work;
    struct clowder *handle;
    char *json;
    int64_t timeout_ms;
};

static void *request_main(void *arg)
{
    struct request *r = arg;
    r->work->err.status = CLOWDER_OK;
    clowder_request(r->handle, r->json, r->timeout_ms, &r->work->reply, &r->work->err);
    if (r->work->reply)
        r->work->err.status = CLOWDER_OK;
    mem_wipe(r->json, strlen(r->json));
    free(r->json);
    feed_hurry(r->work->feed);
    finish(r->work->feed, r->work);
    free(r);
    return NULL;
}

static int start_thread(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    int rv = pthread_create(&thread, NULL, run, arg);
    if (rv == 0)
        pthread_detach(thread);
    return rv;
}

void feed_request(
    struct feed *f, char *json, bool start, int64_t timeout_ms, void (*done)(struct feed_work *, void *), void *arg)
{
    struct request *r = mem_zalloc(sizeof *r);
    *r = (struct request){work_new(f, done, arg), start ? f->starting : f->quiet, json, timeout_ms};
    if (start_thread(request_main, r)) {
        r->work->err.status = CLOWDER_FAILED;
        snprintf(r->work->err.message, sizeof r->work->err.message, "no thread for the request: %s", strerror(errno));
        finish(f, r->work);
        mem_wipe(json, strlen(json));
        free(json);
        free(r);
    }
}

static void queue(struct feed *f, struct feed_work *w)
{
    pthread_mutex_lock(&f->lock);
    struct feed_work **at = &f->queued;
    while (*at)
        at = &(*at)->next;
    *at = w;
    pthread_cond_signal(&f->store_work);
    pthread_mutex_unlock(&f->lock);
}

void feed_store(struct feed *f, void (*run)(struct feed_work *), void (*done)(struct feed_work *, void *), void *arg)
{
    struct feed_work *w = work_new(f, done, arg);
    w->run = run;
    w->changes = true;
    queue(f, w);
}

void feed_look(struct feed *f, void (*run)(struct feed_work *), void (*done)(struct feed_work *, void *), void *arg)
{
    struct feed_work *w = work_new(f, done, arg);
    w->run = run;
    queue(f, w);
}

int feed_finish(struct feed *f, void *ui)
{
    uint64_t drained;
    ssize_t ignored = read(f->event, &drained, sizeof drained);
    (void)ignored;
    pthread_mutex_lock(&f->lock);
    struct feed_work *list = f->finished;
    f->finished = NULL;
    for (struct feed_work *w = list; w; w = w->next)
        f->busy--;
    pthread_mutex_unlock(&f->lock);
    int n = 0;
    while (list) {
        struct feed_work *w = list;
        list = w->next;
        w->done(w, ui);
        free(w->reply);
        free(w);
        n++;
    }
    return n;
}

int feed_busy(struct feed *f)
{
    pthread_mutex_lock(&f->lock);
    int n = f->busy;
    pthread_mutex_unlock(&f->lock);
    return n;
}

int feed_fd(const struct feed *f)
{
    return f->event;
}

struct view_engine *feed_take_engine(struct feed *f)
{
    pthread_mutex_lock(&f->lock);
    struct view_engine *v = f->engine;
    f->engine = NULL;
    pthread_mutex_unlock(&f->lock);
    return v;
}

struct view_links *feed_take_links(struct feed *f)
{
    pthread_mutex_lock(&f->lock);
    struct view_links *v = f->links;
    f->links = NULL;
    pthread_mutex_unlock(&f->lock);
    return v;
}

struct view_store *feed_take_store(struct feed *f)
{
    pthread_mutex_lock(&f->lock);
    struct view_store *v = f->store;
    f->store = NULL;
    pthread_mutex_unlock(&f->lock);
    return v;
}

struct feed *feed_start(void)
{
    struct feed *f = mem_zalloc(sizeof *f);
    struct clowder_options quiet = {.no_start = true};
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->store_work, &attr);
    pthread_cond_init(&f->ask_now, &attr);
    pthread_condattr_destroy(&attr);
    f->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    start_thread(keep_store, f); /* first: the inventory is what the first frame shows */
    if (clowder_open(&f->quiet, &quiet, NULL) || clowder_open(&f->starting, NULL, NULL))
        abort(); /* no descriptor for them */
    start_thread(watch, f);
    start_thread(ask, f);
    return f;
}
