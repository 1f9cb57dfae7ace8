/* Profiles: set, get, list, remove, want. */
#include "store/profile_internal.h"

#include <stdlib.h>
#include <string.h>

#define NAME(field, ...) ", " #field
#define VALUE(field, ...) ", ?"
#define CHANGE(field, ...) ", " #field " = excluded." #field
#define NAMES STORE_SETTINGS_STORED(NAME)
#define VALUES STORE_SETTINGS_STORED(VALUE)
#define CHANGES STORE_SETTINGS_STORED(CHANGE)
#define COLUMNS "id, name, runtime, base_url, command, env, setup, options, local_daemons, wanted" NAMES
enum { WORDS = 7, FIRST_SETTING = 10 }; /* columns that are texts, when it is set; of COLUMNS */

enum clw_err store__profile_id(struct store *s, const char *name, int64_t *id, struct clw_error *err)
{
    struct store__shown shown;
    enum clw_err code = store__number(s, "SELECT id FROM profile WHERE name = ?1", ARGS(TEXT(name)), id, err);
    if (code == CLW_NOT_FOUND)
        clw_fail(err, code, "'clowder profile list' shows the names; 'clowder profile set' makes one",
            "there is no profile named %s", store__show(&shown, name));
    return code;
}

static struct store__arg setting_arg(const struct store_setting_row *row, const struct store_settings *set)
{
    if (row->type == STORE_TYPE_HOURS)
        return (struct store__arg)TEXT(store_row_text(row, set));
    uint64_t n = store_row_number(row, set);
    return (struct store__arg)INT_OR_NULL(row->type != STORE_TYPE_SEED || n != STORE_SEED_NONE, n);
}

static enum clw_err save(
    struct store *s, const struct store__arg words[WORDS], const struct store_settings *set, struct clw_error *err)
{
    struct store__arg args[WORDS + STORE_SETTINGS_STORED_COUNT + 1];
    memcpy(args, words, WORDS * sizeof *words);
    for (size_t i = 0; i < STORE_SETTINGS_STORED_COUNT; i++)
        args[WORDS + i] = setting_arg(&store_setting_rows[i], set);
    args[WORDS + STORE_SETTINGS_STORED_COUNT] = (struct store__arg){.type = STORE__END};
    return store__exec(s,
        "INSERT INTO profile(name, runtime, base_url, command, env, setup, options" NAMES
        ") VALUES(?, ?, ?, ?, ?, ?, ?" VALUES
        ") ON CONFLICT(name) DO UPDATE SET runtime = excluded.runtime, base_url = excluded.base_url,"
        " command = excluded.command, env = excluded.env, setup = excluded.setup, options = excluded.options" CHANGES,
        args, NULL, err);
}

enum clw_err store_profile_set(struct store *s, const struct store_profile *p, struct clw_error *err)
{
    enum clw_err code = store_profile_check(p, err);
    if (!code)
        code = store__write(s, err);
    if (code)
        return code;
    char *command = store__pack_strings(&p->command), *env = store__pack_strings(&p->env);
    char *setup = store__pack_setup(p), *options = store__pack_strings(&p->options);
    const struct store__arg words[WORDS] = {TEXT(p->name), TEXT(store_runtime_text(p->runtime)), TEXT(p->base_url),
        TEXT(command), TEXT(env), TEXT(setup), TEXT(options)};
    code = save(s, words, &p->set, err);
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
    char *command = store__text(stmt, 4), *env = store__text(stmt, 5), *setup = store__text(stmt, 6);
    char *options = store__text(stmt, 7);
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

static void read_setting(
    sqlite3_stmt *stmt, int column, const struct store_setting_row *row, struct store_settings *set)
{
    if (row->type == STORE_TYPE_HOURS)
        store__copy(stmt, column, store_row_room(row, set), HOURS_SIZE);
    else if (row->type == STORE_TYPE_SEED && sqlite3_column_type(stmt, column) == SQLITE_NULL)
        store_row_set(row, set, STORE_SEED_NONE);
    else
        store_row_set(row, set, store__u64(stmt, column));
}

static enum clw_err read_profile(struct store *s, sqlite3_stmt *stmt, struct store_profile *p, struct clw_error *err)
{
    store_profile_init(p);
    p->id = sqlite3_column_int64(stmt, 0);
    store__copy(stmt, 1, p->name, sizeof p->name);
    p->base_url = store__text(stmt, 3);
    p->local_daemons = (unsigned)store__u64(stmt, 8);
    p->wanted = sqlite3_column_int(stmt, 9) != 0;
    for (int i = 0; i < STORE_SETTINGS_STORED_COUNT; i++)
        read_setting(stmt, FIRST_SETTING + i, &store_setting_rows[i], &p->set);
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
