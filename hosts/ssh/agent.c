/* Messages of the agent protocol: a length, a type, a body. Only the list of keys is looked into. */
#include "hosts/ssh/agent.h"

#include "base/mono.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MESSAGE_MAX = 256 * 1024, LIST_REQUEST = 11, LIST_ANSWER = 12, OFFER_MAX = 16, KEYS_MAX = 1024 };

struct agent {
    pthread_t thread;
    int agent_fd, library_fd, stop_fd;
    uint64_t deadline_ms;
    const _Atomic bool *cancelled;
    struct agent_keys wanted, offered;
    bool only;
};

void agent_keys_add(struct agent_keys *keys, const void *blob, size_t len)
{
    if (keys->count < AGENT_KEYS)
        buf_add(&keys->blobs[keys->count++], blob, len);
}

bool agent_keys_has(const struct agent_keys *keys, const void *blob, size_t len)
{
    for (size_t i = 0; i < keys->count; i++)
        if (keys->blobs[i].len == len && memcmp(keys->blobs[i].data, blob, len) == 0)
            return true;
    return false;
}

void agent_keys_fini(struct agent_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        buf_fini(&keys->blobs[i]);
    keys->count = 0;
}

/* ---- the list of keys ---- */

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_u32(struct buf *b, uint32_t value)
{
    uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
    buf_add(b, bytes, sizeof bytes);
}

struct view {
    const uint8_t *data;
    size_t len;
};

static bool take_string(const uint8_t **at, const uint8_t *end, struct view *out)
{
    if (end - *at < 4)
        return false;
    uint32_t len = get_u32(*at);
    if (len > (size_t)(end - *at) - 4)
        return false;
    *out = (struct view){*at + 4, len};
    *at += 4 + len;
    return true;
}

/* The kinds of key that the library can read. */
static bool is_readable(struct view blob)
{
    static const char *const types[] = {"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"};
    const uint8_t *at = blob.data;
    struct view type;
    if (!take_string(&at, blob.data + blob.len, &type))
        return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strlen(types[i]) == type.len && memcmp(types[i], type.data, type.len) == 0)
            return true;
    return false;
}

static void offer(struct buf *out, struct agent_keys *offered, struct view blob, struct view comment)
{
    put_u32(out, (uint32_t)blob.len);
    buf_add(out, blob.data, blob.len);
    put_u32(out, (uint32_t)comment.len);
    buf_add(out, comment.data, comment.len);
    agent_keys_add(offered, blob.data, blob.len);
}

bool agent_filter(const uint8_t *answer, size_t len, const struct agent_keys *wanted, bool only, struct buf *out,
    struct agent_keys *offered)
{
    const uint8_t *end = answer + len;
    struct view blob, comment;
    struct buf list = {0};
    uint32_t n = 0;
    if (len < 5 || answer[0] != LIST_ANSWER || get_u32(answer + 1) > KEYS_MAX)
        return false;
    for (int pass = 0; pass < 2; pass++) {
        const uint8_t *at = answer + 5;
        for (uint32_t i = 0; i < get_u32(answer + 1); i++) {
            if (!take_string(&at, end, &blob) || !take_string(&at, end, &comment)) {
                buf_fini(&list);
                return false;
            }
            bool first = agent_keys_has(wanted, blob.data, blob.len);
            if (n < OFFER_MAX && is_readable(blob) && (pass == 0 ? first : !first && !only)) {
                offer(&list, offered, blob, comment);
                n++;
            }
        }
    }
    *buf_reserve(out, 1) = LIST_ANSWER;
    out->len++;
    put_u32(out, n);
    buf_add(out, list.data, list.len);
    buf_fini(&list);
    return true;
}

/* ---- the talk ---- */

/* Waits until fd can be read or written. False: stopped, cancelled, or too late. */
static bool ready(struct agent *a, int fd, short events)
{
    for (;;) {
        struct pollfd fds[2] = {{.fd = fd, .events = events}, {.fd = a->stop_fd, .events = POLLIN}};
        int n = poll(fds, 2, 100);
        if (atomic_load(a->cancelled) || mono_ms() > a->deadline_ms || (n < 0 && errno != EINTR))
            return false;
        if (n > 0)
            return fds[1].revents == 0;
    }
}

static bool read_all(struct agent *a, int fd, uint8_t *data, size_t len)
{
    while (len) {
        if (!ready(a, fd, POLLIN))
            return false;
        ssize_t n = recv(fd, data, len, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return true;
}

static bool write_all(struct agent *a, int fd, const uint8_t *data, size_t len)
{
    while (len) {
        if (!ready(a, fd, POLLOUT))
            return false;
        ssize_t n = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return true;
}

static bool read_message(struct agent *a, int fd, struct buf *out)
{
    uint8_t head[4];
    buf_clear(out);
    if (!read_all(a, fd, head, sizeof head))
        return false;
    uint32_t len = get_u32(head);
    if (len == 0 || len > MESSAGE_MAX)
        return false;
    if (!read_all(a, fd, buf_reserve(out, len), len))
        return false;
    out->len = len;
    return true;
}

static bool write_message(struct agent *a, int fd, const struct buf *message)
{
    struct buf out = {0};
    put_u32(&out, (uint32_t)message->len);
    buf_add(&out, message->data, message->len);
    bool done = write_all(a, fd, out.data, out.len);
    buf_fini(&out);
    return done;
}

static void *talk(void *arg)
{
    struct agent *a = arg;
    struct buf question = {0}, answer = {0}, shown = {0};
    while (read_message(a, a->library_fd, &question) && write_message(a, a->agent_fd, &question) &&
           read_message(a, a->agent_fd, &answer)) {
        struct buf *reply = &answer;
        if (question.data[0] == LIST_REQUEST && answer.data[0] == LIST_ANSWER) {
            buf_clear(&shown);
            agent_keys_fini(&a->offered);
            if (!agent_filter(answer.data, answer.len, &a->wanted, a->only, &shown, &a->offered))
                break;
            reply = &shown;
        }
        if (!write_message(a, a->library_fd, reply))
            break;
    }
    shutdown(a->library_fd, SHUT_RDWR); /* so that the library, which waits without limit, gets an end */
    buf_fini(&question);
    buf_fini(&answer);
    buf_fini(&shown);
    return NULL;
}

static int dial(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void agent_free(struct agent *a)
{
    if (a->agent_fd >= 0)
        close(a->agent_fd);
    if (a->library_fd >= 0)
        close(a->library_fd);
    if (a->stop_fd >= 0)
        close(a->stop_fd);
    agent_keys_fini(&a->wanted);
    agent_keys_fini(&a->offered);
    free(a);
}

struct agent *agent_open(const char *path, const struct agent_keys *wanted, bool only, uint64_t deadline_ms,
    const _Atomic bool *cancelled, int *fd)
{
    struct agent *a = mem_zalloc(sizeof *a);
    int pair[2] = {-1, -1};
    a->agent_fd = dial(path);
    a->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        pair[0] = pair[1] = -1;
    a->library_fd = pair[0];
    a->only = only;
    a->deadline_ms = deadline_ms;
    a->cancelled = cancelled;
    for (size_t i = 0; i < wanted->count; i++)
        agent_keys_add(&a->wanted, wanted->blobs[i].data, wanted->blobs[i].len);
    if (a->agent_fd < 0 || a->stop_fd < 0 || pair[0] < 0 || pthread_create(&a->thread, NULL, talk, a)) {
        agent_free(a);
        if (pair[1] >= 0)
            close(pair[1]);
        return NULL;
    }
    *fd = pair[1];
    return a;
}

void agent_close(struct agent *a, struct agent_keys *offered)
{
    uint64_t one = 1;
    if (!a)
        return;
    ssize_t told = write(a->stop_fd, &one, sizeof one);
    (void)told;
    pthread_join(a->thread, NULL);
    if (offered) {
        agent_keys_fini(offered);
        *offered = a->offered;
        a->offered.count = 0;
    }
    agent_free(a);
}
