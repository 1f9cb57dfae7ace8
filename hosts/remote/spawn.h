/* The supervisor on a host: starts daemon processes and tells how they fare. One supervisor serves all daemons of a
 * link, so that one SSH session is enough; it is spoken to in lines, which hosts/remote/mux.h carries. No SSH, one
 * thread.
 *
 * Home says:
 *     LENGTH\n BYTES        start the program; BYTES are its whole stdin (its configuration, with its token)
 *     LENGTH sh\n BYTES     start /bin/sh with BYTES as its script instead
 *     kill PID SIGNAL\n     send a signal to the process group of a process started here
 * The supervisor says, each a line:
 *     pid PID | fail TEXT                one for each start, in order
 *     err PID TEXT                       a line of its stderr or stdout, escaped
 *     exit PID STATUS | killed PID SIGNAL
 *
 * A process that was started is in a session of its own, and what is left of that ends with it. When the supervisor's
 * link to home is cut, a daemon lives on (it looks for home itself), a script is ended: SIGTERM, and SIGKILL
 * SPAWN_PATIENCE_MS later, to its process group. The supervisor stays, saying nothing, until the last of them has
 * ended. When the supervisor itself is killed, the kernel kills the script. */
#ifndef HOSTS_REMOTE_SPAWN_H
#define HOSTS_REMOTE_SPAWN_H

#include <stdbool.h>
#include <stddef.h>

enum { SPAWN_BLOB_MAX = 1 << 20, SPAWN_LINE_MAX = 1000, SPAWN_PROCESSES = 4096, SPAWN_PATIENCE_MS = 5000 };

struct spawner;

/* program: what to start (borrowed for its life); NULL: the running program itself, even when its file is
 * gone by now. otherwise: what to start where that is not found: qemu, which runs programs of other machines, follows
 * /proc/self/exe from the folder of the moment (borrowed for its life; NULL: nothing). say() takes one line with its
 * newline. SIGCHLD is blocked from now on. NULL when descriptors are out. */
struct spawner *spawner_new(
    const char *program, const char *otherwise, void (*say)(void *arg, const char *line, size_t len), void *arg);
void spawner_free(struct spawner *s);
/* Bytes from home. False: they make no sense; nothing more is taken. */
bool spawner_feed(struct spawner *s, const void *data, size_t len);
/* Readable when spawner_work() has something to do: output of processes, processes that ended. */
int spawner_fd(const struct spawner *s);
void spawner_work(struct spawner *s);
/* Home is gone: scripts are told to end. */
void spawner_orphan(struct spawner *s);
/* How long to wait before spawner_work() is due without an event; -1: for ever. */
int spawner_wait_ms(const struct spawner *s);
/* How many are alive. */
unsigned spawner_count(const struct spawner *s);

#endif
