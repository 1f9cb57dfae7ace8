/* The history of launches: which step was reached, and what the other side said. */
#ifndef STORE_LAUNCH_H
#define STORE_LAUNCH_H

#include "store/store.h"
#include "store/valid.h"

#include <stddef.h>

#define STORE_LAUNCH_ROWS 2000 /* kept; older ones go */
#define STORE_LAUNCH_MESSAGE_MAX 4000

struct store_launch {
    int64_t id;
    char profile[STORE_NAME_SIZE];
    char host[STORE_NAME_SIZE];
    uint64_t started_us; /* wall_us() */
    char step[32];       /* where it is or ended: "connect", "upload", ... */
    char outcome[32];    /* "": under way */
    char *message;       /* owned; NULL counts as "" */
};

struct store_launch_list {
    struct store_launch *items;
    size_t count;
};

/* Writes all but the id and puts the new id into launch->id. What is not UTF-8 is escaped, what is too long
 * cut. */
enum clw_err store_launch_add(struct store *s, struct store_launch *launch, struct clw_error *err);
/* Writes step, outcome and message to the row of launch->id. CLW_NOT_FOUND. */
enum clw_err store_launch_update(struct store *s, const struct store_launch *launch, struct clw_error *err);
/* The newest limit launches of a profile and a host (NULL: any), newest first. On failure *out is empty. */
enum clw_err store_launch_list(struct store *s, const char *profile, const char *host, size_t limit,
    struct store_launch_list *out, struct clw_error *err);
void store_launch_fini(struct store_launch *launch);
void store_launch_list_fini(struct store_launch_list *list);

#endif
