/* Listeners in a folder of our own (0700), or on ports; streams by mux_end, processes by spawn. One poll loop. */
#include "hosts/remote/mux_serve.h"

#include "base/dial.h"
#include "base/peer.h"
#include "hosts/remote/mux_end.h"
#include "hosts/remote/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTENERS = 1024, ACCEPTS_A_TURN = 32 };

enum kind { KIND_UNIX, KIND_LOOPBACK, KIND_ANYBODY };

struct listener {
    uint32_t number;
    int fd;
    enum kind kind;
    char path[108]; /* KIND_UNIX */
    dev_t device;   /* of the socket that we bound: */
    ino_t inode;    /* somebody else's may be at the path by now */
};

struct server {
    struct mux_end *end;
    struct spawner *spawner;
    char folder[90];
    struct listener listeners[LISTENERS];
    size_t listener_count;
    int in_fd, out_fd;
    bool gone;
};

static void say(void *arg, const char *line, size_t len)
{
    struct server *v = arg;
    if (!v->gone)
        mux_end_put(v->end, MUX_CONTROL, 0, line, len);
}

/* A folder that only we can enter. */
static bool make_folder(struct server *v)
{
    const char *run = getenv("XDG_RUNTIME_DIR");
    struct stat st;
    if (run && *run == '/' && strlen(run) < 60 && stat(run, &st) == 0 && st.st_uid == geteuid()) {
        snprintf(v->folder, sizeof v->folder, "%s/clowder-XXXXXX", run);
        if (mkdtemp(v->folder))
            return true;
    }
    strcpy(v->folder, "/tmp/clowder-XXXXXX");
    return mkdtemp(v->folder) != NULL;
}

/* A path that an earlier server of ours had: its folder still is ours alone. */
static bool may_have_again(const char *path)
{
    char folder[108];
    struct stat st;
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path || strlen(path) >= sizeof folder || !strstr(path, "/clowder-") || strstr(path, ".."))
        return false;
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    if (mkdir(folder, 0700) && errno != EEXIST)
        return false;
    return lstat(folder, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 077);
}

/* Binds beside the path and moves it there, so that what is bound to it already loses it in one act. */
static int bind_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = snprintf(address.sun_path, sizeof address.sun_path, "%s.new", path);
    if (n < 0 || (size_t)n >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(address.sun_path);
    if (fd >= 0 && (bind(fd, (struct sockaddr *)&address, sizeof address) || chmod(address.sun_path, 0600) ||
                       listen(fd, 256) || rename(address.sun_path, path))) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static int bind_port(enum kind kind, unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_addr.s_addr = htonl(kind == KIND_ANYBODY ? INADDR_ANY : INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)*port)};
    socklen_t len = sizeof address;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 256) ||
        getsockname(fd, (struct sockaddr *)&address, &len)) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

static void refuse(struct server *v, const struct mux_frame *f, const char *why)
{
    mux_end_put(v->end, MUX_REFUSED, f->stream, why, strlen(why));
}

/* words: "tcp", "any", and perhaps ":PORT" after that. */
static void on_listen_port(struct server *v, const struct mux_frame *f, const char *words)
{
    enum kind kind = *words == 'a' ? KIND_ANYBODY : KIND_LOOPBACK;
    char answer[16];
    unsigned port = 0;
    if (sscanf(words + 3, ":%5u", &port) == 1 && port > 65535)
        port = 0;
    int fd = v->listener_count < LISTENERS ? bind_port(kind, &port) : -1;
    if (fd < 0) {
        refuse(v, f, v->listener_count < LISTENERS ? strerror(errno) : "too many listeners");
        return;
    }
    v->listeners[v->listener_count++] = (struct listener){.number = f->stream, .fd = fd, .kind = kind};
    int n = snprintf(answer, sizeof answer, "%.3s:%u", words, port);
    mux_end_put(v->end, MUX_LISTENING, f->stream, answer, (size_t)n);
}

static bool is_port(const char *words)
{
    return (strncmp(words, "tcp", 3) == 0 || strncmp(words, "any", 3) == 0) && (!words[3] || words[3] == ':');
}

static void on_listen(struct server *v, const struct mux_frame *f)
{
    char path[108] = "";
    struct listener *l = &v->listeners[v->listener_count];
    if (f->len && f->len < sizeof path) {
        memcpy(path, f->data, f->len);
        path[f->len] = '\0';
    }
    if (is_port(path)) {
        on_listen_port(v, f, path);
        return;
    }
    if (strlen(path) != f->len || !may_have_again(path)) {
        if (!v->folder[0] && !make_folder(v)) {
            int saved = errno;
            v->folder[0] = '\0';
            refuse(v, f, strerror(saved));
            return;
        }
        snprintf(path, sizeof path, "%s/%u", v->folder, f->stream);
    }
    int fd = v->listener_count < LISTENERS ? bind_at(path) : -1;
    if (fd < 0) {
        refuse(v, f, v->listener_count < LISTENERS ? strerror(errno) : "too many listeners");
        return;
    }
    struct stat st = {0};
    (void)lstat(path, &st);
    *l = (struct listener){.number = f->stream, .fd = fd, .device = st.st_dev, .inode = st.st_ino};
    memcpy(l->path, path, sizeof l->path);
    v->listener_count++;
    mux_end_put(v->end, MUX_LISTENING, f->stream, path, strlen(path));
}

/* A path may belong to a newer server by now: only what we bound is removed, and folders that are empty then.
 */
static void close_listener(struct listener *l)
{
    struct stat st;
    if (l->fd >= 0)
        close(l->fd);
    if (!*l->path || lstat(l->path, &st) || st.st_dev != l->device || st.st_ino != l->inode)
        return;
    unlink(l->path);
    *strrchr(l->path, '/') = '\0';
    rmdir(l->path);
}

static void on_unlisten(struct server *v, uint32_t number)
{
    for (size_t i = 0; i < v->listener_count; i++)
        if (v->listeners[i].number == number) {
            close_listener(&v->listeners[i]);
            v->listeners[i] = v->listeners[--v->listener_count];
            return;
        }
}

/* A logout there, or a program that tidies up, may have taken the folder away: who is started now has to find home. */
static void renew(struct server *v)
{
    struct stat st;
    for (size_t i = 0; i < v->listener_count; i++) {
        struct listener *l = &v->listeners[i];
        if (l->kind != KIND_UNIX || lstat(l->path, &st) == 0 || errno != ENOENT || !may_have_again(l->path))
            continue;
        int fd = bind_at(l->path);
        if (fd < 0 || lstat(l->path, &st)) {
            if (fd >= 0)
                close(fd);
            continue;
        }
        close(l->fd);
        l->fd = fd;
        l->device = st.st_dev;
        l->inode = st.st_ino;
    }
}

static void on_frame(void *arg, const struct mux_frame *f)
{
    struct server *v = arg;
    if (f->type == MUX_CONTROL)
        renew(v);
    if (f->type == MUX_LISTEN)
        on_listen(v, f);
    else if (f->type == MUX_UNLISTEN)
        on_unlisten(v, f->stream);
    else if (f->type == MUX_CONTROL && !spawner_feed(v->spawner, f->data, f->len))
        v->gone = true;
}

static bool is_welcome(const struct listener *l, int fd)
{
    return l->kind == KIND_ANYBODY || peer_is_ours(l->kind == KIND_UNIX ? peer_uid_unix(fd) : peer_uid_tcp(fd));
}

static void accept_all(struct server *v, const struct listener *l)
{
    for (int i = 0, on = 1; i < ACCEPTS_A_TURN; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        if (!is_welcome(l, fd)) {
            close(fd);
            continue;
        }
        if (l->kind != KIND_UNIX)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        mux_end_open(v->end, l->number, fd, l->kind == KIND_ANYBODY);
    }
}

/* Home wants to reach a port of ours. */
static int dial_port(void *arg, uint32_t port, bool *pending, struct meter **meter)
{
    char target[32];
    (void)arg;
    (void)meter;
    snprintf(target, sizeof target, "tcp:127.0.0.1:%u", port);
    return dial_target(target, pending);
}

static void write_out(struct server *v)
{
    const uint8_t *data;
    size_t len;
    while (!v->gone && (len = mux_end_out(v->end, &data)) > 0) {
        ssize_t n = write(v->out_fd, data, len);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0)
            v->gone = true;
        else
            mux_end_sent(v->end, (size_t)n);
    }
}

static void read_in(struct server *v)
{
    static char bytes[65536];
    ssize_t n = read(v->in_fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || !mux_end_feed(v->end, bytes, (size_t)n))
        v->gone = true;
    mem_wipe(bytes, n > 0 ? (size_t)n : 0);
}

static void one_round(struct server *v)
{
    static struct pollfd fds[4 + LISTENERS];
    const uint8_t *data;
    bool full = mux_end_full(v->end);
    write_out(v);
    fds[0] = (struct pollfd){.fd = v->in_fd, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = v->out_fd, .events = mux_end_out(v->end, &data) ? POLLOUT : 0};
    full = mux_end_full(v->end);
    fds[2] = (struct pollfd){.fd = full ? -1 : mux_end_fd(v->end), .events = POLLIN};
    fds[3] = (struct pollfd){.fd = full ? -1 : spawner_fd(v->spawner), .events = POLLIN};
    size_t n = v->listener_count;
    for (size_t i = 0; i < n; i++)
        fds[4 + i] = (struct pollfd){.fd = full ? -1 : v->listeners[i].fd, .events = POLLIN};
    if (poll(fds, 4 + n, -1) < 0)
        return;
    if (fds[0].revents)
        read_in(v);
    if (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL))
        v->gone = true;
    if (fds[2].revents)
        mux_end_work(v->end);
    if (fds[3].revents)
        spawner_work(v->spawner);
    for (size_t i = 0; i < n; i++) /* what home said meanwhile may have closed some: only those still there */
        for (size_t k = 0; fds[4 + i].revents && k < v->listener_count; k++)
            if (v->listeners[k].fd == fds[4 + i].fd)
                accept_all(v, &v->listeners[k]);
}

static void tidy(struct server *v)
{
    for (size_t i = 0; i < v->listener_count; i++)
        close_listener(&v->listeners[i]);
    if (v->folder[0])
        rmdir(v->folder);
}

/* Without home: daemons go on, somebody has to drain their output and reap them. The paths and ports that they dial
 * stay ours. At a path a dial is refused at once, since the next supervisor takes it over. */
static void linger(struct server *v)
{
    for (size_t i = 0; i < v->listener_count; i++)
        if (v->listeners[i].kind == KIND_UNIX) {
            close(v->listeners[i].fd);
            v->listeners[i].fd = -1;
        }
    spawner_orphan(v->spawner);
    while (spawner_count(v->spawner)) {
        struct pollfd fd = {.fd = spawner_fd(v->spawner), .events = POLLIN};
        if (poll(&fd, 1, spawner_wait_ms(v->spawner)) >= 0)
            spawner_work(v->spawner);
    }
}

void mux_go_to(const char *folder)
{
    unsetenv("OLDPWD");
    if (chdir(folder) == 0)
        setenv("PWD", folder, 1);
    else if (chdir("/") == 0)
        setenv("PWD", "/", 1);
}

int mux_serve(const char *program, const char *otherwise, int in_fd, int out_fd)
{
    struct server v = {.in_fd = in_fd, .out_fd = out_fd};
    const struct mux_end_callbacks cb = {.arg = &v, .dial = dial_port, .frame = on_frame};
    int status = 1;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    v.end = mux_end_new(&cb, false);
    if (!v.end)
        return 1;
    v.spawner = spawner_new(program, otherwise, say, &v);
    if (!v.spawner)
        goto out;
    fcntl(in_fd, F_SETFL, fcntl(in_fd, F_GETFL) | O_NONBLOCK);
    fcntl(out_fd, F_SETFL, fcntl(out_fd, F_GETFL) | O_NONBLOCK);
    while (!v.gone)
        one_round(&v);
    close(in_fd);
    close(out_fd);
    mux_end_free(v.end); /* the daemons' connections end here: they notice, and dial again */
    v.end = NULL;
    linger(&v);
    tidy(&v);
    spawner_free(v.spawner);
    status = 0;
out:
    mux_end_free(v.end);
    return status;
}
