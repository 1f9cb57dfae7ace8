/* The local launcher: starts a daemon on this machine. The token travels on its standard input, never in argv or
 * environment. */
#ifndef HOSTS_LOCAL_H
#define HOSTS_LOCAL_H

#include "base/err.h"

#include <stddef.h>
#include <sys/types.h>

struct local_launch {
    const char *program; /* path of clowder-daemon … */
    const char *command; /* … or a line for the shell that starts one; NULL: program */
    char *const *env;    /* K=V, NULL-terminated; NULL: empty */
    const char *config;  /* what it reads on standard input (a secret: wiped by the caller) */
    size_t config_len;
    int log_fd; /* becomes its stdout and stderr */
};

/* Starts it in a session of its own. The caller reaps *pid. CLW_AGAIN: this machine is short
 * of descriptors, memory or processes. */
enum clw_err local_launch(const struct local_launch *l, pid_t *pid, struct clw_error *err);

#endif
