/* What outlives the engine: the desired state of profiles, in the store. A profile that was up is brought up again by
 * the next engine. When the store cannot be used, the engine says so once and works on. */
#include "engine/core.h"

#include "base/log.h"
#include "engine/record/catalog.h"
#include "engine/record/recorder.h"
#include "store/profile.h"

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
        complain(&err);
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

static void fill(struct store_profile *to, const struct profile *p)
{
    const struct profile_settings *s = &p->settings;
    snprintf(to->name, sizeof to->name, "%s", p->name);
    store_strings_fini(&to->env);
    for (char **env = s->env; env && *env; env++)
        store_strings_add(&to->env, *env);
    to->set = s->set;
}

static void fill_places(struct store_profile *to, const struct profile *p)
{
    for (const struct place *l = p->places; l; l = l->next) {
        if (!l->fleet.on)
            continue;
        if (strcmp(l->host, "local") == 0) {
            to->local_daemons = l->fleet.want;
            continue;
        }
        to->hosts = mem_realloc(to->hosts, (to->host_count + 1) * sizeof *to->hosts);
        to->hosts[to->host_count] = (struct store_profile_host){.daemons = l->fleet.want};
        memcpy(to->hosts[to->host_count++].host, l->host, sizeof to->hosts->host);
    }
}

/* What is to be written of a profile. */
struct save {
    struct recorder_write write;
    struct engine *engine;
    struct store_profile profile;
    bool settings; /* also those */
};

/* What its daemons are, and their set-up, stays as it is in the store. */
static void keep_kind(struct store_profile *to, struct store_profile *from)
{
    struct store_profile was = *to;
    to->runtime = from->runtime;
    to->base_url = from->base_url;
    to->command = from->command;
    to->options = from->options;
    to->setup = from->setup;
    to->setup_count = from->setup_count;
    from->base_url = was.base_url;
    from->command = was.command;
    from->options = was.options;
    from->setup = was.setup;
    from->setup_count = was.setup_count;
}

static enum clw_err write_wish(struct store *s, const struct save *v, unsigned local_daemons, struct clw_error *err)
{
    const struct store_profile *p = &v->profile;
    if (!p->wanted)
        return store_profile_want(s, p->name, local_daemons, false, err);
    enum clw_err code = store_profile_want(s, p->name, p->local_daemons, true, err);
    return code ? code : store_profile_hosts_set(s, p->name, p->hosts, p->host_count, err);
}

/* In the recorder's thread. */
static enum clw_err write_profile(struct store *s, void *arg, struct clw_error *err)
{
    struct save *v = arg;
    struct store_profile there;
    enum clw_err code = store_begin(s, err);
    if (code)
        return code;
    bool is_new = store_profile_get(s, v->profile.name, &there, NULL) != CLW_OK;
    if (!is_new)
        keep_kind(&v->profile, &there);
    if (is_new || v->settings)
        code = store_profile_set(s, &v->profile, err);
    if (!code)
        code = write_wish(s, v, is_new ? 0 : there.local_daemons, err);
    if (!is_new)
        store_profile_fini(&there);
    if (!code)
        return store_commit(s, err);
    store_rollback(s);
    return code;
}

static void saved(void *arg)
{
    struct save *v = arg;
    struct profile *p = profile_find(v->engine, v->profile.name);
    if (v->write.err.code)
        complain(&v->write.err);
    if (p && p->saving && --p->saving == 0)
        p->unsaved = v->write.err.code != CLW_OK;
    core_due(v->engine); /* somebody may wait for it */
    store_profile_fini(&v->profile);
    free(v);
}

void restore_save(struct engine *e, struct profile *p, bool wanted, bool settings)
{
    if (!e->catalog || p->ephemeral)
        return;
    struct save *v = mem_zalloc(sizeof *v);
    *v = (struct save){.engine = e, .settings = settings};
    v->write = (struct recorder_write){.write = write_profile, .done = saved, .arg = v};
    store_profile_init(&v->profile);
    fill(&v->profile, p);
    v->profile.wanted = wanted;
    if (wanted)
        fill_places(&v->profile, p);
    p->saving++;
    recorder_write(e->recorder, &v->write);
}

bool restore_is_saving(const struct engine *e, const char *profile)
{
    for (const struct profile *p = e->profiles; p; p = p->next)
        if (p->saving && (!*profile || strcmp(p->name, profile) == 0))
            return true;
    return false;
}

bool restore_is_known(struct engine *e, const char *name)
{
    return catalog_profile(e->catalog, name) != NULL;
}
