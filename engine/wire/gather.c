/* Walks over folders. Symbolic links that lead further down are links on the other side too; what others lead to
 * travels in their place. */
#include "engine/wire/gather.h"

#include "base/mem.h"
#include "base/text.h"
#include "engine/wire/parcel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEEP = 200 };

static __attribute__((format(printf, 3, 4))) void fail(struct gather *g, const char *path, const char *format, ...)
{
    char text[300], shown[600];
    va_list ap;
    if (g->why)
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    text_escape(shown, sizeof shown, path, strlen(path));
    g->why = mem_printf("'%s' %s", shown, text);
}

static char *below(const char *folder, const char *name)
{
    return *folder ? mem_printf("%s/%s", folder, name) : mem_strdup(name);
}

/* Its path in this machine's words; owned. */
static char *whole(const struct gather *g, const char *path)
{
    return mem_printf("%s/%s", g->base, path);
}

static void keep(struct gather *g, const char *path, char *target, const struct stat *st)
{
    if (g->count == PARCEL_ENTRIES_MAX || strlen(path) > PARCEL_PATH_MAX) {
        fail(g, path, "is one too many: at most %d files travel for a task; let it pack them: tar", PARCEL_ENTRIES_MAX);
        free(target);
        return;
    }
    if (g->count == g->room) {
        g->room = g->room ? 2 * g->room : 8;
        g->found = mem_realloc(g->found, g->room * sizeof *g->found);
    }
    g->found[g->count++] = (struct gathered){mem_strdup(path), target, *st};
}

/* The target of a link, or NULL. */
static char *target_of(const char *file)
{
    char text[PARCEL_PATH_MAX + 1];
    ssize_t n = readlink(file, text, sizeof text);
    return n > 0 && (size_t)n < sizeof text ? mem_strndup(text, (size_t)n) : NULL;
}

static void add(struct gather *g, const char *path, size_t top, bool all, unsigned depth);

static void add_folder(struct gather *g, const char *path, size_t top, bool all, unsigned depth)
{
    char *folder = whole(g, path);
    DIR *dir = depth < DEEP ? opendir(folder) : NULL;
    if (!dir)
        fail(g, path, "cannot be read: %s", depth < DEEP ? strerror(errno) : "its folders are too deep");
    for (const struct dirent *e; dir && !g->why && (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || (!all && e->d_name[0] == '.'))
            continue;
        char *one = below(path, e->d_name);
        add(g, one, top, all, depth + 1);
        free(one);
    }
    if (dir)
        closedir(dir);
    free(folder);
}

/* top: the length of the part of path that a pattern named, which is meant whatever it is; a link below that stays one
 * when it leads to a place below, too. */
static void add(struct gather *g, const char *path, size_t top, bool all, unsigned depth)
{
    char *file = whole(g, path), *target;
    struct stat st;
    if (lstat(file, &st)) {
        if (errno != ENOENT)
            fail(g, path, "cannot be read: %s", strerror(errno));
    } else if (S_ISLNK(st.st_mode) && strlen(path) > top && (target = target_of(file)) &&
               (parcel_link_is_inside(path + top + (top > 0), target) || (free(target), false))) {
        keep(g, path, target, &st);
    } else if (S_ISLNK(st.st_mode) && stat(file, &st)) {
        fail(g, path, "is a link that leads nowhere");
    } else if (S_ISREG(st.st_mode)) {
        keep(g, path, NULL, &st);
    } else if (S_ISDIR(st.st_mode)) {
        keep(g, path, NULL, &st);
        add_folder(g, path, top, all, depth);
    } else {
        fail(g, path, "is neither a file nor a folder");
    }
    free(file);
}

/* ---- patterns ---- */

static bool is_plain(const char *part)
{
    return !strpbrk(part, "*?[");
}

/* Without the backslashes. */
static void take_as_it_is(char *part)
{
    char *to = part;
    for (const char *at = part; *at; at++) {
        if (*at == '\\' && at[1])
            at++;
        *to++ = *at;
    }
    *to = '\0';
}

static bool is_folder(const struct gather *g, const char *path, bool follow)
{
    char *file = *path ? whole(g, path) : mem_strdup(g->base);
    struct stat st;
    bool is = (follow ? stat(file, &st) : lstat(file, &st)) == 0 && S_ISDIR(st.st_mode);
    free(file);
    return is;
}

static size_t match(struct gather *g, const char *path, char *const *parts, unsigned depth);

/* All in the folder that the first part matches. */
static size_t match_names(struct gather *g, const char *path, char *const *parts, unsigned depth)
{
    char *folder = *path ? whole(g, path) : mem_strdup(g->base);
    bool deep = strcmp(parts[0], "**") == 0;
    size_t n = 0;
    DIR *dir = depth < DEEP ? opendir(folder) : NULL;
    for (const struct dirent *e; dir && !g->why && (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        char *one = below(path, e->d_name);
        if (deep && e->d_name[0] != '.' && is_folder(g, one, false))
            n += match(g, one, parts, depth + 1);
        else if (!deep && fnmatch(parts[0], e->d_name, FNM_PERIOD) == 0)
            n += match(g, one, parts + 1, depth + 1);
        free(one);
    }
    if (dir)
        closedir(dir);
    free(folder);
    return n;
}

static size_t match_plain(struct gather *g, const char *path, char *const *parts, unsigned depth)
{
    char *name = mem_strdup(parts[0]);
    take_as_it_is(name);
    char *one = below(path, name);
    size_t n = match(g, one, parts + 1, depth + 1);
    free(one);
    free(name);
    return n;
}

/* How many match the parts, below path. */
static size_t match(struct gather *g, const char *path, char *const *parts, unsigned depth)
{
    static char all[] = "*", *const all_parts[] = {all, NULL};
    struct stat st;
    if (g->why)
        return 0;
    if (!parts[0]) {
        char *file = whole(g, path);
        bool there = *path && lstat(file, &st) == 0;
        free(file);
        if (there)
            add(g, path, strlen(path), true, 0);
        return there;
    }
    if (strcmp(parts[0], "**") == 0) /* no folder, or one more */
        return (parts[1] ? match(g, path, parts + 1, depth) : 0) +
               match_names(g, path, parts[1] ? parts : all_parts, depth);
    if (is_plain(parts[0]))
        return match_plain(g, path, parts, depth);
    return is_folder(g, path, true) ? match_names(g, path, parts, depth) : 0;
}

size_t gather_pattern(struct gather *g, const char *pattern)
{
    char *text = mem_strdup(pattern), *next = text, *part;
    char **parts = mem_zalloc((strlen(pattern) + 2) * sizeof *parts);
    size_t n = 0, matched = 0;
    bool leaves = *pattern == '/';
    while ((part = strsep(&next, "/"))) {
        leaves |= strcmp(part, "..") == 0;
        if (*part && strcmp(part, ".") != 0)
            parts[n++] = part;
    }
    if (leaves)
        fail(g, pattern, "leads out of the folder that the work is in; go there first: cd");
    else if (n)
        matched = match(g, "", parts, 0);
    else
        fail(g, pattern, "is the whole folder of the job; name what is meant in it");
    free(parts);
    free(text);
    return matched;
}

void gather_all(struct gather *g)
{
    add_folder(g, "", 0, false, 0);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct gathered *)a)->path, ((const struct gathered *)b)->path);
}

void gather_sort(struct gather *g)
{
    size_t kept = 0;
    if (g->count)
        qsort(g->found, g->count, sizeof *g->found, by_path);
    for (size_t i = 0; i < g->count; i++) {
        if (kept && strcmp(g->found[kept - 1].path, g->found[i].path) == 0) {
            free(g->found[i].path);
            free(g->found[i].target);
        } else {
            g->found[kept++] = g->found[i];
        }
    }
    g->count = kept;
}

void gather_fini(struct gather *g)
{
    for (size_t i = 0; i < g->count; i++) {
        free(g->found[i].path);
        free(g->found[i].target);
    }
    free(g->found);
    free(g->why);
    *g = (struct gather){0};
}
