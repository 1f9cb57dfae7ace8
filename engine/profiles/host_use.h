/* Hosts as the engine uses them: one link each (hosts/ssh/session.h), shared by all profiles. A link has a thread,
 * which posts what it has to say; another one closes links. */
#ifndef ENGINE_PROFILES_HOST_USE_H
#define ENGINE_PROFILES_HOST_USE_H

#include "engine/model/model.h"

struct store_host;

/* One thing that a link said, with copies of its texts. */
struct host_news {
    struct loop_call call;
    struct host *host;
    enum { NEWS_STATE, NEWS_FACTS, NEWS_EVENT, NEWS_RUN, NEWS_CONNECTION } kind;
    union {
        struct host_snapshot shot;
        struct host_facts facts;
        struct host_daemon_event event;
        struct host_run_result run;
        int fd; /* a daemon on the host comes home; taken */
    };
    char *texts[2];
};

/* The host of that name, from the store: CLW_NOT_FOUND, CLW_USAGE (it cannot be reached by SSH), CLW_REFUSED (it
 * leaves). */
enum clw_err host_get(struct engine *e, const char *name, struct host **out, struct clw_error *err);
/* This machine, as the host that daemons of other engines are started on. */
struct host *host_here(struct engine *e);
/* Measures this machine, unless that was done. */
void host_look_here(struct engine *e);
/* Makes sure that its link is at work toward this goal at least; again: also out of a rest. */
enum clw_err host_reach(struct host *h, enum host_goal goal, bool again, struct clw_error *err);
bool host_is_resting(const struct host *h); /* it waits for somebody or something */
/* Whoever is there can come home through its tunnel. NULL: no. */
bool host_is_open(const struct host *h);
/* Closes the links to all hosts; e->closer is at it until all are. */
void host_close_all(struct engine *e);
/* What a link to it needs. Texts are borrowed from both. */
struct host_session_options host_options(const struct engine *e, const struct store_host *s);
bool host_answers(const struct host_snapshot *s); /* it is up, and not silent */
/* It has daemons, or jobs of its scheduler. */
bool host_in_use(const struct engine *e, const struct host *h);
/* It is of no use any more. now: who takes its place, or NULL. */
void host_retire(struct engine *e, struct host *h, struct host *now);
/* Measures this machine, again. */
void host_probe_here(struct engine *e);

#endif
