/* What outlives the engine: the desired state of profiles, written into the store. */
#include "engine/record/desired.h"

#include "engine/model/core.h"
#include "engine/model/find.h"
#include "engine/record/catalog.h"
#include "engine/record/recorder.h"

#include <stdlib.h>
#include <string.h>

static void complain(const struct clw_error *err)
{
    log_warn("store", "failed why=\"%s\" hint=\"%s\"", err->message, err->hint);
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
