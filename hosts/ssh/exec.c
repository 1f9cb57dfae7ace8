/* Channels that run something. */
#include "hosts/ssh/exec.h"

#include "base/mono.h"
#include "base/text.h"

#include <errno.h>
#include <poll.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libssh/callbacks.h>

enum { AFTER_STATUS_MS = 1000, OPEN_TRIES = 10, OPEN_PAUSE_MS = 50 };

static void keep(struct exec *x, struct buf *b, size_t max, const void *data, size_t len)
{
    size_t room = b->len < max ? max - b->len : 0, take = len < room ? len : room;
    buf_add(b, data, take);
    x->dropped += len - take;
}

static int on_data(ssh_session session, ssh_channel channel, void *data, uint32_t len, int is_stderr, void *arg)
{
    struct exec *x = arg;
    (void)session;
    (void)channel;
    x->hop->data_packets++;
    if (is_stderr)
        keep(x, &x->errors, x->errors_max, data, len);
    else if (x->sink)
        x->sink(x->arg, data, len);
    else
        keep(x, &x->out, x->out_max, data, len);
    return (int)len;
}

static void on_eof(ssh_session session, ssh_channel channel, void *arg)
{
    struct exec *x = arg;
    (void)session;
    (void)channel;
    x->eof = true;
}

static void on_close(ssh_session session, ssh_channel channel, void *arg)
{
    struct exec *x = arg;
    (void)session;
    (void)channel;
    x->eof = x->closed = true;
}

static void on_status(ssh_session session, ssh_channel channel, int status, void *arg)
{
    struct exec *x = arg;
    (void)session;
    (void)channel;
    x->status = status;
    x->status_ms = mono_ms();
}

static void on_signal(ssh_session session, ssh_channel channel, const char *signal, int core, const char *message,
    const char *language, void *arg)
{
    struct exec *x = arg;
    (void)session;
    (void)channel;
    (void)core;
    (void)language;
    (void)message;
    if (x->signal)
        return;
    x->signal = 1;
    buf_printf(&x->errors, "ended by signal %.20s", signal);
}

static void hear(struct exec *x)
{
    x->callbacks = mem_zalloc(sizeof *x->callbacks);
    *x->callbacks = (struct ssh_channel_callbacks_struct){.userdata = x,
        .channel_data_function = on_data,
        .channel_eof_function = on_eof,
        .channel_close_function = on_close,
        .channel_exit_status_function = on_status,
        .channel_exit_signal_function = on_signal};
    ssh_callbacks_init(x->callbacks);
    ssh_set_channel_callbacks(x->channel, x->callbacks);
}

static void drop_channel(struct exec *x)
{
    if (x->callbacks)
        ssh_remove_channel_callbacks(x->channel, x->callbacks);
    if (x->channel)
        ssh_channel_free(x->channel);
    free(x->callbacks);
    x->callbacks = NULL;
    x->channel = NULL;
}

/* A session. CLW_BUSY: the server allows no more. */
static enum clw_err open_session(struct exec *x, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    char said[300];
    int rc;
    x->channel = ssh_channel_new(x->hop->session);
    if (!x->channel)
        return clw_fail(err, CLW_NO_MEMORY, NULL, "no memory for a channel");
    hear(x);
    while ((rc = ssh_channel_open_session(x->channel)) == SSH_AGAIN && !code)
        code = link__wait(x->link);
    if (!code && rc != SSH_OK)
        code = clw_fail(err, CLW_BUSY, "raise MaxSessions in the host's sshd_config, or end other sessions",
            "the host does not open a session: %s", link__ssh_error(x->hop, said, sizeof said));
    return code;
}

static enum clw_err begin(struct exec *x, const char *command, struct clw_error *err)
{
    char said[300];
    int rc = SSH_OK;
    enum clw_err code = open_session(x, err);
    /* sshd may count the session before for a moment after it has closed it. */
    for (int i = 0; i < OPEN_TRIES && code == CLW_BUSY; i++) {
        drop_channel(x);
        code = link__pause(x->link, OPEN_PAUSE_MS);
        if (!code)
            code = open_session(x, err);
    }
    while (!code && (rc = ssh_channel_request_exec(x->channel, command)) == SSH_AGAIN)
        code = link__wait(x->link);
    if (!code && rc != SSH_OK)
        code = clw_fail(err, CLW_REFUSED, "check ForceCommand in the host's sshd_config",
            "the host does not run commands: %s", link__ssh_error(x->hop, said, sizeof said));
    return code;
}

enum clw_err exec_open(struct exec *x, struct host_session *l, const char *command, struct clw_error *err)
{
    x->link = l;
    x->hop = l->hop;
    x->status = -1;
    enum clw_err code = begin(x, command, err);
    if (code) {
        link__explain(l, code, "starting a command", err);
        exec_close(x);
    }
    return code;
}

/* ---- on this machine ---- */

static void on_child(struct source *source, short events)
{
    struct exec *x = (struct exec *)source;
    uint8_t *bytes = x->link->pump.scratch;
    (void)events;
    ssize_t n = read(x->out_fd, bytes, PUMP_SCRATCH);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && x->sink)
        x->sink(x->arg, bytes, (size_t)n);
    else if (n > 0)
        keep(x, &x->out, x->out_max, bytes, (size_t)n);
    if (n > 0)
        return;
    x->eof = x->closed = true;
    pump_arm(&x->link->pump, x->out_fd, &x->source, 0);
}

static int start_child(const char *program, const char *argument, char **envp, int in_fd, int out_fd)
{
    char *const argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)argument, NULL}, *none_at_all[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    pid_t pid;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in_fd, 0);
    posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
    posix_spawn_file_actions_addchdir_np(&actions, "/");
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    int rv = posix_spawn(&pid, program, &actions, &attr, argv, envp ? envp : none_at_all);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return rv;
}

enum clw_err exec_open_here(struct exec *x, struct host_session *l, const char *program, const char *argument,
    char **envp, struct clw_error *err)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    x->link = l;
    x->status = -1;
    x->source.ready = on_child;
    int problem = pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) ? errno : 0;
    if (!problem)
        problem = start_child(program, argument, envp, in[0], out[1]);
    if (in[0] >= 0)
        close(in[0]);
    if (out[1] >= 0)
        close(out[1]);
    x->in_fd = in[1];
    x->out_fd = out[0];
    if (problem) {
        exec_close(x);
        return clw_fail(err, CLW_UNREACHABLE,
            "reinstall Clowder, or set CLOWDER_LIBEXEC to the folder of clowder-daemon", "cannot start %s: %s", program,
            strerror(problem));
    }
    fcntl(x->in_fd, F_SETFL, O_NONBLOCK);
    fcntl(x->out_fd, F_SETFL, O_NONBLOCK);
    pump_arm(&l->pump, x->out_fd, &x->source, POLLIN);
    return CLW_OK;
}

static ssize_t write_child(struct exec *x, const void *data, size_t len)
{
    ssize_t n = x->closed ? -1 : write(x->in_fd, data, len);
    return n < 0 && !x->closed && (errno == EAGAIN || errno == EINTR) ? 0 : n;
}

static void close_child(struct exec *x)
{
    if (x->out_fd > 0) {
        pump_arm(&x->link->pump, x->out_fd, &x->source, 0);
        close(x->out_fd);
    }
    if (x->in_fd > 0)
        close(x->in_fd);
    x->in_fd = x->out_fd = 0;
}

/* ---- writing, ending ---- */

ssize_t exec_write_some(struct exec *x, const void *data, size_t len)
{
    if (x->in_fd)
        return x->in_fd > 0 ? write_child(x, data, len) : -1;
    if (!x->channel || x->closed || x->hop->dead)
        return -1;
    uint32_t window = ssh_channel_window_size(x->channel);
    if (!len || !window || hop_is_full(x->hop))
        return 0;
    if (len > window)
        len = window;
    if (len > PUMP_SCRATCH)
        len = PUMP_SCRATCH;
    return ssh_channel_write(x->channel, data, (uint32_t)len);
}

enum clw_err exec_write(struct exec *x, const void *data, size_t len, struct clw_error *err)
{
    const uint8_t *at = data;
    enum clw_err code = CLW_OK;
    while (len && !code) {
        ssize_t n = exec_write_some(x, at, len);
        if (n < 0)
            return clw_fail(err, CLW_CLOSED, NULL, "the command on the host ended before it had read its input");
        at += n;
        len -= (size_t)n;
        if (n == 0)
            code = link__wait(x->link);
    }
    return code ? link__explain(x->link, code, "writing to a command on the host", err) : CLW_OK;
}

void exec_widen(struct exec *x)
{
    static uint8_t room[EXEC_WINDOW]; /* that much is asked for; what comes goes to the sink, and nothing is put here */
    if (!x->channel || x->closed || x->eof)
        return;
    int n = ssh_channel_read_timeout(x->channel, room, sizeof room, 0, 0);
    if (n > 0)
        x->sink(x->arg, room, (size_t)n);
}

void exec_send_eof(struct exec *x)
{
    if (x->in_fd > 0) {
        close(x->in_fd);
        x->in_fd = -1;
    } else if (x->channel && !x->closed) {
        ssh_channel_send_eof(x->channel);
    }
}

enum clw_err exec_finish(struct exec *x, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    uint64_t limit = x->link->deadline_ms;
    while (!x->closed && !code) {
        if (x->status_ms && x->status_ms + AFTER_STATUS_MS < x->link->deadline_ms)
            x->link->deadline_ms = x->status_ms + AFTER_STATUS_MS;
        code = link__wait(x->link);
    }
    x->link->deadline_ms = limit;
    if (code == CLW_TIMED_OUT && x->status_ms && mono_ms() < limit)
        return CLW_OK;
    return code ? link__explain(x->link, code, "waiting for a command on the host", err) : CLW_OK;
}

void exec_close(struct exec *x)
{
    drop_channel(x);
    close_child(x);
    buf_fini(&x->out);
    buf_fini(&x->errors);
}

enum clw_err exec_script(struct exec *x, struct host_session *l, const char *script, struct clw_error *err)
{
    enum clw_err code =
        l->o.here ? exec_open_here(x, l, "/bin/sh", "-s", environ, err) : exec_open(x, l, "exec sh -s", err);
    if (!code)
        code = exec_write(x, script, strlen(script), err);
    if (code)
        return code;
    exec_send_eof(x);
    return exec_finish(x, err);
}
