/* Inside store/ only: the parts of a profile, shared by profile.c and profile_parts.c. */
#ifndef STORE_PROFILE_INTERNAL_H
#define STORE_PROFILE_INTERNAL_H

#include "store/profile.h"
#include "store/store_internal.h"

/* CLW_NOT_FOUND with a hint when there is no such profile. */
enum clw_err store__profile_id(struct store *s, const char *name, int64_t *id, struct clw_error *err);
/* The hosts of p->id. */
enum clw_err store__profile_load_hosts(struct store *s, struct store_profile *p, struct clw_error *err);
/* Columns of JSON text and the lists they hold. Pack returns owned text; unpack false when it is not such a
 * list. */
char *store__pack_strings(const struct store_strings *list);
char *store__pack_setup(const struct store_profile *p);
bool store__unpack_strings(const char *text, struct store_strings *list);
bool store__unpack_setup(const char *text, struct store_profile *p);

#endif
