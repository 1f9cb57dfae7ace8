/* `clowder-daemon --spawn`: the supervisor's lines over stdin and stdout. */
#include "hosts/spawn.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

enum { OUT_FULL = 256 * 1024 };

struct serve {
    struct buf out;
    int out_fd;
    bool gone; /* nobody listens any more */
};

static void say(void *arg, const char *line, size_t len)
{
    struct serve *v = arg;
    if (!v->gone)
        buf_add(&v->out, line, len);
}

static void set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0)
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static void write_out(struct serve *v)
{
    while (v->out.len && !v->gone) {
        ssize_t n = write(v->out_fd, v->out.data, v->out.len);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0)
            v->gone = true;
        else
            buf_drop(&v->out, (size_t)n);
    }
}

/* False when home says no more. */
static bool read_in(struct spawner *s, int in_fd)
{
    char bytes[16384];
    ssize_t n = read(in_fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    bool good = n > 0 && spawner_feed(s, bytes, (size_t)n);
    mem_wipe(bytes, sizeof bytes);
    return good;
}

int spawn_serve(const char *program, int in_fd, int out_fd)
{
    struct serve v = {.out_fd = out_fd};
    bool open = true;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    struct spawner *s = spawner_new(program, say, &v);
    if (!s)
        return 1;
    set_nonblocking(in_fd);
    set_nonblocking(out_fd);
    while (open || spawner_count(s)) {
        write_out(&v);
        struct pollfd fds[3] = {{.fd = open ? in_fd : -1, .events = POLLIN},
            {.fd = v.out.len < OUT_FULL ? spawner_fd(s) : -1, .events = POLLIN},
            {.fd = v.gone ? -1 : out_fd, .events = v.out.len ? POLLOUT : 0}};
        int n = poll(fds, 3, spawner_wait_ms(s));
        if (n < 0 && errno != EINTR)
            break;
        if (fds[0].revents && !(open = read_in(s, in_fd)))
            spawner_orphan(s);
        if (fds[1].revents || n == 0)
            spawner_work(s);
        if (fds[2].revents & (POLLERR | POLLHUP | POLLNVAL)) {
            v.gone = true;
            buf_clear(&v.out);
        }
    }
    write_out(&v);
    spawner_free(s);
    buf_fini(&v.out);
    return 0;
}
