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
    expand_text(&b, text, &(struct expansion){.input = input, .len = strlen(input), .index = 41});
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
    is("{1} {-1} {2.}", "i", "{1} {-1} {2.}");
    is("", "i", "");
}

static void test_argv(void **state)
{
    (void)state;
    struct buf b = {0};
    char one[] = "cmd", two[] = "-f", three[] = "{}";
    char *plain[] = {one, two}, *placed[] = {one, three, three};
    char **argv = expand_argv(&b, plain, 2, true, &(struct expansion){.input = "in put", .len = 6});
    assert_string_equal(argv[0], "cmd");
    assert_string_equal(argv[2], "in put");
    assert_null(argv[3]);
    argv = expand_argv(&b, placed, 3, false, &(struct expansion){.input = ""});
    assert_string_equal(argv[1], "");
    assert_null(argv[3]);
    struct expansion single = {.input = ""}, more = {.input = "", .has_columns = true};
    assert_true(expand_has_placeholder("a{/.}", &single) && !expand_has_placeholder("a{x}{1}", &single));
    assert_true(expand_has_placeholder("a{1}", &more) && !expand_has_placeholder("a{0}{12345}", &more));
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
            struct buf pattern = {0}, plain = {0};
            struct expansion e = {.input = names[i], .len = strlen(names[i])};
            expand_text(&plain, placeholders[k], &e);
            e.as_pattern = true;
            expand_text(&pattern, placeholders[k], &e);
            assert_int_equal(fnmatch(buf_text(&pattern), buf_text(&plain), 0), 0);
            buf_fini(&pattern);
            buf_fini(&plain);
        }
    struct buf star = {0};
    expand_quote(&star, "a*", 2);
    assert_int_equal(fnmatch(buf_text(&star), "ab", 0), FNM_NOMATCH);
    buf_fini(&star);
}

/* Several texts in one input. */
static void test_columns(void **state)
{
    (void)state;
    char colour[] = "colour", size[] = "size", *names[] = {colour, size, NULL}, echo[] = "echo", both[] = "{2}-{1}";
    static const char input[] = "red\0dir/a.b";
    struct expansion e = {.input = input, .len = sizeof input - 1, .has_columns = true, .names = names};
    static const char *const table[][2] = {{"{1}|{2}|{3}", "red|dir/a.b|"},
        {"{2.} {2/} {2//} {2/.}", "dir/a a.b dir a"}, {"{-1} {-2} {-3}{-4}{-9999}{9999}", "dir/a.b red "}, {"{}", "red dir/a.b"},
        {"{colour} {size/.} {other}", "red a {other}"}, {"{#}", "1"}, {"{0} {1x} {01}", "{0} {1x} red"}};
    struct buf b = {0};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        buf_clear(&b);
        expand_text(&b, table[i][0], &e);
        assert_string_equal((char *)b.data, table[i][1]);
    }
    char *appended[] = {echo}, *placed[] = {echo, both};
    char **argv = expand_argv(&b, appended, 1, true, &e);
    assert_string_equal(argv[1], "red");
    assert_string_equal(argv[2], "dir/a.b");
    assert_null(argv[3]);
    argv = expand_argv(&b, placed, 2, false, &e);
    assert_string_equal(argv[1], "dir/a.b-red");
    buf_fini(&b);
}

/* What comes from inputs is one word of the line, and no command. */
static void test_shell(void **state)
{
    (void)state;
    static const char *const table[][2] = {{"a b", "'a b'"}, {"x;rm -rf /", "'x;rm -rf /'"}, {"it's", "'it'\\''s'"},
        {"plain.txt", "plain.txt"}, {"", "''"}, {"$(x)", "'$(x)'"}, {"-n", "-n"}, {"~", "'~'"}, {"a=b", "'a=b'"}};
    char echo[] = "echo", at[] = "{} | wc";
    struct buf b = {0};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char *words[] = {echo, at}, want[100];
        struct expansion e = {.input = table[i][0], .len = strlen(table[i][0]), .as_shell = true};
        char **argv = expand_argv(&b, words, 2, false, &e);
        assert_string_equal(argv[0], "/bin/sh");
        snprintf(want, sizeof want, "echo %s | wc", table[i][1]);
        assert_string_equal(argv[2], want);
        assert_null(argv[3]);
        argv = expand_argv(&b, words, 1, true, &e);
        snprintf(want, sizeof want, "echo %s", table[i][1]);
        assert_string_equal(argv[2], want);
    }
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_placeholders), cmocka_unit_test(test_argv),
        cmocka_unit_test(test_quote), cmocka_unit_test(test_columns), cmocka_unit_test(test_shell)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
