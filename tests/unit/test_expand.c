/* Placeholders, alone and together, on names of every kind. */
#include "engine/daemon/expand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_placeholders), cmocka_unit_test(test_argv)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
