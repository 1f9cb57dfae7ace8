/* The control plane: REQ/REP with one JSON object each way (try it with nngcat --req), and PUB/SUB for updates. A
 * request that waits (up, down) is answered when its answer is due; others are served meanwhile. */
#include "engine/control/control_internal.h"

#include "base/mono.h"
#include "engine/control/control.h"
#include "engine/model/core.h"
#include "engine/peers/listen.h"
#include "engine/peers/talk.h"
#include "engine/profiles/bases.h"
#include "engine/profiles/host_use.h"
#include "engine/record/catalog.h"
#include "engine/record/desired.h"
#include "engine/wire/names.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { REQUEST_MAX = 1 << 20, UPDATE_MAX = 1024, SAVE_MS = 2000 };

struct control {
    struct sp *rep, *pub;
    uint64_t due_ms; /* of their ticks */
};

/* ---- answers ---- */

json_t *reply_ok(void)
{
    json_t *o = json_object();
    json_object_set_new(o, "ok", json_true());
    return o;
}

json_t *reply_engine(const struct engine *e)
{
    json_t *o = reply_ok();
    json_object_set_new(o, "engine", json_integer(e->instance));
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

json_t *reply_no_store(void)
{
    return reply_refusal(CLW_IO, "see 'clowder log'", "the inventory cannot be read");
}

json_t *reply_saved(struct engine *e, struct waiter *w)
{
    (void)e;
    (void)w;
    return reply_ok();
}

json_t *reply_error(const struct clw_error *err)
{
    return reply_refusal(err->code, err->hint, "%s", err->message);
}

void control_answer(struct sp_request *r, json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    if (!text)
        abort();
    sp_answer(r, text, strlen(text));
    free(text);
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

void control_wait(struct engine *e, struct sp_request *r, struct waiter from, const json_t *request)
{
    struct waiter *w = mem_alloc(sizeof *w);
    uint64_t timeout_ms = 0;
    request_ms(request, "timeout_ms", &timeout_ms);
    *w = from;
    w->asked = r;
    w->saved_ms = w->saves ? mono_ms() + SAVE_MS : 0;
    w->deadline_ms = timeout_ms ? mono_ms() + timeout_ms : 0;
    w->next = e->waiters;
    e->waiters = w;
    core_due(e);
}

/* ---- which is which ---- */

static json_t *ping(const struct call *c)
{
    return reply_engine(c->e);
}

static json_t *help(const struct call *c);

static const struct op own_ops[] = {
    {"ping", OP_NOTHING, "", "engine: the number of this engine, which no other has", ping},
    {"help", OP_NOTHING, "", "ops: [{op fields answer}], this list", help},
    {.name = NULL},
};

static const struct op *const op_lists[] = {own_ops, profile_ops, job_ops, host_ops};

enum { OP_LISTS = sizeof op_lists / sizeof *op_lists };

static json_t *help(const struct call *c)
{
    json_t *o = reply_ok(), *list = json_array();
    (void)c;
    for (size_t i = 0; i < OP_LISTS; i++)
        for (const struct op *op = op_lists[i]; op->name; op++)
            json_array_append_new(
                list, json_pack("{s:s, s:s, s:s}", "op", op->name, "fields", op->fields, "answer", op->answer));
    json_object_set_new(o, "ops", list);
    return o;
}

static const struct op *find_op(const char *name)
{
    for (size_t i = 0; i < OP_LISTS; i++)
        for (const struct op *op = op_lists[i]; op->name; op++)
            if (strcmp(op->name, name) == 0)
                return op;
    return NULL;
}

static json_t *refuse_op(void)
{
    struct buf known = {0};
    buf_add_text(&known, "known:");
    for (size_t i = 0; i < OP_LISTS; i++)
        for (const struct op *op = op_lists[i]; op->name; op++)
            buf_printf(&known, " %s", op->name);
    json_t *o = reply_refusal(CLW_USAGE, buf_text(&known), "the request has no known \"op\"");
    buf_fini(&known);
    return o;
}

static json_t *serve(struct call *c)
{
    struct clw_error err;
    const struct op *op = find_op(request_text(c->request, "op", ""));
    c->name = request_text(c->request, "host", NULL);
    if (!op)
        return refuse_op();
    if (op->needs >= OP_HOST && !c->name)
        return reply_refusal(CLW_USAGE, NULL, "the request needs a \"host\"");
    if (op->needs >= OP_HOST && !c->e->catalog)
        return reply_no_store();
    if (op->needs != OP_NOTHING && c->e->catalog && !c->has_looked)
        return control_look(c);
    if (op->needs == OP_LINK && host_get(c->e, c->name, &c->host, &err))
        return reply_error(&err);
    return op->run(c);
}

/* In place: jansson would keep it. */
static void wipe_text(json_t *text)
{
    if (json_is_string(text))
        mem_wipe((char *)(uintptr_t)json_string_value(text), json_string_length(text));
}

/* Somebody may hold the request until the store was looked at. */
static void drop_request(json_t *request)
{
    if (request && request->refcount == 1)
        wipe_text(json_object_get(request, "secret"));
    json_decref(request);
}

static void serve_again(void *arg)
{
    struct call *c = arg;
    json_t *reply = serve(c);
    if (reply)
        control_answer(c->asked, reply);
    core_flush(c->e);
    drop_request(c->request);
    free(c);
}

static struct call *keep(const struct call *c)
{
    struct call *later = mem_alloc(sizeof *later);
    *later = *c;
    json_incref(later->request);
    return later;
}

json_t *control_look(const struct call *c)
{
    struct call *later = keep(c);
    later->has_looked = true;
    catalog_look(c->e->catalog, serve_again, later);
    return NULL;
}

json_t *control_knock(const struct call *c, const char *url)
{
    struct call *later = keep(c);
    later->has_knocked = true;
    bases_ask(c->e->bases, url, serve_again, later);
    return NULL;
}

/* Hosts are logged in to with the agent of whoever asks, which may be a newer one than that of who started us. */
static void take_agent(struct engine *e, const json_t *request)
{
    const char *path = request_text(request, "agent", "");
    if (*path == '/' && strlen(path) < sizeof e->agent)
        snprintf(e->agent, sizeof e->agent, "%s", path);
}

static void take_request(void *arg, struct sp_request *r, uint8_t *data, size_t len)
{
    struct engine *e = arg;
    json_error_t why;
    json_t *request = json_loadb((const char *)data, len, JSON_REJECT_DUPLICATES, &why), *reply;
    struct call c = {.e = e, .asked = r, .request = request};
    if (json_is_object(request))
        take_agent(e, request);
    if (json_is_object(request))
        reply = serve(&c);
    else
        reply = reply_refusal(CLW_USAGE, "send one JSON object, as {\"op\":\"status\"}", "not a JSON object");
    if (reply)
        control_answer(r, reply);
    core_flush(e);
    drop_request(request);
}

/* ---- those who wait ---- */

static bool is_unsaved(const struct engine *e, const struct waiter *w, uint64_t now_ms)
{
    return now_ms < w->saved_ms && restore_is_saving(e, w->name);
}

static json_t *too_late(struct engine *e, const struct waiter *w)
{
    char missing[600] = "";
    if (w->explain)
        w->explain(e, w, missing, sizeof missing);
    return reply_refusal(CLW_TIMED_OUT, "see 'clowder status' and 'clowder log'", "'%s' %s%s%s", w->name, w->what,
        *missing ? ": " : "", missing);
}

void control_tick(struct engine *e, uint64_t now_ms)
{
    uint64_t rep_ms = sp_tick(e->control->rep, now_ms), pub_ms = sp_tick(e->control->pub, now_ms);
    e->control->due_ms = rep_ms < pub_ms ? rep_ms : pub_ms;
    for (struct waiter **at = &e->waiters; *at;) {
        struct waiter *w = *at;
        json_t *o = is_unsaved(e, w, now_ms) ? NULL : w->check(e, w);
        if (!o && w->deadline_ms && now_ms >= w->deadline_ms)
            o = too_late(e, w);
        if (!o) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        control_answer(w->asked, o);
        free(w);
    }
}

/* Nobody is there any more to be told; a doctor's walk (which has no waiter) goes on, and tells nobody. */
static void forget(void *arg, struct sp_request *r)
{
    struct engine *e = arg;
    struct waiter **at = &e->waiters, *w;
    while ((w = *at) && w->asked != r)
        at = &w->next;
    if (!w)
        return;
    *at = w->next;
    free(w);
    sp_answer(r, NULL, 0);
    core_due(e);
}

uint64_t control_next_ms(const struct engine *e)
{
    uint64_t next = e->control->due_ms;
    for (const struct waiter *w = e->waiters; w; w = w->next) {
        if (w->deadline_ms && w->deadline_ms < next)
            next = w->deadline_ms;
        if (w->saved_ms < next && is_unsaved(e, w, mono_ms()))
            next = w->saved_ms;
    }
    return next;
}

/* ---- sockets ---- */

static void changed(void *arg)
{
    struct engine *e = arg;
    e->listeners = sp_count(e->control->pub);
    core_due(e);
}

static void add_to(struct sp *sp, int fd)
{
    if (!sp_add(sp, fd))
        log_warn("control", "dropped why=\"%s\"", strerror(errno));
}

static void take_asker(struct engine *e, int fd)
{
    add_to(e->control->rep, fd);
}

static void take_listener(struct engine *e, int fd)
{
    add_to(e->control->pub, fd);
}

static bool askers_are_full(const struct engine *e)
{
    return sp_is_full(e->control->rep);
}

static bool listeners_are_full(const struct engine *e)
{
    return sp_is_full(e->control->pub);
}

void control_start(struct engine *e)
{
    static const struct sp_events events = {.request = take_request, .gone = forget, .changed = changed};
    static const struct listen_door asking = {.take = take_asker, .is_full = askers_are_full, .has_spares = true};
    static const struct listen_door listening = {.take = take_listener, .is_full = listeners_are_full};
    struct control *c = e->control = mem_zalloc(sizeof *c);
    c->rep = sp_new(e->loop, SP_REP, REQUEST_MAX, &events, e);
    c->pub = sp_new(e->loop, SP_PUB, UPDATE_MAX, &events, e);
    listen_on(e, ENGINE_UPDATE_SOCKET, &listening);
    listen_on(e, ENGINE_CONTROL_SOCKET, &asking);
}

void control_stop(struct engine *e)
{
    sp_free(e->control->rep);
    sp_free(e->control->pub);
    free(e->control);
    e->control = NULL;
    e->listeners = 0;
}

bool control_publish(struct engine *e, const char *topic, json_t *document)
{
    char *text = json_dumps(document, JSON_COMPACT);
    struct buf b = {0};
    json_decref(document);
    if (!text)
        return true;
    buf_printf(&b, "%s ", topic);
    buf_add_text(&b, text);
    bool told = sp_publish(e->control->pub, b.data, b.len);
    buf_fini(&b);
    free(text);
    return told;
}
