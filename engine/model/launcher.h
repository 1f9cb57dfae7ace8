/* How daemons are started: the one place where it is asked of what kind they are. A daemon's launcher is chosen when it
 * is to be launched (place_launcher()), and stays. */
#ifndef ENGINE_MODEL_LAUNCHER_H
#define ENGINE_MODEL_LAUNCHER_H

#include "engine/model/model.h"

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

#endif
