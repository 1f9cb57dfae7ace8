/* The ledger of jobs, launches, and jobs of schedulers. */
#include "store_lab.h"

#include "store/job.h"
#include "store/batch.h"
#include "store/launch.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What is needed to run failed tasks again: the function, and inputs of any bytes. */
static void test_ledger_inputs(void **state)
{
    (void)state;
    struct store *s = open_memory();
    struct store_job got, j = {.profile = "p", .function = (char *)"{\"argv\":[\"wc\"]}"};
    struct store_failure_list failures;
    char *big = mem_zalloc(STORE_INPUT_MAX + 1);
    struct store_failure f[] = {{.task = 0, .input = (char *)"a\0\xff", .input_len = 3},
        {.task = 1, .input = (char *)"", .input_len = 0}, {.task = 2},
        {.task = 3, .input = big, .input_len = STORE_INPUT_MAX},
        {.task = 4, .input = big, .input_len = STORE_INPUT_MAX + 1}};
    ok(store_job_add(s, &j, &error));
    ok(store_job_get(s, j.id, &got, &error));
    assert_string_equal(got.function, "{\"argv\":[\"wc\"]}");
    store_job_fini(&got);
    ok(store_job_failures_add(s, j.id, f, 5, &error));
    ok(store_job_failures(s, j.id, 0, 9, &failures, &error));
    assert_int_equal(failures.items[0].input_len, 3);
    assert_memory_equal(failures.items[0].input, "a\0\xff", 4);
    assert_true(failures.items[1].input != NULL && failures.items[1].input_len == 0);
    assert_true(failures.items[2].input == NULL);
    assert_true(failures.items[3].input_len == STORE_INPUT_MAX && !failures.items[3].input_cut);
    assert_true(failures.items[4].input_len == STORE_INPUT_MAX && failures.items[4].input_cut);
    store_failure_list_fini(&failures);
    for (const char *const *bad = (const char *const[]){"[]", "{", "{\"a\":\"\xff\"}", NULL}; *bad; bad++) {
        j.function = (char *)(uintptr_t)*bad;
        j.id = 0;
        ok(store_job_add(s, &j, &error));
        ok(store_job_get(s, j.id, &got, &error));
        assert_string_equal(got.function, "");
        store_job_fini(&got);
    }
    free(big);
    store_close(s);
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of a failing map of 100,000 tasks the last failures are noted at the cost of the first. */
static void test_ledger_many(void **state)
{
    (void)state;
    enum { MANY = 100000, TENTH = MANY / 10 };
    double at[11];
    struct store *s = open_store();
    struct store_job j = {.profile = "p"};
    struct store_failure *f = mem_zalloc(MANY * sizeof *f);
    struct store_failure_list failures;
    for (unsigned i = 0; i < MANY; i++)
        f[i] = (struct store_failure){.task = i,
            .status = (char *)"exit 1",
            .stderr_tail = (char *)"no such file",
            .input = (char *)"/data/some/file.wav",
            .input_len = 19};
    ok(store_job_add(s, &j, &error));
    for (unsigned i = 0; i < MANY; i += 1000) {
        if (i % TENTH == 0)
            at[i / TENTH] = cpu_s();
        ok(store_job_failures_add(s, j.id, f + i, 1000, &error));
    }
    at[10] = cpu_s();
    ok(store_job_failures(s, j.id, 99000, 2000, &failures, &error));
    assert_int_equal(failures.count, 1000);
    assert_true(at[10] - at[9] < 20 * (at[1] - at[0]));
    store_failure_list_fini(&failures);
    free(f);
    store_close(s);
}

static void test_jobs(void **state)
{
    (void)state;
    struct store *s = open_memory();
    struct store_job j = {
        .name = "sum", .profile = "default", .command = (char *)"bc -l", .submitted_us = 5, .total = 9};
    struct store_job got;
    struct store_job_list list;
    struct store_failure_list failures;
    size_t lost = 0;
    ok(store_job_add(s, &j, &error));
    assert_true(j.id > 0);
    j.state = STORE_JOB_DONE;
    j.started_us = 6;
    j.finished_us = 7;
    j.done = 6;
    j.failed = 2;
    j.cancelled = 1;
    ok(store_job_update(s, &j, &error));
    ok(store_job_get(s, j.id, &got, &error));
    assert_string_equal(got.name, "sum");
    assert_string_equal(got.command, "bc -l");
    assert_int_equal(got.state, STORE_JOB_DONE);
    assert_int_equal(got.finished_us, 7);
    assert_int_equal(got.done + got.failed * 10 + got.cancelled * 100, 126);
    store_job_fini(&got);
    /* failures */
    char *noise = mem_alloc(STORE_STDERR_MAX + 50);
    memset(noise, 'n', STORE_STDERR_MAX + 49);
    noise[49] = (char)0xff;
    memcpy(noise + STORE_STDERR_MAX + 45, "end", 4);
    struct store_failure f[] = {
        {.task = 3, .host = "gpu1", .attempts = 2, .status = (char *)"exit 1", .stderr_tail = noise},
        {.task = 1, .attempts = 1, .status = (char *)"timed out"}};
    ok(store_job_failures_add(s, j.id, f, 2, &error));
    f[1].status = (char *)"signal 9 \xff";
    ok(store_job_failures_add(s, j.id, f + 1, 1, &error));
    ok(store_job_failures(s, j.id, 0, 100, &failures, &error));
    assert_int_equal(failures.count, 2);
    assert_int_equal(failures.items[0].task, 1);
    assert_string_equal(failures.items[0].status, "signal 9 \\xff");
    assert_string_equal(failures.items[0].stderr_tail, "");
    assert_string_equal(failures.items[1].host, "gpu1");
    assert_int_equal(failures.items[1].attempts, 2);
    assert_true(strlen(failures.items[1].stderr_tail) <= STORE_STDERR_MAX);
    store_failure_list_fini(&failures);
    ok(store_job_failures(s, j.id, 2, 100, &failures, &error));
    assert_int_equal(failures.count, 1);
    store_failure_list_fini(&failures);
    free(noise);
    fails(CLW_NOT_FOUND, store_job_failures_add(s, 999, f + 1, 1, &error));
    /* lists, lost, prune, remove */
    for (int i = 0; i < 5; i++) {
        struct store_job next = {.profile = "p", .state = i == 4 ? STORE_JOB_RUNNING : STORE_JOB_FAILED};
        snprintf(next.name, sizeof next.name, "job%d", i);
        ok(store_job_add(s, &next, &error));
    }
    ok(store_job_list(s, "p", 3, &list, &error));
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[0].name, "job4");
    store_job_list_fini(&list);
    ok(store_job_prune(s, 2, &error));
    ok(store_job_list(s, NULL, SIZE_MAX, &list, &error));
    assert_int_equal(list.count, 3); /* two finished, one running */
    store_job_list_fini(&list);
    assert_int_equal(count(s, "SELECT count(*) FROM job_failure"), 0);
    ok(store_job_mark_lost(s, 50, &lost, &error));
    assert_int_equal(lost, 1);
    ok(store_job_mark_lost(s, 50, NULL, &error));
    ok(store_job_list(s, NULL, 1, &list, &error));
    assert_int_equal(list.items[0].state, STORE_JOB_LOST);
    assert_int_equal(list.items[0].finished_us, 50);
    ok(store_job_remove(s, list.items[0].id, &error));
    fails(CLW_NOT_FOUND, store_job_remove(s, list.items[0].id, &error));
    fails(CLW_NOT_FOUND, store_job_update(s, &list.items[0], &error));
    fails(CLW_NOT_FOUND, store_job_get(s, list.items[0].id, &got, &error));
    store_job_list_fini(&list);
    assert_string_equal(store_job_state_text(STORE_JOB_STATE_COUNT), "?");
    store_close(s);
}

static void test_launches(void **state)
{
    (void)state;
    struct store *s = open_memory();
    struct store_launch_list list;
    struct store_launch first = {.profile = "p", .host = "a", .started_us = 5, .step = "connect"};
    ok(store_launch_add(s, &first, &error));
    first.message = mem_strdup("Permission denied\n");
    SET(first.step, "authenticate");
    SET(first.outcome, "failed");
    ok(store_launch_update(s, &first, &error));
    ok(store_launch_list(s, "p", "a", 10, &list, &error));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].step, "authenticate");
    assert_string_equal(list.items[0].outcome, "failed");
    assert_string_equal(list.items[0].message, "Permission denied\n");
    assert_int_equal(list.items[0].started_us, 5);
    store_launch_list_fini(&list);
    ok(store_begin(s, &error));
    for (int i = 0; i < STORE_LAUNCH_ROWS; i++) {
        struct store_launch l = {.profile = "q", .host = "b", .step = "up"};
        ok(store_launch_add(s, &l, &error));
    }
    ok(store_commit(s, &error));
    assert_int_equal(count(s, "SELECT count(*) FROM launch"), STORE_LAUNCH_ROWS);
    fails(CLW_NOT_FOUND, store_launch_update(s, &first, &error)); /* pushed out */
    ok(store_launch_list(s, NULL, "a", 10, &list, &error));
    assert_int_equal(list.count, 0);
    ok(store_launch_list(s, "q", NULL, 10, &list, &error));
    assert_int_equal(list.count, 10);
    assert_true(list.items[0].id > list.items[9].id);
    store_launch_list_fini(&list);
    store_launch_fini(&first);
    store_close(s);
}

static void test_batches(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct store_batch_list list;
    struct store_batch array = {"login", "cpu", "17", "launch-17", 40}, other = {"login", "gpu", "18", "launch-18", 2};
    ok(store_batch_add(s, &array, &error));
    ok(store_batch_add(s, &other, &error));
    array.count = 20; /* the same job again: what is known of it now */
    ok(store_batch_add(s, &array, &error));
    ok(store_batch_remove(s, "elsewhere", "18", &error));
    store_close(s);
    s = open_store();
    ok(store_batch_list(s, &list, &error));
    assert_int_equal(list.count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct store_batch *b = strcmp(list.items[i].job, "17") == 0 ? &array : &other;
        assert_string_equal(list.items[i].host, b->host);
        assert_string_equal(list.items[i].profile, b->profile);
        assert_string_equal(list.items[i].folder, b->folder);
        assert_int_equal(list.items[i].count, b->count);
    }
    store_batch_list_fini(&list);
    ok(store_batch_remove(s, "login", "17", &error));
    ok(store_batch_remove(s, "login", "17", &error));
    ok(store_batch_list(s, &list, &error));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].job, "18");
    store_batch_list_fini(&list);
    store_close(s);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_ledger_inputs),
        T(test_ledger_many),
        T(test_jobs),
        T(test_launches),
        T(test_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
