/* Windows of the day: "22:00-06:00,12:00-13:30". Times of day only; whose clock it is, the caller says. */
#ifndef BASE_HOURS_H
#define BASE_HOURS_H

#include "base/err.h"

#include <stdbool.h>

enum { HOURS_SIZE = 128, HOURS_DAY = 24 * 60 };

/* One to eight windows HH:MM-HH:MM joined by ','; the end (at most 24:00) is not part of a window, and one that ends
 * before it begins passes midnight. "" is fine too: no windows. CLW_USAGE. */
enum clw_err hours_check(const char *text, struct clw_error *err);
/* Is this minute of the day (0 to HOURS_DAY - 1) in one of them? True for "", and for what hours_check() refuses. */
bool hours_hold(const char *text, int minute);

#endif
