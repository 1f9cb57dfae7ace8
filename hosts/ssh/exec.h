/* Inside hosts/ only. One command on the host over a channel of its own: its stdin, stdout, stderr and exit
 * status. All waits are rounds of the pump, within the step's limit. */
#ifndef HOSTS_SSH_EXEC_H
#define HOSTS_SSH_EXEC_H

#include "hosts/ssh/session_private.h"

struct exec {
    struct source source; /* of a child here: its output */
    int in_fd, out_fd;    /* of a child here: its stdin (-1: closed) and stdout, which are ours to close; else 0 */
    struct host_session *link;
    struct hop *hop;
    ssh_channel channel;
    struct ssh_channel_callbacks_struct *callbacks;
    struct buf out, errors; /* what came; more than the limits is counted and dropped */
    size_t out_max, errors_max, dropped;
    bool eof, closed;
    uint64_t status_ms; /* mono_ms() when the exit status came */
    int status;         /* -1 until it is known, or for ever when a signal ended it */
    int signal;         /* 1: ended by a signal */
    /* Where set, stdout goes here instead. Called inside calls of the library: it may not call the library.
     */
    void (*sink)(void *arg, const uint8_t *data, size_t len);
    void *arg;
};

/* Begins command (through the login shell, as sshd does), with sink and arg as they stand in x. CLW_BUSY: the server
 * allows no more sessions. On failure nothing is left to close. */
enum clw_err exec_open(struct exec *x, struct host_session *l, const char *command, struct clw_error *err);
/* The same on this machine: program with one argument, as a child in a session of its own, with that environment (NULL:
 * none). Its stderr is ours. Whoever is told of the end of children reaps it. */
enum clw_err exec_open_here(struct exec *x, struct host_session *l, const char *program, const char *argument,
    char **envp, struct clw_error *err);
/* Writes all of it, in rounds. */
enum clw_err exec_write(struct exec *x, const void *data, size_t len, struct clw_error *err);
/* Writes what goes without waiting; returns how much, or -1 when the channel is gone. */
ssize_t exec_write_some(struct exec *x, const void *data, size_t len);
/* Lets the other side send EXEC_WINDOW bytes ahead; the library asks for 1.28 MB, which a long line swallows. For one
 * with a sink; not from it. */
enum { EXEC_WINDOW = 8 << 20 };
void exec_widen(struct exec *x);
void exec_send_eof(struct exec *x);
/* Waits until it ended. When only something that it left behind keeps the channel open, its exit status is
 * the end. */
enum clw_err exec_finish(struct exec *x, struct clw_error *err);
/* Closes the channel and frees the buffers. Twice is fine. */
void exec_close(struct exec *x);

/* Runs a POSIX shell script (on this machine its exit status stays unknown: -1): `exec sh -s` with the script on its
 * stdin, so that neither the login shell's language nor its length limit matters. The result stays in x: exec_close()
 * it in any case. */
enum clw_err exec_script(struct exec *x, struct host_session *l, const char *script, struct clw_error *err);

#endif
