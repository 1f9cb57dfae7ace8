/* Profiles as the store has them: those that were up are brought up again by the next engine. When the store cannot be
 * used, the engine says so once and works on. */
#include "engine/profiles/restore.h"

#include "engine/profiles/launchers/launch_foreign.h"
#include "engine/profiles/launchers/launch_scheduler.h"
#include "engine/profiles/place.h"
#include "engine/profiles/profile_state.h"
#include "engine/profiles/running_profile.h"
#include "engine/profiles/setups.h"
#include "engine/model/find.h"
#include "engine/peers/dispatch.h"
#include "engine/record/catalog.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STORE_FILES = 4, SHORTAGE_MS = 5000, LOOK_MS = 50 };

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
static void apply_kind(struct profile *p, const struct store_profile *from)
{
    struct profile_settings *s = &p->settings;
    s->runtime = from->runtime;
    free(s->base_url);
    s->base_url = mem_strdup(from->base_url);
    set_list(&s->command, &from->command);
    set_list(&s->options, &from->options);
}

static void apply_settings(struct profile *p, const struct store_profile *from)
{
    struct profile_settings *s = &p->settings;
    set_list(&s->env, &from->env);
    store_settings_copy_stored(&s->set, &from->set);
    if (s->set.memory_bytes)
        disp_set_budget(p->disp, s->set.memory_bytes);
}

static void apply_setups(struct profile *p, const struct store_profile *from)
{
    while (p->setups) {
        struct core_job *j = p->setups;
        p->setups = j->next;
        core_job_free(j);
    }
    for (size_t i = 0; i < from->setup_count; i++)
        profile_add_setup_argv(p, (const char *const *)from->setup[i].items, from->setup[i].count);
}

/* A host that cannot be used any more stands in nobody's way: the others come up. */
static void apply_place(struct engine *e, struct profile *p, const char *host, unsigned daemons)
{
    struct place *l;
    struct clw_error err;
    if (place_get(e, p, host, &l, &err)) {
        log_warn("profile", "left out profile=%s host=%s why=\"%s\"", p->name, host, err.message);
        return;
    }
    l->fleet.on = true;
    l->fleet.want = l->share = daemons;
}

static void apply_places(struct engine *e, struct profile *p, const struct store_profile *from)
{
    if (from->local_daemons)
        apply_place(e, p, "local", from->local_daemons);
    for (size_t i = 0; i < from->host_count; i++)
        apply_place(e, p, from->hosts[i].host, from->hosts[i].daemons);
}

static void apply(struct engine *e, struct profile *p, const struct store_profile *from, bool places)
{
    apply_kind(p, from);
    apply_settings(p, from);
    apply_setups(p, from);
    if (places)
        apply_places(e, p, from);
}

bool restore_profile(struct engine *e, struct profile *p, bool places)
{
    const struct store_profile *profile = catalog_profile(e->catalog, p->name);
    if (profile)
        apply(e, p, profile, places);
    return profile != NULL;
}

static bool has_place(const struct store_profile *from, const char *host)
{
    bool found = strcmp(host, "local") == 0 && from->local_daemons;
    for (size_t i = 0; i < from->host_count && !found; i++)
        found = strcmp(from->hosts[i].host, host) == 0;
    return found;
}

/* Places that an edit took out of the profile. */
static void drop_places(struct profile *p, const struct store_profile *from)
{
    for (struct place *l = p->places; l; l = l->next) {
        if (!l->fleet.on || has_place(from, l->host))
            continue;
        l->fleet.on = false;
        l->fleet.want = 0;
    }
}

bool restore_edits(struct engine *e, struct profile *p, bool places)
{
    const struct store_profile *profile = catalog_profile(e->catalog, p->name);
    if (!profile || p->saving) /* then what is here is newer */
        return true;
    if (!p->daemon_count)
        apply_kind(p, profile);
    bool fits = profile->runtime == p->settings.runtime;
    if (fits)
        apply_settings(p, profile);
    if (fits && places && !p->unsaved) {
        drop_places(p, profile);
        apply_places(e, p, profile);
    }
    return fits;
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
    enum clw_err code = catalog_open(e->loop, &e->catalog, err);
    for (int tries = 0; code && tries < SHORTAGE_MS / LOOK_MS && is_short_of_files(); tries++) {
        usleep(LOOK_MS * 1000);
        code = catalog_open(e->loop, &e->catalog, err);
    }
    return code;
}

/* It may have been changed since it was brought up: what is restored passes the same checks as what is asked for. And
 * when engines die as soon as they have started, it may be for something that a profile does to them. */
static bool rests(const struct engine *e, struct profile *p)
{
    struct clw_error err;
    char hint[100];
    snprintf(hint, sizeof hint, "bring it up: clowder up %s", p->name);
    if (*e->hurt)
        profile_rest(p, CLW_UNREACHABLE, hint, e->hurt);
    else if (profile_is_foreign(p) && foreign_check_words(p, &err)) /* at its base nobody listens yet: it waits */
        profile_rest(p, err.code, err.hint, err.message);
    else
        return false;
    return true;
}

void restore_load(struct engine *e)
{
    struct clw_error err;
    if (open_store(e, &err)) {
        log_warn("store", "failed why=\"%s\" hint=\"%s\"", err.message, err.hint);
        snprintf(e->store_problem, sizeof e->store_problem, "%s%s%s", err.message, *err.hint ? "; " : "", err.hint);
        return;
    }
    e->last_job = catalog_last_job(e->catalog);
    batch_restore(e);
    const struct store_profile_list *list = catalog_profiles(e->catalog);
    for (size_t i = 0; i < list->count; i++) {
        const struct store_profile *from = &list->items[i];
        if (!from->wanted)
            continue;
        struct profile *p = profile_new(e, from->name);
        apply(e, p, from, true);
        log_info("profile", "restored profile=%s daemons=%u", p->name, profile_want(p));
        if (!rests(e, p))
            profile_start(e, p);
    }
}
