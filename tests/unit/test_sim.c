/* Chance in the simulation: the times that tasks take have the mean and the spread that they should, one by one and
 * summed; words are read as written. */
#include "engine/sched/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

/* Mean and variance of sums of n, over n times: those of single tasks. */
static void moments(const char *text, uint32_t n, double *mean, double *variance)
{
    enum { DRAWS = 200000 };
    struct sim_times t;
    struct sim_random r;
    double sum = 0, squares = 0;
    assert_int_equal(sim_parse_times(text, &t, NULL), CLW_OK);
    sim_random_init(&r, 11);
    for (int i = 0; i < DRAWS; i++) {
        double x = (double)sim_times_sum(&t, &r, n);
        sum += x;
        squares += x * x;
    }
    *mean = sum / DRAWS / n;
    *variance = (squares / DRAWS - sum / DRAWS * (sum / DRAWS)) / n;
}

static void near(double is, double want, double tolerance)
{
    if (fabs(is - want) > fabs(want) * tolerance)
        fail_msg("%g instead of %g", is, want);
}

static void test_moments(void **state)
{
    static const struct {
        const char *text;
        double mean, deviation;
    } all[] = {
        {"const:10ms", 1e7, 0},
        {"exp:1ms", 1e6, 1e6},
        {"uniform:1ms,3ms", 2e6, 2e6 / 3.4641016},
        {"lognormal:1ms,0.5", 1133148.5, 603905.2}, /* exp(s²/2), times sqrt(exp(s²) - 1) */
        {"mix:1ms*3,5ms*1", 2e6, 1732050.8},
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (uint32_t n = 1; n <= 16; n *= 16) {
            double mean, variance;
            moments(all[i].text, n, &mean, &variance);
            near(mean, all[i].mean, 0.01);
            if (all[i].deviation > 0)
                near(sqrt(variance), all[i].deviation, 0.02);
        }
    }
}

static void test_words(void **state)
{
    static const char *const wrong[] = {"", "exp", "exp:", "exp:1", "exp:1 ms", "exp:-1ms", "exp:nan", "exp:infs",
        "exp:1ms,2ms", "const:1x", "uniform:1ms", "uniform:2ms,1ms", "uniform:1ms,2ms,3ms", "lognormal:1ms",
        "lognormal:1ms,-1", "mix:", "mix:1ms", "mix:1ms*", "mix:*1", "mix:1ms*1,", "mix:1ms*0,2ms*0", "gauss:1ms",
        "const:0x10ms", "mix:1s*1,1s*1,1s*1,1s*1,1s*1,1s*1,1s*1,1s*1,1s*1,1s*1,1s*1,1s*1,1s*1,1s*1,1s*1,1s*1,1s*1"};
    struct sim_times t;
    uint64_t ns;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (sim_parse_times(wrong[i], &t, NULL) != CLW_USAGE)
            fail_msg("'%s' was taken", wrong[i]);
    assert_int_equal(sim_parse_span("0.2ms", &ns, NULL), CLW_OK);
    assert_int_equal(ns, 200000);
    assert_int_equal(sim_parse_span("1.5h", &ns, NULL), CLW_OK);
    assert_int_equal(ns, 5400000000000);
    assert_int_equal(sim_parse_span("0", &ns, NULL), CLW_OK);
    assert_int_equal(ns, 0);
    assert_int_equal(sim_parse_span("101d", &ns, NULL), CLW_USAGE);
    assert_int_equal(sim_parse_span("10000h", &ns, NULL), CLW_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_moments), cmocka_unit_test(test_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
