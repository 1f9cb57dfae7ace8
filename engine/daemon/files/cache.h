/* Contents on this machine, by their names, for all daemons of the user: each is fetched once, by whoever has its lock.
 * What is there is whole, and was checked; a file that was written to since is checked again. */
#ifndef ENGINE_DAEMON_CACHE_H
#define ENGINE_DAEMON_CACHE_H

#include "engine/wire/content.h"

struct cache {
    char *folder;         /* owned; "" when there is none to be had */
    uint64_t limit_bytes; /* what was not used for longest goes beyond it */
    uint64_t added_bytes; /* since it was looked at last */
};

/* Where programs that came along are, or else in the user's own cache. */
void cache_init(struct cache *c);
void cache_fini(struct cache *c);

/* A content that is there: a descriptor to read it, and its path when path is not NULL (owned). -1: it is not. */
int cache_find(const struct cache *c, const uint8_t name[CONTENT_HASH], uint64_t size, char **path);

/* A content that comes. */
struct cache_part {
    int fd;
    char *path;
    uint32_t have; /* whole blocks that are there from before, not checked yet */
};
/* Waits for another that fetches it. 0; EEXIST: it is there now; or an errno, ECANCELED when stop was set. */
int cache_begin(const struct cache *c, struct cache_part *p, const uint8_t name[CONTENT_HASH], uint64_t size,
    const atomic_bool *stop);
/* It is whole, at p->path from now on. 0 or an errno. */
int cache_end(struct cache *c, struct cache_part *p, const uint8_t name[CONTENT_HASH], uint64_t size);
/* Gives it up; what is there stays, for whoever goes on. */
void cache_leave(struct cache_part *p);

#endif
