/* Inside hosts/ only: keeping a session alive. */
#ifndef HOSTS_SERVE_H
#define HOSTS_SERVE_H

#include "hosts/link_private.h"

/* The library has one place for the answer to a global request: waits until no keepalive is in it. */
enum clw_err link__keepalive_settle(struct host_link *l);

#endif
