/* Uses libclowder as its users do: maps, futures, callbacks, cancel, timeouts, an event loop, errors. The engine and
 * the environment are the script's. */
#include <clowder.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "line %d: %s (%s)\n", __LINE__, #what, err.message);                                       \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static struct clowder_error err;
static struct clowder *c;

static struct clowder_job *open_job(
    enum clowder_kind kind, const char *const *argv, bool unordered, uint64_t timeout_ms)
{
    struct clowder_function f;
    struct clowder_job *job;
    clowder_function_init(&f);
    f.kind = kind;
    f.argv = argv;
    f.unordered = unordered;
    f.timeout_ms = timeout_ms;
    CHECK(clowder_job_open(c, &f, &job, &err) == CLOWDER_OK);
    return job;
}

static const char *const cat[] = {"cat", NULL};
static const char *const shell[] = {"sh", "-c", "eval \"$1\"", "sh", "{}", NULL};

/* Before anything is up. */
static void errors(void)
{
    struct clowder_function f;
    struct clowder_job *job;
    struct clowder_options no_start = {.no_start = true};
    struct clowder *other;
    char *json;
    CHECK(clowder_open(&other, &no_start, &err) == CLOWDER_OK);
    CHECK(clowder_status(other, NULL, &json, &err) == CLOWDER_UNREACHABLE && json == NULL);
    CHECK(strstr(err.message, "no engine runs") && strstr(err.hint, "clowder engine start"));
    clowder_close(other);
    CHECK(
        clowder_status(c, NULL, &json, &err) == CLOWDER_OK && strstr(json, "\"profiles\":[]")); /* starts the engine */
    free(json);
    clowder_function_init(&f);
    CHECK(clowder_job_open(c, &f, &job, &err) == CLOWDER_USAGE && job == NULL);
    f.argv = cat;
    CHECK(clowder_job_open(c, &f, &job, &err) == CLOWDER_UNREACHABLE && strstr(err.hint, "clowder up"));
    f.profile = "nowhere";
    CHECK(clowder_job_open(c, &f, &job, &err) == CLOWDER_NOT_FOUND);
    f.profile = "bad name";
    CHECK(clowder_job_open(c, &f, &job, &err) == CLOWDER_USAGE);
}

/* One thread puts and takes: put says AGAIN instead of blocking for ever. */
static void map_in_one_thread(bool unordered)
{
    enum { N = 200000 };
    struct clowder_job *job = open_job(CLOWDER_LINES, cat, unordered, 0);
    struct clowder_result r;
    static char seen[N];
    int put = 0, got = 0, status;
    memset(seen, 0, sizeof seen);
    while (put < N) {
        char text[16];
        int n = snprintf(text, sizeof text, "%d", put);
        status = clowder_job_put(job, text, (size_t)n, 0, &err);
        CHECK(status == CLOWDER_OK || status == CLOWDER_AGAIN);
        put += status == CLOWDER_OK;
        while (status == CLOWDER_AGAIN && clowder_job_next(job, &r, 100, &err) == CLOWDER_OK) {
            CHECK(unordered || r.index == (uint64_t)got);
            CHECK((uint64_t)atoi(r.out) == r.index && !seen[r.index]++);
            got++;
        }
    }
    CHECK(clowder_job_finish(job, &err) == CLOWDER_OK);
    while ((status = clowder_job_next(job, &r, -1, &err)) == CLOWDER_OK) {
        CHECK((uint64_t)atoi(r.out) == r.index && !seen[r.index]++);
        got++;
    }
    CHECK(status == CLOWDER_END && got == N);
    CHECK(clowder_job_next(job, &r, -1, &err) == CLOWDER_END);
    CHECK(clowder_job_put(job, "x", 1, -1, &err) == CLOWDER_USAGE);
    clowder_job_close(job);
}

static void futures(void)
{
    struct clowder_job *job = open_job(CLOWDER_COMMAND, shell, false, 0);
    struct clowder_future *a, *b, *slow;
    struct clowder_result r;
    CHECK(clowder_submit(job, "echo one", 8, &a, &err) == CLOWDER_OK);
    CHECK(clowder_submit(job, "echo two >&2; exit 3", 20, &b, &err) == CLOWDER_OK);
    CHECK(clowder_future_wait(b, -1, &r, &err) == CLOWDER_OK);
    CHECK(r.outcome == CLOWDER_TASK_FAILED && r.exit_status == 3 && r.err_len == 4 && memcmp(r.err, "two\n", 4) == 0);
    CHECK(clowder_future_wait(a, -1, &r, &err) == CLOWDER_OK && clowder_future_is_done(a));
    CHECK(r.outcome == CLOWDER_DONE && r.out_len == 4 && memcmp(r.out, "one\n", 4) == 0 && r.run_us > 0);
    CHECK(strcmp(r.host, "local") == 0 && strncmp(r.daemon, "default-", 8) == 0 && r.input_len == 8);
    CHECK(clowder_future_wait(a, 0, NULL, &err) == CLOWDER_OK); /* again and again */
    clowder_future_free(a);
    clowder_future_free(b);

    /* Running, then taken back. */
    CHECK(clowder_submit(job, "sleep 309.77123", 15, &slow, &err) == CLOWDER_OK);
    CHECK(clowder_future_wait(slow, 50, &r, &err) == CLOWDER_AGAIN && !clowder_future_is_done(slow));
    CHECK(clowder_future_cancel(slow, &err) == CLOWDER_OK);
    CHECK(clowder_future_wait(slow, -1, &r, &err) == CLOWDER_OK && r.outcome == CLOWDER_TASK_CANCELLED);
    clowder_future_free(slow);
    /* Freed before it is done; the job still closes. */
    CHECK(clowder_submit(job, "echo nobody wants it", 20, &a, &err) == CLOWDER_OK);
    clowder_future_free(a);
    clowder_job_close(job);

    job = open_job(CLOWDER_COMMAND, shell, false, 200);
    CHECK(clowder_submit(job, "sleep 310.77123", 15, &slow, &err) == CLOWDER_OK);
    CHECK(clowder_future_wait(slow, -1, &r, &err) == CLOWDER_OK && r.outcome == CLOWDER_TASK_TIMEOUT);
    CHECK(strstr(r.why, "0.2 s"));
    clowder_future_free(slow);
    clowder_job_close(job);
}

struct seen {
    int count;
    bool one[100];
};

static void on_done(void *arg, struct clowder_future *future)
{
    struct seen *seen = arg;
    struct clowder_result r;
    CHECK(clowder_future_wait(future, 0, &r, &err) == CLOWDER_OK);
    CHECK(r.index < 100 && !seen->one[r.index]);
    seen->one[r.index] = true;
    seen->count++;
    clowder_future_free(future);
}

/* Somebody else's event loop: poll on clowder_fd, callbacks in this thread. */
static void event_loop(void)
{
    struct clowder_job *job = open_job(CLOWDER_LINES, cat, false, 0);
    struct seen seen = {0};
    for (int i = 0; i < 100; i++) {
        struct clowder_future *future;
        CHECK(clowder_submit(job, "x", 1, &future, &err) == CLOWDER_OK);
        clowder_future_on_done(future, on_done, &seen);
    }
    while (seen.count < 100) {
        struct pollfd p = {clowder_fd(c), POLLIN, 0};
        CHECK(poll(&p, 1, 20000) == 1);
        CHECK(clowder_process(c, &err) >= 0);
    }
    CHECK(clowder_process(c, &err) == 0);
    clowder_job_close(job);
}

static void cancel_all(void)
{
    struct clowder_job *job = open_job(CLOWDER_COMMAND, shell, false, 0);
    struct clowder_result r;
    int status, cancelled = 0, n = 0;
    for (int i = 0; i < 500; i++)
        CHECK(clowder_job_put(job, "sleep 311.77123", 15, -1, &err) == CLOWDER_OK);
    CHECK(clowder_job_next(job, &r, 100, &err) == CLOWDER_AGAIN);
    CHECK(clowder_job_cancel(job, &err) == CLOWDER_OK && clowder_job_finish(job, &err) == CLOWDER_OK);
    while ((status = clowder_job_next(job, &r, -1, &err)) == CLOWDER_OK) {
        CHECK(r.index == (uint64_t)n++);
        cancelled += r.outcome == CLOWDER_TASK_CANCELLED;
    }
    CHECK(status == CLOWDER_END && n == 500 && cancelled == 500);
    clowder_job_close(job);
}

/* Inputs in pieces, results in bulk, memory that is kept, one task taken back. */
static void pieces_and_bulk(void)
{
    enum { BIG = 3000000 };
    char *big = malloc(BIG);
    struct clowder_piece pieces[] = {{"<", 1}, {big, BIG}, {NULL, 0}, {">", 1}}, small[] = {{"a", 1}, {"b", 1}};
    struct clowder_piece *too_large = calloc(100, sizeof *too_large);
    struct clowder_result r[8];
    size_t n, count = 0;
    int status;
    CHECK(big && too_large);
    memset(big, 'x', BIG);
    static const char *const echo[] = {"cat", NULL};
    struct clowder_function f;
    struct clowder_job *job;
    clowder_function_init(&f);
    f.argv = echo;
    f.kind = CLOWDER_COMMAND;
    f.use_stdin = true;
    CHECK(clowder_job_open(c, &f, &job, &err) == CLOWDER_OK);
    CHECK(clowder_job_hold(job) == NULL);
    for (int i = 0; i < 100; i++)
        too_large[i] = (struct clowder_piece){big, BIG};
    CHECK(clowder_job_put_pieces(job, too_large, 100, -1, &err) == CLOWDER_USAGE);
    CHECK(clowder_job_put_pieces(job, pieces, 4, -1, &err) == CLOWDER_OK);
    CHECK(clowder_job_put_pieces(job, small, 2, -1, &err) == CLOWDER_OK);
    CHECK(clowder_job_take(job, r, 1, &n, -1, &err) == CLOWDER_OK && n == 1);
    CHECK(r[0].out_len == BIG + 2 && r[0].out[0] == '<' && r[0].out[1] == 'x' && r[0].out[BIG + 1] == '>');
    struct clowder_held *held = clowder_job_hold(job);
    const char *kept = r[0].out;
    CHECK(clowder_job_take(job, r, 8, &n, -1, &err) == CLOWDER_OK && n == 1 && r[0].out_len == 2);
    CHECK(memcmp(r[0].out, "ab", 2) == 0);
    CHECK(clowder_job_take(job, r, 8, &n, 0, &err) == CLOWDER_AGAIN && n == 0);
    clowder_job_close(job);
    CHECK(held && kept[BIG / 2] == 'x' && kept[BIG + 1] == '>');
    clowder_held_free(held);

    job = open_job(CLOWDER_COMMAND, shell, true, 0);
    CHECK(clowder_job_put(job, "sleep 60", 8, -1, &err) == CLOWDER_OK);
    CHECK(clowder_job_put(job, "echo", 4, -1, &err) == CLOWDER_OK);
    CHECK(clowder_job_cancel_task(job, 0, &err) == CLOWDER_OK);
    CHECK(clowder_job_finish(job, &err) == CLOWDER_OK);
    while ((status = clowder_job_take(job, r, 8, &n, -1, &err)) == CLOWDER_OK) {
        for (size_t i = 0; i < n; i++, count++)
            CHECK(r[i].outcome == (r[i].index == 0 ? CLOWDER_TASK_CANCELLED : CLOWDER_DONE));
    }
    CHECK(status == CLOWDER_END && count == 2);
    clowder_job_close(job);
    free(too_large);
    free(big);
}

/* A task that waits here for its turn is taken back, too. */
static void cancel_unsent(void)
{
    enum { BIG = 3000000 };
    static const char *const wait[] = {"sh", "-c", "until test -e unsent-go; do sleep 0.02; done; wc -c", NULL};
    struct clowder_function f;
    struct clowder_job *job;
    struct clowder_result r;
    char *big = calloc(1, BIG);
    int put = 0, got = 0, cancelled = 0, status;
    clowder_function_init(&f);
    f.argv = wait;
    f.use_stdin = true;
    CHECK(big && clowder_job_open(c, &f, &job, &err) == CLOWDER_OK);
    while ((status = clowder_job_put(job, big, BIG, 0, &err)) == CLOWDER_OK)
        put++;
    CHECK(status == CLOWDER_AGAIN && put > 2);
    CHECK(clowder_job_cancel_task(job, (uint64_t)put - 1, &err) == CLOWDER_OK);
    CHECK(clowder_job_finish(job, &err) == CLOWDER_OK);
    fclose(fopen("unsent-go", "w"));
    while ((status = clowder_job_next(job, &r, -1, &err)) == CLOWDER_OK) {
        CHECK(r.index == (uint64_t)got++);
        cancelled += r.outcome == CLOWDER_TASK_CANCELLED;
    }
    CHECK(status == CLOWDER_END && got == put && cancelled == 1 && r.outcome == CLOWDER_TASK_CANCELLED);
    clowder_job_close(job);
    free(big);
}

/* Many at once: all in their order; what one cannot be stops before it; with nobody who takes results there is no room.
 */
static void put_many(void)
{
    enum { N = 100000, ROUND = 777 };
    struct clowder_piece inputs[ROUND];
    static char texts[ROUND][8];
    struct clowder_result r[ROUND];
    size_t taken, n, got = 0, put = 0;
    struct clowder_job *job = open_job(CLOWDER_LINES, cat, false, 0);
    inputs[0] = inputs[2] = (struct clowder_piece){"a", 1};
    inputs[1] = (struct clowder_piece){"two\nlines", 9};
    CHECK(clowder_job_put_many(job, inputs, 3, &taken, -1, &err) == CLOWDER_USAGE && taken == 1);
    CHECK(clowder_job_put_many(job, inputs, 0, &taken, -1, &err) == CLOWDER_OK && taken == 0);
    CHECK(clowder_job_next(job, &r[0], -1, &err) == CLOWDER_OK && r[0].out_len == 1 && r[0].out[0] == 'a');
    int status = CLOWDER_OK;
    while (put < N) {
        size_t most = N - put < ROUND ? N - put : ROUND;
        for (size_t i = 0; i < most; i++)
            inputs[i] = (struct clowder_piece){texts[i], (size_t)sprintf(texts[i], "%zu", put + i)};
        status = clowder_job_put_many(job, inputs, most, &taken, 0, &err);
        CHECK((status == CLOWDER_OK && taken == most) || (status == CLOWDER_AGAIN && taken < most));
        put += taken;
        while (status == CLOWDER_AGAIN && got < put) {
            status = clowder_job_take(job, r, ROUND, &n, -1, &err);
            CHECK(status == CLOWDER_OK);
            for (size_t i = 0; i < n; i++, got++)
                CHECK(r[i].index == got + 1 && strtoull(r[i].out, NULL, 10) == got);
        }
    }
    CHECK(clowder_job_finish(job, &err) == CLOWDER_OK);
    while ((status = clowder_job_take(job, r, ROUND, &n, -1, &err)) == CLOWDER_OK)
        for (size_t i = 0; i < n; i++, got++)
            CHECK(r[i].index == got + 1 && strtoull(r[i].out, NULL, 10) == got);
    CHECK(status == CLOWDER_END && got == N);
    clowder_job_close(job);
}

static void *waiter(void *arg)
{
    struct clowder_result r;
    CHECK(clowder_future_wait(arg, -1, &r, &err) == CLOWDER_OK && r.outcome == CLOWDER_DONE);
    return NULL;
}

static void many_threads(void)
{
    enum { N = 8 };
    struct clowder_job *job = open_job(CLOWDER_COMMAND, shell, false, 0);
    struct clowder_future *future[N];
    pthread_t thread[N];
    for (int i = 0; i < N; i++) {
        CHECK(clowder_submit(job, "sleep 0.05", 10, &future[i], &err) == CLOWDER_OK);
        CHECK(pthread_create(&thread[i], NULL, waiter, future[i]) == 0);
    }
    for (int i = 0; i < N; i++) {
        pthread_join(thread[i], NULL);
        clowder_future_free(future[i]);
    }
    clowder_job_close(job);
}

static bool two_updates(void *arg, const char *json)
{
    int *n = arg;
    CHECK(strstr(json, "\"profiles\""));
    return ++*n < 2;
}

static void settings(struct clowder_profile *p)
{
    static const char *const good[] = {"idletime=1h", "cpus=1.5", "hours=00:00-24:00", "respawn=yes", "nice=0", NULL};
    static const char *const bad[][2] = {{"speed=9"}, {"idletime"}, {"idletime=soon"}, {"nice=20"}, {"mem=1"},
        {"respawn=1"}, {"hours=25:00-26:00"}, {""}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        p->settings = bad[i];
        CHECK(clowder_up(c, NULL, p, &err) == CLOWDER_USAGE && err.message[0]);
    }
    p->settings = good;
    CHECK(clowder_up(c, NULL, p, &err) == CLOWDER_OK);
    p->settings = NULL;
}

int main(void)
{
    struct clowder_profile p;
    int updates = 0;
    CHECK(clowder_open(&c, NULL, &err) == CLOWDER_OK);
    clowder_profile_init(&p);
    p.daemons = 2;
    errors();
    settings(&p);
    map_in_one_thread(false);
    map_in_one_thread(true);
    futures();
    event_loop();
    cancel_all();
    pieces_and_bulk();
    cancel_unsent();
    put_many();
    many_threads();
    CHECK(clowder_watch(c, two_updates, &updates, &err) == CLOWDER_OK && updates == 2);
    CHECK(clowder_down(c, NULL, false, &err) == CLOWDER_OK);
    clowder_job_close(NULL);
    clowder_close(c);
    CHECK(clowder_open(&c, NULL, &err) == CLOWDER_OK);
    CHECK(clowder_engine_stop(c, false, &err) == CLOWDER_OK);
    clowder_close(c);
    puts("libclowder keeps its promises");
    return 0;
}
