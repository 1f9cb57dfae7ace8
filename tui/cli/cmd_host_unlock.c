/* host unlock: what hosts ask before they let us in, answered by their owner, question by question. */
#include "tui/cli/inventory.h"

#include "base/mem.h"
#include "tui/cli/command.h"
#include "tui/cli/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { SECRET_SIZE = 256, GRACE_MS = 5000 };

static json_t *about(const char *op, const char *host, uint64_t timeout_ms)
{
    json_t *request = request_new(op);
    request_set_text(request, "host", host);
    json_object_set_new(request, "timeout_ms", json_integer((json_int_t)timeout_ms));
    return request;
}

/* The text of the request is built by hand and wiped; the process, which cannot be dumped, ends soon after. */
static int send_wiped(struct clowder *c, const json_t *request, int64_t timeout_ms, json_t **answer)
{
    struct clowder_error err;
    char *text = json_dumps(request, JSON_COMPACT), *reply = NULL;
    int status = text ? clowder_request(c, text, timeout_ms, &reply, &err) : 0;
    *answer = reply ? json_loads(reply, 0, NULL) : NULL;
    if (text)
        mem_wipe(text, strlen(text));
    free(text);
    free(reply);
    return status ? say_error(&err) : 0;
}

/* The passphrase that was given last, and of what: one key may be for many hosts, and is asked for once. It stays on
 * this machine. */
static char passphrase[SECRET_SIZE], passphrase_of[400];
static bool was_tried; /* with the host at hand */

static int ask_or_know(const char *name, const json_t *prompt, char *secret)
{
    bool again = json_is_true(json_object_get(prompt, "again"));
    bool is_local = strcmp(json_text(prompt, "kind"), "passphrase") == 0;
    char text[400];
    if (is_local && !was_tried && *passphrase_of && strcmp(passphrase_of, json_text(prompt, "text")) == 0) {
        was_tried = true;
        memcpy(secret, passphrase, SECRET_SIZE);
        return 0;
    }
    snprintf(text, sizeof text, "%s%s: %s:", again ? "wrong, try again; " : "", name, json_text(prompt, "text"));
    int status = ask_secret(text, json_is_true(json_object_get(prompt, "echo")), secret, SECRET_SIZE);
    if (status == 0 && is_local) {
        was_tried = true;
        memcpy(passphrase, secret, SECRET_SIZE);
        snprintf(passphrase_of, sizeof passphrase_of, "%s", json_text(prompt, "text"));
    }
    return status;
}

/* Asks its owner what the link asks, and sends the answer. *reply: what the link asks next, if anything. */
static int answer_one(struct clowder *c, const char *name, uint64_t timeout_ms, const json_t *prompt, json_t **reply)
{
    static char secret[SECRET_SIZE];
    *reply = NULL;
    mlock(secret, sizeof secret);
    mlock(passphrase, sizeof passphrase);
    int status = ask_or_know(name, prompt, secret);
    json_t *request = about("unlock", name, timeout_ms), *value = status == 0 ? json_string(secret) : NULL;
    request_set_text(request, "prompt", json_text(prompt, "text"));
    mem_wipe(secret, sizeof secret);
    if (status == 0 && !value)
        status = say(2, "host unlock: the secret is not UTF-8 text");
    if (status == 0) {
        json_object_set(request, "secret", value);
        status = send_wiped(c, request, (int64_t)timeout_ms + GRACE_MS, reply);
    }
    if (value)
        mem_wipe((void *)(uintptr_t)json_string_value(value), json_string_length(value));
    json_decref(value);
    json_decref(request);
    return status;
}

/* May this question be answered? Who answers from a file or a pipe does not see it: he says what it is that he gives,
 * for the host chooses what it asks, and is not asked the same again. */
static int check_question(const char *name, const char *kind, const json_t *prompt, bool answered)
{
    const char *asked = json_text(prompt, "kind"), *text = json_text(prompt, "text");
    bool sees = isatty(STDIN_FILENO) && stderr_is_terminal();
    if (kind && strcmp(kind, asked) != 0)
        return say(5, "host '%s' asks for another kind of secret (%s): %s; nothing was answered", name, asked, text);
    if (!kind && !sees)
        return say(2,
            "host unlock: without a terminal, give the kind of secret: --kind passphrase, password or interactive; "
            "host "
            "'%s' asks for this (%s): %s; nothing was answered",
            name, asked, text);
    if (!sees && answered && json_is_true(json_object_get(prompt, "again")))
        return say(5, "host '%s' did not take the answer: %s", name, text);
    return 0;
}

/* Question by question, until it is logged in. */
static int answer_all(struct clowder *c, const char *name, const char *kind, uint64_t timeout_ms, json_t *reply)
{
    int status = 0;
    bool answered = false;
    json_incref(reply);
    for (const json_t *prompt; status == 0 && (prompt = json_object_get(reply, "prompt"));) {
        json_t *next = NULL;
        status = check_question(name, kind, prompt, answered);
        if (status == 0)
            status = answer_one(c, name, timeout_ms, prompt, &next);
        json_decref(reply);
        reply = next;
        answered = true;
    }
    json_decref(reply);
    return status;
}

static int check_kind(const char *kind)
{
    static const char *const kinds[] = {"passphrase", "password", "interactive"};
    for (size_t i = 0; i < 3; i++)
        if (!kind || strcmp(kind, kinds[i]) == 0)
            return 0;
    return say(2, "host unlock: '%s' is not a kind of secret; use passphrase, password or interactive", kind);
}

static int unlock_one(struct clowder *c, const char *name, const char *kind, uint64_t timeout_ms)
{
    json_t *reply = NULL;
    was_tried = false;
    int status = request_told(c, about("prompt", name, timeout_ms), (int64_t)timeout_ms + GRACE_MS, &reply);
    bool asks = json_is_object(json_object_get(reply, "prompt"));
    if (status == 0)
        status = answer_all(c, name, kind, timeout_ms, reply);
    json_decref(reply);
    if (status == 0 && asks)
        printf("%s unlocked, until 'clowder host forget %s' or the end of the engine\n", name, name);
    else if (status == 0)
        printf("%s asks for no secret: the login works without one\n", name);
    return status;
}

/* Those that wait for an answer now. */
static void find_waiting(struct inventory_names *names)
{
    json_t *links = inventory_links(NULL);
    const json_t *h;
    size_t i;
    json_array_foreach (json_object_get(links, "hosts"), i, h) {
        if (strcmp(json_text(h, "state"), "needs-secret") != 0)
            continue;
        names->items = mem_realloc(names->items, (names->count + 1) * sizeof *names->items);
        names->items[names->count++] = mem_strdup(json_text(h, "host"));
    }
    json_decref(links);
}

int cmd_host_unlock(const struct opts *o, bool json)
{
    uint64_t timeout_ms = 60000;
    const char *kind = opts_text(o, "kind", NULL);
    struct inventory_names names = {0};
    bool all = opts_has(o, "all");
    (void)json;
    prctl(PR_SET_DUMPABLE, 0);
    int status =
        all == (o->word_count > 0) ? say(2, "host unlock: name hosts or use --all%s", all ? ", not both" : "") : 0;
    if (status == 0)
        status = opts_duration(o, "timeout", &timeout_ms);
    if (status == 0)
        status = check_kind(kind);
    if (status == 0 && all)
        find_waiting(&names);
    else if (status == 0)
        status = inventory_names(o, false, &names);
    if (status == 0 && !names.count)
        printf("no host waits for a secret\n");
    struct clowder *c = status == 0 && names.count ? open_client(false) : NULL;
    if (status == 0 && names.count && !c)
        status = 1;
    for (size_t i = 0; c && i < names.count; i++) {
        int one = unlock_one(c, names.items[i], kind, timeout_ms);
        status = one > status ? one : status;
    }
    mem_wipe(passphrase, sizeof passphrase);
    clowder_close(c);
    inventory_names_fini(&names);
    return status;
}
