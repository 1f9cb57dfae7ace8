/* How the daemons of a profile behave on machines that belong to somebody: what they may use, and when they pause. */
#ifndef STORE_MANNERS_H
#define STORE_MANNERS_H

#include "base/err.h"
#include "base/hours.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { STORE_NICE_MAX = 19, STORE_PARTS_MAX = 1000, STORE_PERMILLE_MAX = 1000 * STORE_PARTS_MAX };

/* All zero: no limits, no pauses. */
struct store_manners {
    uint32_t nice;                /* 0 to 19, of tasks */
    uint32_t cpus_permille;       /* thousandths of a core, for a daemon's tasks together */
    uint64_t mem_bytes;           /* memory, for a daemon's tasks together */
    uint32_t pause_load_permille; /* pause above this load of others, in thousandths */
    uint64_t pause_user_ms;       /* pause until no user has typed for so long */
    bool no_new_privs;            /* tasks gain nothing from setuid programs: no sudo */
    bool pause_now;               /* stop what runs as well, instead of letting it end */
    char hours[HOURS_SIZE];       /* the only hours (of the host's clock) to work in: base/hours.h; "": all */
};

bool store_manners_pause(const struct store_manners *m); /* there is something to pause for */
bool store_manners_same(const struct store_manners *a, const struct store_manners *b);
enum clw_err store_manners_check(const struct store_manners *m, struct clw_error *err);
/* "0.5" in thousandths. what: of what it is the number, for the message. CLW_USAGE. */
enum clw_err store_manners_permille(const char *what, const char *text, uint32_t *permille, struct clw_error *err);

/* As fields of a JSON object: nice, cpus, mem_bytes, pause_load, pause_user_ms, pause_now, no_new_privs, hours. */
void store_manners_put(json_t *o, const struct store_manners *m);
/* Those that are there replace what m has; the rest stays. NULL, or the key whose value has the wrong type or range. */
const char *store_manners_take(const json_t *o, struct store_manners *m);

#endif
