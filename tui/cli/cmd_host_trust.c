/* host trust: keys that nobody knows are shown, of several hosts in one table, and are trusted after a yes. Behind a
 * jump host its key comes first, and then the host's own. */
#include "tui/cli/many.h"

#include "base/mem.h"
#include "base/text.h"
#include "tui/cli/command.h"
#include "tui/cli/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRACE_MS = 5000, ROUNDS = 8 };

static json_t *about(const char *op, const char *host, uint64_t timeout_ms)
{
    json_t *request = request_new(op);
    request_set_text(request, "host", host);
    if (timeout_ms)
        json_object_set_new(request, "timeout_ms", json_integer((json_int_t)timeout_ms));
    return request;
}

/* ---- one host ---- */

static int refuse_changed(const char *name, const json_t *key)
{
    return say(5,
        "the key of '%s' has changed: it shows %s %s, and %s line %lld has another one; find out why, and only then "
        "remove "
        "that line",
        name, json_text(key, "type"), json_text(key, "fingerprint"), json_text(key, "file"),
        (long long)json_number(key, "line"));
}

static int agree(const struct opts *o, const char *name, const json_t *key)
{
    const char *wanted = opts_text(o, "fingerprint", NULL), *shown = json_text(key, "fingerprint");
    bool is_jump = json_is_true(json_object_get(key, "jump"));
    if (wanted && strcmp(wanted, shown) != 0)
        return say(5, "host trust: '%s' shows %s, not %s; nothing was accepted", name, shown, wanted);
    if (!json_is_true(json_object_get(key, "other_type")))
        return ask_yes(wanted || opts_has(o, "yes"), "%s (%s)%s shows the %s key %s; trust it",
            is_jump ? "the jump host" : name, json_text(key, "host"), is_jump ? " on the way to it" : "",
            json_text(key, "type"), shown);
    if (opts_has(o, "yes") && !wanted) /* a blind yes is for hosts that nobody knows */
        return say(5,
            "host trust: '%s' shows a %s key, and %s line %lld has one of another type: someone may be intercepting; "
            "compare it, then: clowder host trust %s --fingerprint %s",
            name, json_text(key, "type"), json_text(key, "file"), (long long)json_number(key, "line"), name, shown);
    return ask_yes(wanted != NULL,
        "%s (%s) shows the %s key %s, and %s line %lld has one of another type; trust it, too", name,
        json_text(key, "host"), json_text(key, "type"), shown, json_text(key, "file"),
        (long long)json_number(key, "line"));
}

/* A fingerprint that is given is compared with a key on record, too: who gives one wants to know that it is that. */
static int agree_known(const struct opts *o, const char *name, const char *shown)
{
    const char *wanted = opts_text(o, "fingerprint", NULL);
    if (wanted && strcmp(wanted, shown) != 0)
        return say(5,
            "host trust: the key of '%s' is known already, and it is %s, not %s; find out which of them is right "
            "before you use the host",
            name, *shown ? shown : "an unknown one", wanted);
    printf("%s: its key is known already\n", name);
    return 0;
}

static int send_trust(struct clowder *c, const char *name, const json_t *key, uint64_t timeout_ms)
{
    json_t *done, *request = about("trust", name, 0);
    request_set_text(request, "fingerprint", json_text(key, "fingerprint"));
    int status = request_told(c, request, (int64_t)timeout_ms + GRACE_MS, &done);
    json_decref(done);
    if (status == 0)
        printf("%s%s%s trusted: %s\n", name, json_is_true(json_object_get(key, "jump")) ? ", jump host " : "",
            json_is_true(json_object_get(key, "jump")) ? json_text(key, "host") : "", json_text(key, "fingerprint"));
    return status;
}

/* Key by key, until the host's own is known. */
static int trust_one(struct clowder *c, const struct opts *o, const char *name, uint64_t timeout_ms)
{
    int status = 0;
    bool is_over = false;
    for (int round = 0; round < ROUNDS && status == 0 && !is_over; round++) {
        json_t *reply;
        status = request_told(c, about("key", name, timeout_ms), (int64_t)timeout_ms + GRACE_MS, &reply);
        const json_t *key = json_object_get(reply, "key");
        is_over = !json_is_object(key);
        if (status == 0 && is_over && round == 0)
            status = agree_known(o, name, json_text(reply, "fingerprint"));
        else if (status == 0 && !is_over && json_is_true(json_object_get(key, "changed")))
            status = refuse_changed(name, key);
        else if (status == 0 && !is_over && (status = agree(o, name, key)) == 0)
            status = send_trust(c, name, key, timeout_ms);
        json_decref(reply);
    }
    return status;
}

/* ---- several ---- */

/* A key that one yes may be for. */
static const json_t *plain_key(const struct many_task *t)
{
    const json_t *key = json_object_get(t->reply, "key");
    bool is_plain = json_is_object(key) && !json_is_true(json_object_get(key, "changed")) &&
                    !json_is_true(json_object_get(key, "other_type"));
    return t->status == CLOWDER_OK && is_plain ? key : NULL;
}

static size_t print_table(const struct many_task *tasks, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *key = plain_key(&tasks[i]);
        char host[100], by[300];
        if (!key)
            continue;
        if (n++ == 0)
            printf("%-16s %-28s %-14s %s\n", "HOST", "SHOWN BY", "TYPE", "FINGERPRINT");
        text_escape(host, sizeof host, tasks[i].host, strlen(tasks[i].host));
        text_escape(by, sizeof by, json_text(key, "host"), strlen(json_text(key, "host")));
        printf("%-16s %-28s %-14s %s%s\n", host, by, json_text(key, "type"), json_text(key, "fingerprint"),
            json_is_true(json_object_get(key, "jump")) ? "   (a jump host on the way)" : "");
    }
    fflush(stdout);
    return n;
}

/* Of those that no yes for all is for, and those that could not be asked. */
static int tell_others(struct many_task *tasks, size_t count)
{
    int status = 0;
    for (size_t i = 0; i < count; i++) {
        struct many_task *t = &tasks[i];
        const json_t *key = json_object_get(t->reply, "key");
        int one = t->status                                       ? many_say(t)
                  : json_is_true(json_object_get(key, "changed")) ? refuse_changed(t->host, key)
                  : json_is_object(key) && !plain_key(t)          ? say(5,
                                                                        "'%s' shows a key of another type than the one that is "
                                                                                 "known; look at it alone: clowder host trust %s",
                                                                        t->host, t->host)
                                                                  : 0;
        status = one > status ? one : status;
    }
    return status;
}

/* Round by round: what is behind a jump host shows its own key in the next one. */
static int trust_many(struct clowder *c, const struct opts *o, const struct inventory_names *names, uint64_t timeout_ms)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct many_task *tasks = many_ask(c, "key", names, timeout_ms);
        size_t n = print_table(tasks, names->count);
        int status = n ? ask_yes(opts_has(o, "yes"), "trust %s %zu key%s", n == 1 ? "this" : "these", n, text_plural(n))
                       : tell_others(tasks, names->count);
        for (size_t i = 0; i < names->count && n && status == 0; i++)
            if (plain_key(&tasks[i]))
                status = send_trust(c, tasks[i].host, plain_key(&tasks[i]), timeout_ms);
        many_free(tasks, names->count);
        if (status || !n) {
            if (status == 0 && round == 0)
                printf("all %zu keys are known already\n", names->count);
            return status;
        }
    }
    return 0;
}

int cmd_host_trust(const struct opts *o, bool json)
{
    uint64_t timeout_ms = 60000;
    struct inventory_names names = {0};
    bool all = opts_has(o, "all");
    (void)json;
    int status =
        all == (o->word_count > 0) ? say(2, "host trust: name hosts or use --all%s", all ? ", not both" : "") : 0;
    if (status == 0)
        status = opts_duration(o, "timeout", &timeout_ms);
    if (status == 0)
        status = inventory_names(o, all, &names);
    if (status == 0 && names.count > 1 && opts_has(o, "fingerprint"))
        status = say(2, "host trust: --fingerprint goes with one host");
    struct clowder *c = status == 0 && names.count ? open_client(false) : NULL;
    if (c)
        status = names.count == 1 ? trust_one(c, o, names.items[0], timeout_ms) : trust_many(c, o, &names, timeout_ms);
    else if (status == 0)
        status = names.count ? 1 : 0;
    clowder_close(c);
    inventory_names_fini(&names);
    return status;
}
