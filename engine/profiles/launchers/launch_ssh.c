/* Our own daemons on a host: started through its link, and told of by the supervisor there. They come home through the
 * link, or directly over TLS. */
#include "engine/profiles/launchers/launchers.h"

#include "base/mono.h"
#include "engine/profiles/running_daemon.h"
#include "engine/model/core.h"
#include "engine/peers/daemon_talk.h"
#include "engine/peers/tls.h"

#include <string.h>

void launch_add_identity(struct buf *b, const struct daemon *m)
{
    buf_printf(b, "daemon %u\ntoken %s\n", m->number, m->token);
}

void launch_wipe(struct buf *settings)
{
    mem_wipe(settings->data, settings->cap);
    buf_fini(settings);
}

void launch_add_cert(struct buf *b, const char *pem)
{
    buf_add_text(b, "cert ");
    for (; *pem; pem++) {
        if (*pem == '\n')
            buf_add_text(b, "\\n");
        else
            buf_add(b, pem, 1);
    }
    buf_add_text(b, "\n");
}

void launch_signal_there(const struct daemon *m, int signal)
{
    if (m->place->via && m->place->via->link && m->launch_id && !m->fleet.has_ended)
        host_session_signal(m->place->via->link, m->launch_id, signal, NULL);
}

static enum clw_err launch(struct engine *e, struct daemon *m, struct clw_error *err)
{
    struct host *h = m->place->via;
    struct buf config = {0};
    const char *cert = NULL;
    unsigned port = 0;
    enum clw_err code = h->direct ? tls_listen(e, m->profile, &port, &cert, err) : CLW_OK;
    if (code)
        return code;
    if (h->direct) {
        buf_printf(&config, "url tls+tcp://@HOME@:%u\n", port);
        launch_add_cert(&config, cert);
    } else {
        buf_add_text(&config, "url @URL@\n");
    }
    buf_printf(&config, "autoexit %d\nremote 1\n", CORE_DIAL_MS);
    launch_add_identity(&config, m);
    struct host_launch l = {.config = config.data, .config_len = config.len};
    code = host_session_launch(h->link, &l, &m->launch_id, err);
    launch_wipe(&config);
    return code;
}

/* The supervisor there says that the process is gone. */
static void ended(struct engine *e, struct daemon *m, const struct host_daemon_event *event)
{
    unsigned acts = fleet_daemon_ended(&m->fleet, mono_ms());
    if (event->signal)
        daemon_say(&m->reason, "was killed by signal %d (%s)", event->signal, strsignal(event->signal));
    else if (!m->reason[0] || m->fleet.state != FLEET_LAUNCHING)
        daemon_say(&m->reason, "ended with status %d", event->status);
    if (m->peer) /* its connection goes next, and the rest then */
        peer_daemon_read_all(m->peer);
    core_due(e);
    if (acts & FLEET_FAILED)
        log_warn("daemon", "lost daemon=%s host=%s why=\"%s\"", m->name, m->place->host, m->reason);
    daemon_act(e, m, acts);
}

static void take_event(struct engine *e, struct daemon *m, const struct host_daemon_event *event)
{
    switch (event->kind) {
    case HOST_DAEMON_CONNECTIONS: break; /* only other engines' are counted */
    case HOST_DAEMON_STARTED: m->worker_pid = (pid_t)event->pid; break;
    case HOST_DAEMON_STDERR:
        log_info("daemon", "said daemon=%s host=%s text=\"%s\"", m->name, m->place->host, event->text);
        if (m->fleet.state == FLEET_LAUNCHING)
            daemon_say(&m->reason, "%.190s", event->text);
        break;
    case HOST_DAEMON_EXITED: ended(e, m, event); break;
    case HOST_DAEMON_FAILED: daemon_launch_failed(e, m, event->text, event->hint); break;
    }
}

const struct launcher launcher_ssh = {
    .kind = FLEET_REMOTE, .launch = launch, .signal = launch_signal_there, .event = take_event};
