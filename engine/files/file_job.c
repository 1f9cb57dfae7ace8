/* Lists of what tasks need, made of the files as they are; claims on what they bring. */
#include "engine/files/file_job.h"

#include "base/paths.h"
#include "base/text.h"
#include "engine/files/known.h"
#include "engine/wire/expand.h"
#include "engine/wire/needed.h"
#include "engine/wire/parcel.h"

#include <sodium.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LEFT_S = 24 * 3600 };

/* Who brought a path, by its hash. */
struct claim {
    uint64_t path; /* 0: free */
    uint64_t index;
};

struct file_job {
    atomic_uint refs;
    atomic_bool is_swept;
    struct func func; /* what of it is about files */
    mode_t mask;
    pthread_mutex_t lock; /* of: */
    struct claim *claims; /* open addressing, room a power of two */
    size_t claim_count, claim_room;
    uint8_t key[crypto_shorthash_KEYBYTES];
    char **parts;
    size_t part_count;
};

struct file_job *file_job_new(const struct func *f, mode_t mask)
{
    if (!f->ships && !func_has_files(f))
        return NULL;
    struct file_job *j = mem_zalloc(sizeof *j);
    struct func part = {.dir = f->dir,
        .ships = f->ships,
        .ins = f->ins,
        .outs = f->outs,
        .results = f->results,
        .has_columns = f->has_columns,
        .names = f->names,
        .by_names = f->by_names};
    func_copy(&j->func, &part);
    atomic_init(&j->refs, 1);
    pthread_mutex_init(&j->lock, NULL);
    crypto_shorthash_keygen(j->key);
    j->mask = mask;
    return j;
}

struct file_job *file_job_hold(struct file_job *j)
{
    atomic_fetch_add(&j->refs, 1);
    return j;
}

void file_job_rele(struct file_job *j)
{
    if (!j || atomic_fetch_sub(&j->refs, 1) != 1)
        return;
    for (size_t i = 0; i < j->part_count; i++) {
        unlink(j->parts[i]);
        free(j->parts[i]);
    }
    free(j->parts);
    free(j->claims);
    pthread_mutex_destroy(&j->lock);
    func_fini(&j->func);
    free(j);
}

mode_t file_job_mask(const struct file_job *j)
{
    return j->mask;
}

void file_sources_fini(struct file_sources *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->list[i].file);
        known_rele(s->list[i].content);
    }
    free(s->list);
    *s = (struct file_sources){0};
}

/* ---- what a task needs ---- */

struct listing {
    const atomic_bool *stop;
    struct buf *out;
    struct file_sources *sources;
    uint32_t count;
    size_t inline_bytes;
    char *why;
};

static __attribute__((format(printf, 2, 3))) void fail(struct listing *l, const char *format, ...)
{
    char text[900];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (!l->why)
        l->why = mem_strdup(text);
}

static void fail_file(struct listing *l, const char *path, int rv)
{
    char shown[600];
    text_escape(shown, sizeof shown, path, strlen(path));
    if (rv == ESTALE)
        fail(l, "'%s' was changed while it was read; run the task again when nobody writes to it", shown);
    else
        fail(l, "cannot read '%s' here: %s", shown, rv == ECANCELED ? "the engine stops" : strerror(rv));
}

static uint64_t time_ns(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

/* A small file lies in the list itself. */
static int add_data(struct listing *l, int fd, struct parcel_entry *e)
{
    uint8_t *data = mem_alloc(PARCEL_DATA_MAX + 1);
    size_t done = 0;
    ssize_t n = 1;
    while (done <= PARCEL_DATA_MAX && (n = read(fd, data + done, PARCEL_DATA_MAX + 1 - done)) > 0)
        done += (size_t)n;
    int rv = n < 0 ? errno : done > PARCEL_DATA_MAX ? ESTALE : 0;
    e->type = PARCEL_DATA;
    e->size = done;
    e->bytes = data;
    l->inline_bytes += done;
    if (!rv)
        parcel_add(l->out, e);
    free(data);
    return rv;
}

static int add_content(struct listing *l, const char *file, int fd, struct parcel_entry *e)
{
    struct file_sources *s = l->sources;
    const struct content *c;
    int rv = known_content(fd, l->stop, &c);
    if (rv)
        return rv;
    s->list = mem_realloc(s->list, (s->count + 1) * sizeof *s->list);
    s->list[s->count++] = (struct file_source){mem_strdup(file), c, l->count};
    e->type = PARCEL_CONTENT;
    e->size = c->size;
    e->bytes = c->name;
    parcel_add(l->out, e);
    return 0;
}

/* path: as it is to be called there; file: here. */
static void add_file(struct listing *l, char *path, const char *file, struct parcel_entry *e)
{
    struct stat st;
    int fd = content_open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0, l->stop), rv;
    if (fd < 0 || fstat(fd, &st)) {
        rv = errno;
    } else {
        e->mtime_ns = time_ns(&st.st_mtim);
        bool is_small = st.st_size <= PARCEL_DATA_MAX && l->inline_bytes + (size_t)st.st_size <= PARCEL_DATA_ALL;
        rv = is_small ? add_data(l, fd, e) : add_content(l, file, fd, e);
    }
    if (fd >= 0)
        close(fd);
    if (rv)
        fail_file(l, path, rv);
}

static void add(struct listing *l, const char *base, const struct gathered *g)
{
    struct parcel_entry e = {.path = g->path, .mode = g->st.st_mode & 0777, .mtime_ns = time_ns(&g->st.st_mtim)};
    char *file = mem_printf("%s/%s", base, g->path);
    if (g->target) {
        e.type = PARCEL_LINK;
        e.size = strlen(g->target);
        e.bytes = (const uint8_t *)g->target;
        parcel_add(l->out, &e);
    } else if (S_ISDIR(g->st.st_mode)) {
        e.type = PARCEL_FOLDER;
        parcel_add(l->out, &e);
    } else {
        add_file(l, g->path, file, &e);
    }
    l->count++;
    free(file);
}

static void add_all(void *arg, const struct gather *g)
{
    struct listing *l = arg;
    for (size_t i = 0; i < g->count && !l->why; i++)
        add(l, g->base, &g->found[i]);
}

char *file_job_list(struct file_job *j, const char *input, size_t len, uint64_t index, const atomic_bool *stop,
    struct buf *out, struct file_sources *sources)
{
    struct listing l = {.stop = stop, .out = out, .sources = sources};
    struct needed n = {.func = &j->func, .input = input, .len = len, .index = index};
    char *why = needed_gather(&n, add_all, &l);
    if (!why)
        return l.why;
    free(l.why);
    return why;
}

/* ---- what comes home ---- */

/* What an engine that was killed has left there of files that never came whole, and nobody has gone on with for a day.
 */
static void sweep(const char *folder)
{
    DIR *dir = opendir(folder);
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        struct stat st;
        size_t len = strlen(e->d_name);
        if (strncmp(e->d_name, ".clowder-", 9) != 0 || len < 14 || strcmp(e->d_name + len - 5, ".part") != 0)
            continue;
        int fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() && time(NULL) - st.st_mtim.tv_sec > LEFT_S &&
            flock(fd, LOCK_EX | LOCK_NB) == 0)
            unlinkat(dirfd(dir), e->d_name, 0);
        if (fd >= 0)
            close(fd);
    }
    if (dir)
        closedir(dir);
}

char *file_job_home(struct file_job *j, uint64_t index)
{
    if (!j->func.results) {
        char *folder = mem_strdup(j->func.dir ? j->func.dir : "/");
        if (!atomic_exchange(&j->is_swept, true))
            sweep(folder);
        return folder;
    }
    char *own = mem_printf("%s/%llu/", j->func.results, (unsigned long long)index + 1);
    bool made = paths_make_above(own, 1, 0777 & ~j->mask);
    own[strlen(own) - 1] = '\0';
    if (!made) {
        free(own);
        return NULL;
    }
    return own;
}

/* Does the pattern, taken apart at '/', match the path or a folder above it? */
static bool matches(const char *pattern, const char *path)
{
    for (;;) {
        size_t p = strcspn(pattern, "/"), n = strcspn(path, "/");
        if (p == 0 || (p == 1 && *pattern == '.')) { /* it says nothing */
            if (!pattern[p])
                return true;
            pattern += p + 1;
            continue;
        }
        if (p == 2 && memcmp(pattern, "**", 2) == 0) {
            const char *rest = pattern[p] ? pattern + p + 1 : "*";
            for (const char *at = path;; at++) {
                if (matches(rest, at))
                    return true;
                at = strchr(at, '/');
                if (!at)
                    return false;
            }
        }
        char one[PARCEL_PATH_MAX + 1], name[PARCEL_PATH_MAX + 1];
        snprintf(one, sizeof one, "%.*s", (int)p, pattern);
        snprintf(name, sizeof name, "%.*s", (int)n, path);
        if (fnmatch(one, name, FNM_PERIOD) != 0)
            return false;
        if (!pattern[p])
            return true;
        if (!path[n])
            return false;
        pattern += p + 1;
        path += n + 1;
    }
}

static bool is_meant(const struct file_job *j, const char *input, size_t len, uint64_t index, const char *path)
{
    bool is = false;
    if (j->func.by_names && path[0] != '.' && !strstr(path, "/."))
        return true;
    for (char **at = j->func.outs; at && *at && !is; at++) {
        struct buf pattern = {0};
        struct expansion e = func_expansion(&j->func, input, len, index);
        e.as_pattern = true;
        expand_text(&pattern, *at, &e);
        is = matches(buf_text(&pattern), path);
        buf_fini(&pattern);
    }
    return is;
}

static void grow(struct file_job *j)
{
    struct claim *old = j->claims;
    size_t room = j->claim_room;
    j->claim_room = room ? 2 * room : 64;
    j->claims = mem_zalloc(j->claim_room * sizeof *j->claims);
    for (size_t i = 0; i < room; i++) {
        size_t at = old[i].path & (j->claim_room - 1);
        while (old[i].path && j->claims[at].path)
            at = (at + 1) & (j->claim_room - 1);
        if (old[i].path)
            j->claims[at] = old[i];
    }
    free(old);
}

/* The index of whoever has it; ours, when nobody had. */
static uint64_t claim(struct file_job *j, const char *path, uint64_t index)
{
    uint64_t hash;
    crypto_shorthash((uint8_t *)&hash, (const uint8_t *)path, strlen(path), j->key);
    hash = hash ? hash : 1;
    pthread_mutex_lock(&j->lock);
    if (2 * j->claim_count >= j->claim_room)
        grow(j);
    size_t at = hash & (j->claim_room - 1);
    while (j->claims[at].path && j->claims[at].path != hash)
        at = (at + 1) & (j->claim_room - 1);
    if (!j->claims[at].path) {
        j->claims[at] = (struct claim){hash, index};
        j->claim_count++;
    }
    uint64_t whose = j->claims[at].index;
    pthread_mutex_unlock(&j->lock);
    return whose;
}

char *file_job_claim(struct file_job *j, const char *input, size_t len, uint64_t index, const char *path)
{
    char shown[600];
    text_escape(shown, sizeof shown, path, strlen(path));
    if (!is_meant(j, input, len, index, path))
        return mem_printf("this task was not asked for '%s'", shown);
    if (j->func.results &&
        (strcmp(path, "stdout") == 0 || strcmp(path, "stderr") == 0 || strcmp(path, "status.json") == 0))
        return mem_printf("'%s' is the name of a file of ours in --results; give it another one", shown);
    uint64_t whose = j->func.results ? index : claim(j, path, index);
    if (whose != index)
        return mem_printf(
            "task %llu of this job has brought '%s' already; give each task a name of its own, as in --out "
            "'{/.}.out', or use --results DIR",
            (unsigned long long)whose + 1, shown);
    return NULL;
}

/* ---- what is not whole yet ---- */

void file_job_begun(struct file_job *j, const char *part)
{
    pthread_mutex_lock(&j->lock);
    j->parts = mem_realloc(j->parts, (j->part_count + 1) * sizeof *j->parts);
    j->parts[j->part_count++] = mem_strdup(part);
    pthread_mutex_unlock(&j->lock);
}

void file_job_ended(struct file_job *j, const char *part)
{
    pthread_mutex_lock(&j->lock);
    for (size_t i = 0; i < j->part_count; i++)
        if (strcmp(j->parts[i], part) == 0) {
            free(j->parts[i]);
            j->parts[i] = j->parts[--j->part_count];
            break;
        }
    pthread_mutex_unlock(&j->lock);
}
