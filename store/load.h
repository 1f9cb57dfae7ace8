/* The history of how loaded hosts were, over the last hour. */
#ifndef STORE_LOAD_H
#define STORE_LOAD_H

#include "store/store.h"
#include "store/valid.h"

#include <stddef.h>

#define STORE_LOAD_KEPT_S 3600

struct store_load {
    int64_t at_s;            /* seconds since 1970 */
    double load;             /* mean number of processes that run or would, of the minute before */
    uint64_t mem_used_bytes; /* 0: unknown */
};

struct store_load_list {
    struct store_load *items; /* by time */
    size_t count;
};

/* host: a name, or "local" for this machine; it need not be in the inventory. One a second is kept, the first. */
enum clw_err store_load_add(struct store *s, const char *host, const struct store_load *load, struct clw_error *err);
/* What is known of the host since from_s. On failure *out is empty. */
enum clw_err store_load_list(
    struct store *s, const char *host, int64_t from_s, struct store_load_list *out, struct clw_error *err);
void store_load_list_fini(struct store_load_list *list);
/* Forgets what is older than STORE_LOAD_KEPT_S. */
enum clw_err store_load_tidy(struct store *s, int64_t now_s, struct clw_error *err);

#endif
