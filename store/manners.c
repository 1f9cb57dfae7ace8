/* A profile's manners: what they may be, and as JSON. */
#include "store/manners.h"

#include "store/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool store_manners_pause(const struct store_manners *m)
{
    return m->pause_load_permille || m->pause_user_ms || m->hours[0];
}

bool store_manners_same(const struct store_manners *a, const struct store_manners *b)
{
    return a->nice == b->nice && a->cpus_permille == b->cpus_permille && a->mem_bytes == b->mem_bytes &&
           a->pause_load_permille == b->pause_load_permille && a->pause_user_ms == b->pause_user_ms &&
           a->pause_now == b->pause_now && a->no_new_privs == b->no_new_privs && strcmp(a->hours, b->hours) == 0;
}

enum clw_err store_manners_permille(const char *what, const char *text, uint32_t *permille, struct clw_error *err)
{
    char *end;
    double value = strtod(text, &end);
    bool good = end != text && !*end && strspn(text, "0123456789.") == strlen(text) && value <= STORE_PARTS_MAX;
    if (!good || (value > 0 && value < 0.01))
        return clw_fail(err, CLW_USAGE, "write it like 0.5 or 4", "'%.40s' is no %s (0.01 to %d; 0: no limit)", text,
            what, STORE_PARTS_MAX);
    *permille = (uint32_t)lround(value * 1000);
    return CLW_OK;
}

enum clw_err store_manners_check(const struct store_manners *m, struct clw_error *err)
{
    if (m->nice > STORE_NICE_MAX)
        return clw_fail(err, CLW_USAGE, NULL, "a nice value is 0 to %d", STORE_NICE_MAX);
    if (m->cpus_permille > STORE_PERMILLE_MAX || m->pause_load_permille > STORE_PERMILLE_MAX)
        return clw_fail(err, CLW_USAGE, NULL, "a number of CPUs or a load is at most %d", STORE_PARTS_MAX);
    if (m->mem_bytes > INT64_MAX || (m->mem_bytes && m->mem_bytes < 1 << 20))
        return clw_fail(err, CLW_USAGE, "write it like 512M", "a limit of memory is at least 1M");
    if (m->pause_user_ms > STORE_SPAN_MAX_MS)
        return clw_fail(err, CLW_USAGE, NULL, "a time limit is at most ten years");
    return hours_check(m->hours, err);
}

void store_manners_put(json_t *o, const struct store_manners *m)
{
    json_object_set_new(o, "nice", json_integer(m->nice));
    json_object_set_new(o, "cpus", json_real(m->cpus_permille / 1000.0));
    json_object_set_new(o, "mem_bytes", json_integer((json_int_t)m->mem_bytes));
    json_object_set_new(o, "pause_load", json_real(m->pause_load_permille / 1000.0));
    json_object_set_new(o, "pause_user_ms", json_integer((json_int_t)m->pause_user_ms));
    json_object_set_new(o, "pause_now", json_boolean(m->pause_now));
    json_object_set_new(o, "no_new_privs", json_boolean(m->no_new_privs));
    json_object_set_new(o, "hours", json_string(m->hours));
}

static bool take_number(const json_t *o, const char *key, uint64_t max, uint64_t *out)
{
    const json_t *value = json_object_get(o, key);
    if (!value)
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < 0 || (uint64_t)json_integer_value(value) > max)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static bool take_permille(const json_t *o, const char *key, uint32_t *out)
{
    const json_t *value = json_object_get(o, key);
    double number = json_number_value(value);
    if (!value)
        return true;
    if (!json_is_number(value) || !(number >= 0) || number > STORE_PARTS_MAX)
        return false;
    *out = (uint32_t)lround(number * 1000);
    return true;
}

const char *store_manners_take(const json_t *o, struct store_manners *m)
{
    const json_t *now = json_object_get(o, "pause_now"), *nnp = json_object_get(o, "no_new_privs"),
                 *hours = json_object_get(o, "hours");
    uint64_t nice = m->nice;
    if (!take_number(o, "nice", STORE_NICE_MAX, &nice))
        return "nice";
    m->nice = (uint32_t)nice;
    if (!take_permille(o, "cpus", &m->cpus_permille))
        return "cpus";
    if (!take_number(o, "mem_bytes", INT64_MAX, &m->mem_bytes))
        return "mem_bytes";
    if (!take_permille(o, "pause_load", &m->pause_load_permille))
        return "pause_load";
    if (!take_number(o, "pause_user_ms", STORE_SPAN_MAX_MS, &m->pause_user_ms))
        return "pause_user_ms";
    if (now && !json_is_boolean(now))
        return "pause_now";
    m->pause_now = now ? json_is_true(now) : m->pause_now;
    if (nnp && !json_is_boolean(nnp))
        return "no_new_privs";
    m->no_new_privs = nnp ? json_is_true(nnp) : m->no_new_privs;
    if (hours && (!json_is_string(hours) || hours_check(json_string_value(hours), NULL)))
        return "hours";
    if (hours)
        snprintf(m->hours, sizeof m->hours, "%s", json_string_value(hours));
    return NULL;
}
