/* Our own daemons behind a command line of the user's, such as one that starts a container: a child of the engine that
 * hands its stdin on. What it starts is not taken for this machine: it dials home over TLS, at the address that the
 * host has in the inventory. */
#include "engine/profiles/launchers/launchers.h"

#include "engine/peers/tls.h"
#include "hosts/local.h"

#include <signal.h>
#include <string.h>

static enum clw_err launch(struct engine *e, struct daemon *m, struct clw_error *err)
{
    const struct place *l = m->place;
    struct buf config = {0};
    const char *cert = NULL;
    unsigned port = 0;
    enum clw_err code = tls_listen(e, m->profile, &port, &cert, err);
    if (code)
        return code;
    bool is_v6 = strchr(l->home, ':') != NULL;
    buf_printf(&config, "url tls+tcp://%s%s%s:%u\n", is_v6 ? "[" : "", l->home, is_v6 ? "]" : "", port);
    launch_add_cert(&config, cert);
    buf_printf(&config, "autoexit %d\nremote 1\numask %u\n", CORE_DIAL_MS, e->user_umask);
    launch_add_identity(&config, m);
    struct local_launch launch = {.command = l->command,
        .env = m->profile->settings.local_env,
        .config = (char *)config.data,
        .config_len = config.len,
        .log_fd = e->output_fd};
    code = local_launch(&launch, &m->pid, err);
    launch_wipe(&config);
    return code;
}

/* The shell, and all that it started: it leads a session. */
static void send_signal(const struct daemon *m, int signal)
{
    if (m->pid)
        kill(-m->pid, signal);
}

const struct launcher launcher_command = {.kind = FLEET_CHILD, .launch = launch, .signal = send_signal};
