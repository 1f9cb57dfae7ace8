/* How a host is reached, as ssh says it: for host show. */
#ifndef TUI_CLI_HOST_SSH_H
#define TUI_CLI_HOST_SSH_H

#include "store/host.h"

#include <jansson.h>

/* {"hostname": …, "user": …, …, "problem": null}, or only "problem" and "hint": why ssh does not know. JSON's null for
 * a host that is not reached by SSH. Owned. It waits for ssh. */
json_t *host_ssh_json(const struct store_host *host);
/* "me@10.0.0.7:22 through bastion", or the problem; owned, "" for JSON's null. */
char *host_ssh_text(const json_t *ssh);

#endif
