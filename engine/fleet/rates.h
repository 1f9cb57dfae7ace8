/* Throughput in buckets of one second, the last five minutes kept. A value; the caller brings the time. */
#ifndef ENGINE_FLEET_RATES_H
#define ENGINE_FLEET_RATES_H

#include <stdint.h>

enum { RATES_SECONDS = 300 };

struct rates {
    uint64_t second; /* of the newest bucket */
    uint64_t since;  /* first second ever counted */
    uint32_t bucket[RATES_SECONDS];
};

void rates_add(struct rates *r, uint64_t now_ms, uint32_t tasks);
/* Tasks in the last whole second. */
double rates_now(struct rates *r, uint64_t now_ms);
/* Mean of the last 60 whole seconds, or of as many as there were. */
double rates_mean_60s(struct rates *r, uint64_t now_ms);
/* The last n whole seconds, oldest first, into out; 0 before the start. */
void rates_history(struct rates *r, uint64_t now_ms, uint32_t *out, unsigned n);

/* The same in little: the mean of the last few whole seconds. */
enum { PACE_SECONDS = 8 };
struct pace {
    uint64_t second, since;
    uint32_t bucket[PACE_SECONDS];
};
void pace_add(struct pace *p, uint64_t now_ms, uint32_t tasks);
double pace_mean(struct pace *p, uint64_t now_ms);

#endif
