/* A link: one framed connection over an nng stream (ipc, tcp or tls+tcp) or over a socket, the same for client, engine
 * and daemon. It belongs to the thread of its loop, or to whoever holds the loop's lock if that has one: all functions
 * are called there, and the callbacks come from there. What is queued goes out when the owner calls link_flush (once an
 * event, so frames coalesce). */
#ifndef ENGINE_WIRE_LINK_H
#define ENGINE_WIRE_LINK_H

#include "base/err.h"
#include "base/mem.h"
#include "engine/wire/resume.h"
#include "engine/wire/wire.h"

#include <stdbool.h>

struct nng_aio;
struct nng_stream;
struct loop;
struct link;

struct link_owner {
    /* A frame; its body is borrowed from block and lives as long as somebody holds that. */
    void (*frame_cb)(struct link *l, const struct frame *f, struct blk *block);
    /* All frames that came in one piece were handed over: the time to flush. */
    void (*batch_cb)(struct link *l);
    /* The connection is over (why->message says how). Called once; nothing follows. */
    void (*closed_cb)(struct link *l, const struct clw_error *why);
    /* Nothing is queued any more; it may only note that. NULL: nobody wants to know. */
    void (*sent_cb)(struct link *l);
    struct nng_aio *try_aio; /* of the links: they send in one thread, so one is enough */
};
/* When no link of it is left; an owner that has sockets only needs none. */
void link_owner_fini(struct link_owner *owner);

/* Takes the stream. What nng's threads say of it is posted to loop. max_body bounds a frame until link_set_max. */
struct link *link_new(
    struct nng_stream *stream, struct loop *loop, struct link_owner *owner, void *arg, uint32_t max_body);
/* The same over a connected socket, which is taken. loop waits for it; NULL: the owner polls link_fd() for
 * link_events(), and calls link_step() when it is ready. */
struct link *link_new_socket(int fd, struct loop *loop, struct link_owner *owner, void *arg, uint32_t max_body);
/* -1: there is nothing to poll (it is a stream, or over). */
int link_fd(const struct link *l);
short link_events(const struct link *l);
/* Sends and receives what can be; the callbacks come from here. */
void link_step(struct link *l);
/* Starts to receive. */
void link_start(struct link *l);
/* No callback follows. Not from a callback of its own. */
void link_free(struct link *l);
/* Ends the connection now; closed_cb follows, from the loop or the next link_step(). */
void link_close(struct link *l);
/* The same, once what is queued has gone out. */
void link_close_after_send(struct link *l);

void *link_arg(const struct link *l);
void link_set_max(struct link *l, uint32_t max_body);
/* Queues a frame; f->len is the sum of the pieces. link_send copies the body; link_send_ref queues references to pieces
 * of blocks, which are held until sent (small pieces are copied). */
void link_send(struct link *l, const struct frame *f, const void *body);
void link_send_ref(struct link *l, const struct frame *f, const struct link_piece *pieces, int count);
/* The conversation goes on over this link, until it ends: what is sent is kept. First what the other side lacks of it
 * is sent again; it has the first `has` frames. False: it says what cannot be. Before anything else that counts. */
bool link_resume(struct link *l, struct resume *r, uint64_t has);
/* Sends as much as the connection takes. */
void link_flush(struct link *l);
/* Bytes queued and not yet taken by the kernel. */
size_t link_queued(const struct link *l);
/* Stops and resumes receiving (backpressure: the peer's sends then block). */
void link_pause(struct link *l, bool paused);
/* Monotonic ms of the last bytes received. */
uint64_t link_heard_ms(const struct link *l);

#endif
