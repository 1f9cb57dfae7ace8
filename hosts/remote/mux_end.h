/* One end of the way home: the streams of hosts/remote/mux.h, each joined to a descriptor here. It does not own the
 * pipe: bytes from it are fed in, bytes for it wait in an outgoing queue. One thread. No SSH. */
#ifndef HOSTS_REMOTE_MUX_END_H
#define HOSTS_REMOTE_MUX_END_H

#include "hosts/remote/meter.h"
#include "hosts/remote/mux.h"

struct mux_end;

struct mux_end_callbacks {
    void *arg;
    /* The other side opened a stream, for its listener of that number, or to that port: a connected descriptor
     * (taken), perhaps not finished (*pending), or -1. *meter, NULL before: counts its bytes once it is connected
     * (borrowed, a reference is taken). */
    int (*dial)(void *arg, uint32_t number, bool *pending, struct meter **meter);
    /* LISTEN, LISTENING, REFUSED, UNLISTEN and CONTROL. */
    void (*frame)(void *arg, const struct mux_frame *frame);
};

/* is_home: which side this is. NULL when descriptors are out. The greeting is in the queue at once. */
struct mux_end *mux_end_new(const struct mux_end_callbacks *cb, bool is_home);
void mux_end_free(struct mux_end *e);

/* Readable when mux_end_work() has something to do. */
int mux_end_fd(const struct mux_end *e);
/* Moves bytes of descriptors that are ready; does not block. Not to be called while the queue is long
 * (mux_end_full()). */
void mux_end_work(struct mux_end *e);
/* Bytes from the other end. False: it broke the protocol, or (at home) lets what it asks for pile up; the end is of no
 * use any more. */
bool mux_end_feed(struct mux_end *e, const void *data, size_t len);
/* What was wrong then, as words that follow a name. */
const char *mux_end_fault(const struct mux_end *e);
/* What waits to be sent: *data borrowed until the next call; returns its length. */
size_t mux_end_out(struct mux_end *e, const uint8_t **data);
/* len bytes of it were sent. */
void mux_end_sent(struct mux_end *e, size_t len);
bool mux_end_full(const struct mux_end *e);
/* Queues a frame that is no stream's. */
void mux_end_put(struct mux_end *e, enum mux_type type, uint32_t id, const void *data, size_t len);
/* Opens a stream for a connection that was accepted here (takes fd): of that listener, or to that port. is_strange: it
 * may be anybody's; of these there are at most MUX_STRANGERS, so that they keep out nobody else. */
void mux_end_open(struct mux_end *e, uint32_t number, int fd, bool is_strange);
/* Has the other end greeted us? What it printed before, when not. */
bool mux_end_is_greeted(const struct mux_end *e, const char **noise);
unsigned mux_end_streams(const struct mux_end *e);
/* Bytes taken from the streams, and given to them, so far. */
void mux_end_count(const struct mux_end *e, uint64_t *received, uint64_t *sent);

#endif
