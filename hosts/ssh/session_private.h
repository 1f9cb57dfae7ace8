/* Inside hosts/ only: what the files behind link.h share. The fields of a link belong to its thread, but for
 * those that its lock covers. Functions here run in the link's thread. */
#ifndef HOSTS_SSH_SESSION_PRIVATE_H
#define HOSTS_SSH_SESSION_PRIVATE_H

#include "base/mem.h"
#include "hosts/ssh/keepalive.h"
#include "hosts/ssh/session.h"
#include "hosts/ssh/pump.h"
#include "hosts/ssh/secrets.h"

#include <pthread.h>

enum { LINK_FORWARDS = 1024, LINK_COMMANDS = 4096, LINK_CONFIG_MAX = 1 << 20, LINK_TARGET_SIZE = 160 };

/* What to do about a host key that cannot be written down. */
#define KEY_HAS_NO_FILE                                                                                                \
    "name a file with UserKnownHostsFile in the ssh configuration, or set StrictHostKeyChecking accept-new there"

enum command_kind { COMMAND_LAUNCH, COMMAND_SIGNAL, COMMAND_RUN, COMMAND_PROBE, COMMAND_UNTUNNEL, COMMAND_LEAD };
struct command {
    struct command *next;
    enum command_kind kind;
    uint64_t id;
    char *target;  /* LAUNCH ("": the default one), UNTUNNEL */
    uint8_t *data; /* LAUNCH: the config, RUN: the script; wiped when freed */
    size_t len;
    bool script;
    char *mark;            /* LAUNCH */
    struct meter *meter;   /* LAUNCH: a reference, or NULL */
    unsigned contact_port; /* LAUNCH; LEAD: the port */
    int signal;            /* SIGNAL */
    unsigned limit_ms;     /* RUN */
};

/* Who dials there: our own daemons, by a socket that only their user reaches; the one foreign daemon that it belongs
 * to; whoever on the host looks for that very port; other machines. */
enum forward_kind { FORWARD_SHARED, FORWARD_OWN, FORWARD_LED, FORWARD_OPEN };

/* A local target and where the host reaches it. */
struct forward {
    struct forward *next;
    enum forward_kind kind;
    struct host_session *link;
    char target[LINK_TARGET_SIZE];
    uint64_t owner;           /* the launch whose way it is; 0: everybody's */
    bool gone;                /* to be given back at the end of the round */
    struct meter *meter;      /* of the owner, or NULL */
    uint32_t listener;        /* its number for the supervisor */
    unsigned port;            /* on the host; 0: it is a socket */
    char url[HOST_URL_SIZE];  /* "" until it is there */
    char path[HOST_URL_SIZE]; /* as the supervisor names it, to have it again in the next session; "": not made yet */
};

struct jump;    /* jump.h */
struct inbound; /* inbound.c: a port here that leads to a daemon on the host */

struct supervisor; /* launch.c: the process on the host that starts daemons */
struct mux_home;   /* mux_home.c: the home end of the way home */

struct host_session {
    struct host_session_options o; /* its texts are owned */
    pthread_t thread;
    struct pump pump;

    pthread_mutex_t lock; /* covers from here … */
    struct host_snapshot shot;
    struct host_facts facts;
    bool has_facts;
    struct command *commands, **command_tail;
    size_t command_count;
    uint64_t next_id;
    struct secrets *secrets;
    struct secret_key asked; /* what the prompt of the snapshot asks for */
    bool answered, retry_now, resting;
    enum host_goal aim;      /* the goal that the thread last saw */
    uint64_t shown_heard_ms; /* alive.heard_ms as of the last round; 0: not up */
    char *key_type, *key_text,
        *key_file;   /* the host key that waits for host_session_trust(); file "": none to write it to */
    bool key_hashed; /* … to here */

    uint64_t step_began_ms, deadline_ms;
    struct hop *hop; /* the host itself, once it is logged in */
    struct forward *forwards;
    size_t forward_count;
    struct inbound *inbounds;
    uint32_t listeners; /* numbers given so far */
    struct supervisor *supervisor;
    struct mux_home *mux;
    char program_path[HOST_PATH_SIZE]; /* on the host, once uploaded */
    struct keepalive alive;
    bool serving;             /* it is up, and listened to: link__listen() */
    struct clw_error silence; /* that it was given up for its silence */
    int64_t old_sshd_pid;     /* of the session before, which may hold our daemons */
    char old_sshd_start[32];
    unsigned failures;
    char agent[HOST_PATH_SIZE]; /* of whoever asked last, or ""; under the lock */
    enum probe_clean clean;     /* what the next probe takes away, … */
    uint64_t clean_until_ms;    /* … if it comes before then; under the lock */
    bool turned_away;           /* its server hung up during the handshake */
    bool reached;               /* this attempt got to its goal */
    bool mirrors;               /* the prompt is asked by the session whose login it waits for; under the lock */

    /* jump*.c: under the lock of the jump hosts, but `over` */
    struct jump *jump;                /* the last one on its way, a reference; or NULL */
    struct host_session *next_behind; /* of those that have one */
    struct jump *making[PUMP_HOPS];   /* where it logs in now, for all */
    size_t making_count;
    struct jump *awaits;  /* where it waits until another session has logged in */
    struct jump *over;    /* what its connection goes through, or NULL, … */
    unsigned over_number; /* … and the number of the login there */
};

/* ---- link_state.c ---- */

/* The goal as of now: another thread may change it. */
enum host_goal link__goal(struct host_session *l);

/* Ends the step before (its time is kept and logged) and begins this one, which may take limit_ms. */
void link__step(struct host_session *l, enum host_state step, unsigned limit_ms);
/* The state outside the steps, with its reason (NULL: none). */
void link__rest(struct host_session *l, enum host_state state, const struct clw_error *why, uint64_t retry_at_ms);
void link__up(struct host_session *l);
/* Tells the state callback. */
void link__publish(struct host_session *l);
void link__log(struct host_session *l, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* One round, within the step's limit. CLW_TIMED_OUT, CLW_CANCELLED, CLW_CLOSED (a session ended). */
enum clw_err link__wait(struct host_session *l);
/* So many rounds' time, at most up to the step's limit: CLW_OK when it has passed, else as link__wait(). */
enum clw_err link__pause(struct host_session *l, uint64_t ms);
/* The session on the way that ended, or NULL. */
struct hop *link__dead_hop(struct host_session *l);
/* Says what a wait that failed means: message and hint by step; other codes are left as they are. */
enum clw_err link__explain(struct host_session *l, enum clw_err code, const char *doing, struct clw_error *err);
/* What the session says went wrong, escaped, into text. */
const char *link__ssh_error(struct hop *h, char *text, size_t size);

/* ---- the steps ---- */

/* route.c: the hosts on the way, from the configuration; fills the pump's hops (not connected yet). */
enum clw_err link__route(struct host_session *l, struct clw_error *err);
/* session_run.c: hop i is logged in afterwards: connect, hostkey, auth, and before that whatever lies before it. */
enum clw_err link__reach(struct host_session *l, size_t i, struct clw_error *err);
/* What is done now is about hop i: is that a jump host? */
void link__on_the_way(struct host_session *l, size_t i);
/* connect.c: gives h, the first one on the way, its connection. */
enum clw_err link__connect(struct host_session *l, struct hop *h, struct clw_error *err);
/* hostkey.c: the handshake and the host's key. */
enum clw_err link__hostkey(struct host_session *l, struct hop *h, struct clw_error *err);
/* auth.c: logs in. CLW_AGAIN: a secret is needed (the snapshot's prompt says which). */
enum clw_err link__auth(struct host_session *l, struct hop *h, struct clw_error *err);
/* probe.c */
enum clw_err link__probe(struct host_session *l, struct clw_error *err);
/* upload.c: the program is on the host afterwards, at program_path. */
enum clw_err link__upload(struct host_session *l, struct clw_error *err);
/* tunnel.c. Is it a place for a way to end? */
bool link__is_target(const char *target);
/* Connects to its target, as dial_target() does. */
int link__dial(struct host_session *l, const struct forward *f, bool *pending);
/* A way from the host to target, made when there is none. */
enum clw_err link__forward(struct host_session *l, const char *target, struct forward **out, struct clw_error *err);
/* On the host it is a socket of its user's, not a port. */
bool link__is_socket(const struct forward *f);
/* One for this launch alone: a port, or a socket when the target is one. */
enum clw_err link__forward_own(
    struct host_session *l, const struct command *c, struct forward **out, struct clw_error *err);
/* The same as link__forward, for other machines too. */
enum clw_err link__forward_open(
    struct host_session *l, const char *target, struct forward **out, struct clw_error *err);
/* The shared one, as far as it is there; NULL. */
const struct forward *link__forward_of(const struct host_session *l, const char *target);
/* That port of the host's leads to ours, if it can be had. */
enum clw_err link__lead(struct host_session *l, unsigned port, struct clw_error *err);
/* Does nobody listen at that port of the host's loopback? *is_free says. */
enum clw_err link__port_is_free(struct host_session *l, unsigned port, bool *is_free, struct clw_error *err);
/* That launch is over: its ways are given back at the end of the round. */
void link__forward_end(struct host_session *l, uint64_t owner);
void link__forward_sweep(struct host_session *l);
/* Makes those again that an earlier session had, as far as they are to be had. */
enum clw_err link__forward_again(struct host_session *l, struct clw_error *err);
void link__forward_drop(struct host_session *l, const char *target);
/* A session over: its ways are gone, but what the shared ones had is asked for again. */
void link__forward_reset(struct host_session *l);
void link__forward_free_all(struct host_session *l);
/* inbound.c: contact_port of ours leads to a port of the host's loopback that nobody uses: *port, which is the same
 * number when it can be, so that daemons of one host reach each other there. */
enum clw_err link__inbound(
    struct host_session *l, uint64_t owner, unsigned contact_port, unsigned *port, struct clw_error *err);
/* Its ports are given back at the end of the round; 0: all. */
void link__inbound_end(struct host_session *l, uint64_t owner);
void link__inbound_sweep(struct host_session *l);
/* launch.c */
void link__connections(struct host_session *l, uint64_t owner, unsigned n);
enum clw_err link__launch(struct host_session *l, struct command *c, struct clw_error *err);
/* The text of a script with its port in the place of @markPORT@. */
void link__fill_port(const struct command *c, const struct forward *f, struct buf *out);
enum clw_err link__signal(struct host_session *l, struct command *c, struct clw_error *err);
/* Tells of one that could not be started. */
void link__launch_failed(struct host_session *l, uint64_t id, const struct clw_error *why);
/* Once a round: launches that got no answer. */
void link__launch_tick(struct host_session *l);
void link__launch_reset(struct host_session *l);
/* What the supervisor said. */
void link__supervisor_said(struct host_session *l, const uint8_t *data, size_t len);
/* mux_home.c */
/* Starts the supervisor on the host, and waits for its greeting. CLW_REFUSED: it does not start. */
enum clw_err link__mux_start(struct host_session *l, struct clw_error *err);
/* A place for f at where (hosts/remote/mux.h: MUX_LISTEN), told in its url, path and port. CLW_REFUSED: it cannot be
 * had. */
enum clw_err link__mux_listen(struct host_session *l, struct forward *f, const char *where, struct clw_error *err);
void link__mux_unlisten(struct host_session *l, uint32_t listener);
/* Joins fd, which is taken, to that port of the host's loopback. */
void link__mux_open(struct host_session *l, unsigned port, int fd);
enum clw_err link__mux_control(struct host_session *l, const void *data, size_t len, struct clw_error *err);
void link__mux_reset(struct host_session *l);
unsigned link__mux_streams(const struct host_session *l);
/* When the session ended because the supervisor on the host did: why, and true. */
bool link__mux_ended(struct host_session *l, struct clw_error *err);
/* link_run.c: the thread. */
void *link__thread(void *arg);
/* run.c: scripts of host_session_run(). */
void link__run(struct host_session *l, struct command *c);
/* serve.c: asks the host now and then whether it is there, and notices when it is not: that is said, and then the
 * connection counts as lost. Called in every wait, whatever for, while it is up. */
void link__listen(struct host_session *l);
/* serve.c: while it is up: commands, keepalive. Returns why it ended. */
enum clw_err link__serve(struct host_session *l, struct clw_error *err);
void command_free(struct command *c);

/* ---- secrets, asked for in steps ---- */

struct question {
    const char *kind;  /* as in struct host_prompt */
    const char *asker; /* the label of the hop that gets the answer; "": it stays here */
    const char *text;  /* all of it */
    const char *shown; /* for people: escaped, perhaps cut */
    bool echo;
    bool once; /* its answer may serve for one login only, as a code does: it is never given twice */
};
/* The answer into answer (SECRET_SIZE): what is kept for this very question, what the callback has, or what
 * host_session_answer() brings within the limit while the session waits. CLW_AGAIN: none yet. */
enum clw_err link__secret(struct host_session *l, const struct question *q, char *answer);
/* Shows that question, and that its answer is waited for; no more. */
void link__secret_show(struct host_session *l, const struct host_prompt *prompt, const struct secret_key *key);
void link__secret_hide(struct host_session *l);
/* host_session_answer() of a session that asks by itself. For any thread. */
enum clw_err link__take_answer(struct host_session *l, const char *prompt, const char *secret, struct clw_error *err);
/* The answer was no good: forget it. */
void link__secret_refused(struct host_session *l, const struct question *q);

#endif
