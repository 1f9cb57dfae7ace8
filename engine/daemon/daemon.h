/* The daemon's own structures. It dials home, says hello, and then runs tasks one at a time, in the order in which they
 * came. The main thread does it all; over TLS nng's threads tell its loop what came. */
#ifndef ENGINE_DAEMON_DAEMON_H
#define ENGINE_DAEMON_DAEMON_H

#include "base/loop.h"
#include "base/mem.h"
#include "engine/wire/func.h"
#include "engine/wire/link.h"
#include "engine/wire/resume.h"
#include "engine/wire/wire.h"
#include "engine/wire/wire_settings.h"

#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { GPU_OFFERED_MAX = 64 };
enum pause { PAUSE_NONE, PAUSE_HOURS, PAUSE_USER, PAUSE_LOOK, PAUSE_LOAD, PAUSE_GPU };

/* What the launcher hands over on standard input. */
struct daemon_config {
    char *url;
    char token[WIRE_TOKEN + 1];
    uint32_t number;
    uint64_t autoexit_ms; /* how long to look for an engine that went away */
    char *cert;           /* PEM to trust on tls+tcp, or NULL */
    bool remote;          /* on another machine than the engine */
    bool batch;           /* a scheduler may end it, and what it runs with it */
};

/* Tasks of one job that came together; they leave the queue when all are answered. */
struct batch {
    struct job *job;
    struct blk *block;
    struct wire_slices slices;
    uint64_t first;
    uint32_t done;             /* answered */
    uint32_t begun;            /* by a command, or answered without one */
    uint32_t written;          /* given to the worker */
    uint8_t *marks;            /* per task: enum mark; NULL: none */
    struct task_files **files; /* per task, room of them; NULL: none yet, or its job's have none */
    uint32_t room;
    struct batch *next;
};

struct job {
    uint32_t number;
    struct func func;
    char *dir;                /* where its tasks run; NULL: where the daemon is */
    bool own_dir;             /* made by us, with the shipped files; removed at the end */
    char *root;               /* folders of its own for what travels through the file plane; NULL: none */
    struct task_files *ships; /* what it ships that way; NULL: nothing */
    bool has_files;           /* its tasks have files of their own */
    bool is_here;             /* this is the engine's own machine: they are linked to, and moved */
    int lock_fd;              /* of own_dir */
    char *problem;            /* why none of its tasks can run, or NULL */
    bool append;              /* the input becomes the last argument */
    bool fills_pipes;         /* its last command wrote more than a pipe holds */
    struct worker *worker;
    struct job *next;
};

/* A process that was started: task_process.c. */
struct process {
    pid_t pid;
    int pid_fd, out_fd, err_fd; /* non-blocking, -1 when closed */
};

/* What a new process gets, made ready: limits.c. */
struct limits {
    bool idle_io, has_cpus, no_new_privs;
    int nice, group_fd, procs_fd;
    char group[400]; /* cgroup of ours, or "" */
    char left[400];  /* one from before that still had tasks in it, or "" */
    cpu_set_t cpus;
    uint64_t as_bytes, mem_bytes, kills;
    char text[200]; /* which are in force, for people */
};

/* A program of the machine that is asked something (look.c). */
struct look {
    bool runs;
    const char *program;
    struct process process;
    uint64_t until_ms; /* nobody waits longer */
    char said[4096];
};

/* The GPU that its tasks have for themselves: gpu.c. */
struct gpu {
    int offered[GPU_OFFERED_MAX];
    size_t count;     /* 0: none is asked for */
    size_t at;        /* which is tried */
    int index;        /* what it has; -1: none yet */
    int lock_fd;      /* of that, or of the one that is looked at; -1: none */
    struct look look; /* at who uses it, by the machine's tool */
    char tried[200];  /* why those that were tried are not free */
    char why[240];    /* the same of all, as of the last round; "": there was none */
};

/* Who sits at a screen of the machine (seat.c). */
struct seat {
    struct look look; /* of logind */
    uint64_t next_ms; /* 0: it has not answered so far */
    char user[33];
    int64_t active_us; /* when somebody was active last, by the clock; INT64_MAX: now; 0: nobody */
};

struct daemon {
    struct daemon_config config;
    struct link_owner owner;
    struct loop *loop;
    struct link *link;
    struct dialling *dialling; /* a connection that is being made, or NULL */
    struct resume *resume;     /* the conversation goes on over another link; NULL: it does not */
    uint64_t dial_ms, greet_until_ms, lost_ms;
    bool has_dialled, is_refused, gave_up; /* of reaching home */
    int signal_fd;
    bool welcome, broken, quit, quit_now, left;
    bool terminated;               /* by SIGTERM */
    char refused[200], said[200];  /* why home is not reached, and what of that was said already */
    bool refused_for_now;          /* as far as it says: it makes sense to try again */
    char instance[WIRE_TOKEN + 1]; /* ours alone: the token works for who has both */
    /* from WELCOME */
    char name[80], host[64], profile[64];
    char **env; /* NULL-terminated */
    size_t env_count;
    struct store_settings set; /* what we are told of the profile; also from TERMS, what the machine's owner asks */

    struct job *jobs;
    struct batch *head, *tail;
    struct run *run;                /* the command that runs now */
    struct run *ended, *last_ended; /* commands whose answers wait for their files, or for such answers before them */
    unsigned ended_count;
    struct files *files;    /* NULL: no job had any */
    struct worker *closing; /* workers of closed jobs on their way out */
    uint64_t started_ms, active_ms, pinged_ms, done;
    bool usage_busy; /* at the last look at what we use, at usage_us; so are the other two */
    uint64_t usage_us, usage_ticks, usage_done;
    struct limits limits;
    struct gpu gpu;
    struct seat seat;
    bool judged, paused;           /* judged: the engine knows whether we are paused */
    enum pause pause;              /* for what */
    char pause_why[240];           /* what it was told last */
    uint64_t judge_ms, stopped_us; /* the next look; since when what runs is stopped, or 0 */
    uint64_t load_us;              /* our own share in the load, as of then */
    double load_own;
    uint64_t short_ms, again_ms; /* since when nothing can be started, and until when nothing is tried; or 0 */
};

enum mark { MARK_CANCELLED = 1, MARK_SKIPPED = 2 };

/* Index and bytes of the first task that the batch has not answered. */
struct task {
    struct batch *batch;
    uint64_t index;
    const char *input;
    size_t len;
};

struct files;
struct nng_stream;
struct task_files;
struct watch;

/* daemon.c */
/* A start failed with error rv: true when this machine is out of something for the moment; until again_ms, which is
 * then set, nothing is to be started. */
bool daemon_is_short(struct daemon *d, int rv);
/* Sets one variable of its tasks, in the place of another of that name. Takes text. */
void daemon_set_env(struct daemon *d, char *text);

/* home.c */
bool home_is_there(const struct daemon *d);
/* While it is not there: what is said is kept, if the conversation goes on later; else it is for nobody. */
void home_send(struct daemon *d, const struct frame *f, const void *body);
void home_send_ref(struct daemon *d, const struct frame *f, const struct link_piece *pieces, int count);
void home_flush(struct daemon *d);
/* A connection besides, for a thread that waits: a socket, or a stream. Says which daemon it is. */
bool home_dial_for_files(const struct daemon *d, int *fd, struct nng_stream **stream);
void home_add_greeting(const struct daemon *d, struct buf *b, enum wire_role role);
/* While it is not there: dials and greets, again and again; then sets is_refused (it makes no sense to try again), or
 * gave_up, when it was not reached for so long since lost_ms. */
void home_step(struct daemon *d, uint64_t patience_ms, struct watch *w);
/* It has greeted: to go on with the conversation, of which it has that many frames (false: that cannot be), or to begin
 * one. */
bool home_is_resumed(struct daemon *d, uint64_t has);
void home_is_new(struct daemon *d, bool resumes);
void home_lose(struct daemon *d); /* the link broke */
void home_end(struct daemon *d);

/* answer.c: all locked */
struct task task_at(struct batch *b, uint32_t i);
bool task_has_mark(const struct batch *b, uint32_t i, enum mark mark);
void task_set_mark(struct batch *b, uint32_t i, enum mark mark);
/* Each answers the next tasks of the head batch, which leaves the queue when it is done:
 * n that went well, their outputs as bytes (of block) and n end offsets (of ends); */
void answer_result(struct daemon *d, uint32_t n, struct blk *ends, const uint8_t *bytes, uint32_t len,
    struct blk *block, uint64_t run_us);
/* one, in full; one, with a text of ours and no output. */
void answer_report(struct daemon *d, enum wire_outcome outcome, const struct wire_report *r);
void answer_why(struct daemon *d, enum wire_outcome outcome, int exit_status, const char *why);
void answer_fault(struct daemon *d, const struct job *j, const char *text);
/* The files of its tasks from that one on. */
void batch_forget_files(struct batch *b, uint32_t from);
/* Frees a batch that is out of the queue. */
void batch_free(struct batch *b);
void answer_closed(struct daemon *d, uint32_t job);

/* job.c */
struct job *job_open(struct daemon *d, uint32_t number, const uint8_t *body, size_t len);
void job_free(struct daemon *d, struct job *j);
/* The environment for one task of the job (index UINT64_MAX: for a worker), NULL-terminated, inside out. */
char **job_env(struct daemon *d, const struct job *j, uint64_t index, struct buf *out);

/* files.c */
/* No files of tasks are under way any more. */
void files_stop(struct daemon *d);
void files_end(struct daemon *d);
/* Until something came of them. */
void files_watch(struct daemon *d, struct watch *w);

/* folder.c */
/* A folder of the job's own, its dir; false: errno. */
bool folder_make(struct job *j);
const char *folder_parent(void); /* where those are made */
/* The same as its root, below parent. */
bool folder_make_root(struct job *j, const char *parent, bool is_hidden);
void folder_clear(const char *path); /* and all that is in it */
void folder_remove(struct job *j);

/* process.c */
struct spawn {
    char *const *argv;
    char *const *env;
    const char *dir;
    int in_fd;                   /* becomes standard input; -1: /dev/null */
    const struct limits *limits; /* borrowed */
};
/* 0, or an errno. The process leads a group of its own. */
int process_spawn(struct process *p, const struct spawn *s);
void process_kill(const struct process *p, int signal);
/* Reaps it (it has ended) and closes its descriptors; with cleanup, what its group left is killed first. One that is
 * stuck is left behind, and counts as killed. */
int process_reap(struct process *p, bool cleanup);
/* Kills and reaps it, and waits a little for its end. */
void process_end(struct process *p);
/* A process that hangs in the kernel does not end when it is killed. Nobody waits for it longer than this. */
enum { PROCESS_STUCK_US = 10000000 };
/* killed_us: when it was killed, or 0. */
bool process_is_stuck(uint64_t killed_us);
/* How many bytes the pipe can hold: more than its last writer left in it when it ended; 0: it is none. */
size_t process_pipe_holds(int fd);
void process_close(struct process *p);

/* A set of descriptors to wait for, and the nearest deadline. */
struct watch {
    struct pollfd fds[64];
    unsigned count;
    uint64_t deadline_us; /* UINT64_MAX: none */
};
/* Adds a descriptor (-1: nothing) and returns its place, or -1. */
int watch_add(struct watch *w, int fd, short events);
void watch_until(struct watch *w, uint64_t at_us);
/* What poll said of that place. */
bool watch_is_ready(const struct watch *w, int place);

/* command.c: one process a task. */
void command_step(struct daemon *d, const struct watch *w); /* starts, collects, times out: whatever is due */
void command_watch(struct daemon *d, struct watch *w);
void command_kill(struct daemon *d); /* the one that runs, and those that ended, without a word */
/* That task runs now. */
bool command_is_at(const struct daemon *d, const struct batch *b, uint32_t i);
void command_cancel(struct daemon *d); /* … its task ends as cancelled */

/* Stops it, or lets it go on; passed_us: how long it was stopped. */
void command_stop(struct daemon *d, bool stop, uint64_t passed_us);

/* worker.c: one process a job. */
bool worker_is_kind(const struct job *j);
void worker_feed(struct daemon *d); /* writes what the worker of the head batch may have */
void worker_step(struct daemon *d, const struct watch *w);
void worker_watch(struct daemon *d, struct watch *w);
void worker_close(struct daemon *d, struct job *j); /* takes the job; CLOSED is answered when its worker is gone */
void worker_drop_all(struct daemon *d);             /* ends and forgets them, without a word */

void worker_flush(struct daemon *d); /* sends the answers that wait for others */
void worker_stop(struct daemon *d, bool stop, uint64_t passed_us);

/* limits.c */
void limits_set(struct limits *l, const struct store_settings *t, uint32_t number);
void limits_clear(struct limits *l); /* tasks that run keep theirs */
/* The daemon goes: what is left in its groups is killed, and they are removed. */
void limits_end(struct limits *l);
/* In the new process, before its program: 0 or an errno. Touches nothing of the daemon's. */
int limits_apply(const struct limits *l);
/* How many processes were killed for their memory. */
uint64_t limits_kills(const struct limits *l);
/* Has a task that failed met the limit of memory? Then why says so. */
bool limits_explain(struct limits *l, int status, const struct buf *err, char *why, size_t size);

/* neighbour.c */
void neighbour_terms(struct daemon *d, const struct frame *f); /* NULL: none any more */
void neighbour_judge(struct daemon *d);                        /* before anything is started */
void neighbour_step(struct daemon *d, struct watch *w);        /* after */

void neighbour_tell(struct daemon *d); /* what is in force, for people */

/* look.c */
/* False: there is no such program, or it cannot be started. */
bool look_begin(struct look *a, const struct daemon *d, const char *const *argv, unsigned limit_ms);
/* Reads on, of one that runs. True: it has said all that it will be asked for, or is late. */
bool look_is_over(struct look *a);
bool look_is_late(const struct look *a);
/* True: it is waited for. */
bool look_watch(const struct look *a, struct watch *w);
void look_end(struct look *a);

/* gpu.c */
void gpu_init(struct gpu *g);
/* Of those, by their indices, one is taken: now or when it is free. "": none any more. */
void gpu_offer(struct daemon *d, const char *indices);
/* It has none, and why: what uses it has no lock of ours, or somebody has the lock. */
bool gpu_is_missing(struct daemon *d, char *why, size_t size);
void gpu_watch(struct daemon *d, struct watch *w);
void gpu_end(struct gpu *g);

/* seat.c */
/* Can it be known at all? */
bool seat_is_seen(void);
/* Somebody who is at a screen was active less than --pause-user ago, or nobody knows so far. */
bool seat_is_active(struct daemon *d, char *why, size_t size);
void seat_watch(struct daemon *d, struct watch *w);
void seat_end(struct seat *s);

/* usage.c */
void usage_step(struct daemon *d, struct watch *w); /* tells the engine what we use, when it is due */

/* config.c */
/* Reads "key value" lines from fd up to its end. 0, or -1 with a line on stderr. */
int config_read(int fd, struct daemon_config *c);

/* daemon.c: whoever ended this task or worker ends the daemon too (a scheduler signals a job's processes one after the
 * other): it is not the task's failure. True: do not answer, the daemon goes and its tasks are lost. */
bool daemon_goes_too(struct daemon *d, int status);

#endif
