/* engine start|stop|status|run, and the log. */
#include "tui/cli/command.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/owner.h"
#include "base/paths.h"
#include "base/text.h"
#include "engine/engine.h"
#include "engine/wire/names.h"
#include "store/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MS = 10000, START_TRIES = 100, START_PAUSE_MS = 20 };

static int engine_status(bool json)
{
    struct clowder_error err;
    struct clowder *c = open_client(true);
    char *text, up[24], rss[24];
    int status = clowder_status(c, NULL, &text, &err);
    clowder_close(c);
    if (status)
        return say_error(&err);
    json_t *doc = json_loads(text, 0, NULL), *engine = json_object_get(doc, "engine");
    if (json) {
        char *line = json_dumps(engine, JSON_COMPACT);
        puts(line);
        free(line);
    } else {
        printf("engine %s runs, pid %lld, up %s, %s, sockets in %s\n",
            json_string_value(json_object_get(engine, "version")),
            (long long)json_integer_value(json_object_get(engine, "pid")),
            text_span(up, sizeof up, (uint64_t)json_integer_value(json_object_get(engine, "uptime_s")) * 1000),
            text_bytes(rss, sizeof rss, (uint64_t)json_integer_value(json_object_get(engine, "rss_bytes"))),
            json_string_value(json_object_get(engine, "sockets")));
    }
    json_decref(doc);
    free(text);
    return 0;
}

static int ping(bool no_start, struct clowder_error *err)
{
    struct clowder *c;
    const struct clowder_options o = {.no_start = no_start};
    char *reply = NULL;
    int status = clowder_open(&c, &o, err);
    if (status)
        return status;
    status = clowder_request(c, "{\"op\":\"ping\"}", ANSWER_MS, &reply, err);
    free(reply);
    clowder_close(c);
    return status;
}

/* A task has the one that it is from, or none: libclowder starts none for it, and says why. */
static int check_task(void)
{
    const char *daemon = getenv("CLOWDER_DAEMON");
    struct clowder_error err;
    return daemon && *daemon && ping(false, &err) ? say_error(&err) : 0;
}

/* One that runs already may be one that is just dying: then it is followed by another. */
static int engine_start(const struct engine_options *options)
{
    struct clowder_error err;
    int status = check_task();
    if (status == 0)
        status = engine_main(options);
    if (status)
        return status;
    int reached = ping(true, &err);
    for (int i = 0; reached == CLOWDER_UNREACHABLE && i < START_TRIES; i++) {
        nanosleep(&(struct timespec){.tv_nsec = START_PAUSE_MS * 1000000L}, NULL);
        if ((status = engine_main(options)))
            return status;
        reached = ping(true, &err);
    }
    return reached ? say_error(&err) : 0;
}

static bool is_here(void)
{
    struct owner o;
    struct clw_error err;
    return !owner_look(&o, &err) && o.state == OWNER_HERE;
}

/* The user's word, for an engine that has to be killed before it can write it down: the next one starts without them.
 * False: it could not be written. */
static bool want_nothing(void)
{
    struct store *s;
    struct store_profile_list list;
    struct clw_error err;
    if (store_open(NULL, &s, &err))
        return false;
    bool done = !store_profile_list(s, &list, &err);
    for (size_t i = 0; done && i < list.count; i++)
        if (list.items[i].wanted)
            done = !store_profile_want(s, list.items[i].name, list.items[i].local_daemons, false, &err);
    store_profile_list_fini(&list);
    store_close(s);
    return done;
}

/* Before it is killed, for whoever waits for it starts the next one at once; afterwards when it kept the store locked.
 */
static int engine_stop(bool now)
{
    struct clowder_error err;
    struct clowder *c = open_client(true);
    if (!c)
        return 1;
    bool runs = now && is_here(), written = runs && want_nothing();
    int status = clowder_engine_stop(c, now, &err);
    clowder_close(c);
    if (status)
        return say_error(&err);
    if (runs && !written)
        want_nothing();
    return 0;
}

int cmd_engine(const struct opts *o, bool json)
{
    struct engine_options options = {.idle_ms = 600000};
    const char *verb = o->word_count ? o->words[0] : "";
    if (opts_duration(o, "idle", &options.idle_ms))
        return 2;
    if (o->word_count == 1 && strcmp(verb, "start") == 0)
        return engine_start(&options);
    if (o->word_count == 1 && strcmp(verb, "run") == 0) {
        int status = check_task();
        options.foreground = true;
        return status ? status : engine_main(&options);
    }
    if (o->word_count == 1 && strcmp(verb, "stop") == 0)
        return engine_stop(opts_has(o, "now"));
    if (o->word_count == 1 && strcmp(verb, "status") == 0)
        return engine_status(json);
    return say(2, "engine: use start, stop, status or run");
}

/* ---- log ---- */

/* Where the last n lines begin. */
static off_t tail_start(int fd, int64_t n)
{
    char block[8192];
    off_t end = lseek(fd, 0, SEEK_END), at = end;
    int64_t seen = 0;
    while (at > 0) {
        size_t want = at < (off_t)sizeof block ? (size_t)at : sizeof block;
        at -= (off_t)want;
        if (pread(fd, block, want, at) != (ssize_t)want)
            return 0;
        for (size_t i = want; i-- > 0;)
            if (block[i] == '\n' && at + (off_t)i + 1 < end && ++seen == n)
                return at + (off_t)i + 1;
    }
    return 0;
}

static int copy_rest(int fd)
{
    char block[8192];
    ssize_t n;
    while ((n = read(fd, block, sizeof block)) > 0)
        fwrite(block, 1, (size_t)n, stdout);
    return fflush(stdout);
}

static int follow(const char *path, int fd)
{
    char events[4096];
    int watch = inotify_init1(IN_CLOEXEC);
    if (watch < 0 || inotify_add_watch(watch, path, IN_MODIFY | IN_MOVE_SELF) < 0)
        return say(1, "log: cannot watch %s: %s", path, strerror(errno));
    for (;;) {
        if (copy_rest(fd) || read(watch, events, sizeof events) <= 0)
            return 0;
        const struct inotify_event *event = (const void *)events;
        if (event->mask & IN_MOVE_SELF) { /* the log moved aside: go on with the new one */
            copy_rest(fd);
            int next = open(path, O_RDONLY | O_CLOEXEC);
            if (next < 0 || dup2(next, fd) < 0 || inotify_add_watch(watch, path, IN_MODIFY | IN_MOVE_SELF) < 0)
                return say(1, "log: %s is gone", path);
            close(next);
        }
    }
}

int cmd_log(const struct opts *o, bool json)
{
    int64_t lines = 50;
    char *path;
    struct clw_error err;
    (void)json;
    if (opts_int(o, "lines", 0, 1000000, &lines))
        return 2;
    if (paths_state(ENGINE_LOG_FILE, &path, &err))
        return say(clw_err_exit_status(err.code), "%s", err.message);
    int fd = open(path, O_RDONLY | O_CLOEXEC | (opts_has(o, "follow") ? O_CREAT : 0), 0600), status = 0;
    if (fd < 0 && errno != ENOENT)
        status = say(1, "log: cannot read %s: %s", path, strerror(errno));
    if (fd >= 0) {
        lseek(fd, lines ? tail_start(fd, lines) : lseek(fd, 0, SEEK_END), SEEK_SET);
        copy_rest(fd);
        if (opts_has(o, "follow"))
            status = follow(path, fd);
        close(fd);
    }
    free(path);
    return status;
}
