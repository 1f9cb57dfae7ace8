/* The same request about many hosts, several at a time. */
#ifndef TUI_CLI_MANY_H
#define TUI_CLI_MANY_H

#include "tui/cli/inventory.h"

struct many_task {
    const char *host; /* borrowed */
    int status;       /* CLOWDER_OK: reply; else err */
    json_t *reply;
    struct clowder_error err;
};

/* {"op": op, "host": …, "timeout_ms": …} to each of names. Owned, one a name in their order: many_free(). */
struct many_task *many_ask(struct clowder *c, const char *op, const struct inventory_names *names, uint64_t timeout_ms);
void many_free(struct many_task *tasks, size_t count);
/* One line on stderr about a task that failed, with its host's name; returns its status. */
int many_say(struct many_task *t);

#endif
