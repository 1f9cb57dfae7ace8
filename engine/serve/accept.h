/* Connections: accepted, greeted, bounded, dropped. Who says hello properly becomes a client or a daemon; who does not
 * is dropped with one line in the log, and nobody else notices. */
#ifndef ENGINE_SERVE_ACCEPT_H
#define ENGINE_SERVE_ACCEPT_H

#include "engine/model/model.h"

struct nng_stream;
enum clw_err accept_start(struct engine *e, struct clw_error *err);
void accept_stop(struct engine *e); /* when all connections are closed and freed */
void accept_stream(struct engine *e, const void *from, struct nng_stream *stream);
/* A connection that a host's link brings home, which is taken. */
void accept_remote(struct engine *e, const struct host *from, int fd);
void accept_tick(struct engine *e, uint64_t now_ms);

#endif
