/* Time: a monotonic clock for durations, the wall clock for people. */
#ifndef BASE_MONO_H
#define BASE_MONO_H

#include <stddef.h>
#include <stdint.h>

/* Microseconds (and nanoseconds, milliseconds) of CLOCK_MONOTONIC. */
uint64_t mono_us(void);
uint64_t mono_ns(void);
uint64_t mono_ms(void);
/* Microseconds since 1970, for ledgers and logs. */
uint64_t wall_us(void);
/* "14:02:11.123" (local time) of a wall_us() value into text, which holds at least 16 bytes. */
void wall_clock_text(uint64_t at_us, char *text, size_t size);

#endif
