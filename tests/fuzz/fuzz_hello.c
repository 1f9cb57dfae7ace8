/* Any bytes as a hello: what is read is terminated text, and only what begins like ours passes. */
#include "engine/wire/wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_hello h;
    struct frame f = {.type = WIRE_HELLO, .len = (uint32_t)size, .body = data};
    if (size > WIRE_HELLO_MAX)
        return 0;
    bool ours = wire_get_hello(&f, &h);
    if (!memchr(h.token, 0, sizeof h.token) || !memchr(h.instance, 0, sizeof h.instance) ||
        (ours && strcmp(h.magic, WIRE_MAGIC) != 0))
        abort();
    return 0;
}
