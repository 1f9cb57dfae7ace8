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

/* What of the agent is offered, in which order. All borrowed, and copied. */
struct agent_offer {
    const struct agent_keys *wanted;       /* these first */
    const struct agent_keys *certificates; /* before them: of files, for keys that the agent has */
    bool only;                             /* no others */
};

/* Connects to the agent at path, a socket of this user's. *fd is the end for the library, which takes it. NULL when
 * there is no agent. The talk ends at deadline_ms (mono_ms()) or when *cancelled. waits(arg, true) is called in the
 * talk's own thread when a signature takes more than a moment, as when the agent asks its owner; and with false when it
 * is there. */
struct agent *agent_open(const char *path, const struct agent_offer *offer, uint64_t deadline_ms,
    const _Atomic bool *cancelled, void (*waits)(void *arg, bool waits), void *arg, int *fd);
/* Ends the talk. offered (may be NULL): the keys that were shown, owned by the caller: agent_keys_fini(). */
void agent_close(struct agent *a, struct agent_keys *offered);

void agent_keys_add(struct agent_keys *keys, const void *blob, size_t len);
bool agent_keys_has(const struct agent_keys *keys, const void *blob, size_t len);
void agent_keys_fini(struct agent_keys *keys);
/* Is the first the certificate of a key, and the other that key? */
bool agent_is_certificate_of(const void *cert, size_t cert_len, const void *key, size_t key_len);

/* Picks what to offer out of an agent's answer (type 12 and what follows): pure, for tests. False: the answer
 * is broken. */
bool agent_filter(
    const uint8_t *answer, size_t len, const struct agent_offer *offer, struct buf *out, struct agent_keys *offered);
/* Names the key itself in a request to sign (type 13) with one of those certificates, as the agent knows it; any other
 * message stays. Pure, for tests. */
void agent_name_key(struct buf *request, const struct agent_keys *certificates, const struct agent_keys *plain);

#endif
