#include "base/errands.h"

#include "base/mem.h"
#include "base/thread.h"

#include <stdlib.h>

struct errands {
    struct loop *home;
    unsigned count; /* the loop's thread's own */
    bool has_thread;
    pthread_t thread;
    pthread_mutex_t lock; /* of the rest */
    pthread_cond_t more;
    struct errand *first, **last;
    bool over;
};

static struct errand *take(struct errands *w)
{
    pthread_mutex_lock(&w->lock);
    while (!w->first && !w->over)
        pthread_cond_wait(&w->more, &w->lock);
    struct errand *errand = w->first;
    if (errand)
        w->first = errand->next;
    if (!w->first)
        w->last = &w->first;
    pthread_mutex_unlock(&w->lock);
    return errand;
}

static void *run(void *arg)
{
    struct errands *w = arg;
    for (struct errand *errand; (errand = take(w));) {
        errand->work(errand->arg);
        loop_post(w->home, &errand->call);
    }
    return NULL;
}

static void done(void *arg)
{
    struct errand *errand = arg;
    errand->errands->count--;
    errand->done(errand->arg);
}

struct errands *errands_new(struct loop *home)
{
    struct errands *w = mem_zalloc(sizeof *w);
    w->home = home;
    w->last = &w->first;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->more, NULL);
    return w;
}

void errands_give(struct errands *w, struct errand *errand)
{
    errand->errands = w;
    errand->call = (struct loop_call){.run = done, .arg = errand};
    errand->next = NULL;
    w->count++;
    if (!w->has_thread && !(w->has_thread = thread_start(&w->thread, run, w))) {
        errand->work(errand->arg);
        loop_post(w->home, &errand->call);
        return;
    }
    pthread_mutex_lock(&w->lock);
    *w->last = errand;
    w->last = &errand->next;
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->lock);
}

unsigned errands_count(const struct errands *w)
{
    return w->count;
}

void errands_free(struct errands *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->over = true;
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->lock);
    if (w->has_thread)
        pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->more);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
