/* Base urls, and the scripts that start daemons of other engines. Every word that comes from a user is quoted; what
 * only the link knows (ports) stands as a mark that no user can have written. */
#include "engine/profiles/foreign_script.h"

#include "base/text.h"
#include "engine/wire/wire.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the base ---- */

/* What a path may have; anything else has no place in a url as it is. */
static const char url_chars[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._~/?&=%:+,@-";

static bool is_loopback(const char *name)
{
    struct in_addr a;
    return strcmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0 ||
           (inet_pton(AF_INET, name, &a) == 1 && ntohl(a.s_addr) >> 24 == 127);
}

static bool is_anywhere(const char *name)
{
    return strcmp(name, "0.0.0.0") == 0 || strcmp(name, "*") == 0 || strcmp(name, "[::]") == 0 || !*name;
}

/* This machine's own name leads to an address of it, without asking the network when /etc/hosts has it. */
static bool own_address(const char *name, char *text, size_t size)
{
    char own[256];
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list = NULL;
    if (gethostname(own, sizeof own) || strcmp(own, name) != 0 || getaddrinfo(name, NULL, &hints, &list))
        return false;
    bool good = getnameinfo(list->ai_addr, list->ai_addrlen, text, (socklen_t)size, NULL, 0, NI_NUMERICHOST) == 0;
    freeaddrinfo(list);
    return good;
}

static bool set_target(struct foreign_base *b)
{
    char address[64];
    struct in_addr a;
    const char *name = b->name;
    if (is_anywhere(name) || strcmp(name, "localhost") == 0)
        name = "127.0.0.1";
    else if (*name != '[' && inet_pton(AF_INET, name, &a) != 1)
        name = own_address(name, address, sizeof address) ? address : NULL;
    if (!name)
        return false;
    snprintf(b->target, sizeof b->target, "tcp:%.80s:%u", name, b->port);
    return true;
}

/* "name:port" at text, up to a slash, a quote or a space. */
static bool parse_place(const char *text, struct foreign_base *b)
{
    size_t name = *text == '[' ? strcspn(text, "]") + 1 : strcspn(text, ":/ \t\n\"'\\");
    if (name >= sizeof b->name || text[name] != ':')
        return false;
    memcpy(b->name, text, name);
    b->name[name] = '\0';
    size_t digits = strspn(text + name + 1, "0123456789");
    b->len = name + 1 + digits;
    b->port = digits > 0 && digits < 6 ? (unsigned)strtoul(text + name + 1, NULL, 10) : 0;
    return b->port > 0 && b->port < 65536 && !isalnum((unsigned char)text[b->len]);
}

static bool is_scheme(char c)
{
    return islower((unsigned char)c) || isdigit((unsigned char)c) || c == '+' || c == '.' || c == '-';
}

/* "/path" at text, of a socket that the url "ipc://" leads to. */
static bool parse_path(const char *text, struct foreign_base *b)
{
    size_t len = strspn(text, url_chars);
    if (*text != '/' || len < 2 || strlen("unix:") + len >= sizeof b->target)
        return false;
    snprintf(b->target, sizeof b->target, "unix:%.*s", (int)len, text);
    b->len = strlen("ipc://") + len;
    return true;
}

/* The url whose "://" is at colon, within text. */
static bool parse_at(const char *text, const char *colon, struct foreign_base *b)
{
    const char *begin = colon;
    while (begin > text && is_scheme(begin[-1]))
        begin--;
    size_t scheme = (size_t)(colon - begin);
    *b = (struct foreign_base){.at = (size_t)(colon + 3 - text)};
    if (!scheme || scheme >= sizeof b->scheme)
        return false;
    memcpy(b->scheme, begin, scheme);
    if (strcmp(b->scheme, "ipc") != 0)
        return parse_place(colon + 3, b);
    b->at = (size_t)(begin - text);
    return parse_path(colon + 3, b);
}

static bool is_socket(const struct foreign_base *b)
{
    return strcmp(b->scheme, "ipc") == 0;
}

enum clw_err foreign_base_parse(const char *url, struct foreign_base *b, struct clw_error *err)
{
    const char *colon = strstr(url, "://");
    bool good = colon && parse_at(url, colon, b) && (is_socket(b) || b->at == strlen(b->scheme) + 3) &&
                strncmp(url, b->scheme, strlen(b->scheme)) == 0;
    const char *rest = good ? url + b->at + b->len : "";
    if (good && *rest && (*rest != '/' || strlen(rest) >= sizeof b->rest || rest[strspn(rest, url_chars)]))
        good = false;
    if (!good)
        return clw_fail(err, CLW_USAGE, "write SCHEME://HOST:PORT, as in tcp://127.0.0.1:5555, or ipc:///PATH",
            "no tunnel can lead to the base '%.200s'", url);
    snprintf(b->rest, sizeof b->rest, "%s", rest);
    if (!is_socket(b) && !set_target(b))
        return clw_fail(err, CLW_USAGE, "let it listen on 127.0.0.1, or write this machine's address as a number",
            "the base at '%.200s' is not on this machine", b->name);
    return CLW_OK;
}

bool foreign_base_find(const char *text, struct foreign_base *b)
{
    for (const char *colon = text; (colon = strstr(colon, "://")); colon += 3)
        if (parse_at(text, colon, b) && (is_socket(b) || is_loopback(b->name)))
            return is_socket(b) || set_target(b);
    return false;
}

enum meter_kind foreign_meter_kind(const struct foreign_base *b, enum store_runtime runtime)
{
    if (strcmp(b->scheme, "tcp") != 0)
        return METER_BYTES;
    return runtime == STORE_RUNTIME_MIRAI ? METER_MIRAI : runtime == STORE_RUNTIME_DASK ? METER_DASK : METER_SP;
}

/* What the daemon is told to dial, as it is: whoever puts it into a script quotes it. A name that stands in a
 * certificate stays, as far as it is the loopback's. Owned. */
static char *url_text(const struct foreign_launch *l)
{
    const struct foreign_base *b = l->base;
    bool keeps = is_loopback(b->name) && *b->name != '[';
    if (is_socket(b))
        return mem_printf("@%sURL@", l->mark);
    return mem_printf("%s://%s:@%sPORT@%s", b->scheme, keeps ? b->name : "127.0.0.1", l->mark, b->rest);
}

/* ---- quoting ---- */

/* Of buf_add_quoted(), for what stands inside the quotes already. */
static void add_inside(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\'')
            buf_add_text(out, "'\\''");
        else
            buf_add(out, text + i, 1);
}

static void add_r_string(struct buf *out, const char *text)
{
    buf_add_text(out, "\"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_add_text(out, "\\");
        if (*text == '\n')
            buf_add_text(out, "\\n");
        else if (*text != '\r')
            buf_add(out, text, 1);
    }
    buf_add_text(out, "\"");
}

static bool is_r_literal(const char *text)
{
    static const char *const words[] = {"TRUE", "FALSE", "NULL", "NA", "Inf", NULL};
    for (const char *const *w = words; *w; w++)
        if (strcmp(text, *w) == 0)
            return true;
    return *text && strspn(text, "0123456789.eEL+-") == strlen(text) && strpbrk(text, "0123456789");
}

/* ---- options ---- */

static const char *option(const struct foreign_launch *l, const char *name)
{
    size_t len = strlen(name);
    for (const char *const *o = l->options; o && *o; o++)
        if (strncmp(*o, name, len) == 0 && (*o)[len] == '=')
            return *o + len + 1;
    return NULL;
}

static void add_r_option(struct buf *out, const struct foreign_launch *l, const char *name, const char *otherwise)
{
    if (otherwise && !option(l, name))
        buf_printf(out, ", %s = %s", name, otherwise);
}

static void add_r_limit(struct buf *out, const struct foreign_launch *l, const char *name, uint64_t limit)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, limit);
    add_r_option(out, l, name, limit ? text : NULL);
}

/* Its way of ending becomes the exit status, which foreign_exit_text() reads. */
static void add_mirai(struct buf *out, const struct foreign_launch *l)
{
    struct buf r = {0};
    char *url = url_text(l);
    buf_add_text(&r, "q(status = 10L + mirai::daemon(");
    add_r_string(&r, url);
    add_r_option(&r, l, "dispatcher", "TRUE");
    add_r_option(&r, l, "output", "TRUE");
    add_r_limit(&r, l, "idletime", l->idletime_ms);
    add_r_limit(&r, l, "walltime", l->walltime_ms);
    add_r_limit(&r, l, "maxtasks", l->maxtasks);
    for (const char *const *o = l->options; o && *o; o++) {
        const char *value = strchr(*o, '=') + 1;
        buf_printf(&r, ", %.*s = ", (int)(value - *o - 1), *o);
        if (is_r_literal(value))
            buf_add_text(&r, value);
        else
            add_r_string(&r, value);
    }
    buf_add_text(&r, "))");
    buf_add_text(out, "exec Rscript -e '");
    add_inside(out, (char *)r.data, r.len);
    buf_add_text(out, "'");
    buf_fini(&r);
    free(url);
}

static void add_dask(struct buf *out, const struct foreign_launch *l)
{
    buf_add_text(out, "if command -v dask >/dev/null 2>&1; then set -- dask worker; else set -- dask-worker; fi\n"
                      "exec \"$@\" ");
    char *url = url_text(l);
    buf_add_quoted(out, url);
    free(url);
    buf_add_text(out, " --name ");
    buf_add_quoted(out, l->name);
    if (!option(l, "nthreads"))
        buf_add_text(out, " --nthreads 1");
    buf_add_text(out, " --no-dashboard --no-nanny"); /* who starts it again is us */
    if (l->contact_port && l->is_reached)
        buf_printf(out, " --listen-address tcp://127.0.0.1:@%sLISTEN@ --contact-address tcp://127.0.0.1:%u", l->mark,
            l->contact_port);
    else if (l->contact_port)
        buf_printf(out, " --listen-address tcp://127.0.0.1:%u", l->contact_port);
    if (l->walltime_ms)
        buf_printf(out, " --lifetime %" PRIu64 "s", (l->walltime_ms + 999) / 1000);
    struct buf resources = {0};
    for (const char *const *t = l->tags; t && *t; t++)
        buf_printf(&resources, "%s%s=1", resources.len ? "," : "", *t);
    if (resources.len && !option(l, "resources")) {
        buf_add(&resources, "", 1);
        buf_add_text(out, " --resources ");
        buf_add_quoted(out, (char *)resources.data);
    }
    buf_fini(&resources);
    for (const char *const *o = l->options; o && *o; o++) {
        const char *value = strchr(*o, '=') + 1;
        buf_printf(out, " --%.*s ", (int)(value - *o - 1), *o);
        if (*value) /* "NAME=" is a flag */
            buf_add_quoted(out, value);
    }
}

/* One word of the command with its placeholders, in single quotes. */
static void add_word(struct buf *out, const struct foreign_launch *l, const char *word)
{
    buf_add_text(out, " '");
    while (*word) {
        size_t n = strcspn(word, "{");
        add_inside(out, word, n);
        word += n;
        if (strncmp(word, "{url}", 5) == 0 && l->base) {
            char *url = url_text(l);
            add_inside(out, url, strlen(url));
            free(url);
            word += 5;
        } else if (strncmp(word, "{host}", 6) == 0) {
            add_inside(out, l->host, strlen(l->host));
            word += 6;
        } else if (strncmp(word, "{n}", 3) == 0) {
            buf_printf(out, "%u", l->number);
            word += 3;
        } else if (strncmp(word, "{gpu}", 5) == 0) {
            if (l->gpu >= 0)
                buf_printf(out, "%d", l->gpu);
            word += 5;
        } else if (*word) {
            buf_add(out, word++, 1);
        }
    }
    buf_add_text(out, "'");
}

/* ---- the script ---- */

static void add_export(struct buf *out, const char *entry)
{
    size_t name = strcspn(entry, "=");
    buf_printf(out, "export %.*s=", (int)name, entry);
    buf_add_quoted(out, entry + name + 1);
    buf_add_text(out, "\n");
}

/* What comes before the command: what it sees, and where it is. */
static void add_surroundings(struct buf *out, const struct foreign_launch *l)
{
    for (const char *const *e = l->more_env; e && *e; e++)
        add_export(out, *e);
    for (const char *const *e = l->env; e && *e; e++)
        add_export(out, *e);
    for (const char *const *name = wire_gpu_variables; *name && l->gpu >= 0; name++)
        buf_printf(out, "export %s=%d\n", *name, l->gpu);
    buf_printf(out, "export CLOWDER_DAEMON='%s'\n", l->name);
    buf_add_text(out, "cd \"${HOME:-/}\"\n");
}

void foreign_script(const struct foreign_launch *l, struct buf *out)
{
    add_surroundings(out, l);
    if (l->runtime == STORE_RUNTIME_MIRAI) {
        add_mirai(out, l);
    } else if (l->runtime == STORE_RUNTIME_DASK) {
        add_dask(out, l);
    } else {
        buf_add_text(out, "exec");
        for (const char *const *word = l->command; word && *word; word++)
            add_word(out, l, *word);
    }
    buf_add_text(out, " </dev/null\n");
}

void foreign_script_given(
    const char *command, const struct foreign_base *base, const struct foreign_launch *l, struct buf *out)
{
    add_surroundings(out, l);
    buf_add_text(out, "{ ");
    if (base && is_socket(base)) {
        buf_add(out, command, base->at);
        buf_printf(out, "@%sURL@%s", l->mark, command + base->at + base->len);
    } else if (base) {
        const char *end = command + base->at + base->len, *port = end;
        while (port[-1] != ':')
            port--;
        buf_add(out, command, (size_t)(port - command));
        buf_printf(out, "@%sPORT@%s", l->mark, end);
    } else {
        buf_add_text(out, command);
    }
    buf_add_text(out, "\n} </dev/null\n");
}

const char *foreign_exit_text(enum store_runtime runtime, int status, bool *by_itself)
{
    static const char *const mirai[] = {
        "its base closed the connection", "idletime", "walltime", "maxtasks"}; /* 10 + what mirai::daemon() gives */
    *by_itself = false;
    if (runtime == STORE_RUNTIME_MIRAI && status >= 10 && status <= 13) {
        *by_itself = status > 10;
        return mirai[status - 10];
    }
    if (status == 0) {
        *by_itself = runtime == STORE_RUNTIME_DASK;
        return "ended";
    }
    if (status == 127)
        return runtime == STORE_RUNTIME_MIRAI  ? "there is no Rscript on the host"
               : runtime == STORE_RUNTIME_DASK ? "there is no dask on the host"
                                               : "there is no such command on the host";
    return NULL;
}
