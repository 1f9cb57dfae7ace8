/* A thread with a queue and a connection. */
#include "engine/daemon/files/haul.h"

#include "base/mono.h"
#include "base/thread.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

void haul_init(struct haul *h, struct files *f)
{
    *h = (struct haul){.files = f};
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->cond, NULL);
    file_link_init(&h->link);
}

void haul_fini(struct haul *h)
{
    file_link_fini(&h->link);
    pthread_cond_destroy(&h->cond);
    pthread_mutex_destroy(&h->lock);
}

bool haul_give(struct haul *h, struct task_files *t, void *(*run)(void *haul))
{
    t->next = NULL;
    pthread_mutex_lock(&h->lock);
    *(h->queue ? &h->last->next : &h->queue) = t;
    h->last = t;
    pthread_cond_signal(&h->cond);
    pthread_mutex_unlock(&h->lock);
    if (!h->runs)
        h->runs = thread_start(&h->thread, run, h);
    if (!h->runs)
        h->queue = h->last = NULL;
    return h->runs;
}

void haul_end(struct haul *h)
{
    struct files *f = h->files;
    if (!h->runs)
        return;
    pthread_mutex_lock(&h->lock);
    atomic_store(&h->stop, true);
    pthread_cond_signal(&h->cond);
    pthread_mutex_unlock(&h->lock);
    file_link_shut(&h->link);
    pthread_join(h->thread, NULL);
    haul_fini(h);
    haul_init(h, f);
}

struct task_files *haul_next(struct haul *h, bool wait)
{
    pthread_mutex_lock(&h->lock);
    while (wait && !h->queue && !atomic_load(&h->stop))
        pthread_cond_wait(&h->cond, &h->lock);
    struct task_files *t = atomic_load(&h->stop) ? NULL : h->queue;
    if (t)
        h->queue = t->next;
    pthread_mutex_unlock(&h->lock);
    return t;
}

bool haul_connect(struct haul *h)
{
    while (!atomic_load(&h->stop)) {
        if (h->link.is_open)
            return true;
        bool is_late = mono_ms() - h->opened_ms >= HAUL_REDIAL_MS; /* not again and again without a pause */
        if (is_late && file_link_open(&h->link, h->files->daemon)) {
            h->opened_ms = mono_ms();
            return true;
        }
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += HAUL_REDIAL_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_mutex_lock(&h->lock);
        if (!atomic_load(&h->stop))
            pthread_cond_timedwait(&h->cond, &h->lock, &until);
        pthread_mutex_unlock(&h->lock);
    }
    return false;
}

void haul_done(struct task_files *t, enum task_files_state state)
{
    uint64_t one = 1;
    int fd = t->owner->event_fd; /* t may be gone as soon as it is said */
    atomic_store(&t->state, state);
    if (write(fd, &one, sizeof one) < 0)
        errno = 0; /* it has been said often enough */
}

void haul_fail(struct task_files *t, bool is_ours, char *why)
{
    t->why = why;
    t->is_ours = is_ours;
    haul_done(t, FILES_FAILED);
}
