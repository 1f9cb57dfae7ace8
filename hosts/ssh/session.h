/* The link to one host: a thread with one SSH session that walks
 *     resolve, connect, hostkey, auth, probe, upload, tunnel, launch, up
 * with a time limit on each, keeps the session alive, and begins again with growing pauses when it is lost.
 * Jump hosts on the way are logged in to once for all links behind them: the first that needs it asks its owner, the
 * others wait, and show what it asks.
 * It carries the host's daemons home and starts them. It knows nothing of tasks, queues or screens.
 *
 * Every function may be called from any thread. Callbacks run in the link's thread, without locks held; what
 * they are given is borrowed for the call. In a callback every function but host_session_close() may be called;
 * and who calls that one must not hold a lock that a callback waits for. */
#ifndef HOSTS_SSH_SESSION_H
#define HOSTS_SSH_SESSION_H

#include "base/err.h"
#include "base/log.h"
#include "hosts/facts.h"
#include "hosts/remote/meter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(NAME, word). The first block is the steps in order, the second where a link rests. */
#define HOST_STATE_TABLE(X)                                                                                            \
    X(RESOLVE, "resolve")                                                                                              \
    X(CONNECT, "connect")                                                                                              \
    X(HOSTKEY, "hostkey")                                                                                              \
    X(AUTH, "auth")                                                                                                    \
    X(PROBE, "probe")                                                                                                  \
    X(UPLOAD, "upload")                                                                                                \
    X(TUNNEL, "tunnel")                                                                                                \
    X(LAUNCH, "launch")                                                                                                \
    X(UP, "up")                                                                                                        \
    X(IDLE, "idle")                 /* not begun */                                                                    \
    X(BACKOFF, "backoff")           /* lost or not reached: tries again at retry_at_ms */                              \
    X(REFUSED, "refused")           /* waits for host_session_trust() or host_session_retry() */                       \
    X(NEEDS_SECRET, "needs-secret") /* waits for host_session_answer() */                                              \
    X(QUARANTINED, "quarantined")   /* failed too often: tries again, but rarely */                                    \
    X(DOWN, "down")                 /* over: the goal was reached, or it failed and was not to try again */

enum host_state {
#define X(name, word) HOST_##name,
    HOST_STATE_TABLE(X)
#undef X
        HOST_STATE_COUNT
};
enum { HOST_STEPS = HOST_UP + 1 };

const char *host_state_text(enum host_state state);

/* How far a link goes. LOGIN and FACTS end in DOWN with code CLW_OK when they are there; UP stays. */
enum host_goal { HOST_GOAL_LOGIN, HOST_GOAL_FACTS, HOST_GOAL_UP };

enum { HOST_NAME_SIZE = 64, HOST_ADDRESS_SIZE = 256, HOST_URL_SIZE = 160, HOST_FINGERPRINT_SIZE = 64 };

/* What is asked of the user. */
struct host_prompt {
    char kind[16];  /* passphrase, password, interactive */
    char text[300]; /* the question, escaped: of ours, or as the server put it */
    bool echo;      /* the answer may be seen */
    bool again;     /* the answer before was refused */
};

/* A host key that was met and is not accepted. */
struct host_key_info {
    char host[HOST_ADDRESS_SIZE];            /* as the known_hosts file names it; a jump host's when that is the one */
    char type[32];                           /* ssh-ed25519, … */
    char fingerprint[HOST_FINGERPRINT_SIZE]; /* SHA256:… */
    bool changed;                            /* another key is on record: file and line … */
    bool other_type;                         /* … or only one of another type */
    bool is_jump;                            /* it is a host on the way */
    char file[HOST_PATH_SIZE];
    unsigned line;
};

struct host_snapshot {
    char name[HOST_NAME_SIZE];
    enum host_state state;
    enum host_state step; /* the step it is in, or was in when it stopped */
    enum clw_err code;    /* why it rests */
    char reason[400];
    char hint[300];
    uint64_t since_ms;            /* mono_ms() of the last change of state */
    uint64_t retry_at_ms;         /* mono_ms(), in BACKOFF and QUARANTINED */
    uint32_t step_ms[HOST_STEPS]; /* how long each step took in this attempt */
    unsigned attempts, failures;  /* in all, and in a row */
    bool is_on_the_way;           /* its step is one of a jump host */
    bool turned_away;        /* the last attempt: its server hung up before the handshake was over; it may be busy */
    char url[HOST_URL_SIZE]; /* where daemons on the host dial for the default target; "": no tunnel */
    bool same_url;           /* it is the one from before the link was lost */
    char program[HOST_PATH_SIZE]; /* path of the daemon program there, once uploaded; "": not */
    uint32_t rtt_us;
    uint64_t quiet_ms;                     /* since the host was last heard */
    bool silent;                           /* UP: it has not answered what it was asked last */
    uint64_t bytes_up, bytes_down;         /* through the tunnel: from the host, to the host */
    unsigned streams;                      /* connections through the tunnel now */
    struct host_key_info key;              /* when it rests because of a key; else all empty */
    char known_key[HOST_FINGERPRINT_SIZE]; /* of the key that the host itself showed last, if on record */
    struct host_prompt prompt;             /* in NEEDS_SECRET; else all empty */
    bool asking;                           /* then: its session waits for the answer, and until then tries nothing */
    unsigned questions;                    /* prompts shown so far */
};

/* One line about a daemon, or about a script that host_session_run() was given. */
enum host_event_kind {
    HOST_DAEMON_STARTED,
    HOST_DAEMON_STDERR,
    HOST_DAEMON_EXITED,
    HOST_DAEMON_FAILED,
    HOST_DAEMON_CONNECTIONS /* of one with a way of its own: their number changed */
};
struct host_daemon_event {
    uint64_t id; /* of host_session_launch() */
    enum host_event_kind kind;
    int64_t pid;          /* on the host; 0 before it is known */
    int status;           /* EXITED: exit status, or -1 */
    int signal;           /* EXITED: the signal that ended it, or 0 */
    const char *text;     /* STDERR: one line, escaped, at most 1000 bytes; FAILED: why, and the remote's own words */
    const char *hint;     /* FAILED */
    unsigned connections; /* CONNECTIONS: now */
};

struct host_run_result {
    uint64_t id;
    enum clw_err code; /* CLW_OK when the script ran to its end, whatever its status */
    int status;        /* exit status, or -1 */
    const char *out;   /* stdout, at most 256 KiB, terminated */
    size_t out_len;
    const char *errors; /* stderr, escaped, at most 4 KiB; or why it could not be run */
};

struct host_callbacks {
    void *arg;
    /* Any may be NULL. */
    void (*state)(void *arg, const struct host_snapshot *snapshot);
    void (*log)(void *arg, enum log_level level, const char *line);
    void (*facts)(void *arg, const struct host_facts *facts);
    void (*daemon)(void *arg, const struct host_daemon_event *event);
    void (*run)(void *arg, const struct host_run_result *result);
    /* A secret that is at hand: terminated text in answer, true. Else false: the link then waits in
     * NEEDS_SECRET. */
    bool (*secret)(void *arg, const struct host_prompt *prompt, char *answer, size_t size);
    /* A connection from the host to the target "home": a socket of ours, which is taken. */
    void (*connection)(void *arg, int fd);
};

/* Zero or "" everywhere means the default. Texts are copied. */
struct host_session_options {
    const char *name;    /* in logs; required */
    const char *address; /* address or alias of ~/.ssh/config; "" : the name */
    const char *user;
    unsigned port;
    const char *jump;           /* "user@host:port,host2" instead of the configuration's ProxyJump; "none": no jump */
    const char *identity;       /* a key file, tried before the configuration's */
    const char *cache;          /* where the folder for our programs is made: /PATH or ~/PATH; "": ~/.cache */
    unsigned connect_timeout_s; /* instead of the configuration's ConnectTimeout */
    const char *agent;          /* see host_session_set_agent() */
    const char *config_path;    /* as config of struct ssh_query */
    enum host_goal goal;
    bool retry;          /* begin again when it fails or is lost */
    bool here;           /* no host at all but this machine, as if it were one: no SSH, no probe, no upload */
    const char *program; /* the static daemon program here; beside it PROGRAM-ARCH for other machines. "": no
                            upload */
    const char *target;  /* where the tunnel ends: unix:/path, tcp:127.0.0.1:port, or "home": the callback
                            connection. "": no tunnel until a launch names one */
    unsigned resolve_ms, connect_ms, hostkey_ms, auth_ms, probe_ms, upload_ms, tunnel_ms, launch_ms;
    unsigned secret_ms; /* how long a session waits for an answer; after that the link waits without one */
    unsigned keepalive_ms, keepalive_misses;
    unsigned jump_idle_ms;                    /* how long the login at a jump host stays when nothing goes through it */
    unsigned backoff_ms, backoff_max_ms;      /* first and longest pause */
    unsigned quarantine_after, quarantine_ms; /* failures in a row; pause from then on */
    struct host_callbacks cb;
};

struct host_launch {
    const char *target; /* as in the options; "": the default one */
    /* Handed to the daemon's stdin. Every @URL@ in it becomes the url to dial, every @HOME@ our address as the host
     * sees it (a launch with @HOME@ fails where there is no direct way). At most 512 KiB. */
    const void *config;
    size_t config_len;
    /* config is a POSIX shell script to run instead of the daemon program. It ends when its link does. Its marks are
     * @URL@ and so on with this text after the first @, which nobody else can know: what a user wrote stays as it is.
     * "" (or NULL): none are replaced. */
    const char *mark;
    bool script;
    /* A way of its own to target: a port on the host that this daemon alone is told, given back when it ends (marks
     * @PORT@, and @URL@ for tcp). What passes is counted by meter: a reference is taken. NULL: the way that all share.
     */
    struct meter *meter;
    /* Besides, a way to it: what connects to contact_port on this machine's loopback reaches a port on the host's (mark
     * @LISTEN@) where it is to listen. 0: none. */
    unsigned contact_port;
};

struct host_session;

/* Starts the thread. CLW_USAGE when an option is no good. The link is owned: host_session_close(). */
enum clw_err host_session_open(
    const struct host_session_options *options, struct host_session **out, struct clw_error *err);
/* Ends it at once, whatever it is doing, and frees it. Daemons on the host live on. NULL is fine. */
void host_session_close(struct host_session *link);
/* Ends what no session owns: the logins at jump hosts, which sessions share. Waits for that. For whoever has closed all
 * links, before the process ends. */
void host_session_log_out(void);

void host_session_snapshot(struct host_session *link, struct host_snapshot *out);
/* False before the first probe. */
bool host_session_facts(struct host_session *link, struct host_facts *out);

/* Puts the key that the link was refused for into the user's known_hosts file, when fingerprint is exactly
 * its, and tries again. CLW_REFUSED: another fingerprint, or a changed key (that line has to be removed by
 * hand); CLW_NOT_FOUND: no key is waiting; CLW_IO. */
enum clw_err host_session_trust(struct host_session *link, const char *fingerprint, struct clw_error *err);
/* Answers the prompt of the snapshot, whose text the caller repeats, so that a secret never answers another question
 * than the one that its owner saw. Kept in locked memory until it is refused or the link is closed; but what may be a
 * code that serves once is given once. The caller wipes its own copy. CLW_NOT_FOUND: that is not asked (any more);
 * CLW_TOO_LARGE (255 bytes). */
enum clw_err host_session_answer(
    struct host_session *link, const char *prompt, const char *secret, struct clw_error *err);
/* Another goal from now on. A link that rests in DOWN, or has not begun, begins; one that is up ends its session when
 * the new goal is less than UP (daemons on the host live on). Other rests stay: host_session_retry(). */
void host_session_set_goal(struct host_session *link, enum host_goal goal, bool retry);
/* Forgets all secrets. */
void host_session_forget(struct host_session *link);
/* Tries at once, out of any resting state. An attempt that is under way goes on. */
void host_session_retry(struct host_session *link);
/* Measures again over the running session; the facts callback tells. */
void host_session_probe(struct host_session *link);
/* The SSH agent of whoever asks for the host now: from the next login on, where the configuration names none. */
void host_session_set_agent(struct host_session *link, const char *path);
/* The next probe takes away what is of ours there, if it comes within that time; its facts say how much that was. */
void host_session_clean(struct host_session *link, enum probe_clean clean, uint64_t within_ms);
/* Starts a daemon when the link is up (now, or later); *id names it in its events. Launches that wait while
 * the link comes to rest in REFUSED, NEEDS_SECRET, QUARANTINED or DOWN fail with that reason. CLW_TOO_LARGE,
 * CLW_BUSY (4096). */
enum clw_err host_session_launch(
    struct host_session *link, const struct host_launch *launch, uint64_t *id, struct clw_error *err);
/* The tunnel to this target is not needed any more: the host's port is given back (connections that it
 * carries end by themselves). At most LINK_FORWARDS have one at a time. */
enum clw_err host_session_untunnel(struct host_session *link, const char *target, struct clw_error *err);
/* From now on that port of the host's loopback leads to the same port of ours, until host_session_unlead(). When it
 * cannot be had (somebody listens there) that is all right: one line in the log. */
enum clw_err host_session_lead(struct host_session *link, unsigned port, struct clw_error *err);
enum clw_err host_session_unlead(struct host_session *link, unsigned port, struct clw_error *err);
/* Sends a signal to a daemon's process group. */
enum clw_err host_session_signal(struct host_session *link, uint64_t id, int signal, struct clw_error *err);
/* Runs a POSIX shell script on the host, its text on the shell's stdin; at most limit_ms (0: 60 s). One at a
 * time. */
enum clw_err host_session_run(
    struct host_session *link, const char *script, unsigned limit_ms, uint64_t *id, struct clw_error *err);
/* The same, of a script that names a port of all the host's addresses that leads to target: every @markPORT@ in it. The
 * supervisor there listens, for whoever reaches the host: target has to know its own. Secrets in it are wiped here. */
enum clw_err host_session_run_with_way(struct host_session *link, const char *script, const char *target,
    const char *mark, unsigned limit_ms, uint64_t *id, struct clw_error *err);

#endif
