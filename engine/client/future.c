/* Futures: one task each, waited for, polled, cancelled, or told about. */
#include "engine/client/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int clowder_submit(
    struct clowder_job *j, const void *input, size_t len, struct clowder_future **out_future, struct clowder_error *out)
{
    struct clowder_future *future = mem_zalloc(sizeof *future);
    struct clowder *c = j->c;
    pthread_mutex_lock(&c->lock);
    job_close_chunk(j); /* a chunk of its own */
    pthread_mutex_unlock(&c->lock);
    future->job = j;
    *out_future = NULL;
    pthread_mutex_lock(&c->lock);
    future->index = j->next_index;
    j->open_future = future;
    pthread_mutex_unlock(&c->lock);
    int status = clowder_job_put(j, input, len, -1, out);
    if (status) {
        pthread_mutex_lock(&c->lock);
        j->open_future = NULL;
        pthread_mutex_unlock(&c->lock);
        free(future);
        return status;
    }
    *out_future = future;
    return clowder_job_flush(j, out);
}

bool clowder_future_is_done(const struct clowder_future *future)
{
    struct clowder *c = future->job->c;
    pthread_mutex_lock(&c->lock);
    bool done = future->answer || future->job->broken.code;
    pthread_mutex_unlock(&c->lock);
    return done;
}

int clowder_future_wait(
    struct clowder_future *future, int64_t timeout_ms, struct clowder_result *r, struct clowder_error *out)
{
    struct clowder_job *j = future->job;
    struct clw_error err = {0};
    enum clw_err code = CLW_OK;
    uint64_t deadline_ms = client_deadline(timeout_ms);
    pthread_mutex_lock(&j->c->lock);
    while (!future->answer && !code) {
        if (j->broken.code) {
            err = j->broken;
            code = err.code;
        } else {
            code = client_wait(j->c, deadline_ms, &err);
        }
    }
    if (!code && r) {
        answer_fill_shared(future->answer, r, &j->why);
        answer_fill_own(j, future->answer, future->place, r);
    }
    pthread_mutex_unlock(&j->c->lock);
    return code ? client_fail(out, &err) : CLOWDER_OK;
}

int clowder_future_cancel(struct clowder_future *future, struct clowder_error *out)
{
    struct clowder_job *j = future->job;
    (void)out;
    pthread_mutex_lock(&j->c->lock);
    if (!future->answer)
        job_take_back(j, future->index);
    pthread_mutex_unlock(&j->c->lock);
    return CLOWDER_OK;
}

static void queue_done(struct clowder *c, struct clowder_future *future)
{
    future->next_done = NULL;
    if (c->done_last)
        c->done_last->next_done = future;
    else
        c->done_first = future;
    c->done_last = future;
    client_signal(c);
}

void clowder_future_on_done(struct clowder_future *future, clowder_done_cb cb, void *arg)
{
    struct clowder *c = future->job->c;
    pthread_mutex_lock(&c->lock);
    bool first = !future->cb;
    future->cb = cb;
    future->cb_arg = arg;
    if (first && future->answer)
        queue_done(c, future);
    pthread_mutex_unlock(&c->lock);
}

static void unqueue_done(struct clowder *c, const struct clowder_future *future)
{
    struct clowder_future **at = &c->done_first, *last = NULL;
    while (*at) {
        if (*at == future)
            *at = future->next_done;
        else {
            last = *at;
            at = &last->next_done;
        }
    }
    c->done_last = last;
}

void clowder_future_free(struct clowder_future *future)
{
    if (!future)
        return;
    struct clowder_job *j = future->job;
    struct clowder *c = j->c;
    pthread_mutex_lock(&c->lock);
    unqueue_done(c, future);
    if (future->answer) {
        future->answer->chunk->futures[future->answer->pos + future->place] = NULL;
        answer_done(j, future->answer, 1);
        free(future);
    } else {
        future->freed = true; /* goes with its result */
    }
    pthread_mutex_unlock(&c->lock);
}

int clowder_fd(struct clowder *c)
{
    return c->event_fd;
}

int clowder_process(struct clowder *c, struct clowder_error *out)
{
    uint64_t ignored;
    int ran = 0;
    if (read(c->event_fd, &ignored, sizeof ignored) < 0 && errno != EAGAIN)
        return -1;
    pthread_mutex_lock(&c->lock);
    if (c->lost && !c->recovering && !c->dead.code) {
        struct clw_error err;
        client_wait(c, 0, &err); /* brings the engine back */
    }
    while (c->done_first) {
        struct clowder_future *future = c->done_first;
        c->done_first = future->next_done;
        if (!c->done_first)
            c->done_last = NULL;
        future->next_done = NULL;
        pthread_mutex_unlock(&c->lock);
        future->cb(future->cb_arg, future);
        ran++;
        pthread_mutex_lock(&c->lock);
    }
    struct clw_error dead = c->dead;
    pthread_mutex_unlock(&c->lock);
    if (dead.code) {
        client_fail(out, &dead);
        return -1;
    }
    return ran;
}
