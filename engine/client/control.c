/* Requests to the engine: profiles up and down, status, stop, updates. One REQ socket a request; the answer, or word
 * that the engine is gone, ends the wait. */
#include "engine/client/internal.h"
#include "engine/client/kept.h"

#include "base/mono.h"
#include "engine/engine.h"

#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/util/platform.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum { DIAL_TRIES = 200, DIAL_PAUSE_MS = 10 };

/* The connection went away: nothing will come any more. */
static void gone_cb(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    (void)pipe;
    (void)event;
    nng_aio_abort(arg, NNG_ECONNRESET);
}

/* Dials one of the engine's sockets; when nobody answers, starts the engine, if the handle may. */
static enum clw_err dial_engine(struct clowder *c, nng_socket s, const char *socket_name, struct clw_error *err)
{
    char *url;
    enum clw_err code = client_url(socket_name, &url, err);
    if (code)
        return code;
    int rv = nng_dial(s, url, NULL, 0);
    if (rv && c->no_start)
        code = clw_fail(err, CLW_UNREACHABLE, "start it: clowder engine start", "no engine runs");
    else if (rv)
        code = start_engine(c, err);
    for (int i = 0; rv && !code && i < DIAL_TRIES && (rv = nng_dial(s, url, NULL, 0)); i++)
        nng_msleep(DIAL_PAUSE_MS); /* another process is starting it right now */
    if (rv && !code)
        code = clw_fail(err, CLW_UNREACHABLE, "see 'clowder log'", "the engine does not answer: %s", nng_strerror(rv));
    free(url);
    return code;
}

/* Sends text and waits for the answer. */
static int exchange(nng_socket s, nng_aio *aio, const char *text, int64_t timeout_ms, nng_msg **reply)
{
    nng_msg *msg;
    int rv = nng_msg_alloc(&msg, 0);
    if (rv)
        return rv;
    nng_msg_append(msg, text, strlen(text));
    nng_aio_set_timeout(aio, CLIENT_CONTROL_MS);
    nng_aio_set_msg(aio, msg);
    nng_send_aio(s, aio);
    nng_aio_wait(aio);
    if ((rv = nng_aio_result(aio))) {
        nng_msg_free(msg);
        return rv;
    }
    nng_aio_set_timeout(aio, timeout_ms < 0 ? NNG_DURATION_INFINITE : (nng_duration)timeout_ms);
    nng_recv_aio(s, aio);
    nng_aio_wait(aio);
    rv = nng_aio_result(aio);
    *reply = rv ? NULL : nng_aio_get_msg(aio);
    return rv;
}

static enum clw_err read_reply(nng_msg *msg, json_t **reply, struct clw_error *err)
{
    json_error_t why;
    json_t *o = json_loadb(nng_msg_body(msg), nng_msg_len(msg), 0, &why);
    nng_msg_free(msg);
    if (!json_is_object(o)) {
        json_decref(o);
        return clw_fail(err, CLW_PROTOCOL, NULL, "the engine's answer is not JSON: %s", why.text);
    }
    if (!json_is_true(json_object_get(o, "ok"))) {
        const char *text = json_string_value(json_object_get(o, "error"));
        const char *hint = json_string_value(json_object_get(o, "hint"));
        int code = (int)json_integer_value(json_object_get(o, "code"));
        clw_fail(err, code > 0 && code < CLW_ERR_COUNT ? (enum clw_err)code : CLW_PROTOCOL, hint, "%s",
            text ? text : "refused without a reason");
        json_decref(o);
        return err->code;
    }
    *reply = o;
    return CLW_OK;
}

enum clw_err control_request(
    struct clowder *c, json_t *request, int64_t timeout_ms, json_t **reply, struct clw_error *err)
{
    nng_socket s;
    nng_aio *aio = NULL;
    nng_msg *msg = NULL;
    char *text = json_dumps(request, JSON_COMPACT);
    enum clw_err code = CLW_OK;
    int rv = nng_req0_open(&s);
    *reply = NULL;
    if (rv || !text || nng_aio_alloc(&aio, NULL, NULL)) {
        free(text);
        return clw_fail(
            err, CLW_USAGE, NULL, "cannot make the request: %s", rv ? nng_strerror(rv) : "text that is not UTF-8");
    }
    nng_socket_set_ms(s, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    nng_socket_set_size(s, NNG_OPT_RECVMAXSZ, 64 << 20);
    code = dial_engine(c, s, ENGINE_CONTROL_SOCKET, err);
    if (!code) {
        nng_pipe_notify(s, NNG_PIPE_EV_REM_POST, gone_cb, aio);
        rv = exchange(s, aio, text, timeout_ms, &msg);
        if (rv)
            code = clw_fail(err, rv == NNG_ETIMEDOUT ? CLW_TIMED_OUT : CLW_UNREACHABLE, "see 'clowder log'",
                rv == NNG_ETIMEDOUT ? "the engine did not answer in time" : "the engine went away before it answered");
    }
    nng_close(s);
    nng_aio_free(aio);
    mem_wipe(text, strlen(text)); /* there may be a secret in it */
    free(text);
    return code ? code : read_reply(msg, reply, err);
}

/* ---- profiles ---- */

void clowder_profile_init(struct clowder_profile *p)
{
    *p = (struct clowder_profile){.timeout_ms = 30000};
}

static void set_text(json_t *o, const char *key, const char *value)
{
    json_t *text = json_string(value);
    json_object_set_new(o, key, text ? text : json_string("?"));
}

/* Texts that are not UTF-8 are left out. */
static json_t *text_list(const char *const *texts)
{
    json_t *list = json_array();
    for (; texts && *texts; texts++) {
        json_t *text = json_string(*texts);
        if (text)
            json_array_append_new(list, text);
    }
    return list;
}

/* What tasks on this machine see of the environment is stated: these of the caller's, and what the profile adds. */
static void set_env(json_t *o, const struct clowder_profile *p)
{
    char **own = func_env_own();
    json_object_set_new(o, "local_env", text_list((const char *const *)own));
    json_object_set_new(o, "env", text_list(p->env));
    for (char **at = own; *at; at++)
        free(*at);
    free(own);
}

static void set_true(json_t *o, const char *key, bool value)
{
    if (value)
        json_object_set_new(o, key, json_true());
}

static json_t *places(const struct clowder_profile *p)
{
    json_t *o = json_object();
    for (size_t i = 0; i < p->on_count; i++)
        json_object_set_new(o, p->on[i].host, json_integer(p->on[i].daemons)); /* not UTF-8: left out */
    return o;
}

static void set_manners(json_t *o, const struct clowder_profile *p)
{
    if (p->nice)
        json_object_set_new(o, "nice", json_integer(p->nice));
    if (p->cpus > 0)
        json_object_set_new(o, "cpus", json_real(p->cpus));
    if (p->mem_bytes)
        json_object_set_new(o, "mem_bytes", json_integer((json_int_t)p->mem_bytes));
    if (p->pause_load > 0)
        json_object_set_new(o, "pause_load", json_real(p->pause_load));
    if (p->pause_user_ms)
        json_object_set_new(o, "pause_user_ms", json_integer((json_int_t)p->pause_user_ms));
    if (p->hours)
        set_text(o, "hours", p->hours);
    set_true(o, "pause_now", p->pause_now);
    set_true(o, "no_new_privs", p->no_new_privs);
}

static json_t *up_request(const char *name, const struct clowder_profile *p)
{
    json_t *o = json_object();
    set_text(o, "op", "up");
    set_text(o, "profile", name);
    set_env(o, p);
    if (p->daemons || p->has_daemons)
        json_object_set_new(o, "n", json_integer(p->daemons));
    if (p->on_count)
        json_object_set_new(o, "on", places(p));
    set_true(o, "per_gpu", p->per_gpu);
    if (p->idletime_ms)
        json_object_set_new(o, "idletime_ms", json_integer((json_int_t)p->idletime_ms));
    if (p->walltime_ms)
        json_object_set_new(o, "walltime_ms", json_integer((json_int_t)p->walltime_ms));
    if (p->maxtasks)
        json_object_set_new(o, "maxtasks", json_integer((json_int_t)p->maxtasks));
    if (p->memory_bytes)
        json_object_set_new(o, "memory_bytes", json_integer((json_int_t)p->memory_bytes));
    if (p->has_seed)
        json_object_set_new(o, "seed", json_integer((json_int_t)p->seed));
    if (p->no_respawn)
        json_object_set_new(o, "respawn", json_false());
    set_manners(o, p);
    if (p->no_cleanup)
        json_object_set_new(o, "cleanup", json_false());
    set_true(o, "output", p->output);
    set_true(o, "ephemeral", p->ephemeral);
    json_object_set_new(o, "wait", json_boolean(p->timeout_ms != 0));
    json_object_set_new(o, "timeout_ms", json_integer(p->timeout_ms > 0 ? p->timeout_ms : 0));
    return o;
}

static enum clw_err up(struct clowder *c, json_t *request, struct clw_error *err)
{
    json_t *reply;
    char owner[24];
    enum clw_err code;
    snprintf(owner, sizeof owner, "%llx", (unsigned long long)c->client_id);
    json_object_set_new(request, "owner", json_string(owner));
    code = control_request(c, request, -1, &reply, err);
    json_decref(reply);
    return code;
}

/* With daemons of our own: an engine that dies meanwhile is followed by another, which knows us by another number. */
static enum clw_err up_own(struct clowder *c, json_t *request, struct clw_error *err)
{
    enum clw_err code = client_connect(c, err);
    if (!code)
        code = up(c, request, err);
    while (code) {
        pthread_mutex_lock(&c->lock);
        bool lost = client_is_lost(c);
        enum clw_err back = lost ? client_wait(c, UINT64_MAX, err) : code;
        pthread_mutex_unlock(&c->lock);
        if (back)
            return back;
        code = up(c, request, err);
    }
    return code;
}

enum clw_err control_again(struct clowder *c, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    for (struct ephemeral *e = c->ephemerals; e && !code; e = e->next)
        code = up(c, e->request, err);
    return code;
}

int clowder_up(struct clowder *c, const char *name, const struct clowder_profile *p, struct clowder_error *out)
{
    struct clw_error err = {0};
    json_t *request = up_request(name ? name : "default", p);
    enum clw_err code = p->ephemeral ? up_own(c, request, &err) : up(c, request, &err);
    if (!code && p->ephemeral) {
        struct ephemeral *e = mem_alloc(sizeof *e);
        pthread_mutex_lock(&c->lock);
        *e = (struct ephemeral){json_incref(request), c->ephemerals};
        c->ephemerals = e;
        pthread_mutex_unlock(&c->lock);
    }
    json_decref(request);
    return code ? client_fail(out, &err) : CLOWDER_OK;
}

/* ---- daemons of a detached job's own ---- */

char *client_up_text(const char *name, const struct clowder_profile *p)
{
    json_t *request = up_request(name, p);
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    return text;
}

int client_up_again(struct clowder *c, const char *text, struct clowder_error *out)
{
    struct clw_error err = {0};
    json_t *request = json_loads(text, 0, NULL);
    enum clw_err code = client_connect(c, &err);
    if (!code && !request)
        code = clw_fail(&err, CLW_DAMAGED, NULL, "the request for daemons is no JSON");
    if (!code)
        code = up(c, request, &err);
    json_decref(request);
    return code ? client_fail(out, &err) : CLOWDER_OK;
}

void client_down_again(struct clowder *c, const char *name)
{
    json_t *reply = NULL,
           *request = json_pack("{s:s, s:s, s:b, s:b}", "op", "down", "profile", name, "now", 1, "wait", 0);
    control_request(c, request, CLIENT_CONTROL_MS, &reply, NULL);
    json_decref(request);
    json_decref(reply);
}

static void forget_ephemeral(struct clowder *c, const char *name)
{
    pthread_mutex_lock(&c->lock);
    for (struct ephemeral **at = &c->ephemerals; *at;) {
        struct ephemeral *e = *at;
        const char *its = json_string_value(json_object_get(e->request, "profile"));
        if (its && strcmp(its, name) == 0) {
            *at = e->next;
            json_decref(e->request);
            free(e);
        } else {
            at = &e->next;
        }
    }
    pthread_mutex_unlock(&c->lock);
}

int clowder_down(struct clowder *c, const char *name, bool now, struct clowder_error *out)
{
    if (name)
        forget_ephemeral(c, name);
    return clowder_down_on(c, name, NULL, now, out);
}

int clowder_down_on(struct clowder *c, const char *name, const char *host, bool now, struct clowder_error *out)
{
    struct clw_error err = {0};
    json_t *request = json_object(), *reply;
    set_text(request, "op", "down");
    if (name)
        set_text(request, "profile", name);
    if (host)
        set_text(request, "on", host);
    json_object_set_new(request, "now", json_boolean(now));
    enum clw_err code = control_request(c, request, -1, &reply, &err);
    json_decref(request);
    json_decref(reply);
    return code ? client_fail(out, &err) : CLOWDER_OK;
}

int clowder_status(struct clowder *c, const char *name, char **json, struct clowder_error *out)
{
    struct clw_error err = {0};
    json_t *request = json_object(), *reply;
    set_text(request, "op", "status");
    if (name)
        set_text(request, "profile", name);
    enum clw_err code = control_request(c, request, CLIENT_CONTROL_MS, &reply, &err);
    json_decref(request);
    *json = NULL;
    if (code)
        return client_fail(out, &err);
    json_object_del(reply, "ok");
    *json = json_dumps(reply, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(reply);
    return CLOWDER_OK;
}

int clowder_request(struct clowder *c, const char *text, int64_t timeout_ms, char **out_text, struct clowder_error *out)
{
    struct clw_error err = {0};
    json_error_t why;
    json_t *request = json_loads(text, JSON_REJECT_DUPLICATES, &why), *reply = NULL;
    enum clw_err code = CLW_OK;
    *out_text = NULL;
    if (!json_is_object(request))
        code = clw_fail(&err, CLW_USAGE, NULL, "the request is not a JSON object");
    if (!code)
        code = control_request(c, request, timeout_ms, &reply, &err);
    if (!code) {
        json_object_del(reply, "ok");
        *out_text = json_dumps(reply, JSON_COMPACT | JSON_REAL_PRECISION(9));
    }
    json_decref(request);
    json_decref(reply);
    return code ? client_fail(out, &err) : CLOWDER_OK;
}

/* Waits until the process has ended; after its link closed that is a matter of milliseconds. */
static enum clw_err await_end(int process, pid_t pid, struct clw_error *err)
{
    struct pollfd fd = {process, POLLIN, 0};
    if (process < 0)
        return CLW_OK; /* it was gone before we could look */
    int ready = poll(&fd, 1, CLIENT_CONTROL_MS);
    close(process);
    return ready == 1 ? CLW_OK
                      : clw_fail(err, CLW_TIMED_OUT, "see 'clowder log'",
                            "the engine closed its links, but process %d does not end", (int)pid);
}

/* The link closes once the daemons are gone; the process ends right after it. */
int clowder_engine_stop(struct clowder *c, bool now, struct clowder_error *out)
{
    struct clw_error err = {0};
    json_t *request, *reply = NULL;
    bool no_start = c->no_start;
    int process = -1;
    pid_t pid = 0;
    c->no_start = true;
    enum clw_err code = client_connect(c, &err);
    if (code == CLW_UNREACHABLE) {
        c->no_start = no_start;
        return CLOWDER_OK;
    }
    request = json_object();
    set_text(request, "op", "stop");
    json_object_set_new(request, "now", json_boolean(now));
    if (!code)
        code = control_request(c, request, CLIENT_CONTROL_MS, &reply, &err);
    json_decref(request);
    if (code == CLW_UNREACHABLE)
        code = CLW_OK; /* it was gone before its answer came through */
    if (!code) {
        pid = (pid_t)json_integer_value(json_object_get(reply, "pid"));
        process = pid > 0 ? pidfd_open(pid, 0) : -1;
        json_decref(reply);
        pthread_mutex_lock(&c->lock);
        while (!c->lost)
            pthread_cond_wait(&c->changed, &c->lock);
        pthread_mutex_unlock(&c->lock);
        code = await_end(process, pid, &err);
    }
    c->no_start = no_start;
    return code ? client_fail(out, &err) : CLOWDER_OK;
}

/* ---- updates ---- */

static int feed(nng_socket s, nng_aio *aio, clowder_status_cb cb, void *arg)
{
    for (;;) {
        nng_aio_set_timeout(aio, NNG_DURATION_INFINITE);
        nng_recv_aio(s, aio);
        nng_aio_wait(aio);
        int rv = nng_aio_result(aio);
        if (rv)
            return rv;
        nng_msg *msg = nng_aio_get_msg(aio);
        nng_msg_append(msg, "", 1);
        const char *text = strchr(nng_msg_body(msg), ' ');
        bool more = cb(arg, text ? text + 1 : "");
        nng_msg_free(msg);
        if (!more)
            return 0;
    }
}

int clowder_watch(struct clowder *c, clowder_status_cb cb, void *arg, struct clowder_error *out)
{
    struct clw_error err = {0};
    nng_socket s;
    nng_aio *aio;
    char *json;
    int status = clowder_status(c, NULL, &json, out); /* starts the engine, and is the first update */
    if (status)
        return status;
    bool more = cb(arg, json);
    free(json);
    if (!more)
        return CLOWDER_OK;
    if (nng_sub0_open(&s))
        return client_error(out, CLW_NO_MEMORY, NULL, "no memory for a socket");
    nng_aio_alloc(&aio, NULL, NULL);
    nng_socket_set(s, NNG_OPT_SUB_SUBSCRIBE, "status ", 7);
    nng_socket_set_size(s, NNG_OPT_RECVMAXSZ, 64 << 20);
    int rv = NNG_ECONNREFUSED;
    if (!dial_engine(c, s, ENGINE_UPDATE_SOCKET, &err)) {
        nng_pipe_notify(s, NNG_PIPE_EV_REM_POST, gone_cb, aio);
        rv = feed(s, aio, cb, arg);
    }
    nng_close(s);
    nng_aio_free(aio);
    return rv ? client_error(out, CLW_UNREACHABLE, "run the command again to start it", "the engine is gone")
              : CLOWDER_OK;
}
