/* The codec: every frame and field survives the way there and back, and nothing that is cut, huge or contradictory
 * does. */
#include "engine/wire/func.h"
#include "engine/wire/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void test_header(void **state)
{
    (void)state;
    uint8_t bytes[WIRE_HEADER];
    struct clw_error err;
    struct frame g, f = {.type = WIRE_REPORT,
                        .flags = 1,
                        .code = 0x1234,
                        .job = 7,
                        .n = 9,
                        .run_us = 11,
                        .daemon = 0x05000003,
                        .len = 100,
                        .first = 0x1122334455667788u};
    wire_put_header(bytes, &f);
    assert_int_equal(wire_get_header(bytes, 100, &g, &err), CLW_OK);
    assert_memory_equal(&f, &g, offsetof(struct frame, body));
    assert_int_equal(wire_get_header(bytes, 99, &g, &err), CLW_PROTOCOL);
    bytes[4] = 0;
    assert_int_equal(wire_get_header(bytes, 100, &g, &err), CLW_PROTOCOL);
    bytes[4] = WIRE_TYPE_COUNT;
    assert_int_equal(wire_get_header(bytes, 100, &g, &err), CLW_PROTOCOL);
}

static enum clw_err slices(uint32_t n, const uint32_t *ends, uint32_t bytes, struct wire_slices *s)
{
    static uint8_t body[256];
    for (uint32_t i = 0; i < n && i < 10; i++)
        le_put_u32(body + 4 * i, ends[i]);
    struct frame f = {.n = n, .len = 4 * (n < 10 ? n : 10) + bytes, .body = body};
    return wire_slices(&f, s, NULL);
}

static void test_slices(void **state)
{
    (void)state;
    struct wire_slices s;
    assert_int_equal(slices(3, (uint32_t[]){2, 2, 5}, 5, &s), CLW_OK);
    assert_int_equal(wire_slice_start(&s, 0), 0);
    assert_int_equal(wire_slice_end(&s, 0), 2);
    assert_int_equal(wire_slice_start(&s, 2), 2);
    assert_int_equal(wire_slice_end(&s, 2), 5);
    assert_int_equal(slices(2, (uint32_t[]){1002, 1005}, 5, &s), CLW_OK); /* a part of something longer */
    assert_int_equal(wire_slice_end(&s, 0), 2);
    assert_int_equal(slices(0, NULL, 5, &s), CLW_PROTOCOL);
    assert_int_equal(slices(1000, (uint32_t[]){0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 5, &s), CLW_PROTOCOL);
    assert_int_equal(slices(2, (uint32_t[]){4, 3}, 3, &s), CLW_PROTOCOL); /* falls */
    assert_int_equal(slices(2, (uint32_t[]){3, 4}, 5, &s), CLW_PROTOCOL); /* bytes left over */
    assert_int_equal(slices(2, (uint32_t[]){0, 9}, 5, &s), CLW_PROTOCOL); /* starts below its base */
}

static void test_fields(void **state)
{
    (void)state;
    struct buf b = {0};
    struct wire_fields w;
    char text[8];
    wire_add_text(&b, 5, "hello");
    wire_add_number(&b, 999, 42);
    wire_add_field(&b, 6, "a\0b", 3);
    wire_fields_init(&w, b.data, b.len);
    assert_true(wire_fields_next(&w) && w.key == 5);
    assert_true(wire_field_copy(&w, text, sizeof text));
    assert_string_equal(text, "hello");
    assert_false(wire_field_copy(&w, text, 5));
    assert_int_equal(wire_field_number(&w), 0);
    assert_true(wire_fields_next(&w) && w.key == 999 && wire_field_number(&w) == 42);
    assert_true(wire_fields_next(&w) && wire_field_text(&w) == NULL);
    assert_false(wire_fields_next(&w) || w.broken);
    for (size_t cut = 0; cut < b.len; cut++) { /* cut anywhere: whole fields, then broken or the end */
        wire_fields_init(&w, b.data, cut);
        while (wire_fields_next(&w))
            assert_true(w.data + w.len <= b.data + cut);
        assert_int_equal(w.broken, cut != 0 && cut != 11 && cut != 25 && cut != b.len);
    }
    buf_fini(&b);
}

static void test_report(void **state)
{
    (void)state;
    uint8_t body[WIRE_REPORT_HEAD + 9] = {0};
    struct wire_report back, r = {.exit_status = -1,
                                 .signal = 9,
                                 .run_us = 5,
                                 .queued_us = 6,
                                 .out_total = 1 << 20,
                                 .out_len = 4,
                                 .err_len = 3,
                                 .why_len = 2,
                                 .file_count = 3,
                                 .file_bytes = (uint64_t)5 << 32};
    struct frame f = {.n = 1, .len = sizeof body, .body = body};
    wire_put_report(body, &r);
    memcpy(body + WIRE_REPORT_HEAD, "outserwhy", 9);
    assert_int_equal(wire_get_report(&f, &back, NULL), CLW_OK);
    assert_int_equal(back.exit_status, -1);
    assert_int_equal(back.signal, 9);
    assert_int_equal(back.out_total, 1 << 20);
    assert_memory_equal(back.err, "erw", 3);
    assert_int_equal(back.file_count, 3);
    assert_int_equal(back.file_bytes, (uint64_t)5 << 32);
    for (f.len = 0; f.len < sizeof body; f.len++)
        assert_int_equal(wire_get_report(&f, &back, NULL), CLW_PROTOCOL);
    le_put_u32(body + 32, 0xffffffff); /* sums past 32 bits are not taken for small */
    le_put_u32(body + 36, 10);
    f.len = sizeof body;
    assert_int_equal(wire_get_report(&f, &back, NULL), CLW_PROTOCOL);
}

static void test_func(void **state)
{
    (void)state;
    struct func f, g, copy;
    struct buf b = {0};
    struct clw_error err;
    func_init(&f);
    func_add_arg(&f, "sh");
    func_add_arg(&f, "");
    func_add_arg(&f, "with 'quotes'\n");
    f.profile = mem_strdup("gpu");
    f.timeout_ms = 1234;
    f.has_seed = true;
    f.seed = UINT64_MAX;
    f.kind = FUNC_FRAMED;
    func_add_file(&f, "data.bin", (uint8_t *)mem_strdup("xyz"), 3, true);
    func_encode(&f, &b);
    assert_int_equal(func_decode(&g, b.data, b.len, &err), CLW_OK);
    func_copy(&copy, &g);
    assert_int_equal(copy.argc, 3);
    assert_string_equal(copy.argv[2], "with 'quotes'\n");
    assert_string_equal(copy.profile, "gpu");
    assert_true(copy.seed == UINT64_MAX && copy.timeout_ms == 1234 && copy.kind == FUNC_FRAMED);
    assert_true(copy.file_count == 1 && copy.files[0].executable && memcmp(copy.files[0].data, "xyz", 3) == 0);
    func_fini(&copy);
    func_fini(&g);
    for (size_t cut = 0; cut < b.len; cut++) { /* cut anywhere: never more than there is */
        func_decode(&g, b.data, cut, &err);
        func_fini(&g);
    }
    buf_clear(&b);
    f.files[0].name[0] = '/'; /* no way out of the job's folder */
    func_encode(&f, &b);
    assert_int_equal(func_decode(&g, b.data, b.len, &err), CLW_PROTOCOL);
    func_fini(&g);
    func_fini(&f);
    buf_fini(&b);
    assert_int_equal(func_decode(&g, (const uint8_t *)"", 0, &err), CLW_USAGE);
    func_fini(&g);
    assert_true(func_task_seed(1, 0) != func_task_seed(1, 1) && func_task_seed(1, 0) != func_task_seed(2, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_header), cmocka_unit_test(test_slices),
        cmocka_unit_test(test_fields), cmocka_unit_test(test_report), cmocka_unit_test(test_func)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
