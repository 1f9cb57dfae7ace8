/* Inside the control plane only: requests, answers, and those who wait for theirs. */
#ifndef ENGINE_CONTROL_CONTROL_INTERNAL_H
#define ENGINE_CONTROL_CONTROL_INTERNAL_H

#include "engine/model/model.h"
#include "engine/control/sp.h"

json_t *reply_ok(void);
json_t *reply_engine(const struct engine *e); /* ok, and which engine this is */
json_t *reply_refusal(enum clw_err code, const char *hint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
json_t *reply_no_store(void);
json_t *reply_error(const struct clw_error *err);
/* Answers; takes o. Once for each request that got no answer by return. */
void control_answer(struct sp_request *r, json_t *o);

/* Somebody who waits. check is called whenever something has changed: an answer, or NULL to wait on. It is over after
 * timeout_ms (0: never). */
struct waiter {
    struct sp_request *asked;
    json_t *(*check)(struct engine *e, struct waiter *w);
    char name[64];      /* of the profile or host that it is about; "": of all */
    char host[64];      /* down: only there; "": everywhere */
    uint64_t since_ms;  /* of the link's state at the request */
    unsigned before[2]; /* what check compares with */
    int64_t job;        /* wait: which */
    uint64_t look, recorded;
    bool has_recorded;
    bool patient;         /* up: what may pass is waited out */
    bool saves;           /* the answer waits, for a moment, until what is wanted of the profile is in the store */
    uint64_t saved_ms;    /* the end of that moment */
    uint64_t deadline_ms; /* 0: none */
    const char *what;     /* "profile 'x' is not up yet": "is not up yet" */
    /* What is missing, when the time is over; or NULL. */
    void (*explain)(struct engine *e, const struct waiter *w, char *text, size_t size);
    struct waiter *next;
};
void control_wait(struct engine *e, struct sp_request *r, struct waiter w, const json_t *request);

/* For a waiter that waits for nothing but that: ok. */
json_t *reply_saved(struct engine *e, struct waiter *w);

/* Fields of requests. The readers give false when the field is there with another type. */
const char *request_text(const json_t *request, const char *key, const char *otherwise);
bool request_ms(const json_t *request, const char *key, uint64_t *value);
bool request_bool(const json_t *request, const char *key, bool *value);
/* "K=V"s: the variables there were, with those of the request set or replaced. */
bool request_env(const json_t *request, const char *key, char ***env);

struct call {
    struct engine *e;
    struct sp_request *asked;
    json_t *request;
    const char *name;  /* its "host"; NULL: none */
    struct host *host; /* OP_LINK: the engine's */
    bool has_looked;   /* the catalog is as the store was after the request came … */
    bool has_knocked;  /* … and the base of its profile was looked at */
};

/* control_reading.c: an answer that is made in a thread that may wait. */
struct reading {
    struct engine *engine;
    struct sp_request *asked;
    json_t *request; /* held */
    json_t *reply;
    struct errand errand; /* of those that ask ssh */
};
struct reading *reading_new(const struct call *c, json_t *reply);
/* What ssh says is asked for in a thread of its own: a command of its configuration may take its time. */
void reading_ask_ssh(struct reading *r, void (*work)(void *reading), void (*done)(void *reading));
void reading_answer(void *reading); /* gives the reply, and r is gone */

json_t *control_up(const struct call *c);         /* control_up.c */
json_t *control_missing(const struct call *c);    /* the same */
json_t *control_ssh_config(const struct call *c); /* control_ssh.c */
json_t *control_doctor(const struct call *c);     /* control_doctor.c */

/* control_profiles.c: one machine out of a profile; the others go on. False: it has none there. */
bool control_down_on(struct engine *e, struct profile *p, const char *host, bool now);

/* ---- requests, as a table: one row each; the list in docs/protocol.md and the hint on an unknown op come from it ----
 */

/* What an op needs before it runs: nothing; a fresh look at the store, if there is one; besides, a host's name, and a
 * store; besides, that this host is known and does not leave. */
enum op_needs { OP_NOTHING, OP_LOOK, OP_HOST, OP_LINK };

struct op {
    const char *name;
    enum op_needs needs;
    const char *fields, *answer;             /* for people; fields in brackets may be left out */
    json_t *(*run)(const struct call *call); /* an answer, or NULL when it comes later */
};

/* Has a look taken at the store, and the op run again after it. NULL: its answer comes later. */
json_t *control_look(const struct call *c);
/* The same after somebody has looked whether this base listens. */
json_t *control_knock(const struct call *c, const char *url);

extern const struct op profile_ops[], job_ops[], host_ops[]; /* each ends with a NULL name */

#endif
