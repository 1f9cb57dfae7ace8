/* How often something may happen: so many times at once, and once in every span from then on. For what strangers can
 * make us say, keep or do. Starts as all zero. */
#ifndef BASE_QUOTA_H
#define BASE_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

struct quota {
    uint64_t due_ms;   /* when all that it had is earned back */
    uint64_t left_out; /* what was not allowed since the last that was */
};

/* Takes one. False: it is too much; left_out counts it. every_ms is not 0. */
bool quota_take(struct quota *q, uint64_t now_ms, unsigned every_ms, unsigned burst);
/* What was left out, and no more: 0 from then on. */
uint64_t quota_left_out(struct quota *q);

#endif
