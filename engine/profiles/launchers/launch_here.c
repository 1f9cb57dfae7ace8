/* Our own daemons on this machine: children of the engine, which dial its socket. */
#include "engine/profiles/launchers/launchers.h"

#include "hosts/local.h"

#include <signal.h>

static enum clw_err launch(struct engine *e, struct daemon *m, struct clw_error *err)
{
    struct buf config = {0};
    buf_printf(&config, "url %s\nautoexit 0\numask %u\n", e->data_url, e->user_umask);
    launch_add_identity(&config, m);
    struct local_launch l = {
        .program = e->daemon_program, .config = (char *)config.data, .config_len = config.len, .log_fd = e->output_fd};
    enum clw_err code = local_launch(&l, &m->pid, err);
    launch_wipe(&config);
    return code;
}

static void send_signal(const struct daemon *m, int signal)
{
    if (m->pid)
        kill(m->pid, signal);
}

const struct launcher launcher_here = {.kind = FLEET_CHILD, .is_shell = true, .launch = launch, .signal = send_signal};
