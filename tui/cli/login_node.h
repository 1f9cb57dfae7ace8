/* Which machine a scheduler's host is: the login node that the user means, or this one. */
#ifndef TUI_CLI_LOGIN_NODE_H
#define TUI_CLI_LOGIN_NODE_H

#include "store/host.h"
#include "store/store.h"

/* Completes the address of h when its launcher is a scheduler. Without one, a host whose name ssh's configuration knows
 * is that login node. An address without user and port that names a host of the inventory means that host's. Others
 * stay. */
void login_node(struct store *s, struct store_host *h);

#endif
