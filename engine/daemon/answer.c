/* Answers: always for the next tasks of the head batch, so the engine can hold the daemon to its order. */
#include "engine/daemon/daemon.h"
#include "engine/daemon/files/files.h"

#include "base/mono.h"

#include <stdlib.h>
#include <string.h>

struct task task_at(struct batch *b, uint32_t i)
{
    uint32_t from = wire_slice_start(&b->slices, i), to = wire_slice_end(&b->slices, i);
    return (struct task){b, b->first + i, (const char *)b->slices.bytes + from, to - from};
}

bool task_has_mark(const struct batch *b, uint32_t i, enum mark mark)
{
    return b->marks && (b->marks[i] & mark);
}

void task_set_mark(struct batch *b, uint32_t i, enum mark mark)
{
    if (!b->marks)
        b->marks = mem_zalloc(b->slices.n);
    b->marks[i] |= (uint8_t)mark;
}

void batch_forget_files(struct batch *b, uint32_t from)
{
    for (uint32_t i = from; b->files && i < b->room; i++) {
        files_drop(b->files[i]);
        b->files[i] = NULL;
    }
}

void batch_free(struct batch *b)
{
    batch_forget_files(b, 0);
    free(b->files);
    blk_rele(b->block);
    free(b->marks);
    free(b);
}

static void answered(struct daemon *d, uint32_t n)
{
    struct batch *b = d->head;
    b->done += n;
    b->begun = b->begun < b->done ? b->done : b->begun;
    d->done += n;
    d->active_ms = mono_ms();
    if (b->done < b->slices.n)
        return;
    d->head = b->next;
    if (!d->head)
        d->tail = NULL;
    batch_free(b);
}

static struct frame head_frame(const struct daemon *d, enum wire_type type, uint32_t n)
{
    const struct batch *b = d->head;
    return (struct frame){.type = type, .job = b->job->number, .first = b->first + b->done, .n = n};
}

void answer_result(struct daemon *d, uint32_t n, struct blk *ends, const uint8_t *bytes, uint32_t len,
    struct blk *block, uint64_t run_us)
{
    struct frame f = head_frame(d, WIRE_RESULT, n);
    struct link_piece pieces[] = {{ends->data, 4 * n, ends}, {bytes, len, block}};
    f.len = 4 * n + len;
    f.run_us = run_us < UINT32_MAX ? (uint32_t)run_us : UINT32_MAX;
    home_send_ref(d, &f, pieces, 2);
    answered(d, n);
}

void answer_report(struct daemon *d, enum wire_outcome outcome, const struct wire_report *r)
{
    uint32_t len = r->out_len + r->err_len + r->why_len;
    struct blk *block = blk_new(WIRE_REPORT_HEAD + (size_t)len);
    if (!block)
        abort();
    uint8_t *at = block->data + WIRE_REPORT_HEAD;
    const struct {
        const uint8_t *data;
        uint32_t len;
    } parts[] = {{r->out, r->out_len}, {r->err, r->err_len}, {r->why, r->why_len}};
    wire_put_report(block->data, r);
    for (int i = 0; i < 3; at += parts[i].len, i++)
        if (parts[i].len)
            memcpy(at, parts[i].data, parts[i].len);
    struct frame f = head_frame(d, WIRE_REPORT, 1);
    f.code = (uint16_t)outcome;
    f.len = WIRE_REPORT_HEAD + len;
    home_send_ref(d, &f, &(struct link_piece){block->data, f.len, block}, 1);
    blk_rele(block);
    answered(d, 1);
}

void answer_why(struct daemon *d, enum wire_outcome outcome, int exit_status, const char *why)
{
    struct wire_report r = {.exit_status = exit_status, .why = (const uint8_t *)why, .why_len = (uint32_t)strlen(why)};
    answer_report(d, outcome, &r);
}

void answer_fault(struct daemon *d, const struct job *j, const char *text)
{
    struct frame f = {.type = WIRE_FAULT, .job = j->number, .len = (uint32_t)strlen(text)};
    home_send(d, &f, text);
}

void answer_closed(struct daemon *d, uint32_t job)
{
    home_send(d, &(struct frame){.type = WIRE_CLOSED, .job = job}, NULL);
}
