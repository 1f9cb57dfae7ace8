/* Inside hosts/ only. A bridge carries bytes both ways between an SSH channel and a descriptor here, with
 * backpressure both ways: a full descriptor leaves the bytes in the channel's window, a full window leaves
 * them in the descriptor. Tunnels use it, and the hops of a jump. Bridges belong to the pump's thread. */
#ifndef HOSTS_BRIDGE_H
#define HOSTS_BRIDGE_H

#include "hosts/meter.h"
#include "hosts/pump.h"

/* Takes the open channel and fd; counted: its bytes go into the pump's counters. target: dialled again while
 * the listener's queue is full (borrowed for the call; NULL: never). meter: counts what passes once the
 * local end is connected (a reference is taken), or NULL. */
void bridge_open(struct pump *p, struct hop *h, ssh_channel channel, int fd, bool pending, const char *target,
    bool counted, struct meter *meter);
/* Once a round: resumes what can go on, frees what is over. */
void bridge_settle(struct pump *p);
void bridge_close_all(struct pump *p);

#endif
