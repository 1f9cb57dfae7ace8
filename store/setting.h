/* Settings: keys and values of the user's, shared by all processes. Never a secret. */
#ifndef STORE_SETTING_H
#define STORE_SETTING_H

#include "store/store.h"
#include "store/valid.h"

#include <stddef.h>

#define STORE_VALUE_MAX 65536 /* bytes */

struct store_setting {
    char key[STORE_NAME_SIZE];
    char *value;
};

struct store_setting_list {
    struct store_setting *items; /* by key */
    size_t count;
};

/* *value is owned by the caller; NULL on failure. CLW_NOT_FOUND. */
enum clw_err store_setting_get(struct store *s, const char *key, char **value, struct clw_error *err);
/* key is a name, value any UTF-8 text. CLW_USAGE. */
enum clw_err store_setting_set(struct store *s, const char *key, const char *value, struct clw_error *err);
/* CLW_NOT_FOUND. */
enum clw_err store_setting_remove(struct store *s, const char *key, struct clw_error *err);
enum clw_err store_setting_list(struct store *s, struct store_setting_list *out, struct clw_error *err);
void store_setting_list_fini(struct store_setting_list *list);

#endif
