/* The files of one task, or what a job ships, as they come and go. The thread that has them (state COMING or LEAVING)
 * owns them; otherwise the main thread does. */
#ifndef ENGINE_DAEMON_TASK_FILES_H
#define ENGINE_DAEMON_TASK_FILES_H

#include "engine/daemon/daemon.h"
#include "engine/wire/gather.h"

enum task_files_state {
    FILES_COMING,  /* what it needs is under way */
    FILES_READY,   /* it can run */
    FILES_LEAVING, /* what it made is under way */
    FILES_HOME,
    FILES_FAILED /* why says it */
};

/* Of one task, or what a job ships. */
struct task_files {
    struct files *owner;
    const struct job *job;
    uint64_t index; /* UINT64_MAX: what the job ships */
    char *input;
    size_t len;
    char *dir; /* where it runs */
    _Atomic enum task_files_state state;
    uint32_t count; /* files that are home, … */
    uint64_t bytes; /* … and what is in them */
    char *why;
    bool is_ours;            /* it is this machine that cannot */
    bool is_begun;           /* dir was made */
    bool is_gone;            /* dir is not there any more, or is to stay */
    struct gather before;    /* what was in dir before it ran */
    struct task_files *next; /* in the queue of a thread */
    bool is_dropped;         /* nobody needs it: freed once no thread has it */
    struct task_files *next_of_all;
};

static inline enum task_files_state files_state(const struct task_files *t)
{
    return atomic_load(&t->state);
}

#endif
