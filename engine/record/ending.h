/* How a task ended that did not go well, in words, as the store keeps it. */
#ifndef ENGINE_RECORD_ENDING_H
#define ENGINE_RECORD_ENDING_H

#include "engine/wire/wire.h"

/* Owned. why: a host's word or a worker's, which is escaped here; at most 150 bytes of it are kept. */
char *ending_text(enum wire_outcome outcome, int exit_status, int signal, const void *why, size_t why_len);

#endif
