/* Bases of other engines: where their names lead, and whether somebody listens there. A name may take long to resolve,
 * and a network may swallow what knocks, so both are found out in a thread of their own, and the answers are kept. */
#ifndef ENGINE_PROFILES_BASES_H
#define ENGINE_PROFILES_BASES_H

#include "base/errands.h"
#include "engine/profiles/foreign_script.h"

struct bases;

enum base_state {
    BASE_ASKED,  /* nobody knows yet: changed() is called when somebody does */
    BASE_BAD,    /* it cannot be a base: *err says why */
    BASE_SILENT, /* nobody listens there */
    BASE_LISTENS /* somebody does, or it cannot be told before the first connection */
};

/* changed(arg) in the thread of the loop whenever there is an answer. Owned: bases_free(), once bases_count() is 0. */
struct bases *bases_new(struct loop *home, void (*changed)(void *arg), void *arg);
void bases_free(struct bases *b);            /* NULL is fine */
unsigned bases_count(const struct bases *b); /* answers that are due */

/* url: of a base; or the target of one (hosts/ssh/session.h), for which *base stays as it is. What was found out less
 * than age_ms ago is believed; else it is asked again. base and err may be NULL. */
enum base_state bases_state(
    struct bases *b, const char *url, uint64_t age_ms, struct foreign_base *base, struct clw_error *err);
/* Asks, and calls then(arg) when there is the answer. */
void bases_ask(struct bases *b, const char *url, void (*then)(void *arg), void *arg);

#endif
