/* All launchers there are, and what they share. */
#ifndef ENGINE_PROFILES_LAUNCHERS_LAUNCHERS_H
#define ENGINE_PROFILES_LAUNCHERS_LAUNCHERS_H

#include "engine/model/launcher.h"

extern const struct launcher launcher_here;      /* launch_here.c: a child of the engine */
extern const struct launcher launcher_command;   /* launch_command.c: the same, by a command line of the user's */
extern const struct launcher launcher_ssh;       /* launch_ssh.c: through a host's link */
extern const struct launcher launcher_scheduler; /* launch_scheduler.c: jobs of a cluster's scheduler */
extern const struct launcher launcher_foreign;   /* launch_foreign.c: daemons of other engines, through a link */

/* A process behind its host's link. */
void launch_signal_there(const struct daemon *m, int signal);
/* Who a daemon is, as lines of its settings; launch_wipe() when they were handed over. */
void launch_add_identity(struct buf *b, const struct daemon *m);
void launch_wipe(struct buf *settings);
/* The certificate as one line of a daemon's settings. */
void launch_add_cert(struct buf *b, const char *pem);

#endif
