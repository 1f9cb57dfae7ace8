/* What a client asks for. */
#ifndef ENGINE_SERVE_SERVE_CLIENT_H
#define ENGINE_SERVE_SERVE_CLIENT_H

#include "engine/model/model.h"

void client_frame(struct peer *p, const struct frame *f, struct blk *block);
void client_gone(struct peer *p);
void client_sent(struct peer *p); /* its queue may have become shorter */

#endif
