/* Where the engine listens: on sockets of this machine, which its loop waits for, and for TLS, which nng does. */
#ifndef ENGINE_PEERS_LISTEN_H
#define ENGINE_PEERS_LISTEN_H

#include "engine/model/model.h"

struct nng_stream_listener;

/* Who comes in at a socket of this machine: this user and root. */
struct listen_door {
    void (*take)(struct engine *e, int fd);  /* a connection, which is taken */
    bool (*is_full)(const struct engine *e); /* others wait for a moment; NULL: never */
    bool has_spares;                         /* descriptors are kept for it */
};
/* A door behind the socket of that name, from listen_open() until listen_stop(). Both texts are kept. */
void listen_on(struct engine *e, const char *name, const struct listen_door *door);
/* Every such socket that is not there listens in that folder from now on; those that are there stay. */
enum clw_err listen_open(struct engine *e, const char *folder, struct clw_error *err);
bool listen_is_found(const struct engine *e); /* those who dial find every socket */
/* Takes the listener, which listens, and accepts from it until listen_end() or listen_stop(); streams go to
 * e->take_stream(). */
struct listener *listen_tls(struct engine *e, struct nng_stream_listener *listener);
void listen_tick(struct engine *e, uint64_t now_ms);
void listen_end(struct engine *e, struct listener *l);
void listen_stop(struct engine *e);

#endif
