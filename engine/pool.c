/* A profile's pool of daemons: how many there should be, who is there, who is started, who leaves, who is replaced. */
#include "engine/core.h"

#include "base/log.h"
#include "base/mono.h"
#include "hosts/local.h"

#include <nng/nng.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

struct pool *pool_find(struct engine *e, const char *name)
{
    struct pool *p = e->pools;
    while (p && strcmp(p->name, name) != 0)
        p = p->next;
    return p;
}

struct pool *pool_new(struct engine *e, const char *name)
{
    struct pool *p = mem_zalloc(sizeof *p);
    snprintf(p->name, sizeof p->name, "%s", name);
    p->settings = (struct pool_settings){.respawn = true, .cleanup = true};
    p->started_ms = mono_ms();
    p->disp = disp_new(0);
    struct pool **at = &e->pools;
    while (*at)
        at = &(*at)->next;
    *at = p;
    return p;
}

void pool_settings_fini(struct pool_settings *s)
{
    for (char **env = s->env; env && *env; env++)
        free(*env);
    free(s->env);
    s->env = NULL;
}

void core_job_free(struct core_job *j)
{
    if (j->client) {
        struct core_job **at = &j->client->jobs;
        while (*at && *at != j)
            at = &(*at)->next;
        if (*at) {
            *at = j->next;
            j->client->job_count--;
        }
    }
    blk_rele(j->func);
    func_fini(&j->spec);
    free(j);
}

void pool_free(struct engine *e, struct pool *p)
{
    struct pool **at = &e->pools;
    while (*at && *at != p)
        at = &(*at)->next;
    if (*at)
        *at = p->next;
    while (p->members)
        member_remove(e, p->members);
    while (p->setups) {
        struct core_job *j = p->setups;
        p->setups = j->next;
        core_job_free(j);
    }
    disp_free(p->disp);
    pool_settings_fini(&p->settings);
    free(p);
}

unsigned pool_count(const struct pool *p, enum member_state state)
{
    unsigned n = 0;
    for (const struct member *m = p->members; m; m = m->after)
        n += m->state == state;
    return n;
}

static unsigned active(const struct pool *p)
{
    return pool_count(p, MEMBER_UP) + pool_count(p, MEMBER_LAUNCHING);
}

bool pool_is_hopeless(const struct pool *p)
{
    return active(p) + pool_count(p, MEMBER_LEAVING) == 0 && (p->want == 0 || p->broken || p->going);
}

/* Tells every job that waits for daemons that none will come. */
void pool_fail_jobs(struct engine *e, struct pool *p)
{
    if (!pool_is_hopeless(p))
        return;
    for (struct peer *c = e->peers; c; c = c->after) {
        if (c->role != PEER_CLIENT)
            continue;
        for (struct core_job *j = c->jobs; j; j = j->next) {
            if (j->pool != p || j->faulted)
                continue;
            j->faulted = true;
            client_fault(j, CLW_UNREACHABLE, "profile '%s' has no daemons left%s%s", p->name, p->reason[0] ? ": " : "",
                p->reason);
        }
    }
    core_flush(e);
}

enum clw_err pool_add_setup(struct engine *e, struct pool *p, const struct core_job *from)
{
    (void)e;
    struct core_job *j = mem_zalloc(sizeof *j), **at = &p->setups;
    j->pool = p;
    j->func = blk_hold(from->func);
    j->func_len = from->func_len;
    func_copy(&j->spec, &from->spec);
    while (*at)
        at = &(*at)->next;
    *at = j;
    return CLW_OK;
}

/* ---- members ---- */

struct member *member_by_number(struct engine *e, uint32_t number)
{
    for (struct pool *p = e->pools; p; p = p->next)
        for (struct member *m = p->members; m; m = m->after)
            if (m->number == number)
                return m;
    return NULL;
}

void member_remove(struct engine *e, struct member *m)
{
    struct pool *p = m->pool;
    *(m->before ? &m->before->after : &p->members) = m->after;
    if (m->after)
        m->after->before = m->before;
    p->member_count--;
    mem_wipe(m->token, sizeof m->token);
    free(m);
    pool_fail_jobs(e, p);
    core_changed(e);
    core_wake(e);
}

static void new_token(char token[WIRE_TOKEN + 1])
{
    uint8_t bytes[WIRE_TOKEN / 2];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        abort();
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(token + 2 * i, 3, "%02x", bytes[i]);
    mem_wipe(bytes, sizeof bytes);
}

static struct member *member_new(struct engine *e, struct pool *p)
{
    struct member *m = mem_zalloc(sizeof *m), *last = p->members;
    m->pool = p;
    m->number = ++e->last_daemon & 0xffffff;
    snprintf(m->name, sizeof m->name, "%s-%u", p->name, ++p->counter);
    snprintf(m->host, sizeof m->host, "local");
    new_token(m->token);
    m->started_ms = mono_ms();
    while (last && last->after)
        last = last->after;
    m->before = last;
    *(last ? &last->after : &p->members) = m;
    p->member_count++;
    return m;
}

/* Something went wrong: the next launch waits, longer each time. */
void pool_back_off(struct pool *p, const struct member *m)
{
    uint64_t now_ms = mono_ms();
    bool connected = m->connected_ms != 0;
    if (connected && now_ms - m->connected_ms > CORE_STABLE_MS)
        p->fails = 0;
    unsigned doublings = p->fails < 10 ? p->fails : 10;
    uint64_t pause = (uint64_t)CORE_BACKOFF_MS << doublings;
    p->next_launch_ms = now_ms + (pause < CORE_BACKOFF_MAX_MS ? pause : CORE_BACKOFF_MAX_MS);
    p->fails++;
    snprintf(p->reason, sizeof p->reason, "%s %s", m->name, m->reason);
    if (!connected && p->fails >= CORE_GIVE_UP && !p->broken) {
        p->broken = true;
        log_error("pool", "gave up profile=%s launches=%u last=\"%s\"", p->name, p->fails, p->reason);
    }
    if (!p->settings.respawn && p->want)
        p->want--;
}

/* The process of a daemon has ended. */
void member_exited(struct engine *e, pid_t pid, int status)
{
    struct member *m = NULL;
    for (struct pool *p = e->pools; p && !m; p = p->next)
        for (m = p->members; m && m->pid != pid; m = m->after)
            ;
    if (!m)
        return;
    char how[80];
    if (WIFSIGNALED(status))
        snprintf(how, sizeof how, "was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(how, sizeof how, "ended with status %d", WEXITSTATUS(status));
    m->pid = 0;
    if (m->peer) { /* its connection goes next, and the rest then */
        snprintf(m->reason, sizeof m->reason, "%s", how);
        return;
    }
    if (m->state == MEMBER_LAUNCHING) {
        if (!m->reason[0])
            snprintf(m->reason, sizeof m->reason, "%s before it connected", how);
        log_error("daemon", "launch failed daemon=%s why=\"%s\"", m->name, m->reason);
        pool_back_off(m->pool, m);
    } else if (m->state == MEMBER_LOST) {
        log_info("daemon", "ended daemon=%s how=\"%s\"", m->name, how);
    }
    member_remove(e, m);
}

static void launch(struct engine *e, struct pool *p)
{
    struct member *m = member_new(e, p);
    struct buf config = {0};
    struct clw_error err;
    buf_printf(&config, "url %s\ndaemon %u\ntoken %s\nautoexit 0\n", e->data_url, m->number, m->token);
    struct local_launch l = {.program = e->daemon_program,
        .config = (char *)config.data,
        .config_len = config.len,
        .log_fd = e->daemon_log_fd};
    enum clw_err code = local_launch(&l, &m->pid, &err);
    mem_wipe(config.data, config.len);
    buf_fini(&config);
    if (code) {
        snprintf(m->reason, sizeof m->reason, "%.150s", err.message);
        log_error("daemon", "launch failed daemon=%s why=\"%s\"", m->name, err.message);
        pool_back_off(p, m);
        member_remove(e, m);
        return;
    }
    log_info("daemon", "launched daemon=%s host=%s pid=%d", m->name, m->host, (int)m->pid);
    core_changed(e);
}

/* Asks a daemon to stop: after its tasks, or now. */
static void quit(struct member *m, bool now, bool shrink)
{
    m->shrink |= shrink;
    if (m->state == MEMBER_LOST)
        return;
    bool had_connection = m->peer != NULL;
    m->state = MEMBER_LEAVING;
    if (now)
        m->kill_at_ms = mono_ms() + CORE_QUIT_MS;
    if (!had_connection) {
        snprintf(m->reason, sizeof m->reason, "stopped before it connected");
        if (m->pid)
            kill(m->pid, SIGTERM);
        m->kill_at_ms = mono_ms() + CORE_QUIT_MS;
        return;
    }
    disp_daemon_drain(m->pool->disp, m->daemon);
    if (!m->quit_sent || now)
        peer_send(m->peer, &(struct frame){.type = WIRE_QUIT, .flags = now ? WIRE_NOW : 0}, NULL);
    m->quit_sent = true;
}

void pool_down(struct engine *e, struct pool *p, bool now)
{
    p->going = true;
    p->want = 0;
    log_info("pool", "down profile=%s now=%d", p->name, now);
    for (struct member *m = p->members; m; m = m->after)
        quit(m, now, true);
    core_flush(e);
    pool_fail_jobs(e, p);
    core_changed(e);
    core_wake(e);
}

/* Who goes first when there are too many: who has not connected, who is idle, who came last. */
static struct member *most_expendable(struct pool *p)
{
    struct member *best = NULL;
    int best_rank = -1;
    for (struct member *m = p->members; m; m = m->after) {
        int rank = m->state == MEMBER_LAUNCHING                     ? 2
                   : m->state != MEMBER_UP                          ? -1
                   : m->daemon && !disp_daemon_in_flight(m->daemon) ? 1
                                                                    : 0;
        if (rank >= 0 && rank >= best_rank) {
            best = m;
            best_rank = rank;
        }
    }
    return best;
}

void pool_scale(struct engine *e, struct pool *p, unsigned want)
{
    struct member *m;
    p->going = false;
    p->broken = false;
    p->fails = 0;
    p->reason[0] = '\0';
    p->next_launch_ms = 0;
    p->want = want;
    while (active(p) > want && (m = most_expendable(p)))
        quit(m, false, true);
    core_flush(e);
    core_changed(e);
    core_wake(e);
}

static void tick_member(struct member *m, uint64_t now_ms)
{
    if (m->state == MEMBER_LAUNCHING && now_ms - m->started_ms > CORE_LAUNCH_MS && !m->kill_at_ms) {
        snprintf(m->reason, sizeof m->reason, "did not connect within %d s", CORE_LAUNCH_MS / 1000);
        m->kill_at_ms = now_ms;
    }
    if (m->kill_at_ms && now_ms >= m->kill_at_ms && m->pid) {
        kill(m->pid, SIGKILL);
        m->kill_at_ms = 0;
    }
    daemon_tick(m, now_ms);
}

void pool_tick(struct engine *e, struct pool *p, uint64_t now_ms)
{
    for (struct member *m = p->members; m; m = m->after)
        tick_member(m, now_ms);
    while (!p->going && !p->broken && now_ms >= p->next_launch_ms && active(p) < p->want)
        launch(e, p);
    pool_fail_jobs(e, p);
}

/* When pool_tick has something to do again; UINT64_MAX: when something happens. */
uint64_t pool_next_ms(const struct pool *p, uint64_t now_ms)
{
    uint64_t next = UINT64_MAX;
    if (!p->going && !p->broken && active(p) < p->want)
        next = p->next_launch_ms;
    for (const struct member *m = p->members; m; m = m->after) {
        if (m->kill_at_ms && m->pid && m->kill_at_ms < next)
            next = m->kill_at_ms;
        if (m->state == MEMBER_LAUNCHING && m->started_ms + CORE_LAUNCH_MS + 1 < next)
            next = m->started_ms + CORE_LAUNCH_MS + 1;
        if (m->peer && m->peer->remote && now_ms + CORE_PING_MS / 2 < next)
            next = now_ms + CORE_PING_MS / 2;
    }
    return next;
}

/* ---- what the dispatcher decided ---- */

static void act_send(const struct disp_action *a)
{
    struct member *m = disp_daemon_arg(a->daemon);
    const struct wire_slices *s = &a->tasks->slices;
    uint32_t from = wire_slice_start(s, a->pos), to = wire_slice_end(s, a->pos + a->n - 1);
    struct frame f = {.type = WIRE_TASKS,
        .job = disp_job_number(a->job),
        .n = a->n,
        .first = a->tasks->first + a->pos,
        .len = 4 * a->n + (to - from)};
    struct link_piece pieces[] = {
        {s->ends + 4 * (size_t)a->pos, 4 * a->n, a->tasks->block}, {s->bytes + from, to - from, a->tasks->block}};
    link_send_ref(m->peer->link, &f, pieces, 2);
    peer_mark(m->peer);
}

static void act_on_daemon(const struct disp_action *a)
{
    struct member *m = disp_daemon_arg(a->daemon);
    struct core_job *j = disp_job_arg(a->job);
    struct frame f = {.job = disp_job_number(a->job), .first = a->first, .n = a->n};
    if (a->type == DISP_OPEN) {
        f.type = WIRE_OPEN;
        f.len = (uint32_t)j->func_len;
        link_send_ref(m->peer->link, &f, &(struct link_piece){j->func->data, f.len, j->func}, 1);
        peer_mark(m->peer);
        return;
    }
    f.type = a->type == DISP_ABORT ? WIRE_CANCEL : WIRE_CLOSE;
    peer_send(m->peer, &f, NULL);
}

static void act_on_client(const struct disp_action *a)
{
    struct core_job *j = disp_job_arg(a->job);
    struct frame f = {.job = j->client_job};
    if (!j->client)
        return;
    if (a->type == DISP_GRANT) {
        f.type = WIRE_GRANT;
        f.first = a->bytes;
    } else if (a->type == DISP_DONE) {
        f.type = WIRE_CLOSED;
    } else {
        f.type = WIRE_REPORT;
        f.code = (uint16_t)a->outcome;
        f.first = a->first;
        f.n = a->n;
        f.daemon = (a->attempts < 255 ? a->attempts : 255) << 24;
    }
    peer_send(j->client, &f, NULL);
}

void pool_act(struct engine *e, struct pool *p)
{
    size_t count;
    const struct disp_action *list = disp_actions(p->disp, &count);
    for (size_t i = 0; i < count; i++) {
        const struct disp_action *a = &list[i];
        switch (a->type) {
        case DISP_SEND: act_send(a); break;
        case DISP_OPEN:
        case DISP_ABORT:
        case DISP_CLOSE: act_on_daemon(a); break;
        case DISP_GRANT:
        case DISP_END: act_on_client(a); break;
        case DISP_DONE: {
            struct core_job *j = disp_job_arg(a->job);
            act_on_client(a);
            disp_job_free(p->disp, a->job);
            core_job_free(j);
            break;
        }
        }
    }
    if (count) {
        disp_actions_clear(p->disp);
        core_changed(e);
    }
}
