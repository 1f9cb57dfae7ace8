/* Messages of the agent protocol: a length, a type, a body. Only the list of keys is looked into. */
#include "hosts/ssh/agent.h"

#include "base/mono.h"
#include "base/peer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    MESSAGE_MAX = 256 * 1024,
    LIST_REQUEST = 11,
    LIST_ANSWER = 12,
    SIGN_REQUEST = 13,
    OFFER_MAX = 16,
    KEYS_MAX = 1024,
    MOMENT_MS = 1000,
};

struct agent {
    pthread_t thread;
    int agent_fd, library_fd, stop_fd;
    uint64_t deadline_ms;
    const _Atomic bool *cancelled;
    struct agent_keys wanted, certificates, offered;
    bool only;
    struct agent_keys known; /* all that the agent has */
    void (*waits)(void *arg, bool waits);
    void *arg;
    bool has_told;
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
        "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
        "ssh-ed25519-cert-v01@openssh.com", "ssh-rsa-cert-v01@openssh.com", "ecdsa-sha2-nistp256-cert-v01@openssh.com",
        "ecdsa-sha2-nistp384-cert-v01@openssh.com", "ecdsa-sha2-nistp521-cert-v01@openssh.com",
        "sk-ssh-ed25519-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com"};
    const uint8_t *at = blob.data;
    struct view type;
    if (!take_string(&at, blob.data + blob.len, &type))
        return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strlen(types[i]) == type.len && memcmp(types[i], type.data, type.len) == 0)
            return true;
    return false;
}

static bool skip_strings(const uint8_t **at, const uint8_t *end, int n)
{
    struct view skipped;
    while (n > 0 && take_string(at, end, &skipped))
        n--;
    return n == 0;
}

/* A certificate is its type, a number used once, and then the parts of the key, as they follow the type in the key
 * itself. */
bool agent_is_certificate_of(const void *cert, size_t cert_len, const void *key, size_t key_len)
{
    const uint8_t *c = cert, *c_end = c + cert_len, *k = key, *k_end = k + key_len;
    return skip_strings(&c, c_end, 2) && skip_strings(&k, k_end, 1) && c_end - c >= k_end - k &&
           memcmp(c, k, (size_t)(k_end - k)) == 0;
}

/* One of these that is a certificate of that key, or NULL. */
static const struct buf *certificate_of(const struct agent_keys *certificates, struct view key)
{
    for (size_t i = 0; i < certificates->count; i++)
        if (agent_is_certificate_of(certificates->blobs[i].data, certificates->blobs[i].len, key.data, key.len))
            return &certificates->blobs[i];
    return NULL;
}

struct shown {
    struct buf list;
    uint32_t count;
    struct agent_keys *offered;
};

static void show(struct shown *s, struct view blob, struct view comment)
{
    if (s->count == OFFER_MAX || !is_readable(blob) || agent_keys_has(s->offered, blob.data, blob.len))
        return;
    s->count++;
    put_u32(&s->list, (uint32_t)blob.len);
    buf_add(&s->list, blob.data, blob.len);
    put_u32(&s->list, (uint32_t)comment.len);
    buf_add(&s->list, comment.data, comment.len);
    agent_keys_add(s->offered, blob.data, blob.len);
}

/* It is a certificate of one of these keys. */
static bool certifies(struct view blob, const struct agent_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        if (agent_is_certificate_of(blob.data, blob.len, keys->blobs[i].data, keys->blobs[i].len))
            return true;
    return false;
}

enum { PASS_CERTIFICATES, PASS_WANTED, PASS_OTHERS, PASSES };

static void consider(struct shown *s, int pass, const struct agent_offer *offer, struct view blob, struct view comment)
{
    bool wanted = agent_keys_has(offer->wanted, blob.data, blob.len), certified = certifies(blob, offer->wanted);
    const struct buf *own = certificate_of(offer->certificates, blob);
    if (pass == PASS_CERTIFICATES && own)
        show(s, (struct view){own->data, own->len}, comment);
    if (pass == PASS_CERTIFICATES ? certified : pass == PASS_WANTED ? wanted : !offer->only)
        show(s, blob, comment);
}

bool agent_filter(
    const uint8_t *answer, size_t len, const struct agent_offer *offer, struct buf *out, struct agent_keys *offered)
{
    const uint8_t *end = answer + len;
    struct view blob, comment;
    struct shown s = {.offered = offered};
    if (len < 5 || answer[0] != LIST_ANSWER || get_u32(answer + 1) > KEYS_MAX)
        return false;
    for (int pass = 0; pass < PASSES; pass++) {
        const uint8_t *at = answer + 5;
        for (uint32_t i = 0; i < get_u32(answer + 1); i++) {
            if (!take_string(&at, end, &blob) || !take_string(&at, end, &comment)) {
                buf_fini(&s.list);
                return false;
            }
            consider(&s, pass, offer, blob, comment);
        }
    }
    *buf_reserve(out, 1) = LIST_ANSWER;
    out->len++;
    put_u32(out, s.count);
    buf_add(out, s.list.data, s.list.len);
    buf_fini(&s.list);
    return true;
}

void agent_name_key(struct buf *request, const struct agent_keys *certificates, const struct agent_keys *plain)
{
    const uint8_t *at = request->data + 1, *end = request->data + request->len;
    struct view named;
    if (request->len < 5 || request->data[0] != SIGN_REQUEST || !take_string(&at, end, &named) ||
        !agent_keys_has(certificates, named.data, named.len) || agent_keys_has(plain, named.data, named.len))
        return;
    for (size_t i = 0; i < plain->count; i++) {
        const struct buf *key = &plain->blobs[i];
        if (!agent_is_certificate_of(named.data, named.len, key->data, key->len))
            continue;
        struct buf other = {0};
        buf_add(&other, request->data, 1);
        put_u32(&other, (uint32_t)key->len);
        buf_add(&other, key->data, key->len);
        buf_add(&other, at, (size_t)(end - at));
        buf_fini(request);
        *request = other;
        return;
    }
}

/* ---- the talk ---- */

static void tell(struct agent *a, bool waits)
{
    if (a->has_told != waits && a->waits)
        a->waits(a->arg, waits);
    a->has_told = waits;
}

/* Waits until fd can be read or written. False: stopped, cancelled, or too late. */
static bool ready(struct agent *a, int fd, short events)
{
    uint64_t began_ms = mono_ms();
    for (;;) {
        if (fd == a->agent_fd && mono_ms() - began_ms > MOMENT_MS)
            tell(a, true);
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

/* What the agent has, to know a certificate's key by. */
static void keep_known(struct agent *a, const struct buf *answer)
{
    const uint8_t *at = answer->data + 5, *end = answer->data + answer->len;
    struct view blob, comment;
    agent_keys_fini(&a->known);
    if (answer->len >= 5)
        while (take_string(&at, end, &blob) && take_string(&at, end, &comment))
            agent_keys_add(&a->known, blob.data, blob.len);
}

/* One question and its answer, as the library is to see it. */
static bool pass_on(struct agent *a, struct buf *question, struct buf *answer, struct buf *shown)
{
    struct buf *reply = answer;
    agent_name_key(question, &a->certificates, &a->known);
    if (!write_message(a, a->agent_fd, question) || !read_message(a, a->agent_fd, answer))
        return false;
    tell(a, false);
    if (question->data[0] == LIST_REQUEST && answer->data[0] == LIST_ANSWER) {
        const struct agent_offer offer = {.wanted = &a->wanted, .certificates = &a->certificates, .only = a->only};
        buf_clear(shown);
        agent_keys_fini(&a->offered);
        keep_known(a, answer);
        if (!agent_filter(answer->data, answer->len, &offer, shown, &a->offered))
            return false;
        reply = shown;
    }
    return write_message(a, a->library_fd, reply);
}

static void *talk(void *arg)
{
    struct agent *a = arg;
    struct buf question = {0}, answer = {0}, shown = {0};
    while (read_message(a, a->library_fd, &question) && pass_on(a, &question, &answer, &shown))
        ;
    tell(a, false);
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
    if (fd >= 0 && (connect(fd, (struct sockaddr *)&address, sizeof address) || !peer_is_ours(peer_uid_unix(fd)))) {
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
    agent_keys_fini(&a->certificates);
    agent_keys_fini(&a->known);
    agent_keys_fini(&a->offered);
    free(a);
}

static void copy_keys(struct agent_keys *to, const struct agent_keys *from)
{
    for (size_t i = 0; i < from->count; i++)
        agent_keys_add(to, from->blobs[i].data, from->blobs[i].len);
}

struct agent *agent_open(const char *path, const struct agent_offer *offer, uint64_t deadline_ms,
    const _Atomic bool *cancelled, void (*waits)(void *arg, bool waits), void *arg, int *fd)
{
    struct agent *a = mem_zalloc(sizeof *a);
    int pair[2] = {-1, -1};
    a->agent_fd = dial(path);
    a->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        pair[0] = pair[1] = -1;
    a->library_fd = pair[0];
    a->only = offer->only;
    a->waits = waits;
    a->arg = arg;
    a->deadline_ms = deadline_ms;
    a->cancelled = cancelled;
    copy_keys(&a->wanted, offer->wanted);
    copy_keys(&a->certificates, offer->certificates);
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
