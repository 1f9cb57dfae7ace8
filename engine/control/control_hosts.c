/* Requests about hosts: their links, keys, secrets and facts; the doctor, who walks in a thread of his own. */
#include "engine/control/control.h"

#include "base/log.h"
#include "base/mono.h"
#include "base/paths.h"
#include "base/text.h"
#include "base/thread.h"
#include "engine/record/catalog.h"
#include "hosts/doctor.h"
#include "hosts/ssh/ssh_config.h"
#include "hosts/wake.h"
#include "store/host.h"
#include "store/kept.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* A store up to this size is read as a whole by the doctor, and from the other on it is called large. */
enum { CHECK_BYTES = 64 << 20, LARGE_BYTES = 1 << 30 };

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

static json_t *key_answer(struct engine *e, struct waiter *w)
{
    const struct host *h = host_find(e, w->name);
    if (!h)
        return removed(w);
    const struct host_snapshot *s = &h->shot;
    bool met = is_past(h, w, HOST_HOSTKEY);
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

/* ---- the user's ssh configuration ---- */

static json_t *ssh_config_host(const char *name, const struct ssh_host *h)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s}", "name", name, "address", h->hostname, "user",
        h->has_user ? h->user : "", "port", h->has_port ? (int)h->port : 0, "jump", h->proxy_jump, "identity",
        h->has_identity && h->identity.count ? h->identity.items[0] : "");
}

/* Asks ssh for each name. A name that is none to ssh is passed over, and noted; what ssh refuses, it refuses for all.
 */
static enum clw_err add_ssh_hosts(const char *path, const struct ssh_words *names, int cancel_fd, json_t *list,
    struct buf *notes, struct clw_error *err)
{
    for (size_t i = 0; i < names->count; i++) {
        struct ssh_host h;
        enum clw_err code =
            ssh_config_lookup(&(struct ssh_query){.config = path, .alias = names->items[i]}, cancel_fd, &h, err);
        if (code && code != CLW_USAGE)
            return code;
        json_t *host = code ? NULL : ssh_config_host(names->items[i], &h);
        if (host)
            json_array_append_new(list, host);
        if (code)
            buf_printf(notes, "%s%s", notes->len ? "\n" : "", err->message);
        else
            ssh_host_fini(&h);
    }
    return CLW_OK;
}

static json_t *ssh_config_json(const char *path, int cancel_fd)
{
    struct ssh_words names = {0};
    struct buf notes = {0};
    struct clw_error err;
    json_t *o = reply_ok(), *list = json_array();
    enum clw_err code = ssh_config_names(path, &names, &err);
    if (!code)
        code = add_ssh_hosts(path, &names, cancel_fd, list, &notes, &err);
    json_t *text = json_stringn((const char *)notes.data, notes.len);
    json_object_set_new(o, "hosts", list);
    json_object_set_new(o, "notes", text ? text : json_string(""));
    ssh_words_fini(&names);
    buf_fini(&notes);
    if (!code)
        return o;
    json_decref(o);
    return reply_error(&err);
}

/* ---- answers that have to read files: in the thread that reads the store ---- */

struct reading {
    struct engine *engine;
    struct sp_request *asked;
    json_t *request; /* held */
    json_t *reply;
    void (*read)(struct reading *r, struct store *s);
    struct errand errand; /* of those that ask ssh first */
};

static void read_in_thread(struct store *s, void *arg)
{
    struct reading *r = arg;
    r->read(r, s);
}

static void answer_reading(void *arg)
{
    struct reading *r = arg;
    control_answer(r->asked, r->reply);
    json_decref(r->request);
    free(r);
}

static struct reading *reading_new(const struct call *c, json_t *reply)
{
    struct reading *r = mem_zalloc(sizeof *r);
    *r = (struct reading){.engine = c->e, .asked = c->asked, .request = json_incref(c->request), .reply = reply};
    r->errand.arg = r;
    return r;
}

/* What ssh says is asked for in a thread of its own: a command of its configuration may take its time. */
static void ask_ssh(struct reading *r, void (*work)(void *arg), void (*done)(void *arg))
{
    r->errand.work = work;
    r->errand.done = done;
    errands_give(r->engine->asker, &r->errand);
}

static void read_ssh_config(void *arg)
{
    struct reading *r = arg;
    r->reply = ssh_config_json(request_text(r->request, "path", NULL), r->engine->doctor_fd);
}

static json_t *ssh_config(const struct call *c)
{
    ask_ssh(reading_new(c, NULL), read_ssh_config, answer_reading);
    return NULL;
}

/* ---- the doctor ---- */

/* One walk, in a thread of its own; what came of it is posted. */
struct walk {
    struct engine *engine;
    struct sp_request *asked;
    char name[STORE_NAME_SIZE];
    struct store_host host;
    unsigned limit_ms;
    enum clw_err code;
    struct doctor_report *report;
    struct clw_error err;
    struct loop_call over;
};

static json_t *report_json(const struct doctor_report *r)
{
    json_t *o = reply_ok(), *list = json_array();
    for (size_t i = 0; i < r->count; i++) {
        const struct doctor_finding *f = &r->findings[i];
        json_t *finding = json_pack("{s:s, s:b, s:I, s:s, s:s}", "step", f->step, "ok", f->ok, "ms", (json_int_t)f->ms,
            "seen", f->seen, "fix", f->fix);
        if (finding)
            json_array_append_new(list, finding);
    }
    json_object_set_new(o, "findings", list);
    json_object_set_new(o, "healthy", json_boolean(r->ok));
    return o;
}

static void *walk_thread(void *arg)
{
    struct walk *w = arg;
    struct host_session_options o = host_options(w->engine, &w->host);
    w->code = doctor_run(&o, w->limit_ms, w->engine->doctor_fd, w->report, &w->err);
    loop_post(w->engine->loop, &w->over);
    return NULL;
}

static void free_walk(struct walk *w)
{
    store_host_fini(&w->host);
    free(w->report);
    free(w);
}

static void end_walk(void *arg)
{
    struct walk *w = arg;
    control_answer(w->asked, w->code ? reply_error(&w->err) : report_json(w->report));
    w->engine->walks--;
    free_walk(w);
}

static void find_host(struct store *s, void *arg)
{
    struct walk *w = arg;
    w->code = store_host_get(s, w->name, &w->host, &w->err);
}

static void begin_walk(void *arg)
{
    struct walk *w = arg;
    pthread_t thread;
    if (!w->code && !host_has_ssh(&w->host))
        w->code = clw_fail(&w->err, CLW_USAGE, NULL, "host '%s' is not reached by SSH", w->name);
    if (!w->code && thread_start(&thread, walk_thread, w)) { /* w is the thread's from here on */
        pthread_detach(thread);
        return;
    }
    if (!w->code)
        w->code = clw_fail(&w->err, CLW_FAILED, "wait until less runs here, or raise the limit (ulimit -u)",
            "no thread can be started for it");
    end_walk(w);
}

static json_t *start_walk(const struct call *c)
{
    struct engine *e = c->e;
    uint64_t limit_ms = 0;
    if (e->stopping) /* its end waits for nobody who comes now */
        return reply_refusal(CLW_REFUSED, "run the command again to start a new one", "the engine is stopping");
    request_ms(c->request, "timeout_ms", &limit_ms);
    struct walk *w = mem_zalloc(sizeof *w);
    *w = (struct walk){.engine = e, .asked = c->asked, .limit_ms = (unsigned)(limit_ms < 600000 ? limit_ms : 600000)};
    snprintf(w->name, sizeof w->name, "%s", c->name);
    w->report = mem_zalloc(sizeof *w->report);
    w->over = (struct loop_call){.run = end_walk, .arg = w};
    e->walks++;
    catalog_ask(e->catalog, find_host, begin_walk, w);
    return NULL;
}

static void finding(json_t *list, bool *healthy, const char *step, bool ok, const char *seen, const char *fix)
{
    *healthy &= ok;
    json_t *o =
        json_pack("{s:s, s:b, s:i, s:s, s:s}", "step", step, "ok", ok, "ms", 0, "seen", seen, "fix", ok ? "" : fix);
    if (o)
        json_array_append_new(list, o);
}

static void look_at_descriptors(const struct engine *e, json_t *list, bool *healthy)
{
    struct rlimit limit = {0};
    char text[120];
    bool short_of = e->spare_count < CORE_SPARES;
    getrlimit(RLIMIT_NOFILE, &limit);
    snprintf(text, sizeof text,
        short_of ? "all %llu are in use: new processes and connections have to wait" : "at most %llu",
        (unsigned long long)limit.rlim_cur);
    finding(list, healthy, "files", !short_of, text,
        "take down profiles that are not needed, or raise the limit (ulimit -n) and start the engine again");
}

/* The store: whole, as far as it can be read in a moment, and how much room detached jobs take. */
static void look_at_store(struct store *s, json_t *list, bool *healthy)
{
    struct clw_error err = {0};
    struct stat st = {0};
    uint64_t jobs = 0;
    char size[24], text[700];
    bool open = s && stat(store_path(s), &st) == 0;
    enum clw_err code = open && st.st_size <= CHECK_BYTES ? store_check(s, &err) : CLW_OK;
    if (open && !code)
        code = store_kept_count(s, &jobs, &err);
    if (!open || code) {
        finding(list, healthy, "store", false, open ? err.message : "the store cannot be used; see 'clowder log'",
            err.hint);
        return;
    }
    snprintf(text, sizeof text, "%.500s, %s, %llu detached job%s", store_path(s),
        text_bytes(size, sizeof size, (uint64_t)st.st_size), (unsigned long long)jobs, text_plural(jobs));
    finding(list, healthy, "store", true, text,
        st.st_size > LARGE_BYTES ? "'clowder job prune --keep N' removes finished jobs with their results" : "");
}

static void look_at_store_file(struct reading *r, struct store *s)
{
    json_t *list = json_object_get(r->reply, "findings");
    bool healthy = json_is_true(json_object_get(r->reply, "healthy"));
    look_at_store(s, list, &healthy);
    json_object_set_new(r->reply, "healthy", json_boolean(healthy));
}

static void look_at_ssh(void *arg)
{
    struct reading *r = arg;
    struct clw_error err = {0};
    struct ssh_host h;
    json_t *list = json_object_get(r->reply, "findings");
    bool healthy = json_is_true(json_object_get(r->reply, "healthy"));
    const char *agent = getenv("SSH_AUTH_SOCK");
    bool read = ssh_config_lookup(&(struct ssh_query){.alias = "localhost"}, r->engine->doctor_fd, &h, &err) == CLW_OK;
    finding(list, &healthy, "config", read, read ? "ssh can read its configuration" : err.message, err.hint);
    if (read)
        ssh_host_fini(&h);
    finding(
        list, &healthy, "agent", true, agent ? agent : "no SSH agent: keys with a passphrase need 'host unlock'", "");
    json_object_set_new(r->reply, "healthy", json_boolean(healthy));
}

/* Without a store nobody else is there to read. */
static void look_at_files(void *arg)
{
    struct reading *r = arg;
    r->read = look_at_store_file;
    if (r->engine->catalog) {
        catalog_ask(r->engine->catalog, read_in_thread, answer_reading, r);
    } else {
        look_at_store_file(r, NULL);
        answer_reading(r);
    }
}

/* This machine: what every host needs of it. */
static json_t *doctor_here(const struct call *c)
{
    const struct engine *e = c->e;
    json_t *o = reply_ok(), *list = json_array();
    bool healthy = true;
    char text[300];
    snprintf(text, sizeof text, "version %s, %u connection%s", CLW_VERSION, e->peer_count, text_plural(e->peer_count));
    finding(list, &healthy, "engine", true, text, "");
    finding(list, &healthy, "program", true, e->daemon_program, "");
    look_at_descriptors(e, list, &healthy);
    json_object_set_new(o, "findings", list);
    json_object_set_new(o, "healthy", json_boolean(healthy));
    ask_ssh(reading_new(c, o), look_at_ssh, look_at_files);
    return NULL;
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

static json_t *doctor(const struct call *c)
{
    if (!c->name)
        return doctor_here(c);
    return c->e->catalog ? start_walk(c) : reply_no_store();
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
        "after the login, or with `prompt` when the host asks another question; the secret stays in locked memory "
        "until `forget`, or until the engine ends",
        unlock},
    {"forget", OP_LINK, "host", "", forget},
    {"retry", OP_LINK, "host", "tries again now, and ends a rest", retry},
    {"wake", OP_HOST, "host", "", wake},
    {"doctor", OP_NOTHING, "[host] [timeout_ms]", "findings: [{step ok ms seen fix}], healthy", doctor},
    {"leave", OP_HOST, "host [now] [wait] [timeout_ms]",
        "the host leaves all profiles, and the engine forgets it when none of our processes runs there; until then "
        "`up` there and all other requests about its link are refused. The caller removes its row from the store",
        leave},
    {"ssh_config", OP_NOTHING, "[path]", "hosts: [{name address user port jump identity}], notes", ssh_config},
    {.name = NULL},
};
