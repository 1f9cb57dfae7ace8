/* libclowder's own structures. One lock and one condition a handle; a loop brings results, the caller's threads
 * wait. */
#ifndef ENGINE_CLIENT_INTERNAL_H
#define ENGINE_CLIENT_INTERNAL_H

#include "base/err.h"
#include "base/mem.h"
#include "engine/client/clowder.h"
#include "engine/wire/func.h"
#include "engine/wire/link.h"
#include "base/loop.h"
#include "engine/wire/wire.h"

#include <jansson.h>
#include <pthread.h>

enum {
    CLIENT_BACKLOG_BYTES = 64 << 20, /* results that wait for the caller, and room for those that will come */
    CLIENT_FIRST_TASKS = 4096,       /* tasks out before the first result tells how large they are */
    CLIENT_RECOVERIES = 5,           /* engines that may die in a row, without a result between */
    CLIENT_CONTROL_MS = 10000,
    CLIENT_PATIENCE_MS =
        60000 /* for somebody who would wait for ever for the answer: until the engine takes the request */
};

/* Where results come from. */
struct source {
    char *name, *host;
};

/* Tasks that travel together: the body of one TASKS frame, kept until every result is in and taken. */
struct chunk {
    struct blk *block;
    struct wire_slices slices;
    uint64_t first;
    uint32_t received, taken;
    uint8_t *have;                   /* per task: 1 when its result is in */
    uint8_t *taken_back;             /* per task: 1 when its caller does not want it any more; NULL: none */
    struct answer **answers;         /* at the first task of each answer: the answer (ordered jobs) */
    struct clowder_future **futures; /* NULL, or per task */
};

/* The results of n tasks of one chunk. */
struct answer {
    struct chunk *chunk;
    struct blk *block;
    struct frame frame;
    struct wire_slices slices; /* RESULT */
    uint32_t pos, n;
    const char *daemon, *host; /* whose it is, as long as the handle is there */
    struct answer *next;       /* unordered: ready list */
};

struct clowder_future {
    struct clowder_job *job;
    uint64_t index;
    struct answer *answer; /* NULL: not done */
    uint32_t place;        /* within the answer */
    bool freed, called;
    clowder_done_cb cb;
    void *cb_arg;
    struct clowder_future *next_done;
};

struct clowder_job {
    struct clowder *c;
    uint32_t number;
    struct func func;
    uint64_t deadline_ms; /* by mono_ms(); 0: none */
    bool ordered, opened, finished, end_sent, cancelled, closed_by_engine;
    struct clw_error broken; /* the job cannot go on */
    struct clw_error fault;  /* it went on, but its results are in doubt */
    char notes[2000];        /* from the engine, for people; a line each */
    uint64_t grant;
    uint64_t next_index, received, sent;
    uint64_t backlog_bytes, received_bytes;

    struct buf open_bytes; /* the chunk that is being filled */
    struct buf open_ends;
    uint32_t open_count;
    struct clowder_future *open_future;

    struct chunk **ring; /* chunks not yet done with, by first */
    size_t ring_cap, ring_head, ring_count;
    size_t unsent; /* how many at the end of the ring are not sent */

    struct answer *ready, *ready_last; /* unordered */
    struct chunk *cursor_chunk;        /* ordered: the next result */
    uint32_t cursor_pos;
    struct answer *current; /* being taken, and how far */
    uint32_t current_at;
    struct clowder_result shared; /* what its results have in common */
    char *why;                    /* text for the result being looked at */
    struct clowder_job *next;
};

/* An ephemeral profile, to be made again on a new engine. */
struct ephemeral {
    json_t *request;
    struct ephemeral *next;
};

struct clowder {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct link_owner owner;
    struct loop *loop; /* waits for the link; from the first connection on */
    struct link *link;
    char *program;
    bool no_start, welcome, lost, recovering, stopped;
    struct clw_error dead; /* the engine is gone for good */
    char refused[300];
    uint64_t client_id;
    unsigned recoveries;
    void (*notice)(void *arg, const char *text);
    void *notice_arg;
    struct clowder_job *jobs;
    uint32_t last_job;
    struct source *sources;
    size_t source_count;
    char **old_names; /* of daemons of engines before, which results point to */
    size_t old_name_count;
    struct ephemeral *ephemerals;
    struct clowder_future *done_first, *done_last; /* for clowder_process */
    int event_fd;
};

/* errors: translate ours into the caller's */
int client_fail(struct clowder_error *to, const struct clw_error *from);
int client_error(struct clowder_error *to, enum clw_err code, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* connect.c */
enum clw_err client_connect(struct clowder *c, struct clw_error *err); /* makes sure that the link is up; not locked */
/* Waits for a change until deadline_ms (UINT64_MAX: none); brings the engine back when it died. OK, AGAIN, or the end.
 * Locked. */
enum clw_err client_wait(struct clowder *c, uint64_t deadline_ms, struct clw_error *err);
void client_disconnect(struct clowder *c);
/* The engine of our link is gone; a request that it or the next one answered may be told of that a moment earlier.
 * Locked. */
bool client_is_lost(struct clowder *c);
void client_signal(struct clowder *c); /* the event descriptor becomes readable; locked */
uint64_t client_deadline(int64_t timeout_ms);

/* start.c */
/* A connection to the engine's socket at path: 0, or an errno (ETIMEDOUT: somebody is there and does not answer). */
typedef int (*client_dialer)(const char *path, uint64_t deadline_ms, int *fd);
/* The same to one of its sockets; when nobody is there, starts the engine, if the handle may. Another process may be
 * starting it at the same time: then its socket comes within moments. */
enum clw_err client_dial(struct clowder *c, const char *socket_name, client_dialer dial, uint64_t deadline_ms, int *fd,
    struct clw_error *err);

/* control.c */
enum clw_err control_request(
    struct clowder *c, json_t *request, int64_t timeout_ms, json_t **reply, struct clw_error *err);
enum clw_err control_again(struct clowder *c, struct clw_error *err); /* ephemeral profiles on a new engine */

/* job.c */
void job_send_open(struct clowder_job *j);   /* the OPEN frame; locked */
void job_send_ready(struct clowder_job *j);  /* chunks that the grant allows; locked */
void job_resend(struct clowder_job *j);      /* on a new engine: everything without a result; locked */
void job_close_chunk(struct clowder_job *j); /* what is gathered becomes a chunk; locked */
/* The task of that place is taken back: by this engine as soon as it has it, and by the next one. Locked. */
void job_take_back(struct clowder_job *j, uint64_t index);

/* result.c */
void result_frame(struct clowder *c, const struct frame *f, struct blk *block);
void answer_done(struct clowder_job *j, struct answer *a, uint32_t n); /* n results of it are taken; locked */
/* A result in two steps: what all of the answer have in common (locked; its text is kept in *why), then its i-th. */
void answer_fill_shared(const struct answer *a, struct clowder_result *r, char **why);
void answer_fill_own(const struct clowder_job *j, const struct answer *a, uint32_t i, struct clowder_result *r);
void chunk_free(struct chunk *k);
struct chunk *job_chunk(struct clowder_job *j, size_t i);
/* The chunk that has the task, or NULL. */
struct chunk *job_chunk_of(struct clowder_job *j, uint64_t index);

#endif
