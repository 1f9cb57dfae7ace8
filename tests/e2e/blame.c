/* Tasks that are taken back or run out of time, by the thousand: each of them bears it alone. The engine and the
 * environment are the script's.
 *
 *   blame cancel lines|frames|commands N       a tenth of N tasks is cancelled, some while they wait, some as they run
 *   blame timeout lines|frames N               some tasks take as long as their limit, and a little less or more
 *   blame worker lines|frames [LOG]            what the others run: input "INDEX MICROSECONDS", answer "INDEX!" */
#include "engine/client/clowder_worker.h"

#include <clowder.h>

#include <pthread.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#define CHECK(what, ...)                                                                                               \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "line %d: %s (%s): ", __LINE__, #what, err.message);                                       \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fputc('\n', stderr);                                                                                       \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

enum { LIMIT_US = 5000, EVERY = 2000 };

static struct clowder_error err;
static uint64_t random_state = 88172645463325252u;

static uint64_t roll(uint64_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % n;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- the worker ---- */

/* When each task last began and ended, for the process that asked; or NULL. */
static struct times {
    uint64_t began, ended;
} * times;

static struct times *map_times(const char *path, size_t n)
{
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    struct stat st;
    if (fd < 0 || (n && ftruncate(fd, (off_t)(n * sizeof *times))) || fstat(fd, &st))
        return NULL;
    void *at = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return at == MAP_FAILED ? NULL : at;
}

static int work(void *arg, const char *in, size_t len, struct clowder_out *out)
{
    char *rest;
    unsigned long index = strtoul(in, &rest, 10), us = strtoul(rest, NULL, 10);
    (void)arg;
    (void)len;
    uint64_t now = now_ns(), end = now + us * 1000;
    if (times)
        times[index].began = now;
    while (us && (now = now_ns()) < end) /* not sleeping: when it ends is the point */
        ;
    if (times)
        times[index].ended = now;
    return clowder_out_printf(out, "%lu!", index);
}

/* ---- the client ---- */

struct run {
    struct clowder *c;
    struct clowder_job *job;
    size_t n, done, cancelled, timed_out;
    bool *chosen; /* to be cancelled, or slow */
    unsigned char *outcome;
};

static char self[4096];
static const char *log_path;

static void open_job(struct run *r, const char *kind, uint64_t timeout_ms)
{
    const char *const worker[] = {self, "worker", kind, log_path, NULL}, *const command[] = {"echo", NULL};
    struct clowder_function f;
    clowder_function_init(&f);
    f.kind = *kind == 'l' ? CLOWDER_LINES : *kind == 'f' ? CLOWDER_FRAMED : CLOWDER_COMMAND;
    f.argv = *kind == 'c' ? command : worker;
    f.timeout_ms = timeout_ms;
    f.unordered = true;
    CHECK(clowder_open(&r->c, NULL, &err) == CLOWDER_OK, "open");
    CHECK(clowder_job_open(r->c, &f, &r->job, &err) == CLOWDER_OK, "job");
}

static void take(struct run *r, const struct clowder_result *result)
{
    char want[32];
    size_t i = result->index;
    int len = snprintf(want, sizeof want, "%zu!", i);
    CHECK(i < r->n && r->outcome[i] == 255, "task %zu has a second result", i);
    r->outcome[i] = (unsigned char)result->outcome;
    switch (result->outcome) {
    case CLOWDER_DONE:
        CHECK(result->out_len >= (size_t)len && memcmp(result->out, want, (size_t)len) == 0,
            "task %zu got the answer '%.*s'", i, (int)result->out_len, result->out);
        r->done++;
        break;
    case CLOWDER_TASK_CANCELLED:
        CHECK(r->chosen[i], "task %zu was cancelled, and nobody asked for it", i);
        r->cancelled++;
        break;
    default:
        CHECK(result->outcome == CLOWDER_TASK_TIMEOUT, "task %zu failed: %s; it said: %.*s", i, result->why,
            (int)result->err_len, result->err);
        r->timed_out++;
    }
}

static void put_one(struct run *r, size_t i)
{
    char text[40];
    unsigned us = log_path && r->chosen[i] ? LIMIT_US - 100 + (unsigned)roll(1300) : 0;
    int len = log_path ? snprintf(text, sizeof text, "%zu %u", i, us) : snprintf(text, sizeof text, "%zu!", i);
    CHECK(clowder_job_put(r->job, text, (size_t)len, -1, &err) == CLOWDER_OK, "put %zu", i);
}

/* Tasks are taken back as soon as they are sent, or when so many others were sent after them that they may run. */
static void *put_all(void *arg)
{
    enum { LAG = 1 << 15 };
    struct run *r = arg;
    static size_t due[LAG]; /* by the number of the task after which it is to be taken back: that one and 1; 0: none */
    for (size_t i = 0; i < r->n; i++) {
        put_one(r, i);
        if (r->chosen[i] && !log_path)
            due[(i + roll(roll(2) ? 64 : LAG)) % LAG] = i + 1;
        size_t *now = &due[i % LAG];
        if (*now)
            clowder_job_cancel_task(r->job, *now - 1, NULL);
        *now = 0;
    }
    CHECK(clowder_job_finish(r->job, &err) == CLOWDER_OK, "finish");
    return NULL;
}

static void run_all(struct run *r)
{
    pthread_t putter;
    struct clowder_result result;
    int status;
    pthread_create(&putter, NULL, put_all, r);
    while ((status = clowder_job_next(r->job, &result, -1, &err)) == CLOWDER_OK)
        take(r, &result);
    CHECK(status == CLOWDER_END, "the job ended with %d", status);
    pthread_join(putter, NULL);
    CHECK(
        r->done + r->cancelled + r->timed_out == r->n, "%zu + %zu + %zu results", r->done, r->cancelled, r->timed_out);
    printf("%zu tasks: %zu done, %zu cancelled, %zu timed out\n", r->n, r->done, r->cancelled, r->timed_out);
    clowder_job_close(r->job);
    clowder_close(r->c);
}

/* With one daemon, that it was a task's turn is when the one before ended, and the next one begins when it is over. */
static void check_times(const struct run *r)
{
    for (size_t i = 1; i + 1 < r->n; i++) {
        uint64_t us = (times[i + 1].began - times[i - 1].ended) / 1000;
        if (r->outcome[i] == CLOWDER_TASK_TIMEOUT && r->outcome[i - 1] == CLOWDER_DONE)
            CHECK(us >= LIMIT_US, "task %zu is blamed after %llu us", i, (unsigned long long)us);
    }
}

int main(int argc, char **argv)
{
    const char *part = argc > 2 ? argv[1] : "", *kind = argc > 2 ? argv[2] : "";
    struct run r = {.n = argc > 3 ? strtoul(argv[3], NULL, 10) : 0};
    if (strcmp(part, "worker") == 0) {
        times = argc > 3 ? map_times(argv[3], 0) : NULL;
        return *kind == 'l' ? clowder_worker_lines(work, NULL) : clowder_worker_frames(work, NULL);
    }
    bool slow = strcmp(part, "timeout") == 0;
    CHECK(r.n && readlink("/proc/self/exe", self, sizeof self - 1) > 0, "usage");
    r.chosen = calloc(r.n, sizeof *r.chosen);
    r.outcome = malloc(r.n);
    memset(r.outcome, 255, r.n);
    for (size_t i = 0; i < r.n; i++)
        r.chosen[i] = roll(slow ? EVERY : 10) == 0;
    if (slow) {
        log_path = "times";
        CHECK((times = map_times(log_path, r.n)), "log");
    }
    open_job(&r, kind, slow ? LIMIT_US / 1000 : 0);
    run_all(&r);
    if (slow)
        check_times(&r);
    free(r.chosen);
    free(r.outcome);
    return 0;
}
