/* bench: tiny tasks through a line worker, for throughput; one at a time, for latency. */
#include "tui/cli/command.h"

#include "base/mem.h"
#include "base/mono.h"
#include "base/text.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AT_ONCE = 64, SMALL = 1024 }; /* tasks put and taken in one call, when they are small */

struct bench {
    struct clowder *c;
    struct clowder_job *job;
    int64_t tasks, size, round_trips;
    char *input, *want;
    double seconds, p50_us, p99_us;
    uint64_t engine_rss, daemon_rss, engine_now;
    bool wrong;
};

/* Inputs are the numbers from 0, as many digits as there is room for: what is measured is not their making. */
static void count_up(char *digits, size_t n)
{
    while (n && ++digits[--n] > '9')
        digits[n] = '0';
}

static void *put_all(void *arg)
{
    struct bench *b = arg;
    size_t size = (size_t)b->size, most = size <= SMALL ? AT_ONCE : 1, n, taken;
    struct clowder_piece inputs[AT_ONCE];
    char *bytes = mem_alloc(most * size);
    memset(b->input, '0', size);
    for (int64_t i = 0; i < b->tasks; i += (int64_t)n) {
        n = b->tasks - i < (int64_t)most ? (size_t)(b->tasks - i) : most;
        for (size_t k = 0; k < n; k++) {
            if (i || k)
                count_up(b->input, size);
            inputs[k] = (struct clowder_piece){b->input, size};
            if (most > 1)
                inputs[k].data = memcpy(bytes + k * size, b->input, size);
        }
        if (clowder_job_put_many(b->job, inputs, n, &taken, -1, NULL))
            break;
    }
    free(bytes);
    clowder_job_finish(b->job, NULL);
    return NULL;
}

/* What came back must be what was sent, in order. */
static bool is_right(const struct bench *b, const struct clowder_result *r, int64_t i)
{
    bool right = r->outcome == CLOWDER_DONE && r->out_len == (size_t)b->size && (int64_t)r->index == i &&
                 memcmp(r->out, b->want, (size_t)b->size) == 0;
    count_up(b->want, (size_t)b->size);
    return right;
}

static int throughput(struct bench *b, const struct clowder_function *f, struct clowder_error *err)
{
    struct clowder_result results[AT_ONCE];
    pthread_t writer;
    int64_t got = 0;
    size_t n;
    int status = clowder_job_open(b->c, f, &b->job, err);
    if (status)
        return status;
    memset(b->want, '0', (size_t)b->size);
    uint64_t start_us = mono_us();
    pthread_create(&writer, NULL, put_all, b);
    while ((status = clowder_job_take(b->job, results, AT_ONCE, &n, -1, err)) == CLOWDER_OK)
        for (size_t i = 0; i < n; i++)
            b->wrong |= !is_right(b, &results[i], got++);
    b->seconds = (double)(mono_us() - start_us) / 1e6;
    pthread_join(writer, NULL);
    clowder_job_close(b->job);
    b->wrong |= got != b->tasks;
    return status == CLOWDER_END ? CLOWDER_OK : status;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int latency(struct bench *b, const struct clowder_function *f, struct clowder_error *err)
{
    double *us = mem_alloc((size_t)b->round_trips * sizeof *us);
    int status = clowder_job_open(b->c, f, &b->job, err);
    for (int64_t i = 0; i < b->round_trips && status == CLOWDER_OK; i++) {
        struct clowder_result r;
        uint64_t start = mono_ns();
        status = clowder_job_put(b->job, b->input, (size_t)b->size, -1, err);
        if (!status)
            status = clowder_job_next(b->job, &r, -1, err);
        us[i] = (double)(mono_ns() - start) / 1000;
    }
    if (!status) {
        qsort(us, (size_t)b->round_trips, sizeof *us, compare);
        b->p50_us = us[b->round_trips / 2];
        b->p99_us = us[b->round_trips * 99 / 100];
    }
    clowder_job_close(b->job);
    free(us);
    return status;
}

static void read_memory(struct bench *b, const char *profile)
{
    char *text;
    size_t i;
    json_t *daemon;
    if (clowder_status(b->c, profile, &text, NULL))
        return;
    json_t *doc = json_loads(text, 0, NULL), *engine = json_object_get(doc, "engine");
    b->engine_rss = (uint64_t)json_integer_value(json_object_get(engine, "rss_peak_bytes"));
    json_array_foreach (
        json_object_get(json_array_get(json_object_get(doc, "profiles"), 0), "daemon_list"), i, daemon) {
        uint64_t rss = (uint64_t)json_integer_value(json_object_get(daemon, "rss_bytes"));
        b->daemon_rss = rss > b->daemon_rss ? rss : b->daemon_rss;
    }
    json_decref(doc);
    free(text);
}

static void report(const struct bench *b, bool json)
{
    char tasks[32], rate[16], engine[24], daemon[24];
    double per_s = (double)b->tasks / b->seconds;
    if (json) {
        printf("{\"tasks\":%lld,\"seconds\":%.6f,\"tasks_per_s\":%.1f,\"latency_p50_us\":%.1f,\"latency_p99_us\":%.1f,"
               "\"engine_rss_bytes\":%llu,\"daemon_rss_bytes\":%llu}\n",
            (long long)b->tasks, b->seconds, per_s, b->p50_us, b->p99_us, (unsigned long long)b->engine_rss,
            (unsigned long long)b->daemon_rss);
        return;
    }
    printf("throughput  %s tasks/s   (%s tasks of %lld bytes through 'cat' in %.2f s)\n",
        text_rate(rate, sizeof rate, per_s), text_count(tasks, sizeof tasks, (uint64_t)b->tasks), (long long)b->size,
        b->seconds);
    printf("latency     p50 %.0f µs, p99 %.0f µs   (%lld single tasks)\n", b->p50_us, b->p99_us,
        (long long)b->round_trips);
    printf("memory      engine peak %s, largest daemon peak %s\n", text_bytes(engine, sizeof engine, b->engine_rss),
        text_bytes(daemon, sizeof daemon, b->daemon_rss));
}

int cmd_bench(const struct opts *o, bool json)
{
    static const char *const argv[] = {"cat", NULL};
    struct bench b = {.tasks = 1000000, .size = 16, .round_trips = 2000};
    struct clowder_function f;
    struct clowder_profile p;
    struct clowder_error err = {0};
    int64_t n = 0;
    char own[32];
    if (o->word_count)
        return say(2, "bench: takes no arguments");
    if (opts_int(o, "tasks", 1, 1000000000, &b.tasks) || opts_int(o, "size", 1, 1 << 20, &b.size) ||
        opts_int(o, "round-trips", 1, 10000000, &b.round_trips) || opts_int(o, "daemons", 1, 10000, &n))
        return 2;
    clowder_function_init(&f);
    clowder_profile_init(&p);
    f.kind = CLOWDER_LINES;
    f.argv = argv;
    f.profile = opts_text(o, "profile", NULL);
    b.c = open_client(false);
    b.input = mem_alloc((size_t)b.size);
    b.want = mem_alloc((size_t)b.size);
    memset(b.input, 'x', (size_t)b.size);
    int status = 0;
    if (n) {
        snprintf(own, sizeof own, "bench-%d", (int)getpid());
        f.profile = own;
        p.daemons = (unsigned)n;
        p.ephemeral = true;
        status = clowder_up(b.c, own, &p, &err);
    }
    if (!status)
        status = latency(&b, &f, &err);
    if (!status)
        status = throughput(&b, &f, &err);
    if (!status)
        read_memory(&b, f.profile ? f.profile : "default");
    if (n)
        clowder_down(b.c, own, true, NULL);
    clowder_close(b.c);
    free(b.input);
    free(b.want);
    if (status)
        return say_error(&err);
    report(&b, json);
    return b.wrong ? say(1, "bench: results were wrong or missing") : 0;
}
