/* `clowder-daemon --mux`: the host's end of the way home. It listens on private unix sockets for the daemons here, and
 * on ports for those of other engines, carries their connections as streams over its stdin and stdout, and is their
 * supervisor (hosts/remote/spawn.h) as well. Whoever connects is looked at: only processes of this user and root come
 * through, but at a port that is for other machines. */
#ifndef HOSTS_REMOTE_MUX_SERVE_H
#define HOSTS_REMOTE_MUX_SERVE_H

/* program, otherwise: as in spawner_new(). Serves until in_fd ends; then it closes both. Daemons live on until they
 * notice, scripts are ended; as long as one of them is there, it stays and keeps what it listens on, so that nobody
 * else gets it. Gives the program's exit status. */
int mux_serve(const char *program, const char *otherwise, int in_fd, int out_fd);

/* Where the login began, and what the program starts is to begin: it was itself started out of the folder that it is
 * in, so that nobody could put another in its place. */
void mux_go_to(const char *folder);

#endif
