/* Packets: a length, a type, a number that the answer repeats, fields. Lengths from the host are checked
 * before use. */
#include "hosts/sftp.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    INIT = 1,
    VERSION = 2,
    OPEN = 3,
    CLOSE = 4,
    READ = 5,
    WRITE = 6,
    REMOVE = 13,
    STAT = 17,
    RENAME = 18,
    STATUS = 101,
    HANDLE = 102,
    DATA = 103,
    ATTRS = 105,
    EXTENDED = 200,
    EXTENDED_REPLY = 201,
    FLAG_READ = 1,
    FLAG_WRITE = 2,
    FLAG_CREAT = 8,
    FLAG_EXCL = 32,
    ATTR_SIZE = 1,
    ATTR_MODE = 4,
    PACKET_MAX = 256 * 1024,
    CHUNK = 32768,
    IN_FLIGHT = 32
};

/* ---- fields ---- */

static void put_u32(struct buf *b, uint32_t v)
{
    uint8_t bytes[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    buf_add(b, bytes, sizeof bytes);
}

static void put_u64(struct buf *b, uint64_t v)
{
    put_u32(b, (uint32_t)(v >> 32));
    put_u32(b, (uint32_t)v);
}

static void put_data(struct buf *b, const void *data, size_t len)
{
    put_u32(b, (uint32_t)len);
    buf_add(b, data, len);
}

struct reply {
    uint8_t type;
    uint32_t id;
    const uint8_t *at, *end; /* the fields, in s->in until the next call */
    size_t size;             /* of the packet */
};

static uint32_t get_u32(struct reply *r)
{
    if (r->end - r->at < 4) {
        r->at = r->end;
        return 0;
    }
    const uint8_t *p = r->at;
    r->at += 4;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t get_u64(struct reply *r)
{
    uint64_t high = get_u32(r);
    return high << 32 | get_u32(r);
}

static size_t get_data(struct reply *r, const uint8_t **data)
{
    uint32_t len = get_u32(r);
    if (len > (size_t)(r->end - r->at))
        len = (uint32_t)(r->end - r->at);
    *data = r->at;
    r->at += len;
    return len;
}

/* ---- packets ---- */

static void take(void *arg, const uint8_t *data, size_t len)
{
    struct sftp *s = arg;
    if (s->in.len + len > 4u << 20)
        s->broken = true;
    else
        buf_add(&s->in, data, len);
}

/* The next whole packet; false when there is none yet. */
static bool next_packet(struct sftp *s, struct reply *r)
{
    if (s->in.len < 5)
        return false;
    struct reply head = {.at = s->in.data, .end = s->in.data + 4};
    uint32_t len = get_u32(&head);
    if (len < 1 || len > PACKET_MAX) {
        s->broken = true;
        return false;
    }
    if (s->in.len < 4u + len)
        return false;
    *r = (struct reply){.type = s->in.data[4], .at = s->in.data + 5, .end = s->in.data + 4 + len, .size = 4u + len};
    r->id = r->type == VERSION ? 0 : get_u32(r);
    return true;
}

static enum clw_err wait_packet(struct sftp *s, struct reply *r, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    while (!next_packet(s, r)) {
        if (s->broken)
            return clw_fail(err, CLW_PROTOCOL, "does a login file print something? then SFTP cannot work",
                "the host's SFTP server sent something that is not SFTP");
        if (s->x.closed)
            return clw_fail(err, CLW_CLOSED, NULL, "the host's SFTP server ended");
        code = link__wait(s->x.link);
        if (code)
            return link__explain(s->x.link, code, "waiting for SFTP", err);
    }
    return CLW_OK;
}

static void drop_packet(struct sftp *s, const struct reply *r)
{
    buf_drop(&s->in, r->size);
}

static enum clw_err send_packet(struct sftp *s, uint8_t type, const struct buf *fields, struct clw_error *err)
{
    struct buf out = {0};
    put_u32(&out, (uint32_t)fields->len + 1);
    buf_add(&out, &type, 1);
    buf_add(&out, fields->data, fields->len);
    enum clw_err code = exec_write(&s->x, out.data, out.len, err);
    buf_fini(&out);
    return code;
}

/* What a status means. */
static enum clw_err read_status(struct sftp *s, struct reply *r, const char *doing, struct clw_error *err)
{
    const uint8_t *text;
    s->status = get_u32(r);
    size_t len = get_data(r, &text);
    text_escape(s->said, sizeof s->said, (const char *)text, len);
    switch (s->status) {
    case SFTP_OK:
    case SFTP_EOF: return CLW_OK;
    case SFTP_NO_FILE: return clw_fail(err, CLW_NOT_FOUND, NULL, "%s: no such file on the host", doing);
    case SFTP_DENIED: return clw_fail(err, CLW_REFUSED, NULL, "%s: the host says: %s", doing, s->said);
    default: return clw_fail(err, CLW_IO, NULL, "%s: the host says: %s", doing, s->said);
    }
}

/* Sends a request and waits for its answer, of type want or a status. The packet stays until drop_packet().
 */
static enum clw_err ask(struct sftp *s, uint8_t type, struct buf *fields, uint8_t want, struct reply *r,
    const char *doing, struct clw_error *err)
{
    uint32_t id = s->next_id++;
    uint8_t number[4] = {(uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
    struct buf all = {0};
    buf_add(&all, number, 4);
    buf_add(&all, fields->data, fields->len);
    buf_fini(fields);
    enum clw_err code = send_packet(s, type, &all, err);
    buf_fini(&all);
    *r = (struct reply){0};
    if (!code)
        code = wait_packet(s, r, err);
    if (code)
        return code;
    if (r->id != id || (r->type != want && r->type != STATUS)) {
        drop_packet(s, r);
        s->broken = true;
        return clw_fail(err, CLW_PROTOCOL, NULL, "%s: the host's SFTP server answered something else", doing);
    }
    if (r->type == STATUS) {
        code = read_status(s, r, doing, err);
        drop_packet(s, r);
        if (!code && want != STATUS)
            code = clw_fail(err, CLW_PROTOCOL, NULL, "%s: the host gave no result", doing);
    }
    return code;
}

/* ---- open and close ---- */

static void read_extensions(struct sftp *s, struct reply *r)
{
    while (r->at < r->end) {
        const uint8_t *name, *value;
        size_t len = get_data(r, &name);
        get_data(r, &value);
        s->has_rename |= len == 24 && memcmp(name, "posix-rename@openssh.com", 24) == 0;
        s->has_statvfs |= len == 19 && memcmp(name, "statvfs@openssh.com", 19) == 0;
    }
}

enum clw_err hosts_sftp_open(struct sftp *s, struct host_link *l, struct clw_error *err)
{
    struct buf version = {0};
    struct reply r;
    memset(s, 0, sizeof *s);
    s->x.sink = take;
    s->x.arg = s;
    s->x.errors_max = 500;
    enum clw_err code = exec_open(&s->x, l, NULL, "sftp", err);
    if (code)
        return code;
    put_u32(&version, 3);
    code = send_packet(s, INIT, &version, err);
    buf_fini(&version);
    if (!code)
        code = wait_packet(s, &r, err);
    if (!code && (r.type != VERSION || get_u32(&r) < 3))
        code = clw_fail(err, CLW_PROTOCOL, NULL, "the host's SFTP server speaks another version");
    if (code) {
        /* No server behind the subsystem looks like this too. */
        if (code == CLW_CLOSED || code == CLW_PROTOCOL)
            code = CLW_REFUSED;
        hosts_sftp_close(s);
        return code;
    }
    read_extensions(s, &r);
    drop_packet(s, &r);
    return CLW_OK;
}

void hosts_sftp_close(struct sftp *s)
{
    exec_close(&s->x);
    buf_fini(&s->in);
}

/* ---- files ---- */

enum clw_err hosts_sftp_size(struct sftp *s, const char *path, uint64_t *size, struct clw_error *err)
{
    struct buf f = {0};
    struct reply r;
    put_data(&f, path, strlen(path));
    enum clw_err code = ask(s, STAT, &f, ATTRS, &r, "looking for the program", err);
    if (code)
        return code;
    *size = get_u32(&r) & ATTR_SIZE ? get_u64(&r) : 0;
    drop_packet(s, &r);
    return CLW_OK;
}

struct handle {
    uint8_t bytes[256];
    size_t len;
};

static enum clw_err open_file(
    struct sftp *s, const char *path, uint32_t flags, struct handle *h, const char *doing, struct clw_error *err)
{
    struct buf f = {0};
    struct reply r;
    const uint8_t *data;
    put_data(&f, path, strlen(path));
    put_u32(&f, flags);
    put_u32(&f, flags & FLAG_CREAT ? ATTR_MODE : 0);
    if (flags & FLAG_CREAT)
        put_u32(&f, 0700);
    enum clw_err code = ask(s, OPEN, &f, HANDLE, &r, doing, err);
    if (code)
        return code;
    h->len = get_data(&r, &data);
    if (h->len > sizeof h->bytes)
        h->len = 0;
    memcpy(h->bytes, data, h->len);
    drop_packet(s, &r);
    return h->len ? CLW_OK : clw_fail(err, CLW_PROTOCOL, NULL, "%s: the host gave no handle", doing);
}

static enum clw_err close_file(struct sftp *s, const struct handle *h, const char *doing, struct clw_error *err)
{
    struct buf f = {0};
    struct reply r;
    put_data(&f, h->bytes, h->len);
    return ask(s, CLOSE, &f, STATUS, &r, doing, err);
}

static enum clw_err write_chunk(
    struct sftp *s, const struct handle *h, uint64_t at, const uint8_t *data, size_t len, struct clw_error *err)
{
    struct buf f = {0};
    put_u32(&f, s->next_id++);
    put_data(&f, h->bytes, h->len);
    put_u64(&f, at);
    put_data(&f, data, len);
    enum clw_err code = send_packet(s, WRITE, &f, err);
    buf_fini(&f);
    return code;
}

/* Keeps up to IN_FLIGHT chunks on the way; answers may come in any order. */
static enum clw_err write_all(
    struct sftp *s, const struct handle *h, const uint8_t *data, size_t len, size_t *done, struct clw_error *err)
{
    size_t sent = 0, flying = 0;
    enum clw_err code = CLW_OK;
    struct reply r;
    while (!code && (sent < len || flying)) {
        if (sent < len && flying < IN_FLIGHT) {
            size_t n = len - sent < CHUNK ? len - sent : CHUNK;
            code = write_chunk(s, h, sent, data + sent, n, err);
            sent += n;
            flying++;
            continue;
        }
        code = wait_packet(s, &r, err);
        if (!code) {
            code = r.type == STATUS
                       ? read_status(s, &r, "writing the program", err)
                       : clw_fail(err, CLW_PROTOCOL, NULL, "the host's SFTP server answered something else");
            drop_packet(s, &r);
            flying--;
            *done = sent - flying * (size_t)CHUNK < len && !code ? sent - flying * (size_t)CHUNK : *done;
        }
    }
    /* Answers that are still on the way belong to nobody else. */
    struct clw_error ignored;
    for (; flying && !s->broken && wait_packet(s, &r, &ignored) == CLW_OK; flying--)
        drop_packet(s, &r);
    if (!code)
        *done = len;
    return code;
}

enum clw_err hosts_sftp_write_file(
    struct sftp *s, const char *path, const uint8_t *data, size_t len, size_t *done, struct clw_error *err)
{
    struct handle h;
    struct clw_error closing;
    *done = 0;
    enum clw_err code = open_file(s, path, FLAG_WRITE | FLAG_CREAT | FLAG_EXCL, &h, "making a file", err);
    if (code)
        return code;
    code = write_all(s, &h, data, len, done, err);
    enum clw_err closed = close_file(s, &h, "closing the file", code ? &closing : err);
    return code ? code : closed;
}

static enum clw_err read_chunk(
    struct sftp *s, const struct handle *h, struct buf *out, bool *end, struct clw_error *err)
{
    struct buf f = {0};
    struct reply r;
    const uint8_t *data;
    put_data(&f, h->bytes, h->len);
    put_u64(&f, out->len);
    put_u32(&f, CHUNK);
    enum clw_err code = ask(s, READ, &f, DATA, &r, "reading the program back", err);
    if (code == CLW_PROTOCOL && s->status == SFTP_EOF && !s->broken) {
        *end = true;
        return CLW_OK;
    }
    if (code)
        return code;
    size_t n = get_data(&r, &data);
    buf_add(out, data, n);
    *end = n == 0;
    drop_packet(s, &r);
    return CLW_OK;
}

enum clw_err hosts_sftp_read_file(struct sftp *s, const char *path, size_t max, struct buf *out, struct clw_error *err)
{
    struct handle h;
    struct clw_error closing;
    bool end = false;
    enum clw_err code = open_file(s, path, FLAG_READ, &h, "opening the program", err);
    if (code)
        return code;
    while (!code && !end && out->len <= max)
        code = read_chunk(s, &h, out, &end, err);
    enum clw_err closed = close_file(s, &h, "closing the file", &closing);
    return code ? code : closed;
}

enum clw_err hosts_sftp_rename(struct sftp *s, const char *from, const char *to, struct clw_error *err)
{
    struct buf f = {0};
    struct reply r;
    static const char name[] = "posix-rename@openssh.com";
    if (s->has_rename)
        put_data(&f, name, sizeof name - 1);
    put_data(&f, from, strlen(from));
    put_data(&f, to, strlen(to));
    return ask(s, s->has_rename ? EXTENDED : RENAME, &f, STATUS, &r, "putting the program in its place", err);
}

void hosts_sftp_remove(struct sftp *s, const char *path)
{
    struct buf f = {0};
    struct reply r;
    struct clw_error ignored;
    put_data(&f, path, strlen(path));
    ask(s, REMOVE, &f, STATUS, &r, "removing a file", &ignored);
}

int64_t hosts_sftp_free_bytes(struct sftp *s, const char *path)
{
    static const char name[] = "statvfs@openssh.com";
    struct buf f = {0};
    struct reply r;
    struct clw_error ignored;
    if (!s->has_statvfs || s->broken)
        return -1;
    put_data(&f, name, sizeof name - 1);
    put_data(&f, path, strlen(path));
    if (ask(s, EXTENDED, &f, EXTENDED_REPLY, &r, "looking at the disk", &ignored))
        return -1;
    get_u64(&r);
    uint64_t unit = get_u64(&r);
    get_u64(&r);
    get_u64(&r);
    uint64_t free_units = get_u64(&r);
    drop_packet(s, &r);
    return unit <= 1u << 26 && free_units < (uint64_t)1 << 36 ? (int64_t)(unit * free_units) : -1;
}
