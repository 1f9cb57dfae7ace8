/* The engine's thread: single instance, signals, and its loop. What came is done when it comes; a round of work follows
 * when something asks for one. Nothing here waits. */
#include "engine/engine.h"

#include "base/log.h"
#include "base/mono.h"
#include "base/paths.h"
#include "base/random.h"
#include "base/text.h"
#include "engine/control/control.h"
#include "engine/files/files_peer.h"
#include "engine/model/core.h"
#include "engine/model/model.h"
#include "engine/peers/listen.h"
#include "engine/peers/output.h"
#include "engine/peers/talk.h"
#include "engine/peers/sockets.h"
#include "engine/profiles/bases.h"
#include "engine/profiles/host_use.h"
#include "engine/profiles/launchers/launch_scheduler.h"
#include "engine/profiles/restore.h"
#include "engine/profiles/running_profile.h"
#include "engine/reaper.h"
#include "engine/record/catalog.h"
#include "engine/record/keep.h"
#include "engine/record/recorder.h"
#include "engine/rounds.h"
#include "engine/serve/accept.h"
#include "engine/serve/serve_host.h"
#include "engine/wire/link.h"
#include "engine/wire/names.h"
#include "engine/wire/wire.h"

#include <nng/nng.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FINISH_MS = 1000 };

static void nudged(void *arg)
{
    core_due(arg);
}

static void take_signals(void *arg, short events)
{
    struct engine *e = arg;
    (void)events;
    struct signalfd_siginfo info;
    while (read(e->signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            continue;
        log_info("engine", "signal number=%u", info.ssi_signo);
        core_stop(e, false);
    }
    reap(e);
}

/* Stopped (SIGSTOP, a suspended machine), or not given the processor: what others said meanwhile is not read yet. */
static void notice_sleep(struct engine *e, uint64_t planned_ms)
{
    uint64_t now_ms = mono_ms();
    if (now_ms <= planned_ms + CORE_SLEPT_MS)
        return;
    for (struct profile *p = e->profiles; p; p = p->next)
        p->fleet.awake_ms = now_ms;
    log_warn("engine", "slept ms=%llu", (unsigned long long)(now_ms - planned_ms));
}

/* What came, and what follows from it. */
static void take_events(struct engine *e, int timeout_ms)
{
    loop_once(e->loop, timeout_ms);
    core_flush(e);
}

static uint64_t next_us(const struct engine *e)
{
    uint64_t at_us = e->due ? 0 : e->round_ms > UINT64_MAX / 1000 ? UINT64_MAX : e->round_ms * 1000;
    return at_us > e->rest_us ? at_us : e->rest_us;
}

static int timeout_until(uint64_t at_us, uint64_t now_us)
{
    if (at_us == UINT64_MAX)
        return -1;
    uint64_t ms = at_us > now_us ? (at_us - now_us + 999) / 1000 : 0;
    return ms > 3600000 ? 3600000 : (int)ms;
}

static void loop(struct engine *e)
{
    uint64_t publish_ms = 0;
    for (bool over = false; !over;) {
        uint64_t now_us = mono_us();
        int timeout_ms = timeout_until(next_us(e), now_us);
        take_events(e, timeout_ms);
        notice_sleep(e, timeout_ms < 0 ? UINT64_MAX - CORE_SLEPT_MS : now_us / 1000 + (uint64_t)timeout_ms);
        if (mono_us() >= next_us(e))
            over = round_of_work(e, &publish_ms);
        core_flush(e);
    }
}

/* ---- start and end ---- */

static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before there are other threads */
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static enum clw_err raise_descriptor_limit(struct clw_error *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return CLW_OK;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_max >= CORE_FILES_MIN
               ? CLW_OK
               : clw_fail(err, CLW_IO, "raise the limit (ulimit -n)",
                     "the limit of %llu open files is too low: an engine needs at least %d",
                     (unsigned long long)limit.rlim_max, CORE_FILES_MIN);
}

static enum clw_err open_logs(struct engine *e, bool foreground, struct clw_error *err)
{
    char *log = NULL;
    enum clw_err code = paths_state(ENGINE_LOG_FILE, &log, err);
    if (!code && !foreground && log_open(log))
        code = clw_fail(err, CLW_IO, NULL, "cannot write the log %s: %s", log, strerror(errno));
    free(log);
    return code ? code : output_open(e, err);
}

/* Whatever it is that ends engines, it is not begun again at once. */
static void note_deaths(struct engine *e)
{
    unsigned deaths = owner_is_hurt(&e->owner);
    if (!deaths)
        return;
    snprintf(e->hurt, sizeof e->hurt, "the engine died %u time%s within %d s; see 'clowder log'", deaths,
        text_plural(deaths), OWNER_DEATHS_S);
    log_error("engine", "profiles rest and detached jobs wait why=\"%s\"", e->hurt);
    e->keeper_again_ms = mono_ms() + OWNER_DEATHS_S * 1000;
}

static enum clw_err start(struct engine *e, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    e->daemon_program = paths_program("clowder-daemon");
    if (!e->daemon_program)
        code = clw_fail(
            err, CLW_UNREACHABLE, "reinstall Clowder, or set CLOWDER_LIBEXEC", "clowder-daemon is not installed");
    serve_hosts(e);
    if (!code)
        code = accept_start(e, err);
    if (!code) {
        control_start(e);
        code = sockets_open(e, err);
    }
    if (!code) {
        e->recorder = recorder_start(e->loop);
        note_deaths(e);
        restore_load(e); /* a command that dials before this is done is answered after it */
        start_keeper(e, mono_ms());
    }
    return code;
}

static void close_peers(struct engine *e)
{
    for (struct peer *p = e->peers; p; p = p->after) {
        if (p->role == PEER_CLIENT) /* so that it does not start another engine */
            link_send(p->link, &(struct frame){.type = WIRE_QUIT}, NULL);
        link_flush(p->link);
        link_close(p->link);
    }
    while (e->peers) /* their callbacks take them off the list … */
        take_events(e, FINISH_MS);
    files_peers_stop(e);
    take_events(e, 0); /* … and then they are freed */
}

/* Doctors that still walk come home first: they have a request each to answer. */
static void finish_walks(struct engine *e)
{
    uint64_t one = 1;
    if (write(e->doctor_fd, &one, sizeof one) != sizeof one)
        abort();
    while (e->walks)
        take_events(e, FINISH_MS);
}

static void finish_keeper(struct engine *e)
{
    keep_stop(e->keeper);
    while (!keep_is_over(e->keeper))
        take_events(e, FINISH_MS);
}

static bool has_errands(const struct engine *e)
{
    return errands_count(e->closer) || errands_count(e->reaper) || errands_count(e->asker) ||
           catalog_is_looking(e->catalog) || bases_count(e->bases);
}

/* A request that waited for one of them may have made a host known again. */
static void finish_errands(struct engine *e)
{
    do {
        host_close_all(e);
        while (has_errands(e))
            take_events(e, FINISH_MS);
    } while (e->hosts);
    host_session_log_out();
    errands_free(e->closer);
    errands_free(e->reaper);
    errands_free(e->asker);
    bases_free(e->bases);
    e->bases = NULL;
}

static void finish(struct engine *e)
{
    finish_walks(e);
    finish_keeper(e);
    finish_errands(e);
    sockets_stop(e);
    listen_stop(e);
    control_stop(e);
    recorder_flush(e->recorder); /* the next engine numbers its jobs after ours */
    take_events(e, 0);           /* and what came of it */
    sockets_free(e);
    owner_leave(&e->owner);     /* the sockets are gone: from here on another engine may start … */
    close_peers(e);             /* … and those who wait for our end see it */
    recorder_stop(e->recorder); /* their jobs ended with them */
    catalog_close(e->catalog);
    e->catalog = NULL;
    while (e->profiles)
        profile_free(e, e->profiles);
    batch_fini(e);
    keep_free(e->keeper);
    log_info("engine", "stopped");
    free(e->data_url);
    free(e->daemon_program);
    output_stop(e);
    accept_stop(e);
    loop_remove(e->signals);
    loop_free(e->loop);
    close(e->doctor_fd);
    close(e->hold_fd);
    close(e->signal_fd);
    log_close();
    nng_fini();
}

static enum clw_err open_loop(struct engine *e, struct clw_error *err)
{
    e->loop = loop_new(NULL);
    e->signals = e->loop ? loop_add(e->loop, e->signal_fd, POLLIN, take_signals, e) : NULL;
    if (!e->signals)
        return clw_fail(err, CLW_IO, "raise the limit of open files (ulimit -n)", "cannot wait for signals");
    e->closer = errands_new(e->loop);
    e->reaper = errands_new(e->loop);
    e->asker = errands_new(e->loop);
    e->bases = bases_new(e->loop, nudged, e);
    return CLW_OK;
}

/* Runs in the process that stays. Tells ready_fd (or nobody: -1) how the start went: one byte and a text. */
static int run(const struct engine_options *o, int ready_fd)
{
    struct engine *e = mem_zalloc(sizeof *e);
    struct clw_error err;
    e->signal_fd = block_signals();
    e->nudge = (struct loop_call){.run = nudged, .arg = e};
    e->hold_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    e->doctor_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    e->owner.fd = -1;
    e->started_ms = e->idle_since_ms = mono_ms();
    e->idle_ms = o->idle_ms;
    e->user_umask = umask(077);
    random_fill(&e->instance, sizeof e->instance);
    e->instance &= INT64_MAX >> 10; /* exact in every reader of JSON */
    prctl(PR_SET_DUMPABLE, 0);      /* tokens stay out of core files and debuggers */
    enum clw_err code = raise_descriptor_limit(&err);
    if (!code)
        code = owner_take(&e->owner, &err);
    if (!code)
        code = open_logs(e, o->foreground, &err);
    if (!code)
        code = open_loop(e, &err);
    if (!code)
        code = start(e, &err);
    if (ready_fd >= 0) {
        char byte = (char)code;
        char *text =
            mem_printf("%c%s%s%s", byte, code ? err.message : "", code && *err.hint ? "; " : "", code ? err.hint : "");
        size_t len = 1 + strlen(text + 1);
        if (write(ready_fd, text, len) != (ssize_t)len)
            code = CLW_IO;
        free(text);
        close(ready_fd);
    } else if (code) {
        fprintf(stderr, "clowder: %s%s%s\n", err.message, err.hint[0] ? "; " : "", err.hint);
    }
    if (code) {
        owner_leave(&e->owner);
        log_error("engine", "start failed why=\"%s\"", err.message);
        _exit(clw_err_exit_status(code));
    }
    log_info("engine", "started version=%s pid=%d url=%s", CLW_VERSION, (int)getpid(), e->data_url);
    loop(e);
    finish(e);
    free(e);
    return 0;
}

static void detach(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    setsid();
    if (chdir("/") || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        _exit(1);
}

int engine_main(const struct engine_options *o)
{
    int ready[2];
    char reply[900];
    close_range(3, UINT_MAX, 0); /* what whoever started us had open is not for us, and not for tasks */
    if (o->foreground)
        return run(o, -1);
    if (pipe2(ready, O_CLOEXEC))
        return 1;
    pid_t pid = fork();
    if (pid < 0) {
        fprintf(stderr, "clowder: cannot start the engine: %s\n", strerror(errno));
        return 3;
    }
    if (pid == 0) {
        close(ready[0]);
        detach();
        if (fork() != 0)
            _exit(0); /* the engine is nobody's child */
        exit(run(o, ready[1]));
    }
    close(ready[1]);
    ssize_t n = 0, got;
    while ((got = read(ready[0], reply + n, sizeof reply - 1 - (size_t)n)) > 0)
        n += got;
    close(ready[0]);
    waitpid(pid, NULL, 0);
    if (n > 0 && (reply[0] == CLW_OK || reply[0] == CLW_BUSY))
        return 0;
    reply[n > 0 ? n : 0] = '\0';
    fprintf(stderr, "clowder: the engine did not start%s%s\n", n > 1 ? ": " : "", n > 1 ? reply + 1 : "");
    return n > 0 ? clw_err_exit_status((enum clw_err)reply[0]) : 3;
}
