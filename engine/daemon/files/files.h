/* The files of tasks: what they need comes before they run, and what they made goes home after, while the next ones do
 * both. Two threads see to that, one each way. On the engine's own machine what comes is cloned or copied, and what
 * goes is moved by the engine. */
#ifndef ENGINE_DAEMON_FILES_H
#define ENGINE_DAEMON_FILES_H

#include "engine/daemon/files/task_files.h"

/* Starts to bring what the task needs. */
struct task_files *files_bring(struct daemon *d, struct job *j, uint64_t index, const char *input, size_t len);
/* It ran well: what it made is taken home. */
void files_take_home(struct task_files *t);
/* Nobody needs it any more. NULL is fine. */
void files_drop(struct task_files *t);
/* The job goes: none of its files may be under way. With the last one the connections end. */
void files_forget(struct daemon *d, const struct job *j);

/* What the job ships has not come yet. When it cannot come, that is the job's problem. */
bool files_of_job_are_coming(struct job *j);

/* A job whose files travel this way: sets dir, root, ships, has_files and is_here, or problem. */
void files_open_job(struct daemon *d, struct job *j);

#endif
