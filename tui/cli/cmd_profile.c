/* up, scale, down, with: profiles from the command line. */
#include "tui/cli/inventory.h"

#include "base/text.h"
#include "tui/cli/command.h"
#include "tui/cli/request.h"
#include "tui/cli/up_wait.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Hosts that are not in the inventory are told before anything starts. --on local:N is -n N. */
static int read_places(const struct opts *o, struct inventory_places *places, bool *has_local, unsigned *local)
{
    int status = inventory_places(o, opts_has(o, "per-gpu"), places);
    for (size_t i = 0; i < places->count && status == 0; i++)
        status = inventory_check_host(places->items[i].host);
    if (status == 0 && places->has_local && opts_has(o, "daemons"))
        status = say(2, "%s: -n and --on local mean the same; leave one out", o->command);
    if (status == 0 && places->has_local) {
        *has_local = true;
        *local = places->local;
    }
    return status;
}

static int read_up(const struct opts *o, struct clowder_profile *p, struct inventory_places *places)
{
    int64_t n = 0;
    uint64_t timeout_ms = 30000;
    struct store_settings checked;
    clowder_profile_init(p);
    store_settings_init(&checked);
    if (opts_int(o, "daemons", 1, 10000, &n) || opts_settings(o, &checked) || opts_duration(o, "timeout", &timeout_ms))
        return 2;
    p->daemons = (unsigned)n;
    p->settings = (const char *const *)opts_settings_texts(o);
    p->timeout_ms = opts_has(o, "no-wait") ? 0 : timeout_ms ? (int64_t)timeout_ms : -1;
    p->patient = opts_has(o, "timeout");
    p->env = opts_all(o, "env");
    for (const char *const *env = p->env; env && *env; env++)
        if (**env == '=' || !strchr(*env, '='))
            return say(2, "up: --env %s is not of the form K=V", *env);
    int status = read_places(o, places, &p->has_daemons, &p->daemons);
    p->on = places->items;
    p->on_count = places->count;
    return status;
}

static void up_fini(struct clowder_profile *p)
{
    for (const char *const *text = p->settings; text && *text; text++)
        free((void *)(uintptr_t)*text);
    free((void *)(uintptr_t)p->settings);
    free((void *)(uintptr_t)p->env);
}

static void print_up(struct clowder *c, const char *name, bool json)
{
    char *text;
    if (clowder_status(c, name, &text, NULL))
        return;
    json_t *doc = json_loads(text, 0, NULL);
    json_t *profile = json_array_get(json_object_get(doc, "profiles"), 0);
    const json_t *daemons = json_object_get(profile, "daemons");
    json_int_t n = json_number(daemons, "connected"), wanted = json_number(daemons, "wanted");
    n = n < wanted ? n : wanted; /* those that are leaving are connected still */
    if (json)
        puts(text);
    else
        printf("%s: %lld daemon%s up\n", name, (long long)n, n == 1 ? "" : "s");
    json_decref(doc);
    free(text);
}

int cmd_up(const struct opts *o, bool json)
{
    struct clowder_profile p = {0};
    struct inventory_places places = {0};
    struct clowder_error err;
    const char *word;
    int status = one_word(o, &word);
    const char *name = word ? word : "default";
    if (status == 0)
        status = read_up(o, &p, &places);
    struct clowder *c = status == 0 ? open_client(false) : NULL;
    if (c) {
        struct up_wait *news = p.timeout_ms ? up_wait_start(name) : NULL;
        status = clowder_up(c, name, &p, &err);
        up_wait_end(news);
        if (status)
            status = say_error(&err);
        else
            print_up(c, name, json);
        clowder_close(c);
    }
    up_fini(&p);
    inventory_places_fini(&places);
    return status;
}

/* The request of `up` with nothing but numbers in it. */
static json_t *scale_request(const struct opts *o, const char *name, const struct inventory_places *places)
{
    json_t *request = request_new("up"), *on = json_object();
    int64_t n = places->local;
    uint64_t timeout_ms = 30000;
    request_set_text(request, "profile", name);
    if (opts_int(o, "daemons", 0, 10000, &n) || opts_duration(o, "timeout", &timeout_ms)) {
        json_decref(request);
        json_decref(on);
        return NULL;
    }
    if (places->has_local || opts_has(o, "daemons"))
        json_object_set_new(request, "n", json_integer(n));
    for (size_t i = 0; i < places->count; i++)
        json_object_set_new(on, places->items[i].host, json_integer(places->items[i].daemons));
    if (places->count)
        json_object_set(request, "on", on);
    json_decref(on);
    json_object_set_new(request, "wait", json_boolean(!opts_has(o, "no-wait")));
    json_object_set_new(request, "timeout_ms", json_integer((json_int_t)timeout_ms));
    json_object_set_new(request, "patient", json_boolean(opts_has(o, "timeout")));
    return request;
}

static int check_profile(const char *name)
{
    struct store *s;
    struct store_profile p;
    int status = inventory_open(&s);
    if (status)
        return status;
    status = inventory_profile(s, name, &p);
    if (status == 0)
        store_profile_fini(&p);
    store_close(s);
    return status;
}

int cmd_scale(const struct opts *o, bool json)
{
    struct inventory_places places = {0};
    const char *word;
    bool has_local = false;
    unsigned local;
    json_t *reply;
    int status = one_word(o, &word);
    const char *name = word ? word : "default";
    if (status == 0 && !opts_has(o, "daemons") && !opts_has(o, "on"))
        status = say(2, "scale: the number of daemons is missing; give it with -n N or --on HOST:N");
    if (status == 0)
        status = read_places(o, &places, &has_local, &local);
    json_t *request = status == 0 ? scale_request(o, name, &places) : NULL;
    if (status == 0)
        status = request ? check_profile(name) : 2;
    struct clowder *c = status == 0 ? open_client(false) : NULL;
    if (c) {
        struct up_wait *news = opts_has(o, "no-wait") ? NULL : up_wait_start(name);
        status = request_told(c, json_incref(request), -1, &reply);
        up_wait_end(news);
        json_decref(reply);
        if (status == 0)
            print_up(c, name, json);
        clowder_close(c);
    }
    json_decref(request);
    inventory_places_fini(&places);
    return status;
}

int cmd_down(const struct opts *o, bool json)
{
    struct clowder_error err;
    const char *word;
    (void)json;
    int status = one_word(o, &word);
    if (status)
        return status;
    const char *host = opts_text(o, "on", NULL), *name = opts_has(o, "all") ? NULL : word ? word : "default";
    if (word && opts_has(o, "all"))
        return say(2, "down: name a profile or use --all, not both");
    if (host && strcmp(host, "local") != 0 && (status = inventory_check_host(host)))
        return status;
    struct clowder *c = open_client(true);
    status = host ? clowder_down_on(c, name, host, opts_has(o, "now"), &err)
                  : clowder_down(c, name, opts_has(o, "now"), &err);
    if (status == CLOWDER_UNREACHABLE && strcmp(err.message, "no engine runs") == 0)
        status = CLOWDER_OK; /* nothing is up */
    else if (status)
        status = say_error(&err);
    clowder_close(c);
    return status;
}

int cmd_with(const struct opts *o, bool json)
{
    struct clowder_error err;
    char *text;
    (void)json;
    if (o->word_count < 2)
        return say(2, "with: give a profile and a command: clowder with gpu -- ./train.sh");
    char **argv = o->words + 1;
    if (strcmp(argv[0], "--") == 0)
        argv++;
    if (!argv[0])
        return say(2, "with: give a command: clowder with %s -- COMMAND", o->words[0]);
    if (!text_is_name(o->words[0]))
        return say(2, "with: '%s' is not a valid name for a profile", o->words[0]);
    struct clowder *c = open_client(false);
    int status = clowder_status(c, o->words[0], &text, &err);
    clowder_close(c);
    if (status)
        return say_error(&err);
    free(text);
    setenv("CLOWDER_PROFILE", o->words[0], 1);
    execvp(argv[0], argv);
    return say(errno == ENOENT ? 127 : 126, "cannot run '%s': %s", argv[0], strerror(errno));
}
