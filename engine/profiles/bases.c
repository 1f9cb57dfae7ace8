#include "engine/profiles/bases.h"

#include "base/mem.h"
#include "base/mono.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LISTENS_MS = 1000, KEPT = 100 };

/* What is known of one url. */
struct known {
    char *url;
    enum base_state state;
    struct foreign_base base;
    struct clw_error err;
    uint64_t found_ms; /* 0: never */
    bool asking;
    struct known *next;
};

struct bases {
    struct errands *errands;
    void (*changed)(void *arg);
    void *arg;
    struct known *known;
};

/* ---- in the thread of the errands ---- */

/* Of "tcp:ADDRESS:PORT", or "unix:PATH". */
static bool listens(const char *target)
{
    struct stat st;
    if (strncmp(target, "unix:", 5) == 0)
        return stat(target + 5, &st) == 0 && S_ISSOCK(st.st_mode);
    char host[64];
    struct sockaddr_in six_less = {.sin_family = AF_INET};
    const char *colon = strrchr(target, ':');
    int problem = 0;
    socklen_t len = sizeof problem;
    snprintf(host, sizeof host, "%.*s", (int)(colon - target - 4), target + 4);
    if (inet_pton(AF_INET, host, &six_less.sin_addr) != 1)
        return true; /* IPv6: the first connection will tell */
    six_less.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true;
    bool good = connect(fd, (struct sockaddr *)&six_less, sizeof six_less) == 0;
    if (!good && errno == EINPROGRESS) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        good = poll(&p, 1, LISTENS_MS) > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &len) == 0 && !problem;
    }
    close(fd);
    return good;
}

struct inquiry {
    struct errand errand;
    struct bases *bases;
    struct known answer;
    void (*then)(void *arg);
    void *arg;
};

static void find_out(void *arg)
{
    struct known *k = &((struct inquiry *)arg)->answer;
    const char *target = k->url;
    if (strstr(k->url, "://")) {
        if (foreign_base_parse(k->url, &k->base, &k->err)) {
            k->state = BASE_BAD;
            return;
        }
        target = k->base.target;
    }
    k->state = listens(target) ? BASE_LISTENS : BASE_SILENT;
}

/* ---- in the loop's ---- */

static struct known *find(struct bases *b, const char *url)
{
    struct known *k = b->known;
    while (k && strcmp(k->url, url) != 0)
        k = k->next;
    return k;
}

static void forget(struct known *k)
{
    free(k->url);
    free(k);
}

/* The newest stands first; of what nobody asks after any more, few are kept. */
static struct known *add(struct bases *b, const char *url)
{
    struct known *k = mem_zalloc(sizeof *k), **last = &b->known;
    k->url = mem_strdup(url);
    k->next = b->known;
    b->known = k;
    for (unsigned n = 0; *last && n < KEPT; n++)
        last = &(*last)->next;
    while (*last) {
        struct known *old = *last;
        *last = old->next;
        forget(old);
    }
    return k;
}

static void take_answer(void *arg)
{
    struct inquiry *q = arg;
    struct known *k = find(q->bases, q->answer.url);
    if (k) {
        k->asking = false;
        k->state = q->answer.state;
        k->base = q->answer.base;
        k->err = q->answer.err;
        k->found_ms = mono_ms();
    }
    if (q->then)
        q->then(q->arg);
    q->bases->changed(q->bases->arg);
    free(q->answer.url);
    free(q);
}

void bases_ask(struct bases *b, const char *url, void (*then)(void *arg), void *arg)
{
    struct known *k = find(b, url);
    struct inquiry *q = mem_zalloc(sizeof *q);
    if (!k)
        k = add(b, url);
    k->asking = true;
    *q = (struct inquiry){.bases = b, .answer = {.url = mem_strdup(url)}, .then = then, .arg = arg};
    q->errand = (struct errand){.work = find_out, .done = take_answer, .arg = q};
    errands_give(b->errands, &q->errand);
}

enum base_state bases_state(
    struct bases *b, const char *url, uint64_t age_ms, struct foreign_base *base, struct clw_error *err)
{
    const struct known *k = find(b, url);
    if (!k || !k->found_ms || mono_ms() - k->found_ms >= age_ms) {
        if (!k || !k->asking)
            bases_ask(b, url, NULL, NULL);
        return BASE_ASKED;
    }
    if (base && k->state > BASE_BAD && strstr(url, "://"))
        *base = k->base;
    if (err && k->state == BASE_BAD)
        *err = k->err;
    return k->state;
}

struct bases *bases_new(struct loop *home, void (*changed)(void *arg), void *arg)
{
    struct bases *b = mem_zalloc(sizeof *b);
    *b = (struct bases){.errands = errands_new(home), .changed = changed, .arg = arg};
    return b;
}

unsigned bases_count(const struct bases *b)
{
    return errands_count(b->errands);
}

void bases_free(struct bases *b)
{
    if (!b)
        return;
    errands_free(b->errands);
    while (b->known) {
        struct known *k = b->known;
        b->known = k->next;
        forget(k);
    }
    free(b);
}
