/* One attempt of a link, watched, and a look at the things around it that make attempts fail. */
#include "hosts/doctor.h"

#include "base/mem.h"
#include "base/mono.h"
#include "base/text.h"
#include "hosts/ssh/ssh_config.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct walk {
    pthread_mutex_t lock;
    int event_fd;
    bool over, launched;
    struct host_snapshot last;
    struct host_facts facts;
    struct host_callbacks user;
    char launch_error[400], launch_hint[300];
    bool launch_done, launch_ok;
};

static void find(struct doctor_report *r, const char *step, bool ok, uint32_t ms, const char *fix, const char *format,
    ...) __attribute__((format(printf, 6, 7)));
static void find(
    struct doctor_report *r, const char *step, bool ok, uint32_t ms, const char *fix, const char *format, ...)
{
    va_list ap;
    if (r->count == DOCTOR_FINDINGS)
        return;
    struct doctor_finding *f = &r->findings[r->count++];
    *f = (struct doctor_finding){.ok = ok, .ms = ms};
    snprintf(f->step, sizeof f->step, "%s", step);
    snprintf(f->fix, sizeof f->fix, "%s", ok ? "" : fix);
    va_start(ap, format);
    vsnprintf(f->seen, sizeof f->seen, format, ap);
    va_end(ap);
    r->ok &= ok;
}

/* ---- around the link ---- */

static void look_at_agent(struct doctor_report *r, const struct ssh_host *h)
{
    const char *path = *h->identity_agent ? h->identity_agent : getenv("SSH_AUTH_SOCK");
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (!path || !*path || strcmp(path, "none") == 0) {
        find(r, "agent", true, 0, "", "no SSH agent is used");
        return;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        find(r, "agent", true, 0, "", "the agent at %.200s answers", path);
    else
        find(r, "agent", false, 0, "start it (eval $(ssh-agent); ssh-add), or unset SSH_AUTH_SOCK",
            "no agent answers at %.200s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
}

static void look_at_keys(struct doctor_report *r, const struct ssh_host *h)
{
    struct stat st;
    unsigned there = 0;
    char fix[300];
    for (size_t i = 0; i < h->identity.count; i++) {
        const char *path = h->identity.items[i];
        if (stat(path, &st)) {
            if (h->has_identity)
                find(r, "keys", false, 0, "create it (ssh-keygen), or correct IdentityFile",
                    "the key file %.200s cannot be read: %s", path, strerror(errno));
            continue;
        }
        there++;
        snprintf(fix, sizeof fix, "chmod 600 '%.250s'", path);
        if (st.st_mode & 077)
            find(r, "keys", false, 0, fix, "other users can read the key file %.200s", path);
    }
    if (there)
        find(r, "keys", true, 0, "", "%u key file%s", there, there == 1 ? "" : "s");
}

static void look_around(struct doctor_report *r, const struct host_session_options *o, int cancel_fd)
{
    struct ssh_host h;
    struct clw_error why = {0};
    const struct ssh_query query = {.config = o->config_path,
        .alias = o->address && *o->address ? o->address : o->name,
        .user = o->user,
        .port = o->port,
        .identity = o->identity,
        .jump = o->jump};
    if (ssh_config_lookup(&query, cancel_fd, &h, &why)) {
        find(r, "config", false, 0, *why.hint ? why.hint : "correct the ssh configuration", "%s", why.message);
        return;
    }
    find(r, "config", true, 0, "", "%.100s is %.60s@%.120s port %u%s%.100s", query.alias, h.user, h.hostname, h.port,
        *h.proxy_jump ? " through " : "", h.proxy_jump);
    look_at_agent(r, &h);
    look_at_keys(r, &h);
    ssh_host_fini(&h);
}

/* ---- the link, watched ---- */

static void wake(struct walk *w)
{
    uint64_t one = 1;
    ssize_t told = write(w->event_fd, &one, sizeof one);
    (void)told;
}

static void on_state(void *arg, const struct host_snapshot *s)
{
    struct walk *w = arg;
    pthread_mutex_lock(&w->lock);
    w->last = *s;
    w->over |= s->state > HOST_IDLE && (s->state != HOST_NEEDS_SECRET || s->code != CLW_OK);
    pthread_mutex_unlock(&w->lock);
    wake(w);
}

static void on_facts(void *arg, const struct host_facts *f)
{
    struct walk *w = arg;
    pthread_mutex_lock(&w->lock);
    w->facts = *f;
    pthread_mutex_unlock(&w->lock);
}

static void on_daemon(void *arg, const struct host_daemon_event *e)
{
    struct walk *w = arg;
    pthread_mutex_lock(&w->lock);
    if (e->kind == HOST_DAEMON_FAILED) {
        snprintf(w->launch_error, sizeof w->launch_error, "%s", e->text);
        snprintf(w->launch_hint, sizeof w->launch_hint, "%s", e->hint);
        w->launch_done = true;
    } else if (e->kind == HOST_DAEMON_EXITED) {
        w->launch_ok = w->launch_done = true;
    }
    pthread_mutex_unlock(&w->lock);
    wake(w);
}

static bool on_secret(void *arg, const struct host_prompt *prompt, char *answer, size_t size)
{
    struct walk *w = arg;
    return w->user.secret && w->user.secret(w->user.arg, prompt, answer, size);
}

static void on_log(void *arg, enum log_level level, const char *line)
{
    struct walk *w = arg;
    if (w->user.log)
        w->user.log(w->user.arg, level, line);
}

/* Once it is up, a shell that ends at once shows that the supervisor works. */
static void try_launch(struct walk *w, struct host_session *link, const struct host_session_options *o)
{
    static const char script[] = "exit 0\n";
    const struct host_launch launch = {.config = script, .config_len = sizeof script - 1, .script = true};
    uint64_t id;
    bool none = !o->program || !*o->program || host_session_launch(link, &launch, &id, NULL);
    pthread_mutex_lock(&w->lock);
    w->launched = true;
    if (none)
        w->launch_done = w->launch_ok = true;
    pthread_mutex_unlock(&w->lock);
}

static enum clw_err watch(
    struct walk *w, struct host_session *link, const struct host_session_options *o, uint64_t until, int cancel_fd)
{
    for (;;) {
        uint64_t now = mono_ms(), count;
        struct pollfd fds[2] = {{.fd = w->event_fd, .events = POLLIN}, {.fd = cancel_fd, .events = POLLIN}};
        if (now >= until)
            return CLW_TIMED_OUT;
        if (poll(fds, 2, (int)(until - now)) > 0 && fds[1].revents)
            return CLW_CANCELLED;
        ssize_t got = read(w->event_fd, &count, sizeof count);
        (void)got;
        pthread_mutex_lock(&w->lock);
        bool up = w->last.state == HOST_UP, over = w->over || w->launch_done, launched = w->launched;
        pthread_mutex_unlock(&w->lock);
        if (over)
            return CLW_OK;
        if (up && !launched) {
            try_launch(w, link, o);
            wake(w);
        }
    }
}

/* ---- what it means ---- */

static void seen_in_step(enum host_state step, const struct walk *w, char *text, size_t size)
{
    const struct host_facts *f = &w->facts;
    char memory[16];
    switch (step) {
    case HOST_PROBE:
        snprintf(text, size, "%.60s, %.20s, %d core%s, %s of memory, %d GPU%s, round trip %u us", f->os, f->arch,
            f->cores, text_plural((uint64_t)f->cores), text_bytes(memory, sizeof memory, f->mem_total_bytes),
            f->gpu_count, text_plural((uint64_t)f->gpu_count), f->rtt_us);
        break;
    case HOST_UPLOAD: snprintf(text, size, "the daemon program is in %.200s", f->cache_dir); break;
    case HOST_TUNNEL:
        snprintf(text, size, "daemons connect through this SSH session%s%s", *w->last.url ? ": " : "", w->last.url);
        break;
    default: snprintf(text, size, "done");
    }
}

static void report_steps(struct doctor_report *r, const struct walk *w)
{
    const struct host_snapshot *s = &w->last;
    bool failed = s->state != HOST_UP && s->code != CLW_OK;
    char text[400];
    for (enum host_state step = HOST_RESOLVE; step < HOST_LAUNCH; step++) {
        if (failed && step == s->step) {
            find(
                r, host_state_text(step), false, s->step_ms[step], *s->hint ? s->hint : "see the log", "%s", s->reason);
            return;
        }
        if (step > s->step)
            return;
        seen_in_step(step, w, text, sizeof text);
        find(r, host_state_text(step), true, s->step_ms[step], "", "%s", text);
    }
    if (w->launch_done)
        find(r, "launch", w->launch_ok, 0, w->launch_hint, "%s",
            w->launch_ok ? "a test process was started and stopped" : w->launch_error);
}

static void report_facts(struct doctor_report *r, const struct host_facts *f)
{
    char have[16];
    if (!*f->arch)
        return;
    int64_t off = f->clock_offset_ms < 0 ? -f->clock_offset_ms : f->clock_offset_ms;
    if (f->clock_known)
        find(r, "clock", off < 5000, 0, "set its clock: timedatectl set-ntp true",
            "the host's clock differs by %lld ms from this machine's", (long long)f->clock_offset_ms);
    if (f->disk_free_bytes >= 0)
        find(r, "disk", f->cache_writable && f->disk_free_bytes > 64 << 20, 0,
            "free space in the home directory on the host", "%s free in %.200s%s%.150s",
            text_bytes(have, sizeof have, (uint64_t)f->disk_free_bytes), f->cache_dir, *f->cache_error ? ": " : "",
            f->cache_error);
    if (*f->unparsed)
        find(r, "probe", true, 0, "", "not understood: %.300s", f->unparsed);
}

enum clw_err doctor_run(const struct host_session_options *options, unsigned limit_ms, int cancel_fd,
    struct doctor_report *out, struct clw_error *err)
{
    struct walk *w = mem_zalloc(sizeof *w);
    struct host_session_options o = *options;
    struct host_session *link = NULL;
    memset(out, 0, sizeof *out);
    out->ok = true;
    w->user = options->cb;
    host_facts_init(&w->facts);
    pthread_mutex_init(&w->lock, NULL);
    w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    o.goal = HOST_GOAL_UP;
    o.retry = false;
    o.secret_ms = 1;
    o.cb = (struct host_callbacks){
        .arg = w, .state = on_state, .facts = on_facts, .daemon = on_daemon, .secret = on_secret, .log = on_log};
    look_around(out, options, cancel_fd);
    enum clw_err code =
        w->event_fd < 0 ? clw_fail(err, CLW_IO, NULL, "out of descriptors") : host_session_open(&o, &link, err);
    if (!code)
        code = watch(w, link, &o, mono_ms() + (limit_ms ? limit_ms : 90000), cancel_fd);
    host_session_close(link);
    if (link && code != CLW_CANCELLED) {
        report_steps(out, w);
        report_facts(out, &w->facts);
        out->facts = w->facts;
        if (code == CLW_TIMED_OUT)
            find(out, host_state_text(w->last.step), false, 0, "try again when the host is less busy",
                "the check took too long in this step");
        code = CLW_OK;
    } else if (code == CLW_CANCELLED) {
        clw_fail(err, code, NULL, "stopped");
    }
    if (w->event_fd >= 0)
        close(w->event_fd);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return code;
}
