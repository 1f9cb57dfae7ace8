/* Inside hosts/ only. The loop of a session's thread: its connections, its bridges and a wake-up, a round at a
 * time. Code that waits for an answer calls rounds in a loop, so that everything else goes on
 * while it waits. A pump belongs to one thread; only pump_wake() may be called from another. */
#ifndef HOSTS_SSH_PUMP_H
#define HOSTS_SSH_PUMP_H

#include "base/err.h"
#include "base/loop.h"
#include "hosts/ssh/ssh_config.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <libssh/libssh.h>

enum { PUMP_HOPS = 8, PUMP_SCRATCH = 32768 };

/* Whatever is waited for: ready() is called with the events that came. */
struct source {
    void (*ready)(struct source *source, short events);
    struct loop_watch *watch; /* NULL: not waited for */
};

/* One SSH session on the way to the host: jump hosts first, the host itself last. */
struct hop {
    struct source source;
    struct pump *pump;
    struct ssh_host host; /* what the configuration says about it */
    char label[330];      /* user@host:port, for messages */
    int fd;               /* our own descriptor of its connection, or -1; the session has another */
    ssh_session session;  /* NULL before there is one */
    ssh_event event;      /* NULL until the session has shaken hands */
    struct ssh_counter_struct counter, packets; /* at the socket; of what is in there */
    uint64_t data_packets;                      /* of channels */
    uint64_t drained_others, drained_bytes;     /* other packets, and bytes sent, when last nothing waited to be sent */
    bool dead;                                  /* the session ended */
    bool floods;                                /* … since the host asks without end and does not read the answers */
    pid_t proxy;                                /* ProxyCommand, or 0 */
    int proxy_notes;                            /* what it says on stderr, or -1 */
};

struct bridge;
struct pump {
    struct loop *loop;
    struct loop_call wake;
    _Atomic bool cancelled;
    struct hop *hops[PUMP_HOPS];
    size_t hop_count;
    struct bridge *bridges;
    size_t stalled;                        /* bridges that wait for a window, or for the session to drain */
    bool swept;                            /* a bridge died: sweep at the end of the round */
    _Atomic uint64_t bytes_up, bytes_down; /* of daemons: from the host, to the host */
    uint8_t *scratch;
    void (*after_look)(void *arg);  /* NULL, or called in each round when it is known which hops are dead, and … */
    void (*after_round)(void *arg); /* … at its end */
    void *after_arg;
};

/* CLW_IO when the system is out of descriptors. */
enum clw_err pump_init(struct pump *p, struct clw_error *err);
/* Ends all bridges and sessions. */
void pump_fini(struct pump *p);
void pump_wake(struct pump *p);
/* Asks every wait to end with CLW_CANCELLED. */
void pump_cancel(struct pump *p);
/* Waits at most timeout_ms for something to happen and deals with it. CLW_CANCELLED or CLW_OK. */
enum clw_err pump_round(struct pump *p, int timeout_ms);
/* Waits for these events (as poll knows them) of fd from now on; 0: for none, as it has to be before fd is closed. */
void pump_arm(struct pump *p, int fd, struct source *source, short events);

/* A hop at the end of the chain, empty but for its place there. NULL: the chain is full. */
struct hop *pump_add_hop(struct pump *p);
/* Gives the hop its connection: takes fd (for the session, which is made here) and watches a copy of it. */
enum clw_err hop_attach(struct hop *h, int fd, struct clw_error *err);
/* The session has shaken hands: from now on rounds feed it. */
enum clw_err hop_run(struct hop *h, struct clw_error *err);
/* Takes the session of h, which is logged in, out of its pump: into a hop of that one, which is returned. h stays with
 * its names, as if it had never been connected. Nothing else may be in use of the session. */
struct hop *hop_hand_over(struct hop *h, struct pump *to);
/* Bytes that wait for the connection to take them: do not add more. */
bool hop_is_full(struct hop *h);
/* Says goodbye and closes all hops and bridges. */
void pump_close_hops(struct pump *p);

#endif
