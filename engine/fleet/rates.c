/* A ring of seconds. */
#include "engine/fleet/rates.h"

#include <string.h>

static void move_to(struct rates *r, uint64_t second)
{
    if (r->since == 0) {
        r->since = r->second = second;
        return;
    }
    if (second - r->second >= RATES_SECONDS && second > r->second)
        memset(r->bucket, 0, sizeof r->bucket);
    else
        for (uint64_t s = r->second + 1; s <= second; s++)
            r->bucket[s % RATES_SECONDS] = 0;
    if (second > r->second)
        r->second = second;
}

void rates_add(struct rates *r, uint64_t now_ms, uint32_t tasks)
{
    move_to(r, now_ms / 1000);
    r->bucket[r->second % RATES_SECONDS] += tasks;
}

void rates_history(struct rates *r, uint64_t now_ms, uint32_t *out, unsigned n)
{
    move_to(r, now_ms / 1000);
    for (unsigned i = 0; i < n; i++) {
        uint64_t back = n - i; /* whole seconds only: the newest bucket still fills */
        out[i] =
            back < RATES_SECONDS && r->second >= r->since + back ? r->bucket[(r->second - back) % RATES_SECONDS] : 0;
    }
}

double rates_now(struct rates *r, uint64_t now_ms)
{
    uint32_t last;
    rates_history(r, now_ms, &last, 1);
    return last;
}

double rates_mean_60s(struct rates *r, uint64_t now_ms)
{
    uint32_t last[60];
    uint64_t sum = 0, known;
    rates_history(r, now_ms, last, 60);
    for (unsigned i = 0; i < 60; i++)
        sum += last[i];
    known = r->second - r->since;
    if (known > 60)
        known = 60;
    return known ? (double)sum / (double)known : 0;
}

static void pace_move(struct pace *p, uint64_t second)
{
    if (p->since == 0)
        p->since = p->second = second;
    for (unsigned n = 0; p->second < second && n < PACE_SECONDS; n++)
        p->bucket[++p->second % PACE_SECONDS] = 0;
    p->second = second > p->second ? second : p->second;
}

void pace_add(struct pace *p, uint64_t now_ms, uint32_t tasks)
{
    pace_move(p, now_ms / 1000);
    p->bucket[p->second % PACE_SECONDS] += tasks;
}

double pace_mean(struct pace *p, uint64_t now_ms)
{
    double sum = 0;
    pace_move(p, now_ms / 1000);
    uint64_t whole = p->second - p->since < PACE_SECONDS - 1 ? p->second - p->since : PACE_SECONDS - 1;
    for (unsigned i = 0; i < PACE_SECONDS; i++)
        sum += i == p->second % PACE_SECONDS ? 0 : p->bucket[i]; /* the newest still fills */
    return whole ? sum / (double)whole : 0;
}
