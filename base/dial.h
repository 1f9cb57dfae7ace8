/* Connections to places that need no look-up of a name. */
#ifndef BASE_DIAL_H
#define BASE_DIAL_H

#include <stdbool.h>

/* A connection to a target ("unix:/path", "tcp:127.0.0.1:port", "tcp:[::1]:port"), non-blocking, perhaps not yet
 * finished (*pending), or -1 with errno set (EAGAIN: the listener's queue is full). The caller closes it. */
int dial_target(const char *target, bool *pending);
/* Is the target's text of one of these forms? */
bool dial_is_target(const char *target);

#endif
