/* What a worker writes: lines or frames, each the answer to the task that it is at, or to be doubted. Answers go on in
 * the block that they were read into. */
#include "engine/daemon/worker.h"

#include "base/mono.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    READ_BLOCK = 256 << 10,
    READ_ROOM = 16 << 10,
    ERR_TAIL = 8 << 10,
    SEND_BYTES = 1 << 20, /* answers of so many bytes do not wait for the rest of their batch */
    SHOW_BYTES = 80,      /* of what is no frame, in a message */
    GREETING_LEN = 8,
};

/* What a framed worker says when it is ready for tasks; clowder_worker.h has it too. No text begins with 0xff, and no
 * answer of a worker that does not greet. */
static const uint8_t greeting[GREETING_LEN] = {0xff, 'C', 'L', 'W', 'F', 'R', '2', '\n'};

/* ---- answers out ---- */

void worker__send(struct daemon *d, struct worker *w)
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

void worker__answer_skipped(struct daemon *d, struct worker *w)
{
    while (worker__is_head(d, w) && d->head->done + w->count < d->head->written &&
           task_has_mark(d->head, d->head->done + w->count, MARK_SKIPPED)) {
        worker__send(d, w);
        answer_why(d, WIRE_CANCELLED, -1, "");
    }
}

/* The task that it was at is answered. */
static void step_on(struct worker *w)
{
    w->answered++;
    w->outstanding--;
    if (w->solo_left)
        w->solo_left--;
}

/* One answer of len bytes (framed: without its head) was found at start + (length of those before). */
static void add_answer(struct daemon *d, struct worker *w, size_t end_offset)
{
    struct batch *b = d->head;
    if (!w->ends && !(w->ends = blk_new(4 * (size_t)(b->slices.n - b->done))))
        abort();
    le_put_u32(w->ends->data + 4 * (size_t)w->count, (uint32_t)end_offset);
    w->count++;
    step_on(w);
    uint32_t next = b->done + w->count;
    if (next == b->slices.n || end_offset >= SEND_BYTES)
        worker__send(d, w);
    worker__answer_skipped(d, w);
}

/* The task that it is at went wrong; what it wrote up to there has been looked at. */
static void add_failure(struct daemon *d, struct worker *w, size_t there, struct wire_report *r)
{
    worker__send(d, w);
    r->run_us = mono_us() - w->begun_us;
    w->begun_us += r->run_us;
    w->start = w->scan = there;
    step_on(w);
    answer_report(d, WIRE_FAILED, r);
    worker__answer_skipped(d, w);
}

static bool expects_answer(const struct daemon *d, const struct worker *w)
{
    return worker__is_head(d, w) && w->outstanding && d->head->done + w->count < d->head->written;
}

/* ---- answers in ---- */

/* The bytes before stay: they may be on their way still. */
void worker__forget(struct worker *w)
{
    w->start = w->scan = w->end;
}

/* It is ended, and nothing that it says counts any more: what it has not answered goes to a new one. */
static void silence(struct daemon *d, struct worker *w)
{
    worker__send(d, w);
    worker__kill(w, KILL_UNBLAMED);
    w->deaf = true;
    worker__forget(w);
}

/* It is not to be believed, and no task of its job is known to be the reason. */
static void fault(struct daemon *d, struct worker *w, const char *text)
{
    answer_fault(d, w->job, text);
    silence(d, w);
}

/* It is not to be believed, by the doing of the task that it is at. */
static void give_up_on_task(struct daemon *d, struct worker *w, const char *why)
{
    struct wire_report r = {.exit_status = -1,
        .why = (const uint8_t *)why,
        .why_len = (uint32_t)strlen(why),
        .err = w->err.data,
        .err_len = (uint32_t)w->err.len};
    add_failure(d, w, w->end, &r);
    silence(d, w);
}

static void answer_too_long(struct daemon *d, struct worker *w)
{
    char why[120];
    snprintf(why, sizeof why, "an answer longer than the limit of %u bytes", w->job->func.max_output);
    give_up_on_task(d, w, why);
}

/* A whole line does no harm to those that follow. */
static void line_too_long(struct daemon *d, struct worker *w, size_t there, size_t len)
{
    char why[120];
    snprintf(why, sizeof why, "an answer of %zu bytes, longer than the limit of %u", len, w->job->func.max_output);
    struct wire_report r = {.exit_status = -1, .why = (const uint8_t *)why, .why_len = (uint32_t)strlen(why)};
    add_failure(d, w, there, &r);
}

static void take_lines(struct daemon *d, struct worker *w)
{
    while (w->scan < w->end) {
        const uint8_t *bytes = w->in->data, *newline = memchr(bytes + w->scan, '\n', w->end - w->scan);
        if (!expects_answer(d, w)) {
            fault(d, w, "the worker answered more lines than it was given: its answers may belong to other inputs");
            return;
        }
        size_t from = w->start + (w->count ? le_u32(w->ends->data + 4 * (size_t)(w->count - 1)) : 0);
        size_t to = newline ? (size_t)(newline - bytes) : w->end;
        bool too_long = to - from > w->job->func.max_output;
        if (!newline) {
            w->scan = w->end;
            if (too_long)
                answer_too_long(d, w);
            return;
        }
        w->scan = to + 1;
        if (too_long)
            line_too_long(d, w, w->scan, to - from);
        else
            add_answer(d, w, w->scan - w->start);
    }
}

/* What it wrote from there on, for people. */
static const char *no_frame(const struct worker *w, const char *more, char *why, size_t size)
{
    char shown[SHOW_BYTES * 4 + 1];
    size_t len = w->end - w->scan;
    text_escape(shown, sizeof shown, (const char *)w->in->data + w->scan, len < SHOW_BYTES ? len : SHOW_BYTES);
    snprintf(why, size, "the worker wrote '%s%s', which is not a frame%s", shown, len > SHOW_BYTES ? "…" : "", more);
    return why;
}

/* True when it has greeted. Who says anything else in that place would say it before each task. */
static bool take_greeting(struct daemon *d, struct worker *w)
{
    char why[600];
    size_t have = w->end - w->scan, n = have < GREETING_LEN ? have : GREETING_LEN;
    if (memcmp(w->in->data + w->scan, greeting, n) != 0) {
        no_frame(w,
            " (only frames may go to its stdout; build the worker again if it was built with an older "
            "clowder_worker.h)",
            why, sizeof why);
        if (worker__is_head(d, w))
            worker__fail_batch(d, 126, why);
        silence(d, w);
        return false;
    }
    if (n < GREETING_LEN)
        return false;
    w->start = w->scan = w->scan + GREETING_LEN;
    w->greeted = true;
    w->mark_us = w->begun_us = mono_us();
    return true;
}

/* Not the number of the task that it is at. That of one before: there are two answers to that one, and the first may
 * be the wrong one. Anything else is no frame. */
static void misfit(struct daemon *d, struct worker *w, bool answered_before)
{
    char why[600];
    if (answered_before)
        fault(d, w, "the worker answered a task twice: one of its answers may belong to another input");
    else if (expects_answer(d, w))
        give_up_on_task(d, w, no_frame(w, " of its answer", why, sizeof why));
    else
        fault(d, w, no_frame(w, "", why, sizeof why));
}

/* A framed answer keeps its head in the block; it is cut out by moving what lies before it. */
static void take_frame(struct daemon *d, struct worker *w, uint32_t len, uint32_t code)
{
    const uint8_t *bytes = w->in->data + w->scan + WORKER_FRAME_OUT;
    if (code) {
        struct wire_report r = {.exit_status = code < 256 ? (int32_t)code : 255, .why = bytes, .why_len = len};
        add_failure(d, w, w->scan + WORKER_FRAME_OUT + len, &r);
        return;
    }
    size_t before = w->scan - w->start;
    memmove(w->in->data + w->start + WORKER_FRAME_OUT, w->in->data + w->start, before);
    w->start += WORKER_FRAME_OUT;
    w->scan += WORKER_FRAME_OUT + len;
    add_answer(d, w, before + len);
}

static void take_frames(struct daemon *d, struct worker *w)
{
    if (!w->greeted && !take_greeting(d, w))
        return;
    while (w->scan < w->end) {
        const uint8_t *head = w->in->data + w->scan;
        size_t have = w->end - w->scan;
        bool due = expects_answer(d, w), whole = have >= WORKER_FRAME_OUT;
        uint32_t len = whole ? le_u32(head) : 0, number = whole ? le_u32(head + 4) : 0;
        if (!due || (whole && number != (uint32_t)w->answered)) {
            misfit(d, w, whole && number < w->answered);
            return;
        }
        if (len > w->job->func.max_output) {
            answer_too_long(d, w);
            return;
        }
        if (!whole || have - WORKER_FRAME_OUT < len)
            return;
        take_frame(d, w, len, le_u32(head + 8));
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

bool worker__read(struct daemon *d, struct worker *w, size_t most)
{
    for (size_t got = 0; got < most;) {
        make_room(w);
        size_t room = w->in->cap - w->end;
        ssize_t n = read(w->process.out_fd, w->in->data + w->end, room);
        if (n <= 0)
            return n < 0 && (errno == EAGAIN || errno == EINTR);
        got += (size_t)n;
        if (w->deaf)
            continue;
        w->end += (size_t)n;
        uint64_t before = w->answered;
        if (w->job->func.kind == FUNC_FRAMED)
            take_frames(d, w);
        else
            take_lines(d, w);
        if (w->answered != before)
            w->mark_us = mono_us();
        if ((size_t)n < room)
            return true;
    }
    return true;
}

size_t worker__read_err(struct daemon *d, struct worker *w)
{
    ssize_t n = read(w->process.err_fd, buf_reserve(&w->err, 4096), 4096);
    if (n > 0) {
        if (d->set.output && write(2, w->err.data + w->err.len, (size_t)n) < 0)
            errno = 0;
        w->err.len += (size_t)n;
        if (w->err.len > ERR_TAIL)
            buf_drop(&w->err, w->err.len - ERR_TAIL);
    } else if (n == 0 || errno != EAGAIN) {
        close(w->process.err_fd);
        w->process.err_fd = -1;
    }
    return n > 0 ? (size_t)n : 0;
}

void worker__read_last(struct daemon *d, struct worker *w)
{
    if (w->process.out_fd >= 0)
        worker__read(d, w, process_pipe_holds(w->process.out_fd));
    size_t left = process_pipe_holds(w->process.err_fd);
    for (size_t n; left && w->process.err_fd >= 0 && (n = worker__read_err(d, w)); left -= n < left ? n : left)
        ;
}
