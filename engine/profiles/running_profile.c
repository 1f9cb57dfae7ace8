/* A profile, from the first time that somebody wants it. */
#include "engine/profiles/running_profile.h"

#include "base/mono.h"
#include "engine/profiles/host_use.h"
#include "engine/profiles/orders.h"
#include "engine/profiles/place.h"
#include "engine/profiles/place_state.h"
#include "engine/profiles/profile_state.h"
#include "engine/profiles/running_daemon.h"
#include "engine/model/core.h"
#include "engine/peers/dispatch.h"
#include "engine/peers/talk.h"
#include "engine/peers/tls.h"
#include "engine/record/keep.h"

#include <stdlib.h>

struct profile *profile_new(struct engine *e, const char *name)
{
    struct profile *p = mem_zalloc(sizeof *p);
    p->armed_us = UINT64_MAX;
    p->engine = e;
    snprintf(p->name, sizeof p->name, "%s", name);
    p->settings = (struct profile_settings){.local_env = func_env_own()};
    store_settings_init(&p->settings.set);
    p->fleet.set = &p->settings.set;
    p->started_ms = mono_ms();
    p->disp = disp_new(0);
    struct profile **at = &e->profiles;
    while (*at)
        at = &(*at)->next;
    *at = p;
    return p;
}

static void free_env(char ***list)
{
    for (char **env = *list; env && *env; env++)
        free(*env);
    free(*list);
    *list = NULL;
}

void profile_settings_fini(struct profile_settings *s)
{
    free_env(&s->env);
    free_env(&s->local_env);
    free_env(&s->command);
    free_env(&s->options);
    free(s->base_url);
}

void profile_free(struct engine *e, struct profile *p)
{
    struct profile **at = &e->profiles;
    while (*at && *at != p)
        at = &(*at)->next;
    if (*at)
        *at = p->next;
    foreign_drop_orders(p);
    while (p->daemons)
        daemon_remove(e, p->daemons);
    while (p->setups) {
        struct core_job *j = p->setups;
        p->setups = j->next;
        core_job_free(j);
    }
    while (p->places)
        place_remove(p->places);
    tls_stop(p);
    disp_free(p->disp);
    profile_settings_fini(&p->settings);
    free(p);
}

void profile_down(struct engine *e, struct profile *p, bool now)
{
    foreign_drop_orders(p);
    fleet_down(&p->fleet);
    log_info("profile", "down profile=%s now=%d", p->name, now);
    for (struct daemon *m = p->daemons; m; m = m->after)
        daemon_quit(m, now);
    core_flush(e);
    profile_fail_jobs(e, p);
    core_due(e);
}

void profile_start(struct engine *e, struct profile *p)
{
    fleet_start(&p->fleet);
    for (struct place *l = p->places; l; l = l->next) {
        place_say(l, CLW_OK, NULL, NULL);
        if (l->via)
            l->fleet.attempts = l->via->shot.attempts;
        if (l->via && l->fleet.on)
            host_reach(l->via, HOST_GOAL_UP, true, NULL);
        place_tick(e, l, mono_ms());
    }
    core_flush(e);
    core_due(e);
    keep_hurry(e->keeper);
}
