/* A daemon's connection for files: frames, for a thread that waits. Besides file_link_shut() it belongs to that thread.
 */
#ifndef ENGINE_DAEMON_FILE_LINK_H
#define ENGINE_DAEMON_FILE_LINK_H

#include "base/mem.h"
#include "engine/wire/wire.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/uio.h>

struct daemon;
struct nng_aio;
struct nng_stream;

struct file_link {
    pthread_mutex_t lock; /* of what file_link_shut() looks at */
    int fd;               /* -1: none */
    struct nng_stream *stream;
    struct nng_aio *aio;
    bool is_open, is_shut;
};

void file_link_init(struct file_link *k);
/* Dials and greets. False: not now, or not any more. */
bool file_link_open(struct file_link *k, const struct daemon *d);
/* f->len is the sum of the pieces. False: it is over. */
bool file_link_send(struct file_link *k, const struct frame *f, const struct iovec *pieces, int count);
/* The next frame, its body in *body. False: it is over. */
bool file_link_recv(struct file_link *k, struct frame *f, struct buf *body);
void file_link_close(struct file_link *k);
/* From any thread: whoever waits in it does so no longer, and it does not open again. */
void file_link_shut(struct file_link *k);
void file_link_fini(struct file_link *k);

#endif
