/* What link.h promises to other threads: options, commands, snapshots. The thread itself is link_run.c. */
#include "hosts/ssh/session_private.h"

#include "base/mono.h"
#include "base/text.h"
#include "base/thread.h"
#include "hosts/ssh/bridge.h"
#include "hosts/ssh/known_hosts.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char **texts_of(struct host_session_options *o, size_t i)
{
    const char **texts[] = {&o->name, &o->address, &o->user, &o->jump, &o->identity, &o->config_path, &o->program,
        &o->target, &o->cache, &o->agent};
    return i < sizeof texts / sizeof *texts ? texts[i] : NULL;
}

static void set_defaults(struct host_session_options *o)
{
    struct {
        unsigned *field, value;
    } defaults[] = {{&o->resolve_ms, 10000}, {&o->connect_ms, 10000}, {&o->hostkey_ms, 15000}, {&o->auth_ms, 20000},
        {&o->probe_ms, 30000}, {&o->upload_ms, 120000}, {&o->tunnel_ms, 15000}, {&o->launch_ms, 20000},
        {&o->secret_ms, 100000}, {&o->jump_idle_ms, 600000}, {&o->keepalive_ms, 10000}, {&o->keepalive_misses, 3},
        {&o->backoff_ms, 1000}, {&o->backoff_max_ms, 30000}, {&o->quarantine_after, 8}, {&o->quarantine_ms, 300000}};
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (!*defaults[i].field)
            *defaults[i].field = defaults[i].value;
}

static enum clw_err check(const struct host_session_options *o, struct clw_error *err)
{
    if (!o->name || !*o->name || strlen(o->name) >= HOST_NAME_SIZE)
        return clw_fail(err, CLW_USAGE, NULL, "a host needs a name of at most %d bytes", HOST_NAME_SIZE - 1);
    if (o->port > 65535)
        return clw_fail(err, CLW_USAGE, NULL, "%u is not a port", o->port);
    if (o->target && *o->target && !link__is_target(o->target))
        return clw_fail(err, CLW_USAGE, "write unix:/path or tcp:127.0.0.1:port",
            "'%.100s' is not an address that a tunnel can lead to", o->target);
    return CLW_OK;
}

static void link_free(struct host_session *l)
{
    for (struct command *c = l->commands, *next; c; c = next) {
        next = c->next;
        command_free(c);
    }
    for (size_t i = 0; texts_of(&l->o, i); i++)
        free((char *)(uintptr_t)*texts_of(&l->o, i));
    secrets_free(l->secrets);
    link__forward_free_all(l);
    pump_fini(&l->pump);
    pthread_mutex_destroy(&l->lock);
    free(l->key_type);
    free(l->key_text);
    free(l->key_file);
    free(l);
}

enum clw_err host_session_open(
    const struct host_session_options *options, struct host_session **out, struct clw_error *err)
{
    enum clw_err code = check(options, err);
    *out = NULL;
    if (code)
        return code;
    struct host_session *l = mem_zalloc(sizeof *l);
    l->o = *options;
    for (size_t i = 0; texts_of(&l->o, i); i++)
        *texts_of(&l->o, i) = mem_strdup(*texts_of(&l->o, i) ? *texts_of(&l->o, i) : "");
    set_defaults(&l->o);
    pthread_mutex_init(&l->lock, NULL);
    l->command_tail = &l->commands;
    l->next_id = 1;
    l->shot.state = HOST_IDLE;
    l->shot.since_ms = mono_ms();
    snprintf(l->shot.name, sizeof l->shot.name, "%s", l->o.name);
    host_facts_init(&l->facts);
    snprintf(l->agent, sizeof l->agent, "%s", l->o.agent);
    code = pump_init(&l->pump, err);
    l->secrets = secrets_new();
    if (!code && (!l->secrets || !thread_start(&l->thread, link__thread, l)))
        code = clw_fail(err, CLW_NO_MEMORY, NULL, "cannot start a thread for %s", l->o.name);
    if (code) {
        link_free(l);
        return code;
    }
    *out = l;
    return CLW_OK;
}

void host_session_close(struct host_session *l)
{
    if (!l)
        return;
    pump_cancel(&l->pump);
    pthread_join(l->thread, NULL);
    link_free(l);
}

void host_session_snapshot(struct host_session *l, struct host_snapshot *out)
{
    pthread_mutex_lock(&l->lock);
    *out = l->shot;
    uint64_t now = mono_ms(), heard = l->shown_heard_ms;
    pthread_mutex_unlock(&l->lock);
    out->quiet_ms = heard && now > heard ? now - heard : 0;
    out->bytes_up = atomic_load_explicit(&l->pump.bytes_up, memory_order_relaxed);
    out->bytes_down = atomic_load_explicit(&l->pump.bytes_down, memory_order_relaxed);
}

bool host_session_facts(struct host_session *l, struct host_facts *out)
{
    pthread_mutex_lock(&l->lock);
    *out = l->facts;
    bool has = l->has_facts;
    pthread_mutex_unlock(&l->lock);
    return has;
}

/* ---- keys and goals ---- */

enum clw_err host_session_trust(struct host_session *l, const char *fingerprint, struct clw_error *err)
{
    char *type = NULL, *text = NULL, *file = NULL, *name = NULL;
    enum clw_err code = CLW_OK;
    bool hashed = false;
    pthread_mutex_lock(&l->lock);
    const struct host_key_info *key = &l->shot.key;
    if (!l->key_text || !*key->fingerprint) {
        code = clw_fail(err, CLW_NOT_FOUND, NULL, "no host key of %s is waiting to be trusted", l->o.name);
    } else if (key->changed) {
        code = clw_fail(err, CLW_REFUSED, l->shot.hint,
            "the host key of %s has changed (%s line %u): it cannot be trusted as if it were new", key->host, key->file,
            key->line);
    } else if (!*l->key_file) {
        code = clw_fail(err, CLW_REFUSED, KEY_HAS_NO_FILE,
            "the key of %s cannot be written down: UserKnownHostsFile names no file", key->host);
    } else if (strcmp(fingerprint, key->fingerprint) != 0) {
        code = clw_fail(err, CLW_REFUSED, "check again: someone may be intercepting the connection",
            "%s shows the key %s, not %.80s", key->host, key->fingerprint, fingerprint);
    } else {
        type = mem_strdup(l->key_type);
        text = mem_strdup(l->key_text);
        file = mem_strdup(l->key_file);
        name = mem_strdup(key->host);
        hashed = l->key_hashed;
    }
    pthread_mutex_unlock(&l->lock);
    if (!code)
        code = known_hosts_add(file, name, type, text, hashed, err);
    if (!code) {
        log_info("ssh", "host=%s trusted=%s key=%s file=%s", l->o.name, name, fingerprint, file);
        pthread_mutex_lock(&l->lock);
        l->retry_now = true; /* even when the attempt that showed the key is not over */
        pthread_mutex_unlock(&l->lock);
        pump_wake(&l->pump);
    }
    free(type);
    free(text);
    free(file);
    free(name);
    return code;
}

void host_session_set_goal(struct host_session *l, enum host_goal goal, bool retry)
{
    pthread_mutex_lock(&l->lock);
    l->o.goal = goal;
    l->o.retry = retry;
    l->retry_now |= l->resting && l->shot.state == HOST_DOWN;
    pthread_mutex_unlock(&l->lock);
    pump_wake(&l->pump);
}

void host_session_retry(struct host_session *l)
{
    pthread_mutex_lock(&l->lock);
    l->retry_now |= l->resting;
    pthread_mutex_unlock(&l->lock);
    pump_wake(&l->pump);
}

/* ---- commands ---- */

/* Takes c. */
static enum clw_err enqueue(struct host_session *l, struct command *c, uint64_t *id, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    pthread_mutex_lock(&l->lock);
    if (l->command_count >= LINK_COMMANDS) {
        code = clw_fail(err, CLW_BUSY, NULL, "more than %d commands wait for %s", LINK_COMMANDS, l->o.name);
    } else {
        if (!c->id)
            c->id = l->next_id++;
        if (id)
            *id = c->id;
        *l->command_tail = c;
        l->command_tail = &c->next;
        l->command_count++;
    }
    pthread_mutex_unlock(&l->lock);
    if (code)
        command_free(c);
    else
        pump_wake(&l->pump);
    return code;
}

void host_session_probe(struct host_session *l)
{
    struct command *c = mem_zalloc(sizeof *c);
    c->kind = COMMAND_PROBE;
    enqueue(l, c, NULL, NULL);
}

void host_session_set_agent(struct host_session *l, const char *path)
{
    pthread_mutex_lock(&l->lock);
    snprintf(l->agent, sizeof l->agent, "%s", path);
    pthread_mutex_unlock(&l->lock);
}

void host_session_clean(struct host_session *l, enum probe_clean clean, uint64_t within_ms)
{
    pthread_mutex_lock(&l->lock);
    l->clean = clean;
    l->clean_until_ms = mono_ms() + within_ms;
    pthread_mutex_unlock(&l->lock);
}

enum clw_err host_session_launch(
    struct host_session *l, const struct host_launch *launch, uint64_t *id, struct clw_error *err)
{
    const char *target = launch->target ? launch->target : "";
    if (launch->config_len > LINK_CONFIG_MAX / 2)
        return clw_fail(err, CLW_TOO_LARGE, NULL, "a daemon's configuration has at most %d bytes", LINK_CONFIG_MAX / 2);
    if (*target && !link__is_target(target))
        return clw_fail(err, CLW_USAGE, "write unix:/path or tcp:127.0.0.1:port",
            "'%.100s' is not an address that a tunnel can lead to", target);
    struct command *c = mem_zalloc(sizeof *c);
    c->kind = COMMAND_LAUNCH;
    c->mark = mem_strdup(launch->mark ? launch->mark : "");
    c->meter = launch->meter ? meter_hold(launch->meter) : NULL;
    c->contact_port = launch->contact_port;
    c->target = mem_strdup(target);
    c->data = mem_alloc(launch->config_len + 1);
    memcpy(c->data, launch->config, launch->config_len);
    c->data[launch->config_len] = '\0';
    c->len = launch->config_len;
    c->script = launch->script;
    return enqueue(l, c, id, err);
}

enum clw_err host_session_untunnel(struct host_session *l, const char *target, struct clw_error *err)
{
    struct command *c = mem_zalloc(sizeof *c);
    c->kind = COMMAND_UNTUNNEL;
    c->target = mem_strdup(target);
    return enqueue(l, c, NULL, err);
}

enum clw_err host_session_lead(struct host_session *l, unsigned port, struct clw_error *err)
{
    struct command *c = mem_zalloc(sizeof *c);
    c->kind = COMMAND_LEAD;
    c->contact_port = port;
    return enqueue(l, c, NULL, err);
}

enum clw_err host_session_unlead(struct host_session *l, unsigned port, struct clw_error *err)
{
    char target[LINK_TARGET_SIZE];
    snprintf(target, sizeof target, "tcp:127.0.0.1:%u", port);
    return host_session_untunnel(l, target, err);
}

enum clw_err host_session_signal(struct host_session *l, uint64_t id, int signal, struct clw_error *err)
{
    if (signal < 1 || signal > 64 || !id)
        return clw_fail(err, CLW_USAGE, NULL, "%d is not a signal", signal);
    struct command *c = mem_zalloc(sizeof *c);
    c->kind = COMMAND_SIGNAL;
    c->id = id;
    c->signal = signal;
    return enqueue(l, c, NULL, err);
}

enum clw_err host_session_run(
    struct host_session *l, const char *script, unsigned limit_ms, uint64_t *id, struct clw_error *err)
{
    size_t len = strlen(script);
    if (len > LINK_CONFIG_MAX)
        return clw_fail(err, CLW_TOO_LARGE, NULL, "a script has at most %d bytes", LINK_CONFIG_MAX);
    struct command *c = mem_zalloc(sizeof *c);
    c->kind = COMMAND_RUN;
    c->data = (uint8_t *)mem_strdup(script);
    c->len = len;
    c->limit_ms = limit_ms ? limit_ms : 60000;
    return enqueue(l, c, id, err);
}

enum clw_err host_session_run_with_way(struct host_session *l, const char *script, const char *target, const char *mark,
    unsigned limit_ms, uint64_t *id, struct clw_error *err)
{
    struct command *c = mem_zalloc(sizeof *c);
    c->kind = COMMAND_RUN;
    c->data = (uint8_t *)mem_strdup(script);
    c->len = strlen(script);
    c->target = mem_strdup(target);
    c->mark = mem_strdup(mark);
    c->limit_ms = limit_ms ? limit_ms : 60000;
    return enqueue(l, c, id, err);
}
