/* What a daemon of another engine is started with: its base, and the shell script that is its launch. Pure: text in,
 * text out. docs/runtimes.md. */
#ifndef ENGINE_PROFILES_FOREIGN_SCRIPT_H
#define ENGINE_PROFILES_FOREIGN_SCRIPT_H

#include "base/err.h"
#include "base/mem.h"
#include "hosts/remote/meter.h"
#include "store/profile.h"

/* Where daemons dial, in the user's own session. */
struct foreign_base {
    char scheme[16]; /* tcp, tls+tcp, tls, ws, …; ipc: a unix socket */
    char name[256];  /* of its host, as the url has it; "": a unix socket */
    unsigned port;
    char rest[300];   /* path and query, or "" */
    char target[100]; /* where the tunnel ends, of hosts/ssh/session.h */
    size_t at, len;   /* where in the text its "name:port" stood; of ipc, the whole url */
};

/* CLW_USAGE: not SCHEME://HOST:PORT[/PATH] or ipc:///PATH, or its host is another machine. */
enum clw_err foreign_base_parse(const char *url, struct foreign_base *out, struct clw_error *err);
/* The first url in text that points to this machine's loopback, or to a socket of it; false: there is none. */
bool foreign_base_find(const char *text, struct foreign_base *out);
/* How its bytes are framed. */
enum meter_kind foreign_meter_kind(const struct foreign_base *b, enum store_runtime runtime);

/* All borrowed. */
struct foreign_launch {
    enum store_runtime runtime;
    const struct foreign_base *base;          /* NULL: a command without {url} */
    const char *mark;                         /* of hosts/ssh/session.h */
    const char *const *command;               /* argv, NULL-terminated; runtime COMMAND */
    const char *const *options;               /* "K=V", NULL-terminated, or NULL */
    const char *const *env, *const *more_env; /* the same: what the daemon sees */
    const char *const *tags;                  /* of its host, or NULL */
    uint64_t idletime_ms, walltime_ms, maxtasks;
    const char *name, *host;
    unsigned number;       /* in its profile, from 1 */
    int gpu;               /* or -1 */
    unsigned contact_port; /* Dask: where others reach it; 0: it listens where it likes */
    bool is_reached;       /* … by way of its link: it listens at @LISTEN@ */
};

/* Appends the script. */
void foreign_script(const struct foreign_launch *l, struct buf *out);
/* Appends that of a command line that somebody gave whole, at which base stands: only the port in it, or the path of a
 * socket, changes. */
void foreign_script_given(
    const char *command, const struct foreign_base *base, const struct foreign_launch *l, struct buf *out);

/* What its exit status says, for people; NULL: nothing more than the number. *by_itself: it has done what it was to do.
 */
const char *foreign_exit_text(enum store_runtime runtime, int status, bool *by_itself);

#endif
