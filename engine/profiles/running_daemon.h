/* A daemon as the engine sees it, from the decision to start it until its process is gone. */
#ifndef ENGINE_PROFILES_RUNNING_DAEMON_H
#define ENGINE_PROFILES_RUNNING_DAEMON_H

#include "engine/model/model.h"

struct daemon *daemon_new(struct engine *e, struct place *l);
/* Sets one of its texts; at most 199 bytes of it are kept. NULL: none. */
void daemon_say(const char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* It has no connection: what it had goes to others. */
void daemon_lose_tasks(struct engine *e, struct daemon *m);
void daemon_remove(struct engine *e, struct daemon *m);
void daemon_exited(struct engine *e, pid_t pid, int status); /* a process on this machine */
/* Carries out what the fleet decided. FLEET_FORGET: m is freed. */
void daemon_act(struct engine *e, struct daemon *m, unsigned acts);
/* The host could not launch it: text says why, hint what to do. Frees it. */
void daemon_launch_failed(struct engine *e, struct daemon *m, const char *text, const char *hint);
/* Asks a daemon to stop: after its tasks, or now. */
void daemon_quit(struct daemon *m, bool now);
void daemon_signal(const struct daemon *m, int signal);

#endif
