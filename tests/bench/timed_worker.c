/* A worker whose tasks take exactly as long as they say: the input is a number of microseconds. It sleeps, and spins
 * through the last of them. */
#include "engine/client/clowder_worker.h"

#include <sys/prctl.h>
#include <time.h>

enum { SPIN_NS = 30000 };

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int take_time(void *arg, const char *in, size_t len, struct clowder_out *out)
{
    long long end = now_ns() + atoll(in) * 1000, left;
    (void)arg;
    while ((left = end - now_ns()) > 0) {
        struct timespec t = {(left - SPIN_NS) / 1000000000, (left - SPIN_NS) % 1000000000};
        if (left > 2 * SPIN_NS)
            nanosleep(&t, NULL);
    }
    return clowder_out_add(out, in, len);
}

int main(void)
{
    prctl(PR_SET_TIMERSLACK, 1);
    return clowder_worker_lines(take_time, NULL);
}
