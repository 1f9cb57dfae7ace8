/* What the two files of workers share: worker.c has the process and its tasks, worker_answers.c what it writes. */
#ifndef ENGINE_DAEMON_WORKER_H
#define ENGINE_DAEMON_WORKER_H

#include "engine/daemon/daemon.h"

enum {
    WORKER_FRAME_IN = 8,   /* to a framed worker: u32 length, u32 number, little-endian */
    WORKER_FRAME_OUT = 12, /* from it: u32 length, u32 number, u32 code (0: ok) */
};

/* Why we end a worker: on account of the task that it is at, or of nobody. */
enum kill_why { KILL_NOT, KILL_UNBLAMED, KILL_CANCELLED, KILL_TIMEOUT, KILL_NOT_READY };

struct worker {
    struct job *job;
    struct process process;
    bool alive, closing, input_broken;
    bool greeted; /* it is ready: the clock of its first task runs */
    bool deaf;    /* what it still writes is not looked at */
    int in_fd;
    int out_place, err_place, pid_place;

    /* the piece that is being written; its tasks may be answered before that is done */
    struct blk *piece_block; /* that it lies in, or NULL */
    const uint8_t *piece;
    size_t piece_len;
    struct buf framed;

    uint32_t outstanding, solo_left;
    uint64_t given, answered; /* tasks, since it was started: the number of the next frame to it, and from it */
    enum kill_why kill_why;
    uint64_t kill_answered; /* answered as of then: one more, and it was too late for the task that it was meant for */

    struct blk *in; /* answers as they came: [start, end), looked at up to scan */
    size_t start, scan, end;
    struct blk *ends; /* end offsets of the count answers after start */
    uint32_t count;
    struct buf err;
    uint64_t mark_us;  /* when the first outstanding task became the first */
    uint64_t begun_us; /* when the answers not yet sent began to be worked on */
    uint64_t start_us;
    uint64_t mute_us; /* when its output ended */
    uint64_t kill_us; /* when we killed it, or 0 */
    uint64_t close_us;
    struct worker *next;
};

/* The task that daemons answer next is one of this worker's. */
bool worker__is_head(const struct daemon *d, const struct worker *w);
/* Ends it with a signal; worker.c deals with its end. */
void worker__kill(struct worker *w, enum kill_why why);
/* No task of the head batch can run. */
/* The worker cannot be started here: all tasks of the head batch are answered so. */
void worker__fail_batch(struct daemon *d, int exit_status, const char *why);

/* Sends the answers that have come. */
void worker__send(struct daemon *d, struct worker *w);
/* Answers the tasks that were cancelled before they were written. Whenever one may have come to the front: after that,
 * the task at the front is the one that the worker is at. */
void worker__answer_skipped(struct daemon *d, struct worker *w);
/* Reads answers, no more than about most bytes. False at the end of the worker's output. */
bool worker__read(struct daemon *d, struct worker *w, size_t most);
/* Reads of its stderr. How many bytes came. */
size_t worker__read_err(struct daemon *d, struct worker *w);
/* What it wrote last. It is dead: that is in its pipes, and whoever still writes there is somebody else. */
void worker__read_last(struct daemon *d, struct worker *w);
/* What came and was not sent is dropped. */
void worker__forget(struct worker *w);

#endif
