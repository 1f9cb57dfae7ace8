/* Lists of files as bytes: u8 type, u32 mode, u64 size, u64 mtime in ns, u16 length of the path, the path and a NUL,
 * then what its type has. */
#include "engine/wire/parcel.h"

#include "base/le.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD = 23 };

static size_t tail_size(const struct parcel_entry *e)
{
    switch (e->type) {
    case PARCEL_DATA: return e->size;
    case PARCEL_CONTENT: return CONTENT_HASH;
    case PARCEL_LINK: return e->size + 1;
    case PARCEL_PLACED: return strlen((const char *)e->bytes) + 1;
    default: return 0;
    }
}

void parcel_add(struct buf *b, const struct parcel_entry *e)
{
    size_t path = strlen(e->path), tail = tail_size(e);
    uint8_t *at = buf_reserve(b, HEAD + path + 1 + tail);
    at[0] = (uint8_t)e->type;
    le_put_u32(at + 1, e->mode);
    le_put_u64(at + 5, e->size);
    le_put_u64(at + 13, e->mtime_ns);
    at[21] = (uint8_t)path;
    at[22] = (uint8_t)(path >> 8);
    memcpy(at + HEAD, e->path, path + 1);
    if (tail)
        memcpy(at + HEAD + path + 1, e->bytes, tail);
    b->len += HEAD + path + 1 + tail;
}

bool parcel_path_is_plain(const char *path)
{
    const char *part = path;
    if (!*path || strlen(path) > PARCEL_PATH_MAX)
        return false;
    for (;;) {
        size_t len = strcspn(part, "/");
        if (len == 0 || (len == 1 && *part == '.') || (len == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        if (!part[len])
            return true;
        part += len + 1;
    }
}

bool parcel_link_is_inside(const char *path, const char *target)
{
    int depth = 0;
    if (*target == '/' || !*target)
        return false;
    for (const char *at = path; (at = strchr(at, '/')); at++)
        depth++;
    for (const char *part = target;; part++) {
        size_t len = strcspn(part, "/");
        if (len == 2 && part[0] == '.' && part[1] == '.')
            depth--;
        else if (len && !(len == 1 && *part == '.'))
            depth++;
        if (depth < 0)
            return false;
        part += len;
        if (!*part)
            return true;
    }
}

/* The entry at data, which points there; 0: it makes no sense, else its length. */
static size_t read_entry(struct parcel_entry *e, const uint8_t *data, size_t len)
{
    if (len < HEAD + 2 || data[0] > PARCEL_PLACED)
        return 0;
    size_t path = data[21] | (size_t)data[22] << 8, start = HEAD + path + 1;
    *e = (struct parcel_entry){.type = (enum parcel_type)data[0],
        .mode = le_u32(data + 1) & 07777,
        .size = le_u64(data + 5),
        .mtime_ns = le_u64(data + 13),
        .path = (char *)(uintptr_t)data + HEAD};
    if (start > len || memchr(e->path, 0, path + 1) != e->path + path || !parcel_path_is_plain(e->path))
        return 0;
    bool is_short = (e->type == PARCEL_DATA && e->size > PARCEL_DATA_MAX) ||
                    (e->type == PARCEL_LINK && e->size > PARCEL_PATH_MAX) || e->size > INT64_MAX / 2;
    e->bytes = data + start;
    if (e->type == PARCEL_PLACED && (start == len || *e->bytes != '/' || !memchr(e->bytes, 0, len - start)))
        return 0;
    size_t tail = is_short ? SIZE_MAX : tail_size(e);
    if (tail > len - start)
        return 0;
    if (e->type == PARCEL_CONTENT && e->size / CONTENT_BLOCK >= UINT32_MAX)
        return 0;
    if (e->type == PARCEL_LINK && (memchr(e->bytes, 0, e->size + 1) != e->bytes + e->size ||
                                      !parcel_link_is_inside(e->path, (const char *)e->bytes)))
        return 0;
    return start + tail;
}

enum clw_err parcel_list_read(struct parcel_list *list, const uint8_t *data, size_t len, struct clw_error *err)
{
    size_t room = 0;
    *list = (struct parcel_list){0};
    while (len) {
        if (list->count == room) {
            room = room ? 2 * room : 8;
            list->entries = mem_realloc(list->entries, room * sizeof *list->entries);
        }
        size_t taken = list->count < PARCEL_ENTRIES_MAX ? read_entry(&list->entries[list->count], data, len) : 0;
        if (!taken) {
            parcel_list_fini(list);
            return clw_fail(err, CLW_PROTOCOL, NULL, "a list of files that makes no sense, or is too long");
        }
        list->count++;
        data += taken;
        len -= taken;
    }
    return CLW_OK;
}

void parcel_list_fini(struct parcel_list *list)
{
    free(list->entries);
    *list = (struct parcel_list){0};
}
