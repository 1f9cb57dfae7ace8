/* Line by line, bounded; hashed names by HMAC-SHA1 as OpenSSH writes them. */
#include "hosts/ssh/known_hosts.h"

#include "base/mem.h"
#include "base/random.h"
#include "hosts/ssh/pattern.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mbedtls/base64.h>
#include <mbedtls/md.h>

enum { LINE_BYTES = 16384, FILE_LINES = 200000, SHA1_BYTES = 20 };

char *known_hosts_name(const char *host, unsigned port)
{
    char *name = port == 22 ? mem_strdup(host) : mem_printf("[%s]:%u", host, port);
    for (char *p = name; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return name;
}

static bool hmac(const uint8_t *salt, const char *name, uint8_t out[SHA1_BYTES])
{
    const mbedtls_md_info_t *sha1 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA1);
    return sha1 && mbedtls_md_hmac(sha1, salt, SHA1_BYTES, (const uint8_t *)name, strlen(name), out) == 0;
}

static bool decode(const char *text, size_t len, uint8_t out[SHA1_BYTES])
{
    size_t n = 0;
    return mbedtls_base64_decode(out, SHA1_BYTES, &n, (const uint8_t *)text, len) == 0 && n == SHA1_BYTES;
}

/* |1|salt|hash */
static bool hashed_matches(const char *field, const char *name)
{
    uint8_t salt[SHA1_BYTES], want[SHA1_BYTES], got[SHA1_BYTES];
    if (strncmp(field, "|1|", 3) != 0)
        return false;
    const char *second = strchr(field + 3, '|');
    return second && decode(field + 3, (size_t)(second - field - 3), salt) &&
           decode(second + 1, strlen(second + 1), want) && hmac(salt, name, got) && memcmp(want, got, SHA1_BYTES) == 0;
}

bool known_hosts_field_matches(const char *field, const char *name)
{
    return *field == '|' ? hashed_matches(field, name) : pattern_match_list(name, field);
}

struct line {
    char *marker, *hosts, *type, *key;
};

/* Cuts text in place. False for comments, blank lines and lines that are no entry. */
static bool cut(char *text, struct line *out)
{
    char *fields[4] = {0}, *save = NULL;
    size_t n = 0;
    for (char *word = strtok_r(text, " \t\r\n", &save); word && n < 4; word = strtok_r(NULL, " \t\r\n", &save)) {
        if (n == 0 && *word == '#')
            return false;
        fields[n++] = word;
    }
    bool marked = n && fields[0][0] == '@';
    if (n < 3u + marked)
        return false;
    *out = (struct line){marked ? fields[0] : NULL, fields[marked], fields[1 + marked], fields[2 + marked]};
    return true;
}

struct search {
    const char *name, *type, *key; /* type NULL: only list the types */
    struct known_place *place;
    struct ssh_words *types;
    enum known_verdict verdict;
    bool unread; /* a file, for want of a descriptor or of memory */
};

static void found(struct search *s, enum known_verdict verdict, const char *file, unsigned line)
{
    s->verdict = verdict;
    if (s->place) {
        snprintf(s->place->file, sizeof s->place->file, "%s", file);
        s->place->line = line;
    }
}

static void add_type(struct ssh_words *types, const char *type)
{
    for (size_t i = 0; i < types->count; i++)
        if (strcmp(types->items[i], type) == 0)
            return;
    if (types->count < 16)
        ssh_words_add(types, type);
}

static void look_at(struct search *s, const struct line *l, const char *file, unsigned line)
{
    bool revoked = l->marker && strcmp(l->marker, "@revoked") == 0;
    if ((l->marker && !revoked) || !known_hosts_field_matches(l->hosts, s->name))
        return;
    if (s->types && !revoked)
        add_type(s->types, l->type);
    if (!s->type || s->verdict == KNOWN_REVOKED)
        return;
    bool same = strcmp(l->type, s->type) == 0 && strcmp(l->key, s->key) == 0;
    if (revoked) {
        if (same)
            found(s, KNOWN_REVOKED, file, line);
    } else if (same) {
        found(s, KNOWN_OK, file, line);
    } else if (s->verdict != KNOWN_OK) {
        bool same_type = strcmp(l->type, s->type) == 0;
        if (same_type && s->verdict != KNOWN_CHANGED)
            found(s, KNOWN_CHANGED, file, line);
        else if (!same_type && s->verdict == KNOWN_UNKNOWN)
            found(s, KNOWN_OTHER_TYPE, file, line);
    }
}

static void search_file(struct search *s, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    FILE *file = NULL;
    if (fd < 0) {
        s->unread |= clw_is_short(errno);
        return;
    }
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !(file = fdopen(fd, "r"))) {
        close(fd);
        return;
    }
    char *text = mem_alloc(LINE_BYTES);
    for (unsigned number = 1; number <= FILE_LINES && fgets(text, LINE_BYTES, file); number++) {
        struct line l;
        if (!strchr(text, '\n'))
            for (int c; (c = fgetc(file)) != EOF && c != '\n';)
                ; /* the rest of an overlong line is no line of its own */
        if (cut(text, &l))
            look_at(s, &l, path, number);
    }
    free(text);
    fclose(file);
}

static void search_all(struct search *s, const struct ssh_words *user, const struct ssh_words *global)
{
    for (size_t i = 0; i < user->count; i++)
        search_file(s, user->items[i]);
    for (size_t i = 0; i < global->count; i++)
        search_file(s, global->items[i]);
}

enum known_verdict known_hosts_check(const struct ssh_words *user, const struct ssh_words *global, const char *name,
    const char *type, const char *key, struct known_place *place)
{
    struct search s = {.name = name, .type = type, .key = key, .place = place, .verdict = KNOWN_UNKNOWN};
    if (place)
        *place = (struct known_place){0};
    search_all(&s, user, global);
    return s.unread ? KNOWN_UNREAD : s.verdict;
}

bool known_hosts_types(
    const struct ssh_words *user, const struct ssh_words *global, const char *name, struct ssh_words *out)
{
    *out = (struct ssh_words){0};
    struct search s = {.name = name, .types = out, .verdict = KNOWN_UNKNOWN};
    search_all(&s, user, global);
    return !s.unread;
}

static char *hash_name(const char *name)
{
    uint8_t salt[SHA1_BYTES], sum[SHA1_BYTES];
    unsigned char a[64], b[64];
    size_t n;
    random_fill(salt, sizeof salt);
    if (!hmac(salt, name, sum) || mbedtls_base64_encode(a, sizeof a, &n, salt, sizeof salt) ||
        mbedtls_base64_encode(b, sizeof b, &n, sum, sizeof sum))
        return mem_strdup(name);
    return mem_printf("|1|%s|%s", (char *)a, (char *)b);
}

static void make_folder(const char *path)
{
    char *folder = mem_strdup(path), *slash = strrchr(folder, '/');
    if (slash && slash != folder) {
        *slash = '\0';
        (void)mkdir(folder, 0700); /* when it fails, opening the file says why */
    }
    free(folder);
}

/* A file whose last line has no end gets one first. */
static bool ends_open(int fd)
{
    char last = '\n';
    off_t size = lseek(fd, 0, SEEK_END);
    return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

enum clw_err known_hosts_add(
    const char *path, const char *name, const char *type, const char *key, bool hashed, struct clw_error *err)
{
    make_folder(path);
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX)) {
        enum clw_err code = clw_fail(err, CLW_IO, "make the file writable, or set UserKnownHostsFile",
            "cannot write %s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return code;
    }
    char *shown = hashed ? hash_name(name) : mem_strdup(name);
    char *line = mem_printf("%s%s %s %s\n", ends_open(fd) ? "\n" : "", shown, type, key);
    enum clw_err code = CLW_OK;
    if (write(fd, line, strlen(line)) != (ssize_t)strlen(line))
        code = clw_fail(err, CLW_IO, NULL, "cannot write %s: %s", path, strerror(errno));
    free(line);
    free(shown);
    close(fd);
    return code;
}
