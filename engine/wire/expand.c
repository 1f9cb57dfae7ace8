/* Text replaced in one pass; what was put in is never looked at again. */
#include "engine/wire/expand.h"

#include <stdlib.h>
#include <string.h>

enum part { PART_NONE, PART_ALL, PART_STEM, PART_LAST, PART_DIR, PART_LAST_STEM, PART_NUMBER };

struct place {
    enum part part;
    int column; /* 0: the whole input; below 0: from the end */
    size_t len; /* of the placeholder */
};

/* What stands before the closing brace; its length in *len. */
static enum part part_at(const char *text, size_t *len)
{
    static const struct {
        const char *text;
        enum part part;
    } table[] = {{"}", PART_ALL}, {".}", PART_STEM}, {"/}", PART_LAST}, {"//}", PART_DIR}, {"/.}", PART_LAST_STEM},
        {"#}", PART_NUMBER}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        *len = strlen(table[i].text);
        if (strncmp(text, table[i].text, *len) == 0)
            return table[i].part;
    }
    return PART_NONE;
}

/* {name}, and its parts. */
static bool find_name(const char *text, const struct expansion *e, struct place *p)
{
    int column = 1;
    for (char *const *name = e->names; name && *name; name++, column++) {
        size_t len = strlen(*name), rest;
        if (!len || strncmp(text + 1, *name, len) != 0)
            continue;
        p->part = part_at(text + 1 + len, &rest);
        if (p->part != PART_NONE && p->part != PART_NUMBER) {
            p->column = column;
            p->len = 1 + len + rest;
            return true;
        }
    }
    return false;
}

/* {2}, {-1/.} */
static bool find_numbered(const char *text, struct place *p)
{
    char *end;
    size_t digits = strspn(text + 1 + (text[1] == '-'), "0123456789"), rest;
    if (!digits || digits > 4)
        return false;
    p->column = (int)strtol(text + 1, &end, 10);
    p->part = part_at(end, &rest);
    p->len = (size_t)(end - text) + rest;
    return p->column && p->part != PART_NONE && p->part != PART_NUMBER;
}

/* The placeholder at text, or a sign that is none. */
static struct place placeholder(const char *text, const struct expansion *e)
{
    struct place p = {.len = 1}, found = {0};
    size_t rest;
    if (*text != '{')
        return p;
    found.part = part_at(text + 1, &rest);
    found.len = 1 + rest;
    if (found.part != PART_NONE || (e->has_columns && (find_name(text, e, &found) || find_numbered(text, &found))))
        return found;
    return p;
}

/* ---- parts of a text ---- */

static size_t last_part(const char *input, size_t len)
{
    const char *slash = memrchr(input, '/', len);
    return slash ? (size_t)(slash + 1 - input) : 0;
}

/* The length up to the extension of the last part; a leading dot begins no extension. */
static size_t stem(const char *input, size_t len)
{
    size_t last = last_part(input, len);
    const char *dot = memrchr(input + last, '.', len - last);
    return dot && dot != input + last ? (size_t)(dot - input) : len;
}

static void add_part(struct buf *out, enum part part, const char *input, size_t len)
{
    size_t last = last_part(input, len), end = stem(input, len);
    switch (part) {
    case PART_NONE:
    case PART_NUMBER: break;
    case PART_ALL: buf_add(out, input, len); break;
    case PART_STEM: buf_add(out, input, end); break;
    case PART_LAST: buf_add(out, input + last, len - last); break;
    case PART_LAST_STEM: buf_add(out, input + last, end - last); break;
    case PART_DIR:
        if (last == 0)
            buf_add(out, ".", 1);
        else
            buf_add(out, input, last > 1 ? last - 1 : 1);
        break;
    }
}

/* ---- columns ---- */

const char *expand_column(const struct expansion *e, unsigned n, size_t *len)
{
    const char *at = e->input, *end = e->input + e->len;
    for (; n > 1; n--) {
        const char *nul = e->has_columns ? memchr(at, 0, (size_t)(end - at)) : NULL;
        if (!nul)
            return NULL;
        at = nul + 1;
    }
    const char *nul = e->has_columns ? memchr(at, 0, (size_t)(end - at)) : NULL;
    *len = (size_t)((nul ? nul : end) - at);
    return at;
}

static unsigned count_columns(const struct expansion *e)
{
    unsigned n = 1;
    for (size_t i = 0; e->has_columns && i < e->len; i++)
        n += e->input[i] == '\0';
    return n;
}

/* ---- how it stands there ---- */

void expand_quote(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] && strchr("*?[]\\", text[i]))
            buf_add(out, "\\", 1);
        buf_add(out, text + i, 1);
    }
}

static void add_shell_word(struct buf *out, const char *text, size_t len)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+:,./-";
    size_t good = 0;
    while (good < len && text[good] && strchr(plain, text[good]))
        good++;
    if (len && good == len) {
        buf_add(out, text, len);
        return;
    }
    buf_add(out, "'", 1);
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\'')
            buf_add_text(out, "'\\''");
        else
            buf_add(out, text + i, 1);
    buf_add(out, "'", 1);
}

static void add_value(struct buf *out, const struct expansion *e, enum part part, const char *text, size_t len)
{
    struct buf value = {0};
    add_part(&value, part, text, len);
    if (e->as_pattern)
        expand_quote(out, value.len ? (const char *)value.data : "", value.len);
    else if (e->as_shell)
        add_shell_word(out, value.len ? (const char *)value.data : "", value.len);
    else
        buf_add(out, value.data, value.len);
    buf_fini(&value);
}

/* Every column, with blanks between. */
static void add_all(struct buf *out, const struct expansion *e, enum part part)
{
    const char *at = e->input, *end = e->input + e->len, *nul;
    while (e->has_columns && (nul = memchr(at, 0, (size_t)(end - at)))) {
        add_value(out, e, part, at, (size_t)(nul - at));
        buf_add(out, " ", 1);
        at = nul + 1;
    }
    add_value(out, e, part, at, (size_t)(end - at));
}

static void add(struct buf *out, const struct expansion *e, const struct place *p)
{
    size_t len;
    if (p->part == PART_NUMBER) {
        buf_printf(out, "%llu", (unsigned long long)e->index + 1);
        return;
    }
    if (p->column == 0) {
        add_all(out, e, p->part);
        return;
    }
    long n = p->column < 0 ? (long)count_columns(e) + 1 + p->column : p->column;
    const char *text = n > 0 ? expand_column(e, (unsigned)n, &len) : NULL;
    if (text)
        add_value(out, e, p->part, text, len);
}

void expand_text(struct buf *out, const char *text, const struct expansion *e)
{
    while (*text) {
        struct place p = placeholder(text, e);
        if (p.part == PART_NONE)
            buf_add(out, text, 1);
        else
            add(out, e, &p);
        text += p.len;
    }
    buf_add(out, "", 1);
}

bool expand_has_placeholder(const char *text, const struct expansion *e)
{
    for (; *text; text++)
        if (placeholder(text, e).part != PART_NONE)
            return true;
    return false;
}

/* ---- command lines ---- */

struct line {
    struct buf *out;
    size_t count;
};

static void add_offset(struct line *l)
{
    size_t at = l->out->len;
    memcpy(l->out->data + l->count++ * sizeof(char *), &at, sizeof at);
}

/* sh -c LINE: the words as they are, with blanks between, and in quotes what placeholders bring. */
static void add_shell(struct line *l, char *const *argv, size_t argc, bool append, const struct expansion *e)
{
    static const char *const sh[] = {"/bin/sh", "-c"};
    size_t before = e->line_at < argc ? e->line_at : argc;
    for (size_t i = 0; i < before + 2; i++) {
        const char *word = i < before ? argv[i] : sh[i - before];
        add_offset(l);
        buf_add(l->out, word, strlen(word) + 1);
    }
    add_offset(l);
    for (size_t i = before; i < argc; i++) {
        expand_text(l->out, argv[i], e);
        l->out->data[l->out->len - 1] = ' ';
    }
    if (append)
        expand_text(l->out, "{}", e);
    else
        l->out->data[l->out->len - 1] = '\0';
}

static void add_words(struct line *l, char *const *argv, size_t argc, bool append, const struct expansion *e)
{
    for (size_t i = 0; i < argc; i++) {
        add_offset(l);
        expand_text(l->out, argv[i], e);
    }
    size_t len;
    const char *column;
    for (unsigned n = 1; append && (column = expand_column(e, n, &len)); n++) {
        add_offset(l);
        buf_add(l->out, column, len);
        buf_add(l->out, "", 1);
    }
}

char **expand_argv(struct buf *out, char *const *argv, size_t argc, bool append, const struct expansion *e)
{
    size_t slots = argc + count_columns(e) + 3, at;
    struct line line = {.out = out};
    buf_clear(out);
    memset(buf_reserve(out, slots * sizeof(char *)), 0, slots * sizeof(char *));
    out->len = slots * sizeof(char *);
    if (e->as_shell)
        add_shell(&line, argv, argc, append, e);
    else
        add_words(&line, argv, argc, append, e);
    char **list = (char **)(void *)out->data; /* offsets become pointers now that nothing moves */
    for (size_t i = 0; i < line.count; i++) {
        memcpy(&at, &list[i], sizeof at);
        list[i] = (char *)out->data + at;
    }
    return list;
}
