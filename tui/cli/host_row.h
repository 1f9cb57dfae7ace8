/* A host as it is shown: what the store has, and over it what the engine sees now. */
#ifndef TUI_CLI_HOST_ROW_H
#define TUI_CLI_HOST_ROW_H

#include "store/host.h"
#include "tui/cli/request.h"

#include <stdbool.h>

struct host_row {
    struct store_host host; /* owned */
    json_t *facts;          /* an object, empty before the first probe */
    json_t *link;           /* of the engine; NULL: none, or no engine */
    const char *state;      /* a word; "unknown" when nothing is known */
    const char *reason, *hint;
};

/* Fills the rest of a row whose host is there. links: the engine's answer, or NULL. */
void host_row_fill(struct host_row *row, const json_t *links);
void host_row_fini(struct host_row *row);

/* "user@address:port"; the name where no address is stated. out holds STORE_TARGET_SIZE bytes. Returns out. */
const char *host_row_target(const struct host_row *row, char *out);
/* The object of `host list --json`, owned. facts is taken; NULL: none. */
json_t *host_row_json(const struct store_host *h, const char *state, const char *reason, json_t *facts);

#endif
