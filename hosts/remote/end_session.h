/* Sessions: each daemon leads one, and what it runs is in it. */
#ifndef HOSTS_REMOTE_END_SESSION_H
#define HOSTS_REMOTE_END_SESSION_H

#include <stddef.h>
#include <sys/types.h>

/* Kills what else is in the sessions that these lead (their tasks, when they died before them); sorts the array. Call
 * it while they are dead but not yet reaped, or for oneself, so that their numbers are still their own. */
void session_end(pid_t *leaders, size_t count);

#endif
