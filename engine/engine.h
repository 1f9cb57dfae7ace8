/* The engine: the background process of one user that owns profiles, daemons, queues and statistics. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

struct engine_options {
    bool foreground;  /* stay attached and log to stderr */
    uint64_t idle_ms; /* stop after so long without profiles and clients; 0: never */
};

/* Runs the engine in this process: returns the exit status, when it has been told to stop. In the background the first
 * process returns 0 as soon as the engine answers (also when one runs already), or another status with a line on
 * stderr. */
int engine_main(const struct engine_options *options);

#endif
