/* Clocks. Nothing here sleeps. */
#include "base/mono.h"

#include <stdio.h>
#include <time.h>

static uint64_t read_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t mono_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t mono_us(void)
{
    return read_ns(CLOCK_MONOTONIC) / 1000u;
}

uint64_t mono_ms(void)
{
    return read_ns(CLOCK_MONOTONIC) / 1000000u;
}

uint64_t wall_us(void)
{
    return read_ns(CLOCK_REALTIME) / 1000u;
}

void wall_clock_text(uint64_t at_us, char *text, size_t size)
{
    time_t seconds = (time_t)(at_us / 1000000u);
    struct tm tm;
    localtime_r(&seconds, &tm);
    snprintf(text, size, "%02d:%02d:%02d.%03u", tm.tm_hour, tm.tm_min, tm.tm_sec, (unsigned)(at_us / 1000u % 1000u));
}
