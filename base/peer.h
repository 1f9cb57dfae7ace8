/* Whose process is at the other end of a connection on this machine, by the kernel's word. */
#ifndef BASE_PEER_H
#define BASE_PEER_H

#include <stdbool.h>
#include <stdint.h>

/* Of a connected unix socket: the user of who connected, or, for who connected, of who listens. -1: unknown. */
int64_t peer_uid_unix(int fd);
/* The same of a connection over the loopback that was accepted here. -1: unknown, as when the other end is closed
 * already, or is on another machine. */
int64_t peer_uid_tcp(int fd);
/* Is it us, or root? */
bool peer_is_ours(int64_t uid);

#endif
