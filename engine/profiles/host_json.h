/* What a host's link last said, for people. */
#ifndef ENGINE_PROFILES_HOST_JSON_H
#define ENGINE_PROFILES_HOST_JSON_H

#include "engine/model/model.h"

json_t *host_key_json(const struct host_key_info *k);
json_t *host_prompt_json(const struct host_prompt *p);
/* The word for its state. */
const char *host_word(const struct host_snapshot *s);
json_t *host_json(struct engine *e, const struct host *h);

#endif
