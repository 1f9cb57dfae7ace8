/* The recorder: writes what happened into the store, in a thread and with a handle of its own. */
#ifndef ENGINE_RECORD_RECORDER_H
#define ENGINE_RECORD_RECORDER_H

#include "base/loop.h"
#include "hosts/facts.h"
#include "store/store.h"

#include <stdint.h>

struct recorder;

/* Starts it; from now on lines of the log become events too. Owned: recorder_stop(), which writes what is queued. */
struct recorder *recorder_start(struct loop *home);
/* Waits until everything that was queued is written, or cannot be. */
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

/* Something that must be written, and that somebody waits for. It lives in a struct of the caller's until done() was
 * called, in the thread of the loop. A store that another process writes into is waited for as long as that takes. */
struct recorder_write {
    enum clw_err (*write)(struct store *s, void *arg, struct clw_error *err); /* in the recorder's thread */
    void (*done)(void *arg);
    void *arg;
    struct clw_error err; /* how it went, for done() */
    struct loop_call call;
};
void recorder_write(struct recorder *r, struct recorder_write *w);

#endif
