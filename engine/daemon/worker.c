/* Workers: one process a job that stays, fed through a pipe ahead of its answers, so that neither side waits for the
 * other.
 *
 * Answers come in the order of the inputs; those of a framed worker carry the number of their task. When the process
 * ends with tasks unanswered, it cannot be known which one it was at (its output may have been buffered), so those go
 * to a new one, one at a time, and the one that kills it is found. When we end it for one task, that task alone bears
 * it: if its answer was quicker than our signal, nobody does. */
#include "engine/daemon/worker.h"
#include "engine/daemon/files/files.h"

#include "base/mono.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PIPE_BYTES = 1 << 20,
    READ_MOST = 4 << 20, /* in one turn */
    PARTIAL_US = 1000,   /* answers of an unfinished batch wait this long for more */
    END_US = 100000,     /* from the end of its output to its own */
    CLOSE_US = 2000000,  /* a worker whose input has ended may take this long to go */
};

bool worker_is_kind(const struct job *j)
{
    return j->func.kind != FUNC_COMMAND;
}

/* ---- the process ---- */

bool worker__is_head(const struct daemon *d, const struct worker *w)
{
    return d->head && d->head->job == w->job;
}

void worker__kill(struct worker *w, enum kill_why why)
{
    if (!w->alive)
        return;
    w->kill_why = why;
    w->kill_answered = w->answered;
    w->kill_us = mono_us();
    process_kill(&w->process, SIGKILL);
}

static void worker_free(struct worker *w)
{
    process_close(&w->process);
    if (w->in_fd >= 0)
        close(w->in_fd);
    buf_fini(&w->framed);
    buf_fini(&w->err);
    blk_rele(w->piece_block);
    blk_rele(w->in);
    blk_rele(w->ends);
    free(w);
}

static struct worker *worker_for(struct job *j)
{
    if (!j->worker) {
        j->worker = mem_zalloc(sizeof *j->worker);
        j->worker->job = j;
        j->worker->in_fd = -1;
        j->worker->process = (struct process){.pid_fd = -1, .out_fd = -1, .err_fd = -1};
        j->worker->out_place = j->worker->err_place = j->worker->pid_place = -1;
    }
    return j->worker;
}

static int spawn_worker(struct daemon *d, struct worker *w)
{
    struct buf env = {0};
    int in[2];
    if (pipe2(in, O_CLOEXEC))
        return errno;
    struct spawn s = {.argv = w->job->func.argv,
        .env = job_env(d, w->job, UINT64_MAX, &env),
        .dir = w->job->dir,
        .in_fd = in[0],
        .limits = &d->limits};
    int rv = process_spawn(&w->process, &s);
    close(in[0]);
    buf_fini(&env);
    if (rv) {
        close(in[1]);
        return rv;
    }
    w->in_fd = in[1];
    fcntl(w->in_fd, F_SETFL, O_NONBLOCK);
    fcntl(w->in_fd, F_SETPIPE_SZ, PIPE_BYTES); /* refused beyond the user's share: then it is 64 KiB */
    fcntl(w->process.out_fd, F_SETPIPE_SZ, PIPE_BYTES);
    w->alive = true;
    w->input_broken = w->deaf = false;
    w->greeted = w->job->func.kind == FUNC_LINES; /* those do not */
    w->given = w->answered = 0;
    w->kill_why = KILL_NOT;
    w->start_us = mono_us();
    w->kill_us = 0;
    w->out_place = w->err_place = w->pid_place = -1;
    buf_clear(&w->err);
    return 0;
}

void worker__fail_batch(struct daemon *d, int exit_status, const char *why)
{
    const struct batch *b = d->head;
    for (uint32_t left = b->slices.n - b->done; left; left--)
        if (task_has_mark(b, b->done, MARK_CANCELLED))
            answer_why(d, WIRE_CANCELLED, -1, "");
        else
            answer_why(d, WIRE_CANNOT, exit_status, why);
}

static bool ensure_alive(struct daemon *d, struct worker *w)
{
    char why[400];
    int rv;
    if (w->alive)
        return true;
    if (d->again_ms || d->paused || files_of_job_are_coming(w->job))
        return false;
    if (w->job->problem) {
        worker__fail_batch(d, 126, w->job->problem);
        return false;
    }
    if ((rv = spawn_worker(d, w)) == 0) {
        d->short_ms = 0;
        return true;
    }
    if (daemon_is_short(d, rv))
        return false;
    snprintf(why, sizeof why, "cannot run '%.200s': %s", w->job->func.argv[0],
        rv == ENOENT ? "command not found" : strerror(rv));
    worker__fail_batch(d, rv == ENOENT ? 127 : 126, why);
    return false;
}

/* ---- tasks in ---- */

static void drop_piece(struct worker *w)
{
    blk_rele(w->piece_block);
    w->piece_block = NULL;
    w->piece_len = 0;
}

static void frame_piece(struct worker *w, struct batch *b, uint32_t from, uint32_t to)
{
    buf_clear(&w->framed);
    for (uint32_t i = from; i < to; i++) {
        struct task t = task_at(b, i);
        uint8_t head[WORKER_FRAME_IN];
        le_put_u32(head, (uint32_t)t.len);
        le_put_u32(head + 4, (uint32_t)w->given++);
        buf_add(&w->framed, head, sizeof head);
        buf_add(&w->framed, t.input, t.len);
    }
    w->piece = w->framed.data;
    w->piece_len = w->framed.len;
}

/* The next run of tasks to write: within one batch, none cancelled, one only while looking for a killer. */
static bool next_piece(struct daemon *d, struct worker *w)
{
    if (d->paused || (w->solo_left && w->outstanding))
        return false;
    for (struct batch *b = d->head; b && b->job == w->job; b = b->next) {
        while (b->written < b->slices.n && task_has_mark(b, b->written, MARK_CANCELLED))
            task_set_mark(b, b->written++, MARK_SKIPPED);
        if (b->written == b->slices.n)
            continue;
        uint32_t from = b->written, to = from + 1;
        while (!w->solo_left && to < b->slices.n && !task_has_mark(b, to, MARK_CANCELLED))
            to++;
        drop_piece(w);
        if (w->job->func.kind == FUNC_FRAMED) {
            frame_piece(w, b, from, to);
        } else {
            w->piece_block = blk_hold(b->block);
            uint32_t at = wire_slice_start(&b->slices, from);
            w->piece = b->slices.bytes + at;
            w->piece_len = wire_slice_end(&b->slices, to - 1) - at;
        }
        if (!w->outstanding)
            w->mark_us = w->begun_us = mono_us();
        b->written = to;
        w->outstanding += to - from;
        return true;
    }
    return false;
}

void worker_feed(struct daemon *d)
{
    struct worker *w = d->head && worker_is_kind(d->head->job) ? d->head->job->worker : NULL;
    if (!w || !w->alive || w->input_broken || w->kill_why)
        return;
    while (w->piece_len || next_piece(d, w)) {
        ssize_t n = write(w->in_fd, w->piece, w->piece_len);
        if (n < 0) {
            w->input_broken = errno != EAGAIN;
            break;
        }
        w->piece += n;
        w->piece_len -= (size_t)n;
    }
    worker__answer_skipped(d, w);
}

/* ---- its end ---- */

static uint64_t start_limit_us(const struct worker *w)
{
    uint64_t limit_us = w->job->func.timeout_ms * 1000;
    return limit_us > FUNC_START_MS * 1000u ? limit_us : FUNC_START_MS * 1000u;
}

/* When the task that it is at has had its time; UINT64_MAX: never. Its time begins when the worker is ready, and that
 * has a limit of its own, so that a task is not blamed for what a worker loads. */
static uint64_t due_us(const struct worker *w)
{
    uint64_t limit_us = w->job->func.timeout_ms * 1000;
    if (!limit_us)
        return UINT64_MAX;
    return w->greeted ? w->mark_us + limit_us : w->start_us + start_limit_us(w);
}

static void report_death(struct daemon *d, struct worker *w, int status)
{
    char why[160];
    struct wire_report r = {.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
        .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
        .run_us = mono_us() - w->begun_us,
        .err = w->err.data,
        .err_len = (uint32_t)w->err.len};
    enum wire_outcome outcome = WIRE_FAILED;
    if (!w->kill_why && daemon_goes_too(d, status))
        return;
    if (w->kill_why == KILL_TIMEOUT) {
        outcome = WIRE_TIMEOUT;
        snprintf(why, sizeof why, "no answer after %g s, the limit set by --timeout",
            (double)w->job->func.timeout_ms / 1000);
    } else if (w->kill_why == KILL_CANCELLED) {
        outcome = WIRE_CANCELLED;
        why[0] = '\0';
    } else if (w->kill_why == KILL_NOT_READY) {
        snprintf(why, sizeof why, "the worker was not ready for tasks %g s after its start",
            (double)start_limit_us(w) / 1e6);
    } else if (r.signal) {
        snprintf(why, sizeof why, "the worker was killed by signal %d (%s) before it answered", r.signal,
            strsignal(r.signal));
    } else if (limits_explain(&d->limits, status, &w->err, why, sizeof why)) {
    } else {
        snprintf(why, sizeof why, "the worker ended with status %d before it answered", r.exit_status);
    }
    r.why = (const uint8_t *)why;
    r.why_len = (uint32_t)strlen(why);
    answer_report(d, outcome, &r);
}

static void take_back(struct daemon *d, struct worker *w)
{
    for (struct batch *b = d->head; b && b->job == w->job; b = b->next)
        b->written = b->done;
    drop_piece(w);
    w->outstanding = 0;
    worker__forget(w);
}

/* Is there a task that it died with, or for? Not when we ended it for one that it then answered. */
static bool died_with_task(const struct daemon *d, const struct worker *w)
{
    bool too_late = w->kill_why > KILL_UNBLAMED && w->answered != w->kill_answered;
    return worker__is_head(d, w) && w->outstanding && w->kill_why != KILL_UNBLAMED && !too_late;
}

static void worker_ended(struct daemon *d, struct worker *w)
{
    worker__read_last(d, w);
    worker__send(d, w);
    int status = process_reap(&w->process, true);
    close(w->in_fd);
    w->in_fd = -1;
    w->alive = false;
    if (died_with_task(d, w)) {
        /* One that did its work and ended well has not looked at what was left in its pipe. */
        bool retired = WIFEXITED(status) && WEXITSTATUS(status) == 0 && w->answered;
        bool known = w->kill_why || (!retired && (w->solo_left || w->outstanding == 1));
        if (known)
            report_death(d, w, status);
        if (w->solo_left && known)
            w->solo_left--;
        else if (!known)
            w->solo_left = w->outstanding;
    }
    take_back(d, w);
}

static void check_limits(struct daemon *d, struct worker *w)
{
    uint64_t now = mono_us();
    if (!w->alive || !w->outstanding || !worker__is_head(d, w) || w->kill_why)
        return;
    if (w->count && now - w->begun_us >= PARTIAL_US)
        worker__send(d, w);
    if (!w->outstanding || !worker__is_head(d, w))
        return;
    if (task_has_mark(d->head, d->head->done + w->count, MARK_CANCELLED)) {
        worker__send(d, w);
        worker__kill(w, KILL_CANCELLED);
    } else if (!d->stopped_us && now >= due_us(w)) {
        worker__send(d, w);
        worker__kill(w, w->greeted ? KILL_TIMEOUT : KILL_NOT_READY);
    }
}

/* One that closed its output but lives cannot answer any more. */
static void end_mute(struct worker *w)
{
    if (w->process.out_fd >= 0 || w->kill_us || mono_us() - w->mute_us < END_US)
        return;
    w->kill_us = mono_us();
    process_kill(&w->process, SIGKILL);
}

static void step_one(struct daemon *d, struct worker *w, const struct watch *watch)
{
    if (!w->alive)
        return;
    if (watch_is_ready(watch, w->err_place) && w->process.err_fd >= 0)
        worker__read_err(d, w);
    if (watch_is_ready(watch, w->out_place) && w->process.out_fd >= 0 && !worker__read(d, w, READ_MOST)) {
        close(w->process.out_fd);
        w->process.out_fd = -1;
        w->mute_us = mono_us();
    }
    if (watch_is_ready(watch, w->pid_place) || process_is_stuck(w->kill_us)) {
        worker_ended(d, w);
    } else {
        end_mute(w);
        check_limits(d, w);
    }
}

static void step_closing(struct daemon *d, const struct watch *watch)
{
    for (struct worker **at = &d->closing; *at;) {
        struct worker *w = *at;
        if (w->alive && mono_us() >= w->close_us && !w->kill_why)
            worker__kill(w, KILL_UNBLAMED);
        step_one(d, w, watch);
        if (w->alive) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        answer_closed(d, w->job->number);
        job_free(d, w->job);
        worker_free(w);
    }
}

void worker_step(struct daemon *d, const struct watch *watch)
{
    for (struct job *j = d->jobs; j; j = j->next)
        if (j->worker)
            step_one(d, j->worker, watch);
    step_closing(d, watch);
    while (!d->quit_now && d->head && worker_is_kind(d->head->job)) {
        struct worker *w = worker_for(d->head->job);
        worker__answer_skipped(d, w);
        if (!worker__is_head(d, w))
            continue;
        if (ensure_alive(d, w)) {
            worker_feed(d);
            if (worker__is_head(d, w) && (w->outstanding || d->paused)) /* paused: what was not begun goes back */
                break;
            if (worker__is_head(d, w) && w->input_broken)
                worker__kill(w, KILL_UNBLAMED); /* it reads no more: a new one takes over */
            if (worker__is_head(d, w) && w->kill_why)
                break; /* it is on its way out */
        } else if (d->again_ms || d->paused) {
            break;
        }
    }
}

static void watch_one(struct worker *w, struct watch *watch, bool head, bool stopped)
{
    w->out_place = w->err_place = w->pid_place = -1;
    if (!w->alive)
        return;
    w->out_place = watch_add(watch, w->process.out_fd, POLLIN);
    w->err_place = watch_add(watch, w->process.err_fd, POLLIN);
    w->pid_place = watch_add(watch, w->process.pid_fd, POLLIN);
    if (w->closing && !w->kill_why)
        watch_until(watch, w->close_us);
    if (w->kill_us)
        watch_until(watch, w->kill_us + PROCESS_STUCK_US);
    else if (w->process.out_fd < 0)
        watch_until(watch, w->mute_us + END_US);
    if (!head || !w->outstanding || stopped || w->kill_why)
        return;
    if (w->piece_len && !w->input_broken)
        watch_add(watch, w->in_fd, POLLOUT);
    if (w->count)
        watch_until(watch, w->begun_us + PARTIAL_US);
    watch_until(watch, due_us(w));
}

void worker_watch(struct daemon *d, struct watch *watch)
{
    if (d->head && d->head->job->worker)
        watch_one(d->head->job->worker, watch, true, d->stopped_us != 0);
    for (struct job *j = d->jobs; j; j = j->next)
        if (j->worker && !worker__is_head(d, j->worker))
            watch_one(j->worker, watch, false, false);
    for (struct worker *w = d->closing; w; w = w->next)
        watch_one(w, watch, false, false);
}

void worker_flush(struct daemon *d)
{
    if (d->head && d->head->job->worker && d->head->job->worker->outstanding == 0)
        worker__send(d, d->head->job->worker);
}

void worker_stop(struct daemon *d, bool stop, uint64_t passed_us)
{
    for (struct job *j = d->jobs; j; j = j->next) {
        struct worker *w = j->worker;
        if (!w || !w->alive)
            continue;
        process_kill(&w->process, stop ? SIGSTOP : SIGCONT);
        w->mark_us += passed_us;
        w->begun_us += passed_us;
        w->start_us += passed_us;
    }
}

void worker_close(struct daemon *d, struct job *j)
{
    struct worker *w = j->worker;
    if (!w || !w->alive) {
        answer_closed(d, j->number);
        if (w)
            worker_free(w);
        job_free(d, j);
        return;
    }
    close(w->in_fd);
    w->in_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    w->closing = true;
    w->close_us = mono_us() + CLOSE_US;
    w->next = d->closing;
    d->closing = w;
}

static void drop(struct worker *w)
{
    if (w->alive)
        process_end(&w->process);
    worker_free(w);
}

void worker_drop_all(struct daemon *d)
{
    for (struct job *j = d->jobs; j; j = j->next) {
        if (j->worker)
            drop(j->worker);
        j->worker = NULL;
    }
    while (d->closing) {
        struct worker *w = d->closing;
        d->closing = w->next;
        job_free(d, w->job);
        drop(w);
    }
}
