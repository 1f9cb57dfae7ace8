/* host wake, clean: machines as they are looked after. */
#include "base/mono.h"
#include "base/text.h"
#include "tui/cli/command.h"
#include "tui/cli/inventory.h"
#include "tui/cli/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ANSWER_MS = 30000, GRACE_MS = 5000, TRY_MS = 15000, PAUSE_MS = 2000 };

static json_t *about(const char *op, const char *host)
{
    json_t *request = request_new(op);
    request_set_text(request, "host", host);
    return request;
}

/* ---- wake ---- */

static int send_packet(struct clowder *c, const char *name, struct clowder_error *err)
{
    json_t *reply;
    int status = request_send(c, about("wake", name), ANSWER_MS, &reply, err);
    json_decref(reply);
    return status;
}

/* A login that works; what no waiting mends is an answer, too. */
static bool is_there(struct clowder *c, const char *name, int64_t left_ms, int *status, struct clowder_error *err)
{
    json_t *reply, *request = about("probe", name);
    int64_t limit_ms = left_ms < TRY_MS ? left_ms : TRY_MS;
    json_object_set_new(request, "timeout_ms", json_integer(limit_ms));
    *status = request_send(c, request, limit_ms + GRACE_MS, &reply, err);
    json_decref(reply);
    return *status != CLOWDER_UNREACHABLE && *status != CLOWDER_TIMED_OUT;
}

static int wait_awake(struct clowder *c, const char *name, uint64_t timeout_ms, struct clowder_error *err)
{
    uint64_t until_ms = mono_ms() + timeout_ms, now_ms;
    int status = CLOWDER_TIMED_OUT;
    while ((now_ms = mono_ms()) < until_ms) {
        if (is_there(c, name, (int64_t)(until_ms - now_ms), &status, err))
            return status;
        nanosleep(&(struct timespec){.tv_sec = PAUSE_MS / 1000}, NULL);
        send_packet(c, name, NULL); /* the first may have been lost */
    }
    return status;
}

int cmd_host_wake(const struct opts *o, bool json)
{
    const char *name;
    struct clowder_error err = {0};
    uint64_t timeout_ms = 180000;
    bool waits = opts_has(o, "wait");
    (void)json;
    int status = inventory_word(o, "host", &name);
    if (status == 0 && opts_has(o, "timeout") && !waits)
        status = say(2, "host wake: --timeout goes with --wait");
    if (status == 0 && opts_duration(o, "timeout", &timeout_ms))
        status = 2;
    struct clowder *c = status == 0 ? open_client(false) : NULL;
    if (!c)
        return status ? status : 1;
    status = send_packet(c, name, &err);
    if (status == 0 && waits)
        status = wait_awake(c, name, timeout_ms, &err);
    clowder_close(c);
    if (status)
        return say_error(&err);
    printf("%s: %s\n", name, waits ? "awake" : "packet sent");
    return 0;
}

/* ---- clean ---- */

static void print_cleaned(const char *name, const json_t *reply)
{
    char size[24], rest[24];
    long long removed = json_number(reply, "removed"), programs = json_number(reply, "programs"),
              ended = json_number(reply, "ended"), running = json_number(reply, "running");
    printf("%s: %lld program%s removed (%s)", name, removed, text_plural((uint64_t)removed),
        text_bytes(size, sizeof size, (uint64_t)json_number(reply, "removed_bytes")));
    if (ended)
        printf(", %lld daemon%s ended", ended, text_plural((uint64_t)ended));
    if (programs)
        printf("; %lld stay%s (%s)", programs, programs == 1 ? "s" : "",
            text_bytes(rest, sizeof rest, (uint64_t)json_number(reply, "programs_bytes")));
    if (running)
        printf("; %lld daemon%s run%s", running, text_plural((uint64_t)running), running == 1 ? "s" : "");
    putchar('\n');
}

static int clean_one(struct clowder *c, const char *name, bool all, uint64_t timeout_ms, json_t *list)
{
    json_t *reply, *request = about("clean", name);
    json_object_set_new(request, "all", json_boolean(all));
    json_object_set_new(request, "timeout_ms", json_integer((json_int_t)timeout_ms));
    int status = request_told(c, request, (int64_t)timeout_ms + GRACE_MS, &reply);
    if (status == 0 && list) {
        json_object_del(reply, "ok");
        json_object_set_new(reply, "host", json_string(name));
        json_array_append(list, reply);
    } else if (status == 0) {
        print_cleaned(name, reply);
    }
    json_decref(reply);
    return status;
}

int cmd_host_clean(const struct opts *o, bool json)
{
    uint64_t timeout_ms = 60000;
    bool all = opts_has(o, "all");
    struct inventory_names names = {0};
    int status = o->word_count ? 0 : say(2, "host clean: name at least one host");
    if (status == 0 && opts_duration(o, "timeout", &timeout_ms))
        status = 2;
    if (status == 0)
        status = inventory_names(o, false, &names);
    if (status == 0 && all)
        status = ask_yes(opts_has(o, "yes"),
            "remove all of Clowder from %zu host%s, and end all daemons of yours there, also those of other engines",
            names.count, text_plural(names.count));
    struct clowder *c = status == 0 ? open_client(false) : NULL;
    json_t *list = json ? json_array() : NULL;
    if (status == 0 && !c)
        status = 1;
    for (size_t i = 0; c && i < names.count; i++) {
        int one = clean_one(c, names.items[i], all, timeout_ms, list);
        status = status ? status : one;
    }
    clowder_close(c);
    inventory_names_fini(&names);
    if (json && c)
        json_print(json_pack("{s:O}", "hosts", list));
    json_decref(list);
    return status;
}
