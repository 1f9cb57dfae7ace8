/* What outlives the engine: the desired state of profiles, in the store. A profile that was up is brought up again by
 * the next engine. When the store cannot be used, the engine says so once and works on. */
#include "engine/core.h"

#include "base/log.h"
#include "store/job.h"
#include "store/profile.h"
#include "store/store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STORE_FILES = 4, SHORTAGE_MS = 5000, LOOK_MS = 50 };

static void complain(const struct clw_error *err)
{
    log_warn("store", "failed why=\"%s\" hint=\"%s\"", err->message, err->hint);
}

static void set_list(char ***list, const struct store_strings *from)
{
    for (char **item = *list; item && *item; item++)
        free(*item);
    free(*list);
    *list = mem_zalloc((from->count + 1) * sizeof **list);
    for (size_t i = 0; i < from->count; i++)
        (*list)[i] = mem_strdup(from->items[i]);
}

/* What its daemons are. */
static void apply_kind(struct pool *p, const struct store_profile *from)
{
    struct pool_settings *s = &p->settings;
    s->runtime = from->runtime;
    free(s->base_url);
    s->base_url = mem_strdup(from->base_url);
    set_list(&s->command, &from->command);
    set_list(&s->options, &from->options);
}

static void apply_settings(struct pool *p, const struct store_profile *from)
{
    struct pool_settings *s = &p->settings;
    set_list(&s->env, &from->env);
    store_settings_copy_stored(&s->set, &from->set);
    if (s->set.memory_bytes)
        disp_set_budget(p->disp, s->set.memory_bytes);
}

static void apply_setups(struct pool *p, const struct store_profile *from)
{
    while (p->setups) {
        struct core_job *j = p->setups;
        p->setups = j->next;
        core_job_free(j);
    }
    for (size_t i = 0; i < from->setup_count; i++)
        pool_add_setup_argv(p, (const char *const *)from->setup[i].items, from->setup[i].count);
}

/* A host that cannot be used any more stands in nobody's way: the others come up. */
static void apply_place(struct engine *e, struct pool *p, const char *host, unsigned daemons)
{
    struct place *l;
    struct clw_error err;
    if (place_get(e, p, host, &l, &err)) {
        log_warn("pool", "left out profile=%s host=%s why=\"%s\"", p->name, host, err.message);
        return;
    }
    l->on = true;
    l->want = l->share = daemons;
}

static void apply_places(struct engine *e, struct pool *p, const struct store_profile *from)
{
    if (from->local_daemons)
        apply_place(e, p, "local", from->local_daemons);
    for (size_t i = 0; i < from->host_count; i++)
        apply_place(e, p, from->hosts[i].host, from->hosts[i].daemons);
}

static void apply(struct engine *e, struct pool *p, const struct store_profile *from, bool places)
{
    apply_kind(p, from);
    apply_settings(p, from);
    apply_setups(p, from);
    if (places)
        apply_places(e, p, from);
}

bool restore_profile(struct engine *e, struct pool *p, bool places)
{
    struct store_profile profile;
    if (!e->store || store_profile_get(e->store, p->name, &profile, NULL))
        return false;
    apply(e, p, &profile, places);
    store_profile_fini(&profile);
    return true;
}

static bool has_place(const struct store_profile *from, const char *host)
{
    bool found = strcmp(host, "local") == 0 && from->local_daemons;
    for (size_t i = 0; i < from->host_count && !found; i++)
        found = strcmp(from->hosts[i].host, host) == 0;
    return found;
}

/* Places that an edit took out of the profile. */
static void drop_places(struct pool *p, const struct store_profile *from)
{
    for (struct place *l = p->places; l; l = l->next) {
        if (!l->on || has_place(from, l->host))
            continue;
        l->on = false;
        l->want = 0;
    }
}

bool restore_edits(struct engine *e, struct pool *p, bool places)
{
    struct store_profile profile;
    if (!e->store || store_profile_get(e->store, p->name, &profile, NULL))
        return true;
    if (!p->member_count)
        apply_kind(p, &profile);
    bool fits = profile.runtime == p->settings.runtime;
    if (fits)
        apply_settings(p, &profile);
    if (fits && places && !p->unsaved) { /* else what is here is newer */
        drop_places(p, &profile);
        apply_places(e, p, &profile);
    }
    store_profile_fini(&profile);
    return fits;
}

static void restore_last_job(struct engine *e)
{
    struct clw_error err;
    if (store_job_last_id(e->store, &e->last_job, &err))
        complain(&err);
}

static bool is_short_of_files(void)
{
    int fds[STORE_FILES], n = 0;
    while (n < STORE_FILES && (fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        n++;
    bool is_short = n < STORE_FILES;
    while (n)
        close(fds[--n]);
    return is_short;
}

/* A shortage that passes is waited out: without the store nobody knows the profiles of before. */
static enum clw_err open_store(struct engine *e, struct clw_error *err)
{
    enum clw_err code = store_open(NULL, &e->store, err);
    for (int tries = 0; code && tries < SHORTAGE_MS / LOOK_MS && is_short_of_files(); tries++) {
        usleep(LOOK_MS * 1000);
        code = store_open(NULL, &e->store, err);
    }
    return code;
}

/* It may have been changed since it was brought up: what is restored passes the same checks as what is asked for. And
 * when engines die as soon as they have started, it may be for something that a profile does to them. */
static bool rests(const struct engine *e, struct pool *p)
{
    struct clw_error err;
    char hint[100];
    snprintf(hint, sizeof hint, "bring it up: clowder up %s", p->name);
    if (*e->hurt)
        pool_rest(p, CLW_UNREACHABLE, hint, e->hurt);
    else if (pool_is_foreign(p) && foreign_check(p, &err) &&
             err.code != CLW_UNREACHABLE) /* nobody listens yet: it waits */
        pool_rest(p, err.code, err.hint, err.message);
    else
        return false;
    return true;
}

void restore_load(struct engine *e)
{
    struct clw_error err;
    struct store_profile_list list = {0};
    if (open_store(e, &err)) {
        complain(&err);
        snprintf(e->store_problem, sizeof e->store_problem, "%s%s%s", err.message, *err.hint ? "; " : "", err.hint);
        return;
    }
    restore_last_job(e);
    batch_restore(e);
    if (store_profile_list(e->store, &list, &err)) {
        complain(&err);
        return;
    }
    for (size_t i = 0; i < list.count; i++) {
        const struct store_profile *from = &list.items[i];
        if (!from->wanted)
            continue;
        struct pool *p = pool_new(e, from->name);
        apply(e, p, from, true);
        log_info("pool", "restored profile=%s daemons=%u", p->name, pool_want(p));
        if (!rests(e, p))
            pool_start(e, p);
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
    to->set = s->set;
}

static enum clw_err save_places(struct engine *e, const struct pool *p, struct clw_error *err)
{
    struct store_profile_host *hosts = NULL;
    unsigned here = 0;
    size_t n = 0;
    for (const struct place *l = p->places; l; l = l->next) {
        if (!l->on)
            continue;
        if (strcmp(l->host, "local") == 0) {
            here = l->want;
            continue;
        }
        hosts = mem_realloc(hosts, (n + 1) * sizeof *hosts);
        hosts[n] = (struct store_profile_host){.daemons = l->want};
        memcpy(hosts[n++].host, l->host, sizeof hosts[0].host);
    }
    enum clw_err code = store_profile_want(e->store, p->name, here, true, err);
    if (!code)
        code = store_profile_hosts_set(e->store, p->name, hosts, n, err);
    free(hosts);
    return code;
}

void restore_save(struct engine *e, struct pool *p, bool wanted, bool settings)
{
    struct clw_error err;
    struct store_profile profile;
    if (!e->store || p->ephemeral)
        return;
    bool is_new = store_profile_get(e->store, p->name, &profile, &err) != CLW_OK;
    if (is_new)
        store_profile_init(&profile);
    if (is_new || settings)
        fill(&profile, p);
    enum clw_err code = store_begin(e->store, &err);
    if (!code) {
        if (is_new || settings)
            code = store_profile_set(e->store, &profile, &err);
        if (!code)
            code = wanted ? save_places(e, p, &err)
                          : store_profile_want(e->store, p->name, profile.local_daemons, false, &err);
        if (code)
            store_rollback(e->store);
        else
            code = store_commit(e->store, &err);
    }
    p->unsaved = code != CLW_OK;
    if (code)
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
