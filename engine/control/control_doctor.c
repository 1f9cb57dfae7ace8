/* The doctor: how this machine stands, and walks to a host, each in a thread of its own. */
#include "engine/control/control_internal.h"

#include "base/text.h"
#include "base/thread.h"
#include "engine/profiles/host_use.h"
#include "engine/record/catalog.h"
#include "hosts/doctor.h"
#include "hosts/ssh/ssh_config.h"
#include "store/host.h"
#include "store/kept.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* A store up to this size is read as a whole by the doctor, and from the other on it is called large. */
enum { CHECK_BYTES = 64 << 20, LARGE_BYTES = 1 << 30 };

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
    if (!w->code && !store_host_has_ssh(&w->host))
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

/* ---- this machine ---- */

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

/* In the thread that reads the store; NULL: there is none. */
static void look_at_store_file(struct store *s, void *arg)
{
    struct reading *r = arg;
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
    if (r->engine->catalog) {
        catalog_ask(r->engine->catalog, look_at_store_file, reading_answer, r);
    } else {
        look_at_store_file(NULL, r);
        reading_answer(r);
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
    reading_ask_ssh(reading_new(c, o), look_at_ssh, look_at_files);
    return NULL;
}

json_t *control_doctor(const struct call *c)
{
    if (!c->name)
        return doctor_here(c);
    return c->e->catalog ? start_walk(c) : reply_no_store();
}
