/* The thread that takes home what tasks made. Home answers in the order in which it was told; what is small goes with
 * the list, and several tasks are under way then. */
#include "engine/daemon/files/haul.h"

#include "base/text.h"
#include "engine/wire/expand.h"
#include "engine/wire/parcel.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file whose content is in the list by its name. */
struct leaving {
    char *path;
    uint64_t size;
};

struct sent {
    struct task_files *files;
    struct buf list;
    struct leaving *contents; /* in the order of the list */
    size_t count;
};

struct out {
    struct haul *haul;
    struct sent sent[HAUL_AHEAD]; /* a ring, oldest first */
    unsigned first, count;
    struct buf body;
};

static struct sent *nth(struct out *o, unsigned i)
{
    return &o->sent[(o->first + i) % HAUL_AHEAD];
}

/* ---- what it made ---- */

static const struct gathered *find_before(const struct task_files *t, const char *path)
{
    size_t low = 0, high = t->before.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(path, t->before.found[middle].path);
        if (order == 0)
            return &t->before.found[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* It was there before the task, and still is what it was. */
static bool is_as_before(const struct task_files *t, const struct gathered *g)
{
    const struct gathered *b = find_before(t, g->path);
    if (!b || S_ISDIR(g->st.st_mode))
        return b != NULL;
    return b->st.st_ino == g->st.st_ino && b->st.st_size == g->st.st_size &&
           b->st.st_mtim.tv_sec == g->st.st_mtim.tv_sec && b->st.st_mtim.tv_nsec == g->st.st_mtim.tv_nsec;
}

static void pass_over_old(const struct task_files *t, struct gather *g, size_t from)
{
    size_t kept = from;
    for (size_t i = from; i < g->count; i++)
        if (is_as_before(t, &g->found[i])) {
            free(g->found[i].path);
            free(g->found[i].target);
        } else {
            g->found[kept++] = g->found[i];
        }
    g->count = kept;
}

/* NULL, or why not. */
static char *gather_out(const struct task_files *t, struct gather *g, const char *text)
{
    struct buf pattern = {0};
    char shown[600], *why = NULL;
    size_t from = g->count;
    struct expansion e = func_expansion(&t->job->func, t->input, t->len, t->index);
    e.as_pattern = true;
    expand_text(&pattern, text, &e);
    bool any = gather_pattern(g, buf_text(&pattern)) > 0;
    if (strpbrk(text, "*?["))
        pass_over_old(t, g, from);
    text_escape(shown, sizeof shown, (const char *)pattern.data, pattern.len - 1);
    if (g->why)
        why = mem_printf("--out: %s", g->why);
    else if (!any)
        why = mem_printf("--out: there is no file '%s'", shown);
    else if (g->count == from)
        why = mem_printf("--out: there is no file '%s' but what was there before", shown);
    buf_fini(&pattern);
    return why;
}

static char *gather_made(const struct task_files *t, struct gather *g)
{
    char *why = NULL;
    for (char **at = t->job->func.outs; at && *at && !why; at++)
        why = gather_out(t, g, *at);
    if (!why && t->job->func.by_names) {
        size_t from = g->count;
        gather_all(g);
        pass_over_old(t, g, from);
        if (g->why)
            why = mem_printf("--files: %s", g->why);
    }
    gather_sort(g);
    return why;
}

/* ---- its list ---- */

struct listing {
    struct out *out;
    struct sent *sent;
    size_t inline_bytes;
};

static char *cannot_read(const char *path, int rv)
{
    char shown[600];
    text_escape(shown, sizeof shown, path, strlen(path));
    return mem_printf("cannot read '%s': %s", shown, rv == ESTALE ? "it is written to still" : strerror(rv));
}

static int add_data(struct listing *l, struct parcel_entry *e, int fd)
{
    uint8_t *data = mem_alloc(e->size + 1);
    int rv = e->size ? content_read_block(fd, e->size, 0, data) : 0;
    e->type = PARCEL_DATA;
    e->bytes = data;
    if (!rv)
        parcel_add(&l->sent->list, e);
    l->inline_bytes += e->size;
    free(data);
    return rv;
}

static int add_content(struct listing *l, struct parcel_entry *e, int fd, const char *file)
{
    struct content c;
    int rv = content_read(&c, fd, e->size, &l->out->haul->stop);
    if (rv)
        return rv;
    e->type = PARCEL_CONTENT;
    e->bytes = c.name;
    parcel_add(&l->sent->list, e);
    content_fini(&c);
    struct sent *sent = l->sent;
    sent->contents = mem_realloc(sent->contents, (sent->count + 1) * sizeof *sent->contents);
    sent->contents[sent->count++] = (struct leaving){mem_strdup(file), e->size};
    return 0;
}

static char *add_file(struct listing *l, struct parcel_entry *e, const char *file)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st = {0};
    int rv = fd < 0 || fstat(fd, &st) ? errno : 0;
    if (!rv) {
        e->size = (uint64_t)st.st_size;
        bool is_small = e->size <= PARCEL_DATA_MAX && l->inline_bytes + e->size <= PARCEL_DATA_ALL;
        rv = is_small ? add_data(l, e, fd) : add_content(l, e, fd, file);
    }
    if (fd >= 0)
        close(fd);
    return rv ? cannot_read(e->path, rv) : NULL;
}

static char *add(struct listing *l, const struct gathered *g)
{
    const struct task_files *t = l->sent->files;
    struct parcel_entry e = {.path = g->path,
        .mode = g->st.st_mode & 0777,
        .size = (uint64_t)g->st.st_size,
        .mtime_ns = (uint64_t)g->st.st_mtim.tv_sec * 1000000000u + (uint64_t)g->st.st_mtim.tv_nsec};
    char *file = mem_printf("%s/%s", t->dir, g->path), *why = NULL;
    if (t->job->is_here && !S_ISDIR(g->st.st_mode)) {
        e.type = PARCEL_PLACED;
        e.bytes = (const uint8_t *)t->dir;
        parcel_add(&l->sent->list, &e);
    } else if (g->target) {
        e.type = PARCEL_LINK;
        e.size = strlen(g->target);
        e.bytes = (const uint8_t *)g->target;
        parcel_add(&l->sent->list, &e);
    } else if (S_ISDIR(g->st.st_mode)) {
        e.type = PARCEL_FOLDER;
        parcel_add(&l->sent->list, &e);
    } else {
        why = add_file(l, &e, file);
    }
    free(file);
    return why;
}

static void forget(struct sent *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->contents[i].path);
    free(s->contents);
    buf_fini(&s->list);
    *s = (struct sent){0};
}

/* What cannot go home stays for its user, in a folder that nobody sweeps away. Takes why. */
static void keep(struct out *o, struct task_files *t, char *why)
{
    char *slash = strrchr(t->job->root, '/'), *whole = why;
    char *folder = mem_printf("%.*s/clowder-kept-XXXXXX", (int)(slash - t->job->root), t->job->root);
    t->is_gone = mkdtemp(folder) && rmdir(folder) == 0 && rename(t->dir, folder) == 0;
    if (t->is_gone) {
        whole = mem_printf("%s; its files stay on %s: %s", why, o->haul->files->daemon->host, folder);
        free(why);
    }
    free(folder);
    haul_fail(t, false, whole);
}

/* Makes its list. False: that failed, and was said. */
static bool list(struct out *o, struct sent *s)
{
    struct task_files *t = s->files;
    struct listing l = {.out = o, .sent = s};
    struct gather g = {.base = t->dir};
    char *why = gather_made(t, &g);
    for (size_t i = 0; i < g.count && !why; i++)
        why = add(&l, &g.found[i]);
    if (!why && s->list.len > WIRE_BODY_MAX)
        why = mem_strdup("too many files for one task; let it pack them: tar");
    gather_fini(&g);
    if (!why)
        return true;
    forget(s);
    keep(o, t, why);
    return false;
}

/* ---- sending ---- */

static bool tell(struct out *o, const struct sent *s)
{
    struct frame f = {
        .type = WIRE_PUT, .job = s->files->job->number, .first = s->files->index, .len = (uint32_t)s->list.len};
    struct iovec piece = {s->list.data, s->list.len};
    return file_link_send(&o->haul->link, &f, &piece, 1);
}

static bool send_block(struct out *o, const struct frame *f, const uint8_t *block)
{
    struct iovec piece = {(void *)(uintptr_t)block, f->len};
    return file_link_send(&o->haul->link, f, &piece, f->len ? 1 : 0);
}

/* A file that is shorter than it was, or not to be read any more, is said to be so. */
static bool send_content(struct out *o, const struct sent *s, const struct leaving *file, uint64_t from)
{
    struct frame f = {.type = WIRE_BLOCK, .job = s->files->job->number, .first = s->files->index};
    uint8_t *block = mem_alloc(CONTENT_BLOCK);
    int fd = open(file->path, O_RDONLY | O_CLOEXEC), rv = fd < 0 ? errno : 0;
    bool sent = true;
    for (uint32_t i = (uint32_t)from, n = content_blocks(file->size); i < n && sent && !f.code; i++) {
        size_t len = content_block_size(file->size, i);
        if (!rv)
            rv = content_read_block(fd, file->size, i, block);
        f.n = i;
        f.len = rv || content_is_zero(block, len) ? 0 : (uint32_t)len;
        f.code = rv ? CLW_IO : 0;
        sent = send_block(o, &f, block);
    }
    if (fd >= 0)
        close(fd);
    free(block);
    return sent;
}

static bool send_contents(struct out *o, const struct sent *s, const struct frame *need)
{
    bool sent = true;
    for (size_t i = 0; i < s->count && sent; i++)
        sent = need->len >= 8 * (i + 1) && send_content(o, s, &s->contents[i], le_u64(need->body + 8 * i));
    return sent;
}

static void finish(struct out *o, const struct frame *f)
{
    struct sent *s = nth(o, 0);
    struct task_files *t = s->files;
    forget(s);
    o->first = (o->first + 1) % HAUL_AHEAD;
    o->count--;
    if (f->code) {
        keep(o, t, mem_printf("--out: %.*s", (int)(f->len < 900 ? f->len : 900), (const char *)f->body));
    } else {
        t->count = f->n;
        t->bytes = f->len == 8 ? le_u64(f->body) : 0;
        haul_done(t, FILES_HOME);
    }
}

/* What home says of the first that was told. False: the connection is over. */
static bool take_word(struct out *o)
{
    struct frame f;
    if (!file_link_recv(&o->haul->link, &f, &o->body))
        return false;
    struct sent *s = nth(o, 0);
    if (f.job != s->files->job->number || f.first != s->files->index)
        return false;
    if (f.type == WIRE_NEED)
        return send_contents(o, s, &f);
    if (f.type != WIRE_HOME)
        return false;
    finish(o, &f);
    return true;
}

static bool begin_again(struct out *o)
{
    file_link_close(&o->haul->link);
    if (!haul_connect(o->haul))
        return false;
    for (unsigned i = 0; i < o->count; i++)
        if (!tell(o, nth(o, i)))
            break;
    return true;
}

/* Tells home of the next one. False: there is none, or it is to stop. */
static bool tell_next(struct out *o, bool *is_broken)
{
    struct task_files *t = haul_next(o->haul, o->count == 0);
    if (!t)
        return false;
    struct sent *s = nth(o, o->count);
    *s = (struct sent){.files = t};
    if (!list(o, s))
        return true;
    o->count++;
    if (!*is_broken && !tell(o, s))
        *is_broken = true;
    return true;
}

/* Contents follow the list at once, before another is told. */
static bool has_contents(struct out *o)
{
    return o->count && nth(o, o->count - 1)->count;
}

void *files_out_run(void *haul)
{
    struct out o = {.haul = haul};
    bool is_broken = true;
    while (!atomic_load(&o.haul->stop)) {
        while (o.count < HAUL_AHEAD && !has_contents(&o) && tell_next(&o, &is_broken))
            ;
        if (!o.count || atomic_load(&o.haul->stop))
            continue;
        if (is_broken && !begin_again(&o))
            break;
        is_broken = !take_word(&o);
    }
    for (unsigned i = 0; i < o.count; i++)
        forget(nth(&o, i));
    buf_fini(&o.body);
    file_link_close(&o.haul->link);
    return NULL;
}
