/* Connections: accepted, greeted, bounded, dropped. Who says hello properly becomes a client or a daemon; who does not
 * is dropped with one line in the log, and nobody else notices. */
#include "engine/serve/accept.h"

#include "base/mono.h"
#include "base/random.h"
#include "base/text.h"
#include "engine/files/files_peer.h"
#include "engine/model/core.h"
#include "engine/model/find.h"
#include "engine/peers/listen.h"
#include "engine/peers/output.h"
#include "engine/peers/talk.h"
#include "engine/serve/serve_client.h"
#include "engine/serve/serve_daemon.h"
#include "engine/wire/names.h"

#include <nng/nng.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void frame_cb(struct link *l, const struct frame *f, struct blk *block);
static void batch_cb(struct link *l);
static void closed_cb(struct link *l, const struct clw_error *why);

/* The loop says that what was held has waited long enough. */
static void flush_held(void *arg, short events)
{
    struct engine *e = arg;
    (void)events;
    uint64_t ignored;
    if (read(e->hold_fd, &ignored, sizeof ignored) < 0)
        return;
    for (struct peer *p = e->peers; p; p = p->after)
        if (p->held)
            peer_mark(p);
    core_flush(e);
}

/* One host cannot keep out the daemons of others. */
static unsigned strangers_from(const struct engine *e, const void *from)
{
    unsigned n = 0;
    if (e->stranger_count < CORE_STRANGERS_EACH)
        return 0;
    for (const struct peer *p = e->peers; p; p = p->after)
        n += p->stranger && p->from == from;
    return n;
}

static bool is_welcome(struct engine *e, bool remote, const void *from)
{
    if (remote && (e->stranger_count >= CORE_STRANGERS_MAX || strangers_from(e, from) >= CORE_STRANGERS_EACH))
        peer_complain(e, "dropped why=\"more than %d connections without a hello\"",
            e->stranger_count >= CORE_STRANGERS_MAX ? CORE_STRANGERS_MAX : CORE_STRANGERS_EACH);
    else if (e->peer_count >= CORE_PEERS_MAX)
        peer_complain(e, "dropped why=\"more than %d connections\"", CORE_PEERS_MAX);
    else
        return true;
    return false;
}

static struct peer *add_peer(struct engine *e, bool remote, const void *from)
{
    struct peer *p = mem_zalloc(sizeof *p);
    p->engine = e;
    p->remote = p->stranger = remote;
    e->stranger_count += remote;
    p->from = from;
    p->since_ms = mono_ms();
    random_fill(&p->id, sizeof p->id); /* so that nobody can name another client by guessing */
    p->after = e->peers;
    if (p->after)
        p->after->before = p;
    e->peers = p;
    e->peer_count++;
    core_due(e); /* its time to say hello runs */
    return p;
}

static void accept_socket(struct engine *e, int fd, bool remote, const void *from)
{
    if (!is_welcome(e, remote, from)) {
        close(fd);
        return;
    }
    struct peer *p = add_peer(e, remote, from);
    p->link = link_new_socket(fd, e->loop, &e->link_owner, p, WIRE_HELLO_MAX);
    link_start(p->link);
}

static void take_local(struct engine *e, int fd)
{
    accept_socket(e, fd, false, NULL);
}

void accept_remote(struct engine *e, const struct host *from, int fd)
{
    accept_socket(e, fd, true, from);
}

void accept_stream(struct engine *e, const void *from, nng_stream *stream)
{
    if (!is_welcome(e, true, from)) {
        nng_stream_free(stream);
        return;
    }
    struct peer *p = add_peer(e, true, from);
    p->link = link_new(stream, e->loop, &e->link_owner, p, WIRE_HELLO_MAX);
    link_start(p->link);
}

static void no_stranger(struct peer *p)
{
    p->engine->stranger_count -= p->stranger;
    p->stranger = false;
}

static void welcome_client(struct peer *p)
{
    struct buf b = {0};
    p->role = PEER_CLIENT;
    link_set_max(p->link, WIRE_BODY_MAX);
    wire_add_number(&b, WIRE_K_VERSION, WIRE_VERSION);
    wire_add_number(&b, WIRE_K_CLIENT, p->id);
    peer_send(p, &(struct frame){.type = WIRE_WELCOME, .len = (uint32_t)b.len}, b.data);
    buf_fini(&b);
}

/* A daemon that says who it is, and is who was meant. */
static bool is_known(const struct daemon *m, const struct wire_hello *h)
{
    return m && strlen(h->token) == WIRE_TOKEN && text_same_secret(m->token, h->token, WIRE_TOKEN) &&
           strlen(h->instance) == WIRE_TOKEN;
}

static bool is_its_instance(const struct daemon *m, const struct wire_hello *h)
{
    return m->instance[0] && text_same_secret(m->instance, h->instance, WIRE_TOKEN);
}

static void take_daemon(struct peer *p, const struct wire_hello *h)
{
    struct daemon *m = daemon_by_number(p->engine, (uint32_t)h->daemon);
    if (!is_known(m, h)) {
        peer_refuse(p, CLW_REFUSED, "unknown token");
    } else if (m->instance[0] && !is_its_instance(m, h)) {
        peer_refuse(p, CLW_REFUSED, "this token belongs to another daemon");
    } else if (m->peer) {
        peer_refuse(p, CLW_BUSY, "the daemon's previous connection has not ended yet");
    } else if (!fleet_daemon_may_come(&m->fleet)) {
        peer_refuse(p, CLW_REFUSED, "this daemon is not expected any more");
    } else {
        no_stranger(p);
        peer_daemon_hello(p, m, h);
    }
}

/* Besides the connection that it has already. */
static void take_files(struct peer *p, const struct wire_hello *h)
{
    struct daemon *m = daemon_by_number(p->engine, (uint32_t)h->daemon);
    if (!is_known(m, h) || !is_its_instance(m, h) || !m->disp) {
        peer_refuse(p, CLW_REFUSED, "unknown token");
    } else {
        no_stranger(p);
        files_peer_hello(p, m);
    }
}

static void take_hello(struct peer *p, const struct frame *f)
{
    struct wire_hello h;
    char text[120];
    if (f->type != WIRE_HELLO || !wire_get_hello(f, &h)) {
        peer_drop(p, "not a hello");
    } else if (h.version != WIRE_VERSION) {
        snprintf(text, sizeof text, "protocol version %llu, this engine speaks %d", (unsigned long long)h.version,
            WIRE_VERSION);
        peer_refuse(p, CLW_NEWER, text);
    } else if (h.role == WIRE_ROLE_CLIENT && !p->remote) {
        welcome_client(p);
    } else if (h.role == WIRE_ROLE_DAEMON) {
        take_daemon(p, &h);
    } else if (h.role == WIRE_ROLE_FILES) {
        take_files(p, &h);
    } else {
        peer_refuse(p, CLW_REFUSED, "unknown role");
    }
    mem_wipe(&h, sizeof h);
}

static void frame_cb(struct link *l, const struct frame *f, struct blk *block)
{
    struct peer *p = link_arg(l);
    switch (p->role) {
    case PEER_NEW: take_hello(p, f); break;
    case PEER_CLIENT: client_frame(p, f, block); break;
    case PEER_DAEMON: peer_daemon_frame(p, f, block); break;
    case PEER_FILES: files_peer_frame(p, f, block); break;
    }
}

static void batch_cb(struct link *l)
{
    struct peer *p = link_arg(l);
    if (p->role == PEER_CLIENT)
        client_sent(p);
    core_flush(p->engine);
}

static void sent_cb(struct link *l)
{
    struct peer *p = link_arg(l);
    if (p->role == PEER_FILES && p->files)
        files_peer_sent(p);
}

static void unlink_dirty(struct peer *p)
{
    for (struct peer **at = &p->engine->dirty; p->dirty && *at; at = &(*at)->dirty_next) {
        if (*at == p) {
            *at = p->dirty_next;
            p->dirty = false;
            break;
        }
    }
}

/* Not before its link's callback is over. */
static void peer_free(void *arg)
{
    struct peer *p = arg;
    link_free(p->link);
    free(p->named);
    free(p);
}

static void closed_cb(struct link *l, const struct clw_error *why)
{
    struct peer *p = link_arg(l);
    struct engine *e = p->engine;
    if (why->code == CLW_PROTOCOL || (p->role == PEER_NEW && why->code == CLW_NO_MEMORY))
        peer_complain(e, "dropped peer=%s why=\"%s\"",
            p->role == PEER_CLIENT   ? "client"
            : p->role == PEER_DAEMON ? "daemon"
            : p->role == PEER_FILES  ? "files"
                                     : "stranger",
            why->message);
    p->dead = true;
    p->is_bad |= why->code == CLW_PROTOCOL;
    no_stranger(p);
    if (p->role == PEER_CLIENT)
        client_gone(p);
    else if (p->role == PEER_DAEMON)
        peer_daemon_gone(p, why->message);
    else if (p->files)
        files_peer_gone(p);
    unlink_dirty(p);
    *(p->before ? &p->before->after : &e->peers) = p->after;
    if (p->after)
        p->after->before = p->before;
    e->peer_count--;
    p->end = (struct loop_call){.run = peer_free, .arg = p};
    loop_post(e->loop, &p->end);
    core_flush(e);
    core_due(e);
}

enum clw_err accept_start(struct engine *e, struct clw_error *err)
{
    static const struct listen_door here = {.take = take_local};
    e->link_owner =
        (struct link_owner){.frame_cb = frame_cb, .batch_cb = batch_cb, .closed_cb = closed_cb, .sent_cb = sent_cb};
    e->take_stream = accept_stream;
    e->hold = loop_add(e->loop, e->hold_fd, POLLIN, flush_held, e);
    if (!e->hold || !output_start(e))
        return clw_fail(err, CLW_IO, "raise the limits of open files and of processes (ulimit -n, ulimit -u)",
            "cannot wait for connections");
    listen_on(e, ENGINE_DATA_SOCKET, &here);
    return CLW_OK;
}

void accept_stop(struct engine *e)
{
    loop_remove(e->hold);
    link_owner_fini(&e->link_owner);
}

/* Connections that stay silent instead of saying hello are dropped. */
void accept_tick(struct engine *e, uint64_t now_ms)
{
    for (struct peer *p = e->peers; p; p = p->after)
        if (p->role == PEER_NEW && now_ms - p->since_ms > CORE_HELLO_MS) {
            p->since_ms = now_ms;
            peer_drop(p, "no hello in time");
        }
}
