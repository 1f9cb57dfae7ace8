/* What happened: events, samples of throughput, loads; and settings of the user's. */
#include "store_lab.h"

#include "store/event.h"
#include "store/load.h"
#include "store/sample.h"
#include "store/setting.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_events(void **state)
{
    (void)state;
    struct store *s = open_memory();
    struct store_event_list list;
    char text[40];
    ok(store_begin(s, &error));
    for (int i = 0; i < STORE_EVENT_ROWS + 50; i++) {
        snprintf(text, sizeof text, "event %d", i);
        struct store_event e = {.at_us = 100, .level = (enum log_level)(i % 4), .text = text};
        SET(e.host, i % 2 ? "a" : "b");
        SET(e.profile, i % 3 ? "p" : "");
        ok(store_event_add(s, &e, &error));
    }
    ok(store_commit(s, &error));
    assert_int_equal(count(s, "SELECT count(*) FROM event"), STORE_EVENT_ROWS);
    ok(store_event_list(s, NULL, 5, &list, &error));
    assert_int_equal(list.count, 5);
    assert_true(list.items[0].id < list.items[4].id);
    assert_string_equal(list.items[4].text, "event 10049");
    int64_t last = list.items[4].id;
    store_event_list_fini(&list);
    ok(store_event_list(s, &(struct store_event_filter){.after_id = last - 2}, 100, &list, &error));
    assert_int_equal(list.count, 2);
    store_event_list_fini(&list);
    ok(store_event_list(
        s, &(struct store_event_filter){.level = LOG_ERROR, .host = "a", .profile = "p"}, 100, &list, &error));
    assert_int_equal(list.count, 100);
    for (size_t i = 0; i < list.count; i++) {
        assert_int_equal(list.items[i].level, LOG_ERROR);
        assert_string_equal(list.items[i].host, "a");
        assert_string_equal(list.items[i].profile, "p");
    }
    store_event_list_fini(&list);
    store_close(s);
}

static int64_t total(struct store *s, const char *profile, int64_t from_s, int64_t to_s)
{
    struct store_sample_list list;
    int64_t sum = 0;
    ok(store_sample_list(s, profile, from_s, to_s, &list, &error));
    for (size_t i = 0; i < list.count; i++) {
        assert_int_equal(list.items[i].at_s % list.items[i].span_s, 0);
        assert_true(!i || list.items[i].at_s >= list.items[i - 1].at_s);
        sum += (int64_t)list.items[i].tasks;
    }
    store_sample_list_fini(&list);
    return sum;
}

static void test_samples(void **state)
{
    (void)state;
    enum { SECONDS = 3 * 3600 };
    struct store *s = open_memory();
    int64_t start = 1800000011, now = start + SECONDS;
    struct store_sample *all = mem_zalloc(SECONDS * sizeof *all);
    for (int i = 0; i < SECONDS; i++) {
        SET(all[i].profile, i % 2 ? "a" : "b");
        all[i].at_s = start + i;
        all[i].tasks = (uint64_t)i % 7 + 1;
    }
    ok(store_sample_add(s, all, SECONDS, &error));
    int64_t sum = total(s, NULL, 0, INT64_MAX), sum_a = total(s, "a", 0, INT64_MAX);
    assert_int_equal(sum, sum_a + total(s, "b", 0, INT64_MAX));
    ok(store_sample_downsample(s, now, &error));
    ok(store_sample_downsample(s, now, &error)); /* again changes nothing */
    assert_int_equal(total(s, NULL, 0, INT64_MAX), sum);
    assert_int_equal(total(s, "a", 0, INT64_MAX), sum_a);
    int64_t seconds = count(s, "SELECT count(*) FROM sample WHERE span_s = 1");
    assert_in_range(seconds, 3600, 3660);
    assert_in_range(count(s, "SELECT count(*) FROM sample WHERE span_s = 60"), 2 * 119, 2 * 121);
    /* a second that comes late joins its minute */
    ok(store_sample_add(s, all, 1, &error));
    ok(store_sample_downsample(s, now + 90000, &error));
    assert_int_equal(total(s, NULL, 0, INT64_MAX), sum + 1);
    assert_int_equal(count(s, "SELECT count(*) FROM sample WHERE span_s = 1"), 0);
    assert_true(count(s, "SELECT count(*) FROM sample WHERE span_s = 3600") >= 6);
    /* a span that only overlaps counts; one outside does not */
    assert_int_equal(total(s, NULL, 0, start - 3600), 0);
    assert_true(total(s, "b", start, start + 1) > 0);
    ok(store_sample_downsample(s, now + INT64_C(40) * 86400, &error));
    assert_int_equal(count(s, "SELECT count(*) FROM sample"), 0);
    free(all);
    store_close(s);
}

static void test_load(void **state)
{
    (void)state;
    struct store *s = open_memory();
    struct store_load_list list;
    const struct store_load early = {1800000000, 0.256, 5}, late = {1800000030, 12, 0}, again = {1800000030, 3, 0};
    ok(store_load_add(s, "birch", &late, &error));
    ok(store_load_add(s, "birch", &early, &error));
    ok(store_load_add(s, "birch", &again, &error)); /* the same second */
    ok(store_load_add(s, "local", &late, &error));
    ok(store_load_list(s, "birch", 0, &list, &error));
    assert_int_equal(list.count, 2);
    assert_true(list.items[0].at_s == early.at_s && list.items[0].load == 0.26 && list.items[0].mem_used_bytes == 5);
    assert_true(list.items[1].at_s == late.at_s && list.items[1].load == 12);
    store_load_list_fini(&list);
    ok(store_load_list(s, "birch", late.at_s, &list, &error));
    assert_int_equal(list.count, 1);
    store_load_list_fini(&list);
    ok(store_load_tidy(s, early.at_s + STORE_LOAD_KEPT_S + 1, &error));
    assert_int_equal(count(s, "SELECT count(*) FROM host_load"), 2);
    ok(store_load_list(s, "nobody", 0, &list, &error));
    assert_int_equal(list.count, 0);
    store_close(s);
}

static void test_settings(void **state)
{
    (void)state;
    struct store *s = open_memory();
    struct store_setting_list list;
    char *value, *big = mem_alloc(STORE_VALUE_MAX + 2);
    fails(CLW_NOT_FOUND, store_setting_get(s, "theme", &value, &error));
    assert_null(value);
    ok(store_setting_set(s, "theme", "dark", &error));
    ok(store_setting_set(s, "theme", "light", &error));
    ok(store_setting_get(s, "theme", &value, &error));
    assert_string_equal(value, "light");
    free(value);
    ok(store_setting_set(s, "a", "", &error));
    ok(store_setting_list(s, &list, &error));
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].key, "a");
    store_setting_list_fini(&list);
    ok(store_setting_remove(s, "a", &error));
    fails(CLW_NOT_FOUND, store_setting_remove(s, "a", &error));
    fails(CLW_USAGE, store_setting_set(s, "a b", "x", &error));
    fails(CLW_USAGE, store_setting_set(s, "a", "\xff", &error));
    memset(big, 'v', STORE_VALUE_MAX + 1);
    big[STORE_VALUE_MAX + 1] = '\0';
    fails(CLW_USAGE, store_setting_set(s, "a", big, &error));
    free(big);
    store_close(s);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_events),
        T(test_samples),
        T(test_load),
        T(test_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
