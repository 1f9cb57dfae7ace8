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
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HELLO_MS = 10000, GONE_MS = 2000, QUEUE_FULL_MS = 20, REDIAL_MS = 200 };

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

/* A connection that is being made. */
struct dialling {
    struct daemon *daemon;
    nng_stream_dialer *dialer;
    nng_aio *aio;
    struct loop_call done;
};

static void dial_free(struct daemon *d)
{
    struct dialling *g = d->dialling;
    d->dialling = NULL;
    if (!g)
        return;
    if (g->aio)
        nng_aio_free(g->aio); /* after its callback */
    loop_unpost(d->loop, &g->done);
    if (g->dialer)
        nng_stream_dialer_free(g->dialer);
    free(g);
}

/* In a thread of nng's. */
static void dial_cb(void *arg)
{
    struct dialling *g = arg;
    loop_post(g->daemon->loop, &g->done);
}

static void greet(struct daemon *d, struct link *link);

static void cannot_reach(struct daemon *d, const char *why)
{
    snprintf(d->refused, sizeof d->refused, "cannot reach %s: %s", d->config.url, why);
}

static void dialled(void *arg)
{
    struct dialling *g = arg;
    struct daemon *d = g->daemon;
    int rv = nng_aio_result(g->aio);
    nng_stream *stream = rv ? NULL : nng_aio_get_output(g->aio, 0);
    dial_free(d);
    if (rv)
        cannot_reach(d, nng_strerror(rv));
    else
        greet(d, link_new(stream, d->loop, &d->owner, d, WIRE_BODY_MAX));
}

static void dial_tls(struct daemon *d)
{
    struct dialling *g = d->dialling = mem_zalloc(sizeof *g);
    g->daemon = d;
    g->done = (struct loop_call){.run = dialled, .arg = g};
    int rv = nng_stream_dialer_alloc(&g->dialer, d->config.url);
    if (!rv)
        rv = nng_aio_alloc(&g->aio, dial_cb, g);
    if (!rv)
        rv = use_cert(g->dialer, d->config.cert);
    if (rv) {
        dial_free(d);
        cannot_reach(d, nng_strerror(rv));
        return;
    }
    nng_aio_set_timeout(g->aio, HELLO_MS);
    nng_stream_dialer_dial(g->dialer, g->aio);
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
           ((is_first && errno == EAGAIN && mono_ms() - since_ms < HELLO_MS) || comes_back(is_first, since_ms)))
        poll(NULL, 0, QUEUE_FULL_MS);
    if (fd < 0 || peer_is_ours(peer_uid_unix(fd)))
        return fd;
    close(fd);
    errno = EPERM;
    return -1;
}

/* ---- both ---- */

void home_add_greeting(const struct daemon *d, struct buf *b, enum wire_role role)
{
    wire_add_text(b, WIRE_K_MAGIC, WIRE_MAGIC);
    wire_add_number(b, WIRE_K_VERSION, WIRE_VERSION);
    wire_add_number(b, WIRE_K_ROLE, role);
    wire_add_number(b, WIRE_K_DAEMON, d->config.number);
    wire_add_text(b, WIRE_K_TOKEN, d->config.token);
    wire_add_text(b, WIRE_K_INSTANCE, d->instance);
}

static void say_hello(struct daemon *d)
{
    struct buf b = {0};
    home_add_greeting(d, &b, WIRE_ROLE_DAEMON);
    wire_add_number(&b, WIRE_K_PID, (uint64_t)getpid());
    if (d->resume)
        wire_add_number(&b, WIRE_K_RECEIVED, resume_received(d->resume));
    link_send(d->link, &(struct frame){.type = WIRE_HELLO, .len = (uint32_t)b.len}, b.data);
    link_flush(d->link);
    mem_wipe(b.data, b.cap);
    buf_fini(&b);
}

static void greet(struct daemon *d, struct link *link)
{
    d->link = link;
    d->welcome = d->broken = false;
    d->refused[0] = '\0';
    d->greet_until_ms = mono_ms() + HELLO_MS;
    link_start(link);
    say_hello(d);
}

static void dial(struct daemon *d)
{
    char target[300];
    int fd;
    d->has_dialled = true;
    if (is_socket(d->config.url, target, sizeof target)) {
        if ((fd = dial_socket(target, !d->name[0])) >= 0)
            greet(d, link_new_socket(fd, NULL, &d->owner, d, WIRE_BODY_MAX));
        else
            cannot_reach(d, strerror(errno));
    } else if (strncmp(d->config.url, "tls+tcp://", 10) == 0 && d->config.cert) {
        dial_tls(d);
    } else {
        cannot_reach(d, nng_strerror(NNG_EADDRINVAL));
    }
}

static bool dial_stream(const struct daemon *d, nng_stream **stream)
{
    nng_stream_dialer *dialer;
    nng_aio *aio = NULL;
    int rv = nng_stream_dialer_alloc(&dialer, d->config.url);
    if (rv)
        return false;
    rv = nng_aio_alloc(&aio, NULL, NULL);
    if (!rv)
        rv = use_cert(dialer, d->config.cert);
    if (!rv) {
        nng_aio_set_timeout(aio, HELLO_MS);
        nng_stream_dialer_dial(dialer, aio);
        nng_aio_wait(aio);
        rv = nng_aio_result(aio);
    }
    *stream = rv ? NULL : nng_aio_get_output(aio, 0);
    if (aio)
        nng_aio_free(aio);
    nng_stream_dialer_free(dialer);
    return !rv;
}

bool home_dial_for_files(const struct daemon *d, int *fd, nng_stream **stream)
{
    char target[300];
    if (!is_socket(d->config.url, target, sizeof target))
        return d->config.cert && dial_stream(d, stream);
    *fd = dial_socket(target, false);
    if (*fd >= 0)
        fcntl(*fd, F_SETFL, fcntl(*fd, F_GETFL) & ~O_NONBLOCK);
    return *fd >= 0;
}

/* ---- reaching it, and staying ---- */

bool home_is_there(const struct daemon *d)
{
    return d->link && d->welcome;
}

void home_send_ref(struct daemon *d, const struct frame *f, const struct link_piece *pieces, int count)
{
    if (home_is_there(d))
        link_send_ref(d->link, f, pieces, count);
    else if (d->resume)
        resume_send_ref(d->resume, f, pieces, count);
}

void home_send(struct daemon *d, const struct frame *f, const void *body)
{
    if (home_is_there(d))
        link_send(d->link, f, body);
    else if (d->resume)
        resume_send(d->resume, f, body);
}

void home_flush(struct daemon *d)
{
    if (d->link)
        link_flush(d->link);
}

bool home_is_resumed(struct daemon *d, uint64_t has)
{
    d->welcome = true;
    return d->resume && link_resume(d->link, d->resume, has);
}

void home_is_new(struct daemon *d, bool resumes)
{
    resume_free(d->resume);
    d->resume = resumes ? resume_new() : NULL;
    d->welcome = true;
    if (resumes)
        link_resume(d->link, d->resume, 0);
}

void home_lose(struct daemon *d)
{
    link_free(d->link);
    d->link = NULL;
    d->welcome = d->broken = false;
}

/* Why home is not reached, each reason once: whoever started us passes it on. */
static void say_why(struct daemon *d)
{
    if (!d->refused[0] || strcmp(d->said, d->refused) == 0)
        return;
    snprintf(d->said, sizeof d->said, "%s", d->refused);
    fprintf(stderr, "clowder-daemon: %s\n", d->refused);
}

/* Who answered did not greet. */
static void end_greeting(struct daemon *d)
{
    home_lose(d);
    if (d->refused[0] && !d->refused_for_now) {
        fprintf(stderr, "clowder-daemon: the engine refused: %s\n", d->refused);
        d->is_refused = true;
    } else if (!d->refused[0]) {
        snprintf(d->refused, sizeof d->refused, "no answer from %s", d->config.url);
    }
}

void home_step(struct daemon *d, uint64_t patience_ms, struct watch *w)
{
    uint64_t now = mono_ms();
    if (home_is_there(d))
        return;
    if (d->link && (d->broken || now >= d->greet_until_ms))
        end_greeting(d);
    bool is_trying = d->link || d->dialling;
    if (!is_trying && d->has_dialled && now - d->lost_ms >= patience_ms) {
        d->gave_up = true;
    } else if (!is_trying && !d->is_refused && now >= d->dial_ms) {
        d->dial_ms = now + REDIAL_MS;
        dial(d);
    }
    if (!d->link && !d->dialling)
        say_why(d);
    if (d->link || !d->dialling)
        watch_until(w, (d->link ? d->greet_until_ms : d->dial_ms) * 1000 + 1000);
}

void home_end(struct daemon *d)
{
    dial_free(d);
    home_lose(d);
    resume_free(d->resume);
    d->resume = NULL;
}
