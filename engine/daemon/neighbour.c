/* A good neighbour: the daemon is on the machine, so it judges itself whether its owner's terms let it work. When not,
 * it says so, gives back what it has not begun, and either ends what runs or stops it, until it may go on. */
#include "engine/daemon/daemon.h"

#include "base/hours.h"
#include "base/mono.h"
#include "base/procfile.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

enum { JUDGE_MS = 2000, LOAD_S = 60, DEPTH_MAX = 8, TREE_MAX = 1024, CLOCK_SET_BACK_S = 60 };

/* ---- the hours ---- */

static bool outside_hours(const struct store_settings *t, char *why, size_t size)
{
    struct tm now;
    time_t wall = time(NULL);
    tzset(); /* the zone may have been changed */
    if (!t->hours[0] || !localtime_r(&wall, &now) || hours_hold(t->hours, now.tm_hour * 60 + now.tm_min))
        return false;
    snprintf(why, size, "outside its hours %s (it is %02d:%02d there)", t->hours, now.tm_hour, now.tm_min);
    return true;
}

/* ---- its users ---- */

/* The terminals of login sessions, as utmp lists them; when somebody typed at one last is when it was last read. */
static bool user_is_active(const struct store_settings *t, char *why, size_t size)
{
    struct utmp u;
    time_t now = time(NULL);
    bool found = false;
    int fd = t->pause_user_ms ? open(_PATH_UTMP, O_RDONLY | O_CLOEXEC) : -1;
    while (!found && fd >= 0 && read(fd, &u, sizeof u) == sizeof u) {
        char path[UT_LINESIZE + 8];
        struct stat st;
        snprintf(path, sizeof path, "/dev/%.*s", UT_LINESIZE, u.ut_line);
        if (u.ut_type != USER_PROCESS || strstr(path, "..") || stat(path, &st) || !S_ISCHR(st.st_mode))
            continue;
        if (st.st_atime > now + CLOCK_SET_BACK_S)
            continue; /* it says nothing until the clock is there again */
        time_t idle = now > st.st_atime ? now - st.st_atime : 0;
        found = (uint64_t)idle * 1000 < t->pause_user_ms;
        if (found)
            snprintf(why, size, "%.*s is active on %.*s (%lld s ago)", UT_NAMESIZE, u.ut_user, UT_LINESIZE, u.ut_line,
                (long long)idle);
    }
    if (fd >= 0)
        close(fd);
    return found;
}

static bool sees_users(void)
{
    return access(_PATH_UTMP, R_OK) == 0 || seat_is_seen();
}

/* ---- the load of others ---- */

/* The state of a thread is the word after the name, which may hold anything but ends at the last ')'. */
static bool is_running(const char *path)
{
    char text[1024];
    const char *at = procfile_read(AT_FDCWD, path, text, sizeof text) ? strrchr(text, ')') : NULL;
    return at && (at[2] == 'R' || at[2] == 'D');
}

static unsigned count_running(pid_t pid, int depth, unsigned *budget);

/* One thread, when it belongs to a task, and the processes that it has started. */
static unsigned count_thread(pid_t pid, const char *thread, int depth, unsigned *budget)
{
    char path[80], text[4096], *save = NULL;
    unsigned n = 0;
    if (depth > 1) {
        snprintf(path, sizeof path, "/proc/%d/task/%.16s/stat", (int)pid, thread);
        n = is_running(path);
    }
    snprintf(path, sizeof path, "/proc/%d/task/%.16s/children", (int)pid, thread);
    procfile_read(AT_FDCWD, path, text, sizeof text);
    for (char *word = strtok_r(text, " ", &save); word && depth < DEPTH_MAX; word = strtok_r(NULL, " ", &save))
        n += count_running((pid_t)strtol(word, NULL, 10), depth + 1, budget);
    return n;
}

/* How many threads of tasks the kernel counts as load now, from the starter (depth 0) or a daemon (1, which starts all
 * of its tasks in its first thread) down. */
static unsigned count_running(pid_t pid, int depth, unsigned *budget)
{
    char name[80];
    unsigned n = 0;
    struct dirent *entry;
    snprintf(name, sizeof name, "/proc/%d/task", (int)pid);
    DIR *threads = depth == 1 ? NULL : opendir(name);
    if (depth == 1) {
        snprintf(name, sizeof name, "%d", (int)pid);
        return count_thread(pid, name, depth, budget);
    }
    while (threads && *budget && (entry = readdir(threads))) {
        if (entry->d_name[0] == '.')
            continue;
        --*budget;
        n += count_thread(pid, entry->d_name, depth, budget);
    }
    if (threads)
        closedir(threads);
    return n;
}

/* Our share in the load: all daemons that our starter (the engine, or the supervisor on a host) has here, with their
 * tasks, averaged over a minute as the kernel averages its load. */
static double load_of_others(struct daemon *d)
{
    char text[64];
    unsigned budget = TREE_MAX;
    pid_t parent = getppid();
    uint64_t now_us = mono_us();
    double n = parent > 1 ? count_running(parent, 0, &budget) : count_running(getpid(), 1, &budget);
    double passed_s = (double)(now_us - d->load_us) / 1e6;
    double load = procfile_read(AT_FDCWD, "/proc/loadavg", text, sizeof text) ? strtod(text, NULL) : 0;
    if (!d->load_us) /* what runs now has perhaps done so for a while */
        d->load_own = n < load ? n : load;
    else
        d->load_own += (n - d->load_own) * passed_s / (LOAD_S + passed_s);
    d->load_us = now_us;
    return load > d->load_own ? load - d->load_own : 0;
}

/* Once paused it wants clearly less than the mark, so that it does not change its mind all the time. */
static bool is_loaded(struct daemon *d, char *why, size_t size)
{
    uint64_t mark = d->set.pause_load_permille;
    if (!mark)
        return false;
    double others = load_of_others(d), limit = (double)mark / 1000;
    if (others <= (d->pause == PAUSE_LOAD ? limit * 0.8 : limit))
        return false;
    snprintf(why, size, "load %.1f of others, above %g", others, limit);
    return true;
}

/* ---- pausing ---- */

static void say(struct daemon *d, const char *why)
{
    home_send(d, &(struct frame){.type = WIRE_YIELD, .len = (uint32_t)strlen(why)}, why);
}

static void set_stopped(struct daemon *d, bool stopped)
{
    uint64_t now_us = mono_us();
    if (stopped == (d->stopped_us != 0))
        return;
    uint64_t passed_us = stopped ? 0 : now_us - d->stopped_us;
    d->stopped_us = stopped ? now_us : 0;
    command_stop(d, stopped, passed_us);
    worker_stop(d, stopped, passed_us);
}

/* A load that changes is no news. */
static bool is_news(const struct daemon *d, enum pause pause, const char *why)
{
    return !d->judged || pause != d->pause || (pause == PAUSE_GPU && strcmp(why, d->pause_why) != 0);
}

static void pause_or_go_on(struct daemon *d, enum pause pause, const char *why)
{
    if (is_news(d, pause, why)) {
        snprintf(d->pause_why, sizeof d->pause_why, "%s", why);
        say(d, why);
    }
    d->judged = true;
    d->pause = pause;
    d->paused = pause != PAUSE_NONE;
    set_stopped(d, d->paused && d->set.pause_now);
}

static enum pause find_reason(struct daemon *d, char *why, size_t size)
{
    bool loaded = is_loaded(d, why, size); /* counts each time, whatever else there is */
    bool seated = seat_is_active(d, why, size);
    enum pause screen = !seated ? PAUSE_NONE : d->seat.next_ms ? PAUSE_USER : PAUSE_LOOK;
    return outside_hours(&d->set, why, size)    ? PAUSE_HOURS
           : user_is_active(&d->set, why, size) ? PAUSE_USER
           : screen                             ? screen
           : loaded                             ? PAUSE_LOAD
           : gpu_is_missing(d, why, size)       ? PAUSE_GPU
                                                : PAUSE_NONE;
}

static bool may_pause(const struct daemon *d)
{
    return store_settings_pause(&d->set) || (d->gpu.count && d->gpu.index < 0);
}

void neighbour_judge(struct daemon *d)
{
    char why[sizeof d->pause_why] = "";
    uint64_t now_ms = mono_ms();
    if (!may_pause(d) && !d->paused)
        return;
    if (d->judged && now_ms < d->judge_ms)
        return;
    d->judge_ms = now_ms + JUDGE_MS;
    pause_or_go_on(d, find_reason(d, why, sizeof why), why);
}

/* The last tasks of each batch that nobody has begun. */
static void give_back(struct daemon *d)
{
    worker_flush(d);
    for (struct batch **at = &d->head; *at;) {
        struct batch *b = *at;
        uint32_t begun = b->begun, n = b->slices.n;
        begun = begun < b->written ? b->written : begun;
        if (begun < n) {
            struct frame f = {.type = WIRE_BACK, .job = b->job->number, .first = b->first + begun, .n = n - begun};
            home_send(d, &f, NULL);
            batch_forget_files(b, begun);
            b->slices.n = begun;
        }
        if (b->done == b->slices.n) {
            *at = b->next;
            batch_free(b);
        } else {
            at = &b->next;
        }
    }
    d->tail = d->head;
    while (d->tail && d->tail->next)
        d->tail = d->tail->next;
}

void neighbour_step(struct daemon *d, struct watch *w)
{
    if (d->paused) {
        give_back(d);
        d->active_ms = mono_ms(); /* it would work if it could: it is not idle */
    }
    if (may_pause(d))
        watch_until(w, d->judge_ms * 1000 + 1000);
}

/* ---- the terms ---- */

static void read_terms(const struct frame *f, struct store_settings *t)
{
    struct wire_fields w;
    wire_fields_init(&w, f->body, f->len);
    while (wire_fields_next(&w))
        wire_take_setting(&w, t, STORE_TOLD_TERMS);
}

void neighbour_terms(struct daemon *d, const struct frame *f)
{
    struct store_settings t = d->set;
    store_settings_init_told(&t, STORE_TOLD_TERMS);
    if (f)
        read_terms(f, &t);
    bool same = t.nice == d->set.nice && t.cpus_permille == d->set.cpus_permille && t.mem_bytes == d->set.mem_bytes &&
                t.no_new_privs == d->set.no_new_privs;
    d->set = t;
    d->judge_ms = 0;
    if (!same)
        limits_set(&d->limits, &t, d->config.number);
    if (f)
        neighbour_tell(d);
}

void neighbour_tell(struct daemon *d)
{
    char text[sizeof d->limits.text + 80], gpu[24] = "";
    if (d->gpu.index >= 0)
        snprintf(gpu, sizeof gpu, "GPU %d", d->gpu.index);
    const char *blind = d->set.pause_user_ms && !sees_users() ? "no utmp and no logind: users are not seen" : "";
    const char *parts[] = {gpu, d->limits.text, blind};
    size_t used = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (*parts[i])
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? "; " : "", parts[i]);
    home_send(d, &(struct frame){.type = WIRE_LIMITS, .len = (uint32_t)used}, text);
}
