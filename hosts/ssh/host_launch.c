/* The step launch: daemons, started by the supervisor on the host (hosts/remote/spawn.h). Their configuration, which
 * holds a token, goes over its stdin and nowhere else. */
#include "hosts/ssh/session_private.h"

#include "base/mono.h"
#include "base/quota.h"
#include "base/text.h"
#include "hosts/remote/spawn.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { LINE_MAX_BYTES = 8192, LINE_EVERY_MS = 20, LINES_AT_ONCE = 500 };

struct daemon {
    struct daemon *next;
    uint64_t id;
    int64_t pid;          /* 0: asked for, no answer yet */
    uint64_t deadline_ms; /* for the answer */
};

struct supervisor {
    struct buf line;
    struct quota lines;             /* of output of processes there: each is a line of the log */
    struct daemon *daemons, **tail; /* in the order they were asked for */
};

static struct supervisor *supervisor_of(struct host_session *l)
{
    if (!l->supervisor) {
        l->supervisor = mem_zalloc(sizeof *l->supervisor);
        l->supervisor->tail = &l->supervisor->daemons;
    }
    return l->supervisor;
}

static void tell(struct host_session *l, const struct host_daemon_event *event)
{
    if (l->o.cb.daemon)
        l->o.cb.daemon(l->o.cb.arg, event);
}

void link__connections(struct host_session *l, uint64_t owner, unsigned n)
{
    tell(l, &(struct host_daemon_event){
                .id = owner, .kind = HOST_DAEMON_CONNECTIONS, .status = -1, .text = "", .hint = "", .connections = n});
}

void link__launch_failed(struct host_session *l, uint64_t id, const struct clw_error *why)
{
    link__log(
        l, LOG_WARN, "step=launch id=%llu reason=\"%s\" hint=\"%s\"", (unsigned long long)id, why->message, why->hint);
    link__forward_end(l, id);
    tell(l, &(struct host_daemon_event){
                .id = id, .kind = HOST_DAEMON_FAILED, .status = -1, .text = why->message, .hint = why->hint});
}

/* ---- what the supervisor says ---- */

static struct daemon *by_pid(struct supervisor *s, int64_t pid)
{
    struct daemon *d = s->daemons;
    while (d && d->pid != pid)
        d = d->next;
    return pid ? d : NULL;
}

static struct daemon *first_unanswered(struct supervisor *s)
{
    struct daemon *d = s->daemons;
    while (d && d->pid)
        d = d->next;
    return d;
}

static void forget(struct supervisor *s, struct daemon *gone)
{
    struct daemon **at = &s->daemons;
    while (*at && *at != gone)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = gone->next;
    if (!gone->next)
        s->tail = at;
    free(gone);
}

static void on_started(struct host_session *l, struct supervisor *s, int64_t pid)
{
    struct daemon *d = first_unanswered(s);
    if (!d || pid <= 0)
        return;
    d->pid = pid;
    link__log(l, LOG_INFO, "step=launch id=%llu pid=%lld", (unsigned long long)d->id, (long long)pid);
    tell(l, &(struct host_daemon_event){
                .id = d->id, .kind = HOST_DAEMON_STARTED, .pid = pid, .status = -1, .text = "", .hint = ""});
}

static void on_failed(struct host_session *l, struct supervisor *s, const char *text)
{
    struct clw_error why = {.code = CLW_IO};
    struct daemon *d = first_unanswered(s);
    if (!d)
        return;
    snprintf(why.message, sizeof why.message, "the host could not start a daemon: %.300s", text);
    snprintf(why.hint, sizeof why.hint, "is its file system mounted noexec? is the process limit reached?");
    link__launch_failed(l, d->id, &why);
    forget(s, d);
}

static void on_ended(struct host_session *l, struct supervisor *s, int64_t pid, int status, int signal)
{
    struct daemon *d = by_pid(s, pid);
    if (!d)
        return;
    link__log(l, LOG_INFO, "daemon=%llu pid=%lld ended status=%d signal=%d", (unsigned long long)d->id, (long long)pid,
        status, signal);
    link__forward_end(l, d->id);
    tell(l, &(struct host_daemon_event){.id = d->id,
                .kind = HOST_DAEMON_EXITED,
                .pid = pid,
                .status = status,
                .signal = signal,
                .text = "",
                .hint = ""});
    forget(s, d);
}

/* A daemon wrote it, or a task that has its output passed on: as many lines as people read, and how many were left out.
 */
static void on_output(struct host_session *l, struct supervisor *s, struct daemon *d, const char *line)
{
    char text[1001];
    uint64_t more = quota_left_out(&s->lines);
    snprintf(text, sizeof text, "%s", line);
    struct host_daemon_event event = {
        .id = d->id, .kind = HOST_DAEMON_STDERR, .pid = d->pid, .status = -1, .text = text, .hint = ""};
    if (more) {
        char left_out[80];
        snprintf(left_out, sizeof left_out, "(%llu line%s of daemons of this host left out)", (unsigned long long)more,
            text_plural(more));
        event.text = left_out;
        tell(l, &event);
        event.text = text;
    }
    tell(l, &event);
}

static void on_line(struct host_session *l, struct supervisor *s, const char *line)
{
    long long pid;
    int number, at = 0;
    if (sscanf(line, "pid %lld", &pid) == 1) {
        on_started(l, s, pid);
    } else if (strncmp(line, "fail ", 5) == 0) {
        on_failed(l, s, line + 5);
    } else if (sscanf(line, "exit %lld %d", &pid, &number) == 2) {
        on_ended(l, s, pid, number, 0);
    } else if (sscanf(line, "killed %lld %d", &pid, &number) == 2) {
        on_ended(l, s, pid, -1, number);
    } else if (sscanf(line, "err %lld %n", &pid, &at) == 1 && at > 0) {
        struct daemon *d = by_pid(s, pid);
        if (d && quota_take(&s->lines, mono_ms(), LINE_EVERY_MS, LINES_AT_ONCE))
            on_output(l, s, d, line + at);
    }
}

void link__supervisor_said(struct host_session *l, const uint8_t *data, size_t len)
{
    struct supervisor *s = supervisor_of(l);
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            /* The text was escaped there, but that end is not ours to trust. */
            char safe[LINE_MAX_BYTES];
            text_escape(safe, sizeof safe, (char *)s->line.data, s->line.len);
            on_line(l, s, safe);
            buf_clear(&s->line);
        } else if (s->line.len < LINE_MAX_BYTES / 4) {
            buf_add(&s->line, &data[i], 1);
        }
    }
}

static void close_supervisor(struct host_session *l)
{
    struct supervisor *s = l->supervisor;
    if (!s)
        return;
    buf_fini(&s->line);
    for (struct daemon *d = s->daemons, *next; d; d = next) {
        next = d->next;
        free(d);
    }
    free(s);
    l->supervisor = NULL;
}

/* ---- talking to it ---- */

/* Our address as the host sees it, as it stands in a url; "" when the way leads through a jump host or a command. */
static void home_address(const struct host_session *l, char *text, size_t size)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } a = {.any.sa_family = AF_UNSPEC};
    socklen_t len = sizeof a;
    char number[INET6_ADDRSTRLEN] = "";
    *text = '\0';
    if (l->o.here) {
        snprintf(text, size, "127.0.0.1");
        return;
    }
    if (l->pump.hop_count != 1 || getsockname(l->hop->fd, &a.any, &len))
        return;
    if (a.any.sa_family == AF_INET && inet_ntop(AF_INET, &a.in.sin_addr, number, sizeof number))
        snprintf(text, size, "%s", number);
    else if (a.any.sa_family == AF_INET6 && inet_ntop(AF_INET6, &a.in6.sin6_addr, number, sizeof number))
        snprintf(text, size, "[%s]", number);
}

/* What stands in a launch for what only its link knows. */
struct mark {
    char text[48];
    size_t len;
    char value[HOST_URL_SIZE];
};
enum { MARK_URL, MARK_HOME, MARK_PORT, MARK_LISTEN, MARKS };

static void set_marks(struct mark marks[MARKS], const struct command *c)
{
    static const char *const words[MARKS] = {"URL", "HOME", "PORT", "LISTEN"};
    memset(marks, 0, MARKS * sizeof *marks);
    for (int i = 0; i < MARKS && (!c->script || *c->mark); i++)
        marks[i].len = (size_t)snprintf(marks[i].text, sizeof marks[i].text, "@%.32s%s@", c->mark, words[i]);
}

static const struct mark *mark_at(const struct mark marks[MARKS], const uint8_t *at, size_t left)
{
    for (int i = 0; i < MARKS; i++)
        if (marks[i].len && left >= marks[i].len && memcmp(at, marks[i].text, marks[i].len) == 0)
            return &marks[i];
    return NULL;
}

static void add_replaced(struct buf *out, const struct command *c, const struct mark marks[MARKS])
{
    const uint8_t *at = c->data, *end = c->data + c->len;
    while (at < end) {
        const uint8_t *next = memchr(at, '@', (size_t)(end - at));
        next = next ? next : end;
        buf_add(out, at, (size_t)(next - at));
        if (next == end)
            return;
        const struct mark *m = mark_at(marks, next, (size_t)(end - next));
        if (m)
            buf_add_text(out, m->value);
        else
            buf_add(out, next, 1);
        at = next + (m ? m->len : 1);
    }
}

/* The configuration with its marks replaced, and the line before it. */
static void compose(const struct command *c, const struct mark marks[MARKS], struct buf *out)
{
    struct buf body = {0};
    buf_reserve(&body, c->len + 1024); /* so that no copy of it is left behind by growing */
    add_replaced(&body, c, marks);
    buf_reserve(out, body.len + 64);
    buf_printf(out, "%zu%s\n", body.len, c->script ? " sh" : "");
    buf_add(out, body.data, body.len);
    if (body.data)
        mem_wipe(body.data, body.cap);
    buf_fini(&body);
}

void link__fill_port(const struct command *c, const struct forward *f, struct buf *out)
{
    struct mark marks[MARKS] = {0};
    marks[MARK_PORT].len = (size_t)snprintf(marks[MARK_PORT].text, sizeof marks[0].text, "@%.32sPORT@", c->mark);
    snprintf(marks[MARK_PORT].value, sizeof marks[0].value, "%u", f->port);
    buf_reserve(out, c->len + 1024);
    add_replaced(out, c, marks);
}

/* The ways that it needs, and what they are called on the host. */
static enum clw_err make_ways(
    struct host_session *l, struct command *c, struct mark marks[MARKS], struct clw_error *err)
{
    const char *target = *c->target ? c->target : l->o.target;
    struct forward *f = NULL;
    unsigned port = 0;
    enum clw_err code = CLW_OK;
    home_address(l, marks[MARK_HOME].value, INET6_ADDRSTRLEN + 3);
    if (!*marks[MARK_HOME].value && marks[MARK_HOME].len &&
        memmem(c->data, c->len, marks[MARK_HOME].text, marks[MARK_HOME].len))
        return clw_fail(err, CLW_USAGE, "use clowder host edit NAME --no-direct: the tunnel needs no direct connection",
            "the host is reached through a jump host or a proxy: its daemons cannot connect to this machine directly");
    if (c->meter && *c->target)
        code = link__forward_own(l, c, &f, err);
    else if (*target)
        code = link__forward(l, target, &f, err);
    if (!code && c->contact_port)
        code = link__inbound(l, c->id, c->contact_port, &port, err);
    if (code)
        return code;
    const char *colon = f ? strrchr(f->url, ':') : NULL;
    snprintf(marks[MARK_URL].value, sizeof marks[0].value, "%s", f ? f->url : "");
    snprintf(marks[MARK_PORT].value, sizeof marks[0].value, "%s", colon ? colon + 1 : "");
    snprintf(marks[MARK_LISTEN].value, sizeof marks[0].value, "%u", port);
    return CLW_OK;
}

enum clw_err link__launch(struct host_session *l, struct command *c, struct clw_error *err)
{
    struct mark marks[MARKS];
    struct buf text = {0};
    if (!l->mux)
        return clw_fail(err, CLW_USAGE, NULL, "the daemon program was not uploaded to this host");
    set_marks(marks, c);
    enum clw_err code = make_ways(l, c, marks, err);
    if (code)
        return code;
    compose(c, marks, &text);
    struct supervisor *s = supervisor_of(l);
    struct daemon *d = mem_zalloc(sizeof *d);
    *d = (struct daemon){.id = c->id, .deadline_ms = mono_ms() + l->o.launch_ms};
    *s->tail = d;
    s->tail = &d->next;
    code = link__mux_control(l, text.data, text.len, err);
    mem_wipe(text.data, text.cap);
    buf_fini(&text);
    if (code)
        forget(s, d);
    return code;
}

enum clw_err link__signal(struct host_session *l, struct command *c, struct clw_error *err)
{
    char line[64];
    struct daemon *d = l->supervisor ? l->supervisor->daemons : NULL;
    while (d && d->id != c->id)
        d = d->next;
    if (!d || !d->pid)
        return clw_fail(err, CLW_NOT_FOUND, NULL, "no daemon %llu runs under this session", (unsigned long long)c->id);
    int n = snprintf(line, sizeof line, "kill %lld %d\n", (long long)d->pid, c->signal);
    return link__mux_control(l, line, (size_t)n, err);
}

/* Those that got no answer in time. */
void link__launch_tick(struct host_session *l)
{
    struct supervisor *s = l->supervisor;
    struct clw_error why;
    uint64_t now = mono_ms();
    for (struct daemon *d = s ? s->daemons : NULL, *next; d; d = next) {
        next = d->next;
        if (d->pid || now < d->deadline_ms)
            continue;
        clw_fail(&why, CLW_TIMED_OUT, "is the host overloaded?",
            "the host did not answer within %u s when it was asked to start a daemon", l->o.launch_ms / 1000);
        link__launch_failed(l, d->id, &why);
        forget(s, d);
    }
}

void link__launch_reset(struct host_session *l)
{
    struct clw_error why = {
        .code = CLW_UNREACHABLE, .message = "the connection was lost while the daemon was being started"};
    for (struct daemon *d = l->supervisor ? l->supervisor->daemons : NULL; d; d = d->next)
        if (!d->pid)
            link__launch_failed(l, d->id, &why);
    close_supervisor(l);
}
