/* Key files: the public half is offered first, so that a passphrase is only asked for when the key would be
 * taken. */
#include "hosts/ssh/auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mbedtls/base64.h>

enum { PASSPHRASE_TRIES = 3 };

/* path.pub, else what the private file tells of it without a passphrase. */
static ssh_key public_half(const char *path)
{
    ssh_key key = NULL;
    char *pub = mem_printf("%s.pub", path);
    if (access(pub, R_OK) || ssh_pki_import_pubkey_file(pub, &key) != SSH_OK)
        if (access(path, R_OK) || ssh_pki_import_pubkey_file(path, &key) != SSH_OK)
            key = NULL;
    free(pub);
    return key;
}

static bool key_blob(ssh_key key, struct buf *out)
{
    char *text = NULL;
    size_t len = 0;
    if (ssh_pki_export_pubkey_base64(key, &text) != SSH_OK)
        return false;
    size_t room = strlen(text);
    bool good = mbedtls_base64_decode(buf_reserve(out, room), room, &len, (unsigned char *)text, room) == 0;
    out->len = good ? len : 0;
    ssh_string_free_char(text);
    return good;
}

void auth__wanted_keys(struct auth *a, struct agent_keys *out)
{
    const struct ssh_words *files = &a->hop->host.identity;
    for (size_t i = 0; i < files->count; i++) {
        struct buf blob = {0};
        ssh_key key = public_half(files->items[i]);
        if (key && key_blob(key, &blob))
            agent_keys_add(out, blob.data, blob.len);
        ssh_key_free(key);
        buf_fini(&blob);
    }
}

/* The library asks for a passphrase: take note, and let it fail. */
static int note_question(const char *prompt, char *buf, size_t len, int echo, int verify, void *arg)
{
    bool *asked = arg;
    (void)prompt;
    (void)echo;
    (void)verify;
    if (len)
        buf[0] = '\0';
    *asked = true;
    return -1;
}

/* The private key of path into *out, with its passphrase when it has one. a->code on an interrupted question.
 */
static bool private_key(struct auth *a, const char *path, ssh_key *out)
{
    bool asked = false;
    *out = NULL;
    if (ssh_pki_import_privkey_file(path, NULL, note_question, &asked, out) == SSH_OK)
        return true;
    if (!asked || a->hop->host.batch_mode) {
        a->why = asked ? " (locked, and BatchMode is on)" : " (not a private key that can be read)";
        return false;
    }
    char shown[300], answer[SECRET_SIZE];
    snprintf(shown, sizeof shown, "passphrase of %.280s", path);
    const struct question q = {.kind = "passphrase", .asker = "", .text = path, .shown = shown};
    for (int i = 0; i < PASSPHRASE_TRIES; i++) {
        a->code = link__secret(a->link, &q, answer);
        if (a->code)
            return false;
        int rc = ssh_pki_import_privkey_file(path, answer, NULL, NULL, out);
        mem_wipe(answer, sizeof answer);
        if (rc == SSH_OK)
            return true;
        link__secret_refused(a->link, &q);
    }
    a->why = " (wrong passphrase)";
    return false;
}

static bool is_certificate_of(ssh_key cert, ssh_key pub)
{
    struct buf c = {0}, k = {0};
    bool is = key_blob(cert, &c) && key_blob(pub, &k) && agent_is_certificate_of(c.data, c.len, k.data, k.len);
    buf_fini(&c);
    buf_fini(&k);
    return is;
}

static ssh_key read_certificate(const char *path)
{
    ssh_key cert = NULL;
    return access(path, R_OK) == 0 && ssh_pki_import_cert_file(path, &cert) == SSH_OK ? cert : NULL;
}

static void add_certificate(struct agent_keys *out, const char *path)
{
    struct buf blob = {0};
    ssh_key cert = read_certificate(path);
    if (cert && key_blob(cert, &blob))
        agent_keys_add(out, blob.data, blob.len);
    ssh_key_free(cert);
    buf_fini(&blob);
}

void auth__certificates(struct auth *a, struct agent_keys *out)
{
    const struct ssh_host *h = &a->hop->host;
    for (size_t i = 0; i < h->certificate.count; i++)
        add_certificate(out, h->certificate.items[i]);
    for (size_t i = 0; i < h->identity.count; i++) {
        char *name = mem_printf("%s-cert.pub", h->identity.items[i]);
        add_certificate(out, name);
        free(name);
    }
}

/* PATH-cert.pub, else the CertificateFile that was made for this key; the first of them where the public half (pub) is
 * not known. */
static ssh_key certificate_of(struct auth *a, const char *path, ssh_key pub)
{
    const struct ssh_words *files = &a->hop->host.certificate;
    char *name = mem_printf("%s-cert.pub", path);
    ssh_key cert = read_certificate(name);
    free(name);
    for (size_t i = 0; !cert && i < files->count; i++) {
        cert = read_certificate(files->items[i]);
        if (cert && pub && !is_certificate_of(cert, pub)) {
            ssh_key_free(cert);
            cert = NULL;
        }
    }
    return cert;
}

/* Offers the public half (or the certificate), then signs with the private key. */
static enum auth_result with_key(struct auth *a, const char *path, ssh_key pub, ssh_key cert, struct clw_error *err)
{
    ssh_key priv = NULL;
    enum auth_result result = AUTH_NEXT;
    int rc = SSH_AUTH_SUCCESS;
    if (pub || cert)
        AUTH_UNTIL(a, rc, ssh_userauth_try_publickey(a->hop->session, NULL, cert ? cert : pub));
    if (rc != SSH_AUTH_SUCCESS || a->code)
        return auth__result(a, rc, path, err);
    if (!private_key(a, path, &priv))
        return a->code ? auth__result(a, rc, path, err) : AUTH_NEXT;
    if (!cert || ssh_pki_copy_cert_to_privkey(cert, priv) == SSH_OK) {
        AUTH_UNTIL(a, rc, ssh_userauth_publickey(a->hop->session, NULL, priv));
        result = auth__result(a, rc, path, err);
    }
    ssh_key_free(priv);
    return result;
}

static enum auth_result with_file(struct auth *a, size_t i, struct clw_error *err)
{
    const char *path = a->hop->host.identity.items[i];
    struct buf blob = {0};
    enum auth_result result = AUTH_NEXT;
    a->why = "";
    if (access(path, R_OK)) {
        if (a->hop->host.has_identity)
            auth__tried(a, "%.120s (cannot be read)", path);
        return AUTH_NEXT;
    }
    ssh_key pub = public_half(path), cert = certificate_of(a, path, pub);
    bool known = pub && key_blob(pub, &blob) && agent_keys_has(&a->offered, blob.data, blob.len);
    if (cert)
        result = with_key(a, path, pub, cert, err);
    if (result == AUTH_NEXT && !known)
        result = with_key(a, path, pub, NULL, err);
    if (result == AUTH_NEXT && !known)
        auth__tried(a, "%.120s%s", path, a->why);
    buf_fini(&blob);
    ssh_key_free(pub);
    ssh_key_free(cert);
    return result;
}

enum auth_result auth__with_files(struct auth *a, struct clw_error *err)
{
    const struct ssh_words *files = &a->hop->host.identity;
    enum auth_result result = AUTH_NEXT;
    for (size_t i = 0; i < files->count && result == AUTH_NEXT; i++)
        result = with_file(a, i, err);
    return result;
}
