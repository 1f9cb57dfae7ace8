/* Where the engine listens: on sockets of this machine, which its loop waits for, and for TLS, which nng does. */
#include "engine/peers/listen.h"

#include "base/mono.h"
#include "base/peer.h"
#include "engine/model/core.h"

#include <nng/nng.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { SHORT_MS = 50, SPARE_MS = 500, ACCEPTS = 64 };

struct listener {
    struct engine *engine;
    struct listener *next;

    nng_stream_listener *tls;
    nng_aio *aio;
    struct loop_call accepted; /* the aio is done, as nng's thread says */

    const struct listen_door *door; /* NULL: it is for TLS */
    const char *name;
    int fd;     /* -1: it does not listen yet */
    bool waits; /* and it was said */
    struct loop_watch *watch;
    struct sockaddr_un address;
    dev_t device; /* of the socket's file */
    ino_t inode;
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

static bool is_welcome(int fd)
{
    int64_t uid = peer_uid_unix(fd);
    if (peer_is_ours(uid))
        return true;
    log_warn("accept", "dropped uid=%lld why=\"another user\"", (long long)uid);
    return false;
}

/* An engine that has used up its descriptors still has to be asked for its state, and to be stopped. */
static void keep_spares(struct engine *e)
{
    int fd;
    while (e->spare_count < CORE_SPARES && (fd = fcntl(e->signal_fd, F_DUPFD_CLOEXEC, 0)) >= 0)
        e->spares[e->spare_count++] = fd;
    if (e->spare_count < CORE_SPARES && !e->listen_again_ms)
        e->listen_again_ms = mono_ms() + SPARE_MS;
}

static bool use_spare(struct listener *l, int why)
{
    struct engine *e = l->engine;
    if (!l->door->has_spares || (why != EMFILE && why != ENFILE) || !e->spare_count)
        return false;
    close(e->spares[--e->spare_count]);
    if (!e->listen_again_ms)
        e->listen_again_ms = mono_ms() + SPARE_MS;
    core_due(e);
    return true;
}

/* Whoever dials waits until some let go. */
static void pause_accepting(struct listener *l, const char *why)
{
    if (!l->waits)
        log_warn("accept", "waits why=\"%s\"", why);
    l->waits = true;
    l->engine->listen_again_ms = mono_ms() + SHORT_MS;
    loop_change(l->watch, 0);
    core_due(l->engine);
}

static void accept_some(struct listener *l)
{
    for (int i = 0; i < ACCEPTS; i++) {
        if (l->door->is_full && l->door->is_full(l->engine)) {
            pause_accepting(l, "too many connections");
            return;
        }
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED || use_spare(l, errno)))
            continue;
        if (fd < 0 && errno != EAGAIN)
            pause_accepting(l, strerror(errno)); /* out of descriptors */
        if (fd < 0)
            return;
        l->waits = false;
        if (is_welcome(fd))
            l->door->take(l->engine, fd);
        else
            close(fd);
    }
}

/* The loop says that somebody dials. */
static void on_dial(void *arg, short events)
{
    (void)events;
    accept_some(arg);
}

static bool is_found(const struct listener *l)
{
    struct stat st;
    return l->fd >= 0 && lstat(l->address.sun_path, &st) == 0 && st.st_dev == l->device && st.st_ino == l->inode;
}

/* Whoever dialled before the socket vanished is heard. */
static void leave(struct listener *l)
{
    if (l->fd < 0)
        return;
    accept_some(l);
    loop_remove(l->watch);
    close(l->fd);
    if (is_found(l))
        unlink(l->address.sun_path);
}

/* 0, or an errno. The engine holds the folder's lock: a socket of that name is nobody's. */
static int bind_to(struct listener *l, const struct sockaddr_un *address)
{
    struct stat st;
    unlink(address->sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct loop_watch *watch = NULL;
    if (fd >= 0 && fchmod(fd, 0600) == 0 && bind(fd, (const struct sockaddr *)address, sizeof *address) == 0 &&
        chmod(address->sun_path, 0600) == 0 && listen(fd, SOMAXCONN) == 0 && lstat(address->sun_path, &st) == 0)
        watch = loop_add(l->engine->loop, fd, POLLIN, on_dial, l);
    if (!watch) {
        int rv = errno;
        if (fd >= 0)
            close(fd);
        return rv;
    }
    leave(l);
    l->fd = fd;
    l->watch = watch;
    l->address = *address;
    l->device = st.st_dev;
    l->inode = st.st_ino;
    l->waits = false;
    return 0;
}

void listen_on(struct engine *e, const char *name, const struct listen_door *door)
{
    struct listener *l = add(e);
    l->name = name;
    l->door = door;
}

static enum clw_err open_in(struct listener *l, const char *folder, struct clw_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", folder, l->name);
    if (n < 0 || (size_t)n >= sizeof address.sun_path)
        return clw_fail(err, CLW_USAGE, "set XDG_RUNTIME_DIR to a shorter path",
            "the path is too long for a socket: %s/%s", folder, l->name);
    if (is_found(l) && strcmp(address.sun_path, l->address.sun_path) == 0)
        return CLW_OK;
    int rv = bind_to(l, &address);
    return rv ? clw_fail(err, CLW_UNREACHABLE, NULL, "cannot listen on %s: %s", address.sun_path, strerror(rv))
              : CLW_OK;
}

enum clw_err listen_open(struct engine *e, const char *folder, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    for (struct listener *l = e->listener; l && !code; l = l->next)
        if (l->door)
            code = open_in(l, folder, err);
    keep_spares(e);
    return code;
}

bool listen_is_found(const struct engine *e)
{
    for (const struct listener *l = e->listener; l; l = l->next)
        if (l->door && !is_found(l))
            return false;
    return true;
}

static void accept_next(struct listener *l)
{
    l->waits = false;
    nng_stream_listener_accept(l->tls, l->aio);
}

void listen_tick(struct engine *e, uint64_t now_ms)
{
    if (!e->listen_again_ms || now_ms < e->listen_again_ms)
        return;
    e->listen_again_ms = 0;
    for (struct listener *l = e->listener; l; l = l->next)
        if (l->watch)
            loop_change(l->watch, POLLIN);
        else if (l->tls && l->waits)
            accept_next(l);
    keep_spares(e);
}

/* ---- TLS ---- */

/* In a thread of nng's. */
static void accept_cb(void *arg)
{
    struct listener *l = arg;
    loop_post(l->engine->loop, &l->accepted);
}

static void accepted(void *arg)
{
    struct listener *l = arg;
    int rv = nng_aio_result(l->aio);
    if (rv == NNG_ECLOSED || rv == NNG_ECANCELED)
        return;
    if (rv == 0) {
        l->engine->take_stream(l->engine, l, nng_aio_get_output(l->aio, 0));
        accept_next(l);
        return;
    }
    log_warn("accept", "failed why=\"%s\"", nng_strerror(rv));
    l->waits = true; /* out of descriptors: until some go */
    l->engine->listen_again_ms = mono_ms() + SHORT_MS;
    core_due(l->engine);
}

struct listener *listen_tls(struct engine *e, nng_stream_listener *listener)
{
    struct listener *l = add(e);
    l->tls = listener;
    if (nng_aio_alloc(&l->aio, accept_cb, l))
        abort();
    nng_aio_set_timeout(l->aio, NNG_DURATION_INFINITE);
    l->accepted = (struct loop_call){.run = accepted, .arg = l};
    accept_next(l);
    return l;
}

/* ---- their end ---- */

static void listener_free(struct listener *l)
{
    if (l->tls) {
        nng_stream_listener_close(l->tls);
        nng_aio_stop(l->aio);
        if (l->accepted.posted && nng_aio_result(l->aio) == 0)
            nng_stream_free(nng_aio_get_output(l->aio, 0));
        loop_unpost(l->engine->loop, &l->accepted);
        nng_aio_free(l->aio);
        nng_stream_listener_free(l->tls);
    }
    if (l->fd >= 0) {
        loop_remove(l->watch);
        if (is_found(l))
            unlink(l->address.sun_path);
        close(l->fd);
    }
    free(l);
}

void listen_end(struct engine *e, struct listener *l)
{
    struct listener **at = &e->listener;
    while (*at && *at != l)
        at = &(*at)->next;
    if (*at)
        *at = l->next;
    listener_free(l);
}

void listen_stop(struct engine *e)
{
    for (struct listener *l = e->listener, *next; l; l = next) {
        next = l->next;
        listener_free(l);
    }
    e->listener = NULL;
    while (e->spare_count)
        close(e->spares[--e->spare_count]);
}
