/* The asking sides of scalability protocols (nng's REQ and SUB) over a socket of this machine: one connection, waited
 * for by the thread that wants something. Deadlines are on mono_ms()'s clock; UINT64_MAX: never. */
#ifndef ENGINE_CLIENT_SP_DIAL_H
#define ENGINE_CLIENT_SP_DIAL_H

#include "base/mem.h"
#include "engine/control/sp_frame.h"

/* Connects and greets: 0 and *fd, which the caller closes, or an errno. Whoever goes before the greeting was not there:
 * ECONNREFUSED. ETIMEDOUT: somebody listens, and does not greet. */
int sp_dial(const char *path, enum sp_protocol protocol, uint64_t deadline_ms, int *fd);
/* A message of two parts. 0, or an errno: ETIMEDOUT, ECONNRESET. */
int sp_send(int fd, const void *head, size_t head_len, const void *body, size_t len, uint64_t deadline_ms);
/* The next message, put into an empty *message; the same errnos, and EMSGSIZE: it is not one, or has more than max
 * bytes. */
int sp_receive(int fd, size_t max, struct buf *message, uint64_t deadline_ms);

#endif
