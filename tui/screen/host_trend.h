/* How loaded the host under the cursor was over the last hour, out of the store. */
#ifndef TUI_SCREEN_HOST_TREND_H
#define TUI_SCREEN_HOST_TREND_H

#include "store/valid.h"

#include <stddef.h>
#include <stdint.h>

enum { TREND_VALUES = 60, TREND_STEP_S = 60 };

struct host_trend {
    char host[STORE_NAME_SIZE];
    double load[TREND_VALUES]; /* a minute each, the newest last; NAN: not known */
    double peak;               /* below 0: nothing is known */
    uint64_t asked_ms;
};

struct ui;
/* Asks the store when the host is another one or the answer is old; it comes by itself. */
void host_trend_update(struct host_trend *t, struct ui *ui, const char *host);

#endif
