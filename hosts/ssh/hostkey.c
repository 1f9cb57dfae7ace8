/* The step hostkey: the handshake, and whether the key that the host shows is the one on record. A key that
 * is not on record is accepted only where StrictHostKeyChecking says so; else host_session_trust() writes it down
 * after somebody looked at its fingerprint. */
#include "hosts/ssh/session_private.h"

#include "hosts/ssh/jump.h"
#include "hosts/ssh/known_hosts.h"
#include "hosts/ssh/shell_child.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_of_type(const char *algorithm, const char *type)
{
    return strcmp(algorithm, type) == 0 || (strcmp(type, "ssh-rsa") == 0 && strncmp(algorithm, "rsa-", 4) == 0);
}

static bool is_on_record(const char *algorithm, const struct ssh_words *types)
{
    for (size_t i = 0; i < types->count; i++)
        if (is_of_type(algorithm, types->items[i]))
            return true;
    return false;
}

/* Those whose type is on record, or the others. Certificates of hosts are not looked at: such a host shows its plain
 * key. */
static void add_algorithms(struct buf *list, const char *from, const struct ssh_words *types, bool on_record)
{
    char *copy = mem_strdup(from), *save = NULL;
    for (char *one = strtok_r(copy, ",", &save); one; one = strtok_r(NULL, ",", &save))
        if (!strstr(one, "-cert-") && is_on_record(one, types) == on_record)
            buf_printf(list, "%s%s", list->len ? "," : "", one);
    free(copy);
}

/* Those of the configuration, but the types on record first, so that a host which has several shows the one we can
 * check. */
static char *wanted_algorithms(const char *configured, const struct ssh_words *types)
{
    struct buf list = {0};
    add_algorithms(&list, configured, types, true);
    add_algorithms(&list, configured, types, false);
    return buf_steal(&list);
}

static char *record_name(const struct ssh_host *host)
{
    return *host->host_key_alias ? known_hosts_name(host->host_key_alias, 22)
                                 : known_hosts_name(host->hostname, host->port);
}

/* The library keeps of a list what it knows, and refuses one of which it knows nothing. */
static enum clw_err set_list(
    struct hop *h, enum ssh_options_e option, const char *name, const char *list, struct clw_error *err)
{
    char hint[120];
    if (!*list || ssh_options_set(h->session, option, list) == 0)
        return CLW_OK;
    snprintf(hint, sizeof hint, "add others to %s in the ssh configuration", name);
    return clw_fail(
        err, CLW_REFUSED, hint, "%s of %.100s names none that is known here: %.150s", name, h->host.alias, list);
}

static enum clw_err fail_unread(struct clw_error *err)
{
    return clw_fail(err, CLW_IO, NULL, "the known host keys cannot be read: too few descriptors or too little memory");
}

static enum clw_err set_lists(struct hop *h, struct clw_error *err)
{
    const struct ssh_host *c = &h->host;
    const struct {
        enum ssh_options_e option;
        const char *name, *list;
    } lists[] = {
        {SSH_OPTIONS_CIPHERS_C_S, "Ciphers", c->ciphers},
        {SSH_OPTIONS_CIPHERS_S_C, "Ciphers", c->ciphers},
        {SSH_OPTIONS_HMAC_C_S, "MACs", c->macs},
        {SSH_OPTIONS_HMAC_S_C, "MACs", c->macs},
        {SSH_OPTIONS_KEY_EXCHANGE, "KexAlgorithms", c->kex},
        {SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES, "PubkeyAcceptedAlgorithms", c->pubkey_algorithms},
    };
    enum clw_err code = CLW_OK;
    for (size_t i = 0; i < sizeof lists / sizeof *lists && !code; i++)
        code = set_list(h, lists[i].option, lists[i].name, lists[i].list, err);
    return code;
}

static enum clw_err set_key_algorithms(struct hop *h, struct clw_error *err)
{
    const struct ssh_host *c = &h->host;
    struct ssh_words types = {0};
    char *name = record_name(c);
    bool known = known_hosts_types(&c->user_known_hosts, &c->global_known_hosts, name, &types);
    char *wanted = wanted_algorithms(c->host_key_algorithms, &types);
    enum clw_err code = CLW_OK;
    if (*c->host_key_algorithms)
        code = set_list(h, SSH_OPTIONS_HOSTKEYS, "HostKeyAlgorithms", *wanted ? wanted : "none", err);
    free(wanted);
    free(name);
    ssh_words_fini(&types);
    return known ? code : fail_unread(err);
}

static enum clw_err set_options(struct hop *h, struct clw_error *err)
{
    const struct ssh_host *c = &h->host;
    int no = 0, bits = (int)c->rsa_bits;
    unsigned port = c->port;
    ssh_options_set(h->session, SSH_OPTIONS_PROCESS_CONFIG, &no);
    if (ssh_options_set(h->session, SSH_OPTIONS_HOST, c->hostname))
        ssh_options_set(h->session, SSH_OPTIONS_HOST, "host"); /* only a label: the connection is made already */
    ssh_options_set(h->session, SSH_OPTIONS_PORT, &port);
    ssh_options_set(h->session, SSH_OPTIONS_USER, c->user);
    /* The library is kept from reading these files: hosts/ssh/known_hosts.c does, all of them. */
    ssh_options_set(h->session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null");
    ssh_options_set(h->session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
    if (c->compression)
        ssh_options_set(h->session, SSH_OPTIONS_COMPRESSION, "yes");
    if (bits)
        ssh_options_set(h->session, SSH_OPTIONS_RSA_MIN_SIZE, &bits);
    enum clw_err code = set_lists(h, err);
    return code ? code : set_key_algorithms(h, err);
}

/* What the ProxyCommand said tells more than that the connection ended. */
static enum clw_err fail_proxy(struct hop *h, const char *said, struct clw_error *err)
{
    char notes[200];
    shell_child_said(h->proxy_notes, notes, sizeof notes);
    return clw_fail(err, CLW_UNREACHABLE, "run the ProxyCommand by hand to see what it does",
        "the SSH handshake with %s failed: %.100s%s%s", h->label, said, *notes ? "; its ProxyCommand says: " : "",
        notes);
}

static enum clw_err shake_hands(struct host_session *l, struct hop *h, struct clw_error *err)
{
    enum clw_err code = set_options(h, err);
    char said[300];
    int rc;
    if (code)
        return code;
    for (;;) {
        rc = ssh_connect(h->session);
        /* The library makes the descriptor blocking when it takes it over. */
        int flags = fcntl(h->fd, F_GETFL);
        if (flags >= 0)
            fcntl(h->fd, F_SETFL, flags | O_NONBLOCK);
        if (rc != SSH_AGAIN || (code = link__wait(l)))
            break;
    }
    if (code)
        return link__explain(l, code, "the SSH handshake", err);
    if (rc == SSH_OK)
        return hop_run(h, err);
    if (jump_ended(l, err))
        return CLW_UNREACHABLE;
    link__ssh_error(h, said, sizeof said);
    if (strstr(said, "kex error") || strstr(said, "no match for method"))
        return clw_fail(err, CLW_REFUSED, "set KexAlgorithms, Ciphers or HostKeyAlgorithms for it in ~/.ssh/config",
            "%s and this machine have no algorithm in common: %s", h->label, said);
    if (h->proxy)
        return fail_proxy(h, said, err);
    l->turned_away = strstr(said, "disconnected") || strstr(said, "reset by peer") || strstr(said, "Exceeded");
    return clw_fail(err, CLW_UNREACHABLE,
        "does an SSH server listen on that port? many connections at once can also be refused (MaxStartups)",
        "the SSH handshake with %s failed: %s", h->label, said);
}

struct shown_key {
    char *type, *text, *fingerprint;
};

static void shown_key_fini(struct shown_key *k)
{
    free(k->type);
    free(k->text);
    free(k->fingerprint);
}

static bool read_key(struct hop *h, struct shown_key *out)
{
    ssh_key key = NULL;
    unsigned char *hash = NULL;
    size_t len = 0;
    char *text = NULL, *fingerprint = NULL;
    *out = (struct shown_key){0};
    if (ssh_get_server_publickey(h->session, &key) == SSH_OK && ssh_pki_export_pubkey_base64(key, &text) == SSH_OK &&
        ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &len) == SSH_OK &&
        (fingerprint = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, len)) != NULL)
        *out = (struct shown_key){
            mem_strdup(ssh_key_type_to_char(ssh_key_type(key))), mem_strdup(text), mem_strdup(fingerprint)};
    ssh_string_free_char(text);
    ssh_string_free_char(fingerprint);
    ssh_clean_pubkey_hash(&hash);
    ssh_key_free(key);
    return out->fingerprint != NULL;
}

/* Where a key that is accepted is written down; "": nowhere. */
static const char *record_file(const struct ssh_host *host)
{
    const struct ssh_words *files = &host->user_known_hosts;
    return files->count && strcmp(files->items[0], "/dev/null") != 0 ? files->items[0] : "";
}

/* A key that is not on record, as the configuration wants it: accepted and written down. That is said. */
static bool accept_new(struct host_session *l, struct hop *h, const char *name, const struct shown_key *key)
{
    const char *file = record_file(&h->host);
    struct clw_error why = {0};
    if (h->host.strict != SSH_STRICT_ACCEPT_NEW && h->host.strict != SSH_STRICT_OFF)
        return false;
    if (*file && known_hosts_add(file, name, key->type, key->text, h->host.hash_known_hosts, &why))
        link__log(l, LOG_WARN, "step=hostkey reason=\"%s\"", why.message);
    link__log(l, LOG_WARN,
        "step=hostkey accepted=%s key=%s/%s file=%s note=\"StrictHostKeyChecking %s: nobody compared it\"", name,
        key->type, key->fingerprint, *file ? file : "none", h->host.strict == SSH_STRICT_OFF ? "no" : "accept-new");
    return true;
}

/* What the user is shown, and what host_session_trust() needs. */
static void keep_pending(struct host_session *l, struct hop *h, const char *name, const struct shown_key *key,
    enum known_verdict verdict, const struct known_place *place)
{
    struct host_key_info info = {.changed = verdict == KNOWN_CHANGED || verdict == KNOWN_REVOKED,
        .other_type = verdict == KNOWN_OTHER_TYPE,
        .is_jump = h != l->pump.hops[l->pump.hop_count - 1],
        .line = place->line};
    snprintf(info.host, sizeof info.host, "%.255s", name);
    snprintf(info.type, sizeof info.type, "%s", key->type);
    snprintf(info.fingerprint, sizeof info.fingerprint, "%s", key->fingerprint);
    snprintf(info.file, sizeof info.file, "%.511s", place->file);
    pthread_mutex_lock(&l->lock);
    free(l->key_type);
    free(l->key_text);
    free(l->key_file);
    l->key_type = mem_strdup(key->type);
    l->key_text = mem_strdup(key->text);
    l->key_file = mem_strdup(record_file(&h->host));
    l->key_hashed = h->host.hash_known_hosts;
    l->shot.key = info;
    pthread_mutex_unlock(&l->lock);
}

static enum clw_err judge(struct host_session *l, struct hop *h, const struct shown_key *key, struct clw_error *err)
{
    struct known_place place;
    char *name = record_name(&h->host);
    enum known_verdict verdict =
        known_hosts_check(&h->host.user_known_hosts, &h->host.global_known_hosts, name, key->type, key->text, &place);
    enum clw_err code = CLW_OK;
    char hint[300];
    if (verdict == KNOWN_UNKNOWN && accept_new(l, h, name, key))
        verdict = KNOWN_OK;
    if (verdict != KNOWN_OK && verdict != KNOWN_UNREAD)
        keep_pending(l, h, name, key, verdict, &place);
    if (*record_file(&h->host))
        snprintf(hint, sizeof hint,
            "compare it with the host (ssh-keygen -lf /etc/ssh/ssh_host_*.pub), then: clowder host trust %s",
            l->o.name);
    else
        snprintf(hint, sizeof hint, "%s", KEY_HAS_NO_FILE);
    switch (verdict) {
    case KNOWN_OK: break;
    case KNOWN_UNREAD: code = fail_unread(err); break;
    case KNOWN_UNKNOWN:
        code = clw_fail(
            err, CLW_REFUSED, hint, "the host key of %s is not known: %s %s", name, key->type, key->fingerprint);
        break;
    case KNOWN_OTHER_TYPE:
        code = clw_fail(err, CLW_REFUSED, hint, "%s shows a key of another type than the known one (%s line %u): %s %s",
            name, place.file, place.line, key->type, key->fingerprint);
        break;
    case KNOWN_CHANGED:
        snprintf(hint, sizeof hint, "if it was reinstalled, remove the old key: ssh-keygen -f '%.150s' -R '%.80s'",
            place.file, name);
        code = clw_fail(err, CLW_REFUSED, hint,
            "THE HOST KEY OF %s HAS CHANGED: it shows %s %s, but %s line %u has another key", name, key->type,
            key->fingerprint, place.file, place.line);
        break;
    case KNOWN_REVOKED:
        code = clw_fail(err, CLW_REFUSED, "this key is marked as stolen: do not connect",
            "the host key of %s is revoked in %s line %u", name, place.file, place.line);
        break;
    }
    free(name);
    return code;
}

/* The last hop is the host itself: what its jump hosts showed is written over. */
static void keep_known(struct host_session *l, const char *fingerprint)
{
    pthread_mutex_lock(&l->lock);
    snprintf(l->shot.known_key, sizeof l->shot.known_key, "%s", fingerprint);
    if (*fingerprint)
        memset(&l->shot.key, 0, sizeof l->shot.key); /* it waits for nobody any more */
    pthread_mutex_unlock(&l->lock);
}

enum clw_err link__hostkey(struct host_session *l, struct hop *h, struct clw_error *err)
{
    struct shown_key key;
    unsigned limit_ms = h->host.connect_timeout_s * 1000; /* ssh's takes in the handshake */
    link__step(l, HOST_HOSTKEY, limit_ms > l->o.hostkey_ms ? limit_ms : l->o.hostkey_ms);
    enum clw_err code = shake_hands(l, h, err);
    if (code)
        return code;
    if (!read_key(h, &key))
        code = clw_fail(err, CLW_PROTOCOL, NULL, "%s shows a host key that cannot be read", h->label);
    else
        code = judge(l, h, &key, err);
    keep_known(l, code || !key.fingerprint ? "" : key.fingerprint);
    shown_key_fini(&key);
    return code;
}
