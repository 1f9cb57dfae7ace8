#include "hosts/scan.h"

#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SSH_PORT = 22, AVAHI_FIELDS = 9, LINE = 4096 };

/* ---- machines ---- */

static bool is_address(const char *text)
{
    uint8_t raw[16];
    return inet_pton(AF_INET, text, raw) == 1 || inet_pton(AF_INET6, text, raw) == 1;
}

static bool is_hostname(const char *text)
{
    return *text && strlen(text) < sizeof((struct scan_machine *)0)->hostname && !strchr("-.", *text) &&
           !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")];
}

/* "nas.local" is "nas", and fe80::1 is "fe80--1". */
static bool make_name(char *out, size_t size, const char *from)
{
    size_t len = strlen(from);
    if (len > 6 && strcasecmp(from + len - 6, ".local") == 0)
        len -= 6;
    if (len >= size)
        return false;
    for (size_t i = 0; i < len; i++)
        out[i] = (char)(from[i] == ':' ? '-' : from[i]);
    out[len] = '\0';
    return text_is_name(out);
}

static bool is_same(const char *a, const char *b)
{
    return *a && strcasecmp(a, b) == 0;
}

/* The machine that is meant; a new one when there is none so far. NULL: it is no name, or there are too many. */
static struct scan_machine *machine(struct scan *s, const char *hostname, const char *address, uint16_t port)
{
    struct scan_machine new = {.port = port}, *m;
    if (!make_name(new.name, sizeof new.name, *hostname ? hostname : address))
        return NULL;
    for (size_t i = 0; i < s->count; i++) {
        m = &s->items[i];
        if (m->port == port && (is_same(m->hostname, hostname) || is_same(m->address, address) ||
                                   (is_same(m->name, new.name) && m->is_announced)))
            return m;
    }
    if (s->count == SCAN_MAX)
        return NULL;
    snprintf(new.hostname, sizeof new.hostname, "%s", hostname);
    snprintf(new.address, sizeof new.address, "%s", address);
    s->items = mem_realloc(s->items, (s->count + 1) * sizeof *s->items);
    m = &s->items[s->count++];
    *m = new;
    return m;
}

static bool next_line(const char **text, char *line)
{
    size_t len = strcspn(*text, "\n"), kept = len < LINE ? len : 0; /* one that is too long is none */
    if (!**text)
        return false;
    memcpy(line, *text, kept);
    line[kept] = '\0';
    *text += len + ((*text)[len] == '\n');
    return true;
}

/* ---- sources ---- */

/* "=;eth0;IPv4;nas;_ssh._tcp;local;nas.local;192.168.1.5;22;…" */
void scan_announced(struct scan *s, const char *text)
{
    char line[LINE], *fields[AVAHI_FIELDS], *end;
    while (next_line(&text, line)) {
        char *at = line;
        size_t n = 0;
        while (n < AVAHI_FIELDS && at)
            fields[n++] = strsep(&at, ";");
        if (n < AVAHI_FIELDS || strcmp(fields[0], "=") != 0 || !is_hostname(fields[6]) || !is_address(fields[7]))
            continue;
        long port = strtol(fields[8], &end, 10);
        struct scan_machine *m =
            port > 0 && port <= UINT16_MAX ? machine(s, fields[6], fields[7], (uint16_t)port) : NULL;
        if (!m)
            continue;
        m->is_announced = true;
        if (strchr(m->address, ':') && strchr(fields[7], '.')) /* a link-local one means nothing without its link */
            snprintf(m->address, sizeof m->address, "%s", fields[7]);
    }
}

/* "host", "[host]:port"; an address that stands beside a name is that machine's. */
static void add_known(struct scan *s, char *name, struct scan_machine **beside)
{
    long port = SSH_PORT;
    char *end = name[0] == '[' ? strchr(name, ']') : NULL;
    if (end && end[1] == ':') {
        port = strtol(end + 2, NULL, 10);
        *end = '\0';
        name++;
    }
    bool by_address = is_address(name);
    if (port < 1 || port > UINT16_MAX || (!by_address && !is_hostname(name)))
        return;
    struct scan_machine *m = *beside;
    if (m && by_address && m->port == port && !*m->address) {
        snprintf(m->address, sizeof m->address, "%s", name);
        return;
    }
    m = machine(s, by_address ? "" : name, by_address ? name : "", (uint16_t)port);
    if (!m)
        return;
    m->is_known = true;
    *beside = m;
}

/* "spare1,192.168.1.7 ssh-ed25519 AAAA…"; keys of authorities, and keys that are revoked, are of no machine */
void scan_known(struct scan *s, const char *text)
{
    char line[LINE], *save = NULL;
    while (next_line(&text, line)) {
        const char *at = line + strspn(line, " \t");
        if (!*at || strchr("#@", *at))
            continue;
        char *names = line + (at - line);
        names[strcspn(names, " \t")] = '\0';
        if (names[0] == '|')
            s->hashed++;
        struct scan_machine *beside = NULL;
        if (names[0] != '|' && !strpbrk(names, "*?!"))
            for (char *name = strtok_r(names, ",", &save); name; name = strtok_r(NULL, ",", &save))
                add_known(s, name, &beside);
    }
}

/* "192.168.1.7  0x1  0x2  52:54:00:12:34:56  *  eth0", after a line of titles */
void scan_neighbours(struct scan *s, const char *text)
{
    char line[LINE], address[64], mac[18];
    unsigned flags;
    while (next_line(&text, line)) {
        if (sscanf(line, "%63s 0x1 0x%x %17s", address, &flags, mac) != 3 || !is_address(address) || !(flags & 2) ||
            strlen(mac) != 17 || mac[strspn(mac, "0123456789abcdefABCDEF:")])
            continue;
        bool is_new = true;
        for (size_t i = 0; i < s->count; i++) {
            struct scan_machine *m = &s->items[i];
            if (!is_same(m->address, address))
                continue;
            snprintf(m->mac, sizeof m->mac, "%s", mac);
            m->is_near = true;
            is_new = false;
        }
        struct scan_machine *m = is_new ? machine(s, "", address, SSH_PORT) : NULL;
        if (m) {
            snprintf(m->mac, sizeof m->mac, "%s", mac);
            m->is_near = true;
        }
    }
}

static int in_order(const void *a, const void *b)
{
    const struct scan_machine *m = a, *n = b;
    if (m->is_announced != n->is_announced)
        return m->is_announced ? -1 : 1;
    int order = strverscmp(m->name, n->name);
    return order ? order : m->port - n->port;
}

void scan_sort(struct scan *s)
{
    if (s->count)
        qsort(s->items, s->count, sizeof *s->items, in_order);
}

void scan_fini(struct scan *s)
{
    free(s->items);
    *s = (struct scan){0};
}
