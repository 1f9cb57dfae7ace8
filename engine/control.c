/* The control plane: REQ/REP with one JSON object each way (try it with nngcat --req), and PUB/SUB for updates. A
 * request that waits (up, down) keeps its context until its answer is due; others are served meanwhile. */
#include "engine/core.h"

#include "base/log.h"
#include "base/mono.h"
#include "base/paths.h"
#include "base/text.h"
#include "engine/engine.h"

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/reqrep0/rep.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONTEXTS = 64, REQUEST_MAX = 1 << 20 };

enum slot_state { SLOT_RECEIVING, SLOT_WAITING, SLOT_SENDING };

struct slot {
    struct engine *engine;
    nng_ctx ctx;
    nng_aio *aio;
    enum slot_state state;
};

enum wait_kind { WAIT_UP, WAIT_DOWN };

struct waiter {
    struct slot *slot;
    enum wait_kind kind;
    char profile[64];
    uint64_t deadline_ms; /* 0: none */
    struct waiter *next;
};

struct control {
    nng_socket rep, pub;
    struct slot slots[CONTEXTS];
    _Atomic int listeners;
};

/* ---- answers ---- */

static json_t *ok(void)
{
    json_t *o = json_object();
    json_object_set_new(o, "ok", json_true());
    return o;
}

static json_t *refusal(enum clw_err code, const char *hint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static json_t *refusal(enum clw_err code, const char *hint, const char *format, ...)
{
    char text[500];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    json_t *o = json_object(), *why = json_string(text);
    json_object_set_new(o, "ok", json_false());
    json_object_set_new(o, "code", json_integer(code));
    json_object_set_new(o, "error", why ? why : json_string("text that is not UTF-8"));
    json_object_set_new(o, "hint", json_string(hint ? hint : ""));
    return o;
}

/* Takes answer. */
static void answer(struct slot *s, json_t *o)
{
    nng_msg *msg;
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    if (!text || nng_msg_alloc(&msg, 0) || nng_msg_append(msg, text, strlen(text)))
        abort();
    free(text);
    s->state = SLOT_SENDING;
    nng_aio_set_msg(s->aio, msg);
    nng_ctx_send(s->ctx, s->aio);
}

/* ---- requests ---- */

static const char *text_of(const json_t *request, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(request, key));
    return text ? text : otherwise;
}

static bool read_ms(const json_t *request, const char *key, uint64_t *value)
{
    const json_t *v = json_object_get(request, key);
    if (!v)
        return true;
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return false;
    *value = (uint64_t)json_integer_value(v);
    return true;
}

static bool read_bool(const json_t *request, const char *key, bool *value)
{
    const json_t *v = json_object_get(request, key);
    if (v && !json_is_boolean(v))
        return false;
    if (v)
        *value = json_is_true(v);
    return true;
}

/* Sets one variable in a list that has room for it. */
static void set_variable(char **env, const char *text)
{
    size_t name = (size_t)(strchr(text, '=') - text) + 1;
    while (*env && strncmp(*env, text, name) != 0)
        env++;
    free(*env);
    *env = mem_strdup(text);
}

/* The profile's variables, with those of the request set or replaced. */
static bool read_env(const json_t *list, struct pool_settings *s)
{
    size_t n = json_array_size(list), old = 0;
    if (!list)
        return true;
    if (!json_is_array(list) || n > 1000)
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text || !strchr(text, '='))
            return false;
    }
    while (s->env && s->env[old])
        old++;
    s->env = mem_realloc(s->env, (old + n + 1) * sizeof *s->env);
    memset(s->env + old, 0, (n + 1) * sizeof *s->env);
    for (size_t i = 0; i < n; i++)
        set_variable(s->env, json_string_value(json_array_get(list, i)));
    return true;
}

static bool read_settings(const json_t *request, struct pool_settings *s)
{
    const json_t *seed = json_object_get(request, "seed");
    if (seed) {
        s->has_seed = json_is_integer(seed);
        s->seed = (uint64_t)json_integer_value(seed);
    }
    return read_env(json_object_get(request, "env"), s) && read_ms(request, "idletime_ms", &s->idletime_ms) &&
           read_ms(request, "walltime_ms", &s->walltime_ms) && read_ms(request, "maxtasks", &s->maxtasks) &&
           read_ms(request, "memory_bytes", &s->memory_bytes) && read_bool(request, "respawn", &s->respawn) &&
           read_bool(request, "cleanup", &s->cleanup) && read_bool(request, "output", &s->output);
}

static void wait_for(struct engine *e, struct slot *s, enum wait_kind kind, const char *profile, const json_t *request)
{
    struct waiter *w = mem_zalloc(sizeof *w);
    uint64_t timeout_ms = 0;
    read_ms(request, "timeout_ms", &timeout_ms);
    w->slot = s;
    w->kind = kind;
    w->deadline_ms = timeout_ms ? mono_ms() + timeout_ms : 0;
    snprintf(w->profile, sizeof w->profile, "%s", profile);
    w->next = e->waiters;
    e->waiters = w;
    s->state = SLOT_WAITING;
    core_changed(e);
    core_wake(e);
}

static json_t *make_ephemeral(struct engine *e, struct pool *p, const json_t *request)
{
    uint64_t owner = strtoull(text_of(request, "owner", "0"), NULL, 16);
    if (!client_find(e, owner))
        return refusal(CLW_REFUSED, NULL, "no client with that number is connected");
    p->ephemeral = true;
    p->owner = owner;
    return NULL;
}

static json_t *up(struct engine *e, struct slot *s, const json_t *request)
{
    const char *name = text_of(request, "profile", "default");
    const json_t *n = json_object_get(request, "n");
    bool ephemeral = false, wait = true;
    struct pool *p = pool_find(e, name);
    bool is_new = !p;
    if (!text_is_name(name))
        return refusal(CLW_USAGE, "use letters, digits, '.', '_' and '-'", "that is not a name for a profile");
    if (n && (!json_is_integer(n) || json_integer_value(n) < 1 || json_integer_value(n) > CORE_DAEMONS_MAX))
        return refusal(CLW_USAGE, NULL, "the number of daemons is from 1 to %d", CORE_DAEMONS_MAX);
    if (e->stopping)
        return refusal(CLW_REFUSED, "try again in a moment", "the engine is stopping");
    if (!n && !p && !restore_is_known(e, name) && strcmp(name, "default") != 0)
        return refusal(CLW_NOT_FOUND, "say how many daemons to make it: -n N", "there is no profile '%s'", name);
    if (!p)
        p = pool_new(e, name);
    unsigned want = n ? (unsigned)json_integer_value(n) : p->want ? p->want : restore_daemons(e, name, p);
    json_t *problem = NULL;
    if (!read_settings(request, &p->settings) || !read_bool(request, "ephemeral", &ephemeral) ||
        !read_bool(request, "wait", &wait))
        problem = refusal(CLW_USAGE, NULL, "a field of the request has the wrong type");
    else if (!want)
        problem = refusal(CLW_USAGE, "say it with -n N: the number is yours to choose", "how many daemons?");
    else if (ephemeral && is_new)
        problem = make_ephemeral(e, p, request);
    if (problem) {
        if (is_new)
            pool_free(e, p);
        return problem;
    }
    if (p->settings.memory_bytes)
        disp_set_budget(p->disp, p->settings.memory_bytes);
    log_info("pool", "up profile=%s daemons=%u", p->name, want);
    pool_scale(e, p, want);
    restore_save(e, p);
    if (!wait)
        return ok();
    wait_for(e, s, WAIT_UP, p->name, request);
    return NULL;
}

static json_t *down(struct engine *e, struct slot *s, const json_t *request)
{
    const char *name = text_of(request, "profile", NULL);
    bool now = false, wait = true;
    if (!read_bool(request, "now", &now) || !read_bool(request, "wait", &wait))
        return refusal(CLW_USAGE, NULL, "a field of the request has the wrong type");
    if (name && !pool_find(e, name)) {
        if (strcmp(name, "default") == 0 || restore_is_known(e, name))
            return ok();
        return refusal(CLW_NOT_FOUND, "see 'clowder status'", "there is no profile '%s'", name);
    }
    for (struct pool *p = e->pools; p; p = p->next) {
        if (name ? strcmp(p->name, name) != 0 : p->ephemeral)
            continue;
        pool_down(e, p, now);
        restore_save(e, p);
    }
    if (!wait)
        return ok();
    wait_for(e, s, WAIT_DOWN, name ? name : "", request);
    return NULL;
}

static json_t *stop(struct engine *e, const json_t *request)
{
    bool now = false;
    read_bool(request, "now", &now);
    for (struct pool *p = e->pools; p; p = p->next) {
        unsigned want = p->want;
        p->want = 0; /* the user's word: the next engine starts without them */
        restore_save(e, p);
        p->want = want;
    }
    core_stop(e, now);
    json_t *reply = ok();
    json_object_set_new(reply, "pid", json_integer(getpid())); /* for those who wait for its end */
    return reply;
}

static json_t *status(struct engine *e, const json_t *request)
{
    const char *name = text_of(request, "profile", NULL);
    json_t *document = status_json(e, name);
    if (!document && (strcmp(name, "default") == 0 || restore_is_known(e, name))) {
        document = status_json(e, NULL);
        json_object_set_new(document, "profiles", json_array());
    }
    if (!document)
        return refusal(CLW_NOT_FOUND, "see 'clowder status'", "there is no profile '%s'", name);
    json_object_set_new(document, "ok", json_true());
    return document;
}

static json_t *serve(struct engine *e, struct slot *s, const json_t *request)
{
    const char *op = text_of(request, "op", "");
    if (strcmp(op, "status") == 0)
        return status(e, request);
    if (strcmp(op, "up") == 0)
        return up(e, s, request);
    if (strcmp(op, "down") == 0)
        return down(e, s, request);
    if (strcmp(op, "stop") == 0)
        return stop(e, request);
    if (strcmp(op, "ping") == 0)
        return ok();
    return refusal(CLW_USAGE, "known: status up down stop ping", "the request has no known \"op\"");
}

static void take_request(struct slot *s)
{
    struct engine *e = s->engine;
    nng_msg *msg = nng_aio_get_msg(s->aio);
    json_error_t why;
    json_t *request = json_loadb(nng_msg_body(msg), nng_msg_len(msg), JSON_REJECT_DUPLICATES, &why), *reply;
    nng_msg_free(msg);
    s->state = SLOT_WAITING;
    pthread_mutex_lock(&e->lock);
    if (json_is_object(request))
        reply = serve(e, s, request);
    else
        reply = refusal(CLW_USAGE, "send one JSON object, as {\"op\":\"status\"}", "not a JSON object");
    if (reply)
        answer(s, reply);
    core_flush(e);
    pthread_mutex_unlock(&e->lock);
    json_decref(request);
}

static void slot_cb(void *arg)
{
    struct slot *s = arg;
    int rv = nng_aio_result(s->aio);
    if (rv == NNG_ECLOSED || rv == NNG_ECANCELED)
        return;
    if (s->state == SLOT_RECEIVING && rv == 0) {
        take_request(s);
        return;
    }
    if (s->state == SLOT_SENDING && rv)
        nng_msg_free(nng_aio_get_msg(s->aio));
    s->state = SLOT_RECEIVING;
    nng_ctx_recv(s->ctx, s->aio);
}

/* ---- those who wait ---- */

static json_t *up_answer(const struct pool *p)
{
    unsigned ready = 0;
    if (!p)
        return refusal(CLW_CANCELLED, NULL, "the profile was taken down meanwhile");
    if (p->broken)
        return refusal(CLW_UNREACHABLE, "see 'clowder log'", "daemons of '%s' do not start: %s", p->name, p->reason);
    if (p->going)
        return refusal(CLW_CANCELLED, NULL, "profile '%s' was taken down meanwhile", p->name);
    for (const struct member *m = p->members; m; m = m->after)
        ready += m->state == MEMBER_UP && m->setup_left == 0;
    if (ready < p->want)
        return NULL;
    json_t *o = ok();
    json_object_set_new(o, "connected", json_integer(ready));
    return o;
}

static json_t *down_answer(const struct engine *e, const struct waiter *w)
{
    for (const struct pool *p = e->pools; p; p = p->next)
        if (p->member_count && (w->profile[0] ? strcmp(p->name, w->profile) == 0 : !p->ephemeral))
            return NULL;
    return ok();
}

void control_tick(struct engine *e, uint64_t now_ms)
{
    for (struct waiter **at = &e->waiters; *at;) {
        struct waiter *w = *at;
        json_t *o = w->kind == WAIT_UP ? up_answer(pool_find(e, w->profile)) : down_answer(e, w);
        if (!o && w->deadline_ms && now_ms >= w->deadline_ms)
            o = refusal(CLW_TIMED_OUT, "see 'clowder status' and 'clowder log'", "profile '%s' is not %s yet",
                w->profile, w->kind == WAIT_UP ? "up" : "down");
        if (!o) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        answer(w->slot, o);
        free(w);
    }
}

uint64_t control_next_ms(const struct engine *e)
{
    uint64_t next = UINT64_MAX;
    for (const struct waiter *w = e->waiters; w; w = w->next)
        if (w->deadline_ms && w->deadline_ms < next)
            next = w->deadline_ms;
    return next;
}

/* ---- sockets ---- */

/* Only this user (and root) may talk to the engine. */
static void pipe_cb(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    uint64_t uid;
    (void)arg;
    if (event == NNG_PIPE_EV_ADD_PRE &&
        (nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_UID, &uid) || (uid != (uint64_t)geteuid() && uid != 0))) {
        log_warn("control", "dropped why=\"another user\"");
        nng_pipe_close(pipe);
    }
}

static void count_cb(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct engine *e = arg;
    (void)pipe;
    atomic_fetch_add(&e->control->listeners, event == NNG_PIPE_EV_ADD_POST ? 1 : -1);
    core_wake(e);
}

static int listen_private(nng_socket s, const char *name)
{
    char *path, *url;
    nng_listener listener;
    if (paths_runtime(name, &path, NULL))
        return NNG_EINVAL;
    unlink(path); /* we hold the lock: it is a dead engine's */
    url = mem_printf("ipc://%s", path);
    int rv = nng_listener_create(&listener, s, url);
    if (!rv)
        rv = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, 0600);
    if (!rv)
        rv = nng_listener_start(listener, 0);
    free(url);
    free(path);
    return rv;
}

static int start_slots(struct engine *e)
{
    int rv = 0;
    for (int i = 0; i < CONTEXTS && !rv; i++) {
        struct slot *s = &e->control->slots[i];
        s->engine = e;
        rv = nng_ctx_open(&s->ctx, e->control->rep);
        if (!rv)
            rv = nng_aio_alloc(&s->aio, slot_cb, s);
        if (!rv)
            nng_ctx_recv(s->ctx, s->aio);
    }
    return rv;
}

enum clw_err control_start(struct engine *e, struct clw_error *err)
{
    struct control *c = e->control = mem_zalloc(sizeof *c);
    int rv = nng_rep0_open(&c->rep);
    if (!rv)
        rv = nng_pub0_open(&c->pub);
    if (!rv)
        rv = nng_socket_set_size(c->rep, NNG_OPT_RECVMAXSZ, REQUEST_MAX);
    if (!rv)
        rv = nng_socket_set_size(c->pub, NNG_OPT_RECVMAXSZ, 1024);
    if (!rv)
        rv = nng_pipe_notify(c->rep, NNG_PIPE_EV_ADD_PRE, pipe_cb, e);
    if (!rv)
        rv = nng_pipe_notify(c->pub, NNG_PIPE_EV_ADD_PRE, pipe_cb, e);
    if (!rv)
        rv = nng_pipe_notify(c->pub, NNG_PIPE_EV_ADD_POST, count_cb, e);
    if (!rv)
        rv = nng_pipe_notify(c->pub, NNG_PIPE_EV_REM_POST, count_cb, e);
    if (!rv)
        rv = listen_private(c->pub, ENGINE_UPDATE_SOCKET);
    if (!rv)
        rv = start_slots(e);
    if (!rv)
        rv = listen_private(c->rep, ENGINE_CONTROL_SOCKET);
    return rv ? clw_fail(err, CLW_UNREACHABLE, NULL, "cannot open the control sockets: %s", nng_strerror(rv)) : CLW_OK;
}

void control_stop(struct engine *e)
{
    struct control *c = e->control;
    nng_close(c->rep);
    nng_close(c->pub);
    for (int i = 0; i < CONTEXTS; i++)
        if (c->slots[i].aio) {
            nng_aio_stop(c->slots[i].aio);
            nng_aio_free(c->slots[i].aio);
        }
    pthread_mutex_lock(&e->lock);
    for (struct waiter *w = e->waiters, *next; w; w = next) {
        next = w->next;
        free(w);
    }
    e->waiters = NULL;
    e->control = NULL;
    pthread_mutex_unlock(&e->lock);
    free(c);
}

bool control_has_listeners(const struct engine *e)
{
    return e->control && atomic_load(&e->control->listeners) > 0;
}

void control_publish(struct engine *e, const char *topic, json_t *document)
{
    char *text = json_dumps(document, JSON_COMPACT);
    struct buf b = {0};
    json_decref(document);
    if (!text)
        return;
    buf_printf(&b, "%s ", topic);
    buf_add_text(&b, text);
    nng_send(e->control->pub, b.data, b.len, NNG_FLAG_NONBLOCK);
    buf_fini(&b);
    free(text);
}
