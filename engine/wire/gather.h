/* Which files are meant: patterns and whole folders, below a folder. Used at home for what a task needs, and where it
 * ran for what it made. */
#ifndef ENGINE_WIRE_GATHER_H
#define ENGINE_WIRE_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct gathered {
    char *path;   /* below the folder */
    char *target; /* of a symbolic link that stays one; else NULL, and st is of what it leads to */
    struct stat st;
};

struct gather {
    const char *base; /* the folder, borrowed */
    struct gathered *found;
    size_t count, room;
    char *why; /* in words, owned: what was found cannot travel; NULL: all is well */
};

/* Adds what the pattern matches: * ? [] within a part of the path, ** for any number of folders; a backslash takes a
 * sign as it is. A folder brings all that is in it. Returns how many matched, folders counted once. Hidden files are
 * matched by a pattern that names the dot. */
size_t gather_pattern(struct gather *g, const char *pattern);
/* Adds all below the folder, but for what is hidden. */
void gather_all(struct gather *g);
/* Sorts by path, and drops what was found twice. */
void gather_sort(struct gather *g);
void gather_fini(struct gather *g);

#endif
