/* The store: one SQLite file that holds the inventory, the profiles, the ledger of jobs and the history.
 * This folder is the only one that knows SQL. Nothing secret goes in: no password, passphrase or token, ever.
 *
 * Several processes may have the same file open. A handle belongs to one thread at a time and is not to be
 * used after fork(): each thread and each process opens its own.
 *
 * Every function that returns enum clw_err gives CLW_OK or, beside the codes it names: CLW_BUSY (another
 * process kept the file locked for STORE_BUSY_MS), CLW_IO (full disk, read-only file, input/output error,
 * with SQLite's own text) or CLW_DAMAGED. A call that fails has changed nothing. err may be NULL. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/err.h"

#include <stdint.h>

/* The format of the file that this program writes. */
#define STORE_VERSION 11
/* How long a call waits for another process that is writing. */
#define STORE_BUSY_MS 10000
/* Files up to this size are checked each time they are opened; bigger ones by store_check(). */
#define STORE_CHECK_BYTES 16777216 /* 16 MiB */

struct store;

/* Opens the file at path (NULL: $XDG_DATA_HOME/clowder/clowder.db; ":memory:": a private one that is gone on
 * close), makes it (0600) when there is none, and brings an older one up to STORE_VERSION. *out is owned by
 * the caller: store_close(). On failure *out is NULL and the file is as it was. CLW_NEWER: written by a newer
 * version. CLW_DAMAGED: not a database, or a broken one, or an empty file, or one that vanished and left its
 * journal. CLW_REFUSED: the database of another program. */
enum clw_err store_open(const char *path, struct store **out, struct clw_error *err);
/* Closes and frees it; what an unfinished store_begin() has done is undone. NULL is fine. */
void store_close(struct store *s);

/* The path of the file, borrowed until store_close(). */
const char *store_path(const struct store *s);
/* Reads the whole file and verifies it, links between tables included. CLW_DAMAGED names the first fault. */
enum clw_err store_check(struct store *s, struct clw_error *err);
/* A number that is another one after a different handle or process has changed the file, and the same
 * otherwise (changes made through s do not count). Cheap. */
enum clw_err store_data_version(struct store *s, int64_t *version, struct clw_error *err);

/* Groups the calls in between into one transaction: faster, and all or nothing. Calls that fail inside undo
 * only themselves. May be nested; each begin needs one commit or one rollback. */
enum clw_err store_begin(struct store *s, struct clw_error *err);
/* When this fails, all since store_begin() is undone. */
enum clw_err store_commit(struct store *s, struct clw_error *err);
void store_rollback(struct store *s);

#endif
