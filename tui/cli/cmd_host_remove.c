/* host remove: all that are named leave the engine at once, and when the last of them has left, they are taken out of
 * the inventory in one act. */
#include "tui/cli/inventory.h"

#include "base/mem.h"
#include "tui/cli/command.h"
#include "tui/cli/request.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LEAVE_TOLD_MS = 2000 };

/* " (in profile gpu, night)" or "". */
static char *users_of(const struct store_profile_list *profiles, const char *host)
{
    struct buf b = {0};
    for (size_t i = 0; i < profiles->count; i++)
        for (size_t k = 0; k < profiles->items[i].host_count; k++)
            if (strcmp(profiles->items[i].hosts[k].host, host) == 0)
                buf_printf(&b, "%s%s", b.len ? ", " : " (in profile ", profiles->items[i].name);
    if (b.len)
        buf_add_text(&b, ")");
    return buf_steal(&b);
}

static int ask_remove(const struct opts *o, struct store *s)
{
    struct store_profile_list profiles;
    struct clw_error err;
    struct buf names = {0};
    if (store_profile_list(s, &profiles, &err))
        return say_failure(&err);
    for (size_t i = 0; i < o->word_count; i++) {
        char *users = users_of(&profiles, o->words[i]);
        buf_printf(&names, "%s%s%s", i ? ", " : "", o->words[i], users);
        free(users);
    }
    int status = ask_yes(opts_has(o, "yes"), "remove %s", buf_text(&names));
    buf_fini(&names);
    store_profile_list_fini(&profiles);
    return status;
}

/* ---- what is not finished ---- */

/* Of o's words the first so many have left, and so many were told to. */
static char *unfinished_text(const struct opts *o, size_t left, size_t told)
{
    struct buf b = {0};
    buf_add_text(&b, "host remove: nothing was taken out of the inventory");
    for (size_t i = 0; i < told; i++) {
        const char *before = i == 0 && left ? "; already out of use: "
                             : i == left    ? "; still finishing their tasks: "
                                            : ", ";
        buf_printf(&b, "%s%s", before, o->words[i]);
    }
    buf_add_text(&b, "; run the command again to remove them");
    return buf_steal(&b);
}

static char *interrupted; /* a line, or NULL */

static void on_interrupt(int number)
{
    if (interrupted && write(STDERR_FILENO, interrupted, strlen(interrupted)) < 0)
        _exit(128 + number);
    signal(number, SIG_DFL);
    raise(number);
}

/* What a ^C says from now on. */
static void set_interrupted(char *text)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    free(interrupted);
    interrupted = text ? mem_printf("clowder: %s\n", text) : NULL;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (signal(numbers[i], text ? on_interrupt : SIG_DFL) == SIG_IGN)
            signal(numbers[i], SIG_IGN);
    sigprocmask(SIG_SETMASK, &before, NULL);
    free(text);
}

/* ---- leaving ---- */

/* Without an engine there is nobody to tell. */
static int ask_leave(
    struct clowder *c, const char *name, bool now, bool wait, int64_t patience_ms, struct clowder_error *err)
{
    json_t *reply, *request = request_new("leave");
    request_set_text(request, "host", name);
    json_object_set_new(request, "now", json_boolean(now));
    json_object_set_new(request, "wait", json_boolean(wait));
    json_object_set_new(request, "timeout_ms", json_integer(patience_ms));
    int status = request_send(c, request, -1, &reply, err);
    json_decref(reply);
    return status == CLOWDER_UNREACHABLE && !inventory_engine_runs() ? CLOWDER_OK : status;
}

/* Its daemons end what they have, or now, and then the engine knows it no more. */
static int wait_left(struct clowder *c, const char *name, bool now, struct clowder_error *err)
{
    int status = ask_leave(c, name, now, true, LEAVE_TOLD_MS, err);
    if (status != CLOWDER_TIMED_OUT)
        return status;
    say(0, "waiting until the tasks on '%s' have ended; 'clowder host remove --now' ends them", name);
    return ask_leave(c, name, now, true, 0, err);
}

static int leave_all(const struct opts *o, bool now)
{
    struct clowder_error err;
    size_t told = 0, left = 0;
    struct clowder *c = open_client(true);
    int status = c ? CLOWDER_OK : CLOWDER_FAILED;
    while (c && !status && told < o->word_count) {
        status = ask_leave(c, o->words[told], now, false, 0, &err);
        told += !status;
        set_interrupted(told ? unfinished_text(o, 0, told) : NULL);
    }
    while (c && !status && left < told) {
        status = wait_left(c, o->words[left], now, &err);
        left += !status;
        set_interrupted(unfinished_text(o, left, told));
    }
    set_interrupted(NULL);
    clowder_close(c);
    if (c && status)
        status = say_error(&err);
    if (status && told) {
        char *text = unfinished_text(o, left, told);
        say(0, "%s", text);
        free(text);
    }
    return status;
}

/* ---- the inventory ---- */

static int remove_all(const struct opts *o, struct store *s)
{
    struct clw_error err;
    if (store_begin(s, &err))
        return say_failure(&err);
    for (size_t i = 0; i < o->word_count; i++)
        if (store_host_remove(s, o->words[i], &err)) {
            store_rollback(s);
            return say_failure(&err);
        }
    return store_commit(s, &err) ? say_failure(&err) : 0;
}

/* All or none: nothing leaves unless all of them are there. */
static int check_names(const struct opts *o, struct store *s)
{
    struct store_host h;
    int status = 0;
    for (size_t i = 0; i < o->word_count && status == 0; i++) {
        status = inventory_host(s, o->words[i], &h);
        if (status == 0)
            store_host_fini(&h);
        for (size_t k = 0; k < i && status == 0; k++)
            if (strcmp(o->words[k], o->words[i]) == 0)
                status = say(2, "host remove: '%s' is named twice", o->words[i]);
    }
    return status;
}

static int remove_hosts(const struct opts *o)
{
    struct store *s;
    int status = inventory_open(&s);
    if (status)
        return status;
    status = check_names(o, s);
    if (status == 0)
        status = ask_remove(o, s);
    if (status == 0)
        status = leave_all(o, opts_has(o, "now"));
    if (status == 0)
        status = remove_all(o, s);
    store_close(s);
    return status;
}

int cmd_host_remove(const struct opts *o, bool json)
{
    struct inventory_names names = {0};
    struct opts own = *o;
    bool has_tags = false;
    (void)json;
    if (!o->word_count)
        return say(2, "host remove: name a host; see clowder host remove --help");
    for (size_t i = 0; i < o->word_count; i++)
        has_tags |= strncmp(o->words[i], "tag:", 4) == 0;
    int status = has_tags ? inventory_names(o, false, &names) : 0;
    if (has_tags) {
        own.words = names.items;
        own.word_count = names.count;
    }
    if (status == 0)
        status = remove_hosts(&own);
    inventory_names_fini(&names);
    return status;
}
