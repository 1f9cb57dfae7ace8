/* Hosts in the store: what may be said of one, and what is measured. */
#include "store_lab.h"

#include "store/launch.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_addresses(void **state)
{
    (void)state;
    static const char *const good[] = {"gpu1", "gpu-1.lab.example.org", "under_score", "10.0.0.1", "::1", "fd00::7",
        "fe80::1%eth0", "a.b.c.", "1and1.de", "::ffff:10.0.0.1"};
    static const char *const bad[] = {"", "-oProxyCommand=x", "a b", "a\nb", "a..b", ".a", "a-", "-", "a;b", "$(x)",
        "10.0.0", "10.0.0.256", "1.2.3.4.5", ":::", "fe80::1%", "fe80::1%et h", "fe80::1%0123456789abcdef", "a/b",
        "user@x", "\xc3\xbc" /* u umlaut */, "\x1b[31m", "x.-y.z", "12345:12345",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b"};
    char longest[300];
    for (size_t i = 0; i < COUNT(good); i++)
        ok(store_check_address(good[i], &error));
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(store_check_address(bad[i], &error), CLW_USAGE);
        for (const char *c = error.message; *c; c++)
            assert_true((unsigned char)*c >= 0x20); /* safe to show */
        assert_true(*error.hint);
        fails(CLW_USAGE, store_check_address(bad[i], &error));
    }
    memset(longest, 'a', sizeof longest);
    for (size_t i = 50; i < sizeof longest; i += 50)
        longest[i] = '.';
    longest[253] = '\0';
    ok(store_check_address(longest, &error));
    longest[253] = 'a';
    longest[254] = '\0';
    fails(CLW_USAGE, store_check_address(longest, &error));
}

static void test_users_macs_ports(void **state)
{
    (void)state;
    static const char *const users[] = {"root", "a.b-c_d", "DOM\\anna", "j\xc3\xb6rg", "svc$"};
    static const char *const bad_users[] = {"", "-l", "a b", "a@b", "a:b", "a\tb", "a;b", "`x`", "a\\", "\xff", "$(x)",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    static const char *const bad_macs[] = {"", "52:54:00:12:34", "52:54:00:12:34:5g", "52:54-00:12:34:56",
        "525400123456", "52:54:00:12:34:56:", "52 54 00 12 34 56"};
    static const char *const bad_ports[] = {"", "0", "65536", "-1", "+22", " 22", "22x", "99999999999999999999"};
    char mac[STORE_MAC_SIZE];
    uint16_t port;
    for (size_t i = 0; i < COUNT(users); i++)
        ok(store_check_user(users[i], &error));
    for (size_t i = 0; i < COUNT(bad_users); i++)
        fails(CLW_USAGE, store_check_user(bad_users[i], &error));
    for (size_t i = 0; i < COUNT(bad_macs); i++)
        fails(CLW_USAGE, store_parse_mac(bad_macs[i], mac, &error));
    ok(store_parse_mac("52-54-00-AB-cd-EF", mac, &error));
    assert_string_equal(mac, "52:54:00:ab:cd:ef");
    for (size_t i = 0; i < COUNT(bad_ports); i++)
        fails(CLW_USAGE, store_parse_port(bad_ports[i], &port, &error));
    ok(store_parse_port("65535", &port, &error));
    assert_int_equal(port, 65535);
    ok(store_check_name("host", "a.b-c_D9", &error));
    fails(CLW_USAGE, store_check_name("host", "-a", &error));
    fails(CLW_USAGE, store_check_name("host",
                         "a very long name that is cut in the message, because it would fill "
                         "the line with what nobody wants to read again and again",
                         &error));
}

static void test_targets(void **state)
{
    (void)state;
    static const struct {
        const char *text, *user, *address;
        unsigned port;
    } good[] = {
        {"gpu1", "", "gpu1", 0},
        {"anna@gpu1:2222", "anna", "gpu1", 2222},
        {"root@[fd00::7]:22", "root", "fd00::7", 22},
        {"[::1]", "", "::1", 0},
        {"10.0.0.1:1", "", "10.0.0.1", 1},
        {"[fe80::1%eth0]:65535", "", "fe80::1%eth0", 65535},
    };
    static const char *const bad[] = {"", "@", "a@", "@b", "a@b@c", "a:b", "a:", "a:0", "a:65536", "fd00::7", "[::1",
        "[::1]x", "[::1]:", "[a]", "[10.0.0.1]", "-a", "u@-a", "a b", "-u@a", "a:1:2", "[]"};
    char text[STORE_TARGET_SIZE], longest[700];
    struct store_target t;
    for (size_t i = 0; i < COUNT(good); i++) {
        ok(store_parse_target(good[i].text, &t, &error));
        assert_string_equal(t.user, good[i].user);
        assert_string_equal(t.address, good[i].address);
        assert_int_equal(t.port, good[i].port);
        assert_string_equal(store_target_text(&t, text), good[i].text);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        fails(CLW_USAGE, store_parse_target(bad[i], &t, &error));
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    fails(CLW_USAGE, store_parse_target(longest, &t, &error));
    longest[600] = '@';
    fails(CLW_USAGE, store_parse_target(longest, &t, &error));
    ok(store_check_jump("bastion", &error));
    ok(store_check_jump("a@b:22,[::1]:5,c", &error));
    fails(CLW_USAGE, store_check_jump("a,,b", &error));
    fails(CLW_USAGE, store_check_jump("a,-b", &error));
    fails(CLW_USAGE, store_check_jump("a,b,c,d,e,f,g,h,i", &error));
}

static void test_host_checks(void **state)
{
    (void)state;
    struct store *s = open_memory();
    char big[20000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
#define BAD(...)                                                                                                       \
    do {                                                                                                               \
        struct store_host h = make_host("ok");                                                                         \
        __VA_ARGS__;                                                                                                   \
        fails(CLW_USAGE, store_host_add(s, &h, &error));                                                               \
        store_strings_fini(&h.tags);                                                                                   \
    } while (0)
    BAD(SET(h.name, ""));
    BAD(SET(h.name, ".hidden"));
    BAD(SET(h.address, "a b"));
    BAD(SET(h.address, "[gpu1]"));
    BAD(SET(h.user, "-x"));
    BAD(SET(h.mac, "xx"));
    BAD(h.launcher = STORE_LAUNCHER_COUNT);
    BAD(h.jump = (char *)"a b");
    BAD(h.jump = (char *)"ok");
    BAD(h.identity = (char *)"/x\ny");
    BAD(h.note = (char *)"bell \a");
    BAD(h.note = (char *)"c1 \xc2\x9b");
    BAD(h.note = (char *)"\xff");
    BAD(h.note = big);
    BAD(h.directives = big);
    BAD(store_strings_add(&h.tags, "a b"));
    BAD(for (int i = 0; i < STORE_TAGS_MAX + 1; i++) store_strings_add(&h.tags, "t"));
    struct store_host good = make_host("ok");
    good.note = (char *)"two\nlines\tand a tab";
    ok(store_host_add(s, &good, &error));
    BAD((void)h; store_strings_add(&h.tags, "-"));
    enum store_launcher launcher;
    ok(store_launcher_parse("slurm", &launcher, &error));
    assert_int_equal(launcher, STORE_LAUNCHER_SLURM);
    assert_int_equal(store_launcher_parse("slurn", &launcher, &error), CLW_USAGE);
    assert_non_null(strstr(error.message, "did you mean slurm?"));
    fails(CLW_USAGE, store_launcher_parse("carrier pigeon", &launcher, &error));
    assert_string_equal(store_launcher_text(STORE_LAUNCHER_COUNT), "?");
    store_close(s);
}

static void test_hosts(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct store_host h, got;
    struct store_host_list list;
    fill_host(&h, "gpu1");
    ok(store_host_add(s, &h, &error));
    fails(CLW_EXISTS, store_host_add(s, &h, &error));
    ok(store_host_get(s, "gpu1", &got, &error));
    assert_string_equal(got.address, "fd00::7");
    assert_string_equal(got.mac, "52:54:00:ab:cd:ef");
    assert_int_equal(got.port, 2222);
    assert_string_equal(got.user, "anna");
    assert_int_equal(got.launcher, STORE_LAUNCHER_SLURM);
    assert_string_equal(got.jump, h.jump);
    assert_string_equal(got.identity, h.identity);
    assert_string_equal(got.note, h.note);
    assert_string_equal(got.directives, h.directives);
    assert_true(got.direct && !got.enabled);
    assert_int_equal(got.tags.count, 2);
    assert_string_equal(got.tags.items[0], "gpu");
    assert_null(got.facts);
    /* edit and rename */
    struct store_strings copy = {0};
    store_strings_copy(&copy, &got.tags);
    assert_int_equal(copy.count, 2);
    store_strings_fini(&copy);
    SET(got.name, "renamed");
    got.port = 0;
    store_strings_fini(&got.tags);
    ok(store_host_set(s, "gpu1", &got, &error));
    store_host_fini(&got);
    fails(CLW_NOT_FOUND, store_host_get(s, "gpu1", &got, &error));
    add_host(s, "other");
    h.name[0] = '\0';
    SET(h.name, "other");
    fails(CLW_EXISTS, store_host_set(s, "renamed", &h, &error));
    fails(CLW_NOT_FOUND, store_host_set(s, "nobody", &h, &error));
    SET(h.name, "-bad");
    fails(CLW_USAGE, store_host_set(s, "renamed", &h, &error));
    store_host_fini(&h);
    add_host(s, "B");
    ok(store_host_list(s, &list, &error));
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[0].name, "B");
    assert_string_equal(list.items[2].name, "renamed");
    assert_int_equal(list.items[2].tags.count, 0);
    store_host_list_fini(&list);
    ok(store_host_remove(s, "B", &error));
    fails(CLW_NOT_FOUND, store_host_remove(s, "B", &error));
    fails(CLW_NOT_FOUND, store_host_remove(s, "x\x1b[0m", &error));
    store_close(s);
}

static void test_facts(void **state)
{
    (void)state;
    struct store *s = open_memory();
    struct store_host h;
    static const struct store_gpu gpus[] = {{1, "RTX 4090", 24ull << 30, "550.1"}, {0, "bad \xff name", 5, ""}};
    static struct store_gpu many[STORE_GPUS_MAX + 1];
    add_host(s, "a");
    ok(store_host_facts_set(s, "a", "{\"cores\": 8}", 77, gpus, 2, &error));
    ok(store_host_state_set(s, "a", "down", "refused \xff\xc3\xbc\n", &error));
    ok(store_host_get(s, "a", &h, &error));
    assert_string_equal(h.facts, "{\"cores\": 8}");
    assert_int_equal(h.probed_at_us, 77);
    assert_int_equal(h.gpu_count, 2);
    assert_int_equal(h.gpus[1].index, 1);
    assert_int_equal(h.gpus[1].mem_bytes, 24ull << 30);
    assert_string_equal(h.gpus[0].name, "bad \\xff name");
    assert_string_equal(h.gpus[1].driver, "550.1");
    assert_string_equal(h.state, "down");
    assert_string_equal(h.reason, "refused \\xff\xc3\xbc\n");
    ok(store_host_set(s, "a", &h, &error)); /* settings do not touch what was measured */
    store_host_fini(&h);
    ok(store_host_facts_set(s, "a", "{}", 78, NULL, 0, &error));
    ok(store_host_state_set(s, "a", "", NULL, &error));
    ok(store_host_get(s, "a", &h, &error));
    assert_int_equal(h.gpu_count, 0);
    assert_string_equal(h.state, "");
    store_host_fini(&h);
    fails(CLW_USAGE, store_host_facts_set(s, "a", "{", 1, NULL, 0, &error));
    fails(CLW_USAGE, store_host_facts_set(s, "a", "[1]", 1, NULL, 0, &error));
    fails(CLW_TOO_LARGE, store_host_facts_set(s, "a", "{}", 1, many, COUNT(many), &error));
    fails(CLW_NOT_FOUND, store_host_facts_set(s, "b", "{}", 1, NULL, 0, &error));
    fails(CLW_NOT_FOUND, store_host_state_set(s, "b", "up", "", &error));
    assert_int_equal(store_host_state_set(s, "a", "two words", "", &error), CLW_USAGE);
    assert_int_equal(store_host_state_set(s, "a", "a.word.that.is.longer.than.it.may.be", "", &error), CLW_USAGE);
    char *big = mem_alloc(STORE_FACTS_MAX + 2);
    memset(big, ' ', STORE_FACTS_MAX + 1);
    big[STORE_FACTS_MAX + 1] = '\0';
    fails(CLW_TOO_LARGE, store_host_facts_set(s, "a", big, 1, NULL, 0, &error));
    free(big);
    store_close(s);
}

/* Whatever a host says of itself: what is written can be read. */
static void test_hostile_facts(void **state)
{
    (void)state;
    static const char *const said[] = {"{\"os\":\"x\xc2\x85\"}", "{\"os\":\"\\u001b[2J\"}", "{\"os\":\"\\\\u0011\"}",
        "{\"a\\u009b\":[\"\\u007f\",{\"b\":\"\\r\\n\"},1.5,null,true]}"};
    static const char *const kept[] = {"{\"os\":\"x\\\\xc2\\\\x85\"}", "{\"os\":\"\\\\x1b[2J\"}",
        "{\"os\":\"\\\\u0011\"}", "{\"a\\\\xc2\\\\x9b\":[\"\\\\x7f\",{\"b\":\"\\\\x0d\\n\"},1.5,null,true]}"};
    static const struct store_gpu gpu = {.name = "a\x1b[2J", .driver = "\xc2\x9b"};
    struct store *s = open_memory();
    struct store_host h;
    add_host(s, "a");
    ok(store_host_state_set(s, "a", "down", "\x1b[2J \xc2\x85", &error));
    for (size_t i = 0; i < COUNT(said); i++) {
        ok(store_host_facts_set(s, "a", said[i], 5, &gpu, 1, &error));
        ok(store_host_get(s, "a", &h, &error));
        assert_string_equal(h.facts, kept[i]);
        assert_string_equal(h.reason, "\\x1b[2J \\xc2\\x85");
        assert_int_equal(h.gpu_count, 1);
        assert_string_equal(h.gpus[0].name, "a\\x1b[2J");
        assert_string_equal(h.gpus[0].driver, "\\xc2\\x9b");
        store_host_fini(&h);
    }
    /* As much as may be written, and what is too much only when it is cleaned. */
    char *big = mem_alloc(STORE_FACTS_MAX + 1);
    memset(big, 'a', STORE_FACTS_MAX);
    memcpy(big, "{\"a\":\"", 6);
    memcpy(big + STORE_FACTS_MAX - 2, "\"}", 3);
    ok(store_host_facts_set(s, "a", big, 5, NULL, 0, &error));
    ok(store_host_get(s, "a", &h, &error));
    assert_string_equal(h.facts, big);
    store_host_fini(&h);
    memset(big + 6, 0x7f, STORE_FACTS_MAX - 8);
    fails(CLW_TOO_LARGE, store_host_facts_set(s, "a", big, 5, NULL, 0, &error));
    free(big);
    store_close(s);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_addresses),
        T(test_users_macs_ports),
        T(test_targets),
        T(test_host_checks),
        T(test_hosts),
        T(test_facts),
        T(test_hostile_facts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
