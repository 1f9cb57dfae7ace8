/* The rows of a profile's settings, and what can be done with any of them. */
#include "store/profile_setting.h"

#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The default as a number: that of HOURS is "". */
#define NUMBER_COUNT(value) value
#define NUMBER_SPAN(value) value
#define NUMBER_BYTES(value) value
#define NUMBER_PERMILLE(value) value
#define NUMBER_FLAG(value) value
#define NUMBER_INDICES(value) value
#define NUMBER_SEED(value) value
#define NUMBER_HOURS(value) 0
#define ROW(name, TYPE, value, json, stored, ...)                                                                      \
    {.column = #name,                                                                                                  \
        .key = #json,                                                                                                  \
        .offset = offsetof(struct store_settings, name),                                                               \
        .type = STORE_TYPE_##TYPE,                                                                                     \
        .is_stored = stored,                                                                                           \
        .otherwise = NUMBER_##TYPE(value),                                                                             \
        __VA_ARGS__},
#define STORED(name, TYPE, value, json, ...) ROW(name, TYPE, value, json, true, __VA_ARGS__)
#define PASSING(name, TYPE, value, json, ...) ROW(name, TYPE, value, json, false, __VA_ARGS__)

const struct store_setting_row store_setting_rows[STORE_SETTINGS_COUNT + 1] = {
    STORE_SETTINGS_STORED(STORED) STORE_SETTINGS_PASSING(PASSING){.key = NULL}};

/* ---- one value ---- */

uint64_t store_row_number(const struct store_setting_row *row, const struct store_settings *s)
{
    uint64_t n;
    memcpy(&n, (const char *)s + row->offset, sizeof n);
    return n;
}

void store_row_set(const struct store_setting_row *row, struct store_settings *s, uint64_t n)
{
    memcpy((char *)s + row->offset, &n, sizeof n);
}

const char *store_row_text(const struct store_setting_row *row, const struct store_settings *s)
{
    return (const char *)s + row->offset;
}

char *store_row_room(const struct store_setting_row *row, struct store_settings *s)
{
    return (char *)s + row->offset;
}

static void copy(const struct store_setting_row *row, struct store_settings *to, const struct store_settings *from)
{
    size_t size = row->type == STORE_TYPE_HOURS ? HOURS_SIZE : sizeof(uint64_t);
    memcpy((char *)to + row->offset, (const char *)from + row->offset, size);
}

static void set_default(const struct store_setting_row *row, struct store_settings *s)
{
    if (row->type == STORE_TYPE_HOURS)
        store_row_room(row, s)[0] = '\0';
    else
        store_row_set(row, s, row->otherwise);
}

static bool is_same(const struct store_setting_row *row, const struct store_settings *a, const struct store_settings *b)
{
    return row->type == STORE_TYPE_HOURS ? strcmp(store_row_text(row, a), store_row_text(row, b)) == 0
                                         : store_row_number(row, a) == store_row_number(row, b);
}

bool store_row_is_default(const struct store_setting_row *row, const struct store_settings *s)
{
    return row->type == STORE_TYPE_HOURS ? !*store_row_text(row, s) : store_row_number(row, s) == row->otherwise;
}

uint64_t store_row_most(const struct store_setting_row *row)
{
    static const uint64_t most[] = {[STORE_TYPE_COUNT] = INT64_MAX,
        [STORE_TYPE_SPAN] = STORE_SPAN_MAX_MS,
        [STORE_TYPE_BYTES] = INT64_MAX,
        [STORE_TYPE_PERMILLE] = STORE_PERMILLE_MAX,
        [STORE_TYPE_FLAG] = 1,
        [STORE_TYPE_INDICES] = INT64_MAX,
        [STORE_TYPE_SEED] = INT64_MAX};
    return row->most ? row->most : most[row->type];
}

/* ---- all of them ---- */

void store_settings_init(struct store_settings *s)
{
    *s = (struct store_settings){0};
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++)
        set_default(row, s);
}

void store_settings_init_told(struct store_settings *s, enum store_told told)
{
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++)
        if (row->told == told)
            set_default(row, s);
}

void store_settings_copy_stored(struct store_settings *to, const struct store_settings *from)
{
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++)
        if (row->is_stored)
            copy(row, to, from);
}

void store_settings_add_host(struct store_settings *to, const struct store_settings *from)
{
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++)
        if ((row->on.where & STORE_HOST) && store_row_is_default(row, to))
            copy(row, to, from);
}

bool store_settings_same(const struct store_settings *a, const struct store_settings *b, enum store_told told)
{
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++)
        if (row->told == told && !is_same(row, a, b))
            return false;
    return true;
}

bool store_settings_pause(const struct store_settings *s)
{
    return s->pause_load_permille || s->pause_user_ms || s->hours[0];
}

static enum clw_err refuse(const struct store_setting_row *row, struct clw_error *err)
{
    if (row->wrong)
        return clw_fail(err, CLW_USAGE, row->hint, "%s", row->wrong);
    switch (row->type) {
    case STORE_TYPE_SPAN: return clw_fail(err, CLW_USAGE, row->hint, "a time limit is at most ten years");
    case STORE_TYPE_PERMILLE:
        return clw_fail(err, CLW_USAGE, row->hint, "a number of CPUs or a load is at most %d", STORE_PARTS_MAX);
    case STORE_TYPE_SEED: return clw_fail(err, CLW_USAGE, row->hint, "a seed is 0 or more");
    default: return clw_fail(err, CLW_USAGE, row->hint, "a limit is too large");
    }
}

enum clw_err store_settings_check(const struct store_settings *s, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++) {
        uint64_t n = row->type == STORE_TYPE_HOURS ? 0 : store_row_number(row, s);
        if (row->type == STORE_TYPE_HOURS)
            code = hours_check(store_row_text(row, s), err);
        else if (n != row->otherwise && (n > store_row_most(row) || (n && n < row->least)))
            code = refuse(row, err);
        if (code)
            return code;
    }
    return CLW_OK;
}

/* ---- as people write it ---- */

const struct store_setting_row *store_row_find(const char *name, size_t len)
{
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++)
        if (strlen(row->on.name) == len && memcmp(row->on.name, name, len) == 0)
            return row;
    return NULL;
}

const char *store_row_metavariable(const struct store_setting_row *row)
{
    static const char *const words[] = {[STORE_TYPE_COUNT] = "N",
        [STORE_TYPE_SPAN] = "D",
        [STORE_TYPE_BYTES] = "SIZE",
        [STORE_TYPE_PERMILLE] = "X",
        [STORE_TYPE_FLAG] = NULL,
        [STORE_TYPE_INDICES] = "N,...",
        [STORE_TYPE_SEED] = "N",
        [STORE_TYPE_HOURS] = "HH:MM-HH:MM,..."};
    return words[row->type];
}

static enum clw_err parse_permille(const char *what, const char *text, uint64_t *permille, struct clw_error *err)
{
    char *end;
    double value = strtod(text, &end);
    bool good = end != text && !*end && strspn(text, "0123456789.") == strlen(text) && value <= STORE_PARTS_MAX;
    if (!good || (value > 0 && value < 0.01))
        return clw_fail(err, CLW_USAGE, "write it like 0.5 or 4", "'%.40s' is not a %s (0.01 to %d; 0: no limit)", text,
            what, STORE_PARTS_MAX);
    *permille = (uint64_t)lround(value * 1000);
    return CLW_OK;
}

static enum clw_err parse_flag(const char *text, uint64_t *flag, struct clw_error *err)
{
    *flag = strcmp(text, "yes") == 0;
    return *flag || strcmp(text, "no") == 0 ? CLW_OK
                                            : clw_fail(err, CLW_USAGE, NULL, "'%.40s' is neither yes nor no", text);
}

static enum clw_err parse_indices(
    const struct store_setting_row *row, const char *text, uint64_t *mask, struct clw_error *err)
{
    char *end;
    *mask = 0;
    for (const char *at = text; *at; at = end + (*end == ',')) {
        unsigned long n = strtoul(at, &end, 10);
        if (end == at || *at < '0' || *at > '9' || (*end && *end != ',') || (*end == ',' && !end[1]) ||
            n >= STORE_INDICES_MAX)
            return clw_fail(err, CLW_USAGE, "write them like 0,2", "%s", row->wrong);
        *mask |= UINT64_C(1) << n;
    }
    return CLW_OK;
}

static void write_indices(uint64_t mask, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < STORE_INDICES_MAX && used < size; i++)
        if (mask >> i & 1)
            used += (size_t)snprintf(out + used, size - used, "%s%u", used ? "," : "", i);
}

static enum clw_err parse_number(
    const struct store_setting_row *row, const char *text, uint64_t *n, struct clw_error *err)
{
    int64_t whole = 0;
    switch (row->type) {
    case STORE_TYPE_SPAN: return text_parse_duration(text, n, err);
    case STORE_TYPE_BYTES: return text_parse_size(text, n, err);
    case STORE_TYPE_PERMILLE: return parse_permille(row->what, text, n, err);
    case STORE_TYPE_FLAG: return parse_flag(text, n, err);
    case STORE_TYPE_INDICES: return parse_indices(row, text, n, err);
    default: break;
    }
    enum clw_err code = text_parse_int(text, 0, (int64_t)store_row_most(row), &whole, err);
    *n = (uint64_t)whole;
    return code;
}

enum clw_err store_row_parse(
    const struct store_setting_row *row, const char *text, struct store_settings *s, struct clw_error *err)
{
    uint64_t n = 0;
    bool is_hours = row->type == STORE_TYPE_HOURS;
    enum clw_err code = is_hours ? hours_check(text, err) : parse_number(row, text, &n, err);
    if (!code && is_hours)
        snprintf(store_row_room(row, s), HOURS_SIZE, "%s", text);
    else if (!code)
        store_row_set(row, s, n);
    return code;
}

void store_row_write(const struct store_setting_row *row, const struct store_settings *s, char *out, size_t size)
{
    unsigned long long n = row->type == STORE_TYPE_HOURS ? 0 : store_row_number(row, s);
    if (store_row_is_default(row, s))
        out[0] = '\0';
    else if (row->type == STORE_TYPE_HOURS)
        snprintf(out, size, "%s", store_row_text(row, s));
    else if (row->type == STORE_TYPE_SPAN)
        snprintf(out, size, n % 1000 ? "%llums" : "%llus", n % 1000 ? n : n / 1000);
    else if (row->type == STORE_TYPE_PERMILLE)
        snprintf(out, size, "%g", (double)n / 1000);
    else if (row->type == STORE_TYPE_FLAG)
        snprintf(out, size, "%s", n ? "yes" : "no");
    else if (row->type == STORE_TYPE_INDICES)
        write_indices(n, out, size);
    else
        snprintf(out, size, "%llu", n);
}
