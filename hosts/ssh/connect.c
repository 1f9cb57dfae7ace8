/* The step connect (and resolve before it): a byte stream to the first host of the way, by TCP or by the
 * user's ProxyCommand. Nothing here blocks. */
#include "hosts/ssh/session_private.h"

#include "base/mono.h"
#include "hosts/ssh/shell_child.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- resolve: getaddrinfo() cannot be interrupted, so it runs in a thread that may be left behind ---- */

struct lookup {
    _Atomic unsigned refs; /* the thread and the link */
    _Atomic bool done;
    int event_fd;
    int result;
    struct addrinfo *list, hints;
    char *host, port[8];
};

static void lookup_rele(struct lookup *k)
{
    if (atomic_fetch_sub(&k->refs, 1) != 1)
        return;
    if (k->list)
        freeaddrinfo(k->list);
    if (k->event_fd >= 0)
        close(k->event_fd);
    free(k->host);
    free(k);
}

static void *lookup_thread(void *arg)
{
    struct lookup *k = arg;
    uint64_t one = 1;
    k->result = getaddrinfo(k->host, k->port, &k->hints, &k->list);
    atomic_store(&k->done, true);
    ssize_t told = write(k->event_fd, &one, sizeof one);
    (void)told; /* perhaps nobody waits any more */
    lookup_rele(k);
    return NULL;
}

static struct lookup *lookup_new(const struct ssh_host *host)
{
    struct lookup *k = mem_zalloc(sizeof *k);
    atomic_init(&k->refs, 1);
    k->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    k->hints =
        (struct addrinfo){.ai_family = host->address_family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    k->host = mem_strdup(host->hostname);
    snprintf(k->port, sizeof k->port, "%u", host->port);
    return k;
}

static void nothing(struct source *source, short events)
{
    (void)source;
    (void)events;
}

/* Starts the thread, or answers at once for a numeric address. */
static bool lookup_start(struct lookup *k)
{
    pthread_t thread;
    pthread_attr_t attr;
    struct addrinfo numeric = k->hints;
    numeric.ai_flags |= AI_NUMERICHOST;
    k->result = getaddrinfo(k->host, k->port, &numeric, &k->list);
    if (k->result == 0) {
        atomic_store(&k->done, true);
        return true;
    }
    if (k->event_fd < 0)
        return false;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    atomic_fetch_add(&k->refs, 1); /* the thread's */
    int failed = pthread_create(&thread, &attr, lookup_thread, k);
    pthread_attr_destroy(&attr);
    if (failed)
        atomic_fetch_sub(&k->refs, 1);
    return !failed;
}

static enum clw_err resolve(struct host_session *l, struct hop *h, struct lookup *k, struct clw_error *err)
{
    struct source source = {.ready = nothing};
    enum clw_err code = CLW_OK;
    link__step(l, HOST_RESOLVE, l->o.resolve_ms);
    if (!lookup_start(k))
        return clw_fail(err, CLW_IO, NULL, "cannot start a thread to look up %s", h->host.hostname);
    pump_arm(&l->pump, k->event_fd, &source, atomic_load(&k->done) ? 0 : POLLIN);
    while (!atomic_load(&k->done) && !code)
        code = link__wait(l);
    pump_arm(&l->pump, k->event_fd, &source, 0);
    if (code) {
        link__explain(l, code, "looking up the address", err);
    } else if (k->result) {
        bool passing = k->result == EAI_AGAIN;
        code =
            clw_fail(err, passing ? CLW_UNREACHABLE : CLW_NOT_FOUND, "check the address, or HostName in ~/.ssh/config",
                "cannot find the address of %s: %s", h->host.hostname, gai_strerror(k->result));
    }
    return code;
}

/* ---- TCP ---- */

static void address_text(const struct addrinfo *a, char *text, size_t size)
{
    char host[64] = "?", port[8] = "?";
    getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(text, size, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static enum clw_err bind_local(int fd, const struct ssh_host *host, int family, struct clw_error *err)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *list = NULL;
    bool bad = getaddrinfo(host->bind_address, NULL, &hints, &list) || bind(fd, list->ai_addr, list->ai_addrlen);
    if (list)
        freeaddrinfo(list);
    return bad ? clw_fail(err, CLW_UNREACHABLE, "check BindAddress in the ssh configuration",
                     "cannot use the address %s here", host->bind_address)
               : CLW_OK;
}

static enum clw_err say_why(int problem, const char *where, struct clw_error *err)
{
    const char *hint = problem == ECONNREFUSED ? "is sshd running there, and on that port?"
                       : problem == ETIMEDOUT  ? "is it switched on? does a firewall block it?"
                                               : "check the network between this machine and the host";
    return clw_fail(err, CLW_UNREACHABLE, hint, "cannot connect to %s: %s", where, strerror(problem));
}

/* Waits until fd is connected, at most until until_ms. */
static enum clw_err finish_connect(
    struct host_session *l, int fd, uint64_t until_ms, const char *where, struct clw_error *err)
{
    struct source source = {.ready = nothing};
    int problem = 0;
    socklen_t len = sizeof problem;
    enum clw_err code = CLW_OK;
    uint64_t limit = l->deadline_ms;
    struct sockaddr_storage peer;
    pump_arm(&l->pump, fd, &source, POLLOUT);
    for (;;) {
        socklen_t size = sizeof peer;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &len) || problem ||
            getpeername(fd, (struct sockaddr *)&peer, &size) == 0)
            break;
        l->deadline_ms = until_ms;
        code = link__wait(l);
        l->deadline_ms = limit;
        if (code)
            break;
    }
    pump_arm(&l->pump, fd, &source, 0);
    if (code == CLW_TIMED_OUT)
        return clw_fail(err, CLW_TIMED_OUT, "is it switched on? does a firewall block it?",
            "no answer from %s within %u s", where, (unsigned)((until_ms - l->step_began_ms + 500) / 1000));
    if (code)
        return link__explain(l, code, "connecting", err);
    return problem ? say_why(problem, where, err) : CLW_OK;
}

static enum clw_err connect_one(
    struct host_session *l, struct hop *h, const struct addrinfo *a, uint64_t until_ms, struct clw_error *err)
{
    char where[80];
    int on = 1;
    enum clw_err code = CLW_OK;
    address_text(a, where, sizeof where);
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return clw_fail(
            err, CLW_IO, "raise the limit of open files (ulimit -n)", "cannot make a socket: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (*h->host.bind_address)
        code = bind_local(fd, &h->host, a->ai_family, err);
    if (!code && connect(fd, a->ai_addr, a->ai_addrlen) && errno != EINPROGRESS)
        code = say_why(errno, where, err);
    if (!code)
        code = finish_connect(l, fd, until_ms, where, err);
    if (code) {
        close(fd);
        return code;
    }
    return hop_attach(h, fd, err);
}

static enum clw_err connect_any(
    struct host_session *l, struct hop *h, const struct addrinfo *list, struct clw_error *err)
{
    enum clw_err code = clw_fail(err, CLW_UNREACHABLE, NULL, "%s has no address", h->host.hostname);
    unsigned left = 0;
    for (const struct addrinfo *a = list; a; a = a->ai_next)
        left++;
    for (const struct addrinfo *a = list; a && code && code != CLW_CANCELLED; a = a->ai_next, left--) {
        uint64_t now = mono_ms();
        if (now >= l->deadline_ms)
            break;
        code = connect_one(l, h, a, now + (l->deadline_ms - now) / left, err);
    }
    return code;
}

static unsigned connect_limit_ms(const struct host_session *l, const struct hop *h)
{
    return h->host.connect_timeout_s ? h->host.connect_timeout_s * 1000 : l->o.connect_ms;
}

static enum clw_err connect_tcp(struct host_session *l, struct hop *h, struct clw_error *err)
{
    struct lookup *k = lookup_new(&h->host);
    enum clw_err code = resolve(l, h, k, err);
    if (!code) {
        link__step(l, HOST_CONNECT, connect_limit_ms(l, h));
        code = connect_any(l, h, k->list, err);
    }
    lookup_rele(k);
    return code;
}

/* ---- the user's ProxyCommand ---- */

static enum clw_err connect_command(struct host_session *l, struct hop *h, struct clw_error *err)
{
    int pair[2];
    link__step(l, HOST_CONNECT, connect_limit_ms(l, h));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return clw_fail(err, CLW_IO, NULL, "cannot make a socket: %s", strerror(errno));
    char *text = mem_printf("exec %s", h->host.proxy_command);
    h->proxy_notes = shell_child_notes();
    bool started = shell_child_start(text, NULL, pair[1], pair[1], h->proxy_notes, &h->proxy);
    free(text);
    close(pair[1]);
    if (!started) {
        h->proxy = 0;
        close(pair[0]);
        return clw_fail(err, CLW_IO, NULL, "cannot run the ProxyCommand of %s", h->host.alias);
    }
    return hop_attach(h, pair[0], err);
}

enum clw_err link__connect(struct host_session *l, struct hop *h, struct clw_error *err)
{
    return *h->host.proxy_command ? connect_command(l, h, err) : connect_tcp(l, h, err);
}
