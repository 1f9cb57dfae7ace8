/* What a client asks for. */
#include "engine/serve/serve_client.h"

#include "base/mono.h"
#include "engine/profiles/profile_state.h"
#include "engine/profiles/running_profile.h"
#include "engine/profiles/setups.h"
#include "engine/model/core.h"
#include "engine/model/find.h"
#include "engine/files/file_job.h"
#include "engine/peers/client_talk.h"
#include "engine/peers/daemon_talk.h"
#include "engine/peers/dispatch.h"
#include "engine/peers/talk.h"
#include "engine/record/catalog.h"
#include "engine/record/desired.h"
#include "engine/record/ledger.h"

#include <stdlib.h>
#include <string.h>

static struct core_job *find_job(struct peer *p, uint32_t number)
{
    struct core_job *j = p->jobs;
    while (j && j->client_job != number)
        j = j->next;
    return j;
}

/* The function as daemons get it: without what is only for the engine. */
static void set_func(struct core_job *j, struct func *spec)
{
    struct buf b = {0};
    char *profile = spec->profile;
    int64_t kept = spec->kept;
    spec->profile = NULL;
    spec->kept = 0;
    func_encode(spec, &b);
    spec->profile = profile;
    spec->kept = kept;
    j->func = blk_new(b.len);
    if (!j->func)
        abort();
    memcpy(j->func->data, b.data, b.len);
    j->func_len = b.len;
    buf_fini(&b);
    for (size_t i = 0; i < spec->file_count; i++) {
        free(spec->files[i].name);
        free(spec->files[i].data);
    }
    free(spec->files);
    spec->files = NULL;
    spec->file_count = 0;
    j->spec = *spec;
}

static void open_everywhere(struct core_job *j)
{
    struct profile *profile = j->profile;
    struct disp_daemon **list = mem_alloc((profile->daemon_count + 1) * sizeof *list);
    uint32_t n = 0;
    for (struct daemon *m = profile->daemons; m; m = m->after)
        if (m->disp && m->fleet.state == FLEET_UP)
            list[n++] = m->disp;
    if (j->spec.setup)
        profile_add_setup(j->client->engine, profile, j);
    peer_send(j->client, &(struct frame){.type = WIRE_OPENED, .job = j->client_job, .n = n}, NULL);
    disp_job_pin(profile->disp, j->job, list, n, mono_us());
    free(list);
}

static void open_refused(struct peer *p, uint32_t job, enum clw_err code, const char *hint, const char *text)
{
    client_text(p, WIRE_OPENED, job, code, text, hint);
}

static void refuse_without_daemons(struct peer *p, uint32_t job, const char *name, const struct profile *profile)
{
    char text[700], hint[300];
    bool is_default = strcmp(name, "default") == 0;
    snprintf(text, sizeof text, "profile '%s' has no daemons up%s%s", name,
        profile && *profile_reason(profile) ? ": " : "", profile ? profile_reason(profile) : "");
    if (profile && *profile_hint(profile))
        snprintf(hint, sizeof hint, "%s", profile_hint(profile));
    else
        snprintf(hint, sizeof hint, "start some: clowder up%s%s -n 2", is_default ? "" : " ", is_default ? "" : name);
    open_refused(p, job, CLW_UNREACHABLE, hint, text);
}

/* A job for a profile that is not here: whether there is such a one, the store says. */
struct stray {
    struct engine *engine;
    uint64_t client;
    uint32_t job;
    char name[STORE_NAME_SIZE];
};

static void refuse_stray(void *arg)
{
    struct stray *s = arg;
    struct peer *p = client_find(s->engine, s->client);
    char text[200], hint[200];
    if (p && restore_is_known(s->engine, s->name)) {
        refuse_without_daemons(p, s->job, s->name, profile_find(s->engine, s->name));
    } else if (p) {
        snprintf(text, sizeof text, "there is no profile '%s'", s->name);
        snprintf(hint, sizeof hint, "see 'clowder status', or make it: clowder up %s -n 2", s->name);
        open_refused(p, s->job, CLW_NOT_FOUND, hint, text);
    }
    core_flush(s->engine);
    free(s);
}

static void refuse_after_look(struct peer *p, uint32_t job, const char *name)
{
    struct stray *s = mem_zalloc(sizeof *s);
    *s = (struct stray){.engine = p->engine, .client = p->id, .job = job};
    snprintf(s->name, sizeof s->name, "%s", name);
    catalog_look(p->engine->catalog, refuse_stray, s);
}

static struct profile *profile_for(struct peer *p, const struct frame *f, const struct func *spec)
{
    char text[700];
    const char *name = spec->profile ? spec->profile : "default";
    struct profile *profile = profile_find(p->engine, name);
    if (!profile && strcmp(name, "default") != 0 && p->engine->catalog) {
        refuse_after_look(p, f->job, name);
        return NULL;
    }
    if (profile && profile_is_foreign(profile)) {
        snprintf(text, sizeof text,
            "profile '%s' (runtime %s) has daemons that take their tasks from another program (its base)", name,
            store_runtime_text(profile->settings.runtime));
        open_refused(p, f->job, CLW_USAGE, "use a profile of Clowder's own daemons: see 'clowder profile list'", text);
        return NULL;
    }
    if (!profile || profile_is_hopeless(profile)) {
        refuse_without_daemons(p, f->job, name, profile);
        return NULL;
    }
    return profile;
}

/* A time of the wall's clock as one of ours. */
static uint64_t deadline_us(const struct func *spec)
{
    uint64_t wall_ms = wall_us() / 1000;
    if (!spec->deadline_ms)
        return 0;
    return mono_us() + (spec->deadline_ms > wall_ms ? (spec->deadline_ms - wall_ms) * 1000 : 0);
}

static void open_job(struct peer *p, const struct frame *f)
{
    struct func spec;
    struct clw_error err;
    struct profile *profile;
    if (f->job == 0 || find_job(p, f->job) || p->job_count >= CORE_JOBS_MAX) {
        peer_drop(p, "a job number twice, or too many jobs");
        return;
    }
    if (func_decode(&spec, f->body, f->len, &err)) {
        open_refused(p, f->job, err.code, err.hint, err.message);
    } else if ((profile = profile_for(p, f, &spec))) {
        struct core_job *j = mem_zalloc(sizeof *j);
        j->client = p;
        j->client_job = f->job;
        j->profile = profile;
        if (!spec.has_seed && profile->settings.set.seed != STORE_SEED_NONE) {
            spec.has_seed = true;
            spec.seed = profile->settings.set.seed;
        }
        size_t files = spec.file_count;
        set_func(j, &spec);
        j->files = file_job_new(&j->spec, p->engine->user_umask);
        struct disp_job_options o = {.retries = spec.retries,
            .retry_failed = spec.retry_failed,
            .ahead = func_has_files(&spec),
            .speculate = spec.speculate,
            .deadline_us = deadline_us(&spec),
            .sequential = spec.kind == FUNC_COMMAND,
            .arg = j};
        j->job = disp_job_open(profile->disp, &o);
        j->next = p->jobs;
        p->jobs = j;
        p->job_count++;
        ledger_open(j, files);
        if (spec.everywhere)
            open_everywhere(j);
        else
            peer_send(p, &(struct frame){.type = WIRE_OPENED, .job = f->job}, NULL);
        profile_act(p->engine, profile);
        return;
    }
    func_fini(&spec);
}

void client_frame(struct peer *p, const struct frame *f, struct blk *block)
{
    struct engine *e = p->engine;
    struct clw_error err;
    uint64_t now = mono_us();
    if (f->type == WIRE_OPEN) {
        open_job(p, f);
        return;
    }
    if (f->type == WIRE_PING) {
        peer_answer_ping(p);
        return;
    }
    struct core_job *j = find_job(p, f->job);
    if (!j) {
        if (f->type == WIRE_TASKS || f->type == WIRE_END || f->type == WIRE_CANCEL || f->type == WIRE_CLOSE)
            return; /* it crossed our refusal on the way */
        peer_drop(p, "a frame that no client sends");
        return;
    }
    struct disp *d = j->profile->disp;
    switch (f->type) {
    case WIRE_TASKS: {
        /* A small chunk must not keep a large receive block alive. */
        struct blk *own = NULL;
        struct frame moved = *f;
        if (block->cap / 4 > f->len && (own = blk_new(f->len))) {
            memcpy(own->data, f->body, f->len);
            moved.body = own->data;
        }
        if (disp_job_tasks(d, j->job, &moved, own ? own : block, now, &err))
            peer_drop(p, err.message);
        blk_rele(own);
        break;
    }
    case WIRE_END: disp_job_end(d, j->job); break;
    case WIRE_CANCEL: disp_job_cancel(d, j->job, f->first, f->n, now); break;
    case WIRE_CLOSE: disp_job_abandon(d, j->job, now); break;
    default: peer_drop(p, "a frame that no client sends"); return;
    }
    profile_act(e, j->profile);
}

static void drop_ephemeral(struct engine *e, uint64_t owner)
{
    for (struct profile *profile = e->profiles; profile; profile = profile->next)
        if (profile->ephemeral && profile->owner == owner)
            profile_down(e, profile, true);
}

void client_gone(struct peer *p)
{
    struct engine *e = p->engine;
    while (p->jobs) {
        struct core_job *j = p->jobs;
        struct profile *profile = j->profile;
        p->jobs = j->next;
        j->client = NULL;
        j->next = NULL;
        disp_job_pause(profile->disp, j->job, false, mono_us());
        disp_job_abandon(profile->disp, j->job, mono_us());
        profile_act(e, profile); /* may free j */
    }
    client_sent(p);
    drop_ephemeral(e, p->id);
    core_changed(e);
}

void client_sent(struct peer *p)
{
    struct engine *e = p->engine;
    size_t queued = p->dead ? 0 : link_queued(p->link);
    if (queued > CORE_SLOW_READER / 2 || !p->jobs_paused)
        return;
    p->jobs_paused = false;
    for (struct peer *q = e->peers; q; q = q->after)
        peer_daemon_read(q, true);
    for (struct core_job *j = p->jobs, *next; j; j = next) {
        next = j->next;
        disp_job_pause(j->profile->disp, j->job, false, mono_us());
        profile_act(e, j->profile);
    }
}
