/* Where the engine listens: on sockets of this machine, which its loop waits for, and for TLS, which nng does. */
#include "engine/core.h"

#include "base/log.h"
#include "base/mono.h"
#include "base/peer.h"

#include <nng/nng.h>
#include <nng/supplemental/util/platform.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { SHORT_MS = 50, ACCEPTS = 64 };

struct listener {
    struct engine *engine;
    struct listener *next;

    nng_stream_listener *tls;
    nng_aio *aio;

    int fd;
    const struct listen_door *door;
    bool waits; /* and it was said */
    struct loop_watch *watch;
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
};

static struct listener *add(struct engine *e)
{
    struct listener *l = mem_zalloc(sizeof *l);
    l->engine = e;
    l->fd = -1;
    l->next = e->listener;
    e->listener = l;
    return l;
}

/* ---- sockets of this machine ---- */

static bool is_welcome(const struct listener *l, int fd)
{
    int64_t uid = l->door->ours_only ? peer_uid_unix(fd) : 0;
    if (peer_is_ours(uid))
        return true;
    log_warn("accept", "dropped uid=%lld why=\"another user\"", (long long)uid);
    return false;
}

/* Whoever dials waits until some let go. */
static void pause_accepting(struct listener *l, const char *why)
{
    if (!l->waits)
        log_warn("accept", "waits why=\"%s\"", why);
    l->waits = true;
    l->engine->listen_again_ms = mono_ms() + SHORT_MS;
    loop_change(l->watch, 0);
    core_wake(l->engine);
}

/* The loop says that somebody dials. Locked. */
static void accept_some(void *arg)
{
    struct listener *l = arg;
    for (int i = 0; i < ACCEPTS; i++) {
        if (l->door->is_full && l->door->is_full(l->engine)) {
            pause_accepting(l, "too many connections");
            return;
        }
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0 && errno != EAGAIN)
            pause_accepting(l, strerror(errno)); /* out of descriptors */
        if (fd < 0)
            return;
        l->waits = false;
        if (is_welcome(l, fd))
            l->door->take(l->engine, fd);
        else
            close(fd);
    }
}

/* 0, or an errno. The engine holds the lock: a socket of that name is nobody's. */
static int bind_to(struct listener *l)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, l->path, sizeof l->path);
    unlink(l->path);
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0 || fchmod(l->fd, 0600) || bind(l->fd, (struct sockaddr *)&address, sizeof address) ||
        chmod(l->path, 0600) || listen(l->fd, SOMAXCONN))
        return errno;
    l->watch = loop_add(l->engine->loop, l->fd, POLLIN, accept_some, l);
    return l->watch ? 0 : errno;
}

enum clw_err listen_on(struct engine *e, const char *path, const struct listen_door *door, struct clw_error *err)
{
    struct listener *l = add(e);
    l->door = door;
    if (strlen(path) >= sizeof l->path)
        return clw_fail(err, CLW_USAGE, "set XDG_RUNTIME_DIR to a shorter path", "too long for a socket: %s", path);
    snprintf(l->path, sizeof l->path, "%s", path);
    int rv = bind_to(l);
    return rv ? clw_fail(err, CLW_UNREACHABLE, NULL, "cannot listen on %s: %s", path, strerror(rv)) : CLW_OK;
}

void listen_tick(struct engine *e, uint64_t now_ms)
{
    if (!e->listen_again_ms || now_ms < e->listen_again_ms)
        return;
    e->listen_again_ms = 0;
    for (struct listener *l = e->listener; l; l = l->next)
        if (l->watch)
            loop_change(l->watch, POLLIN);
}

/* ---- TLS ---- */

/* In a thread of nng's. */
static void accept_cb(void *arg)
{
    struct listener *l = arg;
    int rv = nng_aio_result(l->aio);
    if (rv == NNG_ECLOSED || rv == NNG_ECANCELED)
        return;
    if (rv == 0) {
        accept_stream(l->engine, nng_aio_get_output(l->aio, 0));
    } else {
        log_warn("accept", "failed why=\"%s\"", nng_strerror(rv));
        nng_msleep(SHORT_MS); /* out of descriptors: let some go */
    }
    nng_stream_listener_accept(l->tls, l->aio);
}

struct listener *listen_tls(struct engine *e, nng_stream_listener *listener)
{
    struct listener *l = add(e);
    l->tls = listener;
    if (nng_aio_alloc(&l->aio, accept_cb, l))
        abort();
    nng_aio_set_timeout(l->aio, NNG_DURATION_INFINITE);
    nng_stream_listener_accept(l->tls, l->aio);
    return l;
}

/* ---- their end ---- */

static void listener_free(struct listener *l)
{
    if (l->tls) {
        nng_stream_listener_close(l->tls);
        nng_aio_stop(l->aio);
        nng_aio_free(l->aio);
        nng_stream_listener_free(l->tls);
    }
    if (l->fd >= 0) {
        pthread_mutex_lock(&l->engine->lock);
        loop_remove(l->watch);
        pthread_mutex_unlock(&l->engine->lock);
        close(l->fd);
        unlink(l->path);
    }
    free(l);
}

void listen_end(struct engine *e, struct listener *l)
{
    struct listener **at = &e->listener;
    pthread_mutex_lock(&e->lock);
    while (*at && *at != l)
        at = &(*at)->next;
    if (*at)
        *at = l->next;
    pthread_mutex_unlock(&e->lock);
    listener_free(l);
}

void listen_stop(struct engine *e)
{
    for (struct listener *l = e->listener, *next; l; l = next) {
        next = l->next;
        listener_free(l);
    }
    e->listener = NULL;
}
