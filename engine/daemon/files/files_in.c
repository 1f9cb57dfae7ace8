/* The thread that brings what tasks need. It asks for many tasks ahead; answers come in the order of its questions, and
 * contents that are not in the cache are fetched one after the other, so that it holds one lock at a time. */
#include "engine/daemon/files/haul.h"

#include "base/paths.h"
#include "base/text.h"
#include "engine/wire/needed.h"
#include "engine/wire/parcel.h"

#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINK_ABOVE = 16 << 20 }; /* bytes */

/* Asked for. */
struct asked {
    struct task_files *files;
    bool is_listed;
    enum clw_err code;
    struct buf list;
};

struct in {
    struct haul *haul;
    struct asked asked[HAUL_AHEAD]; /* a ring, oldest first */
    unsigned first, count;
    struct buf body;
    uint8_t *block; /* CONTENT_BLOCK bytes */
};

/* ---- frames ---- */

static struct asked *nth(struct in *in, unsigned i)
{
    return &in->asked[(in->first + i) % HAUL_AHEAD];
}

static bool ask(struct in *in, const struct task_files *t)
{
    struct frame f = {.type = WIRE_WANT, .job = t->job->number, .first = t->index};
    return file_link_send(&in->haul->link, &f, NULL, 0);
}

/* The next frame that is no list; those are put where they belong. With lists, one of those will do. */
static bool next_frame(struct in *in, struct frame *f, bool lists)
{
    while (file_link_recv(&in->haul->link, f, &in->body)) {
        unsigned i = 0;
        if (f->type != WIRE_LIST)
            return !lists;
        while (i < in->count && nth(in, i)->is_listed)
            i++;
        if (i == in->count)
            return false;
        struct asked *a = nth(in, i);
        a->is_listed = true;
        a->code = (enum clw_err)f->code;
        a->list = in->body;
        in->body = (struct buf){0};
        if (lists)
            return true;
    }
    return false;
}

/* ---- contents ---- */

/* How something ended: all is well; it cannot be, and why says it; or the connection is over. */
enum end { WELL, FAILED, BROKEN };

struct build {
    struct in *in;
    struct task_files *files;
    char *why;
    bool is_ours;
    bool is_cut; /* home cannot read on: no more blocks come */
};

static enum end fail(struct build *b, bool is_ours, char *why)
{
    if (b->why)
        free(why);
    else
        b->why = why;
    b->is_ours = is_ours;
    return FAILED;
}

static enum end cannot(struct build *b, const char *path, int rv)
{
    char shown[600];
    text_escape(shown, sizeof shown, path, strlen(path));
    if (rv == EEXIST && b->files->index == UINT64_MAX)
        return fail(b, false, mem_printf("two files are shipped as '%s'; give one of them another name", shown));
    return fail(
        b, true, mem_printf("cannot write '%s' on %s: %s", shown, b->in->haul->files->daemon->host, strerror(rv)));
}

static enum end changed(struct build *b, const struct parcel_entry *e)
{
    char shown[600];
    text_escape(shown, sizeof shown, e->path, strlen(e->path));
    return fail(
        b, false, mem_printf("'%s' was changed while it was sent; run the task again when nobody writes to it", shown));
}

/* Whole blocks that are there, as far as they are right. */
static uint32_t count_right(struct in *in, const struct cache_part *p, uint64_t size, const uint8_t *hashes)
{
    uint8_t hash[CONTENT_HASH];
    uint32_t n = 0;
    for (; n < p->have && content_read_block(p->fd, size, n, in->block) == 0; n++) {
        content_hash(hash, in->block, content_block_size(size, n));
        if (memcmp(hash, hashes + (size_t)n * CONTENT_HASH, CONTENT_HASH) != 0)
            break;
    }
    return n;
}

static enum end receive_block(
    struct build *b, const struct parcel_entry *e, const struct cache_part *p, const uint8_t *hashes, uint32_t i)
{
    struct in *in = b->in;
    struct frame f;
    uint8_t hash[CONTENT_HASH];
    size_t due = content_block_size(e->size, i);
    if (!next_frame(in, &f, false) || f.type != WIRE_BLOCK)
        return BROKEN;
    b->is_cut = f.code != 0;
    if (f.code || f.n != i || (f.len && f.len != due))
        return changed(b, e);
    const uint8_t *data = f.len ? f.body : content_zeros;
    content_hash(hash, data, due);
    if (memcmp(hash, hashes + (size_t)i * CONTENT_HASH, CONTENT_HASH) != 0)
        return changed(b, e);
    int rv = content_write_block(p->fd, i, data, due);
    return rv ? cannot(b, e->path, rv) : WELL;
}

/* After a failure the rest of what was asked for still comes. */
static enum end pass_over(struct in *in, uint32_t from, uint32_t n)
{
    struct frame f;
    for (bool is_over = false; from < n && !is_over; from++) {
        if (!next_frame(in, &f, false) || f.type != WIRE_BLOCK)
            return BROKEN;
        is_over = f.code != 0;
    }
    return FAILED;
}

static enum end receive(struct build *b, const struct parcel_entry *e, uint32_t entry, struct cache_part *p)
{
    struct in *in = b->in;
    uint8_t number[8], name[CONTENT_HASH];
    uint32_t n = content_blocks(e->size), from = p->have;
    struct frame f = {
        .type = WIRE_GET, .job = b->files->job->number, .first = b->files->index, .n = entry, .len = sizeof number};
    enum end end = WELL;
    le_put_u64(number, from);
    struct iovec piece = {number, sizeof number};
    if (!file_link_send(&in->haul->link, &f, &piece, 1) || !next_frame(in, &f, false) || f.type != WIRE_HASHES)
        return BROKEN;
    if (f.code)
        return fail(b, false, mem_printf("%.*s", (int)(f.len < 600 ? f.len : 600), (const char *)f.body));
    if (f.n != n || f.len != (size_t)n * CONTENT_HASH)
        return BROKEN;
    uint8_t *hashes = mem_alloc((size_t)n * CONTENT_HASH + 1);
    memcpy(hashes, f.body, f.len);
    content_name(name, e->size, (const uint8_t(*)[CONTENT_HASH])hashes, n);
    bool is_it = memcmp(name, e->bytes, CONTENT_HASH) == 0, right = count_right(in, p, e->size, hashes) == from;
    uint32_t i = from;
    for (; i < n && end == WELL && is_it && right; i++)
        end = receive_block(b, e, p, hashes, i);
    free(hashes);
    if (!is_it)
        end = changed(b, e);
    if (end != BROKEN && (end == FAILED || !right))
        end = b->is_cut ? FAILED : pass_over(in, i, n);
    if (end == FAILED && is_it && !right && !b->why) { /* what was there is not what it should be: all of it, then */
        p->have = 0;
        return ftruncate(p->fd, 0) ? cannot(b, e->path, errno) : receive(b, e, entry, p);
    }
    return end;
}

/* A descriptor of the content, and its path in the cache. */
static enum end content(struct build *b, const struct parcel_entry *e, uint32_t entry, int *fd, char **path)
{
    struct haul *h = b->in->haul;
    struct cache *c = &h->files->cache;
    struct cache_part part;
    enum end end = WELL;
    int rv = 0;
    do {
        *fd = cache_find(c, e->bytes, e->size, path);
        if (*fd >= 0)
            return WELL;
        rv = cache_begin(c, &part, e->bytes, e->size, &h->stop);
    } while (rv == EEXIST);
    if (rv)
        return rv == ECANCELED ? BROKEN : cannot(b, e->path, rv);
    end = receive(b, e, entry, &part);
    if (end == WELL && (rv = cache_end(c, &part, e->bytes, e->size)))
        end = cannot(b, e->path, rv);
    if (end == WELL) {
        *fd = part.fd;
        *path = part.path;
    } else {
        cache_leave(&part);
    }
    return end;
}

/* ---- files ---- */

/* replaces: what the job ships gives way to a file of the task's own. */
static int new_file(const char *file, bool replaces)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, fd = open(file, flags, 0600);
    if (fd < 0 && errno == EEXIST && replaces && unlink(file) == 0)
        fd = open(file, flags, 0600);
    return fd;
}

static int finish(int fd, const struct parcel_entry *e, bool is_shared)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW},
        {.tv_sec = (time_t)(e->mtime_ns / 1000000000u), .tv_nsec = (long)(e->mtime_ns % 1000000000u)}};
    int rv = fchmod(fd, is_shared ? e->mode & 0555 : (e->mode & 0777) | 0200) || futimens(fd, times) ? errno : 0;
    return close(fd) && !rv ? errno : rv;
}

/* What all tasks see is one file, read-only; what is a task's own is its own. */
static enum end put_content(struct build *b, const struct parcel_entry *e, uint32_t entry, const char *file)
{
    bool is_shared = b->files->index == UINT64_MAX;
    char *path = NULL;
    int from = -1, to;
    enum end end = content(b, e, entry, &from, &path);
    if (end == WELL && !(is_shared && !(e->mode & 0111) && link(path, file) == 0)) {
        int rv = (to = new_file(file, !is_shared)) < 0 ? errno : content_copy(from, to, e->size);
        if (to >= 0 && !rv)
            rv = finish(to, e, is_shared);
        if (rv)
            end = cannot(b, e->path, rv);
    }
    if (from >= 0)
        close(from);
    free(path);
    return end;
}

static enum end put_data(struct build *b, const struct parcel_entry *e, const char *file)
{
    int fd = new_file(file, b->files->index != UINT64_MAX),
        rv = fd < 0 ? errno : content_write_block(fd, 0, e->bytes, e->size);
    if (fd >= 0 && !rv)
        rv = finish(fd, e, b->files->index == UINT64_MAX);
    else if (fd >= 0)
        close(fd);
    return rv ? cannot(b, e->path, rv) : WELL;
}

static enum end put(struct build *b, const struct parcel_entry *e, uint32_t entry)
{
    char *file = mem_printf("%s/%s", b->files->dir, e->path);
    enum end end = paths_make_above(file, strlen(b->files->dir) + 1, 0700) ? WELL : cannot(b, e->path, errno);
    if (end == WELL && e->type == PARCEL_CONTENT)
        end = put_content(b, e, entry, file);
    else if (end == WELL && e->type == PARCEL_DATA)
        end = put_data(b, e, file);
    else if (end == WELL && ((e->type == PARCEL_FOLDER && mkdir(file, 0700) && errno != EEXIST) ||
                                (e->type == PARCEL_LINK && symlink((const char *)e->bytes, file))))
        end = cannot(b, e->path, errno);
    free(file);
    return end;
}

/* Modes of folders, from below: one may be read-only. */
static void set_modes(struct build *b, const struct parcel_list *list)
{
    for (size_t i = list->count; i; i--) {
        const struct parcel_entry *e = &list->entries[i - 1];
        char *folder = e->type == PARCEL_FOLDER ? mem_printf("%s/%s", b->files->dir, e->path) : NULL;
        if (folder)
            chmod(folder, (e->mode & 0777) | 0700);
        free(folder);
    }
}

/* What the job ships, in the task's own folder as well: links to the same files. */
static int link_all(const char *from, const char *to)
{
    int rv = 0;
    DIR *dir = opendir(from);
    for (const struct dirent *e; dir && !rv && (e = readdir(dir));) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        char *a = mem_printf("%s/%s", from, e->d_name), *b = mem_printf("%s/%s", to, e->d_name);
        if (lstat(a, &st) == 0 && S_ISDIR(st.st_mode))
            rv = mkdir(b, st.st_mode & 0777) ? errno : link_all(a, b);
        else if (link(a, b))
            rv = errno;
        free(a);
        free(b);
    }
    if (dir)
        closedir(dir);
    return rv;
}

static enum end make_folder(struct build *b)
{
    struct task_files *t = b->files;
    int rv = 0;
    if (t->index == UINT64_MAX)
        return WELL;
    if (t->is_begun)
        folder_clear(t->dir); /* the line broke in the middle of it */
    if (mkdir(t->dir, 0700))
        rv = errno;
    t->is_begun = true;
    if (!rv && (t->job->ships || t->job->func.file_count))
        rv = link_all(t->job->dir, t->dir);
    return rv ? cannot(b, t->dir, rv) : WELL;
}

static enum end build(struct build *b, const struct parcel_list *list)
{
    enum end end = make_folder(b);
    for (size_t i = 0; i < list->count && end == WELL; i++)
        end = put(b, &list->entries[i], (uint32_t)i);
    if (end == WELL)
        set_modes(b, list);
    return end;
}

/* Some of what it makes is known only by what was there before. */
static bool is_by_comparison(const struct func *f)
{
    bool is = f->by_names;
    for (char **at = f->outs; at && *at; at++)
        is |= strpbrk(*at, "*?[") != NULL;
    return is;
}

/* Files as they are before the task. */
static void remember(struct task_files *t)
{
    if (t->index == UINT64_MAX || !is_by_comparison(&t->job->func))
        return;
    t->before = (struct gather){.base = t->dir};
    gather_all(&t->before);
    gather_sort(&t->before);
}

/* The first that was asked for has its list. */
static bool take_first(struct in *in)
{
    struct asked *a = nth(in, 0);
    struct task_files *t = a->files;
    struct build b = {.in = in, .files = t};
    struct parcel_list list = {0};
    enum end end = WELL;
    if (a->code)
        end = fail(&b, false, mem_printf("%.*s", (int)(a->list.len < 900 ? a->list.len : 900), (char *)a->list.data));
    else if (parcel_list_read(&list, a->list.data, a->list.len, NULL))
        end = BROKEN;
    else
        end = build(&b, &list);
    parcel_list_fini(&list);
    if (end == BROKEN) {
        free(b.why);
        return false;
    }
    buf_fini(&a->list);
    a->is_listed = false;
    in->first = (in->first + 1) % HAUL_AHEAD;
    in->count--;
    if (end == WELL) {
        remember(t);
        haul_done(t, FILES_READY);
    } else {
        haul_fail(t, b.is_ours, b.why);
    }
    return true;
}

/* ---- on the engine's own machine ---- */

/* A task may change its own files, and a small file that is shipped is read-only: they are clones, or copies where the
 * file system has no clones. A large one that is shipped is a link. */
static int bring_here(const char *from, const char *to, const struct stat *st, bool is_shared)
{
    struct parcel_entry e = {.mode = st->st_mode & 0777,
        .mtime_ns = (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec};
    char *whole = is_shared && st->st_size > LINK_ABOVE ? realpath(from, NULL) : NULL;
    if (whole) {
        int rv = link(whole, to) && symlink(whole, to) ? errno : 0;
        free(whole);
        return rv;
    }
    int fd = open(from, O_RDONLY | O_CLOEXEC | O_NONBLOCK), out = fd < 0 ? -1 : new_file(to, !is_shared), rv = 0;
    if (fd < 0 || out < 0)
        rv = errno;
    if (!rv)
        rv = content_copy(fd, out, (uint64_t)st->st_size);
    if (!rv)
        rv = finish(out, &e, is_shared);
    else if (out >= 0)
        close(out);
    if (fd >= 0)
        close(fd);
    return rv;
}

static void place(void *arg, const struct gather *g)
{
    struct build *b = arg;
    const char *dir = b->files->dir;
    for (size_t i = 0; i < g->count && !b->why; i++) {
        const struct gathered *one = &g->found[i];
        char *from = mem_printf("%s/%s", g->base, one->path), *to = mem_printf("%s/%s", dir, one->path);
        int rv = paths_make_above(to, strlen(dir) + 1, 0700) ? 0 : errno;
        if (!rv && one->target)
            rv = symlink(one->target, to) ? errno : 0;
        else if (!rv && S_ISDIR(one->st.st_mode))
            rv = mkdir(to, 0700) && errno != EEXIST ? errno : 0;
        else if (!rv)
            rv = bring_here(from, to, &one->st, b->files->index == UINT64_MAX);
        if (rv)
            cannot(b, one->path, rv);
        free(from);
        free(to);
    }
}

static void build_here(struct in *in, struct task_files *t)
{
    struct build b = {.in = in, .files = t};
    struct needed n = {.func = &t->job->func, .input = t->input, .len = t->len, .index = t->index, .stays = true};
    char *why = make_folder(&b) == WELL ? needed_gather(&n, place, &b) : NULL;
    if (why || b.why) {
        haul_fail(t, !why, why ? why : b.why);
        return;
    }
    remember(t);
    haul_done(t, FILES_READY);
}

/* The connection broke: all is asked for again. */
static bool begin_again(struct in *in)
{
    file_link_close(&in->haul->link);
    for (unsigned i = 0; i < in->count; i++) {
        nth(in, i)->is_listed = false;
        buf_clear(&nth(in, i)->list);
    }
    if (!haul_connect(in->haul))
        return false;
    for (unsigned i = 0; i < in->count; i++)
        if (!ask(in, nth(in, i)->files))
            return true; /* it broke again */
    return true;
}

/* Asks for what waits, as far as it may. False: it is to stop. */
static bool ask_ahead(struct in *in, bool *is_broken)
{
    while (in->count < HAUL_AHEAD) {
        struct task_files *t = haul_next(in->haul, in->count == 0);
        if (!t)
            return in->count > 0 && !atomic_load(&in->haul->stop);
        if (t->job->is_here) {
            build_here(in, t);
            continue;
        }
        *nth(in, in->count) = (struct asked){.files = t};
        in->count++;
        if (!*is_broken && !ask(in, t))
            *is_broken = true;
    }
    return !atomic_load(&in->haul->stop);
}

void *files_in_run(void *haul)
{
    struct in in = {.haul = haul, .block = mem_alloc(CONTENT_BLOCK)};
    struct frame f;
    bool is_broken = true;
    while (ask_ahead(&in, &is_broken)) {
        if (is_broken && !begin_again(&in))
            break;
        is_broken = !(nth(&in, 0)->is_listed || next_frame(&in, &f, true)) || !take_first(&in);
    }
    for (unsigned i = 0; i < in.count; i++)
        buf_fini(&nth(&in, i)->list);
    buf_fini(&in.body);
    free(in.block);
    file_link_close(&in.haul->link);
    return NULL;
}
