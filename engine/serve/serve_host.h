/* What a host's link says. */
#ifndef ENGINE_SERVE_SERVE_HOST_H
#define ENGINE_SERVE_SERVE_HOST_H

#include "engine/model/model.h"

/* From now on it is heard. */
void serve_hosts(struct engine *e);

#endif
