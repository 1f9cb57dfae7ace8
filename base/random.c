#include "base/random.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void random_fill(void *out, size_t size)
{
    for (size_t have = 0; have < size;) {
        ssize_t n = getrandom((uint8_t *)out + have, size - have, 0);
        if (n < 0 && errno != EINTR) {
            fputs("clowder: the kernel gives no random numbers\n", stderr);
            abort();
        }
        have += n > 0 ? (size_t)n : 0;
    }
}
