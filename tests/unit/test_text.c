/* Units, names, escapes, near misses. */
#include "base/hours.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void test_parse(void **state)
{
    (void)state;
    uint64_t v;
    int64_t i;
    assert_true(!text_parse_duration("250ms", &v, NULL) && v == 250);
    assert_true(!text_parse_duration("1.5h", &v, NULL) && v == 5400000);
    assert_true(!text_parse_duration("10", &v, NULL) && v == 10000);
    const char *bad[] = {"", "-1s", "1x", "1s ", " 1s", "nan", "inf", "1e9s", "0x10", "99999d", "s", NULL};
    for (const char **b = bad; *b; b++)
        assert_int_equal(text_parse_duration(*b, &v, NULL), CLW_USAGE);
    assert_true(!text_parse_size("1.5G", &v, NULL) && v == 1610612736);
    assert_true(!text_parse_size("64KiB", &v, NULL) && v == 65536);
    assert_int_equal(text_parse_size("64 K", &v, NULL), CLW_USAGE);
    assert_true(!text_parse_int("-5", -9, 9, &i, NULL) && i == -5);
    assert_int_equal(text_parse_int("10", -9, 9, &i, NULL), CLW_USAGE);
    assert_int_equal(text_parse_int("5x", -9, 9, &i, NULL), CLW_USAGE);
    assert_int_equal(text_parse_int("99999999999999999999", -9, 9, &i, NULL), CLW_USAGE);
}

static void test_names(void **state)
{
    (void)state;
    assert_true(text_is_name("gpu-1.lab_A"));
    const char *bad[] = {"", "-x", ".x", "a b", "a/b", "a\n", "ü", "..", NULL};
    for (const char **b = bad; *b; b++)
        assert_false(text_is_name(*b));
    char longest[65];
    memset(longest, 'a', sizeof longest);
    longest[63] = '\0';
    assert_true(text_is_name(longest));
    longest[63] = 'a';
    longest[64] = '\0';
    assert_false(text_is_name(longest));
}

static void escaped(const char *data, size_t len, const char *want)
{
    char out[64];
    assert_int_equal(text_escape(out, sizeof out, data, len), strlen(want));
    assert_string_equal(out, want);
}

static void test_escape(void **state)
{
    (void)state;
    char small[5];
    escaped("plain", 5, "plain");
    escaped("a\nb\t\r", 5, "a\\nb\\t\\r");
    escaped("\033[31m", 5, "\\x1b[31m");
    escaped("\303\274\377", 3, "\303\274\\xff");
    escaped("\302\233", 2, "\\xc2\\x9b");                            /* CSI in eight bits */
    escaped("\300\257\355\240\200", 5, "\\xc0\\xaf\\xed\\xa0\\x80"); /* overlong, surrogate */
    escaped("\0", 1, "\\x00");
    assert_int_equal(text_escape(small, sizeof small, "ab\001c", 4), 2); /* no half of an escape */
    /* What turns the direction of the text after it, or ends a line without a newline. */
    escaped("a\u202eb\u2066c\u200fd\u061ce\u2028f", strlen("a\u202eb\u2066c\u200fd\u061ce\u2028f"),
        "a\\u202eb\\u2066c\\u200fd\\u061ce\\u2028f");
    escaped("\u05d0\u20ac\u2027\u202f", strlen("\u05d0\u20ac\u2027\u202f"), "\u05d0\u20ac\u2027\u202f");
    assert_string_equal(small, "ab");
}

static void test_print(void **state)
{
    (void)state;
    char out[32];
    assert_string_equal(text_count(out, sizeof out, 1234567), "1,234,567");
    assert_string_equal(text_count(out, sizeof out, 0), "0");
    assert_string_equal(text_bytes(out, sizeof out, 1536), "1.5K");
    assert_string_equal(text_span(out, sizeof out, 185000), "3m05s");
    assert_string_equal(text_plural(1), "");
    assert_string_equal(text_plural(0), "s");
    assert_string_equal(text_plural(2), "s");
    assert_string_equal(text_rate(out, sizeof out, 3070000), "3.07M");
    const char *list[] = {"unordered", "status", "map", NULL};
    assert_string_equal(text_nearest("unorderd", list), "unordered");
    assert_null(text_nearest("xyzzy", list));
    assert_true(text_same_secret("abc", "abc", 3) && !text_same_secret("abc", "abd", 3));
}

static void test_hours(void **state)
{
    (void)state;
    const char *good[] = {"", "00:00-24:00", "22:00-06:00", "08:00-12:00,13:00-17:30", NULL};
    const char *bad[] = {"8:00-12:00", "08:00", "08:00-08:00", "24:00-06:00", "08:60-09:00", "08:00-24:01",
        "08:00-12:00,", ",08:00-12:00", "08:00-12:00;13:00-14:00", "08:00-12:00 ", "aa:bb-cc:dd",
        "00:00-01:00,02:00-03:00,04:00-05:00,06:00-07:00,08:00-09:00,10:00-11:00,12:00-13:00,14:00-15:00,16:00-17:00",
        NULL};
    for (const char **text = good; *text; text++)
        assert_int_equal(hours_check(*text, NULL), CLW_OK);
    for (const char **text = bad; *text; text++)
        assert_int_equal(hours_check(*text, NULL), CLW_USAGE);
    assert_true(hours_hold("", 5) && hours_hold("nonsense", 5));
    assert_true(hours_hold("22:00-06:00", 22 * 60) && hours_hold("22:00-06:00", 0) && hours_hold("22:00-06:00", 359));
    assert_false(hours_hold("22:00-06:00", 360) || hours_hold("22:00-06:00", 22 * 60 - 1));
    assert_true(hours_hold("08:00-12:00,13:00-17:30", 17 * 60 + 29));
    assert_false(hours_hold("08:00-12:00,13:00-17:30", 12 * 60 + 30));
}

static void test_bytes(void **state)
{
    (void)state;
    static const char *const pairs[] = {
        "", "", "f", "Zg==", "fo", "Zm8=", "foo", "Zm9v", "\xff\xfe\xfd", "//79", "a\xfb\xf0z", "Yfvweg==", NULL};
    for (const char *const *p = pairs; *p; p += 2) {
        char *text = text_base64(p[0], strlen(p[0]));
        assert_string_equal(text, p[1]);
        free(text);
    }
    assert_true(text_is_utf8("", 0) && text_is_utf8("a\0ü€\xf0\x9f\x90\x88", 11));
    assert_false(text_is_utf8("a\xff", 2) || text_is_utf8("ü", 1) || text_is_utf8("\xed\xa0\x80", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse), cmocka_unit_test(test_names),
        cmocka_unit_test(test_escape), cmocka_unit_test(test_bytes), cmocka_unit_test(test_print),
        cmocka_unit_test(test_hours)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
