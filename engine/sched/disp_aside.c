/* Places that cannot do a job: a program is missing there, or a worker does not start. They get none of its tasks as
 * long as there is another place. */
#include "engine/sched/disp_internal.h"

#include <string.h>

static bool is_marked(const struct disp_job *j, unsigned place)
{
    return place / 8 < j->aside_size && (j->aside[place / 8] >> (place % 8) & 1);
}

bool disp__is_elsewhere(const struct disp *d, const struct disp_job *j, unsigned place)
{
    for (unsigned other = 0; other < d->place_count; other++)
        if (other != place && d->places[other].giving && !is_marked(j, other))
            return true;
    return false;
}

bool disp__is_aside(const struct disp *d, const struct disp_job *j, const struct disp_daemon *m)
{
    return is_marked(j, m->place) && disp__is_elsewhere(d, j, m->place);
}

bool disp__set_aside(struct disp_job *j, const struct disp_daemon *m)
{
    size_t need = m->place / 8 + 1;
    if (is_marked(j, m->place))
        return false;
    if (need > j->aside_size) {
        j->aside = mem_realloc(j->aside, need);
        memset(j->aside + j->aside_size, 0, need - j->aside_size);
        j->aside_size = need;
    }
    j->aside[m->place / 8] |= (uint8_t)(1 << m->place % 8);
    return true;
}
