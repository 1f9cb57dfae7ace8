/* Any bytes on the control and update sockets, cut as they come, answered at once, later or after the end: what is sent
 * back is whole messages, one for each request that was answered in time. The loop is this program. */
#include "engine/control/sp.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HELD = 64, MAX = 4096, ROOM = 1 << 20 };

struct loop_watch {
    void (*ready)(void *arg, short events);
    void *arg;
    short events;
};

static struct loop_watch watched;
static bool is_watched;
static struct sp_request *held[HELD];
static unsigned held_count, asked, answered;

struct loop_watch *loop_add(struct loop *loop, int fd, short events, void (*ready)(void *arg, short events), void *arg)
{
    (void)loop;
    (void)fd;
    watched = (struct loop_watch){ready, arg, events};
    is_watched = true;
    return &watched;
}

void loop_change(struct loop_watch *w, short events)
{
    w->events = events;
}

void loop_remove(struct loop_watch *w)
{
    (void)w;
    is_watched = false;
}

/* The first byte says when: now, or later. */
static void request(void *arg, struct sp_request *r, uint8_t *data, size_t len)
{
    (void)arg;
    asked++;
    if (len > MAX)
        abort();
    if (len && data[0] % 2 && held_count < HELD) {
        held[held_count++] = r;
    } else {
        sp_answer(r, data, len);
        answered++;
    }
    memset(data, 0, len);
}

static void gone(void *arg, struct sp_request *r)
{
    bool known = false;
    (void)arg;
    for (unsigned i = 0; i < held_count; i++)
        known |= held[i] == r;
    if (!known)
        abort();
}

static void changed(void *arg)
{
    (void)arg;
}

static void answer_held(void)
{
    for (unsigned i = 0; i < held_count; i++) {
        sp_answer(held[i], "later", 5);
        answered += is_watched;
    }
    held_count = 0;
}

/* What came back: a greeting, then so many messages. */
static unsigned messages(const uint8_t *at, size_t len)
{
    unsigned n = 0;
    if (len < 8 || memcmp(at, "\0SP\0", 4) != 0)
        abort();
    for (at += 8, len -= 8; len; n++) {
        uint64_t body = 0;
        if (len < 9 || at[0] != 1)
            abort();
        for (int i = 1; i < 9; i++)
            body = body << 8 | at[i];
        if (body > len - 9)
            abort();
        at += 9 + body;
        len -= 9 + (size_t)body;
    }
    return n;
}

static bool is_ready(int fd)
{
    struct pollfd p = {fd, watched.events, 0};
    return is_watched && poll(&p, 1, 0) > 0;
}

static size_t take_back(int fd, uint8_t *to, size_t room)
{
    ssize_t n = recv(fd, to, room, 0);
    return n > 0 ? (size_t)n : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sp_events events = {request, gone, changed};
    static uint8_t back[ROOM];
    int fds[2];
    unsigned published = 0;
    size_t back_len = 0;
    if (size < 2 || size > 64 << 10 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds))
        return 0;
    enum sp_protocol side = data[0] & 1 ? SP_PUB : SP_REP;
    size_t piece = 1 + data[1] * (size_t)4;
    held_count = asked = answered = 0;
    struct sp *sp = sp_new(NULL, side, MAX, &events, NULL);
    if (!sp_add(sp, fds[0]))
        abort();
    for (size_t at = 2; at < size && is_watched; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        if (send(fds[1], data + at, n, MSG_NOSIGNAL) < (ssize_t)n)
            break;
        while (is_ready(fds[0])) {
            watched.ready(watched.arg, watched.events);
            back_len += take_back(fds[1], back + back_len, ROOM - back_len);
        }
        if (sp_count(sp) && side == SP_PUB) {
            sp_publish(sp, data, 2);
            published += is_watched;
        }
        if (at % 3 == 0)
            answer_held();
    }
    if (is_watched && data[1] % 2)
        answer_held();
    if (is_watched) {
        back_len += take_back(fds[1], back + back_len, ROOM - back_len);
        if (back_len < ROOM && messages(back, back_len) != (side == SP_PUB ? published : answered))
            abort();
    }
    sp_free(sp);
    if (is_watched)
        abort();
    answer_held();
    close(fds[1]);
    return 0;
}
