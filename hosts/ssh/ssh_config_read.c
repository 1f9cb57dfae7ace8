/* From files to a flat list of directives: lines, quotes, Include. What they mean is ssh_config.c. */
#include "hosts/ssh/ssh_config_private.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES = 1 << 20, DEPTH_MAX = 16, LINES_MAX = 50000, WORDS_MAX = 128, WORD_BYTES = 4096, GLOB_MAX = 256 };

struct reader {
    struct ssh_config *config;
    const char *dir; /* where relative Include paths begin */
    unsigned depth;
    bool checks; /* nobody else may have written the files: what stands in them is run */
    struct clw_error *err;
};

void ssh_words_add(struct ssh_words *words, const char *text)
{
    words->items = mem_realloc(words->items, (words->count + 1) * sizeof *words->items);
    words->items[words->count++] = mem_strdup(text);
}

void ssh_words_fini(struct ssh_words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->items[i]);
    free(words->items);
    *words = (struct ssh_words){0};
}

void ssh_config__add(struct ssh_config *config, struct ssh_directive d)
{
    if (config->count == config->cap) {
        config->cap = config->cap ? config->cap * 2 : 32;
        config->items = mem_realloc(config->items, config->cap * sizeof *config->items);
    }
    config->items[config->count++] = d;
}

void ssh_config_free(struct ssh_config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->count; i++) {
        free(config->items[i].keyword);
        free(config->items[i].file);
        ssh_words_fini(&config->items[i].args);
    }
    free(config->items);
    free(config);
}

char *ssh_config__home(void)
{
    const char *home = getenv("HOME");
    if (home && *home == '/')
        return mem_strdup(home);
    struct passwd entry, *found = NULL;
    char space[4096];
    if (getpwuid_r(getuid(), &entry, space, sizeof space, &found) == 0 && found)
        return mem_strdup(found->pw_dir);
    return mem_strdup("/");
}

/* Takes the next word off *at: bare, or in double quotes with \" and \\ inside. NULL at the end or at a
 * comment; *broken when a quote is not closed or the word is too long. */
static char *next_word(const char **at, const char *end, bool *broken)
{
    char word[WORD_BYTES];
    size_t len = 0;
    bool quoted = false, any = false;
    const char *p = *at;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    if (p == end || *p == '#')
        return NULL;
    for (; p < end && (quoted || (*p != ' ' && *p != '\t')); p++) {
        any = true;
        if (*p == '"') {
            quoted = !quoted;
            continue;
        }
        if (*p == '\\' && p + 1 < end && (p[1] == '"' || p[1] == '\\'))
            p++;
        if (len + 1 >= sizeof word) {
            *broken = true;
            return NULL;
        }
        word[len++] = *p;
    }
    word[len] = '\0';
    *at = p;
    *broken = quoted;
    return any && !quoted ? mem_strdup(word) : NULL;
}

/* Commands run to the end of the line as they stand: quotes in them are the shell's. */
static bool takes_rest(const char *keyword)
{
    static const char *const names[] = {"proxycommand", "localcommand", "remotecommand", "knownhostscommand"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(keyword, names[i]) == 0)
            return true;
    return false;
}

static bool split_line(const char *p, const char *end, struct ssh_directive *d)
{
    const char *start = p;
    while (p < end && *p != ' ' && *p != '\t' && *p != '=' && *p != '"')
        p++;
    d->keyword = mem_alloc((size_t)(p - start) + 1);
    for (size_t i = 0; start + i < p; i++)
        d->keyword[i] = (char)tolower((unsigned char)start[i]);
    d->keyword[p - start] = '\0';
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    if (p < end && *p == '=')
        p++;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    if (takes_rest(d->keyword)) {
        char *rest = mem_zalloc((size_t)(end - p) + 1);
        memcpy(rest, p, (size_t)(end - p));
        ssh_words_add(&d->args, rest);
        free(rest);
        return end > p && end - p < WORD_BYTES;
    }
    bool broken = false;
    for (char *word; (word = next_word(&p, end, &broken)) != NULL;) {
        ssh_words_add(&d->args, word);
        free(word);
        if (d->args.count > WORDS_MAX)
            return false;
    }
    return !broken && d->args.count > 0;
}

static enum clw_err read_file(struct reader *r, const char *path, bool must_exist);

/* Every file that the pattern names, in order; those that cannot be read are passed over, as ssh does. */
static enum clw_err include(struct reader *r, const char *word, const char *file, unsigned line)
{
    glob_t found = {0};
    char *pattern;
    enum clw_err code = CLW_OK;
    if (!r->dir)
        return CLW_OK;
    char *home = ssh_config__home();
    if (r->depth >= DEPTH_MAX) {
        free(home);
        return clw_fail(r->err, CLW_TOO_LARGE, "does a file include itself?",
            "%s line %u: more than %d levels of Include", file, line, DEPTH_MAX);
    }
    if (word[0] == '/')
        pattern = mem_strdup(word);
    else if (word[0] == '~' && word[1] == '/')
        pattern = mem_printf("%s%s", home, word + 1);
    else
        pattern = mem_printf("%s/%s", r->dir, word);
    free(home);
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc && i < GLOB_MAX && !code; i++)
            code = read_file(r, found.gl_pathv[i], false);
    }
    globfree(&found);
    free(pattern);
    return code;
}

static enum clw_err include_all(struct reader *r, const struct ssh_directive *d)
{
    enum clw_err code = CLW_OK;
    ssh_config__add(r->config, (struct ssh_directive){.kind = SSH_DIRECTIVE_ENTER});
    for (size_t i = 0; i < d->args.count && !code; i++)
        code = include(r, d->args.items[i], d->file, d->line);
    ssh_config__add(r->config, (struct ssh_directive){.kind = SSH_DIRECTIVE_LEAVE});
    return code;
}

static enum clw_err read_line(struct reader *r, const char *p, const char *end, const char *file, unsigned line)
{
    while (p < end && isspace((unsigned char)*p))
        p++;
    while (end > p && isspace((unsigned char)end[-1]))
        end--;
    if (p == end || *p == '#')
        return CLW_OK;
    struct ssh_directive d = {.file = mem_strdup(file), .line = line, .from_system = r->config->in_system};
    enum clw_err code = CLW_OK;
    bool keep = false;
    if (!split_line(p, end, &d)) {
        code = clw_fail(r->err, CLW_DAMAGED, "`ssh -G NAME` shows what ssh makes of it",
            "%s line %u: '%.60s' has no value, or a quote that is not closed", file, line, d.keyword);
    } else if (strcmp(d.keyword, "include") == 0) {
        code = include_all(r, &d);
    } else {
        d.kind = strcmp(d.keyword, "host") == 0    ? SSH_DIRECTIVE_HOST
                 : strcmp(d.keyword, "match") == 0 ? SSH_DIRECTIVE_MATCH
                                                   : SSH_DIRECTIVE_OPTION;
        ssh_config__add(r->config, d);
        keep = true;
    }
    if (!keep) {
        free(d.keyword);
        free(d.file);
        ssh_words_fini(&d.args);
    }
    return code;
}

static enum clw_err read_text(struct reader *r, const char *text, size_t len, const char *file)
{
    const char *p = text, *end = text + len;
    unsigned line = 0;
    while (p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        if (!eol)
            eol = end;
        if (++r->config->lines > LINES_MAX)
            return clw_fail(
                r->err, CLW_TOO_LARGE, NULL, "%s: more than %d lines of ssh configuration", file, LINES_MAX);
        if (memchr(p, '\0', (size_t)(eol - p)))
            return clw_fail(r->err, CLW_DAMAGED, NULL, "%s line %u: a NUL byte", file, line + 1);
        enum clw_err code = read_line(r, p, eol, file, ++line);
        if (code)
            return code;
        p = eol + 1;
    }
    return CLW_OK;
}

static bool is_ours_alone(const struct stat *st)
{
    return (st->st_uid == 0 || st->st_uid == geteuid()) && !(st->st_mode & 022);
}

/* The whole of a regular file, owned and terminated. */
static char *slurp(const char *path, bool checks, size_t *len, struct clw_error *err, enum clw_err *code)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    char *text = NULL;
    *code = CLW_OK;
    if (fd < 0 || fstat(fd, &st)) {
        *code =
            clw_fail(err, errno == ENOENT ? CLW_NOT_FOUND : CLW_IO, NULL, "cannot read %s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        *code = clw_fail(err, CLW_USAGE, NULL, "%s is not a file", path);
    } else if (checks && !is_ours_alone(&st)) {
        char hint[300];
        snprintf(hint, sizeof hint, "check its content, then: chmod go-w %.200s", path);
        *code = clw_fail(err, CLW_REFUSED, hint,
            "%s belongs to another user, or other users may write to it: ssh refuses it, too", path);
    } else if (st.st_size > FILE_BYTES) {
        *code = clw_fail(err, CLW_TOO_LARGE, NULL, "%s is larger than 1 MiB", path);
    } else {
        text = mem_zalloc((size_t)st.st_size + 1);
        ssize_t n;
        while (*len < (size_t)st.st_size && (n = read(fd, text + *len, (size_t)st.st_size - *len)) > 0)
            *len += (size_t)n;
    }
    if (fd >= 0)
        close(fd);
    return text;
}

static enum clw_err read_file(struct reader *r, const char *path, bool must_exist)
{
    size_t len = 0;
    enum clw_err code;
    char *text = slurp(path, r->checks, &len, r->err, &code);
    if (!text) {
        if (must_exist || code == CLW_TOO_LARGE || code == CLW_REFUSED)
            return code;
        clw_error_clear(r->err);
        return CLW_OK;
    }
    r->depth++;
    code = read_text(r, text, len, path);
    r->depth--;
    free(text);
    return code;
}

enum clw_err ssh_config_parse(
    const char *text, size_t len, const char *dir, struct ssh_config **out, struct clw_error *err)
{
    struct ssh_config *config = mem_zalloc(sizeof *config);
    struct reader r = {.config = config, .dir = dir, .err = err};
    enum clw_err code = read_text(&r, text, len, "(text)");
    if (code) {
        ssh_config_free(config);
        config = NULL;
    }
    *out = config;
    return code;
}

enum clw_err ssh_config_load(const char *path, struct ssh_config **out, struct clw_error *err)
{
    const char *named = path && *path ? path : getenv("CLOWDER_SSH_CONFIG");
    char *home = ssh_config__home(), *dir = mem_printf("%s/.ssh", home), *own = mem_printf("%s/config", dir);
    struct ssh_config *config = mem_zalloc(sizeof *config);
    struct reader r = {.config = config, .dir = dir, .checks = !(path && *path), .err = err};
    enum clw_err code;
    if (named && *named) {
        code = read_file(&r, named, true);
    } else {
        /* Each file stands for itself: a Host block of the first must not swallow the second. */
        ssh_config__add(config, (struct ssh_directive){.kind = SSH_DIRECTIVE_ENTER});
        code = read_file(&r, own, false);
        ssh_config__add(config, (struct ssh_directive){.kind = SSH_DIRECTIVE_LEAVE});
        config->in_system = true;
        r.checks = false;
        r.dir = "/etc/ssh";
        if (!code)
            code = read_file(&r, "/etc/ssh/ssh_config", false);
    }
    free(home);
    free(dir);
    free(own);
    if (code) {
        ssh_config_free(config);
        config = NULL;
    }
    *out = config;
    return code;
}
