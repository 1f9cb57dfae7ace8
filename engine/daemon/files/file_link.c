/* The same two ways home as in home.c, for a thread that has nothing else to wait for. */
#include "engine/daemon/files/file_link.h"

#include "engine/daemon/daemon.h"

#include <nng/nng.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void file_link_init(struct file_link *k)
{
    *k = (struct file_link){.fd = -1};
    pthread_mutex_init(&k->lock, NULL);
}

void file_link_fini(struct file_link *k)
{
    file_link_close(k);
    pthread_mutex_destroy(&k->lock);
}

void file_link_close(struct file_link *k)
{
    pthread_mutex_lock(&k->lock);
    if (k->fd >= 0)
        close(k->fd);
    k->fd = -1;
    if (k->stream) {
        nng_stream_close(k->stream);
        nng_stream_free(k->stream);
    }
    k->stream = NULL;
    k->is_open = false;
    pthread_mutex_unlock(&k->lock);
    if (k->aio)
        nng_aio_free(k->aio);
    k->aio = NULL;
}

void file_link_shut(struct file_link *k)
{
    pthread_mutex_lock(&k->lock);
    k->is_shut = true;
    if (k->fd >= 0)
        shutdown(k->fd, SHUT_RDWR);
    if (k->stream)
        nng_stream_close(k->stream);
    pthread_mutex_unlock(&k->lock);
}

/* ---- bytes ---- */

/* At most len of them; 0: it is over. */
static size_t receive(struct file_link *k, uint8_t *at, size_t len)
{
    ssize_t n;
    if (k->stream) {
        nng_iov iov = {at, len};
        nng_aio_set_iov(k->aio, 1, &iov);
        nng_stream_recv(k->stream, k->aio);
        nng_aio_wait(k->aio);
        return nng_aio_result(k->aio) ? 0 : nng_aio_count(k->aio);
    }
    while ((n = recv(k->fd, at, len, MSG_WAITALL)) < 0 && errno == EINTR)
        ;
    return n > 0 ? (size_t)n : 0;
}

static bool receive_all(struct file_link *k, uint8_t *at, size_t len)
{
    for (size_t done = 0, n; done < len; done += n)
        if (!(n = receive(k, at + done, len - done)))
            return false;
    return true;
}

static size_t transmit(struct file_link *k, struct iovec *pieces, int count)
{
    ssize_t n;
    if (k->stream) {
        nng_iov iov[8];
        int used = count < 8 ? count : 8;
        for (int i = 0; i < used; i++)
            iov[i] = (nng_iov){pieces[i].iov_base, pieces[i].iov_len};
        nng_aio_set_iov(k->aio, (unsigned)used, iov);
        nng_stream_send(k->stream, k->aio);
        nng_aio_wait(k->aio);
        return nng_aio_result(k->aio) ? 0 : nng_aio_count(k->aio);
    }
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)count};
    while ((n = sendmsg(k->fd, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    return n > 0 ? (size_t)n : 0;
}

bool file_link_send(struct file_link *k, const struct frame *f, const struct iovec *pieces, int count)
{
    uint8_t head[WIRE_HEADER];
    struct iovec all[4] = {{head, sizeof head}}, *at = all;
    int left = 1;
    wire_put_header(head, f);
    for (int i = 0; i < count; i++)
        if (pieces[i].iov_len)
            all[left++] = pieces[i];
    while (left) {
        size_t n = transmit(k, at, left);
        if (!n)
            return false;
        while (left && n >= at->iov_len) {
            n -= at->iov_len;
            at++;
            left--;
        }
        if (left) {
            at->iov_base = (uint8_t *)at->iov_base + n;
            at->iov_len -= n;
        }
    }
    return true;
}

bool file_link_recv(struct file_link *k, struct frame *f, struct buf *body)
{
    uint8_t head[WIRE_HEADER];
    buf_clear(body);
    if (!receive_all(k, head, sizeof head) || wire_get_header(head, WIRE_BODY_MAX, f, NULL) ||
        !receive_all(k, buf_reserve(body, f->len ? f->len : 1), f->len))
        return false;
    body->len = f->len;
    f->body = body->data;
    return true;
}

/* ---- opening ---- */

static bool greet(struct file_link *k, const struct daemon *d)
{
    struct buf b = {0}, answer = {0};
    struct frame f;
    home_add_greeting(d, &b, WIRE_ROLE_FILES);
    struct iovec piece = {b.data, b.len};
    bool greeted = file_link_send(k, &(struct frame){.type = WIRE_HELLO, .len = (uint32_t)b.len}, &piece, 1) &&
                   file_link_recv(k, &f, &answer) && f.type == WIRE_WELCOME;
    mem_wipe(b.data, b.cap);
    buf_fini(&b);
    buf_fini(&answer);
    return greeted;
}

bool file_link_open(struct file_link *k, const struct daemon *d)
{
    struct nng_stream *stream = NULL;
    int fd = -1;
    bool good = home_dial_for_files(d, &fd, &stream);
    pthread_mutex_lock(&k->lock);
    k->fd = fd;
    k->stream = stream;
    good &= !k->is_shut;
    pthread_mutex_unlock(&k->lock);
    if (good && stream) {
        good = nng_aio_alloc(&k->aio, NULL, NULL) == 0;
        if (good)
            nng_aio_set_timeout(k->aio, NNG_DURATION_INFINITE);
    }
    k->is_open = good && greet(k, d);
    if (!k->is_open)
        file_link_close(k);
    return k->is_open;
}
