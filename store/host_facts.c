/* What was measured on a host, and how it went last. */
#include "store/host_internal.h"
#include "store/jsonx.h"

#include <stdlib.h>
#include <string.h>

#define REASON_MAX 1000

static enum clw_err check_facts(const char *facts, struct clw_error *err)
{
    json_t *root = NULL;
    size_t len = strlen(facts);
    if (len > STORE_FACTS_MAX)
        return clw_fail(
            err, CLW_TOO_LARGE, NULL, "facts of %zu bytes are too large (at most %d)", len, STORE_FACTS_MAX);
    enum clw_err code = store__json_parse("the facts", facts, len, &root, err);
    if (!code && !json_is_object(root))
        code = clw_fail(err, CLW_USAGE, NULL, "the facts are not a JSON object");
    json_decref(root);
    return code;
}

static enum clw_err put_gpu(struct store *s, int64_t id, const struct store_gpu *gpu, struct clw_error *err)
{
    char *name = store__clean(gpu->name, sizeof gpu->name - 1, false);
    char *driver = store__clean(gpu->driver, sizeof gpu->driver - 1, false);
    enum clw_err code =
        store__exec(s, "INSERT OR REPLACE INTO gpu(host, number, name, mem_bytes, driver) VALUES(?1, ?2, ?3, ?4, ?5)",
            ARGS(INT(id), INT(gpu->index), TEXT(name), INT(gpu->mem_bytes), TEXT(driver)), NULL, err);
    free(name);
    free(driver);
    return code;
}

enum clw_err store_host_facts_set(struct store *s, const char *name, const char *facts, uint64_t probed_at_us,
    const struct store_gpu *gpus, size_t gpu_count, struct clw_error *err)
{
    int64_t id = 0;
    enum clw_err code = check_facts(facts, err);
    if (!code && gpu_count > STORE_GPUS_MAX)
        code = clw_fail(err, CLW_TOO_LARGE, NULL, "a host has at most %d GPUs", STORE_GPUS_MAX);
    if (!code)
        code = store__write(s, err);
    if (code)
        return code;
    code = store__host_id(s, name, &id, err);
    if (!code)
        code = store__exec(s, "UPDATE host SET facts = ?1, probed_at_us = ?2 WHERE id = ?3",
            ARGS(TEXT(facts), INT(probed_at_us), INT(id)), NULL, err);
    if (!code)
        code = store__exec(s, "DELETE FROM gpu WHERE host = ?1", ARGS(INT(id)), NULL, err);
    for (size_t i = 0; !code && i < gpu_count; i++)
        code = put_gpu(s, id, &gpus[i], err);
    return store__end(s, code, err);
}

enum clw_err store_host_state_set(
    struct store *s, const char *name, const char *state, const char *reason, struct clw_error *err)
{
    int64_t id = 0;
    if (*state && store_check_name("state", state, err))
        return CLW_USAGE;
    if (strlen(state) >= STORE_STATE_SIZE)
        return clw_fail(err, CLW_USAGE, NULL, "the state '%s' is too long", state);
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    char *clean = store__clean(reason, REASON_MAX, false);
    code = store__host_id(s, name, &id, err);
    if (!code)
        code = store__exec(s, "UPDATE host SET state = ?1, reason = ?2 WHERE id = ?3",
            ARGS(TEXT(state), TEXT(clean), INT(id)), NULL, err);
    free(clean);
    return store__end(s, code, err);
}
