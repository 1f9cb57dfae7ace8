/* FOLDER/NAME is a content, read-only, with a time of change of our own as the sign that it was checked and never
 * written to since. FOLDER/NAME.part grows under a lock. The time of access says when it was used last. */
#include "engine/daemon/files/cache.h"

#include "base/mem.h"
#include "base/paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_BYTES ((uint64_t)10 << 30)

enum {
    CHECKED_S = 946684800, /* the first second of the year 2000 */
    OLD_PART_S = 7 * 24 * 3600,
    LOOK_SHARE = 20 /* the folder is looked at when a twentieth of the limit was added */
};

/* Beside our program when it was brought here; or in the user's own cache. Ends with a slash; owned. */
static char *name_folder(void)
{
    char program[4096];
    const char *home = getenv("HOME"), *own = getenv("XDG_CACHE_HOME");
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(program, '/');
    if (slash && strncmp(slash + 1, "clowder-daemon-", strlen("clowder-daemon-")) == 0)
        return mem_printf("%.*s/files/", (int)(slash - program), program);
    if (own && *own == '/')
        return mem_printf("%s/clowder/files/", own);
    return home && *home == '/' ? mem_printf("%s/.cache/clowder/files/", home) : NULL;
}

static char *find_folder(void)
{
    char *folder = name_folder();
    if (!folder || !paths_make_above(folder, 1, 0700)) {
        free(folder);
        return NULL;
    }
    folder[strlen(folder) - 1] = '\0';
    return folder;
}

void cache_init(struct cache *c)
{
    struct statvfs fs;
    char *folder = find_folder();
    *c = (struct cache){.folder = folder ? folder : mem_strdup(""), .limit_bytes = LIMIT_BYTES};
    if (folder && statvfs(folder, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize / 10 < c->limit_bytes)
        c->limit_bytes = (uint64_t)fs.f_bavail * fs.f_frsize / 10;
    c->added_bytes = c->limit_bytes; /* it is looked at with the first that is added */
}

void cache_fini(struct cache *c)
{
    free(c->folder);
    c->folder = NULL;
}

static char *path_of(const struct cache *c, const uint8_t name[CONTENT_HASH], const char *suffix)
{
    char hex[CONTENT_HEX];
    content_hex(hex, name);
    return mem_printf("%s/%s%s", c->folder, hex, suffix);
}

/* It is used now; and, when that is news, it was checked. */
static void mark(int fd, bool is_news)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = CHECKED_S, .tv_nsec = is_news ? 0 : UTIME_OMIT}};
    futimens(fd, times);
}

/* Was it written to, it may still be what its name says. */
static bool is_whole(int fd, const uint8_t name[CONTENT_HASH], uint64_t size)
{
    atomic_bool never = false;
    struct content content;
    bool whole = content_read(&content, fd, size, &never) == 0 && memcmp(content.name, name, CONTENT_HASH) == 0;
    content_fini(&content);
    return whole;
}

int cache_find(const struct cache *c, const uint8_t name[CONTENT_HASH], uint64_t size, char **path)
{
    char *file = path_of(c, name, "");
    struct stat st;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && fstat(fd, &st) == 0) {
        bool checked = (uint64_t)st.st_size == size && st.st_mtim.tv_sec == CHECKED_S && st.st_mtim.tv_nsec == 0;
        if (checked || is_whole(fd, name, size)) {
            mark(fd, !checked);
        } else {
            unlink(file);
            close(fd);
            fd = -1;
        }
    }
    if (fd >= 0 && path)
        *path = file;
    else
        free(file);
    return fd;
}

void cache_leave(struct cache_part *p)
{
    if (p->fd >= 0)
        close(p->fd);
    free(p->path);
    *p = (struct cache_part){.fd = -1};
}

int cache_begin(const struct cache *c, struct cache_part *p, const uint8_t name[CONTENT_HASH], uint64_t size,
    const atomic_bool *stop)
{
    struct stat st;
    int there;
    *p = (struct cache_part){.fd = -1};
    if (!*c->folder)
        return EACCES;
    p->path = path_of(c, name, ".part");
    p->fd = content_open_part(p->path, stop);
    if (p->fd < 0) {
        int rv = errno;
        cache_leave(p);
        return rv;
    }
    if ((there = cache_find(c, name, size, NULL)) >= 0) {
        close(there);
        unlink(p->path);
        cache_leave(p);
        return EEXIST;
    }
    if (fstat(p->fd, &st) == 0 && (uint64_t)st.st_size <= size)
        p->have = (uint32_t)((uint64_t)st.st_size / CONTENT_BLOCK);
    return 0;
}

/* ---- room ---- */

struct held {
    char name[CONTENT_HEX];
    struct timespec used;
    uint64_t bytes;
};

static int by_use(const void *a, const void *b)
{
    const struct timespec *x = &((const struct held *)a)->used, *y = &((const struct held *)b)->used;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

static void drop_oldest(int dir, struct held *list, size_t n, uint64_t bytes, uint64_t limit)
{
    if (n)
        qsort(list, n, sizeof *list, by_use);
    for (size_t i = 0; i < n && bytes > limit; bytes -= list[i++].bytes)
        unlinkat(dir, list[i].name, 0);
}

/* Tasks that run have their own links and copies: what goes is missed by nobody. */
static void trim(struct cache *c)
{
    struct held *list = NULL;
    size_t n = 0, room = 0;
    uint64_t bytes = 0;
    DIR *dir = opendir(c->folder);
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        struct stat st;
        size_t len = strlen(e->d_name);
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
            continue;
        if (len > 5 && strcmp(e->d_name + len - 5, ".part") == 0 && time(NULL) - st.st_mtim.tv_sec > OLD_PART_S)
            unlinkat(dirfd(dir), e->d_name, 0);
        bytes += (uint64_t)st.st_blocks * 512;
        if (len != CONTENT_HEX - 1)
            continue;
        if (n == room)
            list = mem_realloc(list, (room = room ? 2 * room : 64) * sizeof *list);
        list[n] = (struct held){.used = st.st_atim, .bytes = (uint64_t)st.st_blocks * 512};
        memcpy(list[n++].name, e->d_name, CONTENT_HEX);
    }
    if (dir) {
        drop_oldest(dirfd(dir), list, n, bytes, c->limit_bytes);
        closedir(dir);
    }
    free(list);
}

int cache_end(struct cache *c, struct cache_part *p, const uint8_t name[CONTENT_HASH], uint64_t size)
{
    char *file = path_of(c, name, "");
    int rv = 0;
    fchmod(p->fd, 0444);
    mark(p->fd, true);
    if (rename(p->path, file))
        rv = errno;
    free(p->path);
    p->path = file;
    c->added_bytes += size;
    if (c->added_bytes >= c->limit_bytes / LOOK_SHARE) {
        trim(c);
        c->added_bytes = 0;
    }
    return rv;
}
