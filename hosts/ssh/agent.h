/* Inside hosts/ only. A go-between for the user's SSH agent: the library offers every key of the agent and
 * stops at the first it cannot read, so it is given this instead, which shows only what should be offered, in
 * the right order, and ends the talk when the agent does not answer. One thread each, that knows no session.
 */
#ifndef HOSTS_SSH_AGENT_H
#define HOSTS_SSH_AGENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

enum { AGENT_KEYS = 32 };

/* Public keys as the agent and the wire write them. */
struct agent_keys {
    struct buf blobs[AGENT_KEYS];
    size_t count;
};

struct agent;

/* Connects to the agent at path. wanted: keys that are offered first (copied); only: no others. *fd is the
 * end for the library, which takes it. NULL when there is no agent. The talk ends at deadline_ms (mono_ms())
 * or when *cancelled. */
struct agent *agent_open(const char *path, const struct agent_keys *wanted, bool only, uint64_t deadline_ms,
    const _Atomic bool *cancelled, int *fd);
/* Ends the talk. offered (may be NULL): the keys that were shown, owned by the caller: agent_keys_fini(). */
void agent_close(struct agent *a, struct agent_keys *offered);

void agent_keys_add(struct agent_keys *keys, const void *blob, size_t len);
bool agent_keys_has(const struct agent_keys *keys, const void *blob, size_t len);
void agent_keys_fini(struct agent_keys *keys);

/* Picks what to offer out of an agent's answer (type 12 and what follows): pure, for tests. False: the answer
 * is broken. */
bool agent_filter(const uint8_t *answer, size_t len, const struct agent_keys *wanted, bool only, struct buf *out,
    struct agent_keys *offered);

#endif
