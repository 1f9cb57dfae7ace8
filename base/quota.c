#include "base/quota.h"

bool quota_take(struct quota *q, uint64_t now_ms, unsigned every_ms, unsigned burst)
{
    uint64_t due_ms = (q->due_ms > now_ms ? q->due_ms : now_ms) + every_ms;
    if (due_ms - now_ms > (uint64_t)every_ms * burst) {
        q->left_out++;
        return false;
    }
    q->due_ms = due_ms;
    return true;
}

uint64_t quota_left_out(struct quota *q)
{
    uint64_t n = q->left_out;
    q->left_out = 0;
    return n;
}
