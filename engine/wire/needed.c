/* --ship, --in and --files, as they are meant. */
#include "engine/wire/needed.h"

#include "base/text.h"
#include "engine/wire/expand.h"
#include "engine/wire/parcel.h"

#include <stdlib.h>
#include <string.h>

struct search {
    const struct needed *needed;
    struct gather below; /* the folder of the job */
    void (*take)(void *arg, const struct gather *g);
    void *arg;
    char *why;
};

static void fail(struct search *s, const char *before, const char *path, const char *after)
{
    char shown[600];
    text_escape(shown, sizeof shown, path, strlen(path));
    if (!s->why)
        s->why = mem_printf("%s '%s' %s", before, shown, after);
}

static bool is_below(const char *path)
{
    char plain[PARCEL_PATH_MAX + 1];
    while (strncmp(path, "./", 2) == 0)
        path += 2 + strspn(path + 2, "/");
    snprintf(plain, sizeof plain, "%s", path);
    size_t len = strlen(plain);
    while (len > 1 && plain[len - 1] == '/')
        plain[--len] = '\0';
    return parcel_path_is_plain(plain);
}

static void hand_over(struct search *s, struct gather *g)
{
    gather_sort(g);
    if (g->why && !s->why) {
        s->why = g->why;
        g->why = NULL;
    }
    if (!s->why)
        s->take(s->arg, g);
    gather_fini(g);
}

/* A path that is not below the folder is known there by its last name. */
static size_t find_elsewhere(struct search *s, const char *path)
{
    char *from = *path == '/' ? mem_strdup(path) : mem_printf("%s/%s", s->below.base, path);
    char *whole = realpath(from, NULL), *slash = whole ? strrchr(whole, '/') : NULL;
    struct buf pattern = {0};
    size_t found = 0;
    if (slash && slash[1]) {
        *slash = '\0';
        struct gather other = {.base = *whole ? whole : "/"};
        expand_quote(&pattern, slash + 1, strlen(slash + 1));
        found = gather_pattern(&other, buf_text(&pattern));
        hand_over(s, &other);
    }
    buf_fini(&pattern);
    free(whole);
    free(from);
    return found;
}

static size_t find_below(struct search *s, const char *path, size_t len)
{
    struct buf pattern = {0};
    expand_quote(&pattern, path, len);
    size_t found = gather_pattern(&s->below, buf_text(&pattern));
    buf_fini(&pattern);
    return found;
}

static void find_ship(struct search *s, const char *path)
{
    if (!(is_below(path) ? find_below(s, path, strlen(path)) : find_elsewhere(s, path)) && !s->below.why)
        fail(s, "there is no file", path, "here to be shipped");
}

static void find_in(struct search *s, const char *text)
{
    const struct needed *n = s->needed;
    struct buf pattern = {0};
    struct expansion e = func_expansion(n->func, n->input, n->len, n->index);
    e.as_pattern = true;
    expand_text(&pattern, text, &e);
    if (!gather_pattern(&s->below, buf_text(&pattern)) && !s->below.why)
        fail(s, "--in: there is no file", (const char *)pattern.data, "here");
    buf_fini(&pattern);
}

/* The text, when it names a file. */
static void find_named(struct search *s, const char *text, size_t len)
{
    struct stat st;
    if (!len || len > PARCEL_PATH_MAX || memchr(text, 0, len))
        return;
    char *name = mem_strndup(text, len);
    char *file = *name == '/' ? mem_strdup(name) : mem_printf("%s/%s", s->below.base, name);
    bool is_there = lstat(file, &st) == 0;
    if (is_there && is_below(name))
        find_below(s, name, len);
    else if (is_there && strcmp(name, ".") != 0 && !(s->needed->stays && *name == '/'))
        fail(s, "--files:", name,
            *name == '/'
                ? "begins at the root, so it does not travel; name it from the folder of the job"
                : "is not below the folder of the job, so it does not travel; cd to a folder above it, and name it "
                  "from there");
    free(file);
    free(name);
}

static void find_all_named(struct search *s)
{
    const struct needed *n = s->needed;
    struct expansion e = func_expansion(n->func, n->input, n->len, n->index);
    const char *column;
    size_t len;
    for (unsigned i = 1; (column = expand_column(&e, i, &len)); i++)
        find_named(s, column, len);
}

char *needed_gather(const struct needed *n, void (*take)(void *arg, const struct gather *g), void *arg)
{
    struct search s = {.needed = n, .below = {.base = n->func->dir ? n->func->dir : "/"}, .take = take, .arg = arg};
    bool is_job = n->index == UINT64_MAX;
    for (char **at = is_job ? n->func->ships : NULL; at && *at && !s.why; at++)
        find_ship(&s, *at);
    for (char **at = is_job ? NULL : n->func->ins; at && *at && !s.why; at++)
        find_in(&s, *at);
    if (!is_job && n->func->by_names && !s.why)
        find_all_named(&s);
    hand_over(&s, &s.below);
    return s.why;
}
