/* Daemons that dial home directly: a TLS listener for each profile, with a key and a certificate made for it that live
 * as long as it does and are trusted by its daemons alone. */
#ifndef ENGINE_PEERS_TLS_H
#define ENGINE_PEERS_TLS_H

#include "engine/model/model.h"

/* Starts to listen, once a profile; the port, and the certificate to trust. */
enum clw_err tls_listen(struct engine *e, struct profile *p, unsigned *port, const char **cert, struct clw_error *err);
void tls_stop(struct profile *p);
void tls_reap(struct engine *e); /* listeners of profiles that are down */

#endif
