/* Windows of the day, as text. */
#include "base/hours.h"

#include <stddef.h>
#include <string.h>

enum { WINDOWS_MAX = 8 };

struct window {
    int from, to;
};

/* "HH:MM" at *at, which moves past it; -1: it is none. */
static int read_time(const char **at)
{
    const char *s = *at;
    for (int i = 0; i < 5; i++)
        if (i == 2 ? s[i] != ':' : s[i] < '0' || s[i] > '9')
            return -1;
    int minute = ((s[0] - '0') * 10 + s[1] - '0') * 60 + (s[3] - '0') * 10 + s[4] - '0';
    *at += 5;
    return s[3] < '6' && minute <= HOURS_DAY ? minute : -1;
}

/* The number of windows; -1: they make no sense. */
static int read_windows(const char *text, struct window list[WINDOWS_MAX])
{
    int n = 0;
    for (const char *at = text; *at; n++) {
        if (n == WINDOWS_MAX || (n && *at++ != ','))
            return -1;
        list[n].from = read_time(&at);
        if (list[n].from < 0 || list[n].from == HOURS_DAY || *at++ != '-')
            return -1;
        list[n].to = read_time(&at);
        if (list[n].to < 0 || list[n].to == list[n].from)
            return -1;
    }
    return n;
}

enum clw_err hours_check(const char *text, struct clw_error *err)
{
    struct window list[WINDOWS_MAX];
    if (strlen(text) < HOURS_SIZE && read_windows(text, list) >= 0)
        return CLW_OK;
    return clw_fail(err, CLW_USAGE, "write at most 8 windows, like 22:00-06:00 or 08:00-12:00,13:00-17:30",
        "'%.60s' is not a list of time windows", text);
}

bool hours_hold(const char *text, int minute)
{
    struct window list[WINDOWS_MAX];
    int n = read_windows(text, list);
    for (int i = 0; i < n; i++) {
        const struct window *w = &list[i];
        if (w->from < w->to ? minute >= w->from && minute < w->to : minute >= w->from || minute < w->to)
            return true;
    }
    return n <= 0;
}
