/* What the files of the daemon's end of the file plane share: a thread for each way, with a queue and a connection. */
#ifndef ENGINE_DAEMON_HAUL_H
#define ENGINE_DAEMON_HAUL_H

#include "engine/daemon/files/cache.h"
#include "engine/daemon/files/file_link.h"
#include "engine/daemon/files/task_files.h"

enum {
    HAUL_AHEAD = 32, /* so many are asked for before the first answer came */
    HAUL_REDIAL_MS = 300
};

struct haul {
    struct files *files;
    pthread_t thread;
    bool runs;
    atomic_bool stop;
    pthread_mutex_t lock; /* of the queue */
    pthread_cond_t cond;
    struct task_files *queue, *last;
    uint64_t opened_ms; /* the connection, the last time */
    struct file_link link;
};

struct files {
    struct daemon *daemon;
    int event_fd;
    struct cache cache;
    struct haul in, out;
    struct task_files *all; /* oldest first */
    uint64_t folders;       /* of tasks, that were made */
};

void haul_init(struct haul *h, struct files *f);
void haul_fini(struct haul *h);
/* False: there is no thread to be had. */
bool haul_give(struct haul *h, struct task_files *t, void *(*run)(void *haul));
void haul_end(struct haul *h);

/* In the threads: the next of the queue, or NULL; with wait, there is one, or it is to stop. */
struct task_files *haul_next(struct haul *h, bool wait);
/* The connection, opened when there is none; false: it is to stop. */
bool haul_connect(struct haul *h);
void haul_done(struct task_files *t, enum task_files_state state);
/* Takes why. is_ours: as in struct task_files. */
void haul_fail(struct task_files *t, bool is_ours, char *why);

/* files_in.c, files_out.c: the threads. */
void *files_in_run(void *haul);
void *files_out_run(void *haul);

#endif
