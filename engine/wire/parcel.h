/* What of a task's files travels, as a list: the body of LIST and PUT. Small files lie in it whole; of others it has
 * the name of their content. */
#ifndef ENGINE_WIRE_PARCEL_H
#define ENGINE_WIRE_PARCEL_H

#include "base/err.h"
#include "base/mem.h"
#include "engine/wire/content.h"

#include <stdbool.h>
#include <stdint.h>

enum parcel_type {
    PARCEL_DATA,    /* a file whose bytes follow */
    PARCEL_CONTENT, /* a file whose content has a name */
    PARCEL_FOLDER,
    PARCEL_LINK,  /* a symbolic link to a place inside the folder that all this is in */
    PARCEL_PLACED /* what is there lies on the engine's own machine already, in another folder */
};

enum {
    PARCEL_DATA_MAX = 256 << 10, /* a larger file is sent by its content, … */
    PARCEL_DATA_ALL = 8 << 20,   /* … and so are those that follow so much */
    PARCEL_ENTRIES_MAX = 100000,
    PARCEL_PATH_MAX = 4095
};

struct parcel_entry {
    enum parcel_type type;
    uint32_t mode; /* the nine bits of permission */
    uint64_t size, mtime_ns;
    char *path;           /* relative, plain: parcel_path_is_plain() */
    const uint8_t *bytes; /* DATA: size of them; CONTENT: its name; LINK: the target, size bytes and a NUL;
                             PLACED: the folder that path is below, and a NUL */
};

void parcel_add(struct buf *b, const struct parcel_entry *e);

struct parcel_list {
    struct parcel_entry *entries; /* point into the bytes that were read, which must stay */
    size_t count;
};
/* Reads and checks what a peer sent. *list is owned on CLW_OK: parcel_list_fini(). */
enum clw_err parcel_list_read(struct parcel_list *list, const uint8_t *data, size_t len, struct clw_error *err);
void parcel_list_fini(struct parcel_list *list);

/* A path that leads nowhere but further down: no '/' at its start, no empty part, no '.' or '..'. */
bool parcel_path_is_plain(const char *path);
/* Does a link at path, with that target, lead to a place inside the folder that path is relative to? By the words
 * alone.
 */
bool parcel_link_is_inside(const char *path, const char *target);

#endif
