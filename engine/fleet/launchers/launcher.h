/* How daemons are started: the one place where it is asked of what kind they are. A daemon's launcher is chosen when it
 * is to be launched (place_launcher()), and stays. */
#ifndef ENGINE_FLEET_LAUNCHERS_LAUNCHER_H
#define ENGINE_FLEET_LAUNCHERS_LAUNCHER_H

#include "engine/core.h"

struct launcher {
    enum fleet_kind kind;
    bool is_shell; /* its tasks see the environment of the shell that brought the profile up */
    /* One may be launched there now. False: it said why, or looks; there is another round then. NULL: always. */
    bool (*is_ready)(struct place *l, uint64_t now_ms);
    enum clw_err (*launch)(struct engine *e, struct daemon *m, struct clw_error *err);
    /* Launches all that the place lacks, in place of launch; or NULL. */
    void (*launch_missing)(struct engine *e, struct place *l);
    /* Of its process, as far as there is one. NULL: there is none that we could reach. */
    void (*signal)(const struct daemon *m, int signal);
    /* What the host's link says of it; NULL: it says nothing. */
    void (*event)(struct engine *e, struct daemon *m, const struct host_daemon_event *event);
    void (*look)(struct daemon *m); /* its connection ended, or it says that it goes; or NULL */
    void (*fini)(struct daemon *m); /* before it is freed; or NULL */
};

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
