/* The control plane: REQ/REP with one JSON object each way (try it with nngcat --req), and PUB/SUB for updates. A
 * request that waits (up, down) keeps its context until its answer is due; others are served meanwhile. */
#include "engine/control.h"

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

struct control {
    nng_socket rep, pub;
    struct slot slots[CONTEXTS];
    _Atomic int listeners;
};

/* ---- answers ---- */

json_t *reply_ok(void)
{
    json_t *o = json_object();
    json_object_set_new(o, "ok", json_true());
    return o;
}

json_t *reply_refusal(enum clw_err code, const char *hint, const char *format, ...)
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

json_t *reply_error(const struct clw_error *err)
{
    return reply_refusal(err->code, err->hint, "%s", err->message);
}

void control_answer(struct slot *s, json_t *o)
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

const char *request_text(const json_t *request, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(request, key));
    return text ? text : otherwise;
}

bool request_ms(const json_t *request, const char *key, uint64_t *value)
{
    const json_t *v = json_object_get(request, key);
    if (!v)
        return true;
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return false;
    *value = (uint64_t)json_integer_value(v);
    return true;
}

bool request_bool(const json_t *request, const char *key, bool *value)
{
    const json_t *v = json_object_get(request, key);
    if (v && !json_is_boolean(v))
        return false;
    if (v)
        *value = json_is_true(v);
    return true;
}

void control_wait(struct engine *e, struct slot *s, struct waiter from, const json_t *request)
{
    struct waiter *w = mem_alloc(sizeof *w);
    uint64_t timeout_ms = 0;
    request_ms(request, "timeout_ms", &timeout_ms);
    *w = from;
    w->slot = s;
    w->deadline_ms = timeout_ms ? mono_ms() + timeout_ms : 0;
    w->next = e->waiters;
    e->waiters = w;
    s->state = SLOT_WAITING;
    core_changed(e);
    core_wake(e);
}

static json_t *serve(struct engine *e, struct slot *s, json_t *request)
{
    const char *op = request_text(request, "op", "");
    bool known = true;
    if (strcmp(op, "ping") == 0)
        return reply_ok();
    json_t *o = control_profiles(e, s, op, request, &known);
    if (!known)
        o = control_hosts(e, s, op, request, &known);
    return known ? o
                 : reply_refusal(CLW_USAGE,
                       "known: status up down launch stop ping jobs cancel wait reserve look hosts probe key trust "
                       "unlock "
                       "forget retry wake doctor ssh_config",
                       "the request has no known \"op\"");
}

static void take_request(struct slot *s)
{
    struct engine *e = s->engine;
    nng_msg *msg = nng_aio_get_msg(s->aio);
    json_error_t why;
    json_t *request = json_loadb(nng_msg_body(msg), nng_msg_len(msg), JSON_REJECT_DUPLICATES, &why), *reply;
    mem_wipe(nng_msg_body(msg), nng_msg_len(msg)); /* there may be a secret in it */
    nng_msg_free(msg);
    s->state = SLOT_WAITING;
    pthread_mutex_lock(&e->lock);
    if (json_is_object(request))
        reply = serve(e, s, request);
    else
        reply = reply_refusal(CLW_USAGE, "send one JSON object, as {\"op\":\"status\"}", "not a JSON object");
    if (reply)
        control_answer(s, reply);
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

void control_tick(struct engine *e, uint64_t now_ms)
{
    for (struct waiter **at = &e->waiters; *at;) {
        struct waiter *w = *at;
        json_t *o = w->check(e, w);
        if (!o && w->deadline_ms && now_ms >= w->deadline_ms)
            o = reply_refusal(CLW_TIMED_OUT, "see 'clowder status' and 'clowder log'", "'%s' %s", w->name, w->what);
        if (!o) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        control_answer(w->slot, o);
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
