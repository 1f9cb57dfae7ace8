/* A file grows under a hidden name in the folder that it is for, which follows from its path and content: whoever sends
 * the same again goes on there. */
#include "engine/files/arrival.h"

#include "base/le.h"
#include "base/paths.h"
#include "base/text.h"
#include "engine/wire/parcel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_MAX = 64 }; /* files of one task that are open at a time */

/* A file that comes. */
struct coming {
    const struct parcel_entry *entry;
    char *part;
    int fd;
    bool is_nameless, has_part; /* there is none at part yet; or it is there */
    uint32_t next;              /* block */
    struct content content;
};

struct arrival {
    struct file_job *job;
    uint64_t index;
    struct blk *block;
    struct parcel_list list;
    char *base; /* where it all goes */
    const atomic_bool *stop;
    struct coming *files;
    size_t count, at; /* of those, the one whose blocks come next */
};

static char *cannot_save(const char *path, int rv)
{
    char shown[600];
    text_escape(shown, sizeof shown, path, strlen(path));
    return mem_printf("cannot save '%s' here: %s%s", shown, rv == ELOOP ? "a link is in the way" : strerror(rv),
        rv == ENOSPC || rv == EDQUOT ? "; make room, and run the task again" : "");
}

/* ---- places ---- */

/* Makes the folders above the file. */
static bool make_folders(const struct arrival *a, char *file)
{
    return paths_make_above(file, strlen(a->base) + 1, 0777 & ~file_job_mask(a->job));
}

/* The hidden name for a file that is not whole; owned. */
static char *part_name(const char *file, const struct parcel_entry *e)
{
    uint8_t hash[CONTENT_HASH];
    char hex[CONTENT_HEX];
    struct buf b = {0};
    buf_add(&b, file, strlen(file) + 1);
    if (e->type == PARCEL_CONTENT)
        buf_add(&b, e->bytes, CONTENT_HASH);
    content_hash(hash, b.data, b.len);
    content_hex(hex, hash);
    buf_fini(&b);
    return mem_printf("%.*s.clowder-%.24s.part", (int)(strrchr(file, '/') + 1 - file), file, hex);
}

/* What is there of it already counts, whole blocks of it. */
static int go_on(struct coming *c)
{
    struct stat st;
    uint8_t *block = mem_alloc(CONTENT_BLOCK);
    uint32_t whole;
    int rv = fstat(c->fd, &st) ? errno : 0;
    c->content = (struct content){.size = c->entry->size, .blocks = content_blocks(c->entry->size)};
    c->content.hashes = mem_alloc(((size_t)c->content.blocks + 1) * CONTENT_HASH);
    whole = (uint32_t)((uint64_t)st.st_size / CONTENT_BLOCK);
    if ((uint64_t)st.st_size == c->entry->size)
        whole = c->content.blocks;
    for (; !rv && c->next < whole && c->next < c->content.blocks; c->next++) {
        rv = content_read_block(c->fd, c->entry->size, c->next, block);
        if (!rv)
            content_hash(c->content.hashes[c->next], block, content_block_size(c->entry->size, c->next));
    }
    free(block);
    return rv;
}

static char *write_data(struct coming *c)
{
    const struct parcel_entry *e = c->entry;
    if (ftruncate(c->fd, 0))
        return cannot_save(e->path, errno);
    int rv = content_write_block(c->fd, 0, e->bytes, e->size);
    return rv ? cannot_save(e->path, rv) : NULL;
}

/* A small file has no name before it is whole, where the file system can do that. */
static int open_nameless(const struct arrival *a, const char *file)
{
    char *folder = mem_strndup(file, (size_t)(strrchr(file, '/') - file));
    int fd = content_open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600, a->stop);
    free(folder);
    return fd;
}

/* Of many, those that wait are closed. */
static void rest(const struct arrival *a, struct coming *c)
{
    if (a->list.count <= OPEN_MAX || c->fd < 0)
        return;
    close(c->fd);
    c->fd = -1;
}

static char *begin_file(struct arrival *a, const struct parcel_entry *e)
{
    struct coming *c = &a->files[a->count++];
    char *file = mem_printf("%s/%s", a->base, e->path);
    bool made = make_folders(a, file);
    *c = (struct coming){.entry = e, .fd = -1, .part = part_name(file, e)};
    if (made && e->type == PARCEL_DATA && a->list.count <= OPEN_MAX)
        c->fd = open_nameless(a, file);
    c->is_nameless = c->fd >= 0;
    free(file);
    if (c->is_nameless)
        return write_data(c);
    if (!made)
        return cannot_save(e->path, errno);
    c->fd = content_open_part(c->part, a->stop);
    if (c->fd < 0)
        return cannot_save(e->path, errno);
    file_job_begun(a->job, c->part);
    c->has_part = true;
    if (e->type == PARCEL_DATA) {
        char *why = write_data(c);
        rest(a, c);
        return why;
    }
    int rv = go_on(c);
    rest(a, c);
    return rv ? cannot_save(e->path, rv) : NULL;
}

static bool is_file(const struct parcel_entry *e)
{
    return e->type == PARCEL_DATA || e->type == PARCEL_CONTENT;
}

static bool has_come(const struct coming *c)
{
    return c->entry->type == PARCEL_DATA || c->next == c->content.blocks;
}

static void pass_over(struct arrival *a)
{
    while (a->at < a->count && has_come(&a->files[a->at]))
        a->at++;
}

static char *begin(struct arrival *a, const char *input, size_t len, bool is_here)
{
    char *why = NULL;
    for (size_t i = 0; i < a->list.count && !why; i++) {
        const struct parcel_entry *e = &a->list.entries[i];
        if (e->type == PARCEL_PLACED && !is_here)
            why = mem_strdup("only this machine's own daemons have files on it");
        else if (e->type != PARCEL_FOLDER)
            why = file_job_claim(a->job, input, len, a->index, e->path);
    }
    a->base = why ? NULL : file_job_home(a->job, a->index);
    if (!a->base)
        return why ? why : cannot_save("results", errno);
    a->files = mem_zalloc((a->list.count + 1) * sizeof *a->files);
    for (size_t i = 0; i < a->list.count && !why; i++)
        if (is_file(&a->list.entries[i]))
            why = begin_file(a, &a->list.entries[i]);
    pass_over(a);
    return why;
}

struct arrival *arrival_new(struct file_job *j, const char *input, size_t len, uint64_t index, struct blk *block,
    const uint8_t *list, size_t list_len, bool is_here, const atomic_bool *stop, char **why)
{
    struct arrival *a = mem_zalloc(sizeof *a);
    struct clw_error err;
    *a = (struct arrival){.job = file_job_hold(j), .index = index, .block = blk_hold(block), .stop = stop};
    *why = parcel_list_read(&a->list, list, list_len, &err) ? mem_strdup(err.message) : begin(a, input, len, is_here);
    if (!*why)
        return a;
    arrival_free(a);
    return NULL;
}

void arrival_free(struct arrival *a)
{
    for (size_t i = 0; a && i < a->count; i++) {
        struct coming *c = &a->files[i];
        if (c->has_part && c->entry->type == PARCEL_DATA) {
            unlink(c->part);
            file_job_ended(a->job, c->part);
        }
        if (c->fd >= 0)
            close(c->fd);
        content_fini(&c->content);
        free(c->part);
    }
    if (!a)
        return;
    parcel_list_fini(&a->list);
    blk_rele(a->block);
    file_job_rele(a->job);
    free(a->files);
    free(a->base);
    free(a);
}

/* ---- blocks ---- */

bool arrival_needs(const struct arrival *a, struct buf *out)
{
    for (size_t i = 0; i < a->count; i++)
        if (a->files[i].entry->type == PARCEL_CONTENT) {
            le_put_u64(buf_reserve(out, 8), a->files[i].next);
            out->len += 8;
        }
    return !arrival_is_whole(a);
}

char *arrival_block(struct arrival *a, uint32_t n, const uint8_t *data, size_t len)
{
    struct coming *c = a->at < a->count ? &a->files[a->at] : NULL;
    size_t due = c ? content_block_size(c->entry->size, c->next) : 0;
    if (!c || n != c->next || (len && len != due))
        return mem_strdup("a block of a file came that was not due");
    const uint8_t *bytes = len ? data : content_zeros;
    if (c->fd < 0 && (c->fd = content_open_part(c->part, a->stop)) < 0)
        return cannot_save(c->entry->path, errno);
    int rv = content_write_block(c->fd, n, bytes, due);
    if (rv)
        return cannot_save(c->entry->path, rv);
    content_hash(c->content.hashes[n], bytes, due);
    c->next++;
    if (has_come(c))
        rest(a, c);
    pass_over(a);
    return NULL;
}

bool arrival_is_whole(const struct arrival *a)
{
    return a->at == a->count;
}

/* ---- all has come ---- */

static char *check(struct arrival *a, struct coming *c)
{
    uint8_t name[CONTENT_HASH];
    char shown[600];
    if (c->entry->type != PARCEL_CONTENT)
        return NULL;
    content_name(name, c->content.size, (const uint8_t(*)[CONTENT_HASH])c->content.hashes, c->content.blocks);
    if (memcmp(name, c->entry->bytes, CONTENT_HASH) == 0)
        return NULL;
    unlink(c->part);
    c->has_part = false;
    file_job_ended(a->job, c->part);
    text_escape(shown, sizeof shown, c->entry->path, strlen(c->entry->path));
    return mem_printf("'%s' was changed while it was sent; let the task wait for whoever writes it", shown);
}

/* Nothing is there, or a file, which is replaced whole. 0 or an errno. */
static int is_free(const char *file)
{
    struct stat st;
    if (lstat(file, &st))
        return errno == ENOENT ? 0 : errno;
    return S_ISREG(st.st_mode) ? 0 : S_ISDIR(st.st_mode) ? EISDIR : S_ISLNK(st.st_mode) ? ELOOP : EEXIST;
}

/* 0 or an errno. What has the name already is replaced whole. */
static int give_name(struct coming *c, const char *file)
{
    char own[40];
    snprintf(own, sizeof own, "/proc/self/fd/%d", c->fd);
    if (linkat(AT_FDCWD, own, AT_FDCWD, file, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    if (errno != EEXIST)
        return errno;
    unlink(c->part);
    if (linkat(AT_FDCWD, own, AT_FDCWD, c->part, AT_SYMLINK_FOLLOW))
        return errno;
    if (rename(c->part, file) == 0)
        return 0;
    int rv = errno;
    unlink(c->part);
    return rv;
}

static char *put_file(struct arrival *a, struct coming *c)
{
    const struct parcel_entry *e = c->entry;
    char *file = mem_printf("%s/%s", a->base, e->path);
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW},
        {.tv_sec = (time_t)(e->mtime_ns / 1000000000u), .tv_nsec = (long)(e->mtime_ns % 1000000000u)}};
    int rv = is_free(file);
    bool is_set = c->is_nameless ? fchmod(c->fd, e->mode & 0777) == 0 && futimens(c->fd, times) == 0
                                 : chmod(c->part, e->mode & 0777) == 0 && utimensat(AT_FDCWD, c->part, times, 0) == 0;
    if (!rv && !is_set)
        rv = errno;
    if (!rv)
        rv = c->is_nameless ? give_name(c, file) : rename(c->part, file) ? errno : 0;
    free(file);
    if (rv)
        return cannot_save(e->path, rv);
    file_job_ended(a->job, c->part);
    c->has_part = false;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    return NULL;
}

static char *put_folder(struct arrival *a, const struct parcel_entry *e)
{
    char *file = mem_printf("%s/%s/", a->base, e->path), *why = NULL;
    if (!make_folders(a, file))
        why = cannot_save(e->path, errno);
    free(file);
    return why;
}

static char *put_link(struct arrival *a, const struct parcel_entry *e)
{
    char *file = mem_printf("%s/%s", a->base, e->path), *part = part_name(file, e), *why = NULL;
    struct stat st;
    unlink(part);
    if (lstat(file, &st) == 0 && !S_ISLNK(st.st_mode) && !S_ISREG(st.st_mode))
        why = cannot_save(e->path, EEXIST);
    else if (!make_folders(a, file) || symlink((const char *)e->bytes, part) || rename(part, file))
        why = cannot_save(e->path, errno);
    free(part);
    free(file);
    return why;
}

/* Across file systems what is moved is copied. */
static int move(const char *from, const char *to, const char *part)
{
    struct stat st = {0};
    if (rename(from, to) == 0)
        return 0;
    if (errno != EXDEV)
        return errno;
    int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), rv = in < 0 || fstat(in, &st) ? errno : 0;
    int out = rv ? -1 : open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (!rv)
        rv = out < 0 ? errno : content_copy(in, out, (uint64_t)st.st_size);
    if (!rv && (fchmod(out, st.st_mode & 0777) || futimens(out, (struct timespec[]){st.st_atim, st.st_mtim}) ||
                   rename(part, to)))
        rv = errno;
    if (rv && out >= 0)
        unlink(part);
    if (out >= 0)
        close(out);
    if (in >= 0)
        close(in);
    return rv;
}

/* It was made on this machine. */
static char *put_placed(struct arrival *a, const struct parcel_entry *e)
{
    char *from = mem_printf("%s/%s", (const char *)e->bytes, e->path), *to = mem_printf("%s/%s", a->base, e->path);
    char *part = part_name(to, e);
    int rv = make_folders(a, to) ? is_free(to) : errno;
    if (!rv)
        rv = move(from, to, part);
    free(part);
    free(from);
    free(to);
    return rv ? cannot_save(e->path, rv) : NULL;
}

char *arrival_end(struct arrival *a, uint32_t *files, uint64_t *bytes)
{
    char *why = NULL;
    *files = 0;
    *bytes = 0;
    for (size_t i = 0; i < a->count && !why; i++)
        why = check(a, &a->files[i]);
    for (size_t i = 0; i < a->count && !why; i++)
        why = put_file(a, &a->files[i]);
    for (size_t i = 0; i < a->list.count && !why; i++) {
        const struct parcel_entry *e = &a->list.entries[i];
        *files += e->type != PARCEL_FOLDER;
        *bytes += is_file(e) || e->type == PARCEL_PLACED ? e->size : 0;
        if (e->type == PARCEL_FOLDER)
            why = put_folder(a, e);
        else if (e->type == PARCEL_LINK)
            why = put_link(a, e);
        else if (e->type == PARCEL_PLACED)
            why = put_placed(a, e);
    }
    for (size_t i = a->list.count; i && !why; i--) { /* the modes of folders at last, from below */
        const struct parcel_entry *e = &a->list.entries[i - 1];
        char *folder = e->type == PARCEL_FOLDER ? mem_printf("%s/%s", a->base, e->path) : NULL;
        if (folder)
            chmod(folder, e->mode & 0777);
        free(folder);
    }
    return why;
}
