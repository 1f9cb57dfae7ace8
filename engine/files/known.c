/* A table by device and inode. An entry is good as long as the file's size and times are what they were. */
#include "engine/files/known.h"

#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { SLOTS = 1 << 12, MOST = 1 << 14 };

struct known {
    struct content content; /* first, so that either names the other */
    dev_t dev;
    ino_t ino;
    uint64_t size;
    struct timespec mtime, ctime;
    unsigned refs; /* the table's too */
    bool is_ready, is_dropped;
    struct known *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ready = PTHREAD_COND_INITIALIZER;
static struct known *slots[SLOTS];
static unsigned count;

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_of(const struct known *k, const struct stat *st)
{
    return k->size == (uint64_t)st->st_size && same_time(&k->mtime, &st->st_mtim) && same_time(&k->ctime, &st->st_ctim);
}

static void rele(struct known *k)
{
    if (--k->refs)
        return;
    content_fini(&k->content);
    free(k);
}

static struct known **slot_of(const struct stat *st)
{
    uint64_t h = ((uint64_t)st->st_dev * 0x9e3779b97f4a7c15u) ^ ((uint64_t)st->st_ino * 0xbf58476d1ce4e5b9u);
    return &slots[(h >> 40) % SLOTS];
}

static void drop(struct known **at)
{
    struct known *k = *at;
    *at = k->next;
    count--;
    k->is_dropped = true;
    rele(k);
}

/* There are many: all that nobody uses goes. */
static void forget(void)
{
    for (unsigned i = 0; i < SLOTS; i++)
        for (struct known **at = &slots[i]; *at;)
            if ((*at)->refs == 1)
                drop(at);
            else
                at = &(*at)->next;
}

/* Its entry, held; *mine: it is new, and the caller is to fill it. */
static struct known *find(const struct stat *st, bool *mine)
{
    struct known **at = slot_of(st), *k;
    while (*at && ((*at)->dev != st->st_dev || (*at)->ino != st->st_ino))
        at = &(*at)->next;
    if (*at && !is_of(*at, st))
        drop(at);
    else if (*at) {
        *mine = false;
        (*at)->refs++;
        return *at;
    }
    if (count >= MOST)
        forget();
    at = slot_of(st);
    k = mem_zalloc(sizeof *k);
    *k = (struct known){.dev = st->st_dev,
        .ino = st->st_ino,
        .size = (uint64_t)st->st_size,
        .mtime = st->st_mtim,
        .ctime = st->st_ctim,
        .refs = 2,
        .next = *at};
    *at = k;
    count++;
    *mine = true;
    return k;
}

static void drop_of(struct known *k, const struct stat *st)
{
    struct known **at = slot_of(st);
    while (*at && *at != k)
        at = &(*at)->next;
    if (*at)
        drop(at);
}

static int fill(struct known *k, int fd, const struct stat *st, const atomic_bool *stop)
{
    struct content content;
    struct stat after;
    int rv = content_read(&content, fd, k->size, stop);
    if (!rv && (fstat(fd, &after) || !is_of(k, &after))) {
        content_fini(&content);
        rv = ESTALE;
    }
    pthread_mutex_lock(&lock);
    if (rv && !k->is_dropped)
        drop_of(k, st);
    if (!rv)
        k->content = content;
    k->is_ready = true;
    pthread_cond_broadcast(&ready);
    pthread_mutex_unlock(&lock);
    return rv;
}

int known_content(int fd, const atomic_bool *stop, const struct content **out)
{
    struct stat st;
    bool mine;
    int rv = 0;
    if (fstat(fd, &st))
        return errno;
    do {
        pthread_mutex_lock(&lock);
        struct known *k = find(&st, &mine);
        while (!mine && !k->is_ready)
            pthread_cond_wait(&ready, &lock);
        pthread_mutex_unlock(&lock);
        if (mine)
            rv = fill(k, fd, &st, stop);
        *out = k->content.hashes ? &k->content : NULL;
        if (!*out)
            known_rele(&k->content); /* whoever read it could not: it is tried again, or was ours */
    } while (!*out && !mine);
    return rv;
}

void known_rele(const struct content *c)
{
    pthread_mutex_lock(&lock);
    rele((struct known *)(uintptr_t)c);
    pthread_mutex_unlock(&lock);
}
