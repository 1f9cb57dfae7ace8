/* What the files of a link share: link.c frames and queues, link_stream.c and link_socket.c move the bytes. */
#ifndef ENGINE_WIRE_LINK_PRIVATE_H
#define ENGINE_WIRE_LINK_PRIVATE_H

#include "base/loop.h"
#include "engine/wire/link.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

enum { LINK_PIECES = 8 }; /* nng takes no more at once */

/* How bytes are moved. */
struct link_io {
    void (*start)(struct link *l); /* brings what comes from now on, unless it is paused */
    void (*pause)(struct link *l); /* paused has changed */
    void (*flush)(struct link *l); /* sends what is queued, as far as it is taken */
    void (*close)(struct link *l); /* nothing more is moved; link__end() follows */
    void (*free)(struct link *l);
};

struct link_segment {
    const uint8_t *data;
    size_t len;
    struct blk *block;
};

struct link {
    const struct link_io *io;
    struct link_owner *owner;
    struct loop *loop; /* NULL: a socket that its owner polls */
    void *arg;
    uint32_t max_body;
    uint64_t heard_ms;
    bool paused, closing, closed, close_when_sent;
    struct clw_error *why; /* NULL: nothing is wrong */
    struct resume *resume; /* what is sent is kept there; or NULL */

    /* link_stream.c */
    struct nng_stream *stream;
    struct nng_aio *recv_aio, *send_aio; /* send_aio: NULL until the kernel does not take all at once */
    pthread_mutex_t ends;                /* of: */
    bool is_shut;   /* the stream is closed, or about to be: over TLS it would take what comes later, for ever */
    bool try_first; /* not over TLS: a record that was begun must be finished with the same bytes */
    bool receiving, sending;          /* an aio has it: what is behind in_end; the front of the queue */
    struct loop_call received, sent;  /* an aio is done, as nng's thread says */
    uint8_t *recv_at;                 /* while it is receiving, of nng's thread: where the next bytes go, … */
    size_t recv_left;                 /* … how many may, … */
    int recv_rv;                      /* … and how it ended */
    size_t recv_taken;                /* of what came since it began */
    struct iovec pieces[LINK_PIECES]; /* while it is sending, of nng's thread: what is left of what it was given, … */
    unsigned piece, piece_count;
    size_t sent_bytes;       /* … how many bytes went … */
    int send_rv;             /* … and how it ended */
    atomic_size_t recv_came; /* bytes that were put there, and are not taken */
    atomic_bool recv_over;   /* the aio is ours again */

    /* link_socket.c */
    int fd;
    bool blocked; /* it takes no more for now */
    struct loop_watch *watch;

    struct blk *in;
    size_t in_start, in_end;
    size_t room, got; /* of the last read: how much it might have, and had */
    unsigned small;   /* reads in a row that used little of their block */

    struct link_segment *queue; /* ring */
    size_t queue_cap, queue_head, queue_count, queue_bytes;
    struct blk *arena;
    size_t arena_used;
    unsigned thin; /* times in a row that all was sent and little of the arena was used */
};

struct link *link__new(
    const struct link_io *io, struct loop *loop, struct link_owner *owner, void *arg, uint32_t max_body);
/* Room for l->room bytes at the result, or NULL: there is no memory, and the link is closed. */
uint8_t *link__room(struct link *l);
/* n bytes were put there: whole frames are handed over. */
void link__came(struct link *l, size_t n);
/* The front of the queue, at most max pieces; and that many bytes of it are gone. */
unsigned link__front(const struct link *l, struct iovec *pieces, unsigned max);
void link__advance(struct link *l, size_t sent);
void link__send_failed(struct link *l, const char *text);
/* It is over: tells the owner, once. text: how, when nothing else is known. */
void link__end(struct link *l, const char *text);

#endif
