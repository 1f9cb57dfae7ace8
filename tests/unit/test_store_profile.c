/* Profiles in the store. */
#include "store_lab.h"

#include "store/sample.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static void test_profiles(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct store_profile p, got;
    struct store_profile_list list;
    static const struct store_profile_host hosts[] = {{"b", 4}, {"a", 2}}, twice[] = {{"a", 1}, {"a", 2}},
                                           missing[] = {{"a", 1}, {"x", 2}}, many[] = {{"a", STORE_DAEMONS_MAX + 1}};
    add_host(s, "a");
    add_host(s, "b");
    fill_profile(&p, "gpu");
    ok(store_profile_set(s, &p, &error));
    ok(store_profile_want(s, "gpu", 3, true, &error));
    ok(store_profile_hosts_set(s, "gpu", hosts, 2, &error));
    p.set.maxtasks = 10;
    ok(store_profile_set(s, &p, &error)); /* what is wanted stays */
    ok(store_profile_get(s, "gpu", &got, &error));
    assert_int_equal(got.runtime, STORE_RUNTIME_COMMAND);
    assert_string_equal(got.base_url, p.base_url);
    assert_string_equal(got.command.items[1], "--url={url}");
    assert_true(got.set.per_gpu && !got.set.respawn && got.wanted);
    assert_string_equal(got.env.items[0], "Z=1");
    assert_int_equal(got.set.idletime_ms, 60000);
    assert_int_equal(got.set.walltime_ms, STORE_SPAN_MAX_MS);
    assert_int_equal(got.set.maxtasks, 10);
    assert_int_equal(got.set.memory_bytes, 1ull << 40);
    assert_memory_equal(&p.set, &got.set, sizeof p.set);
    assert_int_equal(got.setup_count, 2);
    assert_string_equal(got.setup[1].items[2], "echo \"hi\"\n");
    assert_int_equal(got.set.seed, INT64_MAX);
    assert_int_equal(got.local_daemons, 3);
    assert_int_equal(got.host_count, 2);
    assert_string_equal(got.hosts[0].host, "a");
    assert_int_equal(got.hosts[1].daemons, 4);
    store_profile_fini(&got);
    fails(CLW_EXISTS, store_profile_hosts_set(s, "gpu", twice, 2, &error));
    fails(CLW_NOT_FOUND, store_profile_hosts_set(s, "gpu", missing, 2, &error));
    fails(CLW_USAGE, store_profile_hosts_set(s, "gpu", many, 1, &error));
    fails(CLW_NOT_FOUND, store_profile_hosts_set(s, "none", hosts, 2, &error));
    assert_int_equal(count(s, "SELECT sum(daemons) FROM profile_host"), 6);
    ok(store_profile_host_set(s, "gpu", &(struct store_profile_host){"a", 7}, &error));
    assert_int_equal(count(s, "SELECT sum(daemons) FROM profile_host"), 11);
    ok(store_profile_host_remove(s, "gpu", "a", &error));
    fails(CLW_NOT_FOUND, store_profile_host_remove(s, "gpu", "a", &error));
    fails(CLW_NOT_FOUND, store_profile_host_remove(s, "gpu", "x", &error));
    fails(CLW_NOT_FOUND, store_profile_host_remove(s, "x", "a", &error));
    fails(CLW_NOT_FOUND, store_profile_host_set(s, "x", hosts, &error));
    ok(store_profile_host_set(s, "gpu", &(struct store_profile_host){"a", 7}, &error));
    add_profile(s, "default");
    ok(store_profile_list(s, &list, &error));
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].name, "default");
    assert_true(list.items[0].set.seed == STORE_SEED_NONE);
    assert_string_equal(list.items[0].base_url, "");
    assert_int_equal(list.items[1].host_count, 2);
    store_profile_list_fini(&list);
    fails(CLW_NOT_FOUND, store_profile_want(s, "none", 1, true, &error));
    fails(CLW_USAGE, store_profile_want(s, "gpu", STORE_DAEMONS_MAX + 1, true, &error));
    fails(CLW_NOT_FOUND, store_profile_get(s, "none", &got, &error));
    /* a host that goes leaves its profiles; a profile that goes takes its rows along */
    ok(store_host_remove(s, "a", &error));
    assert_int_equal(count(s, "SELECT count(*) FROM profile_host"), 1);
    ok(store_sample_add(s, &(struct store_sample){.profile = "gpu", .at_s = 5, .tasks = 1}, 1, &error));
    ok(store_profile_remove(s, "gpu", &error));
    fails(CLW_NOT_FOUND, store_profile_remove(s, "gpu", &error));
    assert_int_equal(count(s, "SELECT count(*) FROM profile_host"), 0);
    assert_int_equal(count(s, "SELECT count(*) FROM sample"), 0);
    store_profile_fini(&p);
    store_close(s);
}

static void test_profile_checks(void **state)
{
    (void)state;
    struct store *s = open_memory();
    char big[STORE_TEXT_MAX + 10];
    memset(big, 'x', sizeof big - 1);
    big[1] = '=';
    big[sizeof big - 1] = '\0';
#define BAD_PROFILE(...)                                                                                               \
    do {                                                                                                               \
        struct store_profile p;                                                                                        \
        store_profile_init(&p);                                                                                        \
        SET(p.name, "ok");                                                                                             \
        __VA_ARGS__;                                                                                                   \
        fails(CLW_USAGE, store_profile_set(s, &p, &error));                                                            \
        store_profile_fini(&p);                                                                                        \
    } while (0)
    BAD_PROFILE(SET(p.name, "a b"));
    BAD_PROFILE(p.runtime = STORE_RUNTIME_COUNT);
    BAD_PROFILE(p.base_url = mem_strdup("localhost:80"));
    BAD_PROFILE(p.base_url = mem_strdup("tcp://"));
    BAD_PROFILE(p.base_url = mem_strdup("tcp://a b"));
    BAD_PROFILE(p.base_url = mem_strdup("tcp://a\nb"));
    BAD_PROFILE(store_strings_add(&p.command, ""));
    BAD_PROFILE(store_strings_add(&p.command, "\xff"));
    BAD_PROFILE(store_strings_add(&p.command, big));
    BAD_PROFILE(for (int i = 0; i <= STORE_ARGV_MAX; i++) store_strings_add(&p.command, "a"));
    BAD_PROFILE(store_strings_add(&p.env, "NOVALUE"));
    BAD_PROFILE(store_strings_add(&p.env, "=x"));
    BAD_PROFILE(store_strings_add(&p.env, "1A=x"));
    BAD_PROFILE(store_strings_add(&p.env, "A-B=x"));
    BAD_PROFILE(store_strings_add(&p.env, "A=\xff"));
    BAD_PROFILE(store_strings_add(&p.env, big));
    BAD_PROFILE(store_strings_add(&p.env, "A=1"), store_strings_add(&p.env, "A=2"));
    BAD_PROFILE(for (int i = 0; i <= STORE_ENV_MAX; i++) store_strings_add(&p.env, "A=1"));
    BAD_PROFILE(p.set.idletime_ms = STORE_SPAN_MAX_MS + 1);
    BAD_PROFILE(p.set.walltime_ms = UINT64_MAX);
    BAD_PROFILE(p.set.maxtasks = UINT64_MAX);
    BAD_PROFILE(p.set.memory_bytes = UINT64_MAX);
    BAD_PROFILE(p.set.nice = 20);
    BAD_PROFILE(p.set.mem_bytes = 4096);
    BAD_PROFILE(strcpy(p.set.hours, "25:00-26:00"));
    BAD_PROFILE(p.set.seed = (uint64_t)-2);
    BAD_PROFILE(p.local_daemons = STORE_DAEMONS_MAX + 1);
    BAD_PROFILE(store_profile_setup_add(&p, NULL, 0));
    BAD_PROFILE(const char *word = "\xff"; store_profile_setup_add(&p, &word, 1));
    BAD_PROFILE(for (int i = 0; i <= STORE_SETUP_MAX; i++) store_profile_setup_add(&p, NULL, 0));
    struct store_profile good;
    store_profile_init(&good);
    SET(good.name, "ok");
    store_strings_add(&good.env, "A=1");
    store_strings_add(&good.env, "AB=1");
    ok(store_profile_set(s, &good, &error));
    store_profile_fini(&good);
    enum store_runtime runtime;
    ok(store_runtime_parse("dask", &runtime, &error));
    assert_int_equal(runtime, STORE_RUNTIME_DASK);
    fails(CLW_USAGE, store_runtime_parse("mirrai", &runtime, &error));
    fails(CLW_USAGE, store_runtime_parse("something else", &runtime, &error));
    assert_string_equal(store_runtime_text(STORE_RUNTIME_COUNT), "?");
    store_close(s);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_profiles),
        T(test_profile_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
