/* Links over sockets that a loop waits for, and over nng streams, tcp and tls+tcp: everything arrives, in order; who
 * breaks the rules is dropped; a reader that stops stops its writer. */
#include "base/mono.h"
#include "engine/wire/link.h"
#include "base/loop.h"

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/x509_crt.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct loop *loop;
static char cert[4096], key[4096];

struct side {
    struct link *link;
    uint64_t frames, bytes, next;
    bool closed, wrong, close_at_first;
    struct clw_error why;
};

static void frame_cb(struct link *l, const struct frame *f, struct blk *block)
{
    struct side *s = link_arg(l);
    (void)block;
    s->wrong |= f->first != s->next++;
    for (uint32_t i = 0; i < f->len; i += 997)
        s->wrong |= f->body[i] != (uint8_t)(f->first + i);
    s->frames++;
    s->bytes += f->len;
    if (s->close_at_first)
        link_close(l);
    pthread_cond_broadcast(&changed);
}

static void batch_cb(struct link *l)
{
    (void)l;
    pthread_cond_broadcast(&changed);
}

static void closed_cb(struct link *l, const struct clw_error *why)
{
    struct side *s = link_arg(l);
    s->wrong |= s->closed; /* once */
    s->closed = true;
    s->why = *why;
    pthread_cond_broadcast(&changed);
}

static struct link_owner owner = {.frame_cb = frame_cb, .batch_cb = batch_cb, .closed_cb = closed_cb};

/* Waits, locked, until the condition holds; gives up after 60 s. */
#define WAIT(condition)                                                                                                \
    do {                                                                                                               \
        struct timespec until;                                                                                         \
        clock_gettime(CLOCK_REALTIME, &until);                                                                         \
        until.tv_sec += 60;                                                                                            \
        while (!(condition))                                                                                           \
            assert_int_equal(pthread_cond_timedwait(&changed, &lock, &until), 0);                                      \
    } while (0)

static int make_key(mbedtls_pk_context *pk, mbedtls_ctr_drbg_context *rng)
{
    mbedtls_pk_init(pk);
    mbedtls_pk_setup(pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    return mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*pk), mbedtls_ctr_drbg_random, rng);
}

/* A certificate that signs itself, for the name "clowder". */
static int make_cert(void **state)
{
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context rng;
    mbedtls_pk_context pk;
    mbedtls_x509write_cert w;
    mbedtls_mpi serial;
    (void)state;
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&rng);
    mbedtls_ctr_drbg_seed(&rng, mbedtls_entropy_func, &entropy, NULL, 0);
    int rv = make_key(&pk, &rng);
    mbedtls_mpi_init(&serial);
    mbedtls_mpi_lset(&serial, 1);
    mbedtls_x509write_crt_init(&w);
    mbedtls_x509write_crt_set_version(&w, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&w, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(&w, &pk);
    mbedtls_x509write_crt_set_issuer_key(&w, &pk);
    rv |= mbedtls_x509write_crt_set_subject_name(&w, "CN=clowder");
    rv |= mbedtls_x509write_crt_set_issuer_name(&w, "CN=clowder");
    rv |= mbedtls_x509write_crt_set_serial(&w, &serial);
    rv |= mbedtls_x509write_crt_set_validity(&w, "20250101000000", "20450101000000");
    rv |= mbedtls_x509write_crt_set_basic_constraints(&w, 1, -1);
    rv |= mbedtls_x509write_crt_pem(&w, (unsigned char *)cert, sizeof cert, mbedtls_ctr_drbg_random, &rng);
    rv |= mbedtls_pk_write_key_pem(&pk, (unsigned char *)key, sizeof key);
    mbedtls_x509write_crt_free(&w);
    mbedtls_mpi_free(&serial);
    mbedtls_pk_free(&pk);
    mbedtls_ctr_drbg_free(&rng);
    mbedtls_entropy_free(&entropy);
    return rv;
}

static nng_tls_config *tls(bool server)
{
    nng_tls_config *config;
    assert_int_equal(nng_tls_config_alloc(&config, server ? NNG_TLS_MODE_SERVER : NNG_TLS_MODE_CLIENT), 0);
    if (server) {
        assert_int_equal(nng_tls_config_own_cert(config, cert, key, NULL), 0);
    } else {
        assert_int_equal(nng_tls_config_ca_chain(config, cert, NULL), 0);
        assert_int_equal(nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED), 0);
        assert_int_equal(nng_tls_config_server_name(config, "clowder"), 0);
    }
    return config;
}

/* Two connected streams. */
static void connect_pair(const char *scheme, nng_stream **a, nng_stream **b)
{
    char url[128];
    nng_stream_listener *listener;
    nng_stream_dialer *dialer;
    nng_aio *accepting, *dialing;
    int port = 0;
    bool secure = strcmp(scheme, "tls+tcp") == 0;
    snprintf(url, sizeof url, "%s://127.0.0.1:0", scheme);
    assert_int_equal(nng_stream_listener_alloc(&listener, url), 0);
    nng_tls_config *server = secure ? tls(true) : NULL, *client = secure ? tls(false) : NULL;
    if (secure)
        assert_int_equal(nng_stream_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, server), 0);
    assert_int_equal(nng_stream_listener_listen(listener), 0);
    assert_int_equal(nng_stream_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port), 0);
    snprintf(url, sizeof url, "%s://127.0.0.1:%d", scheme, port);
    assert_int_equal(nng_stream_dialer_alloc(&dialer, url), 0);
    if (secure)
        assert_int_equal(nng_stream_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, client), 0);
    nng_aio_alloc(&accepting, NULL, NULL);
    nng_aio_alloc(&dialing, NULL, NULL);
    nng_stream_listener_accept(listener, accepting);
    nng_stream_dialer_dial(dialer, dialing);
    nng_aio_wait(accepting);
    nng_aio_wait(dialing);
    assert_int_equal(nng_aio_result(accepting), 0);
    assert_int_equal(nng_aio_result(dialing), 0);
    *a = nng_aio_get_output(accepting, 0);
    *b = nng_aio_get_output(dialing, 0);
    nng_aio_free(accepting);
    nng_aio_free(dialing);
    nng_stream_dialer_free(dialer);
    nng_stream_listener_free(listener);
    if (secure) {
        nng_tls_config_free(server);
        nng_tls_config_free(client);
    }
}

static void open_pair(const char *scheme, struct side *a, struct side *b, uint32_t max)
{
    nng_stream *x, *y;
    int fds[2];
    *a = *b = (struct side){0};
    if (strcmp(scheme, "socket") == 0) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
        a->link = link_new_socket(fds[0], loop, &owner, a, max);
        b->link = link_new_socket(fds[1], loop, &owner, b, max);
    } else {
        connect_pair(scheme, &x, &y);
        a->link = link_new(x, loop, &owner, a, max);
        b->link = link_new(y, loop, &owner, b, max);
    }
    pthread_mutex_lock(&lock);
    link_start(a->link);
    link_start(b->link);
    pthread_mutex_unlock(&lock);
}

static void close_pair(struct side *a, struct side *b)
{
    pthread_mutex_lock(&lock);
    link_free(a->link);
    link_free(b->link);
    pthread_mutex_unlock(&lock);
    assert_false(a->wrong || b->wrong);
}

/* Frame number `first` of len bytes; large ones by reference. */
static void send_frame(struct side *s, uint64_t first, uint32_t len, bool by_reference)
{
    struct blk *b = blk_new(len + 1);
    for (uint32_t i = 0; i < len; i++)
        b->data[i] = (uint8_t)(first + i);
    struct frame f = {.type = WIRE_TASKS, .first = first, .len = len};
    if (by_reference)
        link_send_ref(
            s->link, &f, (struct link_piece[]){{b->data, len / 2, b}, {b->data + len / 2, len - len / 2, b}}, 2);
    else
        link_send(s->link, &f, b->data);
    blk_rele(b);
}

static void transfer(const char *scheme)
{
    enum { SMALL = 50000 };
    static const uint32_t sizes[] = {0, 1, 511, 512, 513, 4096, 65536, 300000, 16 << 20};
    struct side a, b;
    uint64_t n = 0;
    open_pair(scheme, &a, &b, 16 << 20);
    pthread_mutex_lock(&lock);
    for (; n < SMALL; n++) {
        send_frame(&a, n, (uint32_t)(n % 64), false);
        if (n % 100 == 0)
            link_flush(a.link);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        send_frame(&a, n++, sizes[i], true);
        send_frame(&b, i, sizes[i], false);
    }
    link_flush(a.link);
    link_flush(b.link);
    WAIT(b.frames == n && a.frames == sizeof sizes / sizeof *sizes && link_queued(a.link) == 0);
    pthread_mutex_unlock(&lock);
    close_pair(&a, &b);
}

static void test_socket(void **state)
{
    (void)state;
    transfer("socket");
}

static void test_tcp(void **state)
{
    (void)state;
    transfer("tcp");
}

static void test_tls(void **state)
{
    (void)state;
    transfer("tls+tcp");
}

/* One end is freed while records come, at any moment: that ends. */
static void test_freed_amid_records(void **state)
{
    enum { ROUNDS = 300, FRAMES = 60 };
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct side a, b;
        open_pair("tls+tcp", &a, &b, 1 << 20);
        pthread_mutex_lock(&lock);
        for (uint64_t n = 0; n < FRAMES; n++)
            send_frame(&a, n, 700, false);
        link_flush(a.link);
        pthread_mutex_unlock(&lock);
        nanosleep(&(struct timespec){.tv_nsec = round * 7919 % 400 * 1000}, NULL);
        close_pair(&b, &a);
    }
}

static void limits(const char *scheme)
{
    struct side a, b;
    open_pair(scheme, &a, &b, 1000);
    pthread_mutex_lock(&lock);
    send_frame(&a, 0, 1000, false);
    link_flush(a.link);
    WAIT(b.frames == 1);
    send_frame(&a, 1, 1001, false);
    link_flush(a.link);
    WAIT(b.closed && a.closed);
    assert_int_equal(b.why.code, CLW_PROTOCOL);
    assert_int_equal(a.why.code, CLW_CLOSED);
    assert_int_equal(b.frames, 1);
    pthread_mutex_unlock(&lock);
    close_pair(&a, &b);
}

static void test_limits(void **state)
{
    (void)state;
    limits("socket");
    limits("tcp");
}

/* A paused reader fills its writer's queue; afterwards everything is there. */
static void backpressure(const char *scheme)
{
    struct side a, b;
    open_pair(scheme, &a, &b, 1 << 20);
    pthread_mutex_lock(&lock);
    send_frame(&a, 0, 10, false);
    link_flush(a.link);
    WAIT(b.frames == 1);
    link_pause(b.link, true);
    for (uint64_t n = 1; n < 101; n++) {
        send_frame(&a, n, 1 << 20, true);
        link_flush(a.link);
    }
    assert_true(link_queued(a.link) > 50 << 20);
    assert_true(b.frames < 10);
    link_pause(b.link, false);
    WAIT(b.frames == 101 && link_queued(a.link) == 0);
    pthread_mutex_unlock(&lock);
    close_pair(&a, &b);
}

static void test_backpressure(void **state)
{
    (void)state;
    backpressure("socket");
    backpressure("tcp");
}

static void closing(const char *scheme)
{
    struct side a, b;
    open_pair(scheme, &a, &b, 1 << 20); /* after what is queued */
    pthread_mutex_lock(&lock);
    for (uint64_t n = 0; n < 50; n++)
        send_frame(&a, n, 1 << 20, true);
    link_flush(a.link);
    link_close_after_send(a.link);
    send_frame(&a, 50, 10, false); /* too late: not sent */
    WAIT(a.closed && b.closed);
    assert_int_equal(b.frames, 50);
    pthread_mutex_unlock(&lock);
    close_pair(&a, &b);

    open_pair(scheme, &a, &b, 1 << 20); /* from inside a callback, and while paused */
    b.close_at_first = true;
    pthread_mutex_lock(&lock);
    for (uint64_t n = 0; n < 100; n++)
        send_frame(&a, n, 1000, false);
    link_flush(a.link);
    WAIT(a.closed && b.closed);
    assert_int_equal(b.frames, 1);
    pthread_mutex_unlock(&lock);
    close_pair(&a, &b);

    open_pair(scheme, &a, &b, 1 << 20);
    pthread_mutex_lock(&lock);
    link_pause(a.link, true);
    send_frame(&b, 0, 10, false);
    link_flush(b.link);
    WAIT(a.frames == 1 || link_queued(b.link) == 0);
    link_close(a.link);
    WAIT(a.closed);
    pthread_mutex_unlock(&lock);
    close_pair(&a, &b);
}

static void test_closing(void **state)
{
    (void)state;
    closing("socket");
    closing("tcp");
}

/* Freed in the middle of traffic. */
static void freed(const char *scheme)
{
    for (int round = 0; round < 20; round++) {
        struct side a, b;
        open_pair(scheme, &a, &b, 1 << 20);
        pthread_mutex_lock(&lock);
        for (uint64_t n = 0; n < 200; n++)
            send_frame(&a, n, 10000, true);
        link_flush(a.link);
        WAIT(b.frames > 0);
        pthread_mutex_unlock(&lock);
        close_pair(&a, &b);
    }
}

static void test_freed(void **state)
{
    (void)state;
    freed("socket");
    freed("tcp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_socket), cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_tls), cmocka_unit_test(test_freed_amid_records), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_backpressure), cmocka_unit_test(test_closing), cmocka_unit_test(test_freed)};
    loop = loop_new(&lock);
    if (!loop || !loop_start(loop))
        return 1;
    int rv = cmocka_run_group_tests(tests, make_cert, NULL);
    loop_free(loop);
    link_owner_fini(&owner);
    nng_fini();
    return rv;
}
