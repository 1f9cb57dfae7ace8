/* The files of tasks: what they need comes before they run, and what they made goes home after, while the next ones do
 * both. Two threads see to that, one each way. On the engine's own machine nothing is
 * copied: what comes is linked to, and what goes is moved by the engine. */
#ifndef ENGINE_DAEMON_FILES_H
#define ENGINE_DAEMON_FILES_H

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
    bool is_ours;         /* it is this machine that cannot */
    bool is_gone;         /* dir is not there any more, or is to stay */
    struct gather before; /* what was in dir before it ran */
    struct task_files *next; /* in the queue of a thread */
    struct task_files *next_dropped;
};

/* Starts to bring what the task needs. */
struct task_files *files_bring(struct daemon *d, struct job *j, uint64_t index, const char *input, size_t len);
/* It ran well: what it made is taken home. */
void files_take_home(struct task_files *t);
/* Nobody needs it any more. NULL is fine. */
void files_drop(struct task_files *t);
/* The job goes: none of its files may be under way. */
void files_forget(struct daemon *d, const struct job *j);
/* Nothing is under way any more. */
void files_stop(struct daemon *d);
void files_end(struct daemon *d);
/* Something came of it. */
void files_watch(struct daemon *d, struct watch *w);

static inline enum task_files_state files_state(const struct task_files *t)
{
    return atomic_load(&t->state);
}

/* What the job ships has not come yet. When it cannot come, that is the job's problem. */
bool files_of_job_are_coming(struct job *j);

/* A job whose files travel this way: sets dir, root, ships, has_files and is_here, or problem. */
void files_open_job(struct daemon *d, struct job *j);

#endif
