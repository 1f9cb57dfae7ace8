/* submit: a map that needs nobody. Its function and its inputs go into the store; then the engine is told. */
#include "tui/cli/cmd_job.h"

#include "base/mono.h"
#include "engine/client/detached.h"
#include "store/profile.h"
#include "tui/cli/inventory.h"
#include "tui/cli/map.h"
#include "tui/cli/request.h"

#include <stdlib.h>
#include <string.h>

enum { WRITE_BYTES = 1 << 20, RESERVE_TRIES = 5 };

struct submit {
    struct store *s;
    struct map m;
    int64_t id;
    struct store_inputs in;
    size_t written; /* bytes in the transaction that is open */
    bool open;
};

static void set_error(struct map *m, const struct clw_error *err)
{
    m->input_error = (struct clowder_error){.status = clw_err_exit_status(err->code)};
    snprintf(m->input_error.message, sizeof m->input_error.message, "%s", err->message);
    snprintf(m->input_error.hint, sizeof m->input_error.hint, "%s", err->hint);
}

/* ---- inputs into chunks, chunks into the store, several in one transaction ---- */

static enum clw_err commit(struct submit *u, struct clw_error *err)
{
    if (!u->open)
        return CLW_OK;
    u->open = false;
    u->written = 0;
    return store_commit(u->s, err);
}

static enum clw_err write_chunk(struct submit *u, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    if (!u->open) {
        code = store_begin(u->s, err);
        u->open = !code;
    }
    u->written += u->in.bytes.len + u->in.ends.len;
    if (!code)
        code = store_inputs_write(u->s, u->id, &u->in, err);
    if (code && u->open) {
        u->open = false;
        store_rollback(u->s);
    }
    return code || u->written < WRITE_BYTES ? code : commit(u, err);
}

static bool sink(struct map *m, const char *input, size_t len)
{
    struct submit *u = m->sink_arg;
    struct clw_error err;
    enum clw_err code = client_check_input((enum func_kind)m->f.kind, input, len, &err);
    if (!code && store_inputs_is_full(&u->in, len))
        code = write_chunk(u, &err);
    if (code) {
        set_error(m, &err);
        return false;
    }
    store_inputs_add(&u->in, input, len);
    return true;
}

/* Nobody else waits for the store while we wait for input. */
static void pause_cb(struct map *m)
{
    struct clw_error err;
    if (commit(m->sink_arg, &err) && !m->input_error.status)
        set_error(m, &err);
}

static int read_inputs(struct submit *u)
{
    struct clw_error err;
    u->m.sink = sink;
    u->m.sink_arg = u;
    u->m.pause_cb = pause_cb;
    u->m.stop_fd = -1;
    map_read_inputs(&u->m);
    if (!u->m.input_error.status && (write_chunk(u, &err) || commit(u, &err)))
        set_error(&u->m, &err);
    if (!u->m.input_error.status && store_kept_seal(u->s, u->id, &err))
        set_error(&u->m, &err);
    return u->m.input_error.status ? say_error(&u->m.input_error) : 0;
}

/* ---- the job's row ---- */

static int check_profile(struct submit *u, const char *name)
{
    struct store_profile p;
    struct clw_error err;
    enum clw_err code = store_profile_get(u->s, name, &p, &err);
    enum store_runtime runtime = p.runtime;
    if (!code)
        store_profile_fini(&p);
    if (!code && runtime != STORE_RUNTIME_CLOWDER)
        return say(2, "profile '%s' (runtime %s) has daemons that take their tasks from another program (its base)",
            name, store_runtime_text(runtime));
    if (code == CLW_NOT_FOUND && strcmp(name, "default") == 0)
        return 0;
    if (code == CLW_NOT_FOUND)
        return say(
            4, "there is no profile '%s'; see 'clowder profile list', or make it: clowder up %s -n 2", name, name);
    return code ? say_failure(&err) : 0;
}

/* reserve: a number of the engine's; ping: none. Both tell which engine it is. */
static int ask_engine(struct clowder *c, const char *op, int64_t *id, int64_t *engine)
{
    json_t *reply;
    int status = request_told(c, request_new(op), 10000, &reply);
    if (status == 0 && id)
        *id = json_number(reply, "job");
    if (status == 0)
        *engine = json_number(reply, "engine");
    json_decref(reply);
    return status;
}

/* Under the number u->id, which another job may have taken: CLW_EXISTS. */
static enum clw_err add_rows(struct submit *u, unsigned own_daemons, struct clw_error *err)
{
    struct clowder_error why;
    struct clowder_profile p;
    struct buf func = {0};
    struct store_job job = {.id = u->id, .submitted_us = wall_us()};
    struct store_kept kept = {.job = u->id, .stop = u->m.stop};
    if (own_daemons) {
        clowder_profile_init(&p);
        p.daemons = own_daemons;
        p.ephemeral = true;
        p.timeout_ms = 0;
        free(u->m.own_profile);
        u->m.own_profile = mem_printf("job-%lld", (long long)u->id);
        u->m.f.profile = u->m.own_profile;
        kept.up = client_up_text(u->m.own_profile, &p);
    }
    store_job_describe(&job, u->m.f.name, u->m.f.argv);
    snprintf(job.profile, sizeof job.profile, "%s", u->m.f.profile);
    process_name_self(kept.owner);
    enum clw_err code = CLW_OK;
    if (client_function_bytes(&u->m.f, &func, &why))
        code = clw_fail(err,
            why.status == 2   ? CLW_USAGE
            : why.status == 4 ? CLW_NOT_FOUND
                              : CLW_FAILED,
            why.hint, "%s", why.message);
    if (!code)
        code = store_kept_add(u->s, &job, &kept, func.data, func.len, err);
    buf_fini(&func);
    free(kept.up);
    free(job.command);
    return code;
}

/* The number is safe when the engine that gave it runs still after it is written; else the next one may have given it
 * to another job meanwhile. */
static int make_job(struct submit *u, unsigned own_daemons)
{
    struct clw_error err;
    struct clowder *c = open_client(false);
    bool safe = false;
    int status = c ? 0 : 1;
    for (int i = 0; status == 0 && !safe && i < RESERVE_TRIES; i++) {
        int64_t engine = 0, now = -1;
        status = ask_engine(c, "reserve", &u->id, &engine);
        enum clw_err code = status ? CLW_OK : add_rows(u, own_daemons, &err);
        if (status || code == CLW_EXISTS)
            continue;
        status = code ? say_failure(&err) : ask_engine(c, "ping", NULL, &now);
        safe = status == 0 && now == engine;
        if (!code && !safe)
            store_kept_remove(u->s, u->id, NULL);
    }
    if (status == 0 && !safe)
        status = say(3, "the engine does not stay up; see 'clowder log'");
    clowder_close(c);
    return status;
}

static int submit(struct submit *u, unsigned own_daemons, bool json)
{
    const char *profile = getenv("CLOWDER_PROFILE");
    if (!u->m.f.profile)
        u->m.f.profile = profile && *profile ? profile : "default";
    int status = inventory_open(&u->s);
    if (status == 0 && !own_daemons)
        status = check_profile(u, u->m.f.profile);
    if (status == 0)
        status = make_job(u, own_daemons);
    if (status)
        return status;
    status = read_inputs(u);
    if (status) {
        if (u->open)
            store_rollback(u->s);
        store_kept_remove(u->s, u->id, NULL);
        return status;
    }
    stdout_lost("job %lld was submitted", (long long)u->id);
    if (json)
        json_print(json_pack("{s:I}", "job", (json_int_t)u->id));
    else
        printf("%lld\n", (long long)u->id);
    stdout_is_good();
    job_announce(true); /* it is safe, whether or not an engine hears of it now */
    return 0;
}

int cmd_submit(const struct opts *o, bool json)
{
    struct submit u = {0};
    int64_t n = 0;
    int status = map_options(o, &u.m, &n);
    if (status == 0)
        status = u.m.dry_run ? map_run(&u.m, 0) : submit(&u, (unsigned)n, json);
    store_inputs_fini(&u.in);
    store_close(u.s);
    free(u.m.own_profile);
    map_fini(&u.m);
    return status;
}
