/* host trust, unlock, forget, retry, wake, shell: what needs the host itself, or the engine's link to it. */
#include "tui/cli/inventory.h"

#include "base/mem.h"
#include "base/text.h"
#include "tui/cli/command.h"
#include "tui/cli/request.h"

#include <errno.h>
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
    if (timeout_ms)
        json_object_set_new(request, "timeout_ms", json_integer((json_int_t)timeout_ms));
    return request;
}

/* The one host that the words name, and --timeout. */
static int read_host(const struct opts *o, const char **name, uint64_t *timeout_ms)
{
    int status = opts_duration(o, "timeout", timeout_ms);
    if (status == 0)
        status = inventory_word(o, "host", name);
    return status ? status : inventory_check_host(*name);
}

/* ---- trust ---- */

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
    if (wanted && strcmp(wanted, shown) != 0)
        return say(5, "host trust: '%s' shows %s, not %s; nothing was accepted", name, shown, wanted);
    if (!json_is_true(json_object_get(key, "other_type")))
        return ask_yes(wanted || opts_has(o, "yes"), "%s (%s) shows the %s key %s; trust it", name,
            json_text(key, "host"), json_text(key, "type"), shown);
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

int cmd_host_trust(const struct opts *o, bool json)
{
    uint64_t timeout_ms = 60000;
    const char *name;
    json_t *reply, *done;
    (void)json;
    int status = read_host(o, &name, &timeout_ms);
    struct clowder *c = status == 0 ? open_client(false) : NULL;
    if (!c)
        return status ? status : 1;
    status = request_told(c, about("key", name, timeout_ms), (int64_t)timeout_ms + GRACE_MS, &reply);
    const json_t *key = json_object_get(reply, "key");
    if (status == 0 && json_is_object(key)) {
        status = json_is_true(json_object_get(key, "changed")) ? refuse_changed(name, key) : agree(o, name, key);
        if (status == 0) {
            json_t *request = about("trust", name, 0);
            request_set_text(request, "fingerprint", json_text(key, "fingerprint"));
            status = request_told(c, request, (int64_t)timeout_ms + GRACE_MS, &done);
            json_decref(done);
            if (status == 0)
                printf("%s trusted: %s\n", name, json_text(key, "fingerprint"));
        }
    } else if (status == 0) {
        status = agree_known(o, name, json_text(reply, "fingerprint"));
    }
    json_decref(reply);
    clowder_close(c);
    return status;
}

/* ---- secrets ---- */

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

/* Asks its owner what the link asks, and sends the answer. *reply: what the link asks next, if anything. */
static int answer_one(struct clowder *c, const char *name, uint64_t timeout_ms, const json_t *prompt, json_t **reply)
{
    static char secret[SECRET_SIZE];
    char text[400];
    *reply = NULL;
    mlock(secret, sizeof secret);
    snprintf(text, sizeof text, "%s%s: %s:", json_is_true(json_object_get(prompt, "again")) ? "wrong, try again; " : "",
        name, json_text(prompt, "text"));
    int status = ask_secret(text, json_is_true(json_object_get(prompt, "echo")), secret, sizeof secret);
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

int cmd_host_unlock(const struct opts *o, bool json)
{
    uint64_t timeout_ms = 60000;
    const char *name, *kind = opts_text(o, "kind", NULL);
    json_t *reply = NULL;
    (void)json;
    prctl(PR_SET_DUMPABLE, 0);
    int status = read_host(o, &name, &timeout_ms);
    if (status == 0)
        status = check_kind(kind);
    struct clowder *c = status == 0 ? open_client(false) : NULL;
    if (!c)
        return status ? status : 1;
    status = request_told(c, about("prompt", name, timeout_ms), (int64_t)timeout_ms + GRACE_MS, &reply);
    bool asks = json_is_object(json_object_get(reply, "prompt"));
    if (status == 0)
        status = answer_all(c, name, kind, timeout_ms, reply);
    json_decref(reply);
    clowder_close(c);
    if (status == 0 && asks)
        printf("%s unlocked, until 'clowder host forget %s' or the end of the engine\n", name, name);
    else if (status == 0)
        printf("%s asks for no secret: the login works without one\n", name);
    return status;
}

/* ---- plain requests ---- */

static int simple(const struct opts *o, const char *op, bool start, const char *done)
{
    uint64_t timeout_ms = 0;
    const char *name;
    struct clowder_error err;
    json_t *reply;
    int status = read_host(o, &name, &timeout_ms);
    struct clowder *c = status == 0 ? open_client(!start) : NULL;
    if (!c)
        return status ? status : 1;
    status = request_send(c, about(op, name, 0), 30000, &reply, &err);
    json_decref(reply);
    clowder_close(c);
    if (status)
        return say_error(&err);
    printf("%s: %s\n", name, done);
    return 0;
}

int cmd_host_forget(const struct opts *o, bool json)
{
    (void)json;
    return simple(o, "forget", false, "forgotten");
}

int cmd_host_retry(const struct opts *o, bool json)
{
    (void)json;
    return simple(o, "retry", false, "trying again");
}

/* ---- shell ---- */

/* ssh -F ... -p ... -l ... -J ... -i ... -- ADDRESS COMMAND... */
static const char **ssh_argv(const struct store_host *h, char **words, size_t count, char *port)
{
    const char **argv = mem_zalloc((count + 16) * sizeof *argv), *config = getenv("CLOWDER_SSH_CONFIG");
    size_t n = 0;
    argv[n++] = "ssh";
    if (config && *config) {
        argv[n++] = "-F";
        argv[n++] = config;
    }
    if (h->port) {
        argv[n++] = "-p";
        argv[n++] = port;
    }
    if (*h->user) {
        argv[n++] = "-l";
        argv[n++] = h->user;
    }
    if (*h->jump) {
        bool none = strcmp(h->jump, "none") == 0;
        argv[n++] = none ? "-o" : "-J";
        argv[n++] = none ? "ProxyJump=none" : h->jump;
    }
    if (*h->identity) {
        argv[n++] = "-i";
        argv[n++] = h->identity;
    }
    if (!count && isatty(STDIN_FILENO))
        argv[n++] = "-t";
    argv[n++] = "--";
    argv[n++] = *h->address ? h->address : h->name;
    for (size_t i = 0; i < count; i++)
        argv[n++] = words[i];
    return argv;
}

int cmd_host_shell(const struct opts *o, bool json)
{
    struct store *s;
    struct store_host h;
    char port[8];
    (void)json;
    if (!o->word_count)
        return say(2, "host shell: name a host; see clowder host shell --help");
    int status = inventory_open(&s);
    if (status)
        return status;
    status = inventory_host(s, o->words[0], &h);
    store_close(s);
    if (status)
        return status;
    if (h.launcher == STORE_LAUNCHER_COMMAND) {
        store_host_fini(&h);
        return say(2, "host shell: the daemons of '%s' are started by a command here; there is nowhere to log in",
            o->words[0]);
    }
    if (h.launcher == STORE_LAUNCHER_LOCAL) {
        store_host_fini(&h);
        return say(2, "host shell: '%s' is this machine; you are there", o->words[0]);
    }
    snprintf(port, sizeof port, "%u", h.port);
    size_t skip = o->word_count > 1 && strcmp(o->words[1], "--") == 0 ? 2 : 1;
    const char **argv = ssh_argv(&h, o->words + skip, o->word_count - skip, port);
    execvp("ssh", (char *const *)(uintptr_t)argv);
    status = say(errno == ENOENT ? 127 : 126, "cannot run ssh: %s", strerror(errno));
    free((void *)(uintptr_t)argv);
    store_host_fini(&h);
    return status;
}
