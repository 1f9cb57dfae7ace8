/* Jobs that were submitted to schedulers and may still be there: what an engine that was killed leaves for the next
 * one. */
#ifndef STORE_BATCH_H
#define STORE_BATCH_H

#include "store/store.h"
#include "store/valid.h"

#include <stddef.h>

#define STORE_BATCH_ID_SIZE 64

struct store_batch {
    char host[STORE_NAME_SIZE], profile[STORE_NAME_SIZE];
    char job[STORE_BATCH_ID_SIZE];    /* the scheduler's id */
    char folder[STORE_BATCH_ID_SIZE]; /* below ~/.cache/clowder there */
    unsigned count;                   /* elements of its array */
};

struct store_batch_list {
    struct store_batch *items;
    size_t count;
};

enum clw_err store_batch_add(struct store *s, const struct store_batch *b, struct clw_error *err);
/* It is over. One that is not there is fine. */
enum clw_err store_batch_remove(struct store *s, const char *host, const char *job, struct clw_error *err);
enum clw_err store_batch_list(struct store *s, struct store_batch_list *out, struct clw_error *err);
void store_batch_list_fini(struct store_batch_list *list);

#endif
