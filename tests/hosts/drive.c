/* Drives links from the command line, for the tests in ../drive/links: opens one link a NAME, prints what
 * happens as lines of key=value, serves as the home end of the tunnel, and ends with the exit status 0 when
 * what was asked for came true.
 *
 *   drive [options] NAME...
 *     --config F --address A --user U --port P --jump J --identity F --program F    as in hosts/ssh/session.h
 *     --goal login|facts|up  --retry  --keepalive MS --connect MS --secret-ms MS --backoff MS
 *     --quarantine N --quarantine-ms MS --jump-idle MS
 *     --secret S          what the secret callback answers
 *     --answer S          the answer by host_session_answer(), once the link waits for it
 *     --answer-after MS   … by one link alone, and not before
 *     --trust             trusts a new key that it was refused for
 *     --trust-as FP       tries to trust under this fingerprint
 *     --launch TEXT       starts a daemon with this configuration (\n for newlines); may be repeated
 *     --launch2 TEXT      the same, through a tunnel to a second target (of the other kind)
 *     --run SCRIPT        runs a script once it is up
 *     --script TEXT       starts a process from a script (foreign runtime)
 *     --until STATE       done when every link is in this state (default: up, or down)
 *     --hellos N          done when N connections came through the tunnel
 *     --bytes N           done when N bytes of `blast` came, each checked
 *     --tasks N           done when N echoes of 64 bytes came back, 256 in flight on each connection
 *     --exits N           done when N daemons ended
 *     --after MS          waits so long once it is done, printing changes
 *     --limit S           gives up after this (default 60)
 *     --close-after MS    closes all links after this, and prints how long closing took
 *     --listen tcp|unix   the kind of target (default unix)
 *     --port-file F       writes the tunnel's url there
 *     --facts             prints the facts as JSON
 *     --doctor            runs the doctor instead
 */
#include "base/mem.h"
#include "base/mono.h"
#include "hosts/doctor.h"
#include "hosts/ssh/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LINKS = 64, CONNECTIONS = 512, LAUNCHES = 64, TASK = 64, IN_FLIGHT = 256 };

struct connection {
    int fd;
    char hello[128];
    size_t hello_len;
    bool greeted, blast, bad;
    uint64_t at;   /* bytes of blast, or of echoes */
    uint64_t sent; /* tasks */
};

static struct {
    struct host_session *links[LINKS];
    char *names[LINKS];
    size_t count;
    struct host_snapshot last[LINKS];
    pthread_mutex_t lock;
    const char *secret, *answer, *launches[LAUNCHES], *trust_as, *run, *until, *port_file;
    bool scripts[LAUNCHES], seconds[LAUNCHES], trust, facts, launched[LINKS], answered[LINKS], trusted[LINKS],
        ran[LINKS];
    size_t launch_count;
    unsigned hellos, exits, runs;
    unsigned want_hellos, want_exits, answer_after_ms;
    uint64_t want_bytes, want_tasks, bytes, tasks;
    struct connection connections[CONNECTIONS];
    size_t connection_count;
    int listeners[2];
    char targets[2][200];
    uint64_t began_ms, first_byte_us, last_byte_us;
    bool done;
} d = {.lock = PTHREAD_MUTEX_INITIALIZER};

static unsigned ms(void)
{
    return (unsigned)(mono_ms() - d.began_ms);
}

/* ---- callbacks: arg is the index of the link ---- */

static void on_state(void *arg, const struct host_snapshot *s)
{
    size_t i = (size_t)(uintptr_t)arg;
    pthread_mutex_lock(&d.lock);
    d.last[i] = *s;
    printf("t=%u host=%s state=%s step=%s code=%d failures=%u url=%s same_url=%d key=%s/%s "
           "changed=%d line=%u prompt=\"%s\" again=%d reason=\"%s\" hint=\"%s\"\n",
        ms(), s->name, host_state_text(s->state), host_state_text(s->step), (int)s->code, s->failures,
        *s->url ? s->url : "-", s->same_url, *s->key.type ? s->key.type : "-",
        *s->key.fingerprint ? s->key.fingerprint : "-", s->key.changed, s->key.line, s->prompt.text, s->prompt.again,
        s->reason, s->hint);
    fflush(stdout);
    pthread_mutex_unlock(&d.lock);
}

static void on_daemon(void *arg, const struct host_daemon_event *e)
{
    static const char *const kinds[] = {"started", "stderr", "exited", "failed"};
    size_t i = (size_t)(uintptr_t)arg;
    pthread_mutex_lock(&d.lock);
    printf("t=%u host=%s daemon=%llu %s pid=%lld status=%d signal=%d text=\"%s\"\n", ms(), d.names[i],
        (unsigned long long)e->id, kinds[e->kind], (long long)e->pid, e->status, e->signal, e->text);
    fflush(stdout);
    d.exits += e->kind == HOST_DAEMON_EXITED || e->kind == HOST_DAEMON_FAILED;
    pthread_mutex_unlock(&d.lock);
}

static void on_run(void *arg, const struct host_run_result *r)
{
    size_t i = (size_t)(uintptr_t)arg;
    pthread_mutex_lock(&d.lock);
    printf("t=%u host=%s run=%llu code=%d status=%d out=\"%s\" errors=\"%s\"\n", ms(), d.names[i],
        (unsigned long long)r->id, (int)r->code, r->status, r->out, r->errors);
    fflush(stdout);
    d.runs++;
    pthread_mutex_unlock(&d.lock);
}

static void on_facts(void *arg, const struct host_facts *f)
{
    size_t i = (size_t)(uintptr_t)arg;
    if (!d.facts)
        return;
    char *json = host_facts_json(f);
    pthread_mutex_lock(&d.lock);
    printf("t=%u host=%s facts=%s\n", ms(), d.names[i], json);
    fflush(stdout);
    pthread_mutex_unlock(&d.lock);
    free(json);
}

static bool on_secret(void *arg, const struct host_prompt *p, char *answer, size_t size)
{
    (void)arg;
    printf("t=%u prompt kind=%s text=\"%s\" echo=%d again=%d\n", ms(), p->kind, p->text, p->echo, p->again);
    fflush(stdout);
    if (!d.secret)
        return false;
    snprintf(answer, size, "%s", d.secret);
    return true;
}

/* ---- the home end of the tunnel ---- */

static int listen_tcp(char *target, size_t size)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 512) || getsockname(fd, (struct sockaddr *)&a, &len))
        exit(3);
    snprintf(target, size, "tcp:127.0.0.1:%u", ntohs(a.sin_port));
    return fd;
}

static int listen_unix(char *target, size_t size)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "/tmp/clw-drive-%d.sock", (int)getpid());
    unlink(a.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 512))
        exit(3);
    snprintf(target, size, "unix:%s", a.sun_path);
    return fd;
}

static void accept_one(int listener)
{
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 || d.connection_count == CONNECTIONS)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    d.connections[d.connection_count++] = (struct connection){.fd = fd};
}

static void greet(struct connection *c)
{
    c->greeted = true;
    c->blast = strncmp(c->hello, "blast", 5) == 0;
    d.hellos++;
    printf("t=%u hello=\"%.*s\"\n", ms(), (int)strcspn(c->hello, "\n"), c->hello);
    fflush(stdout);
}

static void send_tasks(struct connection *c)
{
    static char tasks[TASK * IN_FLIGHT];
    uint64_t back = c->at / TASK;
    while (d.want_tasks && c->sent - back < IN_FLIGHT && d.tasks < d.want_tasks) {
        size_t n = (size_t)(IN_FLIGHT - (c->sent - back));
        memset(tasks, 'a', n * TASK);
        ssize_t w = send(c->fd, tasks, n * TASK, MSG_NOSIGNAL);
        if (w < TASK)
            return;
        c->sent += (uint64_t)w / TASK;
        if (w % TASK)
            return; /* the rest of a task is not sent: good enough for a measurement of echoes */
    }
}

/* Under sanitizers too this has to keep up with the tunnel. */
__attribute__((no_sanitize("address", "undefined", "thread"))) static bool intact(
    const unsigned char *data, size_t len, uint64_t at)
{
    unsigned char wrong = 0;
    for (size_t i = 0; i < len; i++, at++)
        wrong |= data[i] ^ (unsigned char)(at * 31 + (at >> 13));
    return !wrong;
}

static void take(struct connection *c, const unsigned char *data, size_t len)
{
    uint64_t now = mono_us();
    if (!d.first_byte_us)
        d.first_byte_us = now;
    d.last_byte_us = now;
    if (c->blast)
        c->bad |= !intact(data, len, c->at);
    c->at += len;
    if (c->blast)
        d.bytes += len;
    else
        d.tasks += len / TASK;
}

static void serve_one(struct connection *c)
{
    static unsigned char block[262144];
    ssize_t n = recv(c->fd, block, sizeof block, 0);
    size_t used = 0;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        if (c->blast) {
            printf("t=%u blast=%llu %s\n", ms(), (unsigned long long)c->at, c->bad ? "DAMAGED" : "intact");
            fflush(stdout);
            if (send(c->fd, "k", 1, MSG_NOSIGNAL) < 0)
                c->bad = true;
        }
        close(c->fd);
        c->fd = -1;
        return;
    }
    for (; !c->greeted && used < (size_t)n; used++) {
        if (c->hello_len + 1 < sizeof c->hello)
            c->hello[c->hello_len++] = (char)block[used];
        if (block[used] == '\n')
            greet(c);
    }
    if (c->greeted && (size_t)n > used)
        take(c, block + used, (size_t)n - used);
    if (c->greeted && !c->blast)
        send_tasks(c);
}

static void round_of(int timeout_ms)
{
    struct pollfd fds[CONNECTIONS + 2];
    for (int i = 0; i < 2; i++)
        fds[i] = (struct pollfd){.fd = d.listeners[i], .events = POLLIN};
    size_t n = d.connection_count;
    for (size_t i = 0; i < n; i++)
        fds[i + 2] = (struct pollfd){.fd = d.connections[i].fd, .events = POLLIN};
    if (poll(fds, n + 2, timeout_ms) <= 0)
        return;
    for (int i = 0; i < 2; i++)
        if (fds[i].revents)
            accept_one(d.listeners[i]);
    for (size_t i = 0; i < n; i++)
        if (fds[i + 2].revents)
            serve_one(&d.connections[i]);
}

/* ---- what is asked of links ---- */

static void act(size_t i)
{
    struct host_snapshot s;
    struct clw_error err = {0};
    host_session_snapshot(d.links[i], &s);
    if (s.state == HOST_REFUSED || s.state == HOST_DOWN) {
        const char *as = d.trust_as ? d.trust_as : s.key.fingerprint;
        if ((d.trust || d.trust_as) && *s.key.fingerprint && !d.trusted[i]) {
            /* A jump host and the host behind it are trusted one after the other. */
            enum clw_err code = host_session_trust(d.links[i], as, &err);
            printf("t=%u host=%s trust=%s code=%d message=\"%s\"\n", ms(), d.names[i], as, (int)code, err.message);
            fflush(stdout);
            d.trusted[i] = code != CLW_OK;
            usleep(20000);
        }
    }
    if (s.state == HOST_NEEDS_SECRET && d.answer && !d.answered[i] &&
        (!d.answer_after_ms || (i == 0 && ms() >= d.answer_after_ms))) {
        d.answered[i] = true;
        host_session_answer(d.links[i], s.prompt.text, d.answer, NULL);
    }
    if (s.state == HOST_UP && d.port_file && *s.url) {
        FILE *f = fopen(d.port_file, "w");
        if (f) {
            fprintf(f, "%s\n", s.url);
            fclose(f);
        }
        d.port_file = NULL;
    }
    if (s.state == HOST_UP && d.run && !d.ran[i]) {
        d.ran[i] = true;
        host_session_run(d.links[i], d.run, 5000, NULL, NULL);
    }
}

static void launch_all(size_t i)
{
    for (size_t k = 0; k < d.launch_count; k++) {
        char text[1000];
        size_t n = 0;
        for (const char *p = d.launches[k]; *p && n + 1 < sizeof text; p++)
            if (p[0] == '\\' && p[1] == 'n') {
                text[n++] = '\n';
                p++;
            } else {
                text[n++] = *p;
            }
        const struct host_launch launch = {
            .config = text, .config_len = n, .script = d.scripts[k], .target = d.seconds[k] ? d.targets[1] : ""};
        uint64_t id;
        if (host_session_launch(d.links[i], &launch, &id, NULL))
            printf("launch failed\n");
    }
}

static bool is_done(void)
{
    bool all = true;
    unsigned exits = 0, runs = 0;
    for (size_t i = 0; i < d.count; i++) {
        pthread_mutex_lock(&d.lock);
        enum host_state state = d.last[i].state;
        exits = d.exits;
        runs = d.runs;
        pthread_mutex_unlock(&d.lock);
        bool here = d.until ? strcmp(host_state_text(state), d.until) == 0 : state == HOST_UP || state == HOST_DOWN;
        all &= here;
    }
    return all && d.hellos >= d.want_hellos && exits >= d.want_exits && d.bytes >= d.want_bytes &&
           d.tasks >= d.want_tasks && (!d.run || runs >= d.count);
}

/* ---- options ---- */

static int doctor(const struct host_session_options *o)
{
    static struct doctor_report r;
    struct clw_error err = {0};
    enum clw_err code = doctor_run(o, 0, -1, &r, &err);
    for (size_t i = 0; i < r.count; i++)
        printf("%s %-9s %5u ms  %s%s%s\n", r.findings[i].ok ? "ok " : "BAD", r.findings[i].step, r.findings[i].ms,
            r.findings[i].seen, *r.findings[i].fix ? "\n                        fix: " : "", r.findings[i].fix);
    if (code)
        printf("doctor: %s\n", err.message);
    return code || !r.ok;
}

static const struct option options[] = {{"config", 1, 0, 'c'}, {"address", 1, 0, 'a'}, {"user", 1, 0, 'u'},
    {"port", 1, 0, 'p'}, {"jump", 1, 0, 'j'}, {"identity", 1, 0, 'i'}, {"program", 1, 0, 'P'}, {"goal", 1, 0, 'g'},
    {"retry", 0, 0, 'r'}, {"keepalive", 1, 0, 'k'}, {"connect", 1, 0, 'C'}, {"secret-ms", 1, 0, 'M'},
    {"backoff", 1, 0, 'B'}, {"quarantine", 1, 0, 'q'}, {"quarantine-ms", 1, 0, 'Q'}, {"secret", 1, 0, 's'},
    {"answer", 1, 0, 'A'}, {"trust", 0, 0, 't'}, {"trust-as", 1, 0, 'T'}, {"launch", 1, 0, 'l'}, {"launch2", 1, 0, '2'},
    {"script", 1, 0, 'S'}, {"run", 1, 0, 'R'}, {"until", 1, 0, 'U'}, {"hellos", 1, 0, 'H'}, {"bytes", 1, 0, 'b'},
    {"tasks", 1, 0, 'n'}, {"exits", 1, 0, 'E'}, {"after", 1, 0, 'f'}, {"limit", 1, 0, 'L'}, {"close-after", 1, 0, 'X'},
    {"listen", 1, 0, 'N'}, {"port-file", 1, 0, 'F'}, {"facts", 0, 0, 'J'}, {"doctor", 0, 0, 'D'}, {"target", 1, 0, 'G'},
    {"jump-idle", 1, 0, 'I'}, {"answer-after", 1, 0, 'W'}, {0, 0, 0, 0}};

struct settings {
    struct host_session_options o;
    unsigned after_ms, limit_s, close_after_ms;
    bool tcp, doctor;
};

static void take_option(struct settings *s, int c)
{
    unsigned n = optarg ? (unsigned)strtoul(optarg, NULL, 10) : 0;
    switch (c) {
    case 'c': s->o.config_path = optarg; break;
    case 'a': s->o.address = optarg; break;
    case 'u': s->o.user = optarg; break;
    case 'p': s->o.port = n; break;
    case 'j': s->o.jump = optarg; break;
    case 'i': s->o.identity = optarg; break;
    case 'P': s->o.program = optarg; break;
    case 'g':
        s->o.goal = strcmp(optarg, "login") == 0   ? HOST_GOAL_LOGIN
                    : strcmp(optarg, "facts") == 0 ? HOST_GOAL_FACTS
                                                   : HOST_GOAL_UP;
        break;
    case 'r': s->o.retry = true; break;
    case 'k': s->o.keepalive_ms = n; break;
    case 'C': s->o.connect_ms = n; break;
    case 'M': s->o.secret_ms = n; break;
    case 'B': s->o.backoff_ms = n; break;
    case 'q': s->o.quarantine_after = n; break;
    case 'Q': s->o.quarantine_ms = n; break;
    case 's': d.secret = optarg; break;
    case 'A': d.answer = optarg; break;
    case 't': d.trust = true; break;
    case 'T': d.trust_as = optarg; break;
    case 'S':
        d.scripts[d.launch_count] = true;
        d.launches[d.launch_count++] = optarg;
        break;
    case '2':
        d.seconds[d.launch_count] = true;
        d.launches[d.launch_count++] = optarg;
        break;
    case 'l': d.launches[d.launch_count++] = optarg; break;
    case 'R': d.run = optarg; break;
    case 'U': d.until = optarg; break;
    case 'H': d.want_hellos = n; break;
    case 'b': d.want_bytes = strtoull(optarg, NULL, 10); break;
    case 'n': d.want_tasks = strtoull(optarg, NULL, 10); break;
    case 'E': d.want_exits = n; break;
    case 'f': s->after_ms = n; break;
    case 'L': s->limit_s = n; break;
    case 'X': s->close_after_ms = n; break;
    case 'N': s->tcp = strcmp(optarg, "tcp") == 0; break;
    case 'F': d.port_file = optarg; break;
    case 'J': d.facts = true; break;
    case 'D': s->doctor = true; break;
    case 'G': s->o.target = optarg; break;
    case 'I': s->o.jump_idle_ms = n; break;
    case 'W': d.answer_after_ms = n; break;
    default: exit(2);
    }
}

static void open_links(struct settings *s)
{
    for (size_t i = 0; i < d.count; i++) {
        struct clw_error err = {0};
        struct host_session_options o = s->o;
        o.name = d.names[i];
        o.target = o.goal != HOST_GOAL_UP ? "" : s->o.target ? s->o.target : d.targets[0];
        o.cb = (struct host_callbacks){.arg = (void *)(uintptr_t)i,
            .state = on_state,
            .daemon = on_daemon,
            .run = on_run,
            .facts = on_facts,
            .secret = on_secret};
        if (host_session_open(&o, &d.links[i], &err)) {
            printf("open: %s\n", err.message);
            exit(3);
        }
        launch_all(i);
    }
}

static void close_links(void)
{
    uint64_t began = mono_ms();
    for (size_t i = 0; i < d.count; i++) {
        struct host_snapshot s;
        host_session_snapshot(d.links[i], &s);
        printf("final host=%s state=%s bytes_up=%llu bytes_down=%llu streams=%u attempts=%u step_ms=", d.names[i],
            host_state_text(s.state), (unsigned long long)s.bytes_up, (unsigned long long)s.bytes_down, s.streams,
            s.attempts);
        for (size_t k = 0; k < HOST_STEPS; k++)
            printf("%s%u", k ? "," : "", s.step_ms[k]);
        printf("\n");
        host_session_close(d.links[i]);
    }
    host_session_log_out();
    printf("closed ms=%u\n", (unsigned)(mono_ms() - began));
    for (int i = 0; i < 2; i++)
        if (strncmp(d.targets[i], "unix:", 5) == 0)
            unlink(d.targets[i] + 5);
}

int main(int argc, char **argv)
{
    struct settings s = {.o.goal = HOST_GOAL_UP, .limit_s = 60};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
        take_option(&s, c);
    signal(SIGPIPE, SIG_IGN);
    d.began_ms = mono_ms();
    for (; optind < argc && d.count < LINKS; optind++)
        d.names[d.count++] = argv[optind];
    d.listeners[s.tcp] = listen_unix(d.targets[s.tcp], sizeof d.targets[0]);
    d.listeners[!s.tcp] = listen_tcp(d.targets[!s.tcp], sizeof d.targets[0]);
    s.o.cb = (struct host_callbacks){.secret = on_secret};
    if (s.doctor) {
        s.o.name = d.names[0];
        s.o.target = d.targets[0];
        int status = doctor(&s.o);
        host_session_log_out();
        return status;
    }
    open_links(&s);
    uint64_t until = d.began_ms + s.limit_s * 1000u, done_at = 0;
    bool done = false;
    while (mono_ms() < until && !(done && mono_ms() >= done_at + s.after_ms)) {
        round_of(10);
        for (size_t i = 0; i < d.count; i++)
            act(i);
        if (s.close_after_ms && ms() >= s.close_after_ms)
            break;
        if (!done && is_done()) {
            done = true;
            done_at = mono_ms();
            printf("t=%u done\n", ms());
            fflush(stdout);
        }
    }
    double seconds = (double)(d.last_byte_us - d.first_byte_us) / 1e6;
    if (d.want_bytes)
        printf("rate mb_per_s=%.1f\n", seconds > 0 ? (double)d.bytes / 1e6 / seconds : 0);
    if (d.want_tasks)
        printf("rate tasks_per_s=%.0f\n", seconds > 0 ? (double)d.tasks / seconds : 0);
    close_links();
    return done || s.close_after_ms ? 0 : 1;
}
