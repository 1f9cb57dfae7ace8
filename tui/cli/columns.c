#include "tui/cli/columns.h"

#include "tui/cli/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEADER_MAX = 1 << 20 };

bool columns_is_separator(const char *word)
{
    return strcmp(word, ":::") == 0 || strcmp(word, ":::+") == 0 || strcmp(word, "::::") == 0 ||
           strcmp(word, "::::+") == 0;
}

/* ---- lists ---- */

static void add(struct columns_list *l, char *text)
{
    l->items = mem_realloc(l->items, (l->count + 2) * sizeof *l->items);
    l->items[l->count++] = text;
    l->items[l->count] = NULL;
}

/* The lines of a file; "-": of stdin. */
static int add_lines(struct columns_list *l, const char *command, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *f = is_stdin ? stdin : fopen(path, "re");
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    if (!f)
        return say(errno == ENOENT ? 4 : 1, "%s: cannot read %s: %s", command, path, strerror(errno));
    while ((n = getline(&line, &cap, f)) > 0)
        add(l, mem_strndup(line, (size_t)n - (line[n - 1] == '\n')));
    int bad = ferror(f) ? errno : 0;
    free(line);
    if (!is_stdin)
        fclose(f);
    return bad ? say(1, "%s: cannot read %s: %s", command, path, strerror(bad)) : 0;
}

static struct columns_list *new_list(struct columns *c, const char *separator)
{
    c->lists = mem_realloc(c->lists, (c->list_count + 1) * sizeof *c->lists);
    struct columns_list *l = &c->lists[c->list_count++];
    *l = (struct columns_list){.is_linked = separator[strlen(separator) - 1] == '+' && c->list_count > 1};
    l->items = mem_zalloc(sizeof *l->items);
    return l;
}

int columns_read(struct columns *c, const char *command, char *const *words, size_t count)
{
    struct columns_list *l = NULL;
    bool from_files = false;
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        if (columns_is_separator(words[i])) {
            from_files = words[i][3] == ':';
            l = new_list(c, words[i]);
        } else if (!l) {
            continue; /* there is always one */
        } else if (from_files) {
            status = add_lines(l, command, words[i]);
        } else {
            add(l, mem_strdup(words[i]));
        }
    }
    return status;
}

/* ---- options ---- */

static char *with_tabs(const char *text)
{
    struct buf b = {0};
    for (; *text; text++)
        if (text[0] == '\\' && text[1] == 't') {
            buf_add(&b, "\t", 1);
            text++;
        } else {
            buf_add(&b, text, 1);
        }
    return buf_steal(&b);
}

static void add_name(struct columns *c, const char *text, size_t len)
{
    size_t n = 0;
    while (c->names && c->names[n])
        n++;
    c->names = mem_realloc(c->names, (n + 2) * sizeof *c->names);
    c->names[n] = mem_strndup(text, len);
    c->names[n + 1] = NULL;
}

int columns_options(struct columns *c, const char *command, const char *colsep, bool csv, bool header)
{
    char *expression = colsep ? with_tabs(colsep) : NULL;
    int status = 0;
    c->has_header = header;
    c->is_csv = csv;
    c->separator = ',';
    if (c->list_count && (colsep || csv))
        status = say(2, "%s: --colsep and --csv are for lines of stdin or of a file (-a FILE)", command);
    else if (csv && colsep && strlen(expression) != 1)
        status = say(2, "%s: between the columns of --csv there is one sign, not '%s'", command, colsep);
    else if (csv && colsep)
        c->separator = *expression;
    else if (colsep && regcomp(&c->expression, expression, REG_EXTENDED))
        status = say(2, "%s: --colsep '%s': this is not a regular expression", command, colsep);
    else
        c->is_split = colsep != NULL;
    for (size_t i = 0; header && status == 0 && i < c->list_count; i++) {
        struct columns_list *l = &c->lists[i];
        if (l->count == 0) {
            status = say(2, "%s: --header: a list of inputs is empty, so it has no name", command);
            break;
        }
        add_name(c, l->items[0], strlen(l->items[0]));
        free(l->items[0]);
        memmove(l->items, l->items + 1, l->count-- * sizeof *l->items);
    }
    free(expression);
    return status;
}

bool columns_are_used(const struct columns *c)
{
    return c->list_count > 1 || c->has_header || c->is_csv || c->is_split;
}

void columns_fini(struct columns *c)
{
    for (size_t i = 0; i < c->list_count; i++) {
        for (char **at = c->lists[i].items; *at; at++)
            free(*at);
        free(c->lists[i].items);
    }
    for (char **at = c->names; at && *at; at++)
        free(*at);
    free(c->lists);
    free(c->names);
    if (c->is_split)
        regfree(&c->expression);
    *c = (struct columns){0};
}

/* ---- records ---- */

ptrdiff_t columns_record(const struct columns *c, const char *data, size_t len, char end)
{
    bool quoted = false;
    if (!c->is_csv) {
        const char *at = memchr(data, end, len);
        return at ? at - data : -1;
    }
    for (size_t i = 0; i < len; i++) {
        quoted ^= data[i] == '"';
        if (data[i] == end && !quoted)
            return (ptrdiff_t)i;
    }
    return -1;
}

static void begin_column(struct buf *out, bool first)
{
    if (!first)
        buf_add(out, "", 1);
}

/* A field in quotes; at is behind the first. Where it ends, or NULL: it does not. */
static const char *quoted_field(const char *at, const char *end, struct buf *out)
{
    for (; at < end; at++) {
        if (*at != '"')
            buf_add(out, at, 1);
        else if (at + 1 < end && at[1] == '"')
            buf_add(out, at++, 1);
        else
            return at + 1;
    }
    return NULL;
}

static const char *split_csv(const struct columns *c, const char *data, size_t len, struct buf *out)
{
    const char *at = data, *end = data + len;
    if (len && end[-1] == '\r')
        end--;
    for (bool first = true;; first = false) {
        begin_column(out, first);
        if (at < end && *at == '"') {
            at = quoted_field(at + 1, end, out);
            if (!at)
                return "a quote is not closed";
            if (at < end && *at != c->separator)
                return "something follows a closed quote";
        } else {
            const char *stop = memchr(at, c->separator, (size_t)(end - at));
            stop = stop ? stop : end;
            if (memchr(at, '"', (size_t)(stop - at)))
                return "a quote stands within a column that is not in quotes";
            buf_add(out, at, (size_t)(stop - at));
            at = stop;
        }
        if (at == end)
            return NULL;
        at++;
    }
}

static void split_by_expression(const struct columns *c, const char *data, size_t len, struct buf *out)
{
    char *text = mem_strndup(data, len);
    const char *at = text;
    regmatch_t m;
    for (int flags = 0; regexec(&c->expression, at, 1, &m, flags) == 0; flags = REG_NOTBOL) {
        if (m.rm_eo == m.rm_so) /* nothing separates nothing */
            break;
        buf_add(out, at, (size_t)m.rm_so);
        buf_add(out, "", 1);
        at += m.rm_eo;
    }
    buf_add(out, at, strlen(at));
    free(text);
}

const char *columns_split(const struct columns *c, const char *data, size_t len, struct buf *out)
{
    buf_clear(out);
    if (memchr(data, 0, len))
        return "it holds a NUL byte";
    if (c->is_csv)
        return split_csv(c, data, len, out);
    if (c->is_split)
        split_by_expression(c, data, len, out);
    else
        buf_add(out, data, len);
    return NULL;
}

int columns_read_header(struct columns *c, const char *command, int fd, char end)
{
    struct buf line = {0}, names = {0};
    const char *wrong = NULL;
    ssize_t n = 0;
    ptrdiff_t found = -1;
    char one;
    while (found < 0 && line.len < HEADER_MAX && (n = read(fd, &one, 1)) == 1) {
        buf_add(&line, &one, 1);
        found = one == end ? columns_record(c, (const char *)line.data, line.len, end) : -1;
    }
    size_t mark = line.len >= 3 && memcmp(line.data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* of some that write CSV */
    buf_drop(&line, mark);
    found -= found >= 0 ? (ptrdiff_t)mark : 0;
    if (n < 0)
        wrong = strerror(errno);
    else if (!line.len)
        wrong = "there is no line";
    else
        wrong = columns_split(c, (const char *)line.data, found >= 0 ? (size_t)found : line.len, &names);
    for (size_t at = 0; !wrong && at <= names.len;) {
        size_t len = names.len ? strnlen((const char *)names.data + at, names.len - at) : 0;
        add_name(c, (const char *)names.data + at, len);
        at += len + 1;
    }
    buf_fini(&line);
    buf_fini(&names);
    return wrong ? say(2, "%s: --header: the line with the names: %s", command, wrong) : 0;
}

/* ---- all inputs of lists ---- */

/* The lists that change together from list i on: their number, and the length of the shortest. */
static size_t group(const struct columns *c, size_t i, size_t *length)
{
    size_t n = 1;
    *length = c->lists[i].count;
    for (; i + n < c->list_count && c->lists[i + n].is_linked; n++)
        if (c->lists[i + n].count < *length)
            *length = c->lists[i + n].count;
    return n;
}

static bool feed_from(const struct columns *c, size_t i, const struct buf *before,
    bool (*put)(void *arg, const char *input, size_t len), void *arg)
{
    if (i == c->list_count)
        return put(arg, before->len ? (const char *)before->data : "", before->len);
    size_t length, n = group(c, i, &length);
    struct buf text = {0};
    bool more = true;
    for (size_t k = 0; k < length && more; k++) {
        buf_clear(&text);
        buf_add(&text, before->data, before->len);
        for (size_t j = i; j < i + n; j++) {
            begin_column(&text, j == 0);
            buf_add_text(&text, c->lists[j].items[k]);
        }
        more = feed_from(c, i + n, &text, put, arg);
    }
    buf_fini(&text);
    return more;
}

void columns_feed(const struct columns *c, bool (*put)(void *arg, const char *input, size_t len), void *arg)
{
    feed_from(c, 0, &(struct buf){0}, put, arg);
}

/* ---- {1} in commands ---- */

/* The number of the placeholder at text; 0: it is none. */
static long number_of(const char *text)
{
    char *end;
    long n = strtol(text + 1, &end, 10);
    return end > text + 1 && (*end == '}' || *end == '.' || *end == '/') ? n : 0;
}

/* Its braces belong to nothing that stands before them, as those of ${1}, a{2} and .{3} do. */
static bool begins(const char *word, const char *at)
{
    return at == word || strchr("/=:,-_ '\"", at[-1]);
}

bool columns_are_named(char *const *argv)
{
    for (; argv && *argv; argv++)
        for (const char *at = *argv; (at = strchr(at, '{')); at++)
            if (number_of(at) && begins(*argv, at))
                return true;
    return false;
}

int columns_check(const struct columns *c, const char *command, char *const *argv)
{
    long count = c->is_csv || c->is_split || (c->has_header && !c->list_count) ? 0
                 : c->list_count                                               ? (long)c->list_count
                                                                               : 1;
    for (; argv && *argv && count; argv++)
        for (const char *at = *argv; (at = strchr(at, '{')); at++) {
            long n = number_of(at);
            if (labs(n) > count && (begins(*argv, at) || count > 1))
                return say(2, "%s: {%ld}: there %s %ld list%s of inputs; more come from ::: A ::: B, --colsep or --csv",
                    command, n, count == 1 ? "is" : "are", count, count == 1 ? "" : "s");
        }
    return 0;
}
