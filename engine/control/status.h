/* The state of everything, as the JSON document that `clowder status --json` promises. */
#ifndef ENGINE_CONTROL_STATUS_H
#define ENGINE_CONTROL_STATUS_H

#include "engine/model/model.h"

json_t *status_json(struct engine *e, const char *profile); /* NULL: all; returned owned, NULL when there is no such */

#endif
