/* Each direction of a connection is a small state machine: greeting, length, the head of the frame, the rest. */
#include "hosts/remote/meter.h"

#include "base/le.h"
#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX = 8, SP_HEADER = 4, MIRAI_MARK = 7, MIRAI_MIN = 12 };
static const uint64_t frame_max = UINT64_C(1) << 48; /* more is no length: these bytes mean something else */

enum phase { GREETING, LENGTH, HEAD, BODY };
enum meaning { PLAIN, TASK, RESULT, LAST_RESULT, SIGNAL };

struct way {
    enum phase phase;
    enum meaning meaning; /* of the frame that passes */
    uint8_t part[PREFIX]; /* collected so far: */
    size_t have;
    uint64_t length, left;
    uint64_t frames;
};

struct meter {
    _Atomic unsigned refs;
    enum meter_kind kind;
    _Atomic bool strange;
    _Atomic unsigned connections, busy;
    _Atomic uint64_t opened, bytes_up, bytes_down, frames_up, frames_down, tasks, results, cancels;
    void (*changed)(void *arg, unsigned connections);
    void *arg;
};

struct meter_stream {
    struct meter *meter;
    struct way up, down;
    bool strange;       /* only bytes from now on */
    bool is_busy;       /* a task that has no result */
    bool is_retiring;   /* it has sent its last result */
    uint16_t protocols; /* of SP, as greeted */
};

struct meter *meter_new(enum meter_kind kind)
{
    struct meter *m = mem_zalloc(sizeof *m);
    m->refs = 1;
    m->kind = kind;
    return m;
}

struct meter *meter_hold(struct meter *m)
{
    atomic_fetch_add(&m->refs, 1);
    return m;
}

void meter_rele(struct meter *m)
{
    if (m && atomic_fetch_sub(&m->refs, 1) == 1)
        free(m);
}

void meter_read(const struct meter *m, struct meter_counts *out)
{
    *out = (struct meter_counts){.is_framed = m->kind != METER_BYTES && !atomic_load(&m->strange),
        .connections = atomic_load(&m->connections),
        .busy = atomic_load(&m->busy),
        .opened = atomic_load(&m->opened),
        .bytes_up = atomic_load(&m->bytes_up),
        .bytes_down = atomic_load(&m->bytes_down),
        .frames_up = atomic_load(&m->frames_up),
        .frames_down = atomic_load(&m->frames_down),
        .tasks = atomic_load(&m->tasks),
        .results = atomic_load(&m->results),
        .cancels = atomic_load(&m->cancels)};
}

void meter_watch(struct meter *m, void (*changed)(void *arg, unsigned connections), void *arg)
{
    m->changed = changed;
    m->arg = arg;
}

struct meter_stream *meter_open(struct meter *m)
{
    struct meter_stream *s = mem_zalloc(sizeof *s);
    s->meter = meter_hold(m);
    s->up.phase = s->down.phase = m->kind == METER_DASK ? LENGTH : GREETING;
    s->strange = m->kind == METER_BYTES;
    atomic_fetch_add(&m->opened, 1);
    unsigned now = atomic_fetch_add(&m->connections, 1) + 1;
    if (m->changed)
        m->changed(m->arg, now);
    return s;
}

static void set_busy(struct meter_stream *s, bool busy)
{
    if (busy && !s->is_busy)
        atomic_fetch_add(&s->meter->busy, 1);
    else if (!busy && s->is_busy)
        atomic_fetch_sub(&s->meter->busy, 1);
    s->is_busy = busy;
}

void meter_close(struct meter_stream *s)
{
    if (!s)
        return;
    struct meter *m = s->meter;
    set_busy(s, false);
    unsigned now = atomic_fetch_sub(&m->connections, 1) - 1;
    if (m->changed)
        m->changed(m->arg, now);
    meter_rele(m);
    free(s);
}

/* ---- frames ---- */

static void add(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* What a frame of mirai is, by its direction and its head (docs/runtimes.md). */
static enum meaning judge(const struct meter_stream *s, const struct way *w)
{
    bool is_down = w == &s->down;
    const uint8_t *body = w->part + SP_HEADER;
    bool is_marked = w->length > MIRAI_MIN && body[0] == MIRAI_MARK;
    if (s->meter->kind != METER_MIRAI)
        return is_down ? TASK : RESULT;
    if (w->length == SP_HEADER)
        return is_down ? SIGNAL : PLAIN;
    if (!is_down)
        return is_marked && body[3] ? LAST_RESULT : RESULT;
    /* Pairs: the first frame sets the daemon up. */
    return is_marked || w->frames || s->protocols != 0x11 ? TASK : PLAIN;
}

static void passed(struct meter_stream *s, struct way *w)
{
    struct meter *m = s->meter;
    w->frames++;
    w->phase = LENGTH;
    add(w == &s->down ? &m->frames_down : &m->frames_up);
    if (m->kind == METER_DASK)
        return;
    switch (w->meaning) {
    case TASK:
        add(&m->tasks);
        set_busy(s, true);
        break;
    case LAST_RESULT: s->is_retiring = true; /* fall through */
    case RESULT:
        add(&m->results);
        set_busy(s, false);
        break;
    case SIGNAL:
        if (!s->is_retiring) /* then it only says that the last result has come */
            add(&m->cancels);
        break;
    case PLAIN: break;
    }
}

static void give_up(struct meter_stream *s)
{
    s->strange = true;
    atomic_store(&s->meter->strange, true);
    set_busy(s, false);
}

static bool greeted(struct meter_stream *s, struct way *w)
{
    static const uint8_t sp[] = {0, 'S', 'P', 0};
    if (memcmp(w->part, sp, sizeof sp) != 0 || w->part[6] || w->part[7])
        return false;
    if (w == &s->down)
        s->protocols = (uint16_t)(w->part[4] << 8 | w->part[5]);
    w->phase = LENGTH;
    return true;
}

static uint64_t big_endian(const uint8_t *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return be64toh(v);
}

static bool sized(struct meter_stream *s, struct way *w)
{
    bool is_sp = s->meter->kind != METER_DASK;
    w->length = w->left = is_sp ? big_endian(w->part) : le_u64(w->part);
    if (w->length > frame_max || (is_sp && s->meter->kind == METER_MIRAI && w->length < SP_HEADER))
        return false;
    w->phase = is_sp ? HEAD : BODY;
    if (!w->length) {
        w->meaning = w == &s->down ? TASK : RESULT;
        passed(s, w);
    }
    return true;
}

static bool headed(struct meter_stream *s, struct way *w)
{
    w->meaning = judge(s, w);
    w->left = w->length - w->have;
    w->phase = BODY;
    if (!w->left)
        passed(s, w);
    return true;
}

/* How much is collected before the next step. */
static size_t wanted(const struct way *w)
{
    return w->phase == HEAD && w->length < PREFIX ? (size_t)w->length : PREFIX;
}

/* Collects; true when the part is whole. */
static bool collect(struct way *w, const uint8_t **at, size_t *len)
{
    size_t want = wanted(w) - w->have, n = *len < want ? *len : want;
    memcpy(w->part + w->have, *at, n);
    w->have += n;
    *at += n;
    *len -= n;
    return n == want;
}

static void follow(struct meter_stream *s, struct way *w, const uint8_t *at, size_t len)
{
    while (len && !s->strange) {
        if (w->phase == BODY) {
            size_t n = len < w->left ? len : (size_t)w->left;
            at += n;
            len -= n;
            w->left -= n;
            if (!w->left)
                passed(s, w);
            continue;
        }
        if (!collect(w, &at, &len))
            return;
        bool good = w->phase == GREETING ? greeted(s, w) : w->phase == LENGTH ? sized(s, w) : headed(s, w);
        w->have = 0;
        if (!good)
            give_up(s);
    }
}

void meter_up(struct meter_stream *s, const void *data, size_t len)
{
    if (!s)
        return;
    atomic_fetch_add_explicit(&s->meter->bytes_up, len, memory_order_relaxed);
    follow(s, &s->up, data, len);
}

void meter_down(struct meter_stream *s, const void *data, size_t len)
{
    if (!s)
        return;
    atomic_fetch_add_explicit(&s->meter->bytes_down, len, memory_order_relaxed);
    follow(s, &s->down, data, len);
}
