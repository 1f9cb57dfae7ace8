/* What passed between daemons of other engines and their bases, for people. */
#ifndef ENGINE_PROFILES_FOREIGN_STATUS_H
#define ENGINE_PROFILES_FOREIGN_STATUS_H

#include "engine/model/model.h"

unsigned foreign_busy(const struct profile *p);
json_t *foreign_traffic_json(struct profile *p, uint64_t now_ms);
json_t *foreign_daemon_json(const struct daemon *m);

#endif
