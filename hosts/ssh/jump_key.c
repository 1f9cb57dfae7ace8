/* What makes two jump hosts the same: everything that decides where a login goes, as whom, with what, and which host
 * key is accepted. Not the agent of whoever asks: it is asked for the login only, and by the session that logs in. */
#include "hosts/ssh/jump_private.h"

#include <string.h>

/* With its length, so that no two lists read alike. */
static void add_text(struct buf *b, const char *text)
{
    buf_printf(b, "%zu:%s,", strlen(text), text);
}

static void add_words(struct buf *b, const struct ssh_words *words)
{
    buf_printf(b, "%zu[", words->count);
    for (size_t i = 0; i < words->count; i++)
        add_text(b, words->items[i]);
}

static void add_host(struct buf *b, const struct ssh_host *h)
{
    const char *const texts[] = {h->hostname, h->user, h->identity_agent, h->proxy_command, h->host_key_alias,
        h->bind_address, h->ciphers, h->macs, h->kex, h->host_key_algorithms, h->pubkey_algorithms};
    const unsigned numbers[] = {h->port, h->has_identity, h->identities_only, h->hash_known_hosts, h->strict,
        (unsigned)h->address_family, h->rsa_bits, h->compression, h->pubkey_auth, h->password_auth, h->kbdint_auth,
        h->password_prompts, h->batch_mode, h->connect_timeout_s, h->alive_interval_s, h->alive_count};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        add_text(b, texts[i]);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        buf_printf(b, "%u,", numbers[i]);
    add_words(b, &h->identity);
    add_words(b, &h->certificate);
    add_words(b, &h->user_known_hosts);
    add_words(b, &h->global_known_hosts);
}

char *jump__key(struct hop *const *hops, size_t n)
{
    struct buf b = {0};
    for (size_t i = 0; i < n; i++)
        add_host(&b, &hops[i]->host);
    return buf_steal(&b);
}
