/* The wire of the way home: many byte streams, and a few words beside them, over one pipe each way, the stdin and
 * stdout of a command on the host. Home is on one end, `clowder-daemon --mux` on the other. So nothing has to listen
 * for home's sake on a host that others use too. Pure: bytes in, frames out.
 *
 * Each side begins with MUX_GREETING, so that whatever login files print before it is passed over. Frames:
 *     u8 type, u32 stream (big-endian), u32 length (big-endian, at most MUX_PAYLOAD), bytes
 *
 * A stream is opened by either side: by the host for a connection that one of its listeners accepted, by home for a
 * connection to a port of the host's loopback. The host numbers its streams from 1, home from MUX_HOME on. A stream has
 * MUX_WINDOW bytes of credit each way to begin with; one whose bytes are taken as they come gets more and more, up to
 * MUX_WINDOW_MAX, so that a long line is full. It is over once both sides have sent CLOSE. Stream 0 carries
 * CONTROL: the lines of hosts/spawn.h. */
#ifndef HOSTS_REMOTE_MUX_H
#define HOSTS_REMOTE_MUX_H

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUX_GREETING "\n\001clowder-mux-2\002"
enum {
    MUX_PAYLOAD = 32768,
    MUX_WINDOW = 512 * 1024,
    MUX_WINDOW_MAX = 16 << 20,
    MUX_GROWN_MAX = 64 << 20, /* of all streams together, beyond what they have to begin with */
    MUX_STREAMS = 4096,
    MUX_STRANGERS = MUX_STREAMS / 2, /* of them, at ports that are open to anybody */
    MUX_HELD_MAX = 256 << 20,
    MUX_NOISE_MAX = 64 * 1024,
    MUX_HEADER = 9
};
#define MUX_HOME 0x80000000u

enum mux_type {
    MUX_LISTEN = 1, /* home: listen; stream = the listener's number, payload = where:
                         ""            a unix socket that only this user reaches
                         "/PATH"       the same, at this path of an earlier one
                         "tcp[:PORT]"  a port of the loopback, for processes of this user and root
                         "any[:PORT]"  a port of all addresses, for anybody */
    MUX_LISTENING,  /* host: payload = "/PATH", "tcp:PORT" or "any:PORT" */
    MUX_REFUSED,    /* host: stream = the listener's number, payload = why not */
    MUX_OPEN,       /* host: somebody connected; payload = u32 number of the listener.
                       home: connect; payload = u32 port of the host's loopback */
    MUX_DATA,
    MUX_WINDOW_ADD, /* payload = u32 bytes that may be sent in addition */
    MUX_EOF,        /* no more DATA from this side */
    MUX_CLOSE,      /* this side is done with the stream */
    MUX_CONTROL,    /* stream 0: bytes of the supervisor's protocol */
    MUX_UNLISTEN,   /* home: stream = the listener's number, which is of no use any more; its streams go on */
    MUX_TYPES
};

struct mux_frame {
    enum mux_type type;
    uint32_t stream;
    const uint8_t *data; /* borrowed until the next call with the reader */
    size_t len;
};

struct mux_reader {
    struct buf in;
    size_t at; /* of the first byte not yet used */
    bool greeted, broken;
    size_t skipped;  /* bytes before the greeting */
    char noise[200]; /* the first of them */
};

void mux_put(struct buf *out, enum mux_type type, uint32_t stream, const void *data, size_t len);
void mux_put_u32(struct buf *out, enum mux_type type, uint32_t stream, uint32_t value);
/* A frame's payload as a number; 0 when it is none. */
uint32_t mux_u32(const struct mux_frame *frame);

void mux_reader_fini(struct mux_reader *r);
/* Takes bytes. Then mux_next() until it says no. */
void mux_feed(struct mux_reader *r, const void *data, size_t len);
/* 1: a frame; 0: more bytes are needed; -1: this is not our protocol (and stays so). */
int mux_next(struct mux_reader *r, struct mux_frame *frame);

#endif
