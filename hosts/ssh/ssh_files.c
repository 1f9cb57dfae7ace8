/* The files of ssh's configuration, for what `ssh -G` does not tell: which hosts they name, and whether anything has
 * changed since it was asked. What the lines mean is ssh's affair. */
#include "hosts/ssh/ssh_config_private.h"

#include "base/mem.h"
#include "hosts/ssh/pattern.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mbedtls/md.h>

enum { FILE_BYTES = 1 << 20, DEPTH_MAX = 16, FILES_MAX = 1000, NAMES_MAX = 4096, WORD_BYTES = 4096 };

struct looking {
    struct ssh_files *out;
    mbedtls_md_context_t sum;
    const char *dir; /* where relative Include paths begin; NULL: nothing is included */
    bool of_system;  /* its names are not the user's */
    unsigned depth, files;
    struct clw_error *err;
};

/* ---- words ---- */

/* The next word of a line, with quotes and \ as ssh takes them, owned; NULL at its end or at a remark. */
static char *next_word(const char **at)
{
    const char *p = *at + strspn(*at, " \t\r\f");
    char word[WORD_BYTES], quote = 0;
    size_t len = 0;
    if (!*p || *p == '#')
        return NULL;
    for (; *p && (quote || !strchr(" \t\r\f", *p)) && len + 1 < sizeof word; p++) {
        if (*p == '\\' && p[1] && (strchr("\\\"'", p[1]) || (!quote && p[1] == ' ')))
            word[len++] = *++p;
        else if (quote ? *p == quote : *p == '"' || *p == '\'')
            quote = quote ? 0 : *p;
        else
            word[len++] = *p;
    }
    *at = p;
    return mem_strndup(word, len);
}

/* The keyword ends at a blank or at '=', which may have blanks around it. */
static char *keyword_of(const char **at)
{
    const char *begin = *at + strspn(*at, " \t\r\f"), *p = begin + strcspn(begin, " \t\r\f=");
    char *keyword = mem_strndup(begin, (size_t)(p - begin));
    p += strspn(p, " \t\r\f");
    *at = *p == '=' ? p + 1 : p;
    return keyword;
}

static bool holds_word(const struct ssh_words *words, const char *text)
{
    for (size_t i = 0; i < words->count; i++)
        if (strcasecmp(words->items[i], text) == 0)
            return true;
    return false;
}

static void add_name(struct looking *k, const char *word)
{
    struct ssh_words *names = &k->out->names;
    if (!k->of_system && pattern_is_plain(word) && names->count < NAMES_MAX && !holds_word(names, word))
        ssh_words_add(names, word);
}

/* ---- files ---- */

static enum clw_err read_file(struct looking *k, const char *path, bool must_exist);

/* Every file that the pattern names, in order; those that cannot be read are passed over, as ssh does. */
static enum clw_err include(struct looking *k, const char *word)
{
    glob_t found = {0};
    char *pattern, *home;
    enum clw_err code = CLW_OK;
    if (!k->dir)
        return CLW_OK;
    home = ssh_config__home();
    if (word[0] == '/')
        pattern = mem_strdup(word);
    else if (word[0] == '~' && word[1] == '/')
        pattern = mem_printf("%s%s", home, word + 1);
    else
        pattern = mem_printf("%s/%s", k->dir, word);
    k->out->settled &= !strpbrk(word, "%$");
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc && !code; i++)
            code = read_file(k, found.gl_pathv[i], false);
    globfree(&found);
    free(pattern);
    free(home);
    return code;
}

/* Match: criteria that depend on nothing but the files and the query. Others run commands, or look at the network. */
static bool is_settled(const char *at)
{
    bool settled = true;
    for (char *word; settled && (word = next_word(&at)) != NULL; free(word)) {
        const char *criterion = word + (*word == '!');
        if (pattern_match_list(criterion, "all,canonical,final"))
            continue;
        settled = pattern_match_list(criterion, "host,originalhost,user,localuser,tagged");
        free(next_word(&at)); /* its value */
    }
    return settled;
}

static enum clw_err read_line(struct looking *k, const char *line)
{
    const char *at = line;
    char *keyword = keyword_of(&at);
    bool is_host = strcasecmp(keyword, "host") == 0, is_include = strcasecmp(keyword, "include") == 0;
    enum clw_err code = CLW_OK;
    if (strncasecmp(keyword, "canonicalize", 12) == 0) /* names are looked up */
        k->out->settled = false;
    else if (strcasecmp(keyword, "match") == 0)
        k->out->settled &= is_settled(at);
    free(keyword);
    for (char *word; (is_host || is_include) && !code && (word = next_word(&at)) != NULL; free(word)) {
        if (is_host)
            add_name(k, word);
        else
            code = include(k, word);
    }
    return code;
}

static void count_in(struct looking *k, const char *text, size_t len)
{
    mbedtls_md_update(&k->sum, (const unsigned char *)text, len + 1); /* its NUL keeps it apart from the next */
}

static enum clw_err read_text(struct looking *k, char *text)
{
    char *save = NULL;
    enum clw_err code = CLW_OK;
    for (char *line = strtok_r(text, "\n", &save); line && !code; line = strtok_r(NULL, "\n", &save))
        code = read_line(k, line);
    return code;
}

/* The whole of a regular file, owned. */
static char *slurp(const char *path, size_t *len, struct clw_error *err, enum clw_err *code)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    char *text = NULL;
    *code = CLW_OK;
    *len = 0;
    if (fd < 0 || fstat(fd, &st)) {
        *code =
            clw_fail(err, errno == ENOENT ? CLW_NOT_FOUND : CLW_IO, NULL, "cannot read %s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        *code = clw_fail(err, CLW_USAGE, NULL, "%s is not a file", path);
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

static enum clw_err read_file(struct looking *k, const char *path, bool must_exist)
{
    size_t len;
    enum clw_err code;
    if (k->depth == DEPTH_MAX || k->files++ == FILES_MAX)
        return clw_fail(k->err, CLW_TOO_LARGE, "does a file include itself?",
            "%s: more than %d levels of Include, or %d files", path, DEPTH_MAX, FILES_MAX);
    char *text = slurp(path, &len, k->err, &code);
    count_in(k, path, strlen(path));
    if (!text) {
        if (must_exist || code == CLW_TOO_LARGE)
            return code;
        clw_error_clear(k->err);
        k->out->settled &= code == CLW_NOT_FOUND;
        return CLW_OK;
    }
    count_in(k, text, len);
    k->out->settled &= strlen(text) == len; /* what stands behind a NUL is not looked at */
    k->depth++;
    code = read_text(k, text);
    k->depth--;
    free(text);
    return code;
}

static enum clw_err read_both(struct looking *k, const char *user_file)
{
    enum clw_err code = read_file(k, user_file, false);
    k->of_system = true;
    k->dir = "/etc/ssh";
    return code ? code : read_file(k, "/etc/ssh/ssh_config", false);
}

const char *ssh_config__file(const char *named)
{
    if (!named || !*named)
        named = getenv("CLOWDER_SSH_CONFIG");
    return named && *named ? named : NULL;
}

enum clw_err ssh_config__look(const char *config, struct ssh_files *out, struct clw_error *err)
{
    char *home = ssh_config__home(), *dir = mem_printf("%s/.ssh", home), *own = mem_printf("%s/config", dir);
    char here[256] = "";
    struct looking k = {.out = out, .dir = dir, .err = err};
    *out = (struct ssh_files){.settled = true};
    mbedtls_md_init(&k.sum);
    out->settled = mbedtls_md_setup(&k.sum, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 0) == 0;
    mbedtls_md_starts(&k.sum);
    gethostname(here, sizeof here - 1); /* a token may stand for it */
    count_in(&k, here, strlen(here));
    enum clw_err code = config ? read_file(&k, config, true) : read_both(&k, own);
    mbedtls_md_finish(&k.sum, out->sum);
    mbedtls_md_free(&k.sum);
    free(home);
    free(dir);
    free(own);
    return code;
}

enum clw_err ssh_config_names(const char *path, struct ssh_words *out, struct clw_error *err)
{
    struct ssh_files files;
    enum clw_err code = ssh_config__look(ssh_config__file(path), &files, err);
    *out = files.names;
    if (code)
        ssh_words_fini(out);
    return code;
}

void ssh_config_names_in(char *text, struct ssh_words *out)
{
    struct ssh_files files = {0};
    read_text(&(struct looking){.out = &files}, text);
    *out = files.names;
}
