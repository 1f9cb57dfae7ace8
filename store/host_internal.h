/* Inside store/ only: the parts of a host, shared by host.c, host_parts.c, host_facts.c and profile_parts.c.
 */
#ifndef STORE_HOST_INTERNAL_H
#define STORE_HOST_INTERNAL_H

#include "store/host.h"
#include "store/store_internal.h"

/* CLW_NOT_FOUND with a hint when there is no such host. */
enum clw_err store__host_id(struct store *s, const char *name, int64_t *id, struct clw_error *err);
/* Tags and GPUs of h->id. */
enum clw_err store__host_load_parts(struct store *s, struct store_host *h, struct clw_error *err);
enum clw_err store__host_tags_set(struct store *s, int64_t id, const struct store_strings *tags, struct clw_error *err);
/* The longest reason of a host's state, in bytes. */
#define STORE__REASON_MAX 1000
/* May facts of that text be stored, and believed when they are loaded? */
bool store__facts_are_clean(const char *facts);
/* The address without brackets, into out of STORE_ADDRESS_SIZE bytes. */
void store__plain_address(const char *address, char *out);

#endif
