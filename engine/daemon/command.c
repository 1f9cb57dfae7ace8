/* Commands: one process a task. Its output is read while it runs, so it never waits for us long; what is beyond the
 * limit is counted and dropped, and the task says so. A command that ends soon wakes us once, by its end: what little
 * it wrote is in its pipes until then. */
#include "engine/daemon/daemon.h"

#include "base/mono.h"
#include "engine/daemon/files/files.h"
#include "engine/wire/expand.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AHEAD = 8, ENDED_MOST = 32 }; /* tasks whose files are brought, and are taken home */
enum { READ_SIZE = 64 << 10, READ_MOST = 1 << 20, PIPE_HOLDS = 64 << 10, LISTEN_AFTER_US = 5000 };

struct run {
    struct process process;
    struct job *job;
    struct buf out, err;
    uint64_t out_total, started_us, deadline_us;
    uint64_t listen_us;       /* from then on its output is watched */
    enum wire_outcome forced; /* TIMEOUT or CANCELLED: we killed it, at killed_us */
    uint64_t killed_us;
    int out_place, err_place, pid_place;
    const struct batch *batch; /* while it runs: which task it is */
    uint32_t at;
    struct task_files *files; /* of the batch; or NULL */
    /* once it has ended: */
    struct wire_report report;
    enum wire_outcome outcome;
    char *why;
    struct run *next;
};

/* The environment and argv of the task at hand; kept, for they are the same size again and again. */
static struct buf env_buf, argv_buf;

/* The input as a file descriptor: a pipe when it fits into one, else a memory file. */
static int input_fd(const struct task *t)
{
    int fds[2];
    if (t->len <= PIPE_HOLDS) {
        if (pipe2(fds, O_CLOEXEC))
            return -1;
        ssize_t n = write(fds[1], t->input, t->len);
        close(fds[1]);
        if (n == (ssize_t)t->len)
            return fds[0];
        close(fds[0]);
        return -1;
    }
    int fd = memfd_create("clowder-input", MFD_CLOEXEC);
    for (size_t done = 0; fd >= 0 && done < t->len;) {
        ssize_t n = write(fd, t->input + done, t->len - done);
        if (n <= 0) {
            close(fd);
            return -1;
        }
        done += (size_t)n;
    }
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

/* ---- answers ---- */

static void run_free(struct run *r)
{
    buf_fini(&r->out);
    buf_fini(&r->err);
    free(r->why);
    free(r);
}

static void answer(struct daemon *d, struct run *r)
{
    r->report.out = r->out.data;
    r->report.out_len = (uint32_t)r->out.len;
    r->report.err = r->err.data;
    r->report.err_len = (uint32_t)r->err.len;
    r->report.why = (const uint8_t *)(r->why ? r->why : "");
    r->report.why_len = (uint32_t)strlen((const char *)r->report.why);
    answer_report(d, r->outcome, &r->report);
    run_free(r);
}

static void take_home_failed(struct run *r)
{
    r->outcome = r->files->is_ours ? WIRE_CANNOT : WIRE_FAILED;
    free(r->why);
    r->why = mem_strdup(r->files->why);
}

/* Answers what has ended, in its order, as far as its files are home. */
static void settle(struct daemon *d)
{
    while (d->ended) {
        struct run *r = d->ended;
        bool has_files = r->outcome == WIRE_DONE && r->files;
        if (has_files && files_state(r->files) == FILES_LEAVING)
            return;
        if (has_files && files_state(r->files) == FILES_FAILED) {
            take_home_failed(r);
        } else if (has_files) {
            r->report.file_count = r->files->count;
            r->report.file_bytes = r->files->bytes;
        }
        d->ended = r->next;
        d->ended_count--;
        answer(d, r);
    }
    d->last_ended = NULL;
}

static void end_run(struct daemon *d, struct run *r)
{
    *(d->ended ? &d->last_ended->next : &d->ended) = r;
    d->last_ended = r;
    d->ended_count++;
    settle(d);
}

/* The next task of the batch ends without a process. */
static void end_without(struct daemon *d, struct batch *b, enum wire_outcome outcome, int exit_status, const char *why)
{
    b->begun++;
    if (!d->ended) {
        answer_why(d, outcome, exit_status, why);
        return;
    }
    struct run *r = mem_zalloc(sizeof *r);
    r->outcome = outcome;
    r->report.exit_status = exit_status;
    r->why = mem_strdup(why);
    end_run(d, r);
}

/* ---- the start ---- */

static void refuse(struct daemon *d, struct batch *b, int rv, const struct task *t)
{
    const struct job *j = b->job;
    char why[400];
    if (daemon_is_short(d, rv))
        return;
    if (rv == E2BIG) /* of this task, wherever it is tried */
        snprintf(why, sizeof why, "the command line is too long (input of %zu bytes); use --stdin or a worker", t->len);
    else
        snprintf(why, sizeof why, "cannot run '%.200s': %s", j->func.argv[0],
            rv == ENOENT ? "command not found" : strerror(rv));
    end_without(d, b, rv == E2BIG ? WIRE_FAILED : WIRE_CANNOT, rv == ENOENT ? 127 : 126, why);
}

/* The files of that task, which come from now on if they did not before; NULL: it has none. */
static struct task_files *files_at(struct daemon *d, struct batch *b, uint32_t i)
{
    if (!b->job->has_files || b->job->problem)
        return NULL;
    if (!b->files) {
        b->room = b->slices.n;
        b->files = mem_zalloc(b->room * sizeof(struct task_files *));
    }
    if (!b->files[i] && !task_has_mark(b, i, MARK_CANCELLED)) {
        struct task t = task_at(b, i);
        b->files[i] = files_bring(d, b->job, t.index, t.input, t.len);
    }
    return b->files[i];
}

/* Those of the next tasks come while this one runs. */
static void bring_ahead(struct daemon *d)
{
    unsigned left = AHEAD;
    for (struct batch *b = d->head; b && left && !d->paused; b = b->next)
        for (uint32_t i = b->begun; i < b->slices.n && left && b->job->has_files && !files_of_job_are_coming(b->job);
             i++, left--)
            files_at(d, b, i);
}

/* The task cannot run, and is answered. */
static bool is_barred(struct daemon *d, struct batch *b, const struct task *t, const struct task_files *files)
{
    const struct job *j = b->job;
    if (task_has_mark(b, b->begun, MARK_CANCELLED))
        end_without(d, b, WIRE_CANCELLED, -1, "");
    else if (j->problem)
        end_without(d, b, WIRE_CANNOT, 126, j->problem);
    else if (!j->func.use_stdin && !j->func.has_columns && memchr(t->input, 0, t->len))
        end_without(
            d, b, WIRE_FAILED, 126, "the input holds a NUL byte, which an argument cannot hold; use --stdin or -W");
    else if (files && files_state(files) == FILES_FAILED)
        end_without(d, b, files->is_ours ? WIRE_CANNOT : WIRE_FAILED, -1, files->why);
    else
        return false;
    return true;
}

/* Starts the next task of the batch, or answers at once why it cannot run. False: it waits for its files. */
static bool start(struct daemon *d, struct batch *b)
{
    struct job *j = b->job;
    struct task t = task_at(b, b->begun);
    struct task_files *files = files_at(d, b, b->begun);
    struct run *r;
    if (files && files_state(files) == FILES_COMING && !task_has_mark(b, b->begun, MARK_CANCELLED))
        return false;
    if (is_barred(d, b, &t, files))
        return true;
    struct spawn s = {.env = job_env(d, j, t.index, &env_buf), .dir = j->dir, .in_fd = -1, .limits = &d->limits};
    struct expansion e = func_expansion(&j->func, t.input, t.len, t.index);
    if (j->func.use_stdin)
        e.len = 0;
    s.argv = j->func.no_input && !j->func.shell ? j->func.argv
                                                : expand_argv(&argv_buf, j->func.argv, j->func.argc, j->append, &e);
    if (j->func.use_stdin && (s.in_fd = input_fd(&t)) < 0) {
        refuse(d, b, errno, &t);
        return true;
    }
    if (files)
        s.dir = files->dir;
    home_flush(d); /* the task may be the end of us: what is answered is out before */
    r = mem_zalloc(sizeof *r);
    r->started_us = mono_us();
    int rv = process_spawn(&r->process, &s);
    if (s.in_fd >= 0)
        close(s.in_fd);
    if (rv) {
        free(r);
        refuse(d, b, rv, &t);
        return true;
    }
    r->job = j;
    r->batch = b;
    r->at = b->begun++;
    r->files = files;
    r->deadline_us = j->func.timeout_ms ? r->started_us + j->func.timeout_ms * 1000 : UINT64_MAX;
    r->forced = WIRE_DONE;
    r->listen_us = r->started_us + (j->fills_pipes ? 0 : LISTEN_AFTER_US);
    d->run = r;
    d->short_ms = 0;
    return true;
}

/* Reads what is there, most bytes if nobody lets up. stdout is kept from its start, stderr to its end. */
static void read_out(struct run *r, size_t most)
{
    size_t limit = r->job->func.max_output;
    for (size_t got = 0; got < most;) {
        uint8_t *at = buf_reserve(&r->out, READ_SIZE);
        ssize_t n = read(r->process.out_fd, at, READ_SIZE);
        if (n <= 0) {
            if (n == 0 || errno != EAGAIN) {
                close(r->process.out_fd);
                r->process.out_fd = -1;
            }
            return;
        }
        got += (size_t)n;
        r->out_total += (uint64_t)n;
        r->out.len += (size_t)n;
        if (r->out.len > limit)
            r->out.len = limit;
        if (n < READ_SIZE)
            return;
    }
}

/* How many bytes came. */
static size_t read_err(struct run *r, bool echo)
{
    ssize_t n = read(r->process.err_fd, buf_reserve(&r->err, READ_SIZE), READ_SIZE);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        close(r->process.err_fd);
        r->process.err_fd = -1;
    } else if (n > 0) {
        if (echo && write(2, r->err.data + r->err.len, (size_t)n) < 0)
            errno = 0; /* the log is full: the task goes on */
        r->err.len += (size_t)n;
        if (r->err.len > FUNC_STDERR_KEEP)
            buf_drop(&r->err, r->err.len - FUNC_STDERR_KEEP);
    }
    return n > 0 ? (size_t)n : 0;
}

/* What it wrote last. It is dead: that is in its pipes, and whoever still writes there is somebody else. */
static void drain(struct run *r, bool echo)
{
    uint64_t end = r->out_total + process_pipe_holds(r->process.out_fd), before = UINT64_MAX;
    while (r->process.out_fd >= 0 && r->out_total < end && r->out_total != before) {
        before = r->out_total;
        read_out(r, (size_t)(end - before));
    }
    size_t left = process_pipe_holds(r->process.err_fd);
    for (size_t n; left && r->process.err_fd >= 0 && (n = read_err(r, echo)); left -= n < left ? n : left)
        ;
}

static void force(struct run *r, enum wire_outcome outcome)
{
    r->forced = outcome;
    r->killed_us = mono_us();
    process_kill(&r->process, SIGKILL);
}

/* What became of it, but for its files. */
static void judge(struct daemon *d, struct run *r, int status)
{
    char why[160] = "";
    struct wire_report *w = &r->report;
    r->outcome = r->forced;
    w->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    w->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    w->run_us = mono_us() - r->started_us;
    w->out_total = r->out_total;
    if (r->outcome == WIRE_TIMEOUT)
        snprintf(why, sizeof why, "no result after %g s, the limit set by --timeout",
            (double)r->job->func.timeout_ms / 1000);
    if (r->outcome == WIRE_DONE && (w->exit_status != 0 || w->signal)) {
        r->outcome = WIRE_FAILED;
        limits_explain(&d->limits, status, &r->err, why, sizeof why);
    }
    if (r->outcome == WIRE_DONE && r->out_total > r->out.len) {
        r->outcome = WIRE_FAILED;
        snprintf(why, sizeof why, "stdout cut at the limit of %u bytes; the task wrote %llu", r->job->func.max_output,
            (unsigned long long)r->out_total);
    }
    r->why = mem_strdup(why);
}

/* The process has ended: its files go home, and its answer when they are there. */
static void end(struct daemon *d, struct run *r, int status)
{
    d->run = NULL;
    if (r->forced == WIRE_DONE && daemon_goes_too(d, status)) {
        run_free(r);
        return;
    }
    judge(d, r, status);
    if (r->outcome == WIRE_DONE && r->files)
        files_take_home(r->files);
    end_run(d, r);
}

/* True when the process has ended and its task is answered. */
static bool collect(struct daemon *d, const struct watch *w)
{
    struct run *r = d->run;
    if (r->process.out_fd >= 0 && watch_is_ready(w, r->out_place))
        read_out(r, READ_MOST);
    if (r->process.err_fd >= 0 && watch_is_ready(w, r->err_place))
        read_err(r, d->set.output);
    if (!watch_is_ready(w, r->pid_place) && !process_is_stuck(r->killed_us)) {
        if (mono_us() >= r->deadline_us && r->forced == WIRE_DONE && !d->stopped_us)
            force(r, WIRE_TIMEOUT);
        return false;
    }
    if (d->set.cleanup)
        process_kill(&r->process, SIGKILL); /* what it left behind */
    drain(r, d->set.output);
    r->job->fills_pipes = r->out_total >= PIPE_HOLDS;
    end(d, r, process_reap(&r->process, false));
    return true;
}

/* The batch of the next task that is not begun, when it is a command's; or NULL. */
static struct batch *next_batch(const struct daemon *d)
{
    struct batch *b = d->head;
    while (b && b->begun == b->slices.n && !worker_is_kind(b->job))
        b = b->next;
    return b && !worker_is_kind(b->job) ? b : NULL;
}

/* Begins what can be begun. */
static void begin(struct daemon *d)
{
    struct batch *b;
    while (!d->run && d->ended_count < ENDED_MOST && !d->quit_now && !d->again_ms && !d->paused &&
           (b = next_batch(d)) && !files_of_job_are_coming(b->job))
        if (!start(d, b))
            return;
}

void command_step(struct daemon *d, const struct watch *w)
{
    settle(d);
    if (d->run && !collect(d, w))
        return;
    begin(d);
    bring_ahead(d);
}

bool command_is_at(const struct daemon *d, const struct batch *b, uint32_t i)
{
    return d->run && d->run->batch == b && d->run->at == i;
}

void command_watch(struct daemon *d, struct watch *w)
{
    struct run *r = d->run;
    if (!r)
        return;
    bool listens = mono_us() >= r->listen_us;
    r->out_place = watch_add(w, listens ? r->process.out_fd : -1, POLLIN);
    r->err_place = watch_add(w, listens ? r->process.err_fd : -1, POLLIN);
    r->pid_place = watch_add(w, r->process.pid_fd, POLLIN);
    if (!listens)
        watch_until(w, r->listen_us);
    if (r->killed_us)
        watch_until(w, r->killed_us + PROCESS_STUCK_US);
    if (r->forced == WIRE_DONE && !d->stopped_us)
        watch_until(w, r->deadline_us);
}

void command_cancel(struct daemon *d)
{
    if (d->run && d->run->forced == WIRE_DONE)
        force(d->run, WIRE_CANCELLED);
}

void command_stop(struct daemon *d, bool stop, uint64_t passed_us)
{
    if (!d->run)
        return;
    process_kill(&d->run->process, stop ? SIGSTOP : SIGCONT);
    d->run->started_us += passed_us;
    d->run->deadline_us += d->run->deadline_us == UINT64_MAX ? 0 : passed_us;
}

void command_kill(struct daemon *d)
{
    while (d->ended) {
        struct run *r = d->ended;
        d->ended = r->next;
        run_free(r);
    }
    d->last_ended = NULL;
    d->ended_count = 0;
    if (!d->run)
        return;
    process_end(&d->run->process);
    run_free(d->run);
    d->run = NULL;
}
