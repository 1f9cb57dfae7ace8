/* Daemons that dial home directly: a TLS listener for each profile, with a key and a certificate made for it that live
 * as long as it does and are trusted by its daemons alone. */
#include "engine/peers/tls.h"

#include "engine/peers/listen.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/x509_crt.h>
#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include <stdlib.h>

enum { PEM_MAX = 4096 };

struct tls_listener {
    struct listener *listener;
    unsigned port;
    char cert[PEM_MAX];
};

static int make_key(mbedtls_pk_context *pk, mbedtls_ctr_drbg_context *rng)
{
    int rv = mbedtls_pk_setup(pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    return rv ? rv : mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*pk), mbedtls_ctr_drbg_random, rng);
}

static int write_cert(mbedtls_pk_context *pk, mbedtls_ctr_drbg_context *rng, char *cert)
{
    mbedtls_x509write_cert w;
    mbedtls_mpi serial;
    mbedtls_mpi_init(&serial);
    mbedtls_x509write_crt_init(&w);
    mbedtls_x509write_crt_set_version(&w, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&w, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(&w, pk);
    mbedtls_x509write_crt_set_issuer_key(&w, pk);
    int rv = mbedtls_mpi_fill_random(&serial, 16, mbedtls_ctr_drbg_random, rng);
    rv |= mbedtls_x509write_crt_set_subject_name(&w, "CN=clowder");
    rv |= mbedtls_x509write_crt_set_issuer_name(&w, "CN=clowder");
    rv |= mbedtls_x509write_crt_set_serial(&w, &serial);
    rv |=
        mbedtls_x509write_crt_set_validity(&w, "19700101000000", "99991231235959"); /* it is pinned: no clock counts */
    rv |= mbedtls_x509write_crt_set_basic_constraints(&w, 1, -1);
    rv |= mbedtls_x509write_crt_pem(&w, (unsigned char *)cert, PEM_MAX, mbedtls_ctr_drbg_random, rng);
    mbedtls_x509write_crt_free(&w);
    mbedtls_mpi_free(&serial);
    return rv;
}

/* A key and a certificate that signs itself, for the name "clowder". */
static int make_cert(char *cert, char *key)
{
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context rng;
    mbedtls_pk_context pk;
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&rng);
    mbedtls_pk_init(&pk);
    int rv = mbedtls_ctr_drbg_seed(&rng, mbedtls_entropy_func, &entropy, NULL, 0);
    if (!rv)
        rv = make_key(&pk, &rng);
    if (!rv)
        rv = write_cert(&pk, &rng, cert);
    if (!rv)
        rv = mbedtls_pk_write_key_pem(&pk, (unsigned char *)key, PEM_MAX);
    mbedtls_pk_free(&pk);
    mbedtls_ctr_drbg_free(&rng);
    mbedtls_entropy_free(&entropy);
    return rv;
}

static int use_cert(nng_stream_listener *listener, const char *cert, const char *key)
{
    nng_tls_config *config;
    int rv = nng_tls_config_alloc(&config, NNG_TLS_MODE_SERVER);
    if (rv)
        return rv;
    rv = nng_tls_config_own_cert(config, cert, key, NULL);
    if (!rv)
        rv = nng_stream_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, config);
    nng_tls_config_free(config);
    return rv;
}

enum clw_err tls_listen(struct engine *e, struct profile *p, unsigned *port, const char **cert, struct clw_error *err)
{
    char key[PEM_MAX];
    nng_stream_listener *listener = NULL;
    int bound = 0, rv = 0;
    if (!p->tls) {
        struct tls_listener *t = mem_zalloc(sizeof *t);
        if (make_cert(t->cert, key)) {
            free(t);
            return clw_fail(err, CLW_IO, NULL, "cannot make a certificate for profile '%s'", p->name);
        }
        rv = nng_stream_listener_alloc(&listener, "tls+tcp://0.0.0.0:0");
        if (!rv)
            rv = use_cert(listener, t->cert, key);
        mem_wipe(key, sizeof key);
        if (!rv)
            rv = nng_stream_listener_listen(listener);
        if (!rv)
            rv = nng_stream_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &bound);
        if (rv) {
            if (listener)
                nng_stream_listener_free(listener);
            free(t);
            return clw_fail(
                err, CLW_UNREACHABLE, NULL, "cannot listen for direct daemons of '%s': %s", p->name, nng_strerror(rv));
        }
        t->port = (unsigned)bound;
        t->listener = listen_tls(e, listener);
        p->tls = t;
        log_info("profile", "listens profile=%s tls port=%u", p->name, t->port);
    }
    *port = p->tls->port;
    *cert = p->tls->cert;
    return CLW_OK;
}

void tls_stop(struct profile *p)
{
    free(p->tls);
    p->tls = NULL;
}

void tls_reap(struct engine *e)
{
    for (struct profile *p = e->profiles; p; p = p->next) {
        if (!p->tls || !p->fleet.going || p->daemon_count)
            continue;
        listen_end(e, p->tls->listener);
        tls_stop(p);
    }
}
