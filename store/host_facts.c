/* What was measured on a host, and how it went last. */
#include "store/host_internal.h"
#include "store/jsonx.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static bool is_clean(json_t *value)
{
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_string(value))
        return !store__check_text("it", json_string_value(value), STORE_FACTS_MAX, STORE__BLOCK, NULL);
    json_object_foreach (value, key, item)
        if (store__check_text("it", key, STORE_FACTS_MAX, STORE__LINE, NULL) || !is_clean(item))
            return false;
    json_array_foreach (value, i, item)
        if (!is_clean(item))
            return false;
    return true;
}

/* A copy that is. */
static json_t *cleaned(json_t *value)
{
    const char *key;
    json_t *item, *out = json_is_object(value) ? json_object() : json_is_array(value) ? json_array() : NULL;
    size_t i;
    if (json_is_string(value)) {
        char *text = store__clean_text(json_string_value(value), STORE_FACTS_MAX, STORE__BLOCK);
        out = json_string(text);
        free(text);
    }
    json_object_foreach (value, key, item) {
        char *clean = store__clean_text(key, STORE_FACTS_MAX, STORE__LINE);
        json_object_set_new(out, clean, cleaned(item));
        free(clean);
    }
    json_array_foreach (value, i, item)
        json_array_append_new(out, cleaned(item));
    return out ? out : json_incref(value);
}

static enum clw_err read_facts(const char *facts, json_t **root, struct clw_error *err)
{
    size_t len = strlen(facts);
    *root = NULL;
    if (len > STORE_FACTS_MAX)
        return clw_fail(
            err, CLW_TOO_LARGE, NULL, "facts of %zu bytes are too large (at most %d)", len, STORE_FACTS_MAX);
    enum clw_err code = store__json_parse("the facts", facts, len, root, err);
    if (!code && !json_is_object(*root))
        code = clw_fail(err, CLW_USAGE, NULL, "the facts are not a JSON object");
    return code;
}

bool store__facts_are_clean(const char *facts)
{
    json_t *root;
    bool clean = !read_facts(facts, &root, NULL) && is_clean(root);
    json_decref(root);
    return clean;
}

/* *out is owned: the facts, without what a terminal would obey. */
static enum clw_err clean_facts(const char *facts, char **out, struct clw_error *err)
{
    json_t *root;
    enum clw_err code = read_facts(facts, &root, err);
    *out = NULL;
    if (!code && is_clean(root)) {
        *out = mem_strdup(facts);
    } else if (!code) {
        json_t *copy = cleaned(root);
        char *text = json_dumps(copy, JSON_COMPACT);
        *out = mem_strdup(text ? text : "{}");
        free(text);
        json_decref(copy);
        if (strlen(*out) > STORE_FACTS_MAX)
            code = clw_fail(err, CLW_TOO_LARGE, NULL, "the facts are too large (at most %d bytes)", STORE_FACTS_MAX);
    }
    json_decref(root);
    return code;
}

static enum clw_err put_gpu(struct store *s, int64_t id, const struct store_gpu *gpu, struct clw_error *err)
{
    char *name = store__clean_text(gpu->name, sizeof gpu->name - 1, STORE__LINE);
    char *driver = store__clean_text(gpu->driver, sizeof gpu->driver - 1, STORE__LINE);
    enum clw_err code =
        store__exec(s, "INSERT OR REPLACE INTO gpu(host, number, name, mem_bytes, driver) VALUES(?1, ?2, ?3, ?4, ?5)",
            ARGS(INT(id), INT(gpu->index), TEXT(name), INT(gpu->mem_bytes), TEXT(driver)), NULL, err);
    free(name);
    free(driver);
    return code;
}

static enum clw_err put_facts(struct store *s, const char *name, const char *facts, uint64_t probed_at_us,
    const struct store_gpu *gpus, size_t gpu_count, struct clw_error *err)
{
    int64_t id = 0;
    enum clw_err code = store__write(s, err);
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

enum clw_err store_host_facts_set(struct store *s, const char *name, const char *facts, uint64_t probed_at_us,
    const struct store_gpu *gpus, size_t gpu_count, struct clw_error *err)
{
    char *clean;
    enum clw_err code = clean_facts(facts, &clean, err);
    if (!code && gpu_count > STORE_GPUS_MAX)
        code = clw_fail(err, CLW_TOO_LARGE, NULL, "a host has at most %d GPUs", STORE_GPUS_MAX);
    if (!code)
        code = put_facts(s, name, clean, probed_at_us, gpus, gpu_count, err);
    free(clean);
    return code;
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
    char *clean = store__clean_text(reason, STORE__REASON_MAX, STORE__BLOCK);
    code = store__host_id(s, name, &id, err);
    if (!code)
        code = store__exec(s, "UPDATE host SET state = ?1, reason = ?2 WHERE id = ?3",
            ARGS(TEXT(state), TEXT(clean), INT(id)), NULL, err);
    free(clean);
    return store__end(s, code, err);
}
