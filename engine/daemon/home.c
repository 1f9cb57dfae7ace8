/* The way home: a socket of this machine, dialled by hand, so that the main thread waits for it as for all else; or
 * TLS, by nng. Nothing else: who answers has to be known before anything is said. A socket's owner is named by the
 * kernel, and TLS has a certificate that the launch handed over. */
#include "engine/daemon/daemon.h"

#include "base/dial.h"
#include "base/mono.h"
#include "base/peer.h"

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HELLO_MS = 10000, GONE_MS = 2000, QUEUE_FULL_MS = 20 };

/* ---- TLS ---- */

/* On tls+tcp: trust this certificate and nothing else. */
static int use_cert(nng_stream_dialer *dialer, const char *cert)
{
    nng_tls_config *config;
    int rv = nng_tls_config_alloc(&config, NNG_TLS_MODE_CLIENT);
    if (rv)
        return rv;
    rv = nng_tls_config_ca_chain(config, cert, NULL);
    if (!rv)
        rv = nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED);
    if (!rv)
        rv = nng_tls_config_server_name(config, "clowder");
    if (!rv)
        rv = nng_stream_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config);
    nng_tls_config_free(config);
    return rv;
}

static nng_stream *dial_stream(const struct daemon_config *c, int *rv)
{
    nng_stream_dialer *dialer = NULL;
    nng_stream *stream = NULL;
    nng_aio *aio = NULL;
    if ((*rv = nng_stream_dialer_alloc(&dialer, c->url)) == 0 && (*rv = nng_aio_alloc(&aio, NULL, NULL)) == 0) {
        nng_aio_set_timeout(aio, HELLO_MS);
        if ((*rv = use_cert(dialer, c->cert)) == 0) {
            nng_stream_dialer_dial(dialer, aio);
            nng_aio_wait(aio);
            if ((*rv = nng_aio_result(aio)) == 0)
                stream = nng_aio_get_output(aio, 0);
        }
    }
    if (aio)
        nng_aio_free(aio);
    if (dialer)
        nng_stream_dialer_free(dialer);
    return stream;
}

/* ---- sockets ---- */

/* The url as a target for base/dial.h. */
static bool is_socket(const char *url, char *target, size_t size)
{
    if (strncmp(url, "ipc://", 6) != 0)
        return false;
    snprintf(target, size, "unix:%s", url + 6);
    return dial_is_target(target);
}

/* It was there a moment ago, for whoever started us: a logout has taken it, and it is made again. */
static bool comes_back(bool is_first, uint64_t since_ms)
{
    return is_first && (errno == ENOENT || errno == ECONNREFUSED) && mono_ms() - since_ms < GONE_MS;
}

/* -1: errno; EPERM: somebody else listens there. */
static int dial_socket(const char *target, bool is_first)
{
    uint64_t since_ms = mono_ms();
    bool pending;
    int fd;
    while ((fd = dial_target(target, &pending)) < 0 &&
           ((errno == EAGAIN && mono_ms() - since_ms < HELLO_MS) || comes_back(is_first, since_ms)))
        poll(NULL, 0, QUEUE_FULL_MS);
    if (fd < 0 || peer_is_ours(peer_uid_unix(fd)))
        return fd;
    close(fd);
    errno = EPERM;
    return -1;
}

/* ---- both ---- */

static void say_hello(struct daemon *d)
{
    struct buf b = {0};
    wire_add_text(&b, WIRE_K_MAGIC, WIRE_MAGIC);
    wire_add_number(&b, WIRE_K_VERSION, WIRE_VERSION);
    wire_add_number(&b, WIRE_K_ROLE, WIRE_ROLE_DAEMON);
    wire_add_number(&b, WIRE_K_DAEMON, d->config.number);
    wire_add_text(&b, WIRE_K_TOKEN, d->config.token);
    wire_add_text(&b, WIRE_K_INSTANCE, d->instance);
    wire_add_number(&b, WIRE_K_PID, (uint64_t)getpid());
    link_send(d->link, &(struct frame){.type = WIRE_HELLO, .len = (uint32_t)b.len}, b.data);
    link_flush(d->link);
    mem_wipe(b.data, b.cap);
    buf_fini(&b);
}

static struct link *dial(struct daemon *d)
{
    char target[300];
    int fd, rv;
    if (is_socket(d->config.url, target, sizeof target)) {
        if ((fd = dial_socket(target, !d->name[0])) >= 0)
            return link_new_socket(fd, NULL, &d->owner, d, WIRE_BODY_MAX);
        snprintf(d->refused, sizeof d->refused, "cannot reach %s: %s", d->config.url, strerror(errno));
        return NULL;
    }
    nng_stream *stream = strncmp(d->config.url, "tls+tcp://", 10) == 0 && d->config.cert ? dial_stream(&d->config, &rv)
                                                                                         : (rv = NNG_EADDRINVAL, NULL);
    if (stream)
        return link_new(stream, d->loop, &d->owner, d, WIRE_BODY_MAX);
    snprintf(d->refused, sizeof d->refused, "cannot reach %s: %s", d->config.url, nng_strerror(rv));
    return NULL;
}

void daemon_wait(struct daemon *d, uint64_t ms)
{
    struct watch w = {.deadline_us = mono_us() + ms * 1000};
    int loop_place = watch_add(&w, loop_fd(d->loop), POLLIN);
    int link_place = d->link ? watch_add(&w, link_fd(d->link), link_events(d->link)) : -1;
    int n = poll(w.fds, w.count, (int)ms);
    if (n > 0 && watch_is_ready(&w, loop_place))
        loop_once(d->loop, 0);
    if (n > 0 && watch_is_ready(&w, link_place))
        link_step(d->link);
}

enum clw_err daemon_connect(struct daemon *d)
{
    if (!(d->link = dial(d)))
        return CLW_UNREACHABLE;
    d->welcome = d->broken = false;
    d->refused[0] = '\0';
    uint64_t until_ms = mono_ms() + HELLO_MS;
    link_start(d->link);
    say_hello(d);
    while (!d->welcome && !d->broken && mono_ms() < until_ms)
        daemon_wait(d, until_ms - mono_ms());
    if (d->welcome)
        return CLW_OK;
    link_free(d->link);
    d->link = NULL;
    if (d->refused[0])
        return d->refused_for_now ? CLW_UNREACHABLE : CLW_REFUSED;
    snprintf(d->refused, sizeof d->refused, "no answer from %s", d->config.url);
    return CLW_UNREACHABLE;
}
