/* A thread that asks the engine twice a second, and says what is news. */
#include "tui/cli/up_wait.h"

#include "base/mem.h"
#include "base/mono.h"
#include "base/thread.h"
#include "tui/cli/command.h"
#include "tui/cli/request.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LOOK_MS = 500, FIRST_MS = 3000, AGAIN_MS = 10000, ANSWER_MS = 5000, NAMED_MAX = 3 };

struct up_wait {
    const char *profile;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool over;
    char **told; /* hosts that were said to be stuck */
    size_t told_count;
    char last[600]; /* what was said of the others, … */
    uint64_t last_ms, began_ms;
};

/* Until the next look; false: it is over. */
static bool rest(struct up_wait *w)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_nsec += LOOK_MS * 1000000L;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    pthread_mutex_lock(&w->lock);
    while (!w->over && pthread_cond_timedwait(&w->wake, &w->lock, &at) == 0)
        ;
    bool over = w->over;
    pthread_mutex_unlock(&w->lock);
    return !over;
}

static bool is_told(struct up_wait *w, const char *host)
{
    for (size_t i = 0; i < w->told_count; i++)
        if (strcmp(w->told[i], host) == 0)
            return true;
    w->told = mem_realloc(w->told, (w->told_count + 1) * sizeof *w->told);
    w->told[w->told_count++] = mem_strdup(host);
    return false;
}

/* Alone it is the answer of `up` itself. */
static void tell_stuck(struct up_wait *w, const json_t *hosts)
{
    const json_t *h;
    size_t i;
    json_array_foreach (hosts, i, h)
        if (json_array_size(hosts) > 1 && !json_is_true(json_object_get(h, "passes")) &&
            !is_told(w, json_text(h, "host")))
            say(0, "%s%s%s", json_text(h, "reason"), *json_text(h, "hint") ? "; " : "", json_text(h, "hint"));
}

static void tell_others(struct up_wait *w, const json_t *hosts)
{
    const json_t *h;
    size_t i, count = 0;
    struct buf b = {0};
    json_array_foreach (hosts, i, h) {
        if (!json_is_true(json_object_get(h, "passes")))
            continue;
        if (count++ < NAMED_MAX)
            buf_printf(&b, "%s%s (%.140s)", count > 1 ? ", " : "", json_text(h, "host"), json_text(h, "reason"));
    }
    if (count > NAMED_MAX)
        buf_printf(&b, " and %zu more", count - NAMED_MAX);
    uint64_t now_ms = mono_ms();
    bool is_time = now_ms - w->began_ms >= FIRST_MS && (!w->last_ms || now_ms - w->last_ms >= AGAIN_MS);
    if (count && is_time && strcmp(w->last, buf_text(&b)) != 0) {
        say(0, "up: waiting for %s", buf_text(&b));
        snprintf(w->last, sizeof w->last, "%s", buf_text(&b));
        w->last_ms = now_ms;
    }
    buf_fini(&b);
}

static void *run(void *arg)
{
    struct up_wait *w = arg;
    struct clowder *c = NULL;
    const struct clowder_options o = {.no_start = true};
    struct clowder_error err;
    while (rest(w)) {
        json_t *reply, *request = request_new("missing");
        request_set_text(request, "profile", w->profile);
        if (!c && clowder_open(&c, &o, &err))
            c = NULL;
        if (!c || request_send(c, json_incref(request), ANSWER_MS, &reply, &err))
            reply = NULL;
        json_decref(request);
        tell_stuck(w, json_object_get(reply, "hosts"));
        tell_others(w, json_object_get(reply, "hosts"));
        json_decref(reply);
    }
    if (c)
        clowder_close(c);
    return NULL;
}

struct up_wait *up_wait_start(const char *profile)
{
    struct up_wait *w = mem_zalloc(sizeof *w);
    pthread_condattr_t attr;
    w->profile = profile;
    w->began_ms = mono_ms();
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&w->lock, NULL);
    if (thread_start(&w->thread, run, w))
        return w;
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return NULL;
}

void up_wait_end(struct up_wait *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->over = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    while (w->told_count)
        free(w->told[--w->told_count]);
    free(w->told);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
