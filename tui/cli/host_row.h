/* A host as it is shown: what the store has, and over it what the engine sees now. Filters over such rows. */
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

struct host_rows {
    struct host_row *items; /* by name */
    size_t count;
};

/* All hosts; the engine is asked when it runs, and never started. 0, or an exit status that was told. */
int host_rows_load(struct store *s, struct host_rows *rows);
void host_rows_fini(struct host_rows *rows);
/* Fills the rest of a row whose host is there. links: the engine's answer, or NULL. */
void host_row_fill(struct host_row *row, const json_t *links);
void host_row_fini(struct host_row *row);

/* '+' up, '!' somebody has to do something, '~' under way, '-' resting. */
char host_state_sign(const char *state);
/* "user@address:port"; the name where no address is stated. out holds STORE_TARGET_SIZE bytes. Returns out. */
const char *host_row_target(const struct host_row *row, char *out);
/* The round trip in microseconds, 0: unknown. */
uint64_t host_row_rtt_us(const struct host_row *row);
/* The object of `host list --json`, owned. */
json_t *host_row_json(const struct host_row *row);

/* A filter: plain text, `!` before any to turn it round, `state:down`, `tag:rack2`, `gpu>0`, `cores>=8`. 0 and *match,
 * or 2 and *why, owned: what is wrong with it. */
int host_row_matches(const struct host_row *row, const char *filter, bool *match, char **why);

#endif
