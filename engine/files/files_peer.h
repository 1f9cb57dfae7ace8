/* A daemon's connection for files. The loop takes its frames and sends its answers; what reads and writes files is a
 * thread of its own, which waits for a disk and for the line, and touches nothing of the engine's. */
#ifndef ENGINE_FILES_FILES_PEER_H
#define ENGINE_FILES_FILES_PEER_H

#include "engine/model/model.h"

/* A daemon that is known says that this connection is for files. Refused when there is no thread to be had. */
void files_peer_hello(struct peer *p, struct daemon *m);
void files_peer_frame(struct peer *p, const struct frame *f, struct blk *block);
/* All that was queued for it has gone out. */
void files_peer_sent(struct peer *p);
/* Its connection is over. */
void files_peer_gone(struct peer *p);
/* Ends all, and waits for their threads: when the engine ends. */
void files_peers_stop(struct engine *e);

#endif
