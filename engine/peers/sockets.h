/* The folder of the engine's sockets. It is one for passing things: a logout removes it, a program that tidies up may
 * take what is in it. The engine notices and makes the sockets anew, there or where there is a folder, and says where
 * beside the store (base/owner.h), so that it is never out of reach while it lives. */
#ifndef ENGINE_PEERS_SOCKETS_H
#define ENGINE_PEERS_SOCKETS_H

#include "engine/model/model.h"

enum clw_err sockets_open(struct engine *e, struct clw_error *err); /* the doors are there */
const char *sockets_folder(const struct engine *e);
void sockets_tick(struct engine *e, uint64_t now_ms);
uint64_t sockets_next_ms(const struct engine *e); /* UINT64_MAX: no look is due */
void sockets_stop(struct engine *e);              /* before listen_stop(): they stay as they are */
void sockets_free(struct engine *e);              /* the loop is gone */

#endif
