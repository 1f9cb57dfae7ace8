/* The share of a profile on one machine: what the fleet decided about it is carried out here. */
#include "engine/profiles/place.h"

#include "base/mono.h"
#include "engine/model/core.h"
#include "engine/model/find.h"
#include "engine/model/launcher.h"
#include "engine/peers/dispatch.h"
#include "engine/profiles/host_use.h"
#include "engine/profiles/place_state.h"
#include "engine/profiles/running_daemon.h"
#include "engine/record/catalog.h"
#include "engine/record/desired.h"
#include "store/host.h"

#include <stdlib.h>
#include <string.h>

/* How the host is reached: NULL in *via for this machine, which is a host like others for daemons of other engines.
 * *command: what it has in the inventory, when a command starts its daemons. */
static enum clw_err find_way(struct engine *e, const struct profile *p, const char *host, struct host **via,
    const struct store_host **command, struct clw_error *err)
{
    const struct store_host *s;
    *via = NULL;
    *command = NULL;
    if (strcmp(host, "local") == 0) {
        *via = profile_is_foreign(p) ? host_here(e) : NULL;
        return CLW_OK;
    }
    enum clw_err code = catalog_host_get(e->catalog, host, &s, err);
    if (code)
        return code;
    enum store_launcher launcher = s->launcher;
    if (!s->enabled)
        return clw_fail(err, CLW_REFUSED, NULL, "host '%s' is disabled", host);
    if (launcher != STORE_LAUNCHER_LOCAL && launcher != STORE_LAUNCHER_SSH && profile_is_foreign(p))
        return clw_fail(err, CLW_USAGE, "give the profile hosts that are reached by ssh",
            "host '%s' is a %s: daemons of other engines are not started through it", host,
            launcher == STORE_LAUNCHER_COMMAND ? "command" : "scheduler");
    if (launcher == STORE_LAUNCHER_COMMAND)
        *command = s;
    else if (launcher == STORE_LAUNCHER_LOCAL)
        *via = profile_is_foreign(p) ? host_here(e) : NULL;
    else
        return host_get(e, host, via, err);
    return CLW_OK;
}

static void set_command(struct place *l, const struct store_host *s)
{
    free(l->command);
    l->command = s ? mem_strdup(s->directives) : NULL;
    snprintf(l->home, sizeof l->home, "%s", s && *s->address ? s->address : "127.0.0.1");
}

static void set_manners(struct engine *e, struct place *l)
{
    const struct store_host *s = strcmp(l->host, "local") == 0 ? NULL : catalog_host(e->catalog, l->host);
    struct store_settings now;
    store_settings_init(&now);
    if (s)
        now = s->manners;
    l->has_news |= !store_settings_same(&now, &l->manners, STORE_TOLD_TERMS);
    l->manners = now;
}

enum clw_err place_get(struct engine *e, struct profile *p, const char *host, struct place **out, struct clw_error *err)
{
    struct host *via;
    const struct store_host *command;
    enum clw_err code = find_way(e, p, host, &via, &command, err);
    *out = place_find(p, host);
    if (code)
        return code;
    if (!*out) {
        struct place **at = &p->places;
        while (*at)
            at = &(*at)->next;
        *out = *at = mem_zalloc(sizeof **out);
        (*out)->profile = p;
        (*out)->number = p->place_count++;
        fleet_place_add(&p->fleet, &(*out)->fleet);
        snprintf((*out)->host, sizeof(*out)->host, "%s", host);
        store_settings_init(&(*out)->manners);
    }
    (*out)->via = via;
    set_command(*out, command);
    set_manners(e, *out);
    return CLW_OK;
}

void place_remove(struct place *l)
{
    struct place **at = &l->profile->places;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    fleet_place_remove(&l->fleet);
    free(l->command);
    free(l);
}

void place_break(struct place *l, enum clw_err code, const char *hint, const char *reason)
{
    fleet_place_break(&l->fleet, mono_ms());
    place_say(l, code, hint, reason);
}

void place_worked(struct place *l, uint32_t n, uint32_t failed)
{
    double share, others;
    enum fleet_verdict verdict = fleet_place_worked(&l->fleet, n, failed, &share, &others);
    if (verdict == FLEET_SUSPECT) {
        snprintf(l->suspicion, sizeof l->suspicion, "%.0f %% of its tasks failed lately, %.0f %% on other machines",
            share * 100, others * 100);
        log_warn("host", "suspect host=%s profile=%s why=\"%s\"", l->host, l->profile->name, l->suspicion);
    } else if (verdict == FLEET_CLEARED) {
        l->suspicion[0] = '\0';
        log_info("host", "suspect no more host=%s profile=%s", l->host, l->profile->name);
    }
    if (verdict == FLEET_AS_BEFORE)
        return;
    disp_place_suspect(l->profile->disp, l->number, l->fleet.suspect, mono_us());
    profile_act(l->profile->engine, l->profile);
    core_changed(l->profile->engine);
}

/* ---- launching ---- */

/* With a GPU for each: the one that fewest daemons have. Our own daemons choose for themselves, unless GPUs are shared.
 */
static int choose_gpu(const struct place *l)
{
    const struct store_settings *s = &l->profile->settings.set;
    int indices[HOST_GPUS_MAX];
    if (!s->per_gpu || !(s->shared_gpu || profile_is_foreign(l->profile)))
        return FLEET_NO_GPU;
    return fleet_place_gpu(&l->fleet, indices, place_gpus(l, indices, HOST_GPUS_MAX));
}

/* No descriptors, memory or processes for the moment: nobody's fault, and over when others let go. */
static bool waits_out_shortage(struct place *l, enum clw_err code, const struct clw_error *err)
{
    bool is_news;
    if (code != CLW_AGAIN) {
        fleet_place_not_short(&l->fleet);
        return false;
    }
    bool waits = fleet_place_short(&l->fleet, mono_ms(), &is_news);
    if (is_news) {
        snprintf(l->reason, sizeof l->reason, "%s", err->message);
        log_warn("daemon", "launch waits host=%s why=\"%s\"", l->host, err->message);
    }
    return waits;
}

static void launch(struct engine *e, struct place *l)
{
    struct clw_error err;
    int gpu = choose_gpu(l);
    struct daemon *m = daemon_new(e, l);
    m->fleet.gpu = gpu;
    enum clw_err code = m->launcher->launch(e, m, &err);
    if (waits_out_shortage(l, code, &err)) {
        daemon_remove(e, m);
        return;
    }
    if (code) {
        daemon_say(&m->reason, "%.190s", err.message);
        log_error("daemon", "launch failed daemon=%s host=%s why=\"%s\"", m->name, l->host, err.message);
        daemon_act(e, m, fleet_daemon_failed(&m->fleet, mono_ms()) | FLEET_FORGET);
        return;
    }
    log_info("daemon", "launched daemon=%s host=%s pid=%d", m->name, l->host, (int)m->pid);
    core_changed(e);
}

/* What the fleet wants to know of the place's daemons before it chooses among them. */
static void look_at_daemons(struct place *l)
{
    for (struct fleet_daemon *d = l->fleet.first; d; d = d->after) {
        const struct daemon *m = d->arg;
        d->is_idle = m->disp && !disp_daemon_in_flight(m->disp) && !m->setup_left;
    }
}

/* Each is to have a GPU, and those of this machine are not known yet. */
static bool lacks_facts(const struct place *l)
{
    return l->fleet.on && l->profile->settings.set.per_gpu && !l->via && !l->command && !place_facts(l);
}

/* One for each GPU of this machine: as many as there are now, which is kept. On hosts they are counted at each launch.
 */
static void count_gpus(struct engine *e, struct place *l, const struct fleet_machine *machine)
{
    if (l->via || !l->fleet.on || l->fleet.want || l->fleet.orders || !machine->gpus)
        return;
    l->fleet.want = machine->gpus;
    restore_save(e, l->profile, true, false);
}

/* As many as may be now. False: not before the next round. */
static bool launch_more(struct engine *e, struct place *l, uint64_t now_ms)
{
    const struct launcher *launcher = place_launcher(l);
    if (lacks_facts(l))
        return false;
    if (launcher->is_ready && !launcher->is_ready(l, now_ms))
        return false;
    if (launcher->launch_missing)
        launcher->launch_missing(e, l);
    else
        launch(e, l);
    return !launcher->launch_missing;
}

static void say_no_gpu(struct place *l)
{
    const struct host_facts *f = place_facts(l);
    if (f && f->gpu_count)
        place_say(l, CLW_USAGE, "see 'clowder host show'; or name others: --gpus N,...",
            place_is_here(l) ? "this machine has none of the GPUs that --gpus names"
                             : "the host has none of the GPUs that --gpus names");
    else if (place_is_here(l))
        place_say(
            l, CLW_USAGE, "nvidia-smi or rocm-smi must show them; or leave out --per-gpu", "this machine shows no GPU");
    else
        place_say(l, CLW_USAGE, "see 'clowder host probe'; or leave out --per-gpu", "the host shows no GPU");
}

void place_tick(struct engine *e, struct place *l, uint64_t now_ms)
{
    struct fleet_machine machine = place_machine(l);
    struct fleet_daemon *which;
    if (lacks_facts(l))
        host_look_here(e);
    count_gpus(e, l, &machine);
    if (fleet_place_active(&l->fleet) > fleet_place_want(&l->fleet, &machine))
        look_at_daemons(l);
    for (bool again = true; again;) {
        switch (fleet_place_next(&l->fleet, &machine, now_ms, &which)) {
        case FLEET_NOTHING: again = false; break;
        case FLEET_DISMISS: daemon_quit(which->arg, false); break;
        case FLEET_WITHOUT_GPU: say_no_gpu(l); break;
        case FLEET_LAUNCH: again = launch_more(e, l, now_ms); break;
        }
    }
}
