/* What detached jobs need of libclowder beyond clowder.h: for `clowder submit` and for the engine's keeper. Not
 * installed. */
#ifndef ENGINE_CLIENT_DETACHED_H
#define ENGINE_CLIENT_DETACHED_H

#include "base/err.h"
#include "base/mem.h"
#include "engine/client/clowder.h"
#include "engine/wire/func.h"

/* Appends the function to bytes, shipped files included, as client_job_open_kept() takes it. */
int client_function_bytes(const struct clowder_function *f, struct buf *bytes, struct clowder_error *err);
/* Would a job of that kind take the input? CLW_USAGE. */
enum clw_err client_check_input(enum func_kind kind, const void *input, size_t len, struct clw_error *err);

/* Like clowder_job_open(), of such bytes, under the number that the job has in the ledger already; its deadline counts
 * from started_us (since 1970). Results come as they are ready. */
int client_job_open_kept(struct clowder *c, const uint8_t *func, size_t len, int64_t id, uint64_t started_us,
    struct clowder_job **job, struct clowder_error *err);

/* The request for an ephemeral profile with the environment of this process, to be kept as text (owned); and the same
 * made with this handle, which the profile then lives as long as. Without the settings of p. */
char *client_up_text(const char *name, const struct clowder_profile *p);
int client_up_again(struct clowder *c, const char *text, struct clowder_error *err);
/* Its daemons go, without anybody waiting for that. */
void client_down_again(struct clowder *c, const char *name);

#endif
