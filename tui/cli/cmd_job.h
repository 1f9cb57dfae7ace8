/* What the commands of jobs share. */
#ifndef TUI_CLI_CMD_JOB_H
#define TUI_CLI_CMD_JOB_H

#include "store/kept.h"
#include "tui/cli/command.h"
#include "tui/cli/opt.h"

enum { JOB_PAGE = 256 }; /* failures read at a time: their inputs may be large */

/* The number that is the only word, or the first of count words. 0, or told. */
int job_id(const struct opts *o, size_t count, int64_t *id);
/* *job is owned: store_job_fini(). */
int job_find(struct store *s, int64_t id, struct store_job *job);
bool job_is_finished(const struct store_job *job);
/* 1: not a detached job (nothing is told), 0, or told: another status. */
int job_kept(struct store *s, int64_t id, struct store_kept *kept);

/* cmd_job_wait.c */
/* Waits until the engine does not have the job any more or, when recorded is not NULL, has another number of its
 * results in the store. until_ms: mono_ms(), UINT64_MAX: no limit. Starts the engine when none runs. 0, 6 (not told),
 * or told. */
int job_await(struct clowder *c, int64_t id, const uint64_t *recorded, uint64_t until_ms);
/* For one who has waited so often in a row for a job that the engine does not have, and that is not finished in the
 * store either: the ledger of a map is written a moment after its end. A short pause and 0; at last told, and 3. */
int job_idle(int64_t id, unsigned tries);
/* The ledger keeps only so many failed tasks of a job: true, and told, when there were more than these. */
bool job_tell_missing(const struct store_job *job, uint64_t kept);
/* Asks the engine to look into the store, when it runs or (start) in any case. 0, or told. */
int job_announce(bool start);

#endif
