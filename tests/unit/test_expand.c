/* Placeholders, alone and together, on names of every kind. */
#include "engine/wire/expand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fnmatch.h>
#include <string.h>

static void is(const char *text, const char *input, const char *want)
{
    struct buf b = {0};
    expand_text(&b, text, input, strlen(input), 41);
    assert_string_equal((char *)b.data, want);
    buf_fini(&b);
}

static void test_placeholders(void **state)
{
    (void)state;
    is("{}", "a b", "a b");
    is("x{}y{}z", "1", "x1y1z");
    is("{.} {/} {//} {/.} {#}", "dir.d/f.tar.gz", "dir.d/f.tar f.tar.gz dir.d f.tar 42");
    is("{.}|{/.}", ".bashrc", ".bashrc|.bashrc");
    is("{.}|{/.}|{//}", "/x.c", "/x|x|/");
    is("{//}", "plain", ".");
    is("{.}", "dir.d/plain", "dir.d/plain");
    is("{/}", "dir/", "");
    is("{} {", "{}", "{} {");
    is("{ } {x} {}}", "i", "{ } {x} i}");
    is("", "i", "");
}

static void test_argv(void **state)
{
    (void)state;
    struct buf b = {0};
    char one[] = "cmd", two[] = "-f", three[] = "{}";
    char *plain[] = {one, two}, *placed[] = {one, three, three};
    char **argv = expand_argv(&b, plain, 2, true, "in put", 6, 0);
    assert_string_equal(argv[0], "cmd");
    assert_string_equal(argv[2], "in put");
    assert_null(argv[3]);
    argv = expand_argv(&b, placed, 3, false, "", 0, 0);
    assert_string_equal(argv[1], "");
    assert_null(argv[3]);
    assert_true(expand_has_placeholder("a{/.}") && !expand_has_placeholder("a{x}"));
    buf_fini(&b);
}

/* As a pattern, the quoted text stands for itself, whatever part of it a placeholder takes. */
static void test_quote(void **state)
{
    (void)state;
    static const char *const names[] = {"[ab]", "a\\b", "*", "?x", "a]b[", "{}", "", "dir[1]/f*.tar.gz", "back\\"};
    static const char *const placeholders[] = {"{}", "{.}", "{/}", "{/.}", "x{}", "{//}"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t k = 0; k < sizeof placeholders / sizeof *placeholders; k++) {
            struct buf quoted = {0}, pattern = {0}, plain = {0};
            expand_quote(&quoted, names[i], strlen(names[i]));
            expand_text(&pattern, placeholders[k], buf_text(&quoted), quoted.len, 0);
            expand_text(&plain, placeholders[k], names[i], strlen(names[i]), 0);
            assert_int_equal(fnmatch(buf_text(&pattern), buf_text(&plain), 0), 0);
            buf_fini(&quoted);
            buf_fini(&pattern);
            buf_fini(&plain);
        }
    struct buf star = {0};
    expand_quote(&star, "a*", 2);
    assert_int_equal(fnmatch(buf_text(&star), "ab", 0), FNM_NOMATCH);
    buf_fini(&star);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_placeholders), cmocka_unit_test(test_argv), cmocka_unit_test(test_quote)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
