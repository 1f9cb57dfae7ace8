/* The engine's own structures: one lock over everything, nng's threads bring the events, the main thread does what
 * takes time (launch, reap, free). Only the engine's files include this. */
#ifndef ENGINE_CORE_H
#define ENGINE_CORE_H

#include "base/err.h"
#include "base/mem.h"
#include "engine/disp.h"
#include "engine/func.h"
#include "engine/link.h"
#include "engine/rates.h"

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    CORE_HELLO_MS = 5000,   /* a connection says hello in this time … */
    CORE_LAUNCH_MS = 20000, /* a started daemon dials home in this time … */
    CORE_QUIT_MS = 2000,    /* a daemon told to stop at once is gone in this time, or is killed */
    CORE_PING_MS = 5000,    /* silence after which a daemon on tcp is asked … */
    CORE_DEAD_MS = 15000,   /* … and after which it counts as lost */
    CORE_BACKOFF_MS = 100,  /* first pause before a daemon is replaced; doubles up to … */
    CORE_BACKOFF_MAX_MS = 30000,
    CORE_STABLE_MS = 10000,       /* a daemon that lived this long ends the doubling */
    CORE_GIVE_UP = 5,             /* launches in a row that never connected */
    CORE_SLOW_READER = 8 << 20,   /* bytes queued to a client: its jobs pause … */
    CORE_STUCK_READER = 32 << 20, /* … and the daemons that answer it are not read */
    CORE_PEERS_MAX = 20000,
    CORE_JOBS_MAX = 1000,     /* per client */
    CORE_DAEMONS_MAX = 10000, /* per profile */
};

enum member_state { MEMBER_LAUNCHING, MEMBER_UP, MEMBER_LEAVING, MEMBER_LOST, MEMBER_STATE_COUNT };

/* One daemon of a profile, from the decision to start it until its process is reaped. */
struct member {
    struct pool *pool;
    uint32_t number; /* in this engine, never reused (24 bits) */
    char name[80];
    char host[64];
    char token[WIRE_TOKEN + 1];
    enum member_state state;
    char reason[160]; /* why it leaves or was lost */
    pid_t pid;        /* local process to reap, or 0 */
    pid_t worker_pid; /* as it said itself */
    struct peer *peer;
    struct disp_daemon *daemon;
    unsigned setup_left;
    bool shrink; /* it leaves for good: not to be replaced */
    bool quit_sent;
    uint64_t started_ms, connected_ms, kill_at_ms, pinged_ms;
    struct member *before, *after;
};

struct pool_settings {
    char **env; /* K=V, NULL-terminated, owned */
    uint64_t idletime_ms, walltime_ms, maxtasks, memory_bytes;
    bool respawn, cleanup, output;
    bool has_seed;
    uint64_t seed;
};

/* A profile that is up, was up, or has work. */
struct pool {
    char name[64];
    struct pool_settings settings;
    bool ephemeral;
    uint64_t owner; /* client that it lives for, when ephemeral */
    unsigned want;  /* daemons that should be there */
    bool going;     /* being taken down; freed when the last member is gone, if ephemeral */
    struct member *members;
    unsigned member_count, counter;
    unsigned fails; /* launches in a row that went wrong */
    bool broken;    /* gave up: reason says why */
    char reason[300];
    uint64_t next_launch_ms, started_ms;
    struct disp *disp;
    struct rates rates;
    struct core_job *setups; /* functions that every daemon runs first */
    struct pool *next;
};

/* A job: its submitter's number for it, its function as bytes for daemons. */
struct core_job {
    struct peer *client; /* NULL: a setup of the profile, or the client is gone */
    uint32_t client_job;
    struct pool *pool;
    struct disp_job *job;
    struct blk *func;
    size_t func_len;
    struct func spec; /* without files */
    struct member *setup_of;
    bool faulted;
    struct core_job *next; /* of the client or of the pool's setups */
};

enum peer_role { PEER_NEW, PEER_CLIENT, PEER_DAEMON };

/* A connection. */
struct peer {
    struct engine *engine;
    struct link *link;
    enum peer_role role;
    bool remote, dirty, dead, reading_paused;
    uint64_t id, since_ms;
    struct core_job *jobs;
    unsigned job_count;
    bool jobs_paused;
    uint8_t *named; /* bit per daemon number that the client knows the name of */
    size_t named_size;
    struct member *member;
    struct peer *before, *after, *dirty_next;
};

struct control;
struct waiter;
struct listener;
struct store;

struct engine {
    pthread_mutex_t lock;
    int wake_fd, lock_fd, daemon_log_fd;
    char *daemon_program;
    char *data_url;
    struct listener *listener;
    struct control *control;
    struct store *store;
    struct peer *peers, *dead_peers, *dirty;
    unsigned peer_count;
    struct pool *pools;
    struct waiter *waiters;
    uint32_t last_daemon;
    uint64_t last_client;
    uint64_t started_ms, idle_since_ms, idle_ms;
    bool stopping, stop_now, changed;
    struct link_owner link_owner;
};

/* core.c */
void core_wake(struct engine *e);    /* the main thread has something to do */
void core_changed(struct engine *e); /* something that status shows has changed */
void core_stop(struct engine *e, bool now);

/* accept.c */
enum clw_err accept_start(struct engine *e, struct clw_error *err);
void accept_stop(struct engine *e);
void accept_tick(struct engine *e, uint64_t now_ms);
void accept_reap(struct engine *e); /* frees closed connections; not locked */
void peer_send(struct peer *p, const struct frame *f, const void *body);
void peer_mark(struct peer *p);
void peer_drop(struct peer *p, const char *why); /* one log line, then it is closed */
void peer_refuse(struct peer *p, enum clw_err code, const char *text);
void core_flush(struct engine *e);

/* serve_client.c */
void client_frame(struct peer *p, const struct frame *f, struct blk *block);
void client_gone(struct peer *p);
void client_sent(struct peer *p); /* its queue may have become shorter */
void client_fault(struct core_job *j, enum clw_err code, const char *format, ...) __attribute__((format(printf, 3, 4)));
void client_forward(
    struct core_job *j, const struct member *m, const struct frame *f, const struct disp_verdict *v, struct blk *block);
struct peer *client_find(struct engine *e, uint64_t id);

/* serve_daemon.c */
void daemon_hello(struct peer *p, struct member *m, pid_t pid);
void daemon_frame(struct peer *p, const struct frame *f, struct blk *block);
void daemon_gone(struct peer *p, const char *why);
void daemon_tick(struct member *m, uint64_t now_ms);

/* pool.c */
struct pool *pool_find(struct engine *e, const char *name);
struct pool *pool_new(struct engine *e, const char *name);
void pool_settings_fini(struct pool_settings *s);
void pool_scale(struct engine *e, struct pool *p, unsigned want);
void pool_down(struct engine *e, struct pool *p, bool now);
/* Carries out what the dispatcher decided. */
void pool_act(struct engine *e, struct pool *p);
void pool_tick(struct engine *e, struct pool *p, uint64_t now_ms);
void pool_back_off(struct pool *p, const struct member *m); /* m was lost, or never came */
bool pool_is_hopeless(const struct pool *p);
void pool_fail_jobs(struct engine *e, struct pool *p);
unsigned pool_count(const struct pool *p, enum member_state state);
struct member *member_by_number(struct engine *e, uint32_t number);
void member_remove(struct engine *e, struct member *m);
void member_exited(struct engine *e, pid_t pid, int status);
uint64_t pool_next_ms(const struct pool *p, uint64_t now_ms);
void core_job_free(struct core_job *j);
void pool_free(struct engine *e, struct pool *p);
enum clw_err pool_add_setup(struct engine *e, struct pool *p, const struct core_job *from);

/* control.c */
enum clw_err control_start(struct engine *e, struct clw_error *err);
void control_stop(struct engine *e);
void control_tick(struct engine *e, uint64_t now_ms);                        /* answers those who wait */
void control_publish(struct engine *e, const char *topic, json_t *document); /* takes document */
bool control_has_listeners(const struct engine *e);
uint64_t control_next_ms(const struct engine *e);

/* status.c */
json_t *status_json(struct engine *e, const char *profile); /* NULL: all; returned owned, NULL when there is no such */

/* restore.c: what the store keeps of the profiles */
void restore_load(struct engine *e);
void restore_save(struct engine *e, const struct pool *p);
bool restore_is_known(struct engine *e, const char *name);
unsigned restore_daemons(struct engine *e, const char *name, struct pool *p); /* how many it had; its settings into p */

#endif
