/* What the store holds of hosts and profiles, as it was when it was last looked at. The engine reads this and never the
 * file: looks are taken in a thread of their own. Who needs what others have written by now has a look taken first. */
#ifndef ENGINE_RECORD_CATALOG_H
#define ENGINE_RECORD_CATALOG_H

#include "base/err.h"
#include "base/errands.h"
#include "store/batch.h"
#include "store/host.h"
#include "store/profile.h"

struct catalog;

/* Opens the store and has a first look, before anybody waits for the engine. Owned: catalog_close(). On failure *out is
 * NULL and *err says why there is no store. */
enum clw_err catalog_open(struct loop *home, struct catalog **out, struct clw_error *err);
/* Once catalog_is_looking() is over. NULL is fine. */
void catalog_close(struct catalog *i);
bool catalog_is_looking(const struct catalog *i);

/* Reads what has changed, and then calls then(arg) in the thread of the loop. then may be NULL. */
void catalog_look(struct catalog *i, void (*then)(void *arg), void *arg);
/* work(store, arg) in the thread that looks, between two looks, with its handle; then done(arg) in the loop's. */
void catalog_ask(struct catalog *i, void (*work)(struct store *s, void *arg), void (*done)(void *arg), void *arg);

/* Borrowed until the next look; of what there is none (also when i is NULL): NULL. */
const struct store_host *catalog_host(const struct catalog *i, const char *name);
const struct store_profile *catalog_profile(const struct catalog *i, const char *name);
const struct store_profile_list *catalog_profiles(const struct catalog *i);
/* The same with the reason in words: CLW_NOT_FOUND, or CLW_IO when there is no store. */
enum clw_err catalog_host_get(
    const struct catalog *i, const char *name, const struct store_host **out, struct clw_error *err);
/* Jobs of schedulers that engines before this one left. */
const struct store_batch_list *catalog_batches(const struct catalog *i);
/* The largest number of a job in the ledger. */
int64_t catalog_last_job(const struct catalog *i);

#endif
