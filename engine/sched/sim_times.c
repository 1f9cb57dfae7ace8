/* Chance for the simulation: one generator, and the times that tasks take. */
#include "engine/sched/sim.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- xoshiro256**, seeded by splitmix64 ---- */

void sim_random_init(struct sim_random *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        r->state[i] = z ^ z >> 31;
    }
}

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

uint64_t sim_random_bits(struct sim_random *r)
{
    uint64_t *s = r->state, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

double sim_random_unit(struct sim_random *r)
{
    return (double)((sim_random_bits(r) >> 11) + 1) * 0x1p-53;
}

double sim_random_exp(struct sim_random *r)
{
    return -log(sim_random_unit(r));
}

static double normal(struct sim_random *r)
{
    return sqrt(2 * sim_random_exp(r)) * cos(6.283185307179586 * sim_random_unit(r));
}

/* The sum of n exponentials, by Marsaglia and Tsang. */
static double gamma_of(struct sim_random *r, uint32_t n)
{
    double d = n - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = normal(r), v = 1 + c * x;
        if (v <= 0)
            continue;
        v = v * v * v;
        if (log(sim_random_unit(r)) < 0.5 * x * x + d - d * v + d * log(v))
            return d * v;
    }
}

/* ---- times ---- */

static double one(const struct sim_times *t, struct sim_random *r)
{
    unsigned i = 0;
    double u;
    switch (t->kind) {
    case SIM_UNIFORM: return t->a + (t->b - t->a) * sim_random_unit(r);
    case SIM_LOGNORMAL: return t->a * exp(t->b * normal(r));
    case SIM_MIX:
        for (u = sim_random_unit(r); i + 1 < t->mix_count && u > t->mix_below[i];)
            i++;
        return t->mix_ns[i];
    default: return t->a;
    }
}

uint64_t sim_times_sum(const struct sim_times *t, struct sim_random *r, uint32_t n)
{
    double sum = 0;
    if (t->kind == SIM_CONST)
        return (uint64_t)(t->a * n);
    if (t->kind == SIM_EXP)
        return (uint64_t)(t->a * (n == 1 ? sim_random_exp(r) : gamma_of(r, n)));
    for (uint32_t i = 0; i < n; i++)
        sum += one(t, r);
    return (uint64_t)sum;
}

/* ---- words ---- */

enum { SPAN_MAX_S = 100 * 86400 };

/* A plain decimal number, without sign; what follows it is at *end. */
static bool take_number(const char *text, char **end, double *value)
{
    *value = strtod(text, end);
    return *end != text && *value >= 0 && strchr("0123456789.", *text) && (text[1] | 0x20) != 'x';
}

static bool parse_span(const char *text, double *ns)
{
    static const struct {
        const char *unit;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 6e10}, {"h", 3.6e12}};
    char *end;
    double value;
    if (!take_number(text, &end, &value))
        return false;
    *ns = 0;
    if (value == 0 && !*end)
        return true;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].unit) == 0) {
            *ns = value * units[i].ns;
            return *ns <= SPAN_MAX_S * 1e9;
        }
    }
    return false;
}

enum clw_err sim_parse_span(const char *text, uint64_t *ns, struct clw_error *err)
{
    double value;
    if (!parse_span(text, &value))
        return clw_fail(err, CLW_USAGE, "write it like 100ns, 20us, 0.2ms, 10s or 5m, at most 100 days",
            "'%s' is not a time", text);
    *ns = (uint64_t)(value + 0.5);
    return CLW_OK;
}

static bool parse_number(const char *text, double *value)
{
    char *end;
    return take_number(text, &end, value) && !*end && *value <= 1e9;
}

/* "10ms*0.9": with *, value gets what follows it. */
static bool parse_weighted(char *part, struct sim_times *t)
{
    char *star = strchr(part, '*');
    unsigned i = t->mix_count++;
    if (!star || i == SIM_MIX_MAX)
        return false;
    *star = '\0';
    return parse_span(part, &t->mix_ns[i]) && parse_number(star + 1, &t->mix_below[i]);
}

static bool parse_mix(char *parts, struct sim_times *t)
{
    double sum = 0, below = 0;
    for (char *part; (part = strsep(&parts, ","));)
        if (!parse_weighted(part, t))
            return false;
    for (unsigned i = 0; i < t->mix_count; i++)
        sum += t->mix_below[i];
    for (unsigned i = 0; i < t->mix_count; i++)
        t->mix_below[i] = below += t->mix_below[i] / sum;
    return sum > 0;
}

static bool parse_times(char *text, struct sim_times *t)
{
    char *rest = text, *kind = strsep(&rest, ":");
    if (!rest)
        return false;
    if (strcmp(kind, "mix") == 0) {
        t->kind = SIM_MIX;
        return parse_mix(rest, t);
    }
    char *first = strsep(&rest, ",");
    t->kind = strcmp(kind, "const") == 0 ? SIM_CONST : strcmp(kind, "exp") == 0 ? SIM_EXP : SIM_UNIFORM;
    if (!parse_span(first, &t->a))
        return false;
    if (strcmp(kind, "uniform") == 0)
        return rest && parse_span(rest, &t->b) && t->b >= t->a;
    if (strcmp(kind, "lognormal") == 0) {
        t->kind = SIM_LOGNORMAL;
        return rest && parse_number(rest, &t->b) && t->b <= 10;
    }
    return t->kind != SIM_UNIFORM && !rest;
}

enum clw_err sim_parse_times(const char *text, struct sim_times *t, struct clw_error *err)
{
    char *copy = mem_strdup(text);
    *t = (struct sim_times){0};
    bool right = parse_times(copy, t);
    free(copy);
    if (right)
        return CLW_OK;
    return clw_fail(err, CLW_USAGE,
        "write const:T, exp:MEAN, uniform:FROM,TO, lognormal:MEDIAN,SIGMA or mix:T*WEIGHT,T*WEIGHT, like exp:10ms",
        "'%s' does not say how long tasks take", text);
}
