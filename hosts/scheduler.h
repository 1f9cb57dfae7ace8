/* What is said to a cluster's scheduler, and what it answers: daemons are submitted as one job array, asked after, and
 * cancelled, with the scheduler's own commands. Pure: shell scripts out, text in. docs/schedulers.md. */
#ifndef HOSTS_SCHEDULER_H
#define HOSTS_SCHEDULER_H

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum scheduler_kind { SCHEDULER_SLURM, SCHEDULER_PBS, SCHEDULER_SGE, SCHEDULER_LSF, SCHEDULER_KINDS };
enum { SCHEDULER_ID_SIZE = 64, SCHEDULER_ARRAY_MAX = 1000 };

enum scheduler_state { SCHEDULER_PENDING, SCHEDULER_RUNNING, SCHEDULER_ENDED };

/* All borrowed. */
struct scheduler_job {
    const char *name;       /* as the scheduler shows it */
    const char *folder;     /* a name that nobody has; below ~/.cache/clowder, which all nodes see */
    const char *program;    /* path of the daemon program; "~/..." is in the home folder */
    const char *directives; /* lines of the user's, with the scheduler's prefix or without; "" */
    /* Settings of each daemon: @HOME@ in them becomes the submitting machine as the node sees it. Tokens are in them.
     */
    const char *const *configs;
    unsigned count; /* 1 to SCHEDULER_ARRAY_MAX */
};

/* Appends the script that submits it. The settings are written into files that only the user can read; each is read and
 * removed by its own element of the array when it starts. It ends with the line that scheduler_status() reads. */
void scheduler_submit(enum scheduler_kind kind, const struct scheduler_job *job, struct buf *out);
/* Appends the script that lists the user's jobs, and the one that cancels a job (index 0: all of it, and the folder is
 * removed too; folder may be NULL). */
void scheduler_query(enum scheduler_kind kind, struct buf *out);
void scheduler_cancel(enum scheduler_kind kind, const char *id, unsigned index, const char *folder, struct buf *out);

/* The exit status that a script of ours printed at its end, or -1; *len becomes what came before that line. */
int scheduler_status(const char *text, size_t *len);
/* The job's id in what the submission printed; false: there is none. */
bool scheduler_read_id(enum scheduler_kind kind, const char *text, size_t len, char id[SCHEDULER_ID_SIZE]);
/* How one element is, in what the query printed. ENDED: it is not listed. reason: the scheduler's word, the node when
 * it runs;
 * "" when there is none. */
enum scheduler_state scheduler_find(
    enum scheduler_kind kind, const char *text, size_t len, const char *id, unsigned index, char *reason, size_t size);
/* Did the cancellation fail because the job is over already? */
bool scheduler_knows_not(const char *text, size_t len);
/* Is the id one that a script may hold? */
bool scheduler_is_id(const char *id);

#endif
