/* What the commands of jobs share. */
#ifndef TUI_CMD_JOB_H
#define TUI_CMD_JOB_H

#include "store/job.h"
#include "tui/opt.h"

enum { JOB_PAGE = 256 }; /* failures read at a time: their inputs may be large */

/* The number that is the only word, or the first of count words. 0, or told. */
int job_id(const struct opts *o, size_t count, int64_t *id);
/* *job is owned: store_job_fini(). */
int job_find(struct store *s, int64_t id, struct store_job *job);

#endif
