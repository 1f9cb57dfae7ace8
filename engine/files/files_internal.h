/* What files_peer.c (in the loop) and files_serve.c (in a thread) share of a connection for files. */
#ifndef ENGINE_FILES_FILES_INTERNAL_H
#define ENGINE_FILES_FILES_INTERNAL_H

#include "engine/files/file_job.h"
#include "engine/model/model.h"

enum {
    FILES_PEERS_EACH = 4,   /* connections of one daemon */
    FILES_IN_MAX = 8 << 20, /* bytes that wait for the thread: more is not read */
    FILES_OUT_MAX = 4 << 20 /* bytes that wait for the line: the thread waits with them */
};

/* A frame, and what it is about. */
struct files_message {
    struct frame frame;
    struct blk *block;
    struct file_job *job; /* of WANT and PUT */
    char *input;
    size_t input_len;
    bool is_unknown; /* the daemon has no such task */
    size_t cost;     /* bytes that it holds */
    struct files_message *next;
};

struct files_answer {
    struct frame frame;
    struct blk *body;
    struct files_answer *next;
};

struct files_peer {
    struct engine *engine;
    struct peer *peer; /* the loop's; NULL once it is gone */
    bool is_here;      /* on this machine */
    pthread_t thread;
    atomic_bool stop;
    pthread_mutex_t lock; /* of: */
    pthread_cond_t cond;
    struct files_message *in, *last_in;
    struct files_answer *out, *last_out;
    size_t in_bytes, unsent;
    bool is_paused, is_over;
    struct loop_call call;
    struct files_peer *next;
};

/* The thread: until the connection is gone. */
void *files_thread(void *files_peer);

/* The next frame, taken; NULL: it is over. */
struct files_message *files_next(struct files_peer *f);
void files_message_done(struct files_message *m);
/* Takes body, of which frame->len bytes are sent. Waits for the line. */
void files_send(struct files_peer *f, const struct frame *frame, struct blk *body);
/* The last that the thread says. */
void files_over(struct files_peer *f);

#endif
