/* A conversation that outlives its connections. Each side counts the frames that it has received, and keeps those that
 * it has sent until the other is known to have them. When a connection broke and there is another one, both say how
 * many they have, and send again what is missing: nothing is lost, doubled or out of order. Greetings, pings and their
 * answers are of one connection alone and do not count. Not safe for several threads. */
#ifndef ENGINE_WIRE_RESUME_H
#define ENGINE_WIRE_RESUME_H

#include "base/mem.h"
#include "engine/wire/wire.h"

#include <stdbool.h>

/* Of a body: a part of a block. */
struct link_piece {
    const uint8_t *data;
    uint32_t len;
    struct blk *block;
};

struct resume;

struct resume *resume_new(void);
void resume_free(struct resume *r); /* NULL is fine; no link has it any more */
/* While there is no link: as link_send() and link_send_ref() with one, but it is only kept. */
void resume_send(struct resume *r, const struct frame *f, const void *body);
void resume_send_ref(struct resume *r, const struct frame *f, const struct link_piece *pieces, int count);
/* How many frames have come, to tell the other side. */
uint64_t resume_received(const struct resume *r);

/* ---- for the link ---- */

bool resume_counts(uint8_t type);
/* A frame of len bytes came. */
void resume_came(struct resume *r, uint32_t len);
/* So much has come that the other side should be told; the caller does so. */
bool resume_owes(struct resume *r);
/* The other side has the first n: they are let go. False: it cannot. */
bool resume_has(struct resume *r, uint64_t n);
/* So much is kept that the other side cannot have told what it has, though it answers. */
bool resume_lags(const struct resume *r);
/* The i-th of the frames that are kept, oldest first, and the pieces of its body, all borrowed; NULL: there are no
 * more.
 */
const struct frame *resume_kept(const struct resume *r, size_t i, const struct link_piece **pieces, int *count);

#endif
