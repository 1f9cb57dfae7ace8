/* Settings of a profile as fields of a JSON object: spans in milliseconds, sizes in bytes, CPUs and loads as they are.
 */
#ifndef STORE_PROFILE_SETTING_JSON_H
#define STORE_PROFILE_SETTING_JSON_H

#include "store/profile_setting.h"

#include <jansson.h>

/* Sets the one field; or those of all that are stored. */
void store_row_put(json_t *o, const struct store_setting_row *row, const struct store_settings *s);
void store_settings_put(json_t *o, const struct store_settings *s);
/* Those that a host may have, and that are not the default. */
void store_settings_put_host(json_t *o, const struct store_settings *s);
/* Those that are there replace what s has; the rest stays. NULL, or the row whose value has the wrong type or range:
 * then all of s is as it was. */
const struct store_setting_row *store_settings_take(const json_t *o, struct store_settings *s);

#endif
