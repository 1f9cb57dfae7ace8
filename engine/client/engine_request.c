/* Requests to the engine: profiles up and down, status, stop, updates. One connection a request; the answer, or its
 * end, ends the wait. */
#include "engine/client/internal.h"
#include "engine/client/detached.h"
#include "engine/client/sp_dial.h"

#include "base/mono.h"
#include "base/owner.h"
#include "engine/wire/names.h"
#include "store/profile_setting_json.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum { MESSAGE_MAX = 64 << 20, STOP_MS = 10000 };

static const uint8_t trace[SP_WORD] = {0x80, 0, 0, 1}; /* one request a connection: any number will do */

static int dial_control(const char *path, uint64_t deadline_ms, int *fd)
{
    return sp_dial(path, SP_REQ, deadline_ms, fd);
}

static int dial_updates(const char *path, uint64_t deadline_ms, int *fd)
{
    return sp_dial(path, SP_SUB, deadline_ms, fd);
}

/* Sends text, which is to be taken until taken_ms, and waits for the answer. */
static enum clw_err exchange(
    int fd, const char *text, uint64_t taken_ms, int64_t timeout_ms, struct buf *reply, struct clw_error *err)
{
    int rv = sp_send(fd, trace, sizeof trace, text, strlen(text), taken_ms);
    if (!rv)
        rv = sp_receive(fd, MESSAGE_MAX, reply, client_deadline(timeout_ms));
    if (!rv && (reply->len < sizeof trace || memcmp(reply->data, trace, sizeof trace) != 0))
        rv = EPROTO;
    switch (rv) {
    case 0: return CLW_OK;
    case ETIMEDOUT: return clw_fail(err, CLW_TIMED_OUT, "see 'clowder log'", "the engine did not answer in time");
    case ECONNRESET: return clw_fail(err, CLW_UNREACHABLE, "see 'clowder log'", "the engine ended before it answered");
    default: return clw_fail(err, CLW_PROTOCOL, NULL, "the engine's answer cannot be read");
    }
}

static enum clw_err read_reply(const struct buf *message, json_t **reply, struct clw_error *err)
{
    json_error_t why;
    json_t *o = json_loadb((const char *)message->data + sizeof trace, message->len - sizeof trace, 0, &why);
    if (!json_is_object(o)) {
        json_decref(o);
        return clw_fail(err, CLW_PROTOCOL, NULL, "the engine's answer is not JSON: %s", why.text);
    }
    if (!json_is_true(json_object_get(o, "ok"))) {
        const char *text = json_string_value(json_object_get(o, "error"));
        const char *hint = json_string_value(json_object_get(o, "hint"));
        int code = (int)json_integer_value(json_object_get(o, "code"));
        enum clw_err why_not = clw_fail(err, code > 0 && code < CLW_ERR_COUNT ? (enum clw_err)code : CLW_PROTOCOL, hint,
            "%s", text ? text : "refused without a reason");
        json_decref(o);
        return why_not;
    }
    *reply = o;
    return CLW_OK;
}

enum clw_err control_request(
    struct clowder *c, json_t *request, int64_t timeout_ms, json_t **reply, struct clw_error *err)
{
    int fd;
    struct buf message = {0};
    const char *agent = getenv("SSH_AUTH_SOCK"); /* hosts are logged in to with ours */
    if (agent && *agent == '/' && json_is_object(request))
        json_object_set_new(request, "agent", json_string(agent));
    char *text = json_dumps(request, JSON_COMPACT);
    *reply = NULL;
    if (!text)
        return clw_fail(err, CLW_USAGE, NULL, "cannot make the request: text that is not UTF-8");
    uint64_t taken_ms = client_deadline(timeout_ms < 0 ? CLIENT_PATIENCE_MS : timeout_ms);
    enum clw_err code = client_dial(c, ENGINE_CONTROL_SOCKET, dial_control, taken_ms, &fd, err);
    if (!code) {
        code = exchange(fd, text, taken_ms, timeout_ms, &message, err);
        close(fd);
    }
    if (!code)
        code = read_reply(&message, reply, err);
    mem_wipe(text, strlen(text)); /* there may be a secret in it */
    free(text);
    buf_fini(&message);
    return code;
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

static json_t *places(const struct clowder_profile *p)
{
    json_t *o = json_object();
    for (size_t i = 0; i < p->on_count; i++)
        json_object_set_new(o, p->on[i].host, json_integer(p->on[i].daemons)); /* not UTF-8: left out */
    return o;
}

/* "idletime=10m" into the field idletime_ms. */
static enum clw_err set_setting(json_t *o, const char *text, struct clw_error *err)
{
    struct store_settings s;
    size_t len = strcspn(text, "=");
    const struct store_setting_row *row = text[len] ? store_row_find(text, len) : NULL;
    if (!row)
        return clw_fail(err, CLW_USAGE, "use an option of 'clowder up', as in idletime=10m",
            "'%.60s' is not a setting of a profile", text);
    store_settings_init(&s);
    enum clw_err code = store_row_parse(row, text + len + 1, &s, err);
    if (!code)
        code = store_settings_check(&s, err);
    if (!code)
        store_row_put(o, row, &s);
    return code;
}

static enum clw_err set_settings(json_t *o, const struct clowder_profile *p, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    for (const char *const *text = p->settings; !code && text && *text; text++)
        code = set_setting(o, *text, err);
    return code;
}

/* The settings are left to set_settings(). */
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
    if (p->ephemeral)
        json_object_set_new(o, "ephemeral", json_true());
    json_object_set_new(o, "wait", json_boolean(p->timeout_ms != 0));
    json_object_set_new(o, "timeout_ms", json_integer(p->timeout_ms > 0 ? p->timeout_ms : 0));
    if (p->patient)
        json_object_set_new(o, "patient", json_true());
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
    enum clw_err code = set_settings(request, p, &err);
    if (!code)
        code = p->ephemeral ? up_own(c, request, &err) : up(c, request, &err);
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
        code = clw_fail(&err, CLW_DAMAGED, NULL, "the request for daemons is not JSON");
    if (!code)
        code = up(c, request, &err);
    json_decref(request);
    return code ? client_fail(out, &err) : CLOWDER_OK;
}

void client_down_again(struct clowder *c, const char *name)
{
    json_t *reply = NULL, *request = json_pack("{s:s, s:s, s:b, s:b, s:b}", "op", "down", "profile", name, "now", 1,
                              "wait", 0, "of_job", 1);
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

/* True when the process has ended in that time; -1: however long it takes. */
static bool has_ended(int process, int ms)
{
    struct pollfd fd = {process, POLLIN, 0};
    return poll(&fd, 1, ms) == 1;
}

static enum clw_err ask_to_stop(struct clowder *c, bool now, struct clw_error *err)
{
    json_t *request = json_object(), *reply = NULL;
    set_text(request, "op", "stop");
    json_object_set_new(request, "now", json_boolean(now));
    enum clw_err code = control_request(c, request, now ? STOP_MS : CLIENT_CONTROL_MS, &reply, err);
    json_decref(request);
    json_decref(reply);
    return code;
}

/* It is asked; and when it must be at once and it does not answer or does not end, it is killed: its daemons notice
 * that, wherever they are. */
static enum clw_err stop(struct clowder *c, pid_t pid, int process, bool now, struct clw_error *err)
{
    enum clw_err code = ask_to_stop(c, now, err);
    if (has_ended(process, now && code == CLW_TIMED_OUT ? 0
                           : now || code                ? STOP_MS
                                                        : -1)) /* it may have been ending when it was asked */
        return CLW_OK;
    if (!now)
        return code == CLW_TIMED_OUT
                   ? clw_fail(err, code, "end it: clowder engine stop --now", "the engine does not answer")
                   : code;
    if (c->notice)
        c->notice(c->notice_arg, "the engine does not end when asked to; killing it");
    if (pidfd_send_signal(process, SIGKILL, NULL, 0) && errno != ESRCH)
        return clw_fail(err, CLW_FAILED, NULL, "cannot kill the engine, process %d: %s", (int)pid, strerror(errno));
    return has_ended(process, STOP_MS) ? CLW_OK
                                       : clw_fail(err, CLW_TIMED_OUT, "see 'clowder log'",
                                             "the engine, process %d, is killed, but does not end", (int)pid);
}

/* The engine that runs here; pid 0: none. One that takes its time to say who it is is waited for. */
static enum clw_err find_engine(pid_t *pid, struct clw_error *err)
{
    struct owner o;
    uint64_t deadline_ms = mono_ms() + STOP_MS;
    enum clw_err code;
    *pid = 0;
    while (!(code = owner_look(&o, err)) && o.state == OWNER_HERE && !o.pid && mono_ms() < deadline_ms)
        usleep(10000);
    if (!code && o.state == OWNER_ELSEWHERE)
        code = owner_check_here(err);
    if (!code && o.state == OWNER_HERE && !o.pid)
        code =
            clw_fail(err, CLW_TIMED_OUT, "see 'clowder log'", "an engine runs, but does not say which process it is");
    *pid = o.pid;
    return code;
}

int clowder_engine_stop(struct clowder *c, bool now, struct clowder_error *out)
{
    struct clw_error err = {0};
    bool no_start = c->no_start;
    pid_t pid;
    enum clw_err code = find_engine(&pid, &err);
    int process = !code && pid ? pidfd_open(pid, 0) : -1;
    if (!code && pid && process < 0 && errno != ESRCH)
        code = clw_fail(&err, CLW_FAILED, NULL, "cannot watch process %d: %s", (int)pid, strerror(errno));
    c->no_start = true;
    if (!code && process >= 0)
        code = stop(c, pid, process, now, &err);
    c->no_start = no_start;
    if (process >= 0)
        close(process);
    return code ? client_fail(out, &err) : CLOWDER_OK;
}

/* ---- updates ---- */

static const char topic[] = "status ";

/* Updates until it was enough, or the engine is gone (false). */
static bool feed(int fd, clowder_status_cb cb, void *arg)
{
    struct buf message = {0};
    bool more = true;
    while (more && sp_receive(fd, MESSAGE_MAX, &message, UINT64_MAX) == 0) {
        const char *text = buf_text(&message);
        if (strncmp(text, topic, strlen(topic)) == 0)
            more = cb(arg, text + strlen(topic));
        buf_clear(&message);
    }
    buf_fini(&message);
    return !more;
}

int clowder_watch(struct clowder *c, clowder_status_cb cb, void *arg, struct clowder_error *out)
{
    struct clw_error err = {0};
    int fd;
    char *json;
    int status = clowder_status(c, NULL, &json, out); /* the first update */
    if (status)
        return status;
    bool more = cb(arg, json);
    free(json);
    if (!more)
        return CLOWDER_OK;
    bool over = false;
    if (!client_dial(c, ENGINE_UPDATE_SOCKET, dial_updates, client_deadline(CLIENT_CONTROL_MS), &fd, &err)) {
        over = feed(fd, cb, arg);
        close(fd);
    }
    return over ? CLOWDER_OK
                : client_error(out, CLW_UNREACHABLE, "run the command again to start it", "the engine is gone");
}
