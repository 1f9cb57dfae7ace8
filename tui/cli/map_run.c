/* A map's life: daemons of its own if wanted, the job, the reader of inputs, the loop over results, signals, the end.
 */
#include "tui/cli/map.h"

#include "base/mono.h"
#include "base/text.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TICK_MS = 100, SILENT_FIRST_MS = 10000 };

/* ---- signals: a thread waits for them ---- */

/* The job that a signal speaks of, from when it is open until it is closed. */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static struct clowder_job *open_job;

static void set_open_job(struct clowder_job *job)
{
    pthread_mutex_lock(&open_lock);
    open_job = job;
    pthread_mutex_unlock(&open_lock);
}

static uint64_t count_waiting(void)
{
    uint64_t put = 0, received = 0;
    pthread_mutex_lock(&open_lock);
    if (open_job)
        clowder_job_counts(open_job, &put, &received);
    pthread_mutex_unlock(&open_lock);
    return put - received;
}

static void close_job(struct map *m)
{
    set_open_job(NULL);
    clowder_job_close(m->job);
    m->job = NULL;
}

/* Those that stop a map. */
static sigset_t stop_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    return set;
}

static void *signal_thread(void *arg)
{
    struct map *m = arg;
    sigset_t set = stop_signals();
    int number;
    for (;;) {
        uint64_t one = 1;
        if (sigwait(&set, &number) != 0)
            continue;
        if (m->stopping++ || number != SIGINT)
            _exit(number == SIGINT ? 130 : 128 + number); /* the engine sees us go and cleans up */
        if (write(m->stop_fd, &one, sizeof one) < 0)
            _exit(130);
        progress_clear(m->progress);
        uint64_t waiting = count_waiting();
        say(0, "interrupted: no more inputs are taken; waiting for %llu task%s (^C again stops now)",
            (unsigned long long)waiting, text_plural(waiting));
    }
    return NULL;
}

static void start_signals(struct map *m)
{
    sigset_t set = stop_signals();
    pthread_t thread;
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any other thread is made */
    m->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (pthread_create(&thread, NULL, signal_thread, m) == 0)
        pthread_detach(thread);
}

/* ---- results ---- */

/* True when there is none; then why is a line, or "". */
static bool has_no_daemons(struct map *m, char *name, size_t size, char why[300])
{
    const char *given = getenv("CLOWDER_PROFILE"), *reason;
    char *text;
    snprintf(name, size, "%s", m->f.profile ? m->f.profile : given && *given ? given : "default");
    if (clowder_status(m->c, name, &text, NULL))
        return false;
    json_t *doc = json_loads(text, 0, NULL);
    const json_t *profile = json_array_get(json_object_get(doc, "profiles"), 0);
    bool none = profile && !json_integer_value(json_object_get(json_object_get(profile, "daemons"), "connected"));
    reason = json_string_value(json_object_get(profile, "reason"));
    text_escape(why, 300, reason ? reason : "", reason ? strlen(reason) : 0);
    json_decref(doc);
    free(text);
    return none;
}

/* Says what is being waited for when nothing has come for long; each time after twice the time. */
static void tell_silence(struct map *m, uint64_t since_ms, uint64_t *next_ms)
{
    uint64_t put, received, silent_ms = mono_ms() - since_ms;
    char name[80], why[300];
    if (silent_ms < *next_ms)
        return;
    clowder_job_counts(m->job, &put, &received);
    if (put == received)
        return;
    *next_ms *= 2;
    bool none = has_no_daemons(m, name, sizeof name, why);
    progress_clear(m->progress);
    if (none)
        say(0, "no result for %llu s: no daemon of '%s' is up%s%s; 'clowder status' shows what it waits for",
            (unsigned long long)silent_ms / 1000, name, *why ? ": " : "", why);
    else
        say(0, "no result for %llu s: %llu task%s running or waiting; 'clowder status' shows the daemons%s",
            (unsigned long long)silent_ms / 1000, (unsigned long long)(put - received),
            put - received == 1 ? " is" : "s are",
            m->f.kind == CLOWDER_LINES ? "; a worker must answer each line and flush (stdbuf -oL)" : "");
}

static void draw(struct map *m)
{
    uint64_t put;
    if (!m->progress)
        return;
    clowder_job_counts(m->job, &put, NULL);
    progress_draw(m->progress, m->done, m->failed, put, m->input_done);
}

static void tell_notes(struct map *m)
{
    char text[1000];
    while (clowder_job_note(m->job, text, sizeof text)) {
        progress_clear(m->progress);
        say(0, "%s", text);
    }
}

static int take_results(struct map *m)
{
    struct clowder_result r;
    struct clowder_error err;
    uint64_t last_ms = mono_ms(), silence_ms = SILENT_FIRST_MS;
    for (;;) {
        int status = clowder_job_next(m->job, &r, 0, &err);
        if (status == CLOWDER_AGAIN || status == CLOWDER_END)
            tell_notes(m);
        if (status == CLOWDER_AGAIN) {
            if (!stdout_is_good()) /* nothing is kept back while we wait */
                return 1;
            draw(m);
            status = clowder_job_next(m->job, &r, m->progress ? TICK_MS : SILENT_FIRST_MS, &err);
        }
        if (status == CLOWDER_AGAIN) {
            tell_silence(m, last_ms, &silence_ms);
            continue;
        }
        if (status == CLOWDER_END)
            return 0;
        if (status != CLOWDER_OK) {
            progress_clear(m->progress);
            return say_error(&err);
        }
        if ((m->done & 1023) == 0) {
            last_ms = mono_ms();
            draw(m);
        } else if (m->f.kind == CLOWDER_COMMAND) {
            last_ms = mono_ms();
        }
        silence_ms = SILENT_FIRST_MS;
        if (!map_write_result(m, &r))
            return 1;
        if (m->stop && m->failed && !m->stopping) {
            m->stopping = 1;
            eventfd_write(m->stop_fd, 1);
            clowder_job_cancel(m->job, NULL);
        }
    }
}

static void *reader_thread(void *arg)
{
    map_read_inputs(arg);
    return NULL;
}

static int with_job(struct map *m)
{
    struct clowder_error err;
    int status = clowder_job_open(m->c, &m->f, &m->job, &err);
    if (status)
        return say_error(&err);
    set_open_job(m->job);
    status = map_begin_output(m);
    if (status)
        return status;
    if (!m->f.everywhere && pthread_create(&m->reader, NULL, reader_thread, m))
        return say(1, "map: cannot start a thread");
    status = take_results(m);
    if (status) { /* the job broke: the reader must not wait for inputs that nobody wants */
        m->stopping++;
        eventfd_write(m->stop_fd, 1);
    }
    if (!m->f.everywhere)
        pthread_join(m->reader, NULL);
    if (status == 0 && m->input_error.status)
        status = say_error(&m->input_error);
    progress_clear(m->progress);
    return status;
}

/* With -n: a profile that lives as long as this command. */
static int with_daemons(struct map *m, unsigned n)
{
    struct clowder_profile p;
    struct clowder_error err;
    clowder_profile_init(&p);
    p.daemons = n;
    p.ephemeral = true;
    m->own_profile = mem_printf("map-%d", (int)getpid());
    m->f.profile = m->own_profile;
    int status = clowder_up(m->c, m->own_profile, &p, &err);
    if (status)
        return say_error(&err);
    status = with_job(m);
    close_job(m);
    clowder_down(m->c, m->own_profile, true, NULL);
    return status;
}

static int dry_run(struct map *m)
{
    map_read_inputs(m);
    return m->input_error.status ? say_error(&m->input_error) : 0;
}

int map_run(struct map *m, unsigned own_daemons)
{
    int status;
    m->stdout_is_terminal = !m->out_path && isatty(STDOUT_FILENO);
    start_signals(m);
    if (m->dry_run)
        return dry_run(m);
    m->c = open_client(false);
    if (!m->c)
        return 1;
    status = own_daemons ? with_daemons(m, own_daemons) : with_job(m);
    close_job(m);
    clowder_close(m->c);
    free(m->own_profile);
    if (!map_close_joblog(m) || !stdout_is_good())
        return status ? status : 1;
    if (status == 0 && m->stopping && !m->stop)
        return 130;
    if (status == 0 && m->failed) {
        if (!m->json && !m->f.no_input)
            say(1, "%llu of %llu task%s failed", (unsigned long long)m->failed, (unsigned long long)m->done,
                text_plural(m->done));
        return 1;
    }
    return status;
}
