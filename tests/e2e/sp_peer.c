/* A base and its daemons that speak as mirai's do on the wire (docs/runtimes.md), over the same sockets: pair1,
 * polyamorous.
 *
 *   sp_peer base URL TASKS SIZE [SECONDS [DAEMONS]]
 *       listens, prints "port N"; each daemon that dials gets an init frame and, once there have been DAEMONS of them,
 *       tasks one after the other until TASKS have their result; checks every byte; prints one line of counts
 *   sp_peer daemon URL [MAX]
 *       dials, does what it gets, ends when its pipe does; after MAX results it retires
 *
 * Exit status: base 0 when all came back right; daemon 10 disconnected, 13 retired, as through mirai::daemon(). */
#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 8, MARK = 7, PIPES = 4096 };
static const uint8_t stream_start[] = {0x42, 0x0a, 3, 0, 0, 0};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool gone;

static void die(const char *what, int rv)
{
    fprintf(stderr, "sp_peer: %s: %s\n", what, nng_strerror(rv));
    exit(3);
}

static void must(const char *what, int rv)
{
    if (rv)
        die(what, rv);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint8_t byte_of(uint64_t task, size_t i)
{
    return (uint8_t)(task * 131 + i * 7 + (i >> 8) * 13);
}

static nng_socket open_pair(void)
{
    nng_socket s;
    must("open", nng_pair1_open_poly(&s));
    must("size", nng_socket_set_size(s, NNG_OPT_RECVMAXSZ, 0));
    return s;
}

/* ---- the base ---- */

static struct {
    nng_socket socket;
    uint64_t tasks, size, given, right, wrong, inits, signals, results, retired, lost;
    uint32_t pipes[PIPES];
    bool ready[PIPES];                  /* it may be sent to */
    uint64_t at[PIPES], sent_ns[PIPES]; /* task that the pipe has + 1, and when it got it */
    uint32_t *rtt_us;
    unsigned daemons, most, wanted;
} base;

static int slot(uint32_t pipe)
{
    int i = 0;
    while (i < PIPES && base.pipes[i] != pipe)
        i++;
    return i;
}

static void send_to(uint32_t id, nng_msg *m)
{
    nng_pipe p = {.id = id};
    nng_msg_set_pipe(m, p);
    if (nng_sendmsg(base.socket, m, 0))
        nng_msg_free(m);
}

static void send_init(uint32_t id)
{
    nng_msg *m;
    must("init", nng_msg_alloc(&m, 0));
    nng_msg_append(m, stream_start, sizeof stream_start);
    nng_msg_append(m, "init", 4);
    base.inits++;
    send_to(id, m);
}

static void send_signal(uint32_t id)
{
    nng_msg *m;
    must("signal", nng_msg_alloc(&m, 0));
    base.signals++;
    send_to(id, m);
}

static void send_task(uint32_t id)
{
    nng_msg *m;
    int i = slot(id);
    uint8_t header[HEADER] = {MARK, 0, 0, 0, 1, 0, 0, 0};
    if (base.given == base.tasks || i == PIPES)
        return;
    uint64_t task = base.given++;
    base.at[i] = task + 1;
    must("task", nng_msg_alloc(&m, 0));
    must("task", nng_msg_reserve(m, HEADER + sizeof stream_start + 8 + base.size));
    nng_msg_append(m, header, sizeof header);
    nng_msg_append(m, stream_start, sizeof stream_start);
    nng_msg_append(m, &task, 8);
    size_t at = nng_msg_len(m);
    must("task", nng_msg_realloc(m, at + base.size));
    uint8_t *body = (uint8_t *)nng_msg_body(m) + at;
    for (size_t k = 0; k < base.size; k++)
        body[k] = byte_of(task, k);
    base.sent_ns[i] = now_ns();
    send_to(id, m);
}

static void send_to_idle(void)
{
    for (int i = 0; i < PIPES && base.most >= base.wanted; i++)
        if (base.ready[i] && !base.at[i])
            send_task(base.pipes[i]);
}

static void on_pipe(nng_pipe p, nng_pipe_ev event, void *arg)
{
    uint32_t id = (uint32_t)nng_pipe_id(p);
    (void)arg;
    pthread_mutex_lock(&lock);
    int i = slot(event == NNG_PIPE_EV_ADD_PRE ? 0 : id);
    if (event == NNG_PIPE_EV_ADD_PRE) {
        if (i < PIPES)
            base.pipes[i] = id;
    } else if (event == NNG_PIPE_EV_ADD_POST) {
        if (++base.daemons > base.most)
            base.most = base.daemons;
        if (i < PIPES)
            base.ready[i] = true;
        send_init(id);
        send_to_idle();
    } else {
        base.daemons--;
        if (i < PIPES) {
            base.ready[i] = false;
            if (base.at[i]) { /* as mirai does: the task is lost, here it is given again at the end */
                base.lost++;
                base.tasks++;
            }
            base.pipes[i] = 0;
            base.at[i] = 0;
        }
    }
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void take_result(nng_msg *m)
{
    uint32_t id = (uint32_t)nng_pipe_id(nng_msg_get_pipe(m));
    const uint8_t *body = nng_msg_body(m);
    size_t len = nng_msg_len(m), head = 0;
    int i = slot(id);
    uint64_t task = 0;
    bool last = len > 12 && body[0] == MARK;
    if (last)
        head = HEADER;
    bool good = i < PIPES && len == head + sizeof stream_start + 8 + base.size;
    if (good)
        memcpy(&task, body + head + sizeof stream_start, 8);
    good = good && base.at[i] == task + 1;
    for (size_t k = 0; good && k < base.size; k++)
        good = (body[head + sizeof stream_start + 8 + k] ^ byte_of(task, k)) == 0xff;
    base.results++;
    if (i < PIPES && base.rtt_us && base.right < base.tasks)
        base.rtt_us[base.right % 1000000] = (uint32_t)((now_ns() - base.sent_ns[i]) / 1000);
    if (good)
        base.right++;
    else
        base.wrong++;
    if (i < PIPES) {
        base.at[i] = 0;
        base.ready[i] &= !last;
    }
    if (last) {
        base.retired++;
        send_signal(id);
    } else {
        send_task(id);
    }
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int be_base(const char *url, uint64_t tasks, uint64_t size, int seconds, unsigned daemons)
{
    nng_listener l;
    nng_sockaddr address;
    base.tasks = tasks;
    base.size = size;
    base.wanted = daemons;
    base.rtt_us = calloc(1000000, sizeof *base.rtt_us);
    base.socket = open_pair();
    nng_pipe_notify(base.socket, NNG_PIPE_EV_ADD_PRE, on_pipe, NULL);
    nng_pipe_notify(base.socket, NNG_PIPE_EV_ADD_POST, on_pipe, NULL);
    nng_pipe_notify(base.socket, NNG_PIPE_EV_REM_POST, on_pipe, NULL);
    must("listen", nng_listen(base.socket, url, &l, 0));
    must("address", nng_listener_get_addr(l, NNG_OPT_LOCADDR, &address));
    printf("port %u\n", (unsigned)((address.s_in.sa_port & 0xff) << 8 | address.s_in.sa_port >> 8));
    fflush(stdout);
    must("time", nng_socket_set_ms(base.socket, NNG_OPT_RECVTIMEO, 1000));
    uint64_t until = now_ns() + (uint64_t)seconds * 1000000000u;
    for (bool over = false; !over && now_ns() < until;) {
        nng_msg *m;
        int rv = nng_recvmsg(base.socket, &m, 0);
        pthread_mutex_lock(&lock);
        if (rv == 0)
            take_result(m);
        over = base.right + base.wrong + base.lost == base.tasks;
        if (rv && !over) /* what was lost goes to whoever is idle */
            send_to_idle();
        pthread_mutex_unlock(&lock);
        if (rv == 0)
            nng_msg_free(m);
    }
    pthread_mutex_lock(&lock);
    uint32_t n = (uint32_t)(base.right < 1000000 ? base.right : 1000000);
    qsort(base.rtt_us, n, sizeof *base.rtt_us, by_value);
    printf(
        "{\"tasks\":%llu,\"right\":%llu,\"wrong\":%llu,\"lost\":%llu,\"inits\":%llu,\"signals\":%llu,\"retired\":%llu,"
        "\"results\":%llu,\"most\":%u,\"p50_us\":%u}\n",
        (unsigned long long)base.given, (unsigned long long)base.right, (unsigned long long)base.wrong,
        (unsigned long long)base.lost, (unsigned long long)base.inits, (unsigned long long)base.signals,
        (unsigned long long)base.retired, (unsigned long long)base.results, base.most, n ? base.rtt_us[n / 2] : 0);
    fflush(stdout);
    bool good = !base.wrong && base.right == tasks;
    pthread_mutex_unlock(&lock);
    getchar(); /* whoever looks at counts closes our stdin when it has seen them */
    nng_close(base.socket);
    nng_fini();
    free(base.rtt_us);
    return good ? 0 : 1;
}

/* ---- a daemon ---- */

static void on_end(nng_pipe p, nng_pipe_ev event, void *arg)
{
    (void)p;
    (void)event;
    (void)arg;
    pthread_mutex_lock(&lock);
    gone = true;
    pthread_mutex_unlock(&lock);
}

static bool is_gone(void)
{
    pthread_mutex_lock(&lock);
    bool is = gone;
    pthread_mutex_unlock(&lock);
    return is;
}

static void answer(nng_socket s, nng_msg *m, bool last)
{
    static const uint8_t retiring[HEADER] = {MARK, 0, 0, 1, 1, 0, 0, 0};
    nng_msg_trim(m, HEADER);
    uint8_t *body = nng_msg_body(m);
    for (size_t i = sizeof stream_start + 8; i < nng_msg_len(m); i++)
        body[i] ^= 0xff;
    if (last)
        nng_msg_insert(m, retiring, sizeof retiring);
    must("answer", nng_sendmsg(s, m, 0));
}

static int be_daemon(const char *url, uint64_t max)
{
    nng_socket s = open_pair();
    uint64_t done = 0;
    bool has_init = false;
    nng_pipe_notify(s, NNG_PIPE_EV_REM_POST, on_end, NULL);
    must("time", nng_socket_set_ms(s, NNG_OPT_RECVTIMEO, 200));
    must("dial", nng_dial(s, url, NULL, 0));
    fprintf(stderr, "daemon at %s\n", url);
    while (!is_gone()) {
        nng_msg *m;
        if (nng_recvmsg(s, &m, 0))
            continue;
        size_t len = nng_msg_len(m);
        const uint8_t *body = nng_msg_body(m);
        if (!has_init && len && body[0] != MARK) {
            has_init = true;
        } else if (len > 12 && body[0] == MARK) {
            if (!has_init)
                exit(4);
            answer(s, m, ++done == max);
            continue;
        }
        nng_msg_free(m);
        if (!len && done == max)
            break;
    }
    nng_close(s);
    nng_fini();
    return done == max ? 13 : 10;
}

int main(int argc, char **argv)
{
    uint64_t a = argc > 3 ? strtoull(argv[3], NULL, 10) : 0, b = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    int status = 2;
    if (argc >= 5 && strcmp(argv[1], "base") == 0)
        status = be_base(argv[2], a, b, argc > 5 ? atoi(argv[5]) : 170, argc > 6 ? (unsigned)atoi(argv[6]) : 0);
    else if (argc >= 3 && strcmp(argv[1], "daemon") == 0)
        status = be_daemon(argv[2], a ? a : UINT64_MAX);
    _exit(status); /* what nng has in its pipes when it is closed is not looked after */
}
