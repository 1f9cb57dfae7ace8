/* Suspicion: a machine that fails tasks much more often than the others of its profile. It is said, in status, on the
 * screens and in the log; what it failed is tried elsewhere when the job asks for that. */
#include "engine/core.h"

#include "base/log.h"

#include <math.h>

enum { ENOUGH = 20, FADE_AT = 100, FADE_TO = 50 }; /* tasks */

/* The share of failures is judged with some room for chance: one that would be seen once in thousands of looks. */
static double surely_below(double failed, double tasks)
{
    double share = failed / tasks;
    return share + 3 * sqrt((share + 1 / tasks) / tasks);
}

static bool is_worse(const struct place *l, double *share, double *others_share)
{
    double tasks = 0, failed = 0;
    for (const struct place *o = l->pool->places; o; o = o->next) {
        tasks += o == l ? 0 : o->lately;
        failed += o == l ? 0 : o->lately_failed;
    }
    if (l->lately < ENOUGH || tasks < ENOUGH)
        return false;
    *share = l->lately_failed / l->lately;
    *others_share = failed / tasks;
    return *share > 0.1 && *share > 2 * surely_below(failed, tasks);
}

void health_note(struct place *l, uint32_t n, uint32_t failed)
{
    double share = 0, others = 0;
    l->lately += n;
    l->lately_failed += failed;
    if (l->lately > FADE_AT) {
        l->lately_failed *= FADE_TO / l->lately;
        l->lately = FADE_TO;
    }
    if (!failed && !l->suspect)
        return;
    bool is = is_worse(l, &share, &others);
    if (is && !l->suspect) {
        snprintf(l->suspicion, sizeof l->suspicion, "%.0f %% of its tasks failed lately, %.0f %% on other machines",
            share * 100, others * 100);
        log_warn("host", "suspect host=%s profile=%s why=\"%s\"", l->host, l->pool->name, l->suspicion);
    } else if (!is && l->suspect && share < 2 * others + 0.05) {
        l->suspicion[0] = '\0';
        log_info("host", "suspect no more host=%s profile=%s", l->host, l->pool->name);
    } else {
        return;
    }
    l->suspect = is;
    core_changed(l->pool->engine);
}
