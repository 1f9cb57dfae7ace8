/* The engine's own structures. They belong to the main thread, which runs the loop: only it reads or changes them, so
 * that there is no lock, and nothing in it waits. Other threads do loop_post() and nothing else. Only the engine's
 * files include this. */
#ifndef ENGINE_MODEL_MODEL_H
#define ENGINE_MODEL_MODEL_H

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
#include "engine/wire/resume.h"
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
    struct resume *resume;    /* its conversation goes on over another connection; NULL: it does not */
    struct disp_daemon *disp; /* from its first hello until it is lost, also while it is away if it resumes */
    bool is_outdated;         /* it was told other settings than the profile has now, while it was away */
    uint64_t files_ms;        /* when files of its tasks went or came last */
    uint32_t has_worker;      /* job of its last answer, when that went well: its worker runs */
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
    uint64_t awaited_ms; /* somebody waits for it until then */
    unsigned batches;    /* jobs of its scheduler that we have there */
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
    struct store_settings manners; /* what the host's owner asks of all profiles */
    bool has_news;                 /* they changed, and daemons were not told yet */
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
    struct ledger *ledger;  /* NULL: a setup */
    struct file_job *files; /* what of its files travels; NULL: none */
    bool faulted;
    struct core_job *next; /* of the client or of the profile's setups */
};

enum peer_role { PEER_NEW, PEER_CLIENT, PEER_DAEMON, PEER_FILES };

/* A connection. */
struct peer {
    struct engine *engine;
    struct link *link;
    enum peer_role role;
    bool remote, dirty, dead, stranger;
    bool is_bad;      /* what it said made no sense: a daemon's conversation ends with it */
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
    struct files_peer *files; /* of a daemon's connection for files */
    struct loop_call end;     /* it is freed */
    struct peer *before, *after, *dirty_next;
};

struct control;
struct file_job;
struct files_peer;
struct host_news;
struct nng_stream;
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
    unsigned listeners; /* to its updates */
    struct recorder *recorder;
    struct keeper *keeper;    /* detached jobs; NULL: there is no room for it yet */
    uint64_t keeper_again_ms; /* when it is tried again */
    struct catalog *catalog;  /* NULL: the store cannot be used, and … */
    char store_problem[1200]; /* … why */
    struct peer *peers, *dirty;
    unsigned peer_count, stranger_count;
    struct files_peer *files_peers; /* connections for files, until their threads have ended */
    struct quota complaints;        /* log lines about connections that nobody answers for */
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
    uint64_t publish_soon_ms;   /* when something has changed, after the publication before */
    uint64_t measured_ms;       /* this machine, when it has daemons */
    char agent[HOST_PATH_SIZE]; /* SSH's, of whoever asked last and had one; "" */
    char hurt[160];             /* why profiles rest: engines before this one died; "" */
    bool stopping, stop_now, changed;
    bool quit_now; /* all profiles were told to stop at once */
    struct link_owner link_owner;
    /* What comes from below, for who decides about it: set once, when the engine starts. */
    void (*take_stream)(struct engine *e, const void *from, struct nng_stream *stream); /* from a TLS listener; taken */
    void (*take_news)(struct host *h, const struct host_news *n);                       /* from a host's link */
};

#endif
