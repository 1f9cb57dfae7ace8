/* Workers: one process a job that stays, fed through a pipe ahead of its answers, so that neither side waits for the
 * other.
 *
 * Answers come in the order of the inputs. When the process ends with tasks unanswered, it cannot be known which one
 * it was at (its output may have been buffered), so those go to a new one, one at a time, and the one that kills it is
 * found. */
#include "engine/daemon/daemon.h"

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
    READ_BLOCK = 256 << 10,
    READ_ROOM = 16 << 10,
    ERR_TAIL = 8 << 10,
    SEND_BYTES = 1 << 20, /* answers of so many bytes do not wait for the rest of their batch */
    FRAME_HEAD = 8,       /* u32 length, u32 code (0: ok), little-endian */
    PARTIAL_US = 1000,    /* answers of an unfinished batch wait this long for more */
    END_MS = 100,         /* from the end of its output to its own */
    CLOSE_US = 2000000,   /* a worker whose input has ended may take this long to go */
};

struct worker {
    struct job *job;
    struct process process;
    bool alive, closing, input_broken;
    int in_fd;
    int out_place, err_place, pid_place;

    /* the piece that is being written */
    struct batch *piece_batch;
    const uint8_t *piece;
    size_t piece_len;
    struct buf framed;

    uint32_t outstanding, solo_left;
    bool answered;                /* anything, since it was started */
    enum wire_outcome killed_for; /* DONE: we did not; FAILED: without blame for the task it was at */

    struct blk *in; /* answers as they came: [start, end), looked at up to scan */
    size_t start, scan, end;
    struct blk *ends; /* end offsets of the count answers after start */
    uint32_t count;
    struct buf err;
    uint64_t mark_us;  /* when the first outstanding task became the first */
    uint64_t begun_us; /* when the answers not yet sent began to be worked on */
    uint64_t close_us;
    struct worker *next;
};

bool worker_is_kind(const struct job *j)
{
    return j->func.kind != FUNC_COMMAND;
}

static bool is_head(const struct daemon *d, const struct worker *w)
{
    return d->head && d->head->job == w->job;
}

/* ---- answers out ---- */

static void send_answers(struct daemon *d, struct worker *w)
{
    uint64_t now = mono_us();
    if (!w->count)
        return;
    uint32_t len = le_u32(w->ends->data + 4 * (size_t)(w->count - 1));
    uint32_t n = w->count;
    answer_result(d, n, w->ends, w->in->data + w->start, len, w->in, now - w->begun_us);
    blk_rele(w->ends);
    w->ends = NULL;
    w->count = 0;
    w->start += len;
    w->begun_us = now;
}

/* The tasks that were cancelled before they were written have no answer from the worker. */
static void answer_skipped(struct daemon *d, struct worker *w)
{
    while (is_head(d, w) && !w->count && task_has_mark(d->head, d->head->done, MARK_SKIPPED) &&
           d->head->done < d->head->written)
        answer_why(d, WIRE_CANCELLED, -1, "");
}

static uint32_t solo_step(struct worker *w)
{
    w->answered = true;
    if (w->solo_left)
        w->solo_left--;
    return --w->outstanding;
}

/* One answer of len bytes (framed: without its head) was found at start + (length of those before). */
static void add_answer(struct daemon *d, struct worker *w, size_t end_offset)
{
    struct batch *b = d->head;
    if (!w->ends && !(w->ends = blk_new(4 * (size_t)(b->slices.n - b->done))))
        abort();
    le_put_u32(w->ends->data + 4 * (size_t)w->count, (uint32_t)end_offset);
    w->count++;
    solo_step(w);
    uint32_t next = b->done + w->count;
    if (next == b->slices.n || end_offset >= SEND_BYTES || task_has_mark(b, next, MARK_SKIPPED))
        send_answers(d, w);
    answer_skipped(d, w);
}

static bool expects_answer(const struct daemon *d, const struct worker *w)
{
    return is_head(d, w) && w->outstanding && d->head->done + w->count < d->head->written;
}

/* ---- the process ---- */

static void worker_free(struct worker *w)
{
    process_close(&w->process);
    if (w->in_fd >= 0)
        close(w->in_fd);
    buf_fini(&w->framed);
    buf_fini(&w->err);
    blk_rele(w->in);
    blk_rele(w->ends);
    free(w);
}

static void kill_worker(struct worker *w, enum wire_outcome why)
{
    if (w->alive) {
        w->killed_for = why;
        process_kill(&w->process, SIGKILL);
    }
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
    w->input_broken = w->answered = false;
    w->killed_for = WIRE_DONE;
    w->out_place = w->err_place = w->pid_place = -1;
    buf_clear(&w->err);
    return 0;
}

/* No task of the head batch can run. */
static void fail_batch(struct daemon *d, int exit_status, const char *why)
{
    const struct batch *b = d->head;
    uint32_t left = b->slices.n - b->done;
    for (uint32_t i = 0; i < left; i++)
        answer_why(d, WIRE_FAILED, exit_status, why);
}

static bool ensure_alive(struct daemon *d, struct worker *w)
{
    char why[400];
    int rv;
    if (w->alive)
        return true;
    if (w->job->problem) {
        fail_batch(d, 126, w->job->problem);
        return false;
    }
    if (d->again_ms || d->paused)
        return false;
    if ((rv = spawn_worker(d, w)) == 0) {
        d->short_ms = 0;
        return true;
    }
    if (daemon_is_short(d, rv))
        return false;
    snprintf(why, sizeof why, "cannot run '%.200s': %s", w->job->func.argv[0],
        rv == ENOENT ? "command not found" : strerror(rv));
    fail_batch(d, rv == ENOENT ? 127 : 126, why);
    return false;
}

/* ---- tasks in ---- */

static void frame_piece(struct worker *w, struct batch *b, uint32_t from, uint32_t to)
{
    buf_clear(&w->framed);
    for (uint32_t i = from; i < to; i++) {
        struct task t = task_at(b, i);
        uint8_t head[FRAME_HEAD] = {0};
        le_put_u32(head, (uint32_t)t.len);
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
        if (w->job->func.kind == FUNC_FRAMED) {
            frame_piece(w, b, from, to);
        } else {
            uint32_t at = wire_slice_start(&b->slices, from);
            w->piece = b->slices.bytes + at;
            w->piece_len = wire_slice_end(&b->slices, to - 1) - at;
        }
        w->piece_batch = b;
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
    if (!w || !w->alive || w->input_broken || w->killed_for != WIRE_DONE)
        return;
    while (w->piece_len || next_piece(d, w)) {
        ssize_t n = write(w->in_fd, w->piece, w->piece_len);
        if (n < 0) {
            w->input_broken = errno != EAGAIN;
            return;
        }
        w->piece += n;
        w->piece_len -= (size_t)n;
    }
}

/* ---- answers in ---- */

static void fault(struct daemon *d, struct worker *w, const char *text)
{
    answer_fault(d, w->job, text);
    kill_worker(w, WIRE_FAILED);
    w->start = w->scan = w->end = 0;
}

static void answer_too_long(struct daemon *d, struct worker *w)
{
    char why[120];
    snprintf(why, sizeof why, "an answer longer than the limit of %u bytes", w->job->func.max_output);
    send_answers(d, w);
    if (is_head(d, w) && w->outstanding) {
        answer_why(d, WIRE_FAILED, -1, why);
        solo_step(w);
    }
    kill_worker(w, WIRE_FAILED);
    w->start = w->scan = w->end = 0;
}

static void take_lines(struct daemon *d, struct worker *w)
{
    while (w->scan < w->end) {
        uint8_t *newline = memchr(w->in->data + w->scan, '\n', w->end - w->scan);
        if (!expects_answer(d, w)) {
            fault(d, w, "the worker answered more lines than it was given: its answers may belong to other inputs");
            return;
        }
        if (!newline) {
            w->scan = w->end;
            if (w->end - w->start > (size_t)w->job->func.max_output + READ_BLOCK)
                answer_too_long(d, w);
            return;
        }
        w->scan = (size_t)(newline + 1 - w->in->data);
        add_answer(d, w, w->scan - w->start);
    }
}

/* A framed answer keeps its head in the block; it is cut out by moving what lies before it. */
static void take_frames(struct daemon *d, struct worker *w)
{
    while (w->end - w->scan >= FRAME_HEAD) {
        const uint8_t *head = w->in->data + w->scan;
        uint32_t len = le_u32(head), code = le_u32(head + 4);
        if (!expects_answer(d, w)) {
            fault(d, w, "the worker answered more frames than it was given");
            return;
        }
        if (len > w->job->func.max_output) {
            answer_too_long(d, w);
            return;
        }
        if (w->end - w->scan - FRAME_HEAD < len)
            return;
        if (code == 0) {
            size_t before = w->scan - w->start;
            memmove(w->in->data + w->start + FRAME_HEAD, w->in->data + w->start, before);
            w->start += FRAME_HEAD;
            w->scan += FRAME_HEAD + len;
            add_answer(d, w, before + len);
        } else {
            send_answers(d, w);
            struct wire_report r = {.exit_status = code < 256 ? (int32_t)code : 255,
                .why = head + FRAME_HEAD,
                .why_len = len,
                .run_us = mono_us() - w->begun_us};
            solo_step(w);
            w->scan += FRAME_HEAD + len;
            w->start = w->scan;
            answer_report(d, WIRE_FAILED, &r);
            answer_skipped(d, w);
        }
    }
}

/* Room to read; the unsent part moves to a new block when the old one is full or still being sent. */
static void make_room(struct worker *w)
{
    size_t part = w->end - w->start;
    if (w->in && part == 0 && atomic_load_explicit(&w->in->refs, memory_order_acquire) == 1)
        w->start = w->scan = w->end = 0;
    if (w->in && w->in->cap - w->end >= READ_ROOM)
        return;
    struct blk *bigger = blk_new(part * 2 + READ_BLOCK);
    if (!bigger)
        abort();
    if (w->in)
        memcpy(bigger->data, w->in->data + w->start, part);
    blk_rele(w->in);
    w->in = bigger;
    w->scan -= w->start;
    w->start = 0;
    w->end = part;
}

/* False at the end of the worker's output. */
static bool read_answers(struct daemon *d, struct worker *w)
{
    for (;;) {
        make_room(w);
        size_t room = w->in->cap - w->end;
        ssize_t n = read(w->process.out_fd, w->in->data + w->end, room);
        if (n <= 0)
            return n < 0 && (errno == EAGAIN || errno == EINTR);
        w->end += (size_t)n;
        uint32_t before = w->outstanding;
        if (w->job->func.kind == FUNC_FRAMED)
            take_frames(d, w);
        else
            take_lines(d, w);
        if (w->outstanding != before)
            w->mark_us = mono_us();
        if ((size_t)n < room)
            return true;
    }
}

static void read_err(struct daemon *d, struct worker *w)
{
    ssize_t n = read(w->process.err_fd, buf_reserve(&w->err, 4096), 4096);
    if (n > 0) {
        if (d->output && write(2, w->err.data + w->err.len, (size_t)n) < 0)
            errno = 0;
        w->err.len += (size_t)n;
        if (w->err.len > ERR_TAIL)
            buf_drop(&w->err, w->err.len - ERR_TAIL);
    } else if (n == 0 || errno != EAGAIN) {
        close(w->process.err_fd);
        w->process.err_fd = -1;
    }
}

/* ---- its end ---- */

static void report_death(struct daemon *d, struct worker *w, int status)
{
    char why[160];
    struct wire_report r = {.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
        .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
        .run_us = mono_us() - w->begun_us,
        .err = w->err.data,
        .err_len = (uint32_t)w->err.len};
    enum wire_outcome outcome = WIRE_FAILED;
    if (w->killed_for == WIRE_DONE && daemon_goes_too(d, status))
        return;
    if (w->killed_for == WIRE_TIMEOUT) {
        outcome = WIRE_TIMEOUT;
        snprintf(why, sizeof why, "no answer after %g s, the limit set by --timeout",
            (double)w->job->func.timeout_ms / 1000);
    } else if (w->killed_for == WIRE_CANCELLED) {
        outcome = WIRE_CANCELLED;
        why[0] = '\0';
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
    w->piece_len = 0;
    w->outstanding = 0;
    w->start = w->scan = w->end = 0;
}

static void worker_ended(struct daemon *d, struct worker *w)
{
    read_answers(d, w); /* what it said last */
    send_answers(d, w);
    while (w->process.err_fd >= 0 && w->err.len < ERR_TAIL) {
        size_t before = w->err.len;
        read_err(d, w);
        if (w->err.len == before)
            break;
    }
    int status = process_reap(&w->process, true);
    close(w->in_fd);
    w->in_fd = -1;
    w->alive = false;
    if (is_head(d, w) && w->outstanding && w->killed_for != WIRE_FAILED) {
        /* One that did its work and ended well has not looked at what was left in its pipe. */
        bool retired = WIFEXITED(status) && WEXITSTATUS(status) == 0 && w->answered;
        bool known = w->killed_for != WIRE_DONE || (!retired && (w->solo_left || w->outstanding == 1));
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
    uint64_t now = mono_us(), timeout_us = w->job->func.timeout_ms * 1000;
    if (!w->alive || !w->outstanding || !is_head(d, w) || w->killed_for != WIRE_DONE)
        return;
    if (w->count && now - w->begun_us >= PARTIAL_US)
        send_answers(d, w);
    if (!w->outstanding || !is_head(d, w))
        return;
    if (task_has_mark(d->head, d->head->done + w->count, MARK_CANCELLED)) {
        send_answers(d, w);
        kill_worker(w, WIRE_CANCELLED);
    } else if (timeout_us && !d->stopped_us && now - w->mark_us >= timeout_us) {
        send_answers(d, w);
        kill_worker(w, WIRE_TIMEOUT);
    }
}

static void step_one(struct daemon *d, struct worker *w, const struct watch *watch)
{
    if (!w->alive)
        return;
    if (watch_is_ready(watch, w->err_place) && w->process.err_fd >= 0)
        read_err(d, w);
    bool ended = false;
    if (watch_is_ready(watch, w->out_place))
        ended = !read_answers(d, w);
    if (ended && !watch_is_ready(watch, w->pid_place)) {
        struct pollfd fd = {w->process.pid_fd, POLLIN, 0};
        if (poll(&fd, 1, END_MS) == 0) {
            process_kill(&w->process, SIGKILL); /* it closed its output but lives: it cannot answer any more */
            poll(&fd, 1, -1);
        }
    }
    if (ended || watch_is_ready(watch, w->pid_place))
        worker_ended(d, w);
    else
        check_limits(d, w);
}

static void step_closing(struct daemon *d, const struct watch *watch)
{
    for (struct worker **at = &d->closing; *at;) {
        struct worker *w = *at;
        if (w->alive && mono_us() >= w->close_us && w->killed_for == WIRE_DONE)
            kill_worker(w, WIRE_FAILED);
        step_one(d, w, watch);
        if (w->alive) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        answer_closed(d, w->job->number);
        job_free(w->job);
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
        answer_skipped(d, w);
        if (!is_head(d, w))
            continue;
        if (ensure_alive(d, w)) {
            worker_feed(d);
            answer_skipped(d, w);
            if (is_head(d, w) && (w->outstanding || d->paused)) /* paused: what was not begun goes back */
                break;
            if (is_head(d, w) && w->input_broken)
                kill_worker(w, WIRE_FAILED); /* it reads no more: a new one takes over */
            if (is_head(d, w) && w->killed_for != WIRE_DONE)
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
    if (w->closing && w->killed_for == WIRE_DONE)
        watch_until(watch, w->close_us);
    if (!head || !w->outstanding || stopped || w->killed_for != WIRE_DONE)
        return;
    if (w->piece_len && !w->input_broken)
        watch_add(watch, w->in_fd, POLLOUT);
    if (w->count)
        watch_until(watch, w->begun_us + PARTIAL_US);
    if (w->job->func.timeout_ms)
        watch_until(watch, w->mark_us + w->job->func.timeout_ms * 1000);
}

void worker_watch(struct daemon *d, struct watch *watch)
{
    if (d->head && d->head->job->worker)
        watch_one(d->head->job->worker, watch, true, d->stopped_us != 0);
    for (struct job *j = d->jobs; j; j = j->next)
        if (j->worker && !is_head(d, j->worker))
            watch_one(j->worker, watch, false, false);
    for (struct worker *w = d->closing; w; w = w->next)
        watch_one(w, watch, false, false);
}

void worker_flush(struct daemon *d)
{
    if (d->head && d->head->job->worker && d->head->job->worker->outstanding == 0)
        send_answers(d, d->head->job->worker);
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
    }
}

void worker_close(struct daemon *d, struct job *j)
{
    struct worker *w = j->worker;
    if (!w || !w->alive) {
        answer_closed(d, j->number);
        if (w)
            worker_free(w);
        job_free(j);
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
    if (w->alive) {
        process_kill(&w->process, SIGKILL);
        process_reap(&w->process, true);
    }
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
        job_free(w->job);
        drop(w);
    }
}
