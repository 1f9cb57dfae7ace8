/* What daemons on this machine print: through one pipe into daemons.log, which is bounded as the engine's own log is. A
 * daemon never waits for it: what the pipe does not take is left out. */
#ifndef ENGINE_PEERS_OUTPUT_H
#define ENGINE_PEERS_OUTPUT_H

#include "engine/model/model.h"

enum clw_err output_open(struct engine *e, struct clw_error *err);
bool output_start(struct engine *e); /* there is a loop. False: no descriptors */
void output_stop(struct engine *e);

#endif
