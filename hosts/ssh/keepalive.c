/* Keepalives: a global request that every server answers, if only with a refusal. */
#include "hosts/ssh/keepalive.h"

#include "base/mono.h"

#include <libssh/server.h> /* ssh_send_keepalive() */

void keepalive_begin(struct keepalive *k, const struct hop *h, unsigned interval_ms, unsigned misses)
{
    *k = (struct keepalive){.interval_ms = interval_ms, .misses = misses};
    k->heard_ms = k->asked_ms = mono_ms();
    if (!h)
        return;
    k->heard_bytes = h->counter.in_bytes;
    if (h->host.alive_interval_s)
        k->interval_ms = h->host.alive_interval_s * 1000;
    if (h->host.alive_count)
        k->misses = h->host.alive_count;
}

static void hear(struct keepalive *k, const struct hop *h, uint64_t now)
{
    if (h->counter.in_bytes == k->heard_bytes)
        return;
    k->heard_bytes = h->counter.in_bytes;
    k->heard_ms = now;
    k->missed = 0;
}

/* Takes the answer out of the library, when it has come. Any global request does that; this one has no effect of its
 * own while one is pending. */
static void collect(struct keepalive *k, struct hop *h)
{
    if (k->pending && ssh_channel_cancel_forward(h->session, "127.0.0.1", 1) != SSH_AGAIN)
        k->pending = false;
}

void keepalive_ask(struct keepalive *k, struct hop *h)
{
    if (k->pending)
        return;
    ssh_send_keepalive(h->session);
    k->pending = true;
}

enum clw_err keepalive_tick(struct keepalive *k, struct hop *h, struct clw_error *err)
{
    uint64_t now = mono_ms();
    hear(k, h, now);
    collect(k, h);
    uint64_t last = k->heard_ms > k->asked_ms ? k->heard_ms : k->asked_ms;
    if (now - last < k->interval_ms)
        return CLW_OK;
    if (k->missed >= k->misses)
        return clw_fail(err, CLW_UNREACHABLE, "is it switched off? does a firewall or the network block it?",
            "%s has not answered for %u s", h->label, (unsigned)((now - k->heard_ms) / 1000));
    k->missed++;
    k->asked_ms = now;
    keepalive_ask(k, h);
    return CLW_OK;
}
