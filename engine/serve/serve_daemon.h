/* What a daemon says: hello, answers, that it leaves. */
#ifndef ENGINE_SERVE_SERVE_DAEMON_H
#define ENGINE_SERVE_SERVE_DAEMON_H

#include "engine/model/model.h"

void peer_daemon_hello(struct peer *p, struct daemon *m, const struct wire_hello *h);
void peer_daemon_frame(struct peer *p, const struct frame *f, struct blk *block);
void peer_daemon_gone(struct peer *p, const char *why);
/* Its answer to tasks, which may have been made for it. */
void serve_answer(struct peer *p, const struct frame *f, struct blk *block);

#endif
