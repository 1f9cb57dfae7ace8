/* The settings of a profile: the rows of the table, and each value's ways through text, the store, JSON and the wire.
 */
#include "engine/wire/wire_settings.h"
#include "store/profile.h"
#include "store/profile_setting_json.h"
#include "store/transfer.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct clw_error error;

static void ok(enum clw_err code)
{
    if (code)
        fail_msg("%s", error.message);
}

static void fails(enum clw_err wanted, enum clw_err code)
{
    assert_int_equal(code, wanted);
}

/* Each row is whole: its names and its number on the wire are its own, and it can be shown and filled in. */
static void test_setting_rows(void **state)
{
    (void)state;
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++) {
        assert_non_null(row->on.name);
        assert_true(store_row_find(row->on.name, strlen(row->on.name)) == row);
        assert_true((row->wire != 0) == (row->told != STORE_TOLD_NEVER));
        assert_true(!row->wire || (row->wire > WIRE_K_ENV && row->wire < WIRE_K_FUNC));
        assert_true(row->wire != WIRE_K_PROFILE && row->wire != WIRE_K_INSTANCE);
        assert_true(row->is_stored == (row->form.section != STORE_FORM_NOWHERE));
        assert_true(row->type != STORE_TYPE_PERMILLE || row->what);
        for (const struct store_setting_row *other = store_setting_rows; other < row; other++) {
            assert_true(!row->wire || row->wire != other->wire);
            assert_string_not_equal(row->key, other->key);
            assert_string_not_equal(row->on.name, other->on.name);
        }
    }
}

/* A value that is not the default, as people write it. */
static const char *example(const struct store_setting_row *row)
{
    static const char *const texts[] = {[STORE_TYPE_COUNT] = "9",
        [STORE_TYPE_SPAN] = "90s",
        [STORE_TYPE_BYTES] = "3145728",
        [STORE_TYPE_PERMILLE] = "1.5",
        [STORE_TYPE_INDICES] = "0,2,62",
        [STORE_TYPE_SEED] = "7",
        [STORE_TYPE_HOURS] = "20:00-07:00"};
    return row->type == STORE_TYPE_FLAG ? row->otherwise ? "no" : "yes" : texts[row->type];
}

/* Each setting goes through text, the store, an export and JSON as it is, and stands in nobody's place. */
static void test_setting_trips(void **state)
{
    (void)state;
    struct store *s, *other;
    ok(store_open(":memory:", &s, &error));
    ok(store_open(":memory:", &other, &error));
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++) {
        struct store_profile p, got;
        char text[HOURS_SIZE], *json;
        size_t len;
        store_profile_init(&p);
        snprintf(p.name, sizeof p.name, "p");
        ok(store_row_parse(row, example(row), &p.set, &error));
        store_row_write(row, &p.set, text, sizeof text);
        assert_string_equal(text, example(row));
        for (const struct store_setting_row *each = store_setting_rows; each->key; each++)
            assert_true(store_row_is_default(each, &p.set) == (each != row));
        if (!row->is_stored)
            continue;
        ok(store_profile_set(s, &p, &error));
        ok(store_profile_get(s, "p", &got, &error));
        assert_memory_equal(&got.set, &p.set, sizeof p.set);
        store_profile_fini(&got);
        ok(store_export(s, &json, &len, &error));
        ok(store_import(other, json, len, STORE_IMPORT_MERGE, NULL, &error));
        ok(store_profile_get(other, "p", &got, &error));
        assert_memory_equal(&got.set, &p.set, sizeof p.set);
        store_profile_fini(&got);
        store_profile_fini(&p);
        free(json);
    }
    store_close(other);
    store_close(s);
}

/* What a daemon is told it knows; what it is told at another time it does not take. */
static void test_setting_wire(void **state)
{
    (void)state;
    static const enum store_told times[] = {STORE_TOLD_WELCOME, STORE_TOLD_TERMS};
    struct store_settings all;
    store_settings_init(&all);
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++)
        ok(store_row_parse(row, example(row), &all, &error));
    for (size_t i = 0; i < 2; i++) {
        struct store_settings got;
        struct wire_fields w;
        struct buf b = {0};
        store_settings_init(&got);
        wire_add_settings(&b, &all, times[i]);
        wire_fields_init(&w, b.data, b.len);
        while (wire_fields_next(&w)) {
            struct store_settings before = got;
            wire_take_setting(&w, &got, times[1 - i]);
            assert_memory_equal(&got, &before, sizeof got);
            wire_take_setting(&w, &got, times[i]);
        }
        assert_true(store_settings_same(&got, &all, times[i]));
        assert_false(store_settings_same(&got, &all, times[1 - i]));
        buf_fini(&b);
    }
}

/* What is wrong in a description of settings is named, and what stood before stays. */
static void test_settings_taken(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wrong;
    } cases[] = {
        {"{}", NULL},
        {"{'nice': 20}", "nice"},
        {"{'nice': -1}", "nice"},
        {"{'nice': 1.5}", "nice"},
        {"{'cpus': -0.5}", "cpus"},
        {"{'cpus': 'two'}", "cpus"},
        {"{'cpus': 1e300}", "cpus"},
        {"{'mem_bytes': -1}", "mem_bytes"},
        {"{'pause_load': []}", "pause_load"},
        {"{'pause_user_ms': '5m'}", "pause_user_ms"},
        {"{'pause_now': 1}", "pause_now"},
        {"{'no_new_privs': 'no'}", "no_new_privs"},
        {"{'hours': 'always'}", "hours"},
        {"{'hours': 5}", "hours"},
        {"{'idletime_ms': '1m'}", "idletime_ms"},
        {"{'nice': 6, 'maxtasks': -1}", "maxtasks"},
        {"{'seed': -1}", "seed"},
        {"{'seed': 'x'}", "seed"},
        {"{'respawn': null}", "respawn"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct store_settings m = {.nice = 5, .cpus_permille = 500, .hours = "20:00-07:00", .no_new_privs = 1}, was = m;
        char text[64], *quote;
        snprintf(text, sizeof text, "%s", cases[i].text);
        while ((quote = strchr(text, '\'')))
            *quote = '"';
        json_t *o = json_loads(text, 0, NULL);
        assert_non_null(o);
        const struct store_setting_row *wrong = store_settings_take(o, &m);
        assert_true(cases[i].wrong ? wrong && strcmp(wrong->key, cases[i].wrong) == 0 : !wrong);
        assert_memory_equal(&m, &was, sizeof m);
        json_decref(o);
    }
    struct store_settings m;
    store_settings_init(&m);
    ok(store_settings_check(&m, &error));
    m.mem_bytes = 1000;
    fails(CLW_USAGE, store_settings_check(&m, &error));
    m.mem_bytes = 0, m.nice = STORE_NICE_MAX + 1;
    fails(CLW_USAGE, store_settings_check(&m, &error));
    m.nice = 0, m.cpus_permille = STORE_PERMILLE_MAX + 1;
    fails(CLW_USAGE, store_settings_check(&m, &error));
    m.cpus_permille = 0, m.pause_user_ms = STORE_SPAN_MAX_MS + 1;
    fails(CLW_USAGE, store_settings_check(&m, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_setting_rows),
        cmocka_unit_test(test_setting_trips),
        cmocka_unit_test(test_setting_wire),
        cmocka_unit_test(test_settings_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
