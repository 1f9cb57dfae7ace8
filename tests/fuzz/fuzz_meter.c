/* What passes between a daemon of another engine and its base, in pieces both ways: counts stay in step with the bytes.
 */
#include "hosts/remote/meter.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

/* First byte: the framing. Then pieces: a byte with direction and length, and so many bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct meter_counts c;
    uint64_t up = 0, down = 0;
    if (!size)
        return 0;
    struct meter *m = meter_new((enum meter_kind)(data[0] % 4));
    struct meter_stream *s = meter_open(m);
    for (size_t at = 1; at < size;) {
        bool is_up = data[at] & 1;
        size_t n = data[at++] >> 1;
        n = n < size - at ? n : size - at;
        (is_up ? meter_up : meter_down)(s, data + at, n);
        *(is_up ? &up : &down) += n;
        at += n;
        meter_read(m, &c);
        must(c.bytes_up == up && c.bytes_down == down && c.busy <= 1 && c.connections == 1);
        must(c.tasks + c.cancels <= c.frames_down && c.results <= c.frames_up);
        must(8 * c.frames_down <= down && 8 * c.frames_up <= up);
    }
    meter_close(s);
    meter_read(m, &c);
    must(c.busy == 0 && c.connections == 0);
    meter_rele(m);
    return 0;
}
