/* The daemon: dials home, says hello, runs what it is given, and leaves when it is told to, when its time has come or
 * when nobody is at home any more. Its children never outlive it by more than its own kill. */
#include "engine/daemon/daemon.h"

#include "base/log.h"
#include "base/mono.h"
#include "base/standard.h"
#include "hosts/remote/mux_serve.h"
#include "hosts/remote/end_session.h"

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
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    OWN_SIGNAL_MS = 200, /* a signal that ended a task comes to us in this time, when it was for both */
    PING_MS = 5000,
    SILENT_MS = 15000, /* home is believed dead after so long, and not sooner than its profile's grace */
    SHORT_MS = 10000,  /* a machine that is out of processes, memory or descriptors gets so long … */
    AGAIN_MS = 100     /* … and is tried so often, before tasks fail for it */
};

/* ---- out of something ---- */

bool daemon_is_short(struct daemon *d, int rv)
{
    uint64_t now = mono_ms();
    if (!clw_is_short(rv))
        d->short_ms = 0;
    else if (!d->short_ms)
        d->short_ms = now;
    if (!d->short_ms || now - d->short_ms > SHORT_MS)
        return false;
    d->again_ms = now + AGAIN_MS;
    return true;
}

/* ---- waiting ---- */

int watch_add(struct watch *w, int fd, short events)
{
    if (fd < 0 || w->count == sizeof w->fds / sizeof *w->fds)
        return -1;
    w->fds[w->count] = (struct pollfd){fd, events, 0};
    return (int)w->count++;
}

void watch_until(struct watch *w, uint64_t at_us)
{
    if (at_us < w->deadline_us)
        w->deadline_us = at_us;
}

bool watch_is_ready(const struct watch *w, int place)
{
    return place >= 0 && w->fds[place].revents;
}

/* ---- frames ---- */

static struct job *find_job(struct daemon *d, uint32_t number)
{
    struct job *j = d->jobs;
    while (j && j->number != number)
        j = j->next;
    return j;
}

void daemon_set_env(struct daemon *d, char *text)
{
    size_t name = strcspn(text, "="), i = 0;
    while (i < d->env_count && strncmp(d->env[i], text, name + 1) != 0)
        i++;
    if (i < d->env_count) {
        free(d->env[i]);
    } else {
        d->env = mem_realloc(d->env, (d->env_count + 2) * sizeof *d->env);
        d->env[++d->env_count] = NULL;
    }
    d->env[i] = text;
}

/* On another machine its own login says where home is and where commands are. */
static void take_own_env(struct daemon *d)
{
    char **own = func_env_own();
    for (char **at = own; *at; at++)
        daemon_set_env(d, *at);
    free(own);
}

/* Everything that came from home, when it is not to go on. */
static void drop_work(struct daemon *d)
{
    command_kill(d);
    worker_drop_all(d);
    files_stop(d);
    while (d->head) {
        struct batch *b = d->head;
        d->head = b->next;
        batch_free(b);
    }
    d->tail = NULL;
    while (d->jobs) {
        struct job *j = d->jobs;
        d->jobs = j->next;
        job_free(d, j);
    }
}

static void set_search_paths(const struct daemon *d)
{
    for (size_t i = 0; i < d->env_count; i++)
        if (strncmp(d->env[i], "PATH=", 5) == 0)
            setenv("PATH", d->env[i] + 5, 1); /* where commands are looked for */
        else if (strncmp(d->env[i], "TMPDIR=", 7) == 0)
            setenv("TMPDIR", d->env[i] + 7, 1); /* where folders of jobs are made */
}

static void take_resumed(struct daemon *d, const struct frame *f)
{
    struct wire_fields w;
    uint64_t has = UINT64_MAX;
    wire_fields_init(&w, f->body, f->len);
    while (wire_fields_next(&w))
        if (w.key == WIRE_K_RECEIVED)
            has = wire_field_number(&w);
    if (!home_is_resumed(d, has))
        link_close(d->link);
}

static void take_welcome(struct daemon *d, const struct frame *f)
{
    struct wire_fields w;
    bool resumes = false;
    char *text, gpus[400] = "";
    wire_fields_init(&w, f->body, f->len);
    drop_work(d);
    while (d->env_count)
        free(d->env[--d->env_count]);
    if (d->config.remote)
        take_own_env(d);
    while (wire_fields_next(&w)) {
        switch (w.key) {
        case WIRE_K_DAEMON_NAME: wire_field_copy(&w, d->name, sizeof d->name); break;
        case WIRE_K_PROFILE: wire_field_copy(&w, d->profile, sizeof d->profile); break;
        case WIRE_K_HOST: wire_field_copy(&w, d->host, sizeof d->host); break;
        case WIRE_K_GPUS: wire_field_copy(&w, gpus, sizeof gpus); break;
        case WIRE_K_RECEIVED: resumes = true; break;
        case WIRE_K_ENV:
            if ((text = wire_field_text(&w)))
                daemon_set_env(d, text);
            break;
        default: wire_take_setting(&w, &d->set, STORE_TOLD_WELCOME); break;
        }
    }
    set_search_paths(d);
    home_is_new(d, resumes);
    d->judged = d->paused = false;
    d->stopped_us = 0;
    neighbour_terms(d, NULL);
    gpu_offer(d, gpus);
}

static void take_tasks(struct daemon *d, const struct frame *f, struct blk *block)
{
    struct batch *b = mem_zalloc(sizeof *b);
    b->job = find_job(d, f->job);
    if (!b->job || wire_slices(f, &b->slices, NULL)) {
        free(b);
        link_close(d->link);
        return;
    }
    b->block = blk_hold(block);
    b->first = f->first;
    if (d->tail)
        d->tail->next = b;
    else
        d->head = b;
    d->tail = b;
    d->active_ms = mono_ms();
}

static void take_cancel(struct daemon *d, const struct frame *f)
{
    for (struct batch *b = d->head; b; b = b->next) {
        if (b->job->number != f->job)
            continue;
        for (uint32_t i = b->done; i < b->slices.n; i++) {
            uint64_t index = b->first + i;
            if (index < f->first || index >= f->first + f->n)
                continue;
            task_set_mark(b, i, MARK_CANCELLED);
            if (command_is_at(d, b, i))
                command_cancel(d);
        }
    }
}

static void take_close(struct daemon *d, const struct frame *f)
{
    for (struct batch *b = d->head; b; b = b->next)
        if (b->job->number == f->job) { /* no engine closes a job that has tasks here */
            link_close(d->link);
            return;
        }
    for (struct job **at = &d->jobs; *at; at = &(*at)->next) {
        struct job *j = *at;
        if (j->number == f->job) {
            *at = j->next;
            worker_close(d, j);
            return;
        }
    }
    answer_closed(d, f->job);
}

static void frame_cb(struct link *l, const struct frame *f, struct blk *block)
{
    struct daemon *d = link_arg(l);
    if (!d->welcome && f->type != WIRE_WELCOME && f->type != WIRE_REFUSE) {
        link_close(l); /* nothing is taken from somebody who did not greet */
        return;
    }
    switch (f->type) {
    case WIRE_WELCOME:
        if (f->flags & WIRE_RESUMED)
            take_resumed(d, f);
        else
            take_welcome(d, f);
        break;
    case WIRE_REFUSE:
        d->refused_for_now = f->code == CLW_BUSY;
        snprintf(d->refused, sizeof d->refused, "%.*s", (int)(f->len < 150 ? f->len : 150), (const char *)f->body);
        break;
    case WIRE_OPEN:
        if (!find_job(d, f->job))
            job_open(d, f->job, f->body, f->len);
        break;
    case WIRE_TASKS: take_tasks(d, f, block); break;
    case WIRE_CANCEL: take_cancel(d, f); break;
    case WIRE_CLOSE: take_close(d, f); break;
    case WIRE_TERMS: neighbour_terms(d, f); break;
    case WIRE_QUIT:
        d->quit = true;
        d->quit_now |= (f->flags & WIRE_NOW) != 0;
        break;
    case WIRE_PING: home_send(d, &(struct frame){.type = WIRE_PONG}, NULL); break;
    default: break;
    }
}

/* A worker that runs gets its tasks right here; anything else waits for the next step. */
static void batch_cb(struct link *l)
{
    struct daemon *d = link_arg(l);
    worker_feed(d);
    link_flush(l);
}

static void closed_cb(struct link *l, const struct clw_error *why)
{
    struct daemon *d = link_arg(l);
    (void)why;
    d->broken = true;
}

/* ---- the work ---- */

static void leave(struct daemon *d, const char *why)
{
    if (d->left)
        return;
    d->left = true;
    home_send(d, &(struct frame){.type = WIRE_LEAVE, .len = (uint32_t)strlen(why)}, why);
}

static void check_life(struct daemon *d, struct watch *w)
{
    uint64_t now = mono_ms();
    if (d->set.maxtasks && d->done >= d->set.maxtasks)
        leave(d, "maxtasks");
    if (d->set.walltime_ms) {
        if (now - d->started_ms >= d->set.walltime_ms)
            leave(d, "walltime");
        else
            watch_until(w, (d->started_ms + d->set.walltime_ms) * 1000 + 1000);
    }
    if (d->set.idletime_ms && !d->head) {
        if (now - d->active_ms >= d->set.idletime_ms)
            leave(d, "idletime");
        else
            watch_until(w, (d->active_ms + d->set.idletime_ms) * 1000 + 1000);
    }
}

/* How long home is looked for: on a host as its profile says, once that is known. */
static uint64_t patience_ms(const struct daemon *d)
{
    bool is_told = d->config.remote && d->name[0];
    return is_told ? d->set.grace_ms : d->config.autoexit_ms;
}

/* Silence ends what runs, so it is borne as long as the way home may be: whoever is there may sleep, or a cable be out.
 */
static uint64_t silence_ms(const struct daemon *d)
{
    return patience_ms(d) > SILENT_MS ? patience_ms(d) : SILENT_MS;
}

/* A link over a network can die without a sign: ask, and believe silence. */
static void check_link(struct daemon *d, struct watch *w)
{
    if (!d->config.remote || !home_is_there(d))
        return;
    uint64_t now = mono_ms(), heard = link_heard_ms(d->link), until = heard + silence_ms(d);
    if (now >= until) {
        link_close(d->link);
    } else if (now - heard >= PING_MS && now - d->pinged_ms >= PING_MS) {
        d->pinged_ms = now;
        link_send(d->link, &(struct frame){.type = WIRE_PING}, NULL);
    }
    uint64_t next = now - heard < PING_MS ? heard + PING_MS : d->pinged_ms + PING_MS;
    watch_until(w, (next < until ? next : until) * 1000 + 1000);
}

static bool is_over(struct daemon *d)
{
    return d->quit_now || d->is_refused || d->gave_up ||
           (d->quit && !d->head && (!d->link || link_queued(d->link) == 0));
}

static int timeout_ms(const struct watch *w)
{
    uint64_t now = mono_us();
    if (w->deadline_us == UINT64_MAX)
        return -1;
    uint64_t ms = w->deadline_us > now ? (w->deadline_us - now + 999) / 1000 : 0;
    return ms > 3600000 ? 3600000 : (int)ms;
}

static void take_signal(struct daemon *d)
{
    struct signalfd_siginfo info;
    while (read(d->signal_fd, &info, sizeof info) == sizeof info) {
        if (d->left || d->quit || !home_is_there(d))
            d->quit_now = true;
        d->terminated = true;
        leave(d, "terminated");
    }
}

bool daemon_goes_too(struct daemon *d, int status)
{
    struct pollfd fd = {d->signal_fd, POLLIN, 0};
    if (!d->config.batch || !WIFSIGNALED(status) || (WTERMSIG(status) != SIGTERM && WTERMSIG(status) != SIGKILL))
        return false;
    if (!d->terminated && poll(&fd, 1, OWN_SIGNAL_MS) > 0)
        take_signal(d);
    if (d->terminated)
        d->quit_now = true;
    return d->terminated;
}

/* What comes to the front when one kind is done may be the other's. */
static void step(struct daemon *d, struct watch *w)
{
    const struct batch *head;
    if (mono_ms() >= d->again_ms)
        d->again_ms = 0;
    do {
        head = d->head;
        worker_step(d, w);
        command_step(d, w);
        *w = (struct watch){.deadline_us = UINT64_MAX}; /* what was ready has been looked at */
    } while (d->head != head);
}

/* The link broke. What was to end ends; what can go on at home later goes on here. */
static void lose_home(struct daemon *d)
{
    home_lose(d);
    d->lost_ms = mono_ms();
    d->gave_up = d->quit || d->left;
    if (!d->resume)
        drop_work(d);
}

/* What is due by the clock. */
static void look(struct daemon *d, struct watch *w)
{
    home_step(d, patience_ms(d), w);
    check_life(d, w);
    check_link(d, w);
    usage_step(d, w);
    if (d->again_ms)
        watch_until(w, d->again_ms * 1000);
    home_flush(d);
}

/* Waits, and takes what came; what is ready of tasks stays to be looked at. */
static void take(struct daemon *d, struct watch *w, int loop_place, int signal_place)
{
    int link_place = d->link ? watch_add(w, link_fd(d->link), link_events(d->link)) : -1;
    command_watch(d, w);
    worker_watch(d, w);
    files_watch(d, w);
    gpu_watch(d, w);
    seat_watch(d, w);
    int n = poll(w->fds, w->count, timeout_ms(w));
    if (n > 0 && watch_is_ready(w, loop_place))
        loop_once(d->loop, 0);
    if (n > 0 && watch_is_ready(w, signal_place))
        take_signal(d);
    if (n <= 0)
        for (unsigned i = 0; i < w->count; i++)
            w->fds[i].revents = 0;
    if (d->link && watch_is_ready(w, link_place))
        link_step(d->link);
}

/* Runs tasks until it is time to go. */
static void work(struct daemon *d)
{
    struct watch w = {0};
    while (!is_over(d)) {
        neighbour_judge(d);
        step(d, &w);
        neighbour_step(d, &w);
        int loop_place = watch_add(&w, loop_fd(d->loop), POLLIN), signal_place = watch_add(&w, d->signal_fd, POLLIN);
        look(d, &w);
        if (!is_over(d))
            take(d, &w, loop_place, signal_place);
        if (d->broken && d->welcome)
            lose_home(d);
    }
}

static int run(struct daemon *d)
{
    d->lost_ms = mono_ms();
    work(d);
    drop_work(d);
    files_end(d);
    home_end(d);
    return d->is_refused ? 5 : d->gave_up && !d->name[0] ? 3 : 0;
}

static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before nng starts its threads */
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* It was started as ./NAME: where that is has to be asked before it goes elsewhere. */
static int serve_mux(const char *folder)
{
    char file[PATH_MAX] = "";
    ssize_t n = readlink("/proc/self/exe", file, sizeof file - 1);
    if (folder)
        mux_go_to(folder);
    return mux_serve(NULL, n > 0 ? file : NULL, 0, 1);
}

/* On a host the program is also what the SSH link talks to. */
static int other_role(const char *word, const char *folder)
{
    prctl(PR_SET_DUMPABLE, 0);
    if (strcmp(word, "--mux") == 0)
        return serve_mux(folder);
    if (strcmp(word, "--version") == 0 || strcmp(word, "--help") == 0) {
        puts("clowder-daemon " CLW_VERSION);
        if (word[2] == 'h')
            puts("Started by clowder; it reads its settings on standard input.");
        return 0;
    }
    fprintf(stderr, "clowder-daemon: '%.40s' is not an option; it is started by clowder\n", word);
    return 2;
}

/* Who started us ends our session when we are gone. When they went before us, nobody would. A scheduler's daemon has no
 * session of its own. */
static void end_session(pid_t starter)
{
    pid_t own = getpid();
    if (getppid() != starter && getsid(0) == own)
        session_end(&own, 1);
}

int main(int argc, char **argv)
{
    struct daemon *d;
    pid_t starter = getppid();
    standard_open();
    if (argc > 1)
        return other_role(argv[1], argv[2]);
    close_range(3, UINT_MAX, 0); /* nothing but standard input and output was meant for us */
    prctl(PR_SET_DUMPABLE, 0);   /* the token stays out of core files and debuggers */
    mem_keep_freed();
    int signal_fd = block_signals();
    d = mem_zalloc(sizeof *d);
    if (config_read(0, &d->config))
        return 2;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null >= 0)
        dup2(null, 0);
    if (!(d->loop = loop_new(NULL))) {
        fprintf(stderr, "clowder-daemon: cannot make a descriptor: %s\n", strerror(errno));
        return 3;
    }
    d->owner = (struct link_owner){.frame_cb = frame_cb, .batch_cb = batch_cb, .closed_cb = closed_cb};
    d->started_ms = d->active_ms = mono_ms();
    store_settings_init(&d->set);
    limits_clear(&d->limits);
    gpu_init(&d->gpu);
    wire_new_secret(d->instance);
    d->signal_fd = signal_fd;
    int status = run(d);
    end_session(starter);
    limits_end(&d->limits);
    gpu_end(&d->gpu);
    seat_end(&d->seat);
    mem_wipe(d->config.token, sizeof d->config.token);
    mem_wipe(d->instance, sizeof d->instance);
    link_owner_fini(&d->owner);
    nng_fini();
    while (d->env_count)
        free(d->env[--d->env_count]);
    free(d->env);
    free(d->config.url);
    free(d->config.cert);
    loop_free(d->loop);
    free(d);
    return status;
}
