/* The tokens, ~ and ${NAME} that `ssh -G` leaves as they stand in the configuration: ssh_config(5), TOKENS. */
#include "hosts/ssh/ssh_config_private.h"

#include "base/mem.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mbedtls/md.h>

enum { SPACE = 4096, SHA1_BYTES = 20, HOST_BYTES = 256 };

/* Who runs this, as the machine knows him; strings lie in space. */
static bool find_me(struct passwd *me, char space[SPACE])
{
    struct passwd *found = NULL;
    return getpwuid_r(getuid(), me, space, SPACE, &found) == 0 && found;
}

char *ssh_config__home(void)
{
    struct passwd me;
    char space[SPACE];
    const char *home = getenv("HOME");
    return mem_strdup(find_me(&me, space) ? me.pw_dir : home ? home : "/");
}

char *ssh_config__local_user(void)
{
    struct passwd me;
    char space[SPACE];
    const char *name = getenv("USER");
    return mem_strdup(find_me(&me, space) ? me.pw_name : name && *name ? name : "root");
}

struct expansion {
    struct buf out;
    const struct ssh_host *host;
    const char *what, *text, *tokens; /* the keyword; its value, for messages; which tokens it takes */
    struct clw_error *err;
};

static bool fail(struct expansion *x, const char *why, size_t len, const char *at)
{
    clw_fail(x->err, CLW_REFUSED, "correct it in the ssh configuration", "%s '%.200s': %s %.*s", x->what, x->text, why,
        len > 80 ? 80 : (int)len, at);
    return false;
}

static void add_owned(struct expansion *x, char *text)
{
    buf_add_text(&x->out, text);
    free(text);
}

static void add_local_name(struct expansion *x, bool whole)
{
    char name[HOST_BYTES] = "";
    if (gethostname(name, sizeof name - 1) == 0 && !whole)
        name[strcspn(name, ".")] = '\0';
    buf_add_text(&x->out, name);
}

/* %C: a sum of %l%h%p%r, in hexadecimal. */
static void add_sum(struct expansion *x)
{
    unsigned char sum[SHA1_BYTES] = {0};
    char name[HOST_BYTES] = "";
    gethostname(name, sizeof name - 1);
    char *all = mem_printf("%s%s%u%s", name, x->host->hostname, x->host->port, x->host->user);
    mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA1), (const unsigned char *)all, strlen(all), sum);
    free(all);
    for (size_t i = 0; i < sizeof sum; i++)
        buf_printf(&x->out, "%02x", sum[i]);
}

static bool add_token(struct expansion *x, const char *token)
{
    const struct ssh_host *h = x->host;
    if (!*token || !strchr(x->tokens, *token))
        return fail(x, "no such token here:", *token ? 2 : 1, token - 1);
    switch (*token) {
    case '%': buf_add_text(&x->out, "%"); break;
    case 'h': buf_add_text(&x->out, h->hostname); break;
    case 'n': buf_add_text(&x->out, h->alias); break;
    case 'k': buf_add_text(&x->out, *h->host_key_alias ? h->host_key_alias : h->alias); break;
    case 'p': buf_printf(&x->out, "%u", h->port); break;
    case 'r': buf_add_text(&x->out, h->user); break;
    case 'i': buf_printf(&x->out, "%u", (unsigned)getuid()); break;
    case 'u': add_owned(x, ssh_config__local_user()); break;
    case 'd': add_owned(x, ssh_config__home()); break;
    case 'l': add_local_name(x, true); break;
    case 'L': add_local_name(x, false); break;
    default: add_sum(x);
    }
    return true;
}

/* ${NAME} at *at, which goes behind it. */
static bool add_variable(struct expansion *x, const char **at)
{
    const char *name = *at + 2, *close = strchr(name, '}');
    if (!close)
        return fail(x, "no } for", strlen(*at), *at);
    char *copy = mem_strndup(name, (size_t)(close - name));
    const char *value = getenv(copy);
    free(copy);
    if (!value)
        return fail(x, "the environment has no", (size_t)(close - name), name);
    buf_add_text(&x->out, value);
    *at = close + 1;
    return true;
}

static bool expand(struct expansion *x, const char *text, bool variables)
{
    while (*text) {
        size_t plain = strcspn(text, variables ? "%$" : "%");
        buf_add(&x->out, text, plain);
        text += plain;
        if (*text == '%') {
            if (!add_token(x, text + 1))
                return false;
            text += 2;
        } else if (text[0] == '$' && text[1] == '{') {
            if (!add_variable(x, &text))
                return false;
        } else if (*text) {
            buf_add(&x->out, text++, 1);
        }
    }
    return true;
}

/* The folder that ~ or ~NAME at *at stands for, owned; *at goes behind it. */
static char *home_of(const char **at)
{
    struct passwd entry, *found = NULL;
    char space[SPACE];
    size_t len = strcspn(*at + 1, "/");
    char *name = mem_strndup(*at + 1, len), *home = NULL;
    if (!len)
        home = ssh_config__home();
    else if (getpwnam_r(name, &entry, space, sizeof space, &found) == 0 && found)
        home = mem_strdup(found->pw_dir);
    free(name);
    *at += 1 + len;
    return home;
}

static char *result(struct expansion *x, bool good)
{
    if (good)
        return buf_steal(&x->out);
    buf_fini(&x->out);
    return NULL;
}

char *ssh_config__expand_path(const char *text, const struct ssh_host *host, const char *what, struct clw_error *err)
{
    struct expansion x = {.host = host, .what = what, .text = text, .tokens = "%CdhikLlnpru", .err = err};
    char *all = NULL;
    if (*text == '~') {
        const char *rest = text;
        char *home = home_of(&rest);
        if (!home)
            return result(&x, fail(&x, "no such user:", (size_t)(rest - text), text));
        all = mem_printf("%s%s", home, rest);
        free(home);
    }
    bool good = expand(&x, all ? all : text, true);
    free(all);
    return result(&x, good);
}

char *ssh_config__expand_command(const char *text, const struct ssh_host *host, const char *what, struct clw_error *err)
{
    struct expansion x = {.host = host, .what = what, .text = text, .tokens = "%hnpr", .err = err};
    return result(&x, expand(&x, text, false));
}
