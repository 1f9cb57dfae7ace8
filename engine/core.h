/* The engine's own structures. They belong to the main thread, which runs the loop: only it reads or changes them, so
 * that there is no lock, and nothing in it waits. Other threads do loop_post() and nothing else. Only the engine's
 * files include this. */
#ifndef ENGINE_CORE_H
#define ENGINE_CORE_H

#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/owner.h"
#include "base/quota.h"
#include "base/errands.h"
#include "engine/fleet/fleet.h"
#include "engine/sched/disp.h"
#include "engine/wire/func.h"
#include "engine/wire/link.h"
#include "engine/fleet/rates.h"
#include "hosts/ssh/session.h"
#include "hosts/scheduler.h"
#include "store/profile.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    CORE_HELLO_MS = 5000,         /* a connection says hello in this time */
    CORE_BASE_MS = 2000,          /* a base that does not listen is looked for so often */
    CORE_SLEPT_MS = 3000,         /* a round that comes so much later than planned: we did not run */
    CORE_DIAL_MS = 60000,         /* one on a host that does not reach home at first gives up after so long */
    CORE_HOLD_MS = 4,             /* answers of commands wait so long for others to travel with */
    CORE_REFRESH_MS = 30000,      /* a host that is up is measured again after so long */
    CORE_SLOW_READER = 8 << 20,   /* bytes queued to a client: its jobs pause … */
    CORE_STUCK_READER = 32 << 20, /* … and the daemons that answer it are not read */
    CORE_PEERS_MAX = 20000,
    CORE_STRANGERS_MAX = 4000,     /* out of tunnels and on direct ports, that have not said hello yet */
    CORE_STRANGERS_EACH = 1000,    /* of them out of one host's, or on the direct port of a profile */
    CORE_SPARES = 4,               /* descriptors that are kept for commands */
    CORE_FILES_MIN = 64,           /* descriptors: with fewer an engine is of no use */
    CORE_JOBS_MAX = 1000,          /* per client */
    CORE_DAEMONS_MAX = 10000,      /* per profile */
    CORE_COMMAND_MAX = 256 * 1024, /* bytes of a command that `launch` was given */
};

/* One daemon of a profile, from the decision to start it until its process is gone. */
struct foreign;
struct batch;
struct launcher;
struct daemon {
    struct profile *profile;
    struct place *place;
    uint32_t number; /* in this engine, never reused (24 bits) */
    char name[80];
    char token[WIRE_TOKEN + 1], instance[WIRE_TOKEN + 1]; /* the instance is "" before its first hello */
    struct fleet_daemon fleet;                            /* how it stands */
    const struct launcher *launcher;
    const char *reason; /* why it leaves or was lost; daemon_say() sets these texts, "" when there is none */
    pid_t pid;          /* local process to reap, or 0 */
    uint64_t launch_id; /* on a host: of host_session_launch() */
    pid_t worker_pid;   /* as it said itself */
    struct peer *peer;
    struct disp_daemon *disp;
    uint32_t has_worker; /* job of its last answer, when that went well: its worker runs */
    unsigned setup_left;
    struct quota news; /* what it tells of its state */
    struct pace pace;
    bool paused; /* as it says; why: */
    const char *pause, *limits;
    bool has_usage; /* as it last said: */
    uint32_t cpu_permille;
    uint64_t memory_bytes;
    struct foreign *foreign; /* of another engine; NULL: ours */
    struct batch *batch;     /* job of a scheduler that it is an element of, from 1; NULL: none */
    unsigned element;
    bool cancelling; /* its element of the job */
    struct daemon *before, *after;
};

/* A host that is used, or was, since the engine runs: its link, and what the link last said. */
struct host {
    struct engine *engine;
    char name[HOST_NAME_SIZE];
    char *settings; /* as text, to notice that they were edited */
    bool direct;
    bool here; /* this machine, for daemons of other engines, or its scheduler */
    bool is_scheduler;
    enum scheduler_kind scheduler;
    char *directives;               /* of the scheduler's jobs */
    unsigned queries;               /* since something happened */
    uint64_t query_id, query_at_ms; /* the question after its jobs that is under way, and the next */
    struct host_session *link;
    enum host_goal goal;
    bool retry;
    bool leaving; /* taken out of the inventory: forgotten as soon as nothing of ours is there, and until then of no use
                   */
    struct host_snapshot shot;
    struct host_facts facts;
    bool has_facts;
    unsigned measured;   /* how many facts came */
    uint64_t refresh_ms; /* when to measure again */
    uint64_t again_ms;   /* when to open the link again, if that failed */
    atomic_uint news;    /* that the link posted and that are not taken yet */
    struct errand closing;
    struct host *next;
};

/* The share of a profile on one machine. */
struct place {
    struct profile *profile;
    struct fleet_place fleet;      /* what is wanted there, and how that fares */
    char host[HOST_NAME_SIZE];     /* "local": this machine */
    struct host *via;              /* NULL: this machine */
    char *command;                 /* NULL, or the line that starts each of its daemons, on this machine … */
    char home[STORE_ADDRESS_SIZE]; /* … which dial this machine there */
    unsigned number;               /* in the profile, small */
    unsigned share;                /* how many the profile has there by its settings: for orders */
    enum clw_err code;             /* why it is broken, or had trouble: */
    char reason[500], hint[300];
    uint64_t done, failed;
    char suspicion[160]; /* why it is suspect */
    struct rates rates;
    struct place *next;
};

/* What a daemon of another engine has besides. */
struct foreign {
    unsigned index; /* in its profile, from 1; the smallest that was free */
    struct meter *meter;
    bool is_metered; /* its connections are seen */
    struct meter_counts seen;
    unsigned contact_port; /* where others reach it, on the loopback of every host; 0: nowhere */
    struct order *order;   /* whose command it is, or NULL: the profile's */
};

/* A daemon that somebody gave the command of (`clowder launch`): it is started, and again when it dies. */
struct order {
    struct place *place;
    struct daemon *daemon; /* NULL: to be launched */
    char *command;
    struct order *next;
};

struct profile_settings {
    enum store_runtime runtime;
    char *base_url;            /* of another engine; "" or NULL: none */
    char **command, **options; /* NULL-terminated, or NULL */
    char **env;                /* K=V, NULL-terminated, owned: what the user stated */
    char **local_env;          /* the same, of the caller's shell: what tasks on this machine see besides */
    struct store_settings set; /* the others */
};

/* A profile that is up, was up, or has work. */
struct profile {
    struct engine *engine;
    char name[64];
    struct profile_settings settings;
    bool ephemeral;
    uint64_t owner; /* client that it lives for, when ephemeral */
    struct place *places;
    struct fleet fleet; /* one that is going and ephemeral is freed when its last daemon is gone */
    bool unsaved;       /* the store has not got what is wanted of it, … */
    unsigned saving;    /* … or will have it when so many writes are done */
    struct daemon *daemons, *last_daemon;
    unsigned daemon_count, counter, place_count;
    uint64_t started_ms;
    struct disp *disp;
    struct rates rates;
    struct core_job *setups;          /* functions that every daemon runs first */
    uint64_t sample_s, sample_due_ms; /* tasks that ended in that second and are not recorded yet */
    uint64_t armed_us;                /* when the main thread looks at the dispatcher by itself */
    uint32_t sample_n;
    struct order *orders;
    struct meter_counts passed; /* through connections of all daemons it had, but for what is now */
    struct rates bytes;         /* both ways */
    uint64_t sample_at_ms;      /* when meters are read next */
    struct tls_listener *tls;   /* for daemons that dial home directly; NULL before there is one */
    struct profile *next;
};

/* A job: its submitter's number for it, its function as bytes for daemons. */
struct core_job {
    struct peer *client; /* NULL: a setup of the profile, or the client is gone */
    uint32_t client_job;
    struct profile *profile;
    struct disp_job *job;
    struct blk *func;
    size_t func_len;
    struct func spec; /* without files */
    struct daemon *setup_of;
    struct ledger *ledger; /* NULL: a setup */
    bool faulted;
    struct core_job *next; /* of the client or of the profile's setups */
};

enum peer_role { PEER_NEW, PEER_CLIENT, PEER_DAEMON };

/* A connection. */
struct peer {
    struct engine *engine;
    struct link *link;
    enum peer_role role;
    bool remote, dirty, dead, stranger;
    const void *from; /* a stranger: the host or listener that it comes from, only to be compared */
    bool unread;      /* a daemon that is not read now: peer_daemon_read() */
    bool must_read;   /* one that is read whatever its clients do */
    bool held;        /* answers wait for others to travel with, until the timer rings */
    uint64_t id, since_ms;
    struct core_job *jobs;
    unsigned job_count;
    bool jobs_paused;
    uint8_t *named; /* bit per daemon number that the client knows the name of */
    size_t named_size;
    struct daemon *daemon;
    struct loop_call end; /* it is freed */
    struct peer *before, *after, *dirty_next;
};

struct control;
struct waiter;
struct listener;
struct sockets;
struct bases;
struct catalog;

struct engine {
    struct loop *loop;      /* what the main thread waits for */
    bool due;               /* a round of work is due, as soon as others have had their turn … */
    uint64_t round_ms;      /* … by itself at this time */
    uint64_t rest_us;       /* … and not before this one */
    struct loop_call nudge; /* the same, from another thread */
    int signal_fd, hold_fd; /* timer: what is held goes out */
    struct errands *reaper; /* ends the sessions of daemons that died here */
    bool reaping;
    struct errands *closer;  /* closes links to hosts */
    struct errands *asker;   /* asks ssh what it makes of its configuration */
    struct owner_lock owner; /* beside the store */
    bool worked;             /* a task has been answered; said there in the next round */
    struct output *output;
    int output_fd;       /* where daemons on this machine print */
    unsigned user_umask; /* of who started us: tasks on this machine have it */
    char *daemon_program;
    struct sockets *sockets;
    char *data_url; /* where daemons on this machine dial; another one when the sockets had to move */
    struct loop_watch *hold, *signals;
    struct listener *listener;
    uint64_t listen_again_ms; /* nobody is accepted until then, for want of descriptors; or 0 */
    int spares[CORE_SPARES];  /* descriptors for commands, when all others are used up */
    unsigned spare_count;
    struct control *control;
    struct recorder *recorder;
    struct keeper *keeper;    /* detached jobs; NULL: there is no room for it yet */
    uint64_t keeper_again_ms; /* when it is tried again */
    struct catalog *catalog;  /* NULL: the store cannot be used, and … */
    char store_problem[1200]; /* … why */
    struct peer *peers, *dirty;
    unsigned peer_count, stranger_count;
    struct quota complaints; /* log lines about connections that nobody answers for */
    struct profile *profiles;
    unsigned walks;      /* of doctors, under way */
    int doctor_fd;       /* readable: they, and whoever asks ssh, are to come to an end */
    struct bases *bases; /* of other engines */
    struct batch *batches;
    struct host *hosts;
    struct waiter *waiters;
    uint32_t last_daemon;
    uint64_t last_client;
    int64_t last_job; /* id in the ledger */
    int64_t instance; /* a number that no other engine has */
    uint64_t started_ms, idle_since_ms, idle_ms;
    uint64_t publish_soon_ms; /* when something has changed, after the publication before */
    uint64_t measured_ms;     /* this machine, when it has daemons */
    char hurt[160];           /* why profiles rest: engines before this one died; "" */
    bool stopping, stop_now, changed;
    struct link_owner link_owner;
};

/* core.c */
void core_due(struct engine *e); /* a round of work is due: something changed that it has to act on */
void core_changed(
    struct engine *e); /* something changed that status shows: a round is due if somebody waits for news */
void core_stop(struct engine *e, bool now);
void core_worked(struct engine *e, struct daemon *m); /* a daemon has answered a task */

/* accept.c */
enum clw_err accept_start(struct engine *e, struct clw_error *err);
void accept_stop(struct engine *e); /* when all connections are closed and freed */
/* A connection from a TLS listener, from, which is taken. */
struct nng_stream;
void accept_stream(struct engine *e, const void *from, struct nng_stream *stream);
/* A connection that a host's link brings home, which is taken. */
void accept_remote(struct engine *e, const struct host *from, int fd);
void accept_tick(struct engine *e, uint64_t now_ms);
void peer_send(struct peer *p, const struct frame *f, const void *body);
void peer_mark(struct peer *p);
void peer_drop(struct peer *p, const char *why); /* one log line, then it is closed */
void peer_refuse(struct peer *p, enum clw_err code, const char *text);
/* Says that we are there, unless something waits for it already: that is answer enough, once it reads. */
void peer_answer_ping(struct peer *p);
/* Like peer_mark, but it may wait CORE_HOLD_MS. */
void peer_hold(struct peer *p);
void core_flush(struct engine *e);

/* output.c */
enum clw_err output_open(struct engine *e, struct clw_error *err);
bool output_start(struct engine *e); /* there is a loop. False: no descriptors */
void output_stop(struct engine *e);

/* listen.c */
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
/* Takes the listener, which listens, and accepts from it until listen_end() or listen_stop(). */
struct nng_stream_listener;
struct listener *listen_tls(struct engine *e, struct nng_stream_listener *listener);
void listen_tick(struct engine *e, uint64_t now_ms);
void listen_end(struct engine *e, struct listener *l);
void listen_stop(struct engine *e);

/* sockets.c: the folder of the sockets, and moving out of one that vanished */
enum clw_err sockets_open(struct engine *e, struct clw_error *err); /* the doors are there */
const char *sockets_folder(const struct engine *e);
void sockets_tick(struct engine *e, uint64_t now_ms);
uint64_t sockets_next_ms(const struct engine *e); /* UINT64_MAX: no look is due */
void sockets_stop(struct engine *e);              /* before listen_stop(): they stay as they are */
void sockets_free(struct engine *e);              /* the loop is gone */

/* serve_client.c */
void client_frame(struct peer *p, const struct frame *f, struct blk *block);
void client_gone(struct peer *p);
void client_sent(struct peer *p); /* its queue may have become shorter */
void client_fault(const struct core_job *j, enum clw_err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Something for people; the job goes on. */
void client_note(const struct core_job *j, const char *format, ...) __attribute__((format(printf, 2, 3)));
void client_forward(
    struct core_job *j, const struct daemon *m, const struct frame *f, const struct disp_verdict *v, struct blk *block);
struct peer *client_find(struct engine *e, uint64_t id);

/* serve_daemon.c */
void peer_daemon_hello(struct peer *p, struct daemon *m, const struct wire_hello *h);
void peer_daemon_frame(struct peer *p, const struct frame *f, struct blk *block);
void peer_daemon_gone(struct peer *p, const char *why);
/* Tells it the profile's terms as they are now. */
void daemon_send_terms(struct peer *p, const struct daemon *m);
/* The settings that it is told once, when it joins, as they are told. */
void daemon_add_told(struct buf *b, const struct profile *p);
/* Whether its answers are read: not while a client that they are for reads none. A daemon that is not read gets nothing
 * new, lest tasks of others stand behind. */
void peer_daemon_read(struct peer *p, bool read);
/* Its process is gone, or is to go at once: what it sent is read to the end. */
void peer_daemon_read_all(struct peer *p);
/* Its connection and what it is at, as of now. */
struct fleet_talk peer_daemon_talk(const struct daemon *m);
/* Carries out those acts (enum fleet_do) that are said to it, or done to its connection. */
void peer_daemon_act(struct daemon *m, unsigned acts);

/* profile.c */
struct profile *profile_find(struct engine *e, const char *name);
struct profile *profile_new(struct engine *e, const char *name);
void profile_settings_fini(struct profile_settings *s);
unsigned profile_want(const struct profile *p);
/* Begins, or begins again, to make what its places want true. */
void profile_start(struct engine *e, struct profile *p);
void profile_down(struct engine *e, struct profile *p, bool now);
/* Until profile_start(). */
void profile_rest(struct profile *p, enum clw_err code, const char *hint, const char *reason);
/* Carries out what the dispatcher decided. */
void profile_act(struct engine *e, struct profile *p);
void profile_tick(struct engine *e, struct profile *p, uint64_t now_ms);
bool profile_is_hopeless(const struct profile *p);
void profile_fail_jobs(struct engine *e, struct profile *p);
/* The first reason of a place that has one, or "". */
const char *profile_reason(const struct profile *p);
/* What to do about it, when a place that is on knows that; or "". */
const char *profile_hint(const struct profile *p);
uint64_t profile_next_ms(struct profile *p, uint64_t now_ms);
void core_job_free(struct core_job *j);
void profile_free(struct engine *e, struct profile *p);
enum clw_err profile_add_setup(struct engine *e, struct profile *p, const struct core_job *from);
/* The same from words. */
void profile_add_setup_argv(struct profile *p, const char *const *argv, size_t argc);

/* launchers/launch_foreign.c: daemons of other engines. They have no peer and no part in the dispatcher: their link
 * tells how they fare, and their meter what passes. */
bool profile_is_foreign(const struct profile *p);
/* May it be brought up: what its settings have to say is said? */
enum clw_err foreign_check_words(const struct profile *p, struct clw_error *err);
/* The same, and somebody listens at its base, as far as that is known. */
enum clw_err foreign_check(const struct profile *p, struct clw_error *err);
/* The link to its host is lost, and its processes there end; or it is there again. */
void foreign_link_lost(struct engine *e, struct host *h);
void foreign_link_up(struct engine *e, struct host *h);
void foreign_tick(struct engine *e, struct profile *p, uint64_t now_ms);
/* The host has other versions of the runtime than the base's machine, as far as both are known: how, for people. */
bool foreign_mismatch(const struct place *l, char *text, size_t size);
uint64_t foreign_next_ms(const struct profile *p);
void foreign_sample(struct daemon *m, uint64_t now_ms); /* reads its meter */

/* foreign_order.c */
/* Order of somebody: started on the host of the profile that has least to do. */
struct order *foreign_order(struct engine *e, struct profile *p, const char *command, struct clw_error *err);
struct order *foreign_next_order(struct place *l); /* that has no daemon, or NULL */
void foreign_drop_orders(struct profile *p);
void foreign_drop_orders_on(struct place *l);
void foreign_forget_order(struct order *o);

/* foreign_status.c */
unsigned foreign_busy(const struct profile *p);
json_t *foreign_traffic_json(struct profile *p, uint64_t now_ms);
json_t *foreign_daemon_json(const struct daemon *m);

/* launchers/launch_scheduler.c: daemons that a scheduler starts */
void batch_ran(struct engine *e, struct host *h, const struct host_run_result *r);
void batch_tick(struct engine *e, uint64_t now_ms);
uint64_t batch_next_ms(const struct engine *e);
bool batch_uses(const struct engine *e, const struct host *h);
void batch_restore(struct engine *e);
void batch_fini(struct engine *e);

/* place.c */
bool place_is_here(const struct place *l); /* on this machine */
/* The machine as it was measured last; NULL: it was not. */
const struct host_facts *place_facts(const struct place *l);
/* The place of a host in a profile; NULL: it has none. */
struct place *place_find(struct profile *p, const char *host);
/* The same, made when there is none. CLW_NOT_FOUND: no such host; CLW_USAGE: it cannot be used. */
enum clw_err place_get(
    struct engine *e, struct profile *p, const char *host, struct place **out, struct clw_error *err);
/* As it is seen now. */
struct fleet_machine place_machine(const struct place *l);
unsigned place_want(const struct place *l);
/* How its daemons are launched, as of now. */
const struct launcher *place_launcher(const struct place *l);
void place_remove(struct place *l); /* it has no daemons and no orders */
/* How many of its daemons that are up are paused; the reason of the first, or NULL. */
unsigned place_paused(const struct place *l, const char **why);
bool place_is_stuck(const struct place *l);
bool place_has_failed(const struct place *l);
/* Why, for people. */
void place_explain(const struct place *l, struct clw_error *err);
/* Why it has trouble, from now on. NULL: it has none. */
void place_say(struct place *l, enum clw_err code, const char *hint, const char *reason);
void place_break(struct place *l, enum clw_err code, const char *hint, const char *reason);
/* n tasks ended there, failed of them not well. */
void place_worked(struct place *l, uint32_t n, uint32_t failed);
void place_tick(struct engine *e, struct place *l, uint64_t now_ms);

/* daemon.c */
struct daemon *daemon_new(struct engine *e, struct place *l);
/* Sets one of its texts; at most 199 bytes of it are kept. NULL: none. */
void daemon_say(const char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct daemon *daemon_by_number(struct engine *e, uint32_t number);
void daemon_remove(struct engine *e, struct daemon *m);
void daemon_exited(struct engine *e, pid_t pid, int status); /* a process on this machine */
/* Carries out what the fleet decided. FLEET_FORGET: m is freed. */
void daemon_act(struct engine *e, struct daemon *m, unsigned acts);
/* The host could not launch it: text says why, hint what to do. Frees it. */
void daemon_launch_failed(struct engine *e, struct daemon *m, const char *text, const char *hint);
/* Asks a daemon to stop: after its tasks, or now. */
void daemon_quit(struct daemon *m, bool now);
void daemon_signal(const struct daemon *m, int signal);
void daemon_tick(struct engine *e, struct daemon *m, uint64_t now_ms);
uint64_t daemon_next_ms(const struct daemon *m, uint64_t now_ms);

/* host.c */
struct store_host;
/* The host of that name, from the store: CLW_NOT_FOUND, CLW_USAGE (it cannot be reached by SSH), CLW_REFUSED (it
 * leaves). */
enum clw_err host_get(struct engine *e, const char *name, struct host **out, struct clw_error *err);
struct host *host_find(struct engine *e, const char *name);
/* Is it reached by SSH: itself, or the login node of its scheduler? */
bool host_has_ssh(const struct store_host *s);
/* This machine, as the host that daemons of other engines are started on. */
struct host *host_here(struct engine *e);
/* Measures this machine, unless that was done. */
void host_look_here(struct engine *e);
/* Makes sure that its link is at work toward this goal at least; again: also out of a rest. */
enum clw_err host_reach(struct host *h, enum host_goal goal, bool again, struct clw_error *err);
bool host_is_resting(const struct host *h);
/* Whoever is there can come home through its tunnel. NULL: no. */
bool host_is_open(const struct host *h); /* it waits for somebody or something */
json_t *host_key_json(const struct host_key_info *k);
json_t *host_prompt_json(const struct host_prompt *p);
/* The word for its state. */
const char *host_word(const struct host_snapshot *s);
json_t *host_json(struct engine *e, const struct host *h);
void host_tick(struct engine *e, uint64_t now_ms);
uint64_t host_next_ms(const struct engine *e);
/* Closes the links to all hosts; e->closer is at it until all are. */
void host_close_all(struct engine *e);
/* What a link to it needs. Texts are borrowed from both. */
struct host_session_options host_options(const struct engine *e, const struct store_host *s);

/* ledger.c: what jobs came to */
int64_t ledger_next_id(struct engine *e);           /* a number for a job, that no job in the store has */
void ledger_open(struct core_job *j, size_t files); /* files: how many are shipped with it */
/* A daemon's answer to n tasks of the job; input is that of the first, NULL: none. r counts only when f has a body. */
void ledger_answer(struct core_job *j, const struct daemon *m, const struct frame *f, enum wire_outcome outcome,
    const struct wire_report *r, unsigned attempts, const uint8_t *input, uint32_t input_len);
void ledger_end(struct core_job *j, const struct disp_action *a); /* tasks that ended without a daemon's word */
void ledger_close(struct core_job *j);                            /* the job is over; before its dispatcher's part is */
void ledger_tick(struct engine *e, uint64_t now_ms);
uint64_t ledger_next_ms(const struct engine *e);
json_t *ledger_json(struct engine *e, const char *profile); /* NULL: of all */
bool ledger_cancel(struct engine *e, int64_t id);           /* false: there is no such job now */
bool ledger_has(const struct engine *e, int64_t id);        /* it runs */

/* tls.c: direct connections */
/* Starts to listen, once a profile; the port, and the certificate to trust. */
enum clw_err tls_listen(struct engine *e, struct profile *p, unsigned *port, const char **cert, struct clw_error *err);
void tls_stop(struct profile *p);
void tls_reap(struct engine *e); /* listeners of profiles that are down */

/* How many tasks ended. */
void profile_record(struct profile *p, uint32_t n);

/* control.c */
void control_start(struct engine *e);
void control_stop(struct engine *e);
void control_tick(struct engine *e, uint64_t now_ms); /* answers those who wait */
/* Takes document. False: somebody was still reading the one before, and should be told again soon. */
bool control_publish(struct engine *e, const char *topic, json_t *document);
bool control_has_listeners(const struct engine *e);
uint64_t control_next_ms(const struct engine *e);

/* status.c */
json_t *status_json(struct engine *e, const char *profile); /* NULL: all; returned owned, NULL when there is no such */

/* restore.c: what the store keeps of the profiles */
void restore_load(struct engine *e);
/* Places as they are, and whether it is wanted up; settings only when they are to replace those in the store, where
 * somebody may have edited them. What it has when it is taken down stays as it was. */
void restore_save(struct engine *e, struct profile *p, bool wanted, bool settings);
bool restore_is_saving(const struct engine *e, const char *profile); /* "": any */
bool restore_is_known(struct engine *e, const char *name);
/* What was edited in the store since p was brought up: settings, and its daemons and hosts as well (places). False: it
 * is of another runtime now, and daemons of the one before are here; nothing was taken. */
bool restore_edits(struct engine *e, struct profile *p, bool places);
/* What the store has of it into p: settings and set-up commands, and its daemons and hosts as well (places). False:
 * nothing is known of it. */
bool restore_profile(struct engine *e, struct profile *p, bool places);

#endif
