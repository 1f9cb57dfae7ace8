/* Any bytes as frames, cut as they come: what passes the header stays within its bounds, and so does what is taken out
 * of the bodies - slices, reports, fields, functions. */
#include "engine/wire/func.h"
#include "engine/wire/wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink;

static void touch(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sink ^= data[i];
}

static void slices(const struct frame *f)
{
    struct wire_slices s;
    struct clw_error err;
    if (wire_slices(f, &s, &err))
        return;
    for (uint32_t i = 0; i < s.n; i++) {
        uint32_t from = wire_slice_start(&s, i), to = wire_slice_end(&s, i);
        if (from > to || to > s.bytes_len)
            abort();
        touch(s.bytes + from, to - from);
    }
}

static void report(const struct frame *f)
{
    struct wire_report r;
    struct clw_error err;
    if (wire_get_report(f, &r, &err))
        return;
    touch(r.out, r.out_len);
    touch(r.err, r.err_len);
    touch(r.why, r.why_len);
}

static void fields(const struct frame *f)
{
    struct wire_fields w;
    char small[16];
    wire_fields_init(&w, f->body, f->len);
    while (wire_fields_next(&w)) {
        touch(w.data, w.len);
        wire_field_number(&w);
        if (wire_field_copy(&w, small, sizeof small) && !memchr(small, 0, sizeof small))
            abort();
        free(wire_field_text(&w));
    }
}

/* What was read, written and read again is the same. */
static void function(const struct frame *f)
{
    struct func a, b;
    struct clw_error err;
    struct buf out = {0};
    if (func_decode(&a, f->body, f->len, &err) == CLW_OK) {
        func_encode(&a, &out);
        if (func_decode(&b, out.data, out.len, &err) || b.argc != a.argc || b.file_count != a.file_count ||
            strcmp(b.argv[0], a.argv[0]) != 0)
            abort();
        func_fini(&b);
    }
    func_fini(&a);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    while (size >= WIRE_HEADER) {
        struct frame f;
        struct clw_error err;
        if (wire_get_header(data, WIRE_BODY_MAX, &f, &err) || f.len > size - WIRE_HEADER)
            break;
        f.body = data + WIRE_HEADER;
        slices(&f);
        report(&f);
        fields(&f);
        function(&f);
        data += WIRE_HEADER + f.len;
        size -= WIRE_HEADER + f.len;
    }
    return 0;
}
