/* Export and import. */
#include "store_lab.h"

#include "store/setting.h"
#include "store/transfer.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fill_store(struct store *s)
{
    struct store_host h;
    struct store_profile p;
    static const struct store_profile_host hosts[] = {{"z9", 4}, {"gpu1", 2}};
    fill_host(&h, "z9");
    ok(store_host_add(s, &h, &error));
    SET(h.name, "gpu1");
    ok(store_host_add(s, &h, &error));
    store_host_fini(&h);
    add_host(s, "plain");
    fill_profile(&p, "gpu");
    ok(store_profile_set(s, &p, &error));
    store_profile_fini(&p);
    ok(store_profile_want(s, "gpu", 3, true, &error));
    ok(store_profile_hosts_set(s, "gpu", hosts, 2, &error));
    add_profile(s, "default");
    ok(store_setting_set(s, "theme", "dark\n\xe2\x82\xac", &error));
}

static void test_round_trip(void **state)
{
    (void)state;
    struct store *a = open_store(), *b = open_memory();
    struct store_import_counts counts;
    char *first, *second;
    size_t first_len, second_len;
    ok(store_export(a, &first, &first_len, &error)); /* empty */
    ok(store_import(b, first, first_len, STORE_IMPORT_NEW, &counts, &error));
    assert_int_equal(counts.hosts, 0);
    free(first);
    fill_store(a);
    ok(store_export(a, &first, &first_len, &error));
    assert_int_equal(strlen(first), first_len);
    ok(store_import(b, first, first_len, STORE_IMPORT_NEW, &counts, &error));
    assert_int_equal(counts.hosts, 3);
    assert_int_equal(counts.profiles, 2);
    assert_int_equal(counts.settings, 1);
    assert_int_equal(counts.replaced, 0);
    ok(store_export(b, &second, &second_len, &error));
    assert_int_equal(first_len, second_len);
    assert_string_equal(first, second);
    free(second);
    /* a second time: refused, or merged into the same */
    fails(CLW_EXISTS, store_import(b, first, first_len, STORE_IMPORT_NEW, NULL, &error));
    ok(store_host_remove(b, "z9", &error));
    ok(store_import(b, first, first_len, STORE_IMPORT_MERGE, &counts, &error));
    assert_int_equal(counts.replaced, 5);
    ok(store_export(b, &second, &second_len, &error));
    assert_string_equal(first, second);
    free(first);
    free(second);
    store_close(a);
    store_close(b);
}

static enum clw_err import_text(struct store *s, const char *json, enum store_import_mode mode)
{
    return store_import(s, json, strlen(json), mode, NULL, &error);
}

static void test_merge(void **state)
{
    (void)state;
    struct store *s = open_memory();
    struct store_host h;
    fill_store(s);
    ok(store_host_facts_set(s, "gpu1", "{}", 5, NULL, 0, &error));
    /* any of the three kinds may be in the way, and then nothing at all is changed */
    fails(CLW_EXISTS, import_text(s, "{\"clowder\":1,\"hosts\":{\"new\":{},\"plain\":{}}}", STORE_IMPORT_NEW));
    fails(CLW_EXISTS,
        import_text(s, "{\"clowder\":1,\"hosts\":{\"new\":{}},\"profiles\":{\"gpu\":{}}}", STORE_IMPORT_NEW));
    fails(CLW_EXISTS,
        import_text(s, "{\"clowder\":1,\"hosts\":{\"new\":{}},\"settings\":{\"theme\":\"\"}}", STORE_IMPORT_NEW));
    fails(CLW_NOT_FOUND,
        import_text(s, "{\"clowder\":1,\"hosts\":{\"new\":{}},\"profiles\":{\"p\":{\"hosts\":{\"x\":1}}}}",
            STORE_IMPORT_MERGE));
    fails(CLW_NOT_FOUND, store_host_get(s, "new", &h, &error));
    ok(import_text(s,
        "{\"clowder\":1,\"hosts\":{\"gpu1\":{\"address\":\"10.0.0.9\",\"tags\":[\"t\"]}},"
        "\"profiles\":{\"p\":{\"hosts\":{\"plain\":1}}}}",
        STORE_IMPORT_MERGE));
    ok(store_host_get(s, "gpu1", &h, &error));
    assert_string_equal(h.address, "10.0.0.9");
    assert_string_equal(h.user, "");
    assert_int_equal(h.tags.count, 1);
    assert_string_equal(h.facts, "{}"); /* measured, so not of the document */
    store_host_fini(&h);
    assert_int_equal(count(s, "SELECT count(*) FROM profile_host"), 3); /* membership in gpu stays */
    store_close(s);
}

static void test_hostile(void **state)
{
    (void)state;
    struct store *s = open_memory();
    char *before, *after;
    size_t len;
    static const char *const bad[] = {"", "{", "[]", "null", "{}", "{\"clowder\":\"1\"}", "{\"clowder\":1.0}",
        "{\"clowder\":1}x", "{\"clowder\":1,\"clowder\":1}", "{\"clowder\":1,\"extra\":{}}",
        "{\"clowder\":1,\"hosts\":[]}", "{\"clowder\":1,\"hosts\":{\"a\":[]}}",
        "{\"clowder\":1,\"hosts\":{\"a b\":{}}}", "{\"clowder\":1,\"hosts\":{\"a\":{},\"a\":{}}}",
        "{\"clowder\":1,\"hosts\":{\"\":{}}}", "{\"clowder\":1,\"hosts\":{\"a\":{\"password\":\"x\"}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"port\":0.5}}}", "{\"clowder\":1,\"hosts\":{\"a\":{\"port\":65536}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"port\":-1}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"port\":99999999999999999999}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"address\":5}}}", "{\"clowder\":1,\"hosts\":{\"a\":{\"address\":\"-x\"}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"user\":\"a\\u0000b\"}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"note\":\"\\u001b\"}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"note\":\"\xff\"}}}", "{\"clowder\":1,\"hosts\":{\"a\":{\"direct\":1}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"tags\":\"t\"}}}", "{\"clowder\":1,\"hosts\":{\"a\":{\"tags\":[1]}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"launcher\":\"bird\"}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"launcher\":\"a launcher that is longer than all\"}}}",
        "{\"clowder\":1,\"profiles\":[]}", "{\"clowder\":1,\"profiles\":{\"p\":5}}",
        "{\"clowder\":1,\"profiles\":{\"-\":{}}}", "{\"clowder\":1,\"profiles\":{\"p\":{\"hosts\":[]}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"hosts\":{\"a\":10001}}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"hosts\":{\"a b\":1,\"c\":1}}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"hosts\":{\"a\":\"1\"}}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"runtime\":\"x\"}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"setup\":{}}}}", "{\"clowder\":1,\"profiles\":{\"p\":{\"setup\":[5]}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"setup\":[[]]}}}", "{\"clowder\":1,\"profiles\":{\"p\":{\"seed\":-1}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"seed\":\"x\"}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"env\":[\"A\"]}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"wanted\":null}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"maxtasks\":-5}}}", "{\"clowder\":1,\"settings\":[]}",
        "{\"clowder\":1,\"settings\":{\"a\":1}}", "{\"clowder\":1,\"settings\":{\"a b\":\"\"}}"};
    fill_store(s);
    ok(store_export(s, &before, &len, &error));
    for (size_t i = 0; i < COUNT(bad); i++)
        for (int mode = STORE_IMPORT_NEW; mode <= STORE_IMPORT_MERGE; mode++) {
            enum clw_err code = import_text(s, bad[i], (enum store_import_mode)mode);
            if (code != CLW_USAGE)
                fail_msg("%s: %s: %s", bad[i], clw_err_text(code), error.message);
        }
    assert_int_equal(
        import_text(s, "{\"clowder\":1,\"hosts\":{\"h1\":{\"address\":\"a b\"}}}", STORE_IMPORT_NEW), CLW_USAGE);
    assert_non_null(strstr(error.message, "hosts 'h1': 'a b' is not an address"));
    assert_int_equal(
        store_import(s, "{\"clowder\":1,\"hosts\":{\"h1\":{\"address\":\"a b\"}}}", 46, STORE_IMPORT_NEW, NULL, NULL),
        CLW_USAGE);
    fails(CLW_NEWER, import_text(s, "{\"clowder\":2,\"planets\":{}}", STORE_IMPORT_NEW));
    char *deep = mem_alloc(100001);
    memset(deep, '[', 100000);
    deep[100000] = '\0';
    fails(CLW_USAGE, import_text(s, deep, STORE_IMPORT_NEW));
    free(deep);
    fails(CLW_USAGE,
        import_text(s, "{\"clowder\":1,\"settings\":{\"a\":\"[[[[[[\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\",\"b\":[]}}",
            STORE_IMPORT_NEW)); /* brackets in a text are no depth: it is the list that is wrong */
    deep = mem_zalloc((size_t)STORE_IMPORT_BYTES + 1);
    fails(CLW_TOO_LARGE, store_import(s, deep, STORE_IMPORT_BYTES + 1, STORE_IMPORT_NEW, NULL, &error));
    free(deep);
    struct buf many = {0};
    buf_add_text(&many, "{\"clowder\":1,\"settings\":{");
    for (int i = 0; i <= STORE_IMPORT_SETTINGS; i++)
        buf_printf(&many, "%s\"k%d\":\"\"", i ? "," : "", i);
    buf_add_text(&many, "}}");
    fails(CLW_USAGE, import_text(s, buf_text(&many), STORE_IMPORT_NEW));
    buf_fini(&many);
    ok(store_export(s, &after, &len, &error));
    assert_string_equal(before, after);
    free(before);
    free(after);
    store_close(s);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_round_trip),
        T(test_merge),
        T(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
