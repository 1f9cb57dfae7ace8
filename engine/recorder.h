/* The recorder: writes what happened into the store, in a thread and with a handle of its own. */
#ifndef ENGINE_RECORDER_H
#define ENGINE_RECORDER_H

#include "hosts/facts.h"

#include <stdint.h>

struct recorder;

/* Starts it; from now on lines of the log become events too. Owned: recorder_stop(), which writes what is queued. */
struct recorder *recorder_start(void);
/* Waits until everything that was queued is written. */
void recorder_flush(struct recorder *r);
void recorder_stop(struct recorder *r);

/* Each queues and returns at once; texts are copied. */
void recorder_state(struct recorder *r, const char *host, const char *state, const char *reason);
void recorder_facts(struct recorder *r, const char *host, const struct host_facts *f);
struct store_job;
struct store_failure;
/* A row of the ledger, new or changed; takes it. */
void recorder_job(struct recorder *r, struct store_job *job, bool is_new);
/* Failed tasks of a job; takes the array and what it holds. */
void recorder_failures(struct recorder *r, int64_t job, struct store_failure *failures, size_t count);
/* How loaded a host is now; mem_used_bytes 0: unknown. */
void recorder_load(struct recorder *r, const char *host, double load, uint64_t mem_used_bytes);
/* Tasks that ended in a second since 1970. */
void recorder_sample(struct recorder *r, const char *profile, uint64_t second, uint64_t tasks);

#endif
