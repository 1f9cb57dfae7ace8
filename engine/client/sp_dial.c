#include "engine/client/sp_dial.h"

#include "base/dial.h"
#include "base/mono.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* 0 when it may be ready, or ETIMEDOUT. */
static int wait_for(int fd, short events, uint64_t deadline_ms)
{
    struct pollfd p = {fd, events, 0};
    uint64_t now_ms = mono_ms();
    int timeout_ms = -1;
    if (deadline_ms != UINT64_MAX)
        timeout_ms = now_ms >= deadline_ms ? 0 : deadline_ms - now_ms > INT_MAX ? INT_MAX : (int)(deadline_ms - now_ms);
    int n = poll(&p, 1, timeout_ms);
    return n > 0 || (n < 0 && errno == EINTR) || timeout_ms == INT_MAX ? 0 : ETIMEDOUT;
}

static int receive_all(int fd, void *to, size_t len, uint64_t deadline_ms)
{
    int rv = 0;
    for (size_t have = 0; have < len && !rv;) {
        ssize_t n = recv(fd, (uint8_t *)to + have, len - have, MSG_DONTWAIT);
        if (n > 0)
            have += (size_t)n;
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            rv = ECONNRESET;
        else
            rv = wait_for(fd, POLLIN, deadline_ms);
    }
    return rv;
}

static int send_all(int fd, const void *data, size_t len, uint64_t deadline_ms)
{
    int rv = 0;
    for (size_t done = 0; done < len && !rv;) {
        ssize_t n = send(fd, (const uint8_t *)data + done, len - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EAGAIN && errno != EINTR)
            rv = ECONNRESET;
        else
            rv = wait_for(fd, POLLOUT, deadline_ms);
    }
    return rv;
}

static int greet(int fd, enum sp_protocol protocol, uint64_t deadline_ms)
{
    uint8_t ours[SP_GREETING], theirs[SP_GREETING], want[SP_GREETING];
    sp_put_greeting(ours, protocol);
    sp_put_greeting(want, protocol == SP_REQ ? SP_REP : SP_PUB);
    int rv = send_all(fd, ours, sizeof ours, deadline_ms);
    if (!rv)
        rv = receive_all(fd, theirs, sizeof theirs, deadline_ms);
    if (rv == ECONNRESET)
        return ECONNREFUSED;
    return rv ? rv : memcmp(theirs, want, sizeof want) != 0 ? EPROTO : 0;
}

int sp_dial(const char *path, enum sp_protocol protocol, uint64_t deadline_ms, int *fd)
{
    bool pending;
    char *target = mem_printf("unix:%s", path);
    *fd = dial_target(target, &pending);
    int rv = *fd < 0 ? errno : greet(*fd, protocol, deadline_ms);
    free(target);
    if (rv && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    return rv;
}

int sp_send(int fd, const void *head, size_t head_len, const void *body, size_t len, uint64_t deadline_ms)
{
    uint8_t length[SP_HEAD];
    sp_put_head(length, head_len + len);
    int rv = send_all(fd, length, sizeof length, deadline_ms);
    if (!rv)
        rv = send_all(fd, head, head_len, deadline_ms);
    return rv ? rv : send_all(fd, body, len, deadline_ms);
}

int sp_receive(int fd, size_t max, struct buf *message, uint64_t deadline_ms)
{
    uint8_t head[SP_HEAD];
    int rv = receive_all(fd, head, sizeof head, deadline_ms);
    uint64_t len = rv ? 0 : sp_get_head(head);
    if (rv || len > max)
        return rv ? rv : EMSGSIZE;
    rv = receive_all(fd, buf_reserve(message, (size_t)len), (size_t)len, deadline_ms);
    if (!rv)
        message->len += (size_t)len;
    return rv;
}
