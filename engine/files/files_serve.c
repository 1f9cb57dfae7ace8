/* The thread of a connection for files: answers what is asked, in its order. */
#include "engine/files/arrival.h"
#include "engine/files/files_internal.h"
#include "engine/wire/parcel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LISTS = 64 }; /* that were answered last: their contents may be asked for */

/* A task whose files were listed. */
struct listed {
    uint32_t job;
    uint64_t index;
    struct file_sources sources;
};

/* What a task brings, whose blocks come. */
struct bringing {
    struct arrival *arrival;
    uint32_t job;
    uint64_t index;
    struct bringing *next;
};

struct server {
    struct files_peer *peer;
    struct listed lists[LISTS];
    unsigned next;
    struct bringing *first, *last;
};

/* ---- answers ---- */

static struct blk *body_of(const void *data, size_t len)
{
    struct blk *b = blk_new(len);
    if (!b)
        abort();
    if (len)
        memcpy(b->data, data, len);
    return b;
}

static void answer(
    struct server *s, enum wire_type type, uint32_t job, uint64_t index, const struct buf *body, uint32_t n)
{
    files_send(s->peer, &(struct frame){.type = type, .job = job, .first = index, .n = n, .len = (uint32_t)body->len},
        body_of(body->data, body->len));
}

/* Takes why. */
static void refuse(struct server *s, enum wire_type type, uint32_t job, uint64_t index, char *why)
{
    struct frame f = {.type = type, .job = job, .first = index, .code = CLW_NOT_FOUND, .len = (uint32_t)strlen(why)};
    files_send(s->peer, &f, body_of(why, f.len));
    free(why);
}

static void refuse_unknown(struct server *s, enum wire_type type, const struct frame *f)
{
    refuse(s, type, f->job, f->first, mem_strdup("the task is not this daemon's any more"));
}

/* ---- to the daemon ---- */

static void want(struct server *s, struct files_message *m)
{
    struct listed *l = &s->lists[s->next];
    struct buf out = {0};
    file_sources_fini(&l->sources);
    *l = (struct listed){.job = m->frame.job, .index = m->frame.first};
    char *why = file_job_list(m->job, m->input, m->input_len, l->index, &s->peer->stop, &out, &l->sources);
    if (!why && out.len > WIRE_BODY_MAX)
        why = mem_strdup("too many files for one task");
    if (why)
        refuse(s, WIRE_LIST, l->job, l->index, why);
    else
        answer(s, WIRE_LIST, l->job, l->index, &out, 0);
    if (l->sources.count)
        s->next = (s->next + 1) % LISTS;
    buf_fini(&out);
}

static const struct file_source *find_source(const struct server *s, const struct frame *f)
{
    for (unsigned i = 0; i < LISTS; i++) {
        const struct listed *l = &s->lists[i];
        for (size_t k = 0; l->job == f->job && l->index == f->first && k < l->sources.count; k++)
            if (l->sources.list[k].entry == f->n)
                return &l->sources.list[k];
    }
    return NULL;
}

static void send_blocks(struct server *s, const struct frame *f, const struct content *c, int fd, uint64_t from)
{
    int rv = 0;
    for (uint32_t i = from < c->blocks ? (uint32_t)from : c->blocks;
         i < c->blocks && !rv && !atomic_load(&s->peer->stop); i++) {
        struct blk *block = blk_new(CONTENT_BLOCK);
        size_t len = content_block_size(c->size, i);
        if (!block)
            abort();
        rv = content_read_block(fd, c->size, i, block->data);
        if (!rv && content_is_zero(block->data, len))
            len = 0;
        struct frame b = {.type = WIRE_BLOCK, .job = f->job, .first = f->first, .n = i, .len = (uint32_t)len};
        b.code = rv ? CLW_IO : CLW_OK;
        if (rv)
            b.len = 0;
        files_send(s->peer, &b, block);
    }
}

static void get(struct server *s, const struct frame *f)
{
    const struct file_source *source = f->len == 8 ? find_source(s, f) : NULL;
    int fd = source ? content_open(source->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0, &s->peer->stop) : -1;
    if (!source) {
        refuse(s, WIRE_HASHES, f->job, f->first, mem_strdup("that file is not one of the task's"));
    } else if (fd < 0) {
        refuse(s, WIRE_HASHES, f->job, f->first, mem_printf("cannot read %s: %s", source->file, strerror(errno)));
    } else {
        const struct content *c = source->content;
        struct buf hashes = {(uint8_t *)c->hashes, (size_t)c->blocks * CONTENT_HASH, 0};
        answer(s, WIRE_HASHES, f->job, f->first, &hashes, c->blocks);
        send_blocks(s, f, c, fd, le_u64(f->body));
    }
    if (fd >= 0)
        close(fd);
}

/* ---- home ---- */

static void drop_first(struct server *s)
{
    struct bringing *b = s->first;
    s->first = b->next;
    arrival_free(b->arrival);
    free(b);
}

static void finish(struct server *s, struct arrival *a, uint32_t job, uint64_t index)
{
    uint32_t files;
    uint64_t bytes;
    uint8_t number[8];
    char *why = arrival_end(a, &files, &bytes);
    if (why) {
        refuse(s, WIRE_HOME, job, index, why);
        return;
    }
    le_put_u64(number, bytes);
    answer(s, WIRE_HOME, job, index, &(struct buf){number, sizeof number, 0}, files);
}

static void put(struct server *s, struct files_message *m)
{
    struct buf needs = {0};
    char *why;
    struct arrival *a = arrival_new(m->job, m->input, m->input_len, m->frame.first, m->block, m->frame.body,
        m->frame.len, s->peer->is_here, &s->peer->stop, &why);
    if (!a) {
        refuse(s, WIRE_HOME, m->frame.job, m->frame.first, why);
    } else if (!arrival_needs(a, &needs)) {
        finish(s, a, m->frame.job, m->frame.first);
        arrival_free(a);
    } else {
        struct bringing *b = mem_zalloc(sizeof *b);
        *b = (struct bringing){.arrival = a, .job = m->frame.job, .index = m->frame.first};
        *(s->first ? &s->last->next : &s->first) = b;
        s->last = b;
        answer(s, WIRE_NEED, b->job, b->index, &needs, 0);
    }
    buf_fini(&needs);
}

/* Of the first that is not whole; blocks that are left of one that failed are passed over. */
static void take_block(struct server *s, const struct frame *f)
{
    struct bringing *b = s->first;
    if (!b || b->job != f->job || b->index != f->first)
        return;
    char *why = f->code ? mem_strdup("a file became shorter while it was sent")
                        : arrival_block(b->arrival, f->n, f->body, f->len);
    if (why)
        refuse(s, WIRE_HOME, b->job, b->index, why);
    else if (arrival_is_whole(b->arrival))
        finish(s, b->arrival, b->job, b->index);
    else
        return;
    drop_first(s);
}

static void take(struct server *s, struct files_message *m)
{
    switch (m->frame.type) {
    case WIRE_WANT:
        if (m->is_unknown)
            refuse_unknown(s, WIRE_LIST, &m->frame);
        else
            want(s, m);
        break;
    case WIRE_GET: get(s, &m->frame); break;
    case WIRE_PUT:
        if (m->is_unknown)
            refuse_unknown(s, WIRE_HOME, &m->frame);
        else
            put(s, m);
        break;
    default: take_block(s, &m->frame); break;
    }
}

void *files_thread(void *files_peer)
{
    struct server s = {.peer = files_peer};
    for (struct files_message *m; (m = files_next(s.peer)); files_message_done(m))
        take(&s, m);
    while (s.first)
        drop_first(&s);
    for (unsigned i = 0; i < LISTS; i++)
        file_sources_fini(&s.lists[i].sources);
    files_over(s.peer);
    return NULL;
}
