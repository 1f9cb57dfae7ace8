/* Files that go home with a task's answer. Whatever cannot go fails the task and stays on this machine, in a folder
 * that is left for its user: nothing is thrown away unseen. */
#include "engine/daemon/daemon.h"

#include "base/text.h"
#include "engine/daemon/expand.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fetch {
    struct job *job;
    glob_t found;
    const char *shipped; /* a shipped file that the pattern names, which stays for the next task; or NULL */
    size_t limit;
    struct buf *out;
    char *why; /* in words; NULL: all is well */
};

static __attribute__((format(printf, 2, 3))) void fail(struct fetch *f, const char *format, ...)
{
    char text[600], clean[900];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    text_escape(clean, sizeof clean, text, strlen(text));
    if (!f->why)
        f->why = mem_strdup(clean);
}

static const char *name_of(const struct fetch *f, const char *path)
{
    return path + strlen(f->job->dir) + 1;
}

static bool is_shipped(const struct job *j, const char *name)
{
    for (size_t i = 0; i < j->func.file_count; i++)
        if (strcmp(j->func.files[i].name, name) == 0)
            return true;
    return false;
}

/* ---- which ---- */

/* Not what a wildcard means: the folder itself, and shipped files, which stay for the next task. */
static bool is_passed_over(const struct fetch *f, const char *name, const char *pattern)
{
    return !text_is_file_name(name) || (is_shipped(f->job, name) && strcmp(name, pattern) != 0);
}

/* What the pattern finds. */
static void look(struct fetch *f, const char *pattern)
{
    struct buf path = {0};
    size_t kept = 0;
    if (!text_is_file_name(pattern)) {
        fail(f, "--fetch: '%s' names a folder; only files in the job's own folder can be fetched", pattern);
        return;
    }
    expand_quote(&path, f->job->dir, strlen(f->job->dir));
    buf_printf(&path, "/%s", pattern);
    int rv = glob(buf_text(&path), GLOB_NOSORT, NULL, &f->found);
    buf_fini(&path);
    if (rv) {
        f->found = (glob_t){0};
        if (rv != GLOB_NOMATCH)
            fail(f, "--fetch: cannot look for '%s': %s", pattern, rv == GLOB_NOSPACE ? "no memory" : strerror(errno));
        else
            fail(f, "--fetch: there is no file '%s'", pattern);
        return;
    }
    for (size_t i = 0; i < f->found.gl_pathc; i++) {
        char *one = f->found.gl_pathv[i];
        const char *name = name_of(f, one);
        if (is_shipped(f->job, name) && strcmp(name, pattern) == 0)
            f->shipped = one;
        if (is_passed_over(f, name, pattern))
            free(one);
        else
            f->found.gl_pathv[kept++] = one;
    }
    f->found.gl_pathv[kept] = NULL; /* glob made room for it */
    f->found.gl_pathc = kept;
    if (kept > FUNC_FETCH_MAX)
        fail(f, "--fetch: '%s' matches %zu files, and at most %d can be fetched; let the task pack them: tar", pattern,
            kept, FUNC_FETCH_MAX);
    if (!kept)
        fail(f, "--fetch: there is no file '%s' except those that were shipped", pattern);
}

/* ---- reading them ---- */

static void add(struct fetch *f, const char *path, int fd, size_t size)
{
    const char *name = name_of(f, path);
    uint8_t number[8];
    buf_add(f->out, name, strlen(name) + 1);
    le_put_u64(number, size);
    buf_add(f->out, number, sizeof number);
    for (size_t at = 0; at < size;) {
        ssize_t n = read(fd, buf_reserve(f->out, size - at), size - at);
        if (n <= 0) {
            fail(f, "--fetch: cannot read '%s': %s", name, n < 0 ? strerror(errno) : "it became shorter");
            return;
        }
        f->out->len += (size_t)n;
        at += (size_t)n;
    }
}

static void take(struct fetch *f, const char *path)
{
    const char *name = name_of(f, path);
    char size[24], limit[24];
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); /* a FIFO would wait */
    if (fd < 0 || fstat(fd, &st)) {
        fail(f, "--fetch: cannot read '%s': %s", name, errno == ELOOP ? "it is a link" : strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        fail(f, "--fetch: '%s' is %s: only regular files can be fetched", name,
            S_ISDIR(st.st_mode) ? "a folder" : "not a regular file");
    } else if ((uint64_t)st.st_size > f->limit || f->out->len + strlen(name) + 9 > f->limit - (size_t)st.st_size) {
        fail(f, "--fetch: '%s' has %s%s, and %s %s", name, text_bytes(size, sizeof size, (uint64_t)st.st_size),
            f->out->len ? " besides others" : "",
            f->limit == f->job->func.max_output ? "the limit of --max-output is"
                                                : "the room left beside the task's output is",
            text_bytes(limit, sizeof limit, f->limit));
    } else {
        add(f, path, fd, (size_t)st.st_size);
    }
    if (fd >= 0)
        close(fd);
}

/* ---- what becomes of them ---- */

static void remove_all(const struct fetch *f)
{
    for (size_t i = 0; i < f->found.gl_pathc; i++)
        if (f->found.gl_pathv[i] != f->shipped)
            unlink(f->found.gl_pathv[i]);
}

/* Moved out of the way of the next tasks, into a folder that nobody sweeps away. False: errno. */
static bool move_all(struct fetch *f, char *folder)
{
    bool moved = mkdtemp(folder);
    for (size_t i = 0; moved && i < f->found.gl_pathc; i++) {
        char *to = mem_printf("%s/%s", folder, name_of(f, f->found.gl_pathv[i]));
        moved = f->found.gl_pathv[i] == f->shipped || rename(f->found.gl_pathv[i], to) == 0;
        free(to);
    }
    return moved;
}

/* Where they can be moved nowhere (a full disk), the folder of the job stays instead. */
static void keep_all(struct fetch *f, const char *host)
{
    char *slash = strrchr(f->job->dir, '/'), *why;
    char *folder = mem_printf("%.*s/clowder-kept-XXXXXX", (int)(slash - f->job->dir), f->job->dir);
    if (f->found.gl_pathc > (f->shipped != NULL)) {
        if (move_all(f, folder))
            why = mem_printf("%s; the files found stay on %s: %s", f->why, host, folder);
        else if (folder_keep(f->job))
            why = mem_printf("%s; the files found stay on %s: %s", f->why, host, f->job->dir);
        else
            why = mem_printf("%s; the files found are removed with the job's folder: %s", f->why, strerror(errno));
        free(f->why);
        f->why = why;
    }
    free(folder);
}

static void find(struct fetch *f, const struct task *t)
{
    struct buf pattern = {0};
    expand_pattern(&pattern, f->job->func.fetch, t->input, t->len, t->index);
    look(f, buf_text(&pattern));
    buf_fini(&pattern);
}

char *job_fetch(const struct daemon *d, struct job *j, const struct task *t, size_t room, struct buf *out)
{
    struct fetch f = {.job = j, .limit = j->func.max_output < room ? j->func.max_output : room, .out = out};
    if (!j->func.fetch || !j->own_dir)
        return NULL;
    find(&f, t);
    for (size_t i = 0; i < f.found.gl_pathc && !f.why; i++)
        take(&f, f.found.gl_pathv[i]);
    if (f.why) {
        buf_clear(out);
        keep_all(&f, d->host);
    } else {
        remove_all(&f);
    }
    if (f.found.gl_pathv)
        globfree(&f.found);
    return f.why;
}

void job_forget_files(struct job *j, const struct task *t)
{
    struct buf none = {0};
    struct fetch f = {.job = j, .out = &none};
    if (!j->func.fetch || !j->own_dir)
        return;
    find(&f, t);
    remove_all(&f);
    if (f.found.gl_pathv)
        globfree(&f.found);
    free(f.why);
}
