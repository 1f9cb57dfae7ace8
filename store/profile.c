/* Profiles: set, get, list, remove, want. */
#include "store/profile_internal.h"

#include <stdlib.h>

#define COLUMNS                                                                                                        \
    "id, name, runtime, base_url, command, per_gpu, env, idletime_ms, walltime_ms, maxtasks, memory_bytes,"            \
    " setup, seed, respawn, local_daemons, wanted, nice, cpus_permille, mem_bytes, pause_load_permille,"               \
    " pause_user_ms, pause_now, hours, no_new_privs, options"

enum clw_err store__profile_id(struct store *s, const char *name, int64_t *id, struct clw_error *err)
{
    struct store__shown shown;
    enum clw_err code = store__number(s, "SELECT id FROM profile WHERE name = ?1", ARGS(TEXT(name)), id, err);
    if (code == CLW_NOT_FOUND)
        clw_fail(err, code, "'clowder profile list' shows the names; 'clowder profile set' makes one",
            "there is no profile named %s", store__show(&shown, name));
    return code;
}

enum clw_err store_profile_set(struct store *s, const struct store_profile *p, struct clw_error *err)
{
    const struct store_manners *m = &p->manners;
    enum clw_err code = store_profile_check(p, err);
    if (!code)
        code = store__write(s, err);
    if (code)
        return code;
    char *command = store__pack_strings(&p->command), *env = store__pack_strings(&p->env);
    char *setup = store__pack_setup(p), *options = store__pack_strings(&p->options);
    code = store__exec(s,
        "INSERT INTO profile(name, runtime, base_url, command, per_gpu, env, idletime_ms, walltime_ms, "
        "maxtasks,"
        " memory_bytes, setup, seed, respawn, nice, cpus_permille, mem_bytes, pause_load_permille, pause_user_ms,"
        " pause_now, hours, no_new_privs, options) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
        " ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)"
        " ON CONFLICT(name) DO UPDATE SET runtime = ?2, base_url = ?3, command = ?4, per_gpu = ?5, env = ?6,"
        " idletime_ms = ?7, walltime_ms = ?8, maxtasks = ?9, memory_bytes = ?10, setup = ?11, seed = ?12,"
        " respawn = ?13, nice = ?14, cpus_permille = ?15, mem_bytes = ?16, pause_load_permille = ?17,"
        " pause_user_ms = ?18, pause_now = ?19, hours = ?20, no_new_privs = ?21, options = ?22",
        ARGS(TEXT(p->name), TEXT(store_runtime_text(p->runtime)), TEXT(p->base_url), TEXT(command), INT(p->per_gpu),
            TEXT(env), INT(p->idletime_ms), INT(p->walltime_ms), INT(p->maxtasks), INT(p->memory_bytes), TEXT(setup),
            INT_OR_NULL(p->has_seed, p->seed), INT(p->respawn), INT(m->nice), INT(m->cpus_permille), INT(m->mem_bytes),
            INT(m->pause_load_permille), INT(m->pause_user_ms), INT(m->pause_now), TEXT(m->hours), INT(m->no_new_privs),
            TEXT(options)),
        NULL, err);
    free(command);
    free(env);
    free(setup);
    free(options);
    return store__end(s, code, err);
}

/* The columns that hold words and lists; false when one cannot be ours. */
static bool read_texts(sqlite3_stmt *stmt, struct store_profile *p)
{
    char runtime[32];
    char *command = store__text(stmt, 4), *env = store__text(stmt, 6), *setup = store__text(stmt, 11);
    char *options = store__text(stmt, 24);
    store__copy(stmt, 2, runtime, sizeof runtime);
    bool good = !store_runtime_parse(runtime, &p->runtime, NULL) && store__unpack_strings(command, &p->command) &&
                store__unpack_strings(env, &p->env) && store__unpack_setup(setup, p) &&
                store__unpack_strings(options, &p->options);
    free(command);
    free(env);
    free(setup);
    free(options);
    return good;
}

static enum clw_err read_profile(struct store *s, sqlite3_stmt *stmt, struct store_profile *p, struct clw_error *err)
{
    store_profile_init(p);
    p->id = sqlite3_column_int64(stmt, 0);
    store__copy(stmt, 1, p->name, sizeof p->name);
    p->base_url = store__text(stmt, 3);
    p->per_gpu = sqlite3_column_int(stmt, 5) != 0;
    p->idletime_ms = store__u64(stmt, 7);
    p->walltime_ms = store__u64(stmt, 8);
    p->maxtasks = store__u64(stmt, 9);
    p->memory_bytes = store__u64(stmt, 10);
    p->has_seed = sqlite3_column_type(stmt, 12) != SQLITE_NULL;
    p->seed = sqlite3_column_int64(stmt, 12);
    p->respawn = sqlite3_column_int(stmt, 13) != 0;
    p->local_daemons = (unsigned)store__u64(stmt, 14);
    p->wanted = sqlite3_column_int(stmt, 15) != 0;
    p->manners = (struct store_manners){.nice = (uint32_t)store__u64(stmt, 16),
        .cpus_permille = (uint32_t)store__u64(stmt, 17),
        .mem_bytes = store__u64(stmt, 18),
        .pause_load_permille = (uint32_t)store__u64(stmt, 19),
        .pause_user_ms = store__u64(stmt, 20),
        .pause_now = sqlite3_column_int(stmt, 21) != 0,
        .no_new_privs = sqlite3_column_int(stmt, 23) != 0};
    store__copy(stmt, 22, p->manners.hours, sizeof p->manners.hours);
    return read_texts(stmt, p) ? CLW_OK : store__damaged(s, err, "a profile cannot be read");
}

enum clw_err store_profile_get(struct store *s, const char *name, struct store_profile *out, struct clw_error *err)
{
    int64_t id = 0;
    sqlite3_stmt *stmt = NULL;
    *out = (struct store_profile){0};
    enum clw_err code = store__read(s, err);
    if (code)
        return code;
    code = store__profile_id(s, name, &id, err);
    if (!code)
        code = store__prepare(s, "SELECT " COLUMNS " FROM profile WHERE id = ?1", ARGS(INT(id)), &stmt, err);
    if (!code && store__next(s, stmt, &code, err))
        code = read_profile(s, stmt, out, err);
    store__release(s, stmt);
    if (!code)
        code = store__profile_load_hosts(s, out, err);
    code = store__end(s, code, err);
    if (code)
        store_profile_fini(out);
    return code;
}

enum clw_err store_profile_list(struct store *s, struct store_profile_list *out, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    *out = (struct store_profile_list){0};
    enum clw_err code = store__read(s, err);
    if (code)
        return code;
    code = store__prepare(s, "SELECT " COLUMNS " FROM profile ORDER BY name", NULL, &stmt, err);
    while (!code && store__next(s, stmt, &code, err)) {
        out->items = store__grow(out->items, out->count, sizeof *out->items);
        code = read_profile(s, stmt, &out->items[out->count++], err);
    }
    store__release(s, stmt);
    for (size_t i = 0; !code && i < out->count; i++)
        code = store__profile_load_hosts(s, &out->items[i], err);
    code = store__end(s, code, err);
    if (code)
        store_profile_list_fini(out);
    return code;
}

enum clw_err store_profile_remove(struct store *s, const char *name, struct clw_error *err)
{
    int64_t id = 0;
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    code = store__profile_id(s, name, &id, err);
    if (!code)
        code = store__exec(s, "DELETE FROM profile WHERE id = ?1", ARGS(INT(id)), NULL, err);
    if (!code)
        code = store__exec(s, "DELETE FROM sample WHERE profile = ?1", ARGS(TEXT(name)), NULL, err);
    return store__end(s, code, err);
}

enum clw_err store_profile_want(
    struct store *s, const char *name, unsigned local_daemons, bool wanted, struct clw_error *err)
{
    int64_t id = 0;
    if (local_daemons > STORE_DAEMONS_MAX)
        return clw_fail(err, CLW_USAGE, NULL, "at most %d daemons on one host", STORE_DAEMONS_MAX);
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    code = store__profile_id(s, name, &id, err);
    if (!code)
        code = store__exec(s, "UPDATE profile SET local_daemons = ?1, wanted = ?2 WHERE id = ?3",
            ARGS(INT(local_daemons), INT(wanted), INT(id)), NULL, err);
    return store__end(s, code, err);
}
