/* A program of the machine is asked something. Nobody waits for it: what it says is read as it comes. */
#include "engine/daemon/daemon.h"

#include "base/mono.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

bool look_begin(struct look *a, const struct daemon *d, const char *const *argv, unsigned limit_ms)
{
    static struct limits none;
    limits_clear(&none);
    a->program = argv[0];
    a->said[0] = '\0';
    a->until_ms = mono_ms() + limit_ms;
    a->runs =
        process_spawn(&a->process,
            &(struct spawn){.argv = (char *const *)(uintptr_t)argv, .env = d->env, .in_fd = -1, .limits = &none}) == 0;
    return a->runs;
}

bool look_is_late(const struct look *a)
{
    return mono_ms() > a->until_ms;
}

bool look_is_over(struct look *a)
{
    size_t used = strlen(a->said);
    ssize_t got = read(a->process.out_fd, a->said + used, sizeof a->said - 1 - used);
    if (got > 0)
        a->said[used + (size_t)got] = '\0';
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR) || look_is_late(a) || used + 1 == sizeof a->said;
}

bool look_watch(const struct look *a, struct watch *w)
{
    return a->runs && watch_add(w, a->process.out_fd, POLLIN) >= 0;
}

void look_end(struct look *a)
{
    if (a->runs)
        process_end(&a->process);
    a->runs = false;
}
