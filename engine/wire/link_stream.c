/* A link over an nng stream: ipc, tcp or tls+tcp.
 *
 * A send is first tried on an aio without a callback and cancelled at once: when the kernel has room the bytes are gone
 * by then and no thread was woken; only what is left waits on an aio with a callback. Callbacks run in nng's threads;
 * they go on with what they are at, or post. */
#include "engine/wire/link_private.h"

#include <nng/nng.h>

#include <stdio.h>
#include <stdlib.h>

enum { ROOM_FOR_MORE = 2 << 10 }; /* while a record of TLS is dealt with, the next ones are read behind it */

static void set_nodelay(nng_stream *stream)
{
    bool on = true;
    nng_stream_set(stream, NNG_OPT_TCP_NODELAY, &on, sizeof on); /* refused by ipc: fine */
    nng_stream_set(stream, NNG_OPT_TCP_KEEPALIVE, &on, sizeof on);
}

static nng_aio *new_aio(void (*cb)(void *), void *arg)
{
    nng_aio *aio;
    if (nng_aio_alloc(&aio, cb, arg)) {
        fprintf(stderr, "clowder: out of memory\n");
        abort();
    }
    nng_aio_set_timeout(aio, NNG_DURATION_INFINITE);
    return aio;
}

void link_owner_fini(struct link_owner *owner)
{
    if (owner->try_aio)
        nng_aio_free(owner->try_aio);
    owner->try_aio = NULL;
}

/* ---- in ---- */

static void read_more(struct link *l)
{
    nng_iov iov = {l->recv_at, l->recv_left};
    nng_aio_set_iov(l->recv_aio, 1, &iov);
    nng_stream_recv(l->stream, l->recv_aio);
}

/* From a callback: false, and nothing is done, once the stream is closed. */
static bool go_on(struct link *l, void (*with)(struct link *l))
{
    pthread_mutex_lock(&l->ends);
    bool may = !l->is_shut;
    if (may)
        with(l);
    pthread_mutex_unlock(&l->ends);
    return may;
}

static void shut(struct link *l)
{
    pthread_mutex_lock(&l->ends);
    l->is_shut = true;
    pthread_mutex_unlock(&l->ends);
    nng_stream_close(l->stream);
}

static void receive(struct link *l)
{
    uint8_t *at = l->receiving || l->paused ? NULL : link__room(l);
    if (!at)
        return;
    l->recv_at = at;
    l->recv_left = l->room;
    l->recv_taken = 0;
    l->receiving = true;
    read_more(l);
}

static void end(struct link *l, int rv)
{
    shut(l);
    link__end(l, rv == NNG_ECONNSHUT || rv == NNG_ECLOSED ? "the connection was closed" : nng_strerror(rv));
}

static void recv_cb(void *arg)
{
    struct link *l = arg;
    int rv = nng_aio_result(l->recv_aio);
    size_t n = rv ? 0 : nng_aio_count(l->recv_aio);
    bool more = !rv && l->recv_left - n >= ROOM_FOR_MORE;
    l->recv_at += n;
    l->recv_left -= n;
    l->recv_rv = rv;
    atomic_fetch_add(&l->recv_came, n);
    if (more) {
        loop_post(l->loop, &l->received);
        if (go_on(l, read_more))
            return;
        l->recv_rv = NNG_ECLOSED;
    }
    atomic_store(&l->recv_over, true);
    loop_post(l->loop, &l->received);
}

static void received(void *arg)
{
    struct link *l = arg;
    bool over = atomic_exchange(&l->recv_over, false);
    size_t n = atomic_exchange(&l->recv_came, 0);
    l->recv_taken += n;
    if (n && !l->closing)
        link__came(l, n);
    if (!over)
        return;
    l->receiving = false;
    l->got = l->recv_taken;
    if (l->recv_rv || l->closing)
        end(l, l->recv_rv);
    else
        receive(l);
}

/* ---- out ---- */

static unsigned as_iov(const struct iovec *pieces, unsigned n, nng_iov iov[LINK_PIECES])
{
    for (unsigned i = 0; i < n; i++)
        iov[i] = (nng_iov){pieces[i].iov_base, pieces[i].iov_len};
    return n;
}

/* 0: the kernel took some of it. ECANCELED: nothing, it is full. */
static int try_send(struct link *l, unsigned n, nng_iov *iov)
{
    nng_aio *aio = l->owner->try_aio;
    nng_aio_set_iov(aio, n, iov);
    nng_stream_send(l->stream, aio);
    nng_aio_cancel(aio);
    nng_aio_wait(aio);
    return nng_aio_result(aio);
}

static void send_rest(struct link *l)
{
    nng_iov iov[LINK_PIECES];
    nng_aio_set_iov(l->send_aio, as_iov(l->pieces + l->piece, l->piece_count - l->piece, iov), iov);
    nng_stream_send(l->stream, l->send_aio);
}

/* A record of TLS takes little: what is left goes on from here. */
static void send_cb(void *arg)
{
    struct link *l = arg;
    int rv = nng_aio_result(l->send_aio);
    size_t n = rv ? 0 : nng_aio_count(l->send_aio);
    l->send_rv = rv;
    l->sent_bytes += n;
    for (; n && n >= l->pieces[l->piece].iov_len; l->piece++)
        n -= l->pieces[l->piece].iov_len;
    if (n) {
        l->pieces[l->piece].iov_base = (char *)l->pieces[l->piece].iov_base + n;
        l->pieces[l->piece].iov_len -= n;
    }
    if (!rv && l->piece < l->piece_count) {
        if (go_on(l, send_rest))
            return;
        l->send_rv = NNG_ECLOSED;
    }
    loop_post(l->loop, &l->sent);
}

static void flush(struct link *l)
{
    while (!l->sending && !l->closing && l->queue_count) {
        nng_iov iov[LINK_PIECES];
        l->piece = 0;
        l->piece_count = link__front(l, l->pieces, LINK_PIECES);
        int rv = l->try_first ? try_send(l, as_iov(l->pieces, l->piece_count, iov), iov) : NNG_ECANCELED;
        if (rv == 0) {
            link__advance(l, nng_aio_count(l->owner->try_aio));
            continue;
        }
        if (rv != NNG_ECANCELED) {
            link__send_failed(l, nng_strerror(rv));
            return;
        }
        if (!l->send_aio)
            l->send_aio = new_aio(send_cb, l);
        l->sending = true;
        l->sent_bytes = 0;
        send_rest(l);
    }
}

static void sent(void *arg)
{
    struct link *l = arg;
    l->sending = false;
    if (l->send_rv) {
        link__send_failed(l, nng_strerror(l->send_rv));
    } else {
        link__advance(l, l->sent_bytes);
        link_flush(l);
        if (l->owner->batch_cb && !l->closing)
            l->owner->batch_cb(l);
    }
}

/* ---- its end ---- */

static void stop(struct link *l)
{
    shut(l);
    if (!l->receiving && nng_aio_begin(l->recv_aio)) { /* a closed stream takes no receive: end ours by hand, so that */
        l->receiving = true;                           /* its callback tells the owner */
        nng_aio_finish(l->recv_aio, NNG_ECLOSED);
    }
}

static void release(struct link *l)
{
    shut(l);
    nng_aio_stop(l->recv_aio);
    nng_aio_free(l->recv_aio);
    if (l->send_aio) {
        nng_aio_stop(l->send_aio);
        nng_aio_free(l->send_aio);
    }
    loop_unpost(l->loop, &l->received);
    loop_unpost(l->loop, &l->sent);
    nng_stream_free(l->stream);
    pthread_mutex_destroy(&l->ends);
}

struct link *link_new(nng_stream *stream, struct loop *loop, struct link_owner *owner, void *arg, uint32_t max_body)
{
    static const struct link_io io = {
        .start = receive, .pause = receive, .flush = flush, .close = stop, .free = release};
    struct link *l = link__new(&io, loop, owner, arg, max_body);
    l->stream = stream;
    pthread_mutex_init(&l->ends, NULL);
    l->received = (struct loop_call){.run = received, .arg = l};
    l->sent = (struct loop_call){.run = sent, .arg = l};
    l->recv_aio = new_aio(recv_cb, l);
    if (!owner->try_aio)
        owner->try_aio = new_aio(NULL, NULL);
    set_nodelay(stream);
    bool verified;
    l->try_first = nng_stream_get_bool(stream, NNG_OPT_TLS_VERIFIED, &verified) != 0;
    return l;
}
