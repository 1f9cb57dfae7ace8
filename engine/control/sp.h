/* Scalability protocols as nng speaks them, over a socket of this machine: the sides that answer (REP) and that tell
 * (PUB). nng's own listener is not used for them: docs/architecture.md says why. */
#ifndef ENGINE_CONTROL_SP_H
#define ENGINE_CONTROL_SP_H

#include "base/loop.h"
#include "engine/control/sp_frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sp;         /* one side, and all connections to it */
struct sp_request; /* a request that has no answer yet; it outlives its connection */

struct sp_events {
    /* REP: a request came. data may be changed, and is wiped after the return. sp_answer() is due, now or later. */
    void (*request)(void *arg, struct sp_request *r, uint8_t *data, size_t len);
    /* REP: who sent it is gone. What was to be answered still may be, and must be. */
    void (*gone)(void *arg, struct sp_request *r);
    /* PUB: there are more or fewer who listen. Both: sp_tick() is due sooner than it said. */
    void (*changed)(void *arg);
};

/* side: SP_REP or SP_PUB. max: bytes of a message that comes. */
struct sp *sp_new(struct loop *loop, enum sp_protocol side, size_t max, const struct sp_events *events, void *arg);
/* Ends all connections; requests that are not answered stay theirs who have them, until they are. NULL is fine. */
void sp_free(struct sp *sp);
/* There are as many connections as may be. */
bool sp_is_full(const struct sp *sp);
/* A connection, which is taken. False with errno: it cannot be watched, and is closed. */
bool sp_add(struct sp *sp, int fd);
/* How many are connected and have greeted. */
unsigned sp_count(const struct sp *sp);

/* Once for each request, and r is gone. */
void sp_answer(struct sp_request *r, const void *data, size_t len);
/* To everybody who has read what came before; who has not misses this one. False: somebody missed it who had not missed
 * the one before. */
bool sp_publish(struct sp *sp, const void *data, size_t len);
/* Ends who has begun to greet or to speak and does not come to an end. When to call it again, on mono_ms()'s clock;
 * UINT64_MAX: not before changed(). */
uint64_t sp_tick(struct sp *sp, uint64_t now_ms);

#endif
