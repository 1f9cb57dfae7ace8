/* Inside hosts/ only. A bridge carries bytes both ways between an SSH channel and a descriptor here, with backpressure
 * both ways: a full descriptor leaves the bytes in the channel's window, a full window leaves them in the descriptor.
 * The hops of a jump are joined by it. Bridges belong to the pump's thread. */
#ifndef HOSTS_SSH_BRIDGE_H
#define HOSTS_SSH_BRIDGE_H

#include "hosts/ssh/pump.h"

/* Takes the open channel of h and fd, a connected socket. */
void bridge_open(struct pump *p, struct hop *h, ssh_channel channel, int fd);
/* Once a round: resumes what can go on, frees what is over. */
void bridge_settle(struct pump *p);
void bridge_close_all(struct pump *p);

#endif
