/* `clowder-daemon --mux`: the host's end of the stdio fallback. It listens on private unix sockets for the
 * daemons here, carries their connections as streams over its stdin and stdout, and is their supervisor
 * (hosts/spawn.h) as well. */
#ifndef HOSTS_MUX_SERVE_H
#define HOSTS_MUX_SERVE_H

/* program: as in spawner_new(). Serves until in_fd ends; then it closes both and removes the sockets; daemons
 * live on until they notice. Gives the program's exit status. */
int mux_serve(const char *program, int in_fd, int out_fd);

#endif
