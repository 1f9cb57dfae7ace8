/* Rates in virtual time. */
#include "engine/fleet/rates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void test_rates(void **state)
{
    (void)state;
    struct rates r = {0};
    uint32_t last[5];
    assert_true(rates_now(&r, 100500) == 0 && rates_mean_60s(&r, 100500) == 0);
    rates_add(&r, 101000, 10);
    rates_add(&r, 101900, 5);
    assert_true(rates_now(&r, 101999) == 0); /* the second is not over */
    assert_true(rates_now(&r, 102000) == 15);
    assert_true(rates_now(&r, 103000) == 0);
    rates_add(&r, 104500, 7);
    rates_history(&r, 105000, last, 5);
    assert_int_equal(last[4], 7);
    assert_int_equal(last[3], 0);
    assert_int_equal(last[1], 15);
    assert_true(rates_mean_60s(&r, 110000) == 22.0 / 10);
    assert_true(rates_mean_60s(&r, 1000000) == 0); /* long ago */
    rates_add(&r, 1000000, 3);
    assert_true(rates_now(&r, 1001000) == 3);
}

static void test_pace(void **state)
{
    (void)state;
    struct pace p = {0};
    assert_true(pace_mean(&p, 100500) == 0);
    pace_add(&p, 101000, 10);
    assert_true(pace_mean(&p, 101900) == 0); /* the second is not over */
    assert_true(pace_mean(&p, 102000) == 5); /* since 100 */
    pace_add(&p, 103000, 20);
    assert_true(pace_mean(&p, 104000) == 30.0 / 4);
    assert_true(pace_mean(&p, 108000) == 30.0 / 7);
    assert_true(pace_mean(&p, 109000) == 20.0 / 7); /* the first is too long ago */
    assert_true(pace_mean(&p, 1000000) == 0);
    pace_add(&p, 1000000, 7);
    assert_true(pace_mean(&p, 1001000) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rates), cmocka_unit_test(test_pace)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
