/* Daemons that a cluster's scheduler starts: those that are missing are submitted as one array, asked after as long as
 * they wait, and cancelled. The scheduler's commands run through the host's link, one script at a time. */
#include "engine/profiles/launchers/launch_scheduler.h"

#include "base/mono.h"
#include "base/text.h"
#include "engine/profiles/host_use.h"
#include "engine/profiles/launchers/launchers.h"
#include "engine/profiles/place.h"
#include "engine/profiles/place_state.h"
#include "engine/profiles/running_daemon.h"
#include "engine/model/core.h"
#include "engine/model/find.h"
#include "engine/model/launcher.h"
#include "engine/peers/tls.h"
#include "engine/record/catalog.h"
#include "engine/record/recorder.h"
#include "store/batch.h"

#include <stdlib.h>

enum {
    QUERY_SOON_MS = 2000,
    QUERY_SLOWER = 10,
    QUERY_MAX_MS = 15000,
    QUERY_MS = 30000,
    SETTLE_MS = 5000,
    COMMAND_MS = 60000,
    CANCEL_TRIES = 5,
};

enum batch_state { BATCH_SUBMITTING, BATCH_ACTIVE, BATCH_CANCELLING };

/* One array of jobs. Its daemons point here; it is freed when it is cancelled or ended. */
struct batch {
    struct batch *next;
    struct store_batch row; /* row.job is "" before it is submitted */
    struct host *host;      /* NULL: of an engine before, not looked up yet */
    enum batch_state state;
    uint64_t run_id; /* of the script under way: submission, or cancellation of it all */
    uint64_t one_id; /* of the one that cancels some of its elements, or 0 */
    uint64_t submitted_ms, try_at_ms;
    unsigned tries; /* to cancel it */
};

/* ---- submitting ---- */

static void add_config(struct buf *b, const struct daemon *m, const char *cert, const char *port)
{
    buf_printf(b, "url tls+tcp://@HOME@:%s\n", port);
    launch_add_cert(b, cert);
    buf_printf(b, "autoexit %d\nremote 1\nbatch 1\n", CORE_DIAL_MS);
    launch_add_identity(b, m);
    buf_add(b, "", 1);
}

/* The daemons, their settings, the script. */
static void write_script(
    struct batch *b, struct place *l, unsigned n, const char *cert, const char *port, struct buf *script)
{
    struct host *h = l->via;
    struct buf *configs = mem_zalloc(n * sizeof *configs);
    const char **texts = mem_zalloc(n * sizeof *texts);
    char name[80];
    for (unsigned i = 0; i < n; i++) {
        struct daemon *m = daemon_new(l->profile->engine, l);
        m->batch = b;
        m->element = i + 1;
        daemon_say(&m->reason, "being submitted");
        buf_reserve(&configs[i], 8192);
        add_config(&configs[i], m, cert, port);
        texts[i] = (char *)configs[i].data;
    }
    snprintf(name, sizeof name, "clowder-%s", l->profile->name);
    const struct scheduler_job job = {.name = name,
        .folder = b->row.folder,
        .program = h->here ? l->profile->engine->daemon_program : h->shot.program,
        .directives = h->directives,
        .configs = texts,
        .count = n};
    buf_reserve(script, n * 8192ul + 16384);
    scheduler_submit(h->scheduler, &job, script);
    buf_add(script, "", 1);
    for (unsigned i = 0; i < n; i++)
        launch_wipe(&configs[i]);
    free(configs);
    free(texts);
}

/* All daemons of b are gone. */
static void set_host(struct batch *b, struct host *h)
{
    b->host = h;
    h->batches++;
}

static void batch_free(struct engine *e, struct batch *b)
{
    if (b->host)
        b->host->batches--;
    struct batch **at = &e->batches;
    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    free(b);
}

static struct daemon *first_of(struct engine *e, const struct batch *b)
{
    for (struct profile *p = e->profiles; p; p = p->next)
        for (struct daemon *m = p->daemons; m; m = m->after)
            if (m->batch == b)
                return m;
    return NULL;
}

static void remove_daemons(struct engine *e, struct batch *b)
{
    for (struct daemon *m; (m = first_of(e, b));)
        if (m->peer) { /* it goes by itself */
            m->batch = NULL;
            m->fleet.kind = FLEET_REMOTE;
        } else
            daemon_remove(e, m);
}

static void submit(struct engine *e, struct place *l, unsigned n)
{
    struct clw_error err;
    struct buf script = {0};
    const char *cert = NULL;
    unsigned port = 0;
    char secret[WIRE_TOKEN + 1], mark[20], port_text[32], target[64];
    enum clw_err code = tls_listen(e, l->profile, &port, &cert, &err);
    if (code) {
        place_break(l, code, err.hint, err.message);
        return;
    }
    struct batch *b = mem_zalloc(sizeof *b);
    set_host(b, l->via);
    b->row.count = n;
    snprintf(b->row.host, sizeof b->row.host, "%s", l->host);
    snprintf(b->row.profile, sizeof b->row.profile, "%s", l->profile->name);
    wire_new_secret(secret);
    snprintf(b->row.folder, sizeof b->row.folder, "launch-%.16s", secret);
    snprintf(mark, sizeof mark, "%.16s", secret + 16);
    b->next = e->batches;
    e->batches = b;
    if (b->host->here)
        snprintf(port_text, sizeof port_text, "%u", port);
    else
        snprintf(port_text, sizeof port_text, "@%sPORT@", mark);
    snprintf(target, sizeof target, "tcp:127.0.0.1:%u", port);
    write_script(b, l, n, cert, port_text, &script);
    code = host_session_run_with_way(
        l->via->link, (char *)script.data, b->host->here ? "" : target, mark, COMMAND_MS, &b->run_id, &err);
    launch_wipe(&script);
    mem_wipe(secret, sizeof secret);
    if (code) {
        place_break(l, code, err.hint, err.message);
        remove_daemons(e, b);
        batch_free(e, b);
        return;
    }
    log_info("batch", "submits profile=%s host=%s daemons=%u", l->profile->name, l->host, n);
    core_changed(e);
}

static void launch_missing(struct engine *e, struct place *l)
{
    unsigned have = fleet_place_active(&l->fleet), want = place_want(l);
    if (have < want)
        submit(e, l, want - have < SCHEDULER_ARRAY_MAX ? want - have : SCHEDULER_ARRAY_MAX);
}

/* ---- what the scheduler said ---- */

/* What it printed as one line, for people. */
static void one_line(const char *text, size_t len, char *out, size_t size)
{
    char line[240];
    while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
        len--;
    len = len < sizeof line ? len : sizeof line;
    for (size_t i = 0; i < len; i++)
        line[i] = text[i] == '\n' ? ' ' : text[i];
    text_escape(out, size, line, len);
}

static struct place *place_of(struct engine *e, const struct batch *b)
{
    struct profile *p = profile_find(e, b->row.profile);
    return p ? place_find(p, b->row.host) : NULL;
}

static void ask_soon(struct host *h)
{
    h->query_at_ms = 0;
    h->queries = 0;
}

static void submit_failed(struct engine *e, struct batch *b, int status, const char *said)
{
    struct place *l = place_of(e, b);
    char text[300];
    snprintf(text, sizeof text, "%s (exit status %d): %.220s",
        status == 127 ? "the scheduler's command is not found" : "the scheduler refused the job of the daemons", status,
        *said ? said : "it said nothing");
    log_error("batch", "refused profile=%s host=%s status=%d said=\"%s\"", b->row.profile, b->row.host, status, said);
    if (l)
        place_break(l, status == 127 ? CLW_UNREACHABLE : CLW_REFUSED,
            status == 127 ? "is the scheduler's own command in PATH there?" : "check --directive of the host", text);
    remove_daemons(e, b);
    batch_free(e, b);
}

/* What the next engine has to know of it. */
struct batch_write {
    struct recorder_write write;
    struct store_batch row;
    bool is_there;
};

static enum clw_err write_one(struct store *s, void *arg, struct clw_error *err)
{
    struct batch_write *w = arg;
    return w->is_there ? store_batch_add(s, &w->row, err) : store_batch_remove(s, w->row.host, w->row.job, err);
}

static void written(void *arg)
{
    struct batch_write *w = arg;
    if (w->write.err.code)
        log_warn("store", "failed why=\"%s\"", w->write.err.message);
    free(w);
}

static void write_row(struct engine *e, const struct batch *b, bool is_there)
{
    struct batch_write *w = mem_zalloc(sizeof *w);
    *w = (struct batch_write){
        .write = {.write = write_one, .done = written, .arg = w}, .row = b->row, .is_there = is_there};
    recorder_write(e->recorder, &w->write);
}

static void submitted(struct engine *e, struct batch *b)
{
    b->state = BATCH_ACTIVE;
    b->run_id = 0;
    b->submitted_ms = mono_ms();
    ask_soon(b->host);
    log_info("batch", "submitted profile=%s host=%s job=%s daemons=%u", b->row.profile, b->row.host, b->row.job,
        b->row.count);
    write_row(e, b, true);
    for (struct profile *p = e->profiles; p; p = p->next)
        for (struct daemon *m = p->daemons; m; m = m->after)
            if (m->batch == b && m->fleet.state == FLEET_LAUNCHING)
                daemon_say(&m->reason, "submitted as %s, element %u", b->row.job, m->element);
}

static void over(struct engine *e, struct batch *b)
{
    log_info("batch", "over profile=%s host=%s job=%s", b->row.profile, b->row.host, b->row.job);
    write_row(e, b, false);
    remove_daemons(e, b);
    batch_free(e, b);
}

/* An element that nobody told to go is not listed any more, and its daemon is not here. */
static void say_ended(struct daemon *m)
{
    daemon_say(&m->reason, m->fleet.state == FLEET_AWAY ? "its job ended" : "its job ended before it connected");
    log_warn("daemon", "lost daemon=%s host=%s job=%s_%u why=\"%s\"", m->name, m->place->host, m->batch->row.job,
        m->element, m->reason);
}

static void note_state(struct engine *e, struct host *h, struct daemon *m, const char *text, size_t len)
{
    char why[160];
    struct batch *b = m->batch;
    enum scheduler_state state = scheduler_find(h->scheduler, text, len, b->row.job, m->element, why, sizeof why);
    uint64_t now_ms = mono_ms();
    unsigned acts =
        fleet_daemon_listed(&m->fleet, state != SCHEDULER_ENDED, now_ms - b->submitted_ms > SETTLE_MS, now_ms);
    if (acts & FLEET_FAILED)
        say_ended(m);
    if (acts)
        daemon_act(e, m, acts); /* CLOSE: nng 1.5 may miss the end of a TLS connection that came while a frame was
                                   dealt with */
    else if (m->fleet.state == FLEET_LAUNCHING && state == SCHEDULER_PENDING)
        daemon_say(&m->reason, "job %s pending%s%s", b->row.job, *why ? ": " : "", why);
    else if (m->fleet.state == FLEET_LAUNCHING && state == SCHEDULER_RUNNING && !m->fleet.running_ms) {
        fleet_daemon_runs(&m->fleet, now_ms);
        daemon_say(&m->reason, "job %s runs%s%s", b->row.job, *why ? " on " : "", why);
    }
}

static void queried(struct engine *e, struct host *h, const char *text, size_t len)
{
    for (struct profile *p = e->profiles; p; p = p->next)
        for (struct daemon *m = p->daemons, *after; m; m = after) {
            after = m->after;
            if (m->batch && m->batch->host == h && m->batch->state == BATCH_ACTIVE)
                note_state(e, h, m, text, len);
        }
    core_changed(e);
}

static void some_cancelled(struct engine *e, struct batch *b)
{
    b->one_id = 0;
    for (struct profile *p = e->profiles; p; p = p->next)
        for (struct daemon *m = p->daemons, *after; m; m = after) {
            after = m->after;
            if (m->batch == b && m->cancelling && !m->peer) /* one that came after all goes by itself */
                daemon_remove(e, m);
        }
}

/* The scheduler, or the link, may have been away: again. After a while it is the next engine's to try. */
static void cancelled(struct engine *e, struct batch *b, int status, const char *out, size_t len, const char *said)
{
    bool is_gone = status == 0 || (status > 0 && scheduler_knows_not(out, len));
    b->run_id = 0;
    b->try_at_ms = mono_ms() + QUERY_SOON_MS;
    if (is_gone) {
        over(e, b);
    } else if (status > 0 && ++b->tries == CANCEL_TRIES) {
        log_error("batch", "left behind profile=%s host=%s job=%s said=\"%s\"", b->row.profile, b->row.host, b->row.job,
            said);
        remove_daemons(e, b);
        batch_free(e, b);
    }
}

void batch_ran(struct engine *e, struct host *h, const struct host_run_result *r)
{
    char said[260];
    size_t len = r->out_len;
    int status = scheduler_status(r->out, &len);
    bool good = r->code == CLW_OK && status == 0;
    one_line(r->out, len, said, sizeof said);
    if (r->id == h->query_id) {
        h->query_id = 0;
        if (good)
            queried(e, h, r->out, len);
        else
            log_warn(
                "batch", "query failed host=%s status=%d said=\"%s\"", h->name, status, r->code ? r->errors : said);
        return;
    }
    for (struct batch *b = e->batches; b; b = b->next) {
        if (b->host != h || (b->run_id != r->id && b->one_id != r->id))
            continue;
        if (b->one_id == r->id)
            some_cancelled(e, b);
        else if (b->state == BATCH_CANCELLING)
            cancelled(e, b, status, r->out, len, said);
        else if (good && scheduler_read_id(h->scheduler, r->out, len, b->row.job))
            submitted(e, b);
        else
            submit_failed(e, b, status, r->code ? r->errors : said);
        break;
    }
    core_due(e);
    core_changed(e);
}

/* ---- chores ---- */

/* A daemon of it is here, is to come, or may come back. */
static bool is_alive(const struct daemon *m)
{
    return m->peer || m->fleet.state == FLEET_LAUNCHING || m->fleet.state == FLEET_AWAY || m->fleet.state == FLEET_UP;
}

static void cancel_all(struct batch *b)
{
    struct buf script = {0};
    scheduler_cancel(b->host->scheduler, b->row.job, 0, b->row.folder, &script);
    buf_add(&script, "", 1);
    b->state = BATCH_CANCELLING;
    if (host_session_run(b->host->link, (char *)script.data, COMMAND_MS, &b->run_id, NULL))
        b->run_id = 0;
    buf_fini(&script);
}

/* Elements whose daemon is to leave before it came. */
static void cancel_some(struct engine *e, struct batch *b)
{
    struct buf script = {0};
    for (struct profile *p = e->profiles; p; p = p->next)
        for (struct daemon *m = p->daemons; m; m = m->after)
            if (m->batch == b && !is_alive(m)) {
                m->cancelling = true;
                scheduler_cancel(b->host->scheduler, b->row.job, m->element, NULL, &script);
            }
    buf_add(&script, "", 1);
    if (host_session_run(b->host->link, (char *)script.data, COMMAND_MS, &b->one_id, NULL))
        b->one_id = 0;
    buf_fini(&script);
}

static void tick_one(struct engine *e, struct batch *b, uint64_t now_ms)
{
    unsigned alive = 0, leaving = 0;
    if (b->state == BATCH_SUBMITTING || b->host->shot.state != HOST_UP)
        return;
    for (struct profile *p = e->profiles; p; p = p->next)
        for (struct daemon *m = p->daemons; m; m = m->after) {
            alive += m->batch == b && is_alive(m);
            leaving += m->batch == b && !is_alive(m) && !m->cancelling;
        }
    if (b->state == BATCH_CANCELLING ? !b->run_id && now_ms >= b->try_at_ms : !alive)
        cancel_all(b);
    else if (b->state == BATCH_ACTIVE && leaving && !b->one_id)
        cancel_some(e, b);
}

/* Somebody waits for news of it. */
static bool is_unsettled(const struct engine *e, const struct host *h)
{
    for (const struct profile *p = e->profiles; p; p = p->next)
        for (const struct daemon *m = p->daemons; m; m = m->after)
            if (m->batch && m->batch->host == h && (m->fleet.state != FLEET_UP || m->fleet.absent) && !m->cancelling)
                return true;
    return false;
}

static bool has_batches(const struct engine *e, const struct host *h)
{
    for (const struct batch *b = e->batches; b; b = b->next)
        if (b->host == h && b->state == BATCH_ACTIVE)
            return true;
    return false;
}

static void query(struct engine *e, struct host *h, uint64_t now_ms)
{
    struct buf script = {0};
    if (h->query_id || now_ms < h->query_at_ms || h->shot.state != HOST_UP || !has_batches(e, h))
        return;
    /* Who waits long is asked after less often. */
    uint64_t soon_ms = QUERY_SOON_MS * (1ull + h->queries++ / QUERY_SLOWER);
    soon_ms = soon_ms < QUERY_MAX_MS ? soon_ms : QUERY_MAX_MS;
    h->query_at_ms = now_ms + (is_unsettled(e, h) ? soon_ms : QUERY_MS);
    scheduler_query(h->scheduler, &script);
    buf_add(&script, "", 1);
    if (host_session_run(h->link, (char *)script.data, COMMAND_MS, &h->query_id, NULL))
        h->query_id = 0;
    buf_fini(&script);
}

/* Jobs of an engine that was killed are cancelled: their daemons' engine is gone. */
static void adopt(struct engine *e, struct batch *b)
{
    struct clw_error err;
    struct host *h = host_find(e, b->row.host);
    if (h && h->leaving) /* it is not ours; another one follows */
        return;
    enum clw_err code = host_get(e, b->row.host, &h, &err);
    if (code || !h->is_scheduler) {
        log_warn(
            "batch", "forgotten host=%s job=%s why=\"the host is not a scheduler any more\"", b->row.host, b->row.job);
        write_row(e, b, false);
        batch_free(e, b);
        return;
    }
    set_host(b, h);
    host_reach(h, HOST_GOAL_UP, false, NULL);
}

void batch_tick(struct engine *e, uint64_t now_ms)
{
    for (struct batch *b = e->batches, *next; b; b = next) {
        next = b->next;
        if (!b->host)
            adopt(e, b);
        else
            tick_one(e, b, now_ms);
    }
    for (struct host *h = e->hosts; h; h = h->next)
        if (h->is_scheduler && h->link)
            query(e, h, now_ms);
}

uint64_t batch_next_ms(const struct engine *e)
{
    uint64_t next = UINT64_MAX;
    for (const struct host *h = e->hosts; h; h = h->next)
        if (h->is_scheduler && !h->query_id && h->shot.state == HOST_UP && has_batches(e, h) && h->query_at_ms < next)
            next = h->query_at_ms;
    for (const struct batch *b = e->batches; b; b = b->next)
        if (b->state == BATCH_CANCELLING && !b->run_id && b->host && b->host->shot.state == HOST_UP &&
            b->try_at_ms < next)
            next = b->try_at_ms;
    return next;
}

void batch_restore(struct engine *e)
{
    const struct store_batch_list *list = catalog_batches(e->catalog);
    for (size_t i = 0; i < list->count; i++) {
        struct batch *b = mem_zalloc(sizeof *b);
        b->row = list->items[i];
        b->state = BATCH_ACTIVE;
        b->next = e->batches;
        e->batches = b;
    }
}

void batch_fini(struct engine *e)
{
    while (e->batches)
        batch_free(e, e->batches);
}

/* Its daemon's connection ended: ask what became of the job. */
static void look(struct daemon *m)
{
    if (!m->batch) /* its job is over */
        return;
    ask_soon(m->batch->host);
    core_due(m->profile->engine);
}

const struct launcher launcher_scheduler = {.kind = FLEET_QUEUED, .launch_missing = launch_missing, .look = look};
