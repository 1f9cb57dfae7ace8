/* The daemon's settings: "key value" lines on standard input, so that the token is in no argv, environment or file. */
#include "engine/daemon/daemon.h"

#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONFIG_MAX = 64 << 10 };

/* "\n" inside a value (a certificate) is written as the two characters \ and n. */
static char *unescape(const char *text)
{
    char *out = mem_strdup(text), *w = out;
    for (const char *r = text; *r; r++) {
        if (r[0] == '\\' && r[1] == 'n') {
            *w++ = '\n';
            r++;
        } else {
            *w++ = *r;
        }
    }
    *w = '\0';
    return out;
}

static int take(struct daemon_config *c, const char *key, const char *value)
{
    int64_t number = 0;
    if (strcmp(key, "url") == 0) {
        free(c->url);
        c->url = mem_strdup(value);
    } else if (strcmp(key, "token") == 0 && strlen(value) == WIRE_TOKEN) {
        memcpy(c->token, value, WIRE_TOKEN + 1);
    } else if (strcmp(key, "daemon") == 0 && !text_parse_int(value, 0, UINT32_MAX, &number, NULL)) {
        c->number = (uint32_t)number;
    } else if (strcmp(key, "autoexit") == 0 && !text_parse_int(value, 0, INT64_MAX, &number, NULL)) {
        c->autoexit_ms = (uint64_t)number;
    } else if (strcmp(key, "remote") == 0 && !text_parse_int(value, 0, 1, &number, NULL)) {
        c->remote = number != 0;
    } else if (strcmp(key, "batch") == 0 && !text_parse_int(value, 0, 1, &number, NULL)) {
        c->batch = number != 0;
    } else if (strcmp(key, "umask") == 0 && !text_parse_int(value, 0, 0777, &number, NULL)) {
        umask((mode_t)number);
    } else if (strcmp(key, "cert") == 0) {
        free(c->cert);
        c->cert = unescape(value);
    } else {
        fprintf(stderr, "clowder-daemon: setting '%.20s' is unknown or has a wrong value\n", key);
        return -1;
    }
    return 0;
}

int config_read(int fd, struct daemon_config *c)
{
    struct buf b = {0};
    ssize_t got = 0;
    int rv = 0;
    *c = (struct daemon_config){.autoexit_ms = 10000};
    while (b.len < CONFIG_MAX && (got = read(fd, buf_reserve(&b, 4096), 4096)) > 0)
        b.len += (size_t)got;
    if (got < 0 || b.len >= CONFIG_MAX) {
        fprintf(stderr, "clowder-daemon: cannot read the settings: %s\n", got < 0 ? strerror(errno) : "too long");
        rv = -1;
    }
    char *rest = buf_text(&b), *line;
    while (rv == 0 && (line = strsep(&rest, "\n"))) {
        char *value = strchr(line, ' ');
        if (!*line)
            continue;
        if (value)
            *value++ = '\0';
        rv = take(c, line, value ? value : "");
    }
    mem_wipe(b.data, b.cap);
    buf_fini(&b);
    if (rv == 0 && (!c->url || !c->token[0])) {
        fprintf(stderr, "clowder-daemon: the settings on standard input need url and token\n");
        rv = -1;
    }
    return rv;
}
