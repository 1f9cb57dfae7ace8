/* Inside hosts/ only. Does the other end of a session still answer? Whoever owns a session asks it here, now and then.
 * Belongs to the session's thread. */
#ifndef HOSTS_SSH_KEEPALIVE_H
#define HOSTS_SSH_KEEPALIVE_H

#include "hosts/ssh/pump.h"

struct keepalive {
    uint64_t heard_ms, heard_bytes; /* when something came from there last, and how much had come by then */
    uint64_t asked_ms;              /* the last question; 0: none yet */
    unsigned missed;                /* questions since it was heard */
    bool pending;                   /* the library waits for an answer */
    unsigned interval_ms, misses;
};

/* Begins with a session that was heard just now (h NULL: there is none). The configuration of the host goes before
 * those two. */
void keepalive_begin(struct keepalive *k, const struct hop *h, unsigned interval_ms, unsigned misses);
/* Asks when it is time to. CLW_UNREACHABLE: it has not answered so many questions. */
enum clw_err keepalive_tick(struct keepalive *k, struct hop *h, struct clw_error *err);
/* Asks now, unless an answer is missing already. */
void keepalive_ask(struct keepalive *k, struct hop *h);

#endif
