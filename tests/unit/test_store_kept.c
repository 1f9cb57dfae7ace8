/* Detached jobs in the store: chunks, segments, rounds, who may write what, what is swept away. */
#include "store_lab.h"

#include "store/kept.h"

#include "base/mem.h"
#include "base/mono.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t add_job(struct store *s, const char *owner)
{
    struct store_job job = {.profile = "p", .name = "n", .command = (char *)"wc"};
    struct store_kept kept = {0};
    if (owner)
        snprintf(kept.owner, sizeof kept.owner, "%s", owner);
    else
        process_name_self(kept.owner);
    ok(store_kept_add(s, &job, &kept, "func\0tion", 9, &error));
    return job.id;
}

/* n inputs "i0", "i1", …, sealed. */
static int64_t add_inputs(struct store *s, unsigned n)
{
    struct store_inputs in = {0};
    char text[16];
    int64_t id = add_job(s, NULL);
    for (unsigned i = 0; i < n; i++) {
        size_t len = (size_t)snprintf(text, sizeof text, "i%u", i);
        if (store_inputs_is_full(&in, len))
            ok(store_inputs_write(s, id, &in, &error));
        store_inputs_add(&in, text, len);
    }
    ok(store_inputs_write(s, id, &in, &error));
    ok(store_kept_seal(s, id, &error));
    store_inputs_fini(&in);
    return id;
}

static void test_inputs(void **state)
{
    (void)state;
    struct store *s = open_store();
    int64_t id = add_inputs(s, 3000);
    struct store_chunk c;
    struct store_job job;
    struct store_kept kept;
    const char *input;
    char want[16];
    size_t len;
    uint8_t *func;
    uint64_t next = 0;
    ok(store_job_get(s, id, &job, &error));
    assert_int_equal(job.total, 3000);
    assert_int_equal(job.state, STORE_JOB_QUEUED);
    store_job_fini(&job);
    ok(store_kept_get(s, id, &kept, &error));
    assert_string_equal(kept.owner, "");
    store_kept_fini(&kept);
    ok(store_kept_func(s, id, &func, &len, &error));
    assert_int_equal(len, 9);
    assert_memory_equal(func, "func\0tion", 9);
    free(func);
    while (store_chunk_get(s, id, next, true, &c, &error) == CLW_OK) {
        assert_int_equal(c.first, next);
        assert_true(c.n <= STORE_CHUNK_TASKS);
        for (uint32_t i = 0; i < c.n; i++) {
            store_chunk_input(&c, i, &input, &len);
            snprintf(want, sizeof want, "i%u", (unsigned)(c.first + i));
            assert_int_equal(len, strlen(want));
            assert_memory_equal(input, want, len);
        }
        next = c.first + c.n;
        store_chunk_fini(&c);
    }
    assert_int_equal(next, 3000);
    assert_int_equal(store_chunk_get(s, id, 3000, true, &c, &error), CLW_END);
    ok(store_chunk_get(s, id, 1, false, &c, &error)); /* the first that begins there or later */
    assert_int_equal(c.first, STORE_CHUNK_TASKS);
    assert_null(c.data);
    ok(store_chunk_load(s, id, &c, &error));
    assert_non_null(c.data);
    store_chunk_fini(&c);
    store_close(s);
}

/* One input larger than a chunk is a chunk of its own; empty ones and any bytes are fine. */
static void test_input_sizes(void **state)
{
    (void)state;
    struct store *s = open_store();
    int64_t id = add_job(s, NULL);
    struct store_inputs in = {0};
    struct store_chunk c;
    const char *input;
    size_t len, big = 3 * STORE_CHUNK_BYTES;
    char *text = mem_zalloc(big);
    text[big - 1] = 'x';
    store_inputs_add(&in, "", 0);
    store_inputs_add(&in, "\0\xff", 2);
    assert_true(store_inputs_is_full(&in, big));
    ok(store_inputs_write(s, id, &in, &error));
    assert_false(store_inputs_is_full(&in, big));
    store_inputs_add(&in, text, big);
    assert_true(store_inputs_is_full(&in, 1));
    ok(store_inputs_write(s, id, &in, &error));
    ok(store_inputs_write(s, id, &in, &error)); /* nothing is in it: nothing is done */
    ok(store_chunk_get(s, id, 0, true, &c, &error));
    assert_int_equal(c.n, 2);
    store_chunk_input(&c, 0, &input, &len);
    assert_int_equal(len, 0);
    store_chunk_input(&c, 1, &input, &len);
    assert_int_equal(len, 2);
    assert_memory_equal(input, "\0\xff", 2);
    store_chunk_fini(&c);
    ok(store_chunk_get(s, id, 2, true, &c, &error));
    store_chunk_input(&c, 0, &input, &len);
    assert_int_equal(len, big);
    assert_memory_equal(input, text, big);
    store_chunk_fini(&c);
    store_inputs_fini(&in);
    free(text);
    store_close(s);
}

static struct store_result plain(uint32_t pos, const char *out)
{
    return (struct store_result){.pos = pos,
        .attempts = 1,
        .out = out,
        .out_len = strlen(out),
        .out_total = strlen(out),
        .host = "h",
        .daemon = "d"};
}

static void test_results(void **state)
{
    (void)state;
    struct store *s = open_store();
    int64_t id = add_inputs(s, 10);
    struct store_segment g = {0};
    struct store_results *r;
    struct store_result got, full = {.pos = 4,
                                 .outcome = STORE_FAILED,
                                 .attempts = 3,
                                 .exit_status = -1,
                                 .signal = 9,
                                 .out = "out\0",
                                 .out_len = 4,
                                 .err = "bad",
                                 .err_len = 3,
                                 .why = "why",
                                 .why_len = 3,
                                 .file_count = 3,
                                 .file_bytes = (uint64_t)5 << 32,
                                 .host = "other",
                                 .daemon = "other-1",
                                 .out_total = 1000,
                                 .queued_us = 5,
                                 .run_us = 6,
                                 .ended_us = 7};
    struct store_result a = plain(2, "two"), b = plain(3, ""), c = plain(0, "zero");
    store_segment_add(&g, &a);
    store_segment_add(&g, &b);
    assert_int_equal(g.heads.len, 32 + 2 * 4); /* tasks in a row share a head */
    store_segment_add(&g, &full);
    store_segment_add(&g, &c);
    ok(store_segment_write(s, id, 0, 0, 0, &g, &error));
    store_segment_clear(&g);
    assert_int_equal(store_segment_bytes(&g), 0);
    struct store_result d = plain(9, "nine");
    store_segment_add(&g, &d);
    ok(store_segment_write(s, id, 0, 1, 0, &g, &error));
    fails(CLW_EXISTS, store_segment_write(s, id, 0, 1, 0, &g, &error)); /* somebody was faster */
    store_segment_fini(&g);

    ok(store_results_get(s, id, 0, 10, 0, &r, &error));
    assert_int_equal(store_results_segments(r), 2);
    const bool there[10] = {true, false, true, true, true, false, false, false, false, true};
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(store_results_has(r, i), there[i]);
    ok(store_results_read(s, r, 2, &got, &error));
    assert_int_equal(got.out_len, 3);
    assert_memory_equal(got.out, "two", 3);
    assert_int_equal(got.outcome, STORE_DONE);
    assert_string_equal(got.host, "h");
    ok(store_results_read(s, r, 3, &got, &error));
    assert_int_equal(got.out_len, 0);
    ok(store_results_read(s, r, 9, &got, &error));
    assert_memory_equal(got.out, "nine", 4);
    ok(store_results_read(s, r, 4, &got, &error));
    assert_int_equal(got.outcome, STORE_FAILED);
    assert_int_equal(got.attempts, 3);
    assert_int_equal(got.exit_status, -1);
    assert_int_equal(got.signal, 9);
    assert_int_equal(got.out_total, 1000);
    assert_int_equal(got.queued_us + got.run_us + got.ended_us, 18);
    assert_memory_equal(got.out, "out\0", 4);
    assert_memory_equal(got.err, "bad", 3);
    assert_memory_equal(got.why, "why", 3);
    assert_int_equal(got.file_count, 3);
    assert_int_equal(got.file_bytes, (uint64_t)5 << 32);
    assert_string_equal(got.daemon, "other-1");
    store_results_free(r);
    store_close(s);
}

/* A later round takes back failures, and nothing that went well; its results replace those before. */
static void test_rounds(void **state)
{
    (void)state;
    struct store *s = open_store();
    int64_t id = add_inputs(s, 3);
    struct store_segment g = {0};
    struct store_results *r;
    struct store_result got, good = plain(0, "good"), bad = plain(1, "bad"), later = plain(1, "later");
    struct store_job job = {.id = id, .state = STORE_JOB_FAILED, .done = 1, .failed = 1, .cancelled = 1};
    struct store_failure failure = {.task = 1};
    uint64_t n;
    bad.outcome = STORE_FAILED;
    store_segment_add(&g, &good);
    store_segment_add(&g, &bad);
    ok(store_segment_write(s, id, 0, 0, 0, &g, &error));
    ok(store_job_failures_add(s, id, &failure, 1, &error));
    fails(CLW_BUSY, store_kept_retry(s, id, &n, &error));
    ok(store_kept_update(s, &job, 0, "because", &error));
    ok(store_kept_retry(s, id, &n, &error));
    assert_int_equal(n, 2);
    assert_int_equal(count(s, "SELECT count(*) FROM job_failure"), 0);
    ok(store_results_get(s, id, 0, 3, 1, &r, &error));
    assert_true(store_results_has(r, 0) && !store_results_has(r, 1) && !store_results_has(r, 2));
    store_results_free(r);
    store_segment_clear(&g);
    store_segment_add(&g, &later);
    ok(store_segment_write(s, id, 0, 1, 1, &g, &error));
    store_segment_fini(&g);
    ok(store_results_get(s, id, 0, 3, 1, &r, &error));
    ok(store_results_read(s, r, 1, &got, &error));
    assert_memory_equal(got.out, "later", 5);
    store_results_free(r);
    job = (struct store_job){.id = id, .state = STORE_JOB_DONE, .done = 3};
    fails(CLW_CANCELLED, store_kept_update(s, &job, 0, "", &error)); /* by who has not heard of the second round */
    ok(store_kept_update(s, &job, 1, "", &error));
    ok(store_kept_retry(s, id, &n, &error));
    assert_int_equal(n, 0);
    store_close(s);
}

/* Who has ended wins, and nobody writes after that. */
static void test_ends(void **state)
{
    (void)state;
    struct store *s = open_store();
    int64_t *ids, id = add_inputs(s, 3), other = add_job(s, NULL);
    size_t n;
    struct store_job got, job = {.id = id, .state = STORE_JOB_RUNNING, .done = 1};
    struct store_inputs in = {0};
    ok(store_kept_open(s, &ids, &n, &error)); /* the other is not complete */
    assert_int_equal(n, 1);
    assert_int_equal(ids[0], id);
    free(ids);
    ok(store_kept_update(s, &job, 0, "", &error));
    fails(CLW_CANCELLED, store_kept_update(s, &(struct store_job){.id = other}, 0, "", &error));
    ok(store_kept_cancel(s, id, &error));
    fails(CLW_EXISTS, store_kept_cancel(s, id, &error));
    fails(CLW_CANCELLED, store_kept_update(s, &job, 0, "", &error));
    ok(store_job_get(s, id, &got, &error));
    assert_int_equal(got.state, STORE_JOB_CANCELLED);
    assert_int_equal(got.cancelled, 2);
    assert_true(got.finished_us > 0);
    store_job_fini(&got);
    store_inputs_add(&in, "x", 1);
    fails(CLW_CANCELLED, store_inputs_write(s, id, &in, &error)); /* it has all its inputs */
    ok(store_kept_cancel(s, other, &error));
    fails(CLW_CANCELLED, store_inputs_write(s, other, &in, &error));
    fails(CLW_CANCELLED, store_kept_seal(s, other, &error));
    store_inputs_fini(&in);
    ok(store_kept_open(s, &ids, &n, &error));
    assert_int_equal(n, 0);
    free(ids);
    store_close(s);
}

/* An engine that starts, and one that tidies up, leave detached jobs alone; removal leaves nothing. */
static void test_removal(void **state)
{
    (void)state;
    struct store *s = open_store();
    int64_t id = add_inputs(s, 5000), last;
    struct store_kept kept;
    struct store_segment g = {0};
    struct store_result a = plain(0, "x");
    size_t lost;
    ok(store_job_mark_lost(s, 1, &lost, &error));
    assert_int_equal(lost, 0);
    ok(store_kept_cancel(s, id, &error));
    ok(store_job_prune(s, 0, &error));
    store_segment_add(&g, &a);
    ok(store_segment_write(s, id, 0, 0, 0, &g, &error));
    ok(store_kept_remove(s, id, &error));
    fails(CLW_NOT_FOUND, store_kept_get(s, id, &kept, &error));
    assert_int_equal(count(s, "SELECT (SELECT count(*) FROM job) + (SELECT count(*) FROM job_kept) + (SELECT count(*)"
                              " FROM job_chunk) + (SELECT count(*) FROM job_result) + (SELECT count(*) FROM job_func)"),
        0);
    assert_int_equal(count(s, "PRAGMA freelist_count"), 0);
    fails(CLW_NOT_FOUND, store_segment_write(s, id, 0, 1, 0, &g, &error));
    ok(store_job_last_id(s, &last, &error));
    assert_int_equal(last, id); /* never given again */
    assert_true(add_job(s, NULL) > id);
    store_segment_fini(&g);
    ok(store_check(s, &error));
    store_close(s);
}

static void sweep(struct store *s)
{
    int64_t after = 0;
    for (bool more = true; more;)
        ok(store_kept_sweep(s, &after, &more, &error));
}

/* A submitter that is dead, and a removal that was interrupted, are swept away; one that lives is not. */
static void test_sweep(void **state)
{
    (void)state;
    struct store *s = open_store();
    char owner[PROCESS_NAME_SIZE];
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        process_name_self(owner);
        _exit(write(pipes[1], owner, sizeof owner) != sizeof owner);
    }
    assert_int_equal(read(pipes[0], owner, sizeof owner), sizeof owner);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(pipes[0]);
    close(pipes[1]);
    assert_int_equal(process_look(owner), PROCESS_GONE);
    assert_int_equal(process_look("removed"), PROCESS_GONE);
    int64_t dead = add_job(s, owner), mine = add_job(s, NULL), half = add_inputs(s, 3);
    ok(store__exec(s, "UPDATE job_kept SET owner = 'removed' WHERE job = ?1", ARGS(INT(half)), NULL, &error));
    sweep(s);
    struct store_kept kept;
    fails(CLW_NOT_FOUND, store_kept_get(s, dead, &kept, &error));
    fails(CLW_NOT_FOUND, store_kept_get(s, half, &kept, &error));
    ok(store_kept_get(s, mine, &kept, &error));
    assert_int_equal(process_look(kept.owner), PROCESS_LIVES);
    store_kept_fini(&kept);
    assert_int_equal(count(s, "SELECT count(*) FROM job"), 1);
    /* of those that were collected the newest stay */
    ok(store__script(s,
        "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 1110)"
        " INSERT INTO job(id, name, profile, command, state, submitted_us) SELECT i, '', '', '', 'done', 0 FROM n;"
        "INSERT INTO job_kept(job, owner, up, stop, collected_us) SELECT id, '', '', 0, id <> 105 FROM job WHERE id > "
        "99",
        &error));
    sweep(s);
    assert_int_equal(count(s, "SELECT count(*) FROM job WHERE id > 99"), STORE_COLLECTED_KEPT + 1);
    assert_int_equal(count(s, "SELECT count(*) FROM job WHERE id = 105"), 1);
    store_close(s);
}

/* What does not fit together is said, and not followed. */
static void test_damaged(void **state)
{
    (void)state;
    static const char *const inputs[] = {"x'00'", "x'02000000010000000061'", "x'ffffffff'", "x''"};
    static const char *const heads[] = {"x'00'", "zeroblob(32)", "x'ff' || zeroblob(40)",
        "x'0000000001000000' || zeroblob(24)", "x'0000000001000000' || x'09' || zeroblob(100)",
        "x'0000000003000000' || zeroblob(24) || x'05000000'", "x'0000000001000000' || zeroblob(24) || x'05000000'"};
    struct store *s = open_store();
    int64_t id = add_inputs(s, 2);
    struct store_chunk c;
    struct store_results *r;
    char sql[300];
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        snprintf(sql, sizeof sql, "UPDATE job_chunk SET inputs = CAST(%s AS BLOB)", inputs[i]);
        ok(store__script(s, sql, &error));
        fails(CLW_DAMAGED, store_chunk_get(s, id, 0, true, &c, &error));
        assert_null(c.data);
    }
    ok(store__script(s, "UPDATE job_chunk SET n = 100000", &error));
    fails(CLW_DAMAGED, store_chunk_get(s, id, 0, false, &c, &error));
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        snprintf(sql, sizeof sql,
            "DELETE FROM job_result; INSERT INTO job_result(job, first, seq, round, heads, names, data)"
            " VALUES(%lld, 0, 0, 0, CAST(%s AS BLOB), x'', x'')",
            (long long)id, heads[i]);
        ok(store__script(s, sql, &error));
        fails(CLW_DAMAGED, store_results_get(s, id, 0, 2, 0, &r, &error));
        assert_null(r);
    }
    snprintf(sql, sizeof sql,
        "DELETE FROM job_result; INSERT INTO job_result(job, first, seq, round, heads, names, data)"
        " VALUES(%lld, 0, 1, 0, x'', x'', x'')",
        (long long)id);
    ok(store__script(s, sql, &error));
    fails(CLW_DAMAGED, store_results_get(s, id, 0, 2, 0, &r, &error)); /* one is missing */
    store_close(s);
}

/* More results than are held at once. */
static void test_large_results(void **state)
{
    (void)state;
    enum { N = 50, SIZE = 1 << 20 };
    struct store *s = open_store();
    int64_t id = add_inputs(s, N);
    struct store_results *r;
    struct store_result got;
    char *text = mem_zalloc(SIZE);
    for (uint32_t i = 0; i < N; i++) {
        struct store_segment g = {0};
        struct store_result a = plain(i, "");
        memset(text, 'a' + (int)(i % 26), SIZE);
        a.out = text;
        a.out_len = a.out_total = SIZE;
        store_segment_add(&g, &a);
        ok(store_segment_write(s, id, 0, i, 0, &g, &error));
        store_segment_fini(&g);
    }
    ok(store_results_get(s, id, 0, N, 0, &r, &error));
    for (uint32_t k = 0; k < 3 * N; k++) {
        uint32_t i = k * 7 % N;
        ok(store_results_read(s, r, i, &got, &error));
        assert_int_equal(got.out_len, SIZE);
        assert_int_equal(got.out[0], 'a' + (int)(i % 26));
        assert_int_equal(got.out[SIZE - 1], 'a' + (int)(i % 26));
    }
    store_results_free(r);
    free(text);
    store_close(s);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_inputs),
        T(test_input_sizes),
        T(test_results),
        T(test_rounds),
        T(test_ends),
        T(test_removal),
        T(test_sweep),
        T(test_damaged),
        T(test_large_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
