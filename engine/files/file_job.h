/* The files of one job, at home: which a task needs, and what may come home. Made in the loop's thread, used by those
 * of connections; none of it waits but for a disk. */
#ifndef ENGINE_FILES_FILE_JOB_H
#define ENGINE_FILES_FILE_JOB_H

#include "base/mem.h"
#include "engine/wire/content.h"
#include "engine/wire/func.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

struct file_job;

/* NULL: the function has none. umask: of folders that are made. */
struct file_job *file_job_new(const struct func *f, mode_t mask);
struct file_job *file_job_hold(struct file_job *j);
/* The last one removes what did not come home whole. NULL is fine. */
void file_job_rele(struct file_job *j);

/* Where a task's files come from, and which it has: the entries of its list with content, in their order. */
struct file_source {
    char *file;
    const struct content *content;
    uint32_t entry; /* in the list */
};
struct file_sources {
    struct file_source *list;
    size_t count;
};
void file_sources_fini(struct file_sources *s);

/* Appends the list of what the task needs to out (parcel.h). index UINT64_MAX: what the job ships. NULL; or why it
 * cannot be had, in words, owned. */
char *file_job_list(struct file_job *j, const char *input, size_t len, uint64_t index, const atomic_bool *stop,
    struct buf *out, struct file_sources *sources);

/* Where what the task made is put: an owned path, which exists; NULL: errno. */
char *file_job_home(struct file_job *j, uint64_t index);
/* May the task bring that path home? Not when no pattern of its own means it, or another task brought it. NULL: it may,
 * from now on alone; or why not, owned. */
char *file_job_claim(struct file_job *j, const char *input, size_t len, uint64_t index, const char *path);
mode_t file_job_mask(const struct file_job *j);
/* A file that is not whole yet, to be removed at the end of the job if it never gets so; and one that is. */
void file_job_begun(struct file_job *j, const char *part);
void file_job_ended(struct file_job *j, const char *part);

#endif
