/* What outlives the engine: the desired state of profiles, in the store. A profile that was up is brought up again by
 * the next engine. When the store cannot be used, the engine says so once and works on. */
#include "engine/core.h"

#include "base/log.h"
#include "store/profile.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

static void complain(const struct clw_error *err)
{
    log_warn("store", "failed why=\"%s\" hint=\"%s\"", err->message, err->hint);
}

static void apply_settings(struct pool *p, const struct store_profile *from)
{
    struct pool_settings *s = &p->settings;
    pool_settings_fini(s);
    s->env = mem_zalloc((from->env.count + 1) * sizeof *s->env);
    for (size_t i = 0; i < from->env.count; i++)
        s->env[i] = mem_strdup(from->env.items[i]);
    s->idletime_ms = from->idletime_ms;
    s->walltime_ms = from->walltime_ms;
    s->maxtasks = from->maxtasks;
    s->memory_bytes = from->memory_bytes;
    s->respawn = from->respawn;
    s->has_seed = from->has_seed;
    s->seed = (uint64_t)from->seed;
}

void restore_load(struct engine *e)
{
    struct clw_error err;
    struct store_profile_list list = {0};
    if (store_open(NULL, &e->store, &err)) {
        complain(&err);
        return;
    }
    if (store_profile_list(e->store, &list, &err)) {
        complain(&err);
        return;
    }
    for (size_t i = 0; i < list.count; i++) {
        const struct store_profile *from = &list.items[i];
        if (!from->wanted || !from->local_daemons || from->runtime != STORE_RUNTIME_CLOWDER)
            continue;
        struct pool *p = pool_new(e, from->name);
        apply_settings(p, from);
        log_info("pool", "restored profile=%s daemons=%u", p->name, from->local_daemons);
        pool_scale(e, p, from->local_daemons);
    }
    store_profile_list_fini(&list);
}

static void fill(struct store_profile *to, const struct pool *p)
{
    const struct pool_settings *s = &p->settings;
    snprintf(to->name, sizeof to->name, "%s", p->name);
    store_strings_fini(&to->env);
    for (char **env = s->env; env && *env; env++)
        store_strings_add(&to->env, *env);
    to->idletime_ms = s->idletime_ms;
    to->walltime_ms = s->walltime_ms;
    to->maxtasks = s->maxtasks;
    to->memory_bytes = s->memory_bytes;
    to->respawn = s->respawn;
    to->has_seed = s->has_seed;
    to->seed = (int64_t)(s->seed & INT64_MAX);
}

void restore_save(struct engine *e, const struct pool *p)
{
    struct clw_error err;
    struct store_profile profile;
    if (!e->store || p->ephemeral)
        return;
    if (store_profile_get(e->store, p->name, &profile, &err))
        store_profile_init(&profile);
    fill(&profile, p);
    if (store_profile_set(e->store, &profile, &err) ||
        store_profile_want(e->store, p->name, p->want ? p->want : profile.local_daemons, p->want > 0, &err))
        complain(&err);
    store_profile_fini(&profile);
}

bool restore_is_known(struct engine *e, const char *name)
{
    struct store_profile profile;
    if (!e->store || store_profile_get(e->store, name, &profile, NULL))
        return false;
    store_profile_fini(&profile);
    return true;
}

unsigned restore_daemons(struct engine *e, const char *name, struct pool *p)
{
    struct store_profile profile;
    unsigned n;
    if (!e->store || store_profile_get(e->store, name, &profile, NULL))
        return 0;
    apply_settings(p, &profile);
    n = profile.local_daemons;
    store_profile_fini(&profile);
    return n;
}
