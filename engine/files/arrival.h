/* What a task made, on its way home: written beside its place, checked, and put there when all of it has come. In the
 * thread of its connection. */
#ifndef ENGINE_FILES_ARRIVAL_H
#define ENGINE_FILES_ARRIVAL_H

#include "engine/files/file_job.h"

struct arrival;

/* From the body of a PUT, of which it holds the block. is_here: of a daemon on this machine. NULL, and *why in words,
 * owned: it may not come. */
struct arrival *arrival_new(struct file_job *j, const char *input, size_t len, uint64_t index, struct blk *block,
    const uint8_t *list, size_t list_len, bool is_here, const atomic_bool *stop, char **why);
/* Removes what is not whole, unless it can go on later. */
void arrival_free(struct arrival *a);
/* Appends from which block on each content is needed. False: none is. */
bool arrival_needs(const struct arrival *a, struct buf *out);
/* The next block. NULL; or why it cannot be taken, owned. */
char *arrival_block(struct arrival *a, uint32_t n, const uint8_t *data, size_t len);
bool arrival_is_whole(const struct arrival *a);
/* All is put in its place. NULL; or why not, owned. */
char *arrival_end(struct arrival *a, uint32_t *files, uint64_t *bytes);

#endif
