/* Who sits at a screen of this machine: graphical sessions have no terminal whose last key could be seen, so logind is
 * asked for the session in the foreground of each seat, and whether its desktop says that it is idle. */
#include "engine/daemon/daemon.h"

#include "base/mono.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 5000, PAUSE_MS = 10000 };

#define SEATS "/run/systemd/seats"

static const char script[] =
    "for f in " SEATS "/*; do\n"
    "for s in $(loginctl show-seat \"${f##*/}\" -p ActiveSession --value 2>/dev/null); do\n"
    "loginctl show-session \"$s\" -p Name -p Type -p Class -p IdleHint -p IdleSinceHint 2>/dev/null; echo; done; done";

bool seat_is_seen(void)
{
    return access(SEATS "/seat0", F_OK) == 0;
}

void seat_end(struct seat *s)
{
    look_end(&s->look);
}

/* One session; a line after the other, as "KEY=VALUE". */
struct session {
    char name[33];
    bool is_graphical, is_user, is_idle;
    int64_t since_us; /* it is idle, by the clock */
};

static void take_line(struct session *one, const char *line)
{
    if (strncmp(line, "Name=", 5) == 0)
        snprintf(one->name, sizeof one->name, "%s", line + 5);
    else if (strncmp(line, "Type=", 5) == 0)
        one->is_graphical = strcmp(line + 5, "x11") == 0 || strcmp(line + 5, "wayland") == 0;
    else if (strncmp(line, "Class=", 6) == 0)
        one->is_user = strcmp(line + 6, "user") == 0;
    else if (strncmp(line, "IdleHint=", 9) == 0)
        one->is_idle = strcmp(line + 9, "yes") == 0;
    else if (strncmp(line, "IdleSinceHint=", 14) == 0)
        one->since_us = strtoll(line + 14, NULL, 10);
}

/* Whoever was active last is kept. */
static void judge(struct seat *s, const struct session *one)
{
    int64_t active_us = one->is_idle ? one->since_us : INT64_MAX;
    if (!one->is_graphical || !one->is_user || active_us <= s->active_us)
        return;
    s->active_us = active_us;
    snprintf(s->user, sizeof s->user, "%s", one->name);
}

static void read_said(struct seat *s)
{
    struct session one = {0};
    s->active_us = 0;
    for (char *at = s->look.said, *line; (line = strsep(&at, "\n"));) {
        take_line(&one, line);
        if (*line)
            continue;
        judge(s, &one);
        one = (struct session){0};
    }
}

static void look(struct daemon *d)
{
    static const char *const argv[] = {"sh", "-c", script, NULL};
    struct seat *s = &d->seat;
    if (!s->look.runs && mono_ms() >= s->next_ms && seat_is_seen())
        look_begin(&s->look, d, argv, LOOK_MS);
    if (!s->look.runs || !look_is_over(&s->look))
        return;
    seat_end(s);
    read_said(s);
    s->next_ms = mono_ms() + PAUSE_MS;
}

bool seat_is_active(struct daemon *d, char *why, size_t size)
{
    struct seat *s = &d->seat;
    struct timespec now;
    if (!d->set.pause_user_ms)
        return false;
    look(d);
    if (s->look.runs && !s->next_ms) { /* it has not said anything so far */
        snprintf(why, size, "checking who is at the screen");
        return true;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    if (!s->active_us || (s->active_us <= now_us && (uint64_t)(now_us - s->active_us) / 1000 >= d->set.pause_user_ms))
        return false;
    snprintf(why, size, "%s is at the screen", s->user);
    return true;
}

void seat_watch(struct daemon *d, struct watch *w)
{
    if (!d->set.pause_user_ms) /* nobody wants to know any more */
        seat_end(&d->seat);
    if (look_watch(&d->seat.look, w))
        d->judge_ms = 0;
}
