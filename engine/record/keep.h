/* The keeper: runs the detached jobs of the store. A thread of the engine that is an ordinary client of it: it reads
 * inputs from the store, gives them to the engine as far as it takes them, and writes results back. A pointer to a
 * keeper may be NULL everywhere: there is none yet. */
#ifndef ENGINE_RECORD_KEEP_H
#define ENGINE_RECORD_KEEP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct keeper;

/* Starts it, with what the store has to do; NULL when there are no descriptors or threads for it now. Owned:
 * keep_stop(), and when keep_is_over() and nobody asks any more, keep_free(). */
struct keeper *keep_start(void (*nudge)(void *arg), void *arg);
/* It writes all results that have come in, for which it needs the engine's loop, and nudges at its end. */
void keep_stop(struct keeper *k);
bool keep_is_over(const struct keeper *k); /* true of NULL */
void keep_free(struct keeper *k);

/* The functions below return at once, from any thread. */

/* Something has happened that those who wait for daemons may like. */
void keep_hurry(struct keeper *k);
/* Look into the store: a job was submitted, or somebody changed one. Returns a number for keep_has_looked(). */
uint64_t keep_look(struct keeper *k);
bool keep_has_looked(struct keeper *k, uint64_t number);
/* Does it have the job, unfinished? *recorded (may be NULL): tasks whose results are in the store. */
bool keep_has(struct keeper *k, int64_t id, uint64_t *recorded);
/* Ends it. False: it does not have the job. */
bool keep_cancel(struct keeper *k, int64_t id);

/* Completes a list of jobs as the engine has them (ledger.c) with what it knows better, and with those that wait. */
void keep_json(struct keeper *k, json_t *list, const char *profile);
/* Those that wait for something, and for what: [{"job", "profile", "reason"}]. */
json_t *keep_waiting_json(struct keeper *k, const char *profile);

#endif
