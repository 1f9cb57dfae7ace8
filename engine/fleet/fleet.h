/* The policy of one profile's places and daemons: who is launched where and when, what a failure leads to, who is
 * waited for, who goes and who is ended. Pure: no I/O, no clock, no threads. The engine tells what happened, with the
 * time in ms, and what it sees of a machine or a connection just then; a function answers with what is to be done: bits
 * of enum fleet_do about a daemon, or one step about a place. The promises, checked after every event in
 * tests/unit/test_fleet.c: nothing is launched while the profile rests or goes, while the place is broken, or before
 * its pause is over · no more daemons than wanted, and one at a time after a failure · pauses grow until one was good ·
 * whoever is away, leaves or is late has an end in sight. */
#ifndef ENGINE_FLEET_FLEET_H
#define ENGINE_FLEET_FLEET_H

#include "store/profile_setting.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    FLEET_LAUNCH_MS = 20000,      /* a started daemon dials home in this time … */
    FLEET_LAUNCHING_MAX = 100,    /* … and so many at once on one machine, so that a slow one can */
    FLEET_QUIT_MS = 2000,         /* a daemon told to stop at once is gone in this time, or is killed … */
    FLEET_IDLE_QUIT_MS = 5000,    /* … and one without tasks that was only told to stop in this … */
    FLEET_FOREIGN_QUIT_MS = 5000, /* … and one of another engine in this, when it need not be at once */
    FLEET_PING_MS = 5000,         /* silence after which a daemon on tcp is asked … */
    FLEET_DEAD_MS = 15000,        /* … and after which it counts as lost; … */
    FLEET_HERE_DEAD_MS = 30000,   /* … one on this machine that has tasks is asked, too, and has so long to answer */
    FLEET_OVERDUE_MS = 15000,     /* a daemon ends a task at its --timeout, and says so within this time */
    FLEET_BACKOFF_MS = 100,       /* first pause before a daemon is replaced; doubles up to … */
    FLEET_BACKOFF_MAX_MS = 30000,
    FLEET_SHORT_MS = 20000,       /* a shortage on this machine may last so long before it counts as a failure, … */
    FLEET_SHORT_PAUSE_MS = 300,   /* … and it is tried again so often */
    FLEET_STABLE_MS = 10000,      /* a daemon that lived this long, or worked, ends the doubling */
    FLEET_GIVE_UP = 5,            /* launches in a row without that: the place is quarantined … */
    FLEET_QUARANTINE_MS = 300000, /* … and tried again after so long, when it is on a host */
    FLEET_RETURN_MS = 5000,       /* a daemon that looks for home comes in this time once the host is reached again */
    FLEET_ABSENT = 2,             /* times in a row that a scheduler does not list an element: it has ended */
    FLEET_NO_GPU = -1
};

/* AWAY: its link broke, but it may come back and resume; LOST: it will not. */
enum fleet_state { FLEET_LAUNCHING, FLEET_UP, FLEET_LEAVING, FLEET_AWAY, FLEET_LOST, FLEET_STATE_COUNT };

enum fleet_kind {
    FLEET_CHILD,   /* our own, on this machine: its process is seen to end, and it never comes back */
    FLEET_REMOTE,  /* our own, on a host: when its link breaks it may come home again */
    FLEET_QUEUED,  /* the same, started by a scheduler: it may wait as long as it likes, and has no process to signal */
    FLEET_FOREIGN, /* another engine's: never connected to us; who started it tells how it fares */
};

/* What is to be done about a daemon, in this order. */
enum fleet_do {
    FLEET_SAY_LATE = 1 << 0,    /* say that it did not connect in time */
    FLEET_END_OVERDUE = 1 << 1, /* its first task ends as timed out; the daemon is killed, and its connection closed */
    FLEET_END_IDLE = 1 << 2,    /* it did not go when it was told to: the same without a task */
    FLEET_SILENT = 1 << 3,      /* close its connection: it does not answer */
    FLEET_PING = 1 << 4,
    FLEET_KILL = 1 << 5,
    FLEET_CLOSE = 1 << 6,     /* close its connection */
    FLEET_SAY_LOST = 1 << 7,  /* say that it is not waited for any longer */
    FLEET_FAILED = 1 << 8,    /* it is why its place has trouble */
    FLEET_GAVE_UP = 1 << 9,   /* … and its place gave up */
    FLEET_STOP = 1 << 10,     /* it is not connected: end its process, which may take a moment */
    FLEET_DRAIN = 1 << 11,    /* it gets no more tasks … */
    FLEET_TELL = 1 << 12,     /* … and is told to go when it has done those that it has … */
    FLEET_TELL_NOW = 1 << 13, /* … or to go now */
    FLEET_SAVE = 1 << 14,     /* fewer daemons are wanted from now on: the store should know */
    FLEET_UNORDER = 1 << 15,  /* whoever gave its command wants no other */
    FLEET_FORGET = 1 << 16,   /* nothing is left of it: free it */
};

/* What a place wants next. */
enum fleet_step {
    FLEET_NOTHING,
    FLEET_DISMISS,     /* this daemon is one too many: fleet_daemon_quit() */
    FLEET_WITHOUT_GPU, /* one for each GPU was asked for, and there is none: the place is broken now */
    FLEET_LAUNCH,      /* launch one, or with a scheduler all that are missing; and ask again */
};

struct fleet_daemon;
struct fleet_place;

/* A profile. Starts as all zero but for set. */
struct fleet {
    const struct store_settings *set; /* borrowed; grace, respawn, per_gpu, walltime and idletime count here */
    bool going;                       /* it is taken down */
    bool resting;                     /* wanted, but nothing is started until somebody brings it up */
    uint64_t awake_ms;                /* nobody is blamed for silence before this: we did not run */
    struct fleet_place *first, *last;
};

/* Its share on one machine. */
struct fleet_place {
    struct fleet *fleet;
    bool on;                            /* the profile is to have daemons there */
    unsigned want;                      /* how many; per_gpu and 0: one for each GPU */
    unsigned orders;                    /* and so many more whose commands somebody gave */
    unsigned counts[FLEET_STATE_COUNT]; /* its daemons by state */
    unsigned fails;                     /* launches in a row that went wrong, also after they connected … */
    uint64_t failed_ms;                 /* … and when the last one did */
    bool broken;                        /* gave up */
    unsigned attempts;                  /* of the link, when daemons were asked for: failures after that count */
    uint64_t next_launch_ms;
    uint64_t short_ms;            /* since when this machine cannot start one more; 0: it can */
    double lately, lately_failed; /* tasks, fading */
    bool suspect;                 /* it fails more than others */
    struct fleet_daemon *first, *last;
    struct fleet_place *before, *after;
};

struct fleet_daemon {
    struct fleet_place *place;
    void *arg; /* whose it is: for the engine */
    enum fleet_kind kind;
    enum fleet_state state;
    int gpu;             /* index of the one it has for itself, or FLEET_NO_GPU */
    bool is_connected;   /* to us */
    bool has_ended;      /* its process: somebody who knows said so */
    bool was_killed;     /* a signal that nobody survives is on its way */
    bool quit_sent;      /* it was told to go */
    bool is_overdue;     /* it did not end a task in time: it is not let in again */
    bool has_worked;     /* it has answered a task */
    bool had_tasks;      /* when it went */
    bool is_idle;        /* it has nothing to do; as of fleet_place_next() */
    bool is_ordered;     /* somebody gave its command, and it goes when that is taken back */
    unsigned absent;     /* QUEUED: times in a row that the scheduler did not list it */
    uint64_t started_ms; /* when it was launched; QUEUED: when its job began to run, once it has */
    uint64_t running_ms; /* QUEUED: the same; 0: it waits */
    uint64_t connected_ms, kill_at_ms, away_until_ms;
    uint64_t pinged_ms, asked_ms; /* asked: of the oldest ping that it has not answered, or 0 */
    uint64_t idle_ms;             /* since when it was told to go and has nothing to do, or 0 */
    struct fleet_daemon *before, *after;
};

/* A place's machine, as it is seen now. */
struct fleet_machine {
    bool is_linked; /* it is reached through a link, which may be down; else it is this machine */
    bool is_up;     /* the link */
    bool asks;      /* … somebody, for a secret or a host key */
    bool rests;     /* … until somebody does something */
    bool backs_off; /* … for a while */
    unsigned attempts;
    bool has_gpus; /* they are known, and daemons may have one each: */
    unsigned gpus;
};

/* A daemon's connection and work, as they are seen now. */
struct fleet_talk {
    uint64_t heard_ms; /* when it last said something */
    bool is_remote;    /* over a network */
    bool is_unread;    /* we do not read it */
    bool is_cut_off;   /* its host answers nobody: when it does again, or is given up, more is known */
    bool has_tasks, has_setups;
    uint64_t task_since_ms; /* since when its first task is its first, … */
    uint64_t task_limit_ms; /* … and how long that may take; 0: as long as it likes */
};

/* ---- fleet_place.c ---- */

void fleet_start(struct fleet *f); /* or again: failures are forgotten */
void fleet_down(struct fleet *f);
void fleet_rest(struct fleet *f, uint64_t now_ms); /* until fleet_start() */
unsigned fleet_count(const struct fleet *f, enum fleet_state state);
bool fleet_is_wanted(const struct fleet *f); /* some place is on */

/* l is all zero, and f's until fleet_place_remove(); it has no daemons then. */
void fleet_place_add(struct fleet *f, struct fleet_place *l);
void fleet_place_remove(struct fleet_place *l);
/* How many daemons it should have as of now. */
unsigned fleet_place_want(const struct fleet_place *l, const struct fleet_machine *m);
unsigned fleet_place_active(const struct fleet_place *l); /* how many it has, or waits for */
/* It lacks daemons, and more may be launched now or at its next_launch_ms. */
bool fleet_place_may_launch(const struct fleet_place *l, const struct fleet_machine *m);
/* Nothing comes up there before somebody does something. */
bool fleet_place_is_stuck(const struct fleet_place *l, const struct fleet_machine *m);
/* The first attempt since daemons were asked for has failed, or it is stuck. */
bool fleet_place_has_failed(const struct fleet_place *l, const struct fleet_machine *m);
/* What it wants next; *which is set for FLEET_DISMISS. After a LAUNCH the engine says what came of it (a daemon that is
 * there, or failed, or a pause), and asks again: until NOTHING. is_idle of its daemons is as of now. */
enum fleet_step fleet_place_next(
    struct fleet_place *l, const struct fleet_machine *m, uint64_t now_ms, struct fleet_daemon **which);
/* When that may be something else, as things are; UINT64_MAX: never. */
uint64_t fleet_place_next_ms(const struct fleet_place *l, const struct fleet_machine *m);
void fleet_place_break(struct fleet_place *l, uint64_t now_ms); /* it is of no use to try again at once */
void fleet_place_lower(struct fleet_place *l);                  /* one daemon less */
void fleet_place_wait(struct fleet_place *l, uint64_t until_ms);
/* A launch met no descriptors, memory or processes, which is nobody's fault and over when others let go. True: it is
 * tried again soon; false: it lasts too long, and counts as a failure. *is_news: it is the first of a row. */
bool fleet_place_short(struct fleet_place *l, uint64_t now_ms, bool *is_news);
void fleet_place_not_short(struct fleet_place *l);
/* The way home of its daemons is closed; or open again, the same way or another one. */
void fleet_place_way_lost(struct fleet_place *l, uint64_t now_ms);
void fleet_place_way_back(struct fleet_place *l, bool same_way, uint64_t now_ms);
/* Of count GPUs by their indices the one that fewest daemons have; FLEET_NO_GPU: there is none. */
int fleet_place_gpu(const struct fleet_place *l, const int *indices, unsigned count);

/* ---- fleet_daemon.c: each answers with bits of enum fleet_do ---- */

/* d is all zero, and l's until fleet_daemon_remove(): it is being launched. */
void fleet_daemon_add(struct fleet_place *l, struct fleet_daemon *d, enum fleet_kind kind, uint64_t now_ms);
void fleet_daemon_remove(struct fleet_daemon *d);
/* It could not be launched; or it is gone and nobody told it to go. */
unsigned fleet_daemon_failed(struct fleet_daemon *d, uint64_t now_ms);
/* One that dials home with its token is let in. */
bool fleet_daemon_may_come(const struct fleet_daemon *d);
/* Nobody waits for it any more while it is AWAY. */
void fleet_daemon_forsake(struct fleet_daemon *d);
/* It connected; FOREIGN: to its base, as far as we know. */
unsigned fleet_daemon_came(struct fleet_daemon *d, uint64_t now_ms);
/* Its connection ended, while its host's way home is open or not. */
unsigned fleet_daemon_gone(struct fleet_daemon *d, bool had_tasks, bool is_open, uint64_t now_ms);
/* Its process ended. Its connection goes next, at the latest when FLEET_QUIT_MS have passed. */
unsigned fleet_daemon_ended(struct fleet_daemon *d, uint64_t now_ms);
/* FOREIGN: its process ended. by_itself: as it should; idle: for want of tasks. */
unsigned fleet_daemon_finished(struct fleet_daemon *d, bool by_itself, bool idle, uint64_t now_ms);
unsigned fleet_daemon_cut_off(struct fleet_daemon *d, uint64_t now_ms); /* FOREIGN: its link ended it */
/* QUEUED: its job began to run; or the scheduler listed it, or not. settled: new ones are listed by now. */
void fleet_daemon_runs(struct fleet_daemon *d, uint64_t now_ms);
unsigned fleet_daemon_listed(struct fleet_daemon *d, bool is_listed, bool settled, uint64_t now_ms);
/* Asks it to go: after its tasks, or at once. */
unsigned fleet_daemon_quit(struct fleet_daemon *d, bool at_once, uint64_t now_ms);
/* It says that it goes; idle: because it had nothing to do, and then no other comes in its place. */
unsigned fleet_daemon_leaves(struct fleet_daemon *d, bool idle);
/* What it has to do before its first task failed: so would the next one's. */
unsigned fleet_daemon_setup_failed(struct fleet_daemon *d, uint64_t now_ms);
/* It lived or worked, so that the next one begins without a pause. */
bool fleet_daemon_was_good(const struct fleet_daemon *d, uint64_t now_ms);
/* What is due; t: only looked at when it is connected. */
unsigned fleet_daemon_tick(struct fleet_daemon *d, const struct fleet_talk *t, uint64_t now_ms);
/* When something is due, as things are; UINT64_MAX: never. */
uint64_t fleet_daemon_next_ms(const struct fleet_daemon *d, const struct fleet_talk *t, uint64_t now_ms);

/* ---- fleet_health.c ---- */

enum fleet_verdict { FLEET_AS_BEFORE, FLEET_SUSPECT, FLEET_CLEARED };
/* n tasks ended there, failed of them not well: is it worse than the others of its profile? *share and *others: of
 * tasks that failed lately, there and elsewhere, when it became SUSPECT. */
enum fleet_verdict fleet_place_worked(
    struct fleet_place *l, uint32_t n, uint32_t failed, double *share, double *others);

/* ---- fleet_check.c ---- */

/* Ends the program when an invariant does not hold: for tests. Cost O(everything). */
void fleet_check(const struct fleet *f);

#endif
