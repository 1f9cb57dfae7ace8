/* Counts what passes between a daemon of another engine and its base, and never touches it: lengths of frames are
 * read as the bytes go by. What is not framed as expected is counted as bytes. Pure: bytes in, numbers out.
 *
 * SP over tcp: 8 bytes of greeting each way (00 'S' 'P' 00, u16 protocol, 00 00), then frames: u64 length (big-endian)
 * and so many bytes, of which the first 4 are the protocol's own header. mirai: docs/runtimes.md. Dask: u64 length
 * (little-endian), then so many bytes. */
#ifndef HOSTS_REMOTE_METER_H
#define HOSTS_REMOTE_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum meter_kind {
    METER_BYTES, /* no framing that we know (TLS, HTTP) */
    METER_SP,    /* each frame toward the daemon is a task, each back a result */
    METER_MIRAI, /* the same, but for its first frame and for its signals */
    METER_DASK   /* messages; which of them are tasks is inside them */
};

struct meter_counts {
    bool is_framed;                  /* everything so far was framed as expected */
    unsigned connections;            /* now */
    unsigned busy;                   /* connections with a task that has no result yet */
    uint64_t opened;                 /* connections, so far */
    uint64_t bytes_up, bytes_down;   /* from the daemon, toward it */
    uint64_t frames_up, frames_down; /* whole ones */
    uint64_t tasks, results, cancels;
};

/* The sum over a daemon's connections. Shared: fed by one thread at a time, read by any. */
struct meter;
/* One connection. */
struct meter_stream;

/* One reference, the caller's. */
struct meter *meter_new(enum meter_kind kind);
struct meter *meter_hold(struct meter *m);
void meter_rele(struct meter *m); /* NULL is fine */
void meter_read(const struct meter *m, struct meter_counts *out);
/* changed(arg, how many) is called, by the thread that feeds, when a connection comes or goes; NULL: no more. */
void meter_watch(struct meter *m, void (*changed)(void *arg, unsigned connections), void *arg);

/* Returned owned: meter_close(). Holds the meter. */
struct meter_stream *meter_open(struct meter *m);
void meter_close(struct meter_stream *s); /* NULL is fine */
/* Bytes that the daemon sent, or that go to it. s NULL: nobody counts. */
void meter_up(struct meter_stream *s, const void *data, size_t len);
void meter_down(struct meter_stream *s, const void *data, size_t len);

#endif
