/* Counting what passes: framings of SP, mirai and Dask, in pieces of any size, and bytes that are none of them. */
#include "base/mem.h"
#include "hosts/remote/meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void greet(struct buf *b, uint16_t protocol)
{
    const uint8_t bytes[] = {0, 'S', 'P', 0, (uint8_t)(protocol >> 8), (uint8_t)protocol, 0, 0};
    buf_add(b, bytes, sizeof bytes);
}

static void frame(struct buf *b, const void *body, size_t len)
{
    uint64_t n = len + 4;
    uint8_t head[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}; /* length, hop count */
    for (int i = 0; i < 8; i++)
        head[7 - i] = (uint8_t)(n >> (8 * i));
    buf_add(b, head, sizeof head);
    buf_add(b, body, len);
}

static const uint8_t init[] = "\x42\x0a\x03\0\0\0 some set-up", result[] = "\x42\x0a\x03\0\0\0 a result",
                     task[] = "\x07\0\0\0\1\0\0\0\x42\x0a\x03\0\0\0 a task",
                     last[] = "\x07\0\0\1\1\0\0\0\x42\x0a\x03\0\0\0 the last";

typedef void feed_fn(struct meter_stream *s, const void *data, size_t len);

static void in_pieces(struct meter_stream *s, feed_fn *feed, const struct buf *b, size_t piece)
{
    for (size_t at = 0; at < b->len; at += piece)
        feed(s, b->data + at, at + piece < b->len ? piece : b->len - at);
}

static void mirai(void **state)
{
    (void)state;
    struct buf down = {0}, up = {0};
    struct meter_counts c;
    greet(&down, 0x11);
    frame(&down, init, sizeof init - 1);
    for (int i = 0; i < 5; i++)
        frame(&down, task, sizeof task - 1);
    frame(&down, "", 0); /* a cancellation */
    greet(&up, 0x11);
    for (int i = 0; i < 4; i++)
        frame(&up, result, sizeof result - 1);
    for (size_t piece = 1; piece < 70; piece++) {
        struct meter *m = meter_new(METER_MIRAI);
        struct meter_stream *s = meter_open(m);
        in_pieces(s, meter_down, &down, piece);
        meter_read(m, &c);
        assert_int_equal(c.busy, 1);
        in_pieces(s, meter_up, &up, piece);
        meter_read(m, &c);
        assert_true(c.is_framed);
        assert_int_equal(c.tasks, 5);
        assert_int_equal(c.results, 4);
        assert_int_equal(c.cancels, 1);
        assert_int_equal(c.frames_down, 7);
        assert_int_equal(c.frames_up, 4);
        assert_int_equal(c.bytes_down, down.len);
        assert_int_equal(c.bytes_up, up.len);
        assert_int_equal(c.connections, 1);
        meter_close(s);
        meter_read(m, &c);
        assert_int_equal(c.connections, 0);
        assert_int_equal(c.busy, 0);
        meter_rele(m);
    }
    buf_fini(&down);
    buf_fini(&up);
}

/* A daemon that retires says so with its last result; the empty frame that follows is no cancellation. */
static void retiring(void **state)
{
    (void)state;
    struct buf down = {0}, up = {0}, ack = {0};
    struct meter_counts c;
    struct meter *m = meter_new(METER_MIRAI);
    struct meter_stream *s = meter_open(m);
    greet(&down, 0x11);
    frame(&down, init, sizeof init - 1);
    frame(&down, task, sizeof task - 1);
    greet(&up, 0x11);
    frame(&up, last, sizeof last - 1);
    frame(&ack, "", 0);
    in_pieces(s, meter_down, &down, 1000);
    in_pieces(s, meter_up, &up, 1000);
    in_pieces(s, meter_down, &ack, 1000);
    meter_read(m, &c);
    assert_int_equal(c.results, 1);
    assert_int_equal(c.cancels, 0);
    assert_int_equal(c.busy, 0);
    meter_close(s);
    meter_rele(m);
    buf_fini(&down);
    buf_fini(&up);
    buf_fini(&ack);
}

/* Without its dispatcher R is REQ: the first frame is a task already. */
static void without_dispatcher(void **state)
{
    (void)state;
    struct buf down = {0};
    struct meter_counts c;
    struct meter *m = meter_new(METER_MIRAI);
    struct meter_stream *s = meter_open(m);
    greet(&down, 0x30);
    frame(&down, result, sizeof result - 1);
    frame(&down, result, sizeof result - 1);
    in_pieces(s, meter_down, &down, 3);
    meter_read(m, &c);
    assert_int_equal(c.tasks, 2);
    meter_close(s);
    meter_rele(m);
    buf_fini(&down);
}

static void dask(void **state)
{
    (void)state;
    struct buf b = {0};
    struct meter_counts c;
    for (uint8_t n = 0; n < 20; n++) {
        uint8_t head[8] = {n, 0, 0, 0, 0, 0, 0, 0}, body[20] = {0};
        buf_add(&b, head, 8);
        buf_add(&b, body, n);
    }
    for (size_t piece = 1; piece < 50; piece++) {
        struct meter *m = meter_new(METER_DASK);
        struct meter_stream *s = meter_open(m);
        in_pieces(s, meter_up, &b, piece);
        meter_read(m, &c);
        assert_true(c.is_framed);
        assert_int_equal(c.frames_up, 20);
        assert_int_equal(c.results, 0);
        meter_close(s);
        meter_rele(m);
    }
    buf_fini(&b);
}

/* A length over 32 bits is followed without holding any of it. */
static void huge(void **state)
{
    (void)state;
    static uint8_t zeros[1 << 20];
    uint64_t n = (UINT64_C(5) << 30) + 4, left = n - 4;
    struct buf b = {0};
    struct meter_counts c;
    struct meter *m = meter_new(METER_SP);
    struct meter_stream *s = meter_open(m);
    greet(&b, 0x11);
    frame(&b, "", 0);
    for (int i = 0; i < 8; i++)
        b.data[15 - i] = (uint8_t)(n >> (8 * i));
    in_pieces(s, meter_down, &b, 1000);
    for (; left; left -= sizeof zeros)
        meter_down(s, zeros, sizeof zeros);
    meter_read(m, &c);
    assert_int_equal(c.frames_down, 1);
    assert_int_equal(c.bytes_down, n + 16);
    assert_true(c.is_framed);
    meter_close(s);
    meter_rele(m);
    buf_fini(&b);
}

static void strange(void **state)
{
    (void)state;
    static const char *const texts[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03",
        "\0SP\0\0\x11\0\0\xff\xff\xff\xff\xff\xff\xff\xff rest", "\0SP\0\0\x11\0\1"};
    static const size_t lens[] = {27, 10, 21, 8};
    struct meter_counts c;
    for (size_t i = 0; i < 4; i++) {
        struct meter *m = meter_new(METER_MIRAI);
        struct meter_stream *s = meter_open(m);
        meter_down(s, texts[i], lens[i]);
        meter_up(s, "more", 4);
        meter_read(m, &c);
        assert_false(c.is_framed);
        assert_int_equal(c.bytes_down, lens[i]);
        assert_int_equal(c.bytes_up, 4);
        assert_int_equal(c.tasks + c.results + c.busy, 0);
        meter_close(s);
        meter_rele(m);
    }
}

static unsigned seen[4];
static size_t seen_count;

static void on_change(void *arg, unsigned n)
{
    assert_ptr_equal(arg, seen);
    seen[seen_count++] = n;
}

static void connections(void **state)
{
    (void)state;
    struct meter *m = meter_new(METER_BYTES);
    meter_watch(m, on_change, seen);
    struct meter_stream *a = meter_open(m), *b = meter_open(m);
    meter_close(a);
    meter_watch(m, NULL, NULL);
    meter_rele(m); /* b keeps it */
    meter_up(b, "x", 1);
    meter_close(b);
    assert_int_equal(seen_count, 3);
    assert_int_equal(seen[0], 1);
    assert_int_equal(seen[1], 2);
    assert_int_equal(seen[2], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mirai),
        cmocka_unit_test(retiring),
        cmocka_unit_test(without_dispatcher),
        cmocka_unit_test(dask),
        cmocka_unit_test(huge),
        cmocka_unit_test(strange),
        cmocka_unit_test(connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
