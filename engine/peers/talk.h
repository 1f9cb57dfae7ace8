/* What is said over a connection: gathered, and sent once an event; and a connection that is given up. */
#ifndef ENGINE_PEERS_TALK_H
#define ENGINE_PEERS_TALK_H

#include "engine/model/model.h"

/* Sent with the next core_flush(); body is copied. */
void peer_send(struct peer *p, const struct frame *f, const void *body);
void peer_mark(struct peer *p);                  /* something was put into its queue: core_flush() sends it */
void peer_drop(struct peer *p, const char *why); /* one log line, then it is closed */
/* Tells it why, and closes when that is out. */
void peer_refuse(struct peer *p, enum clw_err code, const char *text);
/* Says that we are there, unless something waits for it already: that is answer enough, once it reads. */
void peer_answer_ping(struct peer *p);
/* Like peer_mark, but it may wait CORE_HOLD_MS. */
void peer_hold(struct peer *p);
/* Sends what all connections have to send. */
void core_flush(struct engine *e);
/* A line in the log about somebody who is not in yet: who floods us with such connections does not flood the log. */
void peer_complain(struct engine *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
