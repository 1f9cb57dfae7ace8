/* Which files a task needs, or a job ships, by its function: looked up where they are. */
#ifndef ENGINE_WIRE_NEEDED_H
#define ENGINE_WIRE_NEEDED_H

#include "engine/wire/func.h"
#include "engine/wire/gather.h"

struct needed {
    const struct func *func;
    const char *input;
    size_t len;
    uint64_t index; /* UINT64_MAX: what the job ships */
    bool stays;     /* it runs on this machine: a path from the root is good as it is */
};

/* Calls take for what was found below one folder after the other. NULL; or why something cannot be had, in words,
 * owned.
 */
char *needed_gather(const struct needed *n, void (*take)(void *arg, const struct gather *g), void *arg);

#endif
