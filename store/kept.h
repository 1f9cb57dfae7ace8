/* Detached jobs: what `clowder submit` leaves in the store until an engine has run it and somebody has collected it.
 *
 * A detached job is a row of the ledger (job.h) and beside it its function, its inputs in chunks, and its results in
 * segments. A chunk is up to STORE_CHUNK_TASKS inputs in a row; a segment is what came in for one chunk between two
 * writes, numbered from 0 within its chunk. Whoever writes segment n has read those before it, and a number exists
 * once: so a task that has a result is never given another one, whoever else has the file open.
 *
 * Failed tasks that are put back (store_kept_retry) begin a new round: a failure from an earlier round no longer
 * counts, and a later segment's result replaces an earlier one's. */
#ifndef STORE_KEPT_H
#define STORE_KEPT_H

#include "base/mem.h"
#include "base/process.h"
#include "store/job.h"

#include <stdint.h>

#define STORE_CHUNK_TASKS 1024
#define STORE_INDEX_MAX (UINT64_C(1) << 53) /* of a task; no job comes near it */
#define STORE_CHUNK_BYTES 65536             /* a chunk is closed at this size; one input may be larger */
#define STORE_COLLECTED_KEPT 1000
#define STORE_REASON_MAX 800 /* bytes */

/* What a detached job is besides its row in the ledger. up is owned: store_kept_fini(). */
struct store_kept {
    int64_t job;
    char owner[PROCESS_NAME_SIZE]; /* the process that still adds inputs; "": all are in */
    char *up;                      /* a request for daemons of its own, as JSON; "": it has none */
    bool stop;                     /* the first failure ends it */
    uint32_t round;
    uint64_t collected_us;         /* 0: not yet */
    char reason[STORE_REASON_MAX]; /* why it waits, or ended as it did; "" */
};

/* ---- making one ---- */

/* Writes job (its id is given) and kept into new rows; func are the bytes of the function. CLW_EXISTS: the id is taken.
 */
enum clw_err store_kept_add(struct store *s, struct store_job *job, const struct store_kept *kept, const void *func,
    size_t func_len, struct clw_error *err);

/* Inputs gathered for the next chunk. All zero is empty; first is set by the caller. */
struct store_inputs {
    uint64_t first;
    uint32_t n;
    struct buf ends, bytes; /* u32 end offsets, and the bytes */
};
/* Would one more of len bytes be too many? Then it is to be written first. */
bool store_inputs_is_full(const struct store_inputs *in, size_t len);
void store_inputs_add(struct store_inputs *in, const void *input, size_t len);
/* Writes it as the job's next chunk, counts its tasks in the ledger, and empties it. CLW_CANCELLED: the job was ended,
 * or is gone. */
enum clw_err store_inputs_write(struct store *s, int64_t job, struct store_inputs *in, struct clw_error *err);
void store_inputs_fini(struct store_inputs *in);
/* All inputs are in: when this is back, they are on the disk, not only in its cache. CLW_CANCELLED. */
enum clw_err store_kept_seal(struct store *s, int64_t job, struct clw_error *err);

/* ---- looking ---- */

/* CLW_NOT_FOUND: no detached job. *out is the caller's. */
enum clw_err store_kept_get(struct store *s, int64_t job, struct store_kept *out, struct clw_error *err);
void store_kept_fini(struct store_kept *k);
/* The bytes of its function, owned. CLW_NOT_FOUND. */
enum clw_err store_kept_func(struct store *s, int64_t job, uint8_t **func, size_t *len, struct clw_error *err);
/* The ids of detached jobs that are not finished, in order; *ids is owned. */
enum clw_err store_kept_open(struct store *s, int64_t **ids, size_t *count, struct clw_error *err);
/* How many detached jobs there are. */
enum clw_err store_kept_count(struct store *s, uint64_t *jobs, struct clw_error *err);

/* A chunk's inputs. All zero is valid; data is owned: store_chunk_fini(). */
struct store_chunk {
    uint64_t first;
    uint32_t n;
    uint8_t *data; /* NULL when they were not asked for */
    size_t len;
};
/* The first chunk with first >= from. CLW_END: there is none. CLW_DAMAGED. */
enum clw_err store_chunk_get(
    struct store *s, int64_t job, uint64_t from, bool inputs, struct store_chunk *out, struct clw_error *err);
/* Fetches the inputs of a chunk that was read without them. */
enum clw_err store_chunk_load(struct store *s, int64_t job, struct store_chunk *c, struct clw_error *err);
/* Input i; borrowed from c. */
void store_chunk_input(const struct store_chunk *c, uint32_t i, const char **input, size_t *len);
void store_chunk_fini(struct store_chunk *c);

/* ---- results ---- */

enum store_outcome { STORE_DONE, STORE_FAILED, STORE_TIMEOUT, STORE_CANCELLED, STORE_LOST };

/* One task's result; everything is borrowed. Texts may be NULL. */
struct store_result {
    uint32_t pos; /* of the task in its chunk */
    enum store_outcome outcome;
    unsigned attempts;
    int exit_status, signal;
    const char *out, *err, *why, *host, *daemon; /* host, daemon: NUL-terminated */
    size_t out_len, err_len, why_len;
    uint32_t file_count; /* that it brought home */
    uint64_t file_bytes;
    uint64_t out_total, queued_us, run_us, ended_us;
};

/* Results gathered for the next segment of a chunk. All zero is empty. */
struct store_segment {
    struct buf heads, names, data;
    uint32_t n;
    const char *last_daemon; /* the names of the last result, and their number */
    uint32_t last_name, name_count;
    size_t run_at; /* where the last run begins in heads; run_n 0: none */
    uint32_t run_n;
};
void store_segment_add(struct store_segment *g, const struct store_result *r);
size_t store_segment_bytes(const struct store_segment *g);
void store_segment_clear(struct store_segment *g);
void store_segment_fini(struct store_segment *g);
/* Writes it as segment seq of the chunk that begins at first. CLW_EXISTS: somebody else has written that one;
 * CLW_NOT_FOUND: the job is gone. g stays as it is. */
enum clw_err store_segment_write(struct store *s, int64_t job, uint64_t first, uint32_t seq, uint32_t round,
    const struct store_segment *g, struct clw_error *err);

/* The results of one chunk, as far as they are there. */
struct store_results;
/* heads alone are read; results are fetched as they are asked for. n: tasks of the chunk. *out is owned. */
enum clw_err store_results_get(struct store *s, int64_t job, uint64_t first, uint32_t n, uint32_t round,
    struct store_results **out, struct clw_error *err);
void store_results_free(struct store_results *r);
/* How many segments there are: the number of the next one. */
uint32_t store_results_segments(const struct store_results *r);
bool store_results_has(const struct store_results *r, uint32_t pos);
/* Result pos, which is there; what it points to is borrowed until the next call. */
enum clw_err store_results_read(
    struct store *s, struct store_results *r, uint32_t pos, struct store_result *out, struct clw_error *err);

/* ---- its life ---- */

/* Writes state, times, counts and reason. Only while the job is queued or running, in that round: otherwise
 * CLW_CANCELLED, and nothing is changed. */
enum clw_err store_kept_update(
    struct store *s, const struct store_job *job, uint32_t round, const char *reason, struct clw_error *err);
/* Ends it: what has no result never gets one. CLW_EXISTS: it is finished already. */
enum clw_err store_kept_cancel(struct store *s, int64_t job, struct clw_error *err);
/* A finished job is queued again; its failed tasks and those without a result will run. *count: how many. CLW_BUSY: it
 * is not finished. */
enum clw_err store_kept_retry(struct store *s, int64_t job, uint64_t *count, struct clw_error *err);
enum clw_err store_kept_collected(struct store *s, int64_t job, uint64_t at_us, struct clw_error *err);
/* Deletes the job with all that belongs to it, in steps that keep nobody else waiting for long. From the first one on
 * it counts as no detached job any more; what an interrupted removal leaves is removed by store_kept_sweep(). */
enum clw_err store_kept_remove(struct store *s, int64_t job, struct clw_error *err);
/* Removes what a removal or a submitter that died has left behind, and of the jobs that were collected all but the
 * newest STORE_COLLECTED_KEPT. What nobody has collected stays. A little at a time: *after is 0 for the first call, and
 * the next is wanted while *more. */
enum clw_err store_kept_sweep(struct store *s, int64_t *after, bool *more, struct clw_error *err);

#endif
