/* The home end of the way home: one channel that runs the program with --mux on the host, its streams joined to the
 * targets here. It rides on the pump: its descriptors are one loop within the pump's. */
#include "hosts/ssh/session_private.h"

#include "base/text.h"
#include "hosts/ssh/bridge.h"
#include "hosts/ssh/exec.h"
#include "hosts/folder_check.h"
#include "hosts/remote/mux_end.h"
#include "hosts/upload.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mux_home {
    struct source source; /* the end's descriptors */
    struct host_session *link;
    struct exec x;
    struct mux_end *end;
    bool broken;
    uint32_t waiting; /* for the answer about this listener; 0: none */
    bool refused;
    char answer[HOST_URL_SIZE];
    uint64_t received, sent; /* as counted so far */
    uint64_t widened;        /* of received, when the other side was last allowed more */
};

static void on_input(void *arg, const uint8_t *data, size_t len)
{
    struct mux_home *m = arg;
    if (!m->broken && !mux_end_feed(m->end, data, len))
        m->broken = true;
}

static int dial(void *arg, uint32_t number, bool *pending, struct meter **meter)
{
    struct mux_home *m = arg;
    for (struct forward *f = m->link->forwards; f; f = f->next) {
        if (f->listener != number || !*f->url || f->gone)
            continue;
        *meter = f->meter;
        return link__dial(m->link, f, pending);
    }
    return -1;
}

static void on_frame(void *arg, const struct mux_frame *f)
{
    struct mux_home *m = arg;
    if (f->type == MUX_CONTROL) {
        link__supervisor_said(m->link, f->data, f->len);
    } else if (f->stream == m->waiting) {
        text_escape(m->answer, sizeof m->answer, (const char *)f->data, f->len);
        m->refused = f->type == MUX_REFUSED;
        m->waiting = 0;
    }
}

static void on_ready(struct source *source, short events)
{
    struct mux_home *m = (struct mux_home *)source;
    (void)events;
    mux_end_work(m->end);
}

static void count(struct mux_home *m)
{
    uint64_t received, sent;
    mux_end_count(m->end, &received, &sent);
    atomic_fetch_add_explicit(&m->link->pump.bytes_up, received - m->received, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->link->pump.bytes_down, sent - m->sent, memory_order_relaxed);
    m->received = received;
    m->sent = sent;
}

/* After each round of the pump: what waits goes out, and while much waits nothing more is read here. */
static void after_round(void *arg)
{
    struct mux_home *m = arg;
    const uint8_t *data;
    size_t len;
    ssize_t n = 0;
    while (!m->broken && (len = mux_end_out(m->end, &data)) > 0 && (n = exec_write_some(&m->x, data, len)) > 0)
        mux_end_sent(m->end, (size_t)n);
    if ((n < 0 || m->x.closed || m->broken) && m->link->hop)
        m->link->hop->dead = true; /* without this channel the session is of no use: begin again */
    count(m);
    if (m->received - m->widened >= EXEC_WINDOW / 16 && !m->link->o.here && m->link->hop && !m->link->hop->dead) {
        m->widened = m->received;
        exec_widen(&m->x);
    }
    pump_arm(&m->link->pump, mux_end_fd(m->end), &m->source, mux_end_full(m->end) ? 0 : POLLIN);
}

/* Why the supervisor does not start. */
static enum clw_err say_why(struct host_session *l, struct mux_home *m, const char *noise, struct clw_error *err)
{
    char said[300];
    struct buf all = {0};
    buf_add_text(&all, noise);
    buf_add(&all, m->x.errors.data, m->x.errors.len);
    text_escape(said, sizeof said, (char *)all.data, all.len);
    buf_fini(&all);
    if (m->x.status == FOLDER_OPEN)
        return upload_is_open("the folder of our programs", said, err);
    return clw_fail(err, m->x.status == 127 ? CLW_NOT_FOUND : CLW_REFUSED,
        m->x.status == 126
            ? "is it on a file system mounted noexec? then choose another folder: clowder host edit NAME --cache DIR"
            : "run it on the host by hand to see what is missing",
        "%s does not start on the host (exit status %d): %s", l->program_path, m->x.status,
        *said ? said : "it said nothing");
}

static enum clw_err wait_greeting(struct host_session *l, struct mux_home *m, struct clw_error *err)
{
    const char *noise = "";
    enum clw_err code = CLW_OK;
    while (!mux_end_is_greeted(m->end, &noise) && !m->x.closed && !m->broken && !code)
        code = link__wait(l);
    if (mux_end_is_greeted(m->end, NULL))
        return CLW_OK;
    if (code && !m->x.closed)
        return link__explain(l, code, "starting the supervisor on the host", err);
    return say_why(l, m, noise, err);
}

/* $1: the folder, $2: the program in it. The folder that is looked at is the one that the program is taken from; it
 * goes back to where the login began. */
static const char script[] = FOLDER_ENTER "h=$(pwd); enter \"$1\"; exec \"./$2\" --mux \"$h\"";

static enum clw_err begin(struct host_session *l, struct mux_home *m, struct clw_error *err)
{
    if (l->o.here)
        return exec_open_here(&m->x, l, l->program_path, "--mux", NULL, err);
    const char *slash = strrchr(l->program_path, '/');
    char *folder = mem_printf("%.*s", (int)(slash - l->program_path), l->program_path);
    char *quoted = upload_quote(folder), *name = upload_quote(slash + 1);
    char *command = mem_printf("exec sh -c '%s' sh %s %s", script, quoted, name);
    enum clw_err code = exec_open(&m->x, l, command, err);
    free(command);
    free(name);
    free(quoted);
    free(folder);
    return code;
}

enum clw_err link__mux_start(struct host_session *l, struct clw_error *err)
{
    struct mux_home *m = mem_zalloc(sizeof *m);
    const struct mux_end_callbacks cb = {.arg = m, .dial = dial, .frame = on_frame};
    m->source.ready = on_ready;
    m->link = l;
    m->end = mux_end_new(&cb, true);
    if (!m->end) {
        free(m);
        return clw_fail(err, CLW_IO, "raise the limit of open files (ulimit -n)", "out of descriptors");
    }
    m->x = (struct exec){.sink = on_input, .arg = m, .errors_max = 1000};
    enum clw_err code = begin(l, m, err);
    l->mux = m;
    if (!code) {
        l->pump.after_round = after_round;
        l->pump.after_arg = m;
        code = wait_greeting(l, m, err);
    }
    if (code)
        link__mux_reset(l);
    return code;
}

/* What the supervisor answered: "/PATH", "tcp:PORT" or "any:PORT". It becomes part of scripts. */
static bool take_place(struct forward *f, const char *answer)
{
    static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/._-";
    unsigned port = 0;
    bool is_path = link__is_socket(f);
    if (is_path ? answer[0] != '/' || answer[strspn(answer, plain)]
                : sscanf(answer, "%*3[a-z]:%5u", &port) != 1 || !port || port > 65535)
        return false;
    f->port = port;
    snprintf(f->path, sizeof f->path, "%s", answer);
    if (is_path)
        snprintf(f->url, sizeof f->url, "ipc://%.150s", answer);
    else
        snprintf(f->url, sizeof f->url, "tcp://127.0.0.1:%u", port);
    return true;
}

enum clw_err link__mux_listen(struct host_session *l, struct forward *f, const char *where, struct clw_error *err)
{
    struct mux_home *m = l->mux;
    enum clw_err code = CLW_OK;
    m->waiting = f->listener;
    mux_end_put(m->end, MUX_LISTEN, f->listener, where, strlen(where));
    after_round(m);
    while (m->waiting && !m->broken && !code)
        code = link__wait(l);
    if (code)
        return link__explain(l, code, "asking the host to listen for daemons", err);
    if (!m->refused && !m->broken && take_place(f, m->answer))
        return CLW_OK;
    return clw_fail(err, CLW_REFUSED,
        link__is_socket(f) ? "make /tmp or XDG_RUNTIME_DIR usable on the host"
                           : "which process uses that port on the host?",
        "the host cannot listen%s%s: %s", *where ? " at " : "", where, m->broken ? "the supervisor ended" : m->answer);
}

void link__mux_unlisten(struct host_session *l, uint32_t listener)
{
    mux_end_put(l->mux->end, MUX_UNLISTEN, listener, NULL, 0);
}

void link__mux_open(struct host_session *l, unsigned port, int fd)
{
    mux_end_open(l->mux->end, port, fd, false);
}

enum clw_err link__mux_control(struct host_session *l, const void *data, size_t len, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    mux_end_put(l->mux->end, MUX_CONTROL, 0, data, len);
    after_round(l->mux);
    while (mux_end_full(l->mux->end) && !code)
        code = link__wait(l);
    return code ? link__explain(l, code, "talking to the supervisor on the host", err) : CLW_OK;
}

unsigned link__mux_streams(const struct host_session *l)
{
    return l->mux ? mux_end_streams(l->mux->end) : 0;
}

bool link__mux_ended(struct host_session *l, struct clw_error *err)
{
    struct mux_home *m = l->mux;
    char said[300];
    if (!m || (!m->broken && !m->x.closed))
        return false;
    text_escape(said, sizeof said, (char *)m->x.errors.data, m->x.errors.len);
    clw_fail(err, CLW_UNREACHABLE, "Clowder starts it again by itself", "the supervisor on %s %s: %s",
        l->o.here ? "this machine" : "the host", m->broken ? mux_end_fault(m->end) : "ended",
        *said ? said : "it said nothing");
    return true;
}

void link__mux_reset(struct host_session *l)
{
    struct mux_home *m = l->mux;
    if (!m)
        return;
    l->pump.after_round = NULL;
    pump_arm(&l->pump, mux_end_fd(m->end), &m->source, 0);
    exec_close(&m->x);
    mux_end_free(m->end);
    free(m);
    l->mux = NULL;
}
