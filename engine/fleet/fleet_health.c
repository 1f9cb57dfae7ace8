/* Suspicion: a machine that fails tasks much more often than the others of its profile. */
#include "engine/fleet/fleet.h"

#include <math.h>

enum { ENOUGH = 20, FADE_AT = 100, FADE_TO = 50 }; /* tasks */

/* The share of failures is judged with some room for chance: one that would be seen once in thousands of looks. */
static double surely_below(double failed, double tasks)
{
    double share = failed / tasks;
    return share + 3 * sqrt((share + 1 / tasks) / tasks);
}

static bool is_worse(const struct fleet_place *l, double *share, double *others_share)
{
    double tasks = 0, failed = 0;
    for (const struct fleet_place *o = l->fleet->first; o; o = o->after) {
        tasks += o == l ? 0 : o->lately;
        failed += o == l ? 0 : o->lately_failed;
    }
    if (l->lately < ENOUGH || tasks < ENOUGH)
        return false;
    *share = l->lately_failed / l->lately;
    *others_share = failed / tasks;
    return *share > 0.1 && *share > 2 * surely_below(failed, tasks);
}

enum fleet_verdict fleet_place_worked(struct fleet_place *l, uint32_t n, uint32_t failed, double *share, double *others)
{
    *share = *others = 0;
    l->lately += n;
    l->lately_failed += failed;
    if (l->lately > FADE_AT) {
        l->lately_failed *= FADE_TO / l->lately;
        l->lately = FADE_TO;
    }
    if (!failed && !l->suspect)
        return FLEET_AS_BEFORE;
    bool is = is_worse(l, share, others);
    if (is == l->suspect || (!is && *share >= 2 * *others + 0.05))
        return FLEET_AS_BEFORE;
    l->suspect = is;
    return is ? FLEET_SUSPECT : FLEET_CLEARED;
}
