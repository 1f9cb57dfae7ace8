/* host add, edit: what the user says about a host into the store. */
#include "tui/cli/host_row.h"
#include "tui/cli/inventory.h"
#include "tui/cli/login_node.h"

#include "base/mem.h"
#include "tui/cli/command.h"
#include "tui/cli/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "[user@]address[:port]" replaces all three. */
static int set_target(struct store_host *h, const char *text)
{
    struct store_target target;
    struct clw_error err;
    if (store_parse_target(text, &target, &err))
        return say_failure(&err);
    memcpy(h->address, target.address, sizeof h->address);
    memcpy(h->user, target.user, sizeof h->user);
    h->port = target.port;
    return 0;
}

static void set_text(char **field, const char *value)
{
    if (!value)
        return;
    free(*field);
    *field = mem_strdup(value);
}

/* The engine does not stand in our folder: the path is made whole. It must be there. */
static int set_identity(const struct opts *o, struct store_host *h)
{
    const char *path = opts_text(o, "identity", NULL), *home = getenv("HOME");
    char *whole, *cwd;
    if (!path)
        return 0;
    if (strncmp(path, "~/", 2) == 0 && home) {
        whole = mem_printf("%s/%s", home, path + 2);
    } else if (*path != '/' && (cwd = getcwd(NULL, 0))) {
        whole = mem_printf("%s/%s", cwd, path);
        free(cwd);
    } else {
        whole = mem_strdup(path);
    }
    int status = 0;
    if (!*path || access(whole, F_OK))
        status = say(4, "%s: there is no key file '%s': %s", o->command, path, *path ? strerror(errno) : "no name");
    else
        set_text(&h->identity, whole);
    free(whole);
    return status;
}

/* Lines for the scheduler: all that are given, in their order, instead of those there were. */
static void set_directives(const struct opts *o, struct store_host *h)
{
    const char **lines = opts_all(o, "directive");
    struct buf b = {0};
    for (const char **line = lines; line && *line; line++)
        buf_printf(&b, "%s\n", *line);
    if (b.len) {
        buf_add(&b, "", 1);
        set_text(&h->directives, (char *)b.data);
    }
    buf_fini(&b);
    free((void *)(uintptr_t)lines);
}

/* What its launcher is told is for that launcher alone. */
static int set_launcher(const struct opts *o, struct store_host *h)
{
    struct clw_error err;
    const char *launcher = opts_text(o, "launcher", NULL), *command = opts_text(o, "launch-command", NULL);
    bool was_command = h->launcher == STORE_LAUNCHER_COMMAND;
    if (launcher && store_launcher_parse(launcher, &h->launcher, &err))
        return say_failure(&err);
    bool is_command = h->launcher == STORE_LAUNCHER_COMMAND;
    if (command && !is_command)
        return say(2, "%s: --launch-command goes with --launcher command", o->command);
    if (opts_has(o, "directive") && is_command)
        return say(2, "%s: --directive is for a scheduler; give --launch-command", o->command);
    if (is_command != was_command)
        set_text(&h->directives, "");
    set_text(&h->directives, command);
    set_directives(o, h);
    return 0;
}

static int set_connect_timeout(const struct opts *o, struct store_host *h)
{
    uint64_t ms = (uint64_t)h->connect_timeout_s * 1000;
    if (opts_duration(o, "connect-timeout", &ms))
        return 2;
    if (ms > (uint64_t)STORE_CONNECT_MAX_S * 1000)
        return say(2, "%s: --connect-timeout is at most 1h", o->command);
    h->connect_timeout_s = (unsigned)((ms + 999) / 1000);
    return 0;
}

/* The options that add and edit share. */
static int set_options(const struct opts *o, struct store_host *h)
{
    struct clw_error err;
    const char *mac = opts_text(o, "mac", NULL);
    const char **tags = opts_all(o, "tag");
    for (const char **tag = tags; tag && *tag; tag++)
        store_strings_add(&h->tags, *tag);
    free((void *)(uintptr_t)tags);
    set_text(&h->jump, opts_text(o, "jump", NULL));
    set_text(&h->note, opts_text(o, "note", NULL));
    h->direct |= opts_has(o, "direct");
    set_text(&h->cache, opts_text(o, "cache", NULL));
    int status = set_launcher(o, h);
    if (status == 0)
        status = set_connect_timeout(o, h);
    if (status == 0)
        status = opts_settings(o, &h->manners);
    if (status)
        return status;
    if (mac && store_parse_mac(mac, h->mac, &err))
        return say_failure(&err);
    return set_identity(o, h);
}

/* The name, and the target when there is one. */
static int read_words(const struct opts *o, struct store_host *h)
{
    if (o->word_count == 0)
        return say(2, "%s: name a host; see clowder %s --help", o->command, o->command);
    if (o->word_count > 2)
        return say(2, "%s: unexpected argument '%s'; it takes NAME and [USER@]ADDRESS[:PORT]", o->command, o->words[2]);
    return o->word_count == 2 ? set_target(h, o->words[1]) : 0;
}

/* What was stored, as text or JSON. */
static int tell(struct store *s, const char *name, const char *done, bool json)
{
    struct host_row row = {0};
    struct clw_error err;
    char target[STORE_TARGET_SIZE];
    if (store_host_get(s, name, &row.host, &err))
        return say_failure(&err);
    host_row_fill(&row, NULL);
    if (json)
        json_print(host_row_json(&row.host, row.state, row.reason, json_incref(row.facts)));
    else
        printf("%s %s: %s, %s\n", name, done, host_row_target(&row, target), store_launcher_text(row.host.launcher));
    host_row_fini(&row);
    return 0;
}

int cmd_host_add(const struct opts *o, bool json)
{
    struct store *s;
    struct store_host h;
    struct clw_error err;
    store_host_init(&h);
    int status = read_words(o, &h);
    if (status == 0 &&
        (status = strlen(o->words[0]) >= sizeof h.name ? store_check_name("host", o->words[0], &err) : 0))
        status = say_failure(&err);
    if (status == 0) {
        memcpy(h.name, o->words[0], strlen(o->words[0]) + 1);
        status = set_options(o, &h);
    }
    if (status == 0 && strcmp(h.name, "local") == 0)
        status = say(2, "host add: 'local' always means this machine; choose another name");
    if (status == 0)
        status = inventory_open(&s);
    if (status == 0) {
        login_node(s, &h);
        enum clw_err code = store_host_add(s, &h, &err);
        status = code ? say_failure(&err) : tell(s, h.name, "added", json);
        store_close(s);
    }
    store_host_fini(&h);
    return status;
}

/* ---- edit ---- */

static int take_tags(const struct opts *o, struct store_host *h)
{
    const char **tags = opts_all(o, "no-tag");
    int status = 0;
    for (const char **tag = tags; tag && *tag && status == 0; tag++) {
        size_t i = 0;
        while (i < h->tags.count && strcmp(h->tags.items[i], *tag) != 0)
            i++;
        if (i == h->tags.count) {
            status = say(4, "host edit: '%s' has no tag '%s'", h->name, *tag);
            break;
        }
        free(h->tags.items[i]);
        h->tags.items[i] = h->tags.items[--h->tags.count];
    }
    free((void *)(uintptr_t)tags);
    return status;
}

/* An option and the one that takes it back. */
static int check_pairs(const struct opts *o)
{
    static const char *const names[] = {"jump", "identity", "direct", "mac", "note", "directive", "cache", NULL};
    char no[32];
    for (const char *const *name = names; *name; name++) {
        snprintf(no, sizeof no, "no-%s", *name);
        if (opts_has(o, *name) && opts_has(o, no))
            return say(2, "host edit: --%s or --%s, not both", *name, no);
    }
    if (opts_has(o, "no-address") && o->word_count > 1)
        return say(2, "host edit: an address or --no-address, not both");
    if (!o->given_count && o->word_count < 2)
        return say(2, "host edit: give an option that says what to change; see clowder host edit --help");
    return 0;
}

static void clear(const struct opts *o, struct store_host *h)
{
    if (opts_has(o, "no-address")) {
        h->address[0] = h->user[0] = '\0';
        h->port = 0;
    }
    if (opts_has(o, "no-jump"))
        set_text(&h->jump, "");
    if (opts_has(o, "no-identity"))
        set_text(&h->identity, "");
    if (opts_has(o, "no-note"))
        set_text(&h->note, "");
    if (opts_has(o, "no-directive"))
        set_text(&h->directives, "");
    if (opts_has(o, "no-cache"))
        set_text(&h->cache, "");
    if (opts_has(o, "no-mac"))
        h->mac[0] = '\0';
    if (opts_has(o, "no-direct"))
        h->direct = false;
}

static int edit(const struct opts *o, struct store *s, struct store_host *h, bool json)
{
    struct clw_error err;
    const char *name = opts_text(o, "name", NULL);
    int status = o->word_count > 1 ? set_target(h, o->words[1]) : 0;
    if (status == 0)
        status = take_tags(o, h);
    if (status == 0)
        status = set_options(o, h);
    if (status)
        return status;
    clear(o, h);
    if (opts_has(o, "launcher") && !opts_has(o, "no-address"))
        login_node(s, h);
    if (name && store_check_name("host", name, &err))
        return say_failure(&err);
    if (name && strcmp(name, o->words[0]) != 0 && inventory_host_may_rename(o->words[0], &err))
        return say_failure(&err);
    if (name)
        snprintf(h->name, sizeof h->name, "%s", name);
    if (store_host_set(s, o->words[0], h, &err))
        return say_failure(&err);
    return tell(s, h->name, "changed", json);
}

int cmd_host_edit(const struct opts *o, bool json)
{
    struct store *s;
    struct store_host h, scratch;
    store_host_init(&scratch);
    int status = read_words(o, &scratch);
    store_host_fini(&scratch);
    if (status == 0)
        status = check_pairs(o);
    if (status == 0)
        status = inventory_open(&s);
    if (status)
        return status;
    status = inventory_host(s, o->words[0], &h);
    if (status == 0) {
        status = edit(o, s, &h, json);
        store_host_fini(&h);
    }
    store_close(s);
    return status;
}
