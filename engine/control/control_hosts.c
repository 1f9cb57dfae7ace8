/* Requests about hosts: their links, keys, secrets and facts. */
#include "engine/control/control_internal.h"

#include "engine/model/core.h"
#include "engine/model/find.h"
#include "engine/profiles/host_json.h"
#include "engine/profiles/host_use.h"
#include "engine/profiles/place.h"
#include "engine/record/catalog.h"
#include "hosts/probe.h"
#include "hosts/wake.h"
#include "store/host.h"

#include <stdlib.h>
#include <string.h>

static json_t *hosts(const struct call *c)
{
    json_t *o = reply_ok(), *list = json_array();
    for (const struct host *h = c->e->hosts; h; h = h->next)
        if (h->link && !h->here && (!c->name || strcmp(h->name, c->name) == 0))
            json_array_append_new(list, host_json(c->e, h));
    json_object_set_new(o, "hosts", list);
    return o;
}

/* ---- those that wait for the link ---- */

/* Why it rests, in the words of the link; what the user can do stands in the hint. */
static json_t *rest_refusal(const struct host *h)
{
    const struct host_snapshot *s = &h->shot;
    enum clw_err code = s->state == HOST_NEEDS_SECRET ? CLW_REFUSED : s->code ? s->code : CLW_UNREACHABLE;
    json_t *o = reply_refusal(code, s->hint, "host '%s': %s", h->name, s->reason);
    json_object_set_new(o, "state", json_string(host_state_text(s->state)));
    json_object_set_new(o, "step", json_string(host_state_text(s->step)));
    return o;
}

static struct waiter waiter_for(
    const struct host *h, json_t *(*check)(struct engine *, struct waiter *), const char *what)
{
    struct waiter w = {
        .check = check, .since_ms = h->shot.since_ms, .before = {h->shot.attempts, h->measured}, .what = what};
    snprintf(w.name, sizeof w.name, "%s", h->name);
    return w;
}

/* Something happened since the request. */
static bool has_moved(const struct host *h, const struct waiter *w)
{
    return h->shot.attempts > w->before[0] || h->shot.since_ms != w->since_ms;
}

static bool has_come_to_rest(const struct host *h, const struct waiter *w)
{
    return has_moved(h, w) && host_is_resting(h);
}

/* The link is past this step, in what it has done since the request or since it is up. */
static bool is_past(const struct host *h, const struct waiter *w, enum host_state step)
{
    const struct host_snapshot *s = &h->shot;
    return s->state == HOST_UP ||
           (has_moved(h, w) && ((s->step > step && s->step <= HOST_UP) || (s->state == HOST_DOWN && !s->code)));
}

static json_t *removed(const struct waiter *w)
{
    return reply_refusal(CLW_CANCELLED, NULL, "host '%s' was removed in the meantime", w->name);
}

static json_t *probe_answer(struct engine *e, struct waiter *w)
{
    const struct host *h = host_find(e, w->name);
    if (!h)
        return removed(w);
    if (h->measured == w->before[1])
        return has_come_to_rest(h, w) || h->shot.asking ? rest_refusal(h) : NULL; /* nothing comes before the answer */
    char *text = host_facts_json(&h->facts);
    json_t *o = reply_ok();
    json_object_set_new(o, "facts", json_loads(text, 0, NULL));
    json_object_set_new(o, "state", json_string(host_state_text(h->shot.state)));
    free(text);
    return o;
}

static json_t *probe(const struct call *c)
{
    struct host *h = c->host;
    struct clw_error err;
    struct waiter w = waiter_for(h, probe_answer, "was not measured in time");
    bool is_up = h->link && h->shot.state == HOST_UP;
    if (host_reach(h, HOST_GOAL_FACTS, true, &err))
        return reply_error(&err);
    if (is_up)
        host_session_probe(h->link);
    control_wait(c->e, c->asked, w, c->request);
    return NULL;
}

enum { CLEAN_MS = 60000 };

/* Not before a measurement that has cleaned: one may have been under way. */
static json_t *clean_answer(struct engine *e, struct waiter *w)
{
    const struct host *h = host_find(e, w->name);
    if (!h)
        return removed(w);
    if (h->measured == w->before[1] || !h->facts.has_cleaned) {
        if (!has_come_to_rest(h, w) && !h->shot.asking)
            return NULL;
        if (h->link)
            host_session_clean(h->link, PROBE_CLEAN_NOTHING, 0); /* what is said to have failed does not come later */
        return rest_refusal(h);
    }
    const struct host_facts *f = &h->facts;
    json_t *o = reply_ok();
    json_t *more = json_pack("{s:i, s:I, s:i, s:i, s:i, s:I}", "removed", f->cleaned, "removed_bytes",
        (json_int_t)f->cleaned_bytes, "ended", f->ended, "running", f->left, "programs", f->programs, "programs_bytes",
        (json_int_t)f->programs_bytes);
    json_object_update(o, more);
    json_decref(more);
    return o;
}

static json_t *clean(const struct call *c)
{
    struct host *h = c->host;
    struct clw_error err;
    bool all = false, is_up = h->link && h->shot.state == HOST_UP;
    uint64_t within_ms = CLEAN_MS;
    struct waiter w = waiter_for(h, clean_answer, "was not cleaned in time");
    if (!request_bool(c->request, "all", &all) || !request_ms(c->request, "timeout_ms", &within_ms))
        return reply_refusal(CLW_USAGE, NULL, "a field of the request has the wrong type");
    if (all && host_in_use(c->e, h))
        return reply_refusal(CLW_REFUSED, "take its profiles down, or leave out --all", "host '%s' is in use", h->name);
    h->facts.has_cleaned = false;
    if (!h->link && host_reach(h, HOST_GOAL_FACTS, true, &err))
        return reply_error(&err);
    host_session_clean(h->link, all ? PROBE_CLEAN_ALL : PROBE_CLEAN_OTHERS, within_ms);
    if (is_up)
        host_session_probe(h->link);
    else if (host_reach(h, HOST_GOAL_FACTS, true, &err))
        return reply_error(&err);
    control_wait(c->e, c->asked, w, c->request);
    return NULL;
}

static json_t *key_answer(struct engine *e, struct waiter *w)
{
    const struct host *h = host_find(e, w->name);
    if (!h)
        return removed(w);
    const struct host_snapshot *s = &h->shot;
    bool met = is_past(h, w, HOST_HOSTKEY) && !s->is_on_the_way;
    if (!met && !has_come_to_rest(h, w))
        return NULL;
    if (!met && !s->key.fingerprint[0])
        return rest_refusal(h);
    json_t *o = reply_ok();
    json_object_set_new(o, "known", json_boolean(!s->key.fingerprint[0]));
    if (s->key.fingerprint[0])
        json_object_set_new(o, "key", host_key_json(&s->key));
    else
        json_object_set_new(o, "fingerprint", json_string(s->known_key));
    return o;
}

static json_t *key(const struct call *c)
{
    struct host *h = c->host;
    struct clw_error err;
    struct waiter w = waiter_for(h, key_answer, "did not show its key in time");
    if (host_reach(h, HOST_GOAL_LOGIN, true, &err))
        return reply_error(&err);
    control_wait(c->e, c->asked, w, c->request);
    return NULL;
}

/* A key on its way into the user's file, in the thread that also closes links: this one is there until it is done. */
struct trusting {
    struct errand errand;
    struct sp_request *asked;
    struct host_session *link;
    char *fingerprint;
    enum clw_err code;
    struct clw_error err;
};

static void write_key(void *arg)
{
    struct trusting *t = arg;
    t->code = host_session_trust(t->link, t->fingerprint, &t->err);
}

static void answer_trust(void *arg)
{
    struct trusting *t = arg;
    control_answer(t->asked, t->code ? reply_error(&t->err) : reply_ok());
    free(t->fingerprint);
    free(t);
}

static json_t *trust(const struct call *c)
{
    struct host *h = c->host;
    if (!h->link)
        return reply_refusal(
            CLW_NOT_FOUND, "see its key first: clowder host trust", "no key of '%s' waits to be trusted", h->name);
    struct trusting *t = mem_zalloc(sizeof *t);
    *t = (struct trusting){.asked = c->asked, .link = h->link};
    t->fingerprint = mem_strdup(request_text(c->request, "fingerprint", ""));
    t->errand = (struct errand){.work = write_key, .done = answer_trust, .arg = t};
    errands_give(c->e->closer, &t->errand);
    return NULL;
}

/* It is logged in, or this is what it asks now. */
static json_t *prompt_reply(const struct host *h)
{
    json_t *o = reply_ok();
    if (h->shot.state == HOST_NEEDS_SECRET)
        json_object_set_new(o, "prompt", host_prompt_json(&h->shot.prompt));
    return o;
}

static json_t *prompt_answer(struct engine *e, struct waiter *w)
{
    const struct host *h = host_find(e, w->name);
    if (!h)
        return removed(w);
    bool asks = h->shot.state == HOST_NEEDS_SECRET && h->shot.questions > w->before[1];
    if (asks || is_past(h, w, HOST_AUTH))
        return prompt_reply(h);
    return has_come_to_rest(h, w) ? rest_refusal(h) : NULL;
}

static struct waiter prompt_waiter(const struct host *h)
{
    struct waiter w = waiter_for(h, prompt_answer, "is not logged in yet");
    w.before[1] = h->shot.questions;
    return w;
}

/* What has to be answered to log in, if anything. */
static json_t *prompt(const struct call *c)
{
    struct host *h = c->host;
    struct clw_error err;
    struct waiter w = prompt_waiter(h);
    if (h->link && h->shot.state == HOST_NEEDS_SECRET)
        return prompt_reply(h);
    if (host_reach(h, HOST_GOAL_LOGIN, true, &err))
        return reply_error(&err);
    control_wait(c->e, c->asked, w, c->request);
    return NULL;
}

static json_t *unlock(const struct call *c)
{
    struct host *h = c->host;
    struct clw_error err;
    const char *secret = request_text(c->request, "secret", NULL), *question = request_text(c->request, "prompt", NULL);
    struct waiter w = prompt_waiter(h);
    if (!secret || !question)
        return reply_refusal(CLW_USAGE, NULL, "an unlock needs a \"secret\", and the \"prompt\" that it answers");
    if (!h->link)
        return reply_refusal(CLW_NOT_FOUND, "see what it needs first: clowder host unlock NAME",
            "host '%s' asks for no secret", h->name);
    if (host_session_answer(h->link, question, secret, &err))
        return reply_error(&err);
    control_wait(c->e, c->asked, w, c->request);
    return NULL;
}

static json_t *wake(const struct call *c)
{
    const struct store_host *s;
    struct clw_error err;
    enum clw_err code = catalog_host_get(c->e->catalog, c->name, &s, &err);
    if (code)
        return reply_error(&err);
    json_t *facts = s->facts ? json_loads(s->facts, 0, NULL) : NULL;
    const char *probed = json_string_value(json_object_get(facts, "mac")), *mac = s->mac[0] ? s->mac : probed;
    if (!mac)
        code = clw_fail(&err, CLW_USAGE,
            "probe it while it is up, or give the address: clowder host edit NAME --mac aa:bb:cc:dd:ee:ff",
            "the hardware address of host '%s' is not known", c->name);
    else
        code = wake_send(mac, NULL, &err);
    if (!code)
        log_info("host", "woken host=%s mac=%s", c->name, mac);
    json_decref(facts);
    return code ? reply_error(&err) : reply_ok();
}

/* ---- taken out of the inventory ---- */

static json_t *leave_answer(struct engine *e, struct waiter *w)
{
    struct place *l;
    for (const struct profile *p = e->profiles; p; p = p->next)
        for (const struct daemon *m = p->daemons; m; m = m->after)
            if (strcmp(m->place->host, w->name) == 0)
                return NULL;
    if (host_find(e, w->name))
        return NULL;
    for (struct profile *p = e->profiles; p; p = p->next)
        if ((l = place_find(p, w->name))) /* of a host that is this machine */
            place_remove(l);
    return reply_ok();
}

/* It leaves all profiles; its daemons end what they have, or now, and then its link ends. */
static json_t *leave(const struct call *c)
{
    struct engine *e = c->e;
    bool now = false, wait = true;
    struct host *h = host_find(e, c->name);
    if (!request_bool(c->request, "now", &now) || !request_bool(c->request, "wait", &wait))
        return reply_refusal(CLW_USAGE, NULL, "a field of the request has the wrong type");
    for (struct profile *p = e->profiles; p; p = p->next)
        control_down_on(e, p, c->name, now);
    if (h)
        h->leaving = true;
    core_due(e);
    struct waiter w = {.check = wait ? leave_answer : reply_saved, .saves = true, .what = "still has daemons"};
    snprintf(w.name, sizeof w.name, "%s", c->name);
    control_wait(e, c->asked, w, c->request);
    return NULL;
}

static json_t *forget(const struct call *c)
{
    if (c->host->link)
        host_session_forget(c->host->link);
    return reply_ok();
}

static json_t *retry(const struct call *c)
{
    if (c->host->link)
        host_session_retry(c->host->link);
    return reply_ok();
}

const struct op host_ops[] = {
    {"hosts", OP_NOTHING, "[host]", "hosts: the links (below); without hosts that are not in use", hosts},
    {"probe", OP_LINK, "host [timeout_ms]", "facts, state", probe},
    {"key", OP_LINK, "host [timeout_ms]",
        "known: true and fingerprint: of the key that the host shows and that is on record; or key: the key that waits "
        "to be trusted",
        key},
    {"trust", OP_LINK, "host fingerprint", "", trust},
    {"prompt", OP_LINK, "host [timeout_ms]",
        "prompt: what it asks during the login, as in a link; none when it asks for nothing", prompt},
    {"unlock", OP_LINK, "host secret prompt [timeout_ms]",
        "prompt: the text of the question that secret answers; refused when the host asks something else now. Answered "
        "after the login, or with `prompt` when the host asks another question; a passphrase or password stays in "
        "locked "
        "memory until `forget`, or until the engine ends; what may be a one-time code is given once",
        unlock},
    {"forget", OP_LINK, "host", "", forget},
    {"retry", OP_LINK, "host", "tries again now, and ends a rest", retry},
    {"clean", OP_LINK, "host [all] [timeout_ms]",
        "removed removed_bytes ended running programs programs_bytes: programs of ours of other versions are taken "
        "away "
        "there; all: those of this one too, and daemons of ours end, whoever started them",
        clean},
    {"wake", OP_HOST, "host", "", wake},
    {"doctor", OP_NOTHING, "[host] [timeout_ms]", "findings: [{step ok ms seen fix}], healthy", control_doctor},
    {"leave", OP_HOST, "host [now] [wait] [timeout_ms]",
        "the host leaves all profiles, and the engine forgets it when none of our processes runs there; until then "
        "`up` there and all other requests about its link are refused. The caller removes its row from the store",
        leave},
    {"ssh_config", OP_NOTHING, "[path]", "hosts: [{name address user port jump identity}], notes", control_ssh_config},
    {.name = NULL},
};
