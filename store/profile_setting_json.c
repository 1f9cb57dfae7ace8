/* A profile's settings, to JSON and back. */
#include "store/profile_setting_json.h"

#include <math.h>
#include <stdio.h>

static json_t *indices_json(uint64_t mask)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < STORE_INDICES_MAX; i++)
        if (mask >> i & 1)
            json_array_append_new(list, json_integer(i));
    return list;
}

static bool take_indices(const json_t *value, uint64_t *mask)
{
    const json_t *item;
    size_t i;
    *mask = 0;
    json_array_foreach (value, i, item) {
        json_int_t n = json_is_integer(item) ? json_integer_value(item) : -1;
        if (n < 0 || n >= STORE_INDICES_MAX)
            return false;
        *mask |= UINT64_C(1) << n;
    }
    return json_is_array(value);
}

static json_t *value_of(const struct store_setting_row *row, const struct store_settings *s)
{
    uint64_t n = row->type == STORE_TYPE_HOURS ? 0 : store_row_number(row, s);
    switch (row->type) {
    case STORE_TYPE_PERMILLE: return json_real((double)n / 1000);
    case STORE_TYPE_FLAG: return json_boolean(n);
    case STORE_TYPE_INDICES: return indices_json(n);
    case STORE_TYPE_SEED: return n == STORE_SEED_NONE ? json_null() : json_integer((json_int_t)n);
    case STORE_TYPE_HOURS: return json_string(store_row_text(row, s));
    default: return json_integer((json_int_t)n);
    }
}

void store_row_put(json_t *o, const struct store_setting_row *row, const struct store_settings *s)
{
    json_object_set_new(o, row->key, value_of(row, s));
}

void store_settings_put(json_t *o, const struct store_settings *s)
{
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++)
        if (row->is_stored)
            store_row_put(o, row, s);
}

void store_settings_put_host(json_t *o, const struct store_settings *s)
{
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++)
        if ((row->on.where & STORE_HOST) && !store_row_is_default(row, s))
            store_row_put(o, row, s);
}

static bool take_whole(const json_t *value, uint64_t most, uint64_t *n)
{
    *n = (uint64_t)json_integer_value(value);
    return json_is_integer(value) && json_integer_value(value) >= 0 && *n <= most;
}

static bool take_permille(const json_t *value, uint64_t *n)
{
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= 0) || number > STORE_PARTS_MAX)
        return false;
    *n = (uint64_t)lround(number * 1000);
    return true;
}

static bool take_hours(const struct store_setting_row *row, const json_t *value, struct store_settings *s)
{
    const char *text = json_string_value(value);
    return text && store_row_parse(row, text, s, NULL) == CLW_OK;
}

static bool take(const struct store_setting_row *row, const json_t *value, struct store_settings *s)
{
    uint64_t n = 0;
    bool good;
    if (row->type == STORE_TYPE_HOURS)
        return take_hours(row, value, s);
    if (row->type == STORE_TYPE_FLAG) {
        n = json_is_true(value);
        good = json_is_boolean(value);
    } else if (row->type == STORE_TYPE_INDICES) {
        good = take_indices(value, &n);
    } else if (row->type == STORE_TYPE_SEED && json_is_null(value)) {
        n = STORE_SEED_NONE;
        good = true;
    } else {
        good = row->type == STORE_TYPE_PERMILLE ? take_permille(value, &n) : take_whole(value, store_row_most(row), &n);
    }
    if (good)
        store_row_set(row, s, n);
    return good;
}

const struct store_setting_row *store_settings_take(const json_t *o, struct store_settings *s)
{
    struct store_settings all = *s;
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++) {
        const json_t *value = json_object_get(o, row->key);
        if (value && !take(row, value, &all))
            return row;
    }
    *s = all;
    return NULL;
}
