/* host forget, retry, shell: what needs the host itself, or the engine's link to it. */
#include "tui/cli/inventory.h"

#include "base/mem.h"
#include "base/text.h"
#include "tui/cli/command.h"
#include "tui/cli/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_MS = 30000 };

/* ---- plain requests ---- */

static int simple(const struct opts *o, const char *op, bool start, const char *done)
{
    struct inventory_names names = {0};
    struct clowder_error err;
    int status = o->word_count ? inventory_names(o, false, &names) : say(2, "%s: name at least one host", o->command);
    struct clowder *c = status == 0 ? open_client(!start) : NULL;
    if (status == 0 && !c)
        status = 1;
    for (size_t i = 0; c && i < names.count; i++) {
        json_t *reply, *request = request_new(op);
        request_set_text(request, "host", names.items[i]);
        int one = request_send(c, request, ANSWER_MS, &reply, &err);
        json_decref(reply);
        if (one)
            say_error(&err);
        else
            printf("%s: %s\n", names.items[i], done);
        status = status ? status : one;
    }
    clowder_close(c);
    inventory_names_fini(&names);
    return status;
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
