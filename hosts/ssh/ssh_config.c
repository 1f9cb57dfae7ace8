/* What a configuration means for one host: conditions, first value wins, tokens. Reading files is
 * ssh_config_read.c. */
#include "hosts/ssh/ssh_config_private.h"

#include "base/mem.h"
#include "base/text.h"
#include "hosts/ssh/pattern.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NOTES_MAX = 2000 };

static char *local_user(void)
{
    struct passwd entry, *found = NULL;
    char space[4096];
    if (getpwuid_r(getuid(), &entry, space, sizeof space, &found) == 0 && found)
        return mem_strdup(found->pw_name);
    const char *name = getenv("USER");
    return mem_strdup(name && *name ? name : "root");
}

static void note(struct ssh_host *h, const struct ssh_directive *d, const char *what)
{
    if (strlen(h->notes) < NOTES_MAX) {
        char *more = mem_printf("%s%s line %u: %.40s %s\n", h->notes, d->file, d->line, d->keyword, what);
        free(h->notes);
        h->notes = more;
    }
}

/* ---- setting one option ---- */

enum option_kind { TEXT, YES_NO, NUMBER, PATHS, SPECIAL };

struct option {
    const char *keyword;
    enum option_kind kind;
    size_t offset;
};

#define AT(field) offsetof(struct ssh_host, field)

static const struct option options[] = {
    {"hostkeyalias", TEXT, AT(host_key_alias)},
    {"proxyjump", TEXT, AT(proxy_jump)},
    {"proxycommand", TEXT, AT(proxy_command)},
    {"bindaddress", TEXT, AT(bind_address)},
    {"ciphers", TEXT, AT(ciphers)},
    {"macs", TEXT, AT(macs)},
    {"kexalgorithms", TEXT, AT(kex)},
    {"hostkeyalgorithms", TEXT, AT(host_key_algorithms)},
    {"pubkeyacceptedalgorithms", TEXT, AT(pubkey_algorithms)},
    {"pubkeyacceptedkeytypes", TEXT, AT(pubkey_algorithms)},
    {"identityagent", TEXT, AT(identity_agent)},
    {"identitiesonly", YES_NO, AT(identities_only)},
    {"hashknownhosts", YES_NO, AT(hash_known_hosts)},
    {"compression", YES_NO, AT(compression)},
    {"batchmode", YES_NO, AT(batch_mode)},
    {"pubkeyauthentication", YES_NO, AT(pubkey_auth)},
    {"passwordauthentication", YES_NO, AT(password_auth)},
    {"kbdinteractiveauthentication", YES_NO, AT(kbdint_auth)},
    {"challengeresponseauthentication", YES_NO, AT(kbdint_auth)},
    {"connecttimeout", NUMBER, AT(connect_timeout_s)},
    {"serveraliveinterval", NUMBER, AT(alive_interval_s)},
    {"serveralivecountmax", NUMBER, AT(alive_count)},
    {"userknownhostsfile", PATHS, AT(user_known_hosts)},
    {"globalknownhostsfile", PATHS, AT(global_known_hosts)},
    {"identityfile", SPECIAL, AT(identity)},
    {"certificatefile", SPECIAL, AT(certificate)},
    {"hostname", SPECIAL, AT(hostname)},
    {"user", SPECIAL, AT(user)},
    {"port", SPECIAL, AT(port)},
    {"addressfamily", SPECIAL, AT(address_family)},
};

enum { OPTIONS = sizeof options / sizeof *options };

struct lookup {
    struct ssh_host *host;
    bool seen[OPTIONS];
    char *local_user;
};

static void set_text(char **field, const char *value)
{
    free(*field);
    *field = mem_strdup(value);
}

static bool set_number(unsigned *field, const char *value)
{
    uint64_t ms;
    if (strcasecmp(value, "none") == 0) {
        *field = 0;
        return true;
    }
    if (text_parse_duration(value, &ms, NULL) || ms > UINT64_C(86400000))
        return false;
    *field = (unsigned)(ms / 1000u);
    return true;
}

static bool set_yes_no(bool *field, const char *value)
{
    bool yes = strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0;
    if (!yes && strcasecmp(value, "no") != 0 && strcasecmp(value, "false") != 0)
        return false;
    *field = yes;
    return true;
}

static void set_paths(struct ssh_words *words, const struct ssh_words *args, size_t limit)
{
    for (size_t i = 0; i < args->count && words->count < limit; i++)
        ssh_words_add(words, args->items[i]);
}

static bool set_special(struct ssh_host *h, const char *keyword, const struct ssh_words *args)
{
    const char *value = args->items[0];
    int64_t port;
    if (strcmp(keyword, "identityfile") == 0) {
        h->has_identity = true;
        if (strcasecmp(value, "none") != 0)
            set_paths(&h->identity, &(struct ssh_words){args->items, 1}, SSH_CONFIG_IDENTITIES);
    } else if (strcmp(keyword, "certificatefile") == 0) {
        set_paths(&h->certificate, &(struct ssh_words){args->items, 1}, SSH_CONFIG_IDENTITIES);
    } else if (strcmp(keyword, "hostname") == 0) {
        set_text(&h->hostname, value);
    } else if (strcmp(keyword, "user") == 0) {
        set_text(&h->user, value);
        h->has_user = true;
    } else if (strcmp(keyword, "port") == 0) {
        if (text_parse_int(value, 1, 65535, &port, NULL))
            return false;
        h->port = (unsigned)port;
        h->has_port = true;
    } else if (strcasecmp(value, "inet") == 0 || strcasecmp(value, "inet6") == 0) {
        h->address_family = strcasecmp(value, "inet") == 0 ? AF_INET : AF_INET6;
    } else if (strcasecmp(value, "any") != 0) {
        return false;
    }
    return true;
}

static bool set_option(struct lookup *l, size_t i, const struct ssh_directive *d)
{
    void *field = (char *)l->host + options[i].offset;
    switch (options[i].kind) {
    case TEXT: set_text(field, d->args.items[0]); return true;
    case YES_NO: return set_yes_no(field, d->args.items[0]);
    case NUMBER: return set_number(field, d->args.items[0]);
    case PATHS: set_paths(field, &d->args, SSH_CONFIG_FILES); return true;
    case SPECIAL: break;
    }
    return set_special(l->host, d->keyword, &d->args);
}

static bool accumulates(const char *keyword)
{
    return strcmp(keyword, "identityfile") == 0 || strcmp(keyword, "certificatefile") == 0;
}

static void apply_option(struct lookup *l, const struct ssh_directive *d)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        if (strcmp(options[i].keyword, d->keyword) != 0)
            continue;
        if (l->seen[i] && !accumulates(d->keyword))
            return;
        /* The two spellings of one setting stand for each other. */
        for (size_t k = 0; k < OPTIONS; k++)
            l->seen[k] |= options[k].offset == options[i].offset;
        if (strncmp(d->keyword, "proxy", 5) == 0) /* a jump and a command exclude each other: the first one counts */
            for (size_t k = 0; k < OPTIONS; k++)
                l->seen[k] |= strncmp(options[k].keyword, "proxy", 5) == 0;
        if (!set_option(l, i, d))
            note(l->host, d, "has a value that is not understood");
        return;
    }
}

/* ---- conditions ---- */

static char *expand_in(const char *text, const struct ssh_host *h, const char *me);

/* Match criteria: all of them must hold. What is not understood holds never, and is told. */
static bool match_holds(struct lookup *l, const struct ssh_directive *d)
{
    struct ssh_host *h = l->host;
    char *hostname = expand_in(h->hostname, h, l->local_user);
    bool holds = true;
    for (size_t i = 0; i < d->args.count && holds; i++) {
        const char *word = d->args.items[i];
        bool negated = *word == '!', result;
        word += negated;
        if (strcasecmp(word, "all") == 0) {
            result = true;
        } else if (strcasecmp(word, "canonical") == 0 || strcasecmp(word, "final") == 0) {
            result = false;
        } else if (i + 1 >= d->args.count) {
            note(h, d, "criterion without a value, treated as no match");
            holds = false;
            break;
        } else if (strcasecmp(word, "host") == 0) {
            result = pattern_match_list(hostname, d->args.items[++i]);
        } else if (strcasecmp(word, "originalhost") == 0) {
            result = pattern_match_list(h->alias, d->args.items[++i]);
        } else if (strcasecmp(word, "user") == 0) {
            result = pattern_match_list(h->has_user ? h->user : l->local_user, d->args.items[++i]);
        } else if (strcasecmp(word, "localuser") == 0) {
            result = pattern_match_list(l->local_user, d->args.items[++i]);
        } else {
            note(h, d, "unsupported criterion, treated as no match");
            holds = false;
            break;
        }
        holds = result != negated;
    }
    free(hostname);
    return holds;
}

static void walk(const struct ssh_config *config, struct lookup *l)
{
    bool active = true, outer[32];
    size_t depth = 0;
    outer[0] = true;
    for (size_t i = 0; i < config->count; i++) {
        const struct ssh_directive *d = &config->items[i];
        switch (d->kind) {
        case SSH_DIRECTIVE_ENTER:
            if (depth + 1 < sizeof outer / sizeof *outer)
                outer[++depth] = active;
            break;
        case SSH_DIRECTIVE_LEAVE:
            active = outer[depth];
            depth -= depth > 0;
            break;
        case SSH_DIRECTIVE_HOST:
            active = outer[depth] && pattern_match_words(l->host->alias, d->args.items, d->args.count);
            break;
        case SSH_DIRECTIVE_MATCH: active = outer[depth] && match_holds(l, d); break;
        case SSH_DIRECTIVE_OPTION:
            if (active)
                apply_option(l, d);
            break;
        }
    }
}

/* ---- tokens ---- */

static void add_token(struct buf *out, char token, const struct ssh_host *h, const char *me)
{
    char name[256] = "";
    switch (token) {
    case '%': buf_add_text(out, "%"); break;
    case 'h': buf_add_text(out, *h->hostname ? h->hostname : h->alias); break;
    case 'n': buf_add_text(out, h->alias); break;
    case 'p': buf_printf(out, "%u", h->port); break;
    case 'r': buf_add_text(out, *h->user ? h->user : me); break;
    case 'u': buf_add_text(out, me); break;
    case 'i': buf_printf(out, "%u", (unsigned)getuid()); break;
    case 'd': {
        char *home = ssh_config__home();
        buf_add_text(out, home);
        free(home);
        break;
    }
    case 'l':
    case 'L':
        if (gethostname(name, sizeof name - 1) == 0 && token == 'L')
            name[strcspn(name, ".")] = '\0';
        buf_add_text(out, name);
        break;
    default: buf_printf(out, "%%%c", token);
    }
}

static char *expand_in(const char *text, const struct ssh_host *h, const char *me)
{
    struct buf out = {0};
    if (text[0] == '~' && (text[1] == '/' || text[1] == '\0')) {
        char *home = ssh_config__home();
        buf_add_text(&out, home);
        free(home);
        text++;
    }
    while (*text && out.len < 65536) {
        size_t plain = strcspn(text, "%$");
        buf_add(&out, text, plain);
        text += plain;
        const char *close = text[0] == '$' && text[1] == '{' ? strchr(text, '}') : NULL;
        if (text[0] == '%' && text[1]) {
            add_token(&out, text[1], h, me);
            text += 2;
        } else if (close) {
            char *name = mem_strdup(text + 2);
            name[close - text - 2] = '\0';
            const char *value = getenv(name);
            buf_add_text(&out, value ? value : "");
            free(name);
            text = close + 1;
        } else if (*text) {
            buf_add(&out, text++, 1);
        }
    }
    return buf_steal(&out);
}

char *ssh_config__expand(const char *text, const struct ssh_host *host)
{
    char *me = local_user(), *out = expand_in(text, host, me);
    free(me);
    return out;
}

/* ---- the look-up ---- */

static void defaults(struct ssh_host *h, const char *alias)
{
    *h = (struct ssh_host){
        .port = 22, .address_family = AF_UNSPEC, .pubkey_auth = true, .password_auth = true, .kbdint_auth = true};
    char **texts[] = {&h->hostname, &h->user, &h->identity_agent, &h->proxy_jump, &h->proxy_command, &h->host_key_alias,
        &h->bind_address, &h->ciphers, &h->macs, &h->kex, &h->host_key_algorithms, &h->pubkey_algorithms, &h->notes};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = mem_strdup("");
    h->alias = mem_strdup(alias);
}

static void expand(char **text, const struct ssh_host *h, const char *me)
{
    char *out = expand_in(*text, h, me);
    free(*text);
    *text = out;
}

static void expand_all(struct ssh_words *words, const struct ssh_host *h, const char *me)
{
    for (size_t i = 0; i < words->count; i++)
        expand(&words->items[i], h, me);
}

static void fill_lists(struct ssh_host *h)
{
    static const char *const keys[] = {"~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ecdsa_sk", "~/.ssh/id_ed25519",
        "~/.ssh/id_ed25519_sk", "~/.ssh/id_xmss", "~/.ssh/id_dsa"};
    if (!h->has_identity)
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            ssh_words_add(&h->identity, keys[i]);
    if (!h->user_known_hosts.count) {
        ssh_words_add(&h->user_known_hosts, "~/.ssh/known_hosts");
        ssh_words_add(&h->user_known_hosts, "~/.ssh/known_hosts2");
    }
    if (!h->global_known_hosts.count) {
        ssh_words_add(&h->global_known_hosts, "/etc/ssh/ssh_known_hosts");
        ssh_words_add(&h->global_known_hosts, "/etc/ssh/ssh_known_hosts2");
    }
}

static void finish(struct ssh_host *h, const char *me)
{
    if (!*h->hostname)
        set_text(&h->hostname, h->alias);
    else
        expand(&h->hostname,
            &(struct ssh_host){.hostname = h->alias, .alias = h->alias, .user = h->user, .port = h->port}, me);
    if (!*h->user)
        set_text(&h->user, me);
    fill_lists(h);
    expand_all(&h->identity, h, me);
    expand_all(&h->certificate, h, me);
    expand_all(&h->user_known_hosts, h, me);
    expand_all(&h->global_known_hosts, h, me);
    if (strcasecmp(h->proxy_jump, "none") == 0)
        set_text(&h->proxy_jump, "");
    if (strcasecmp(h->proxy_command, "none") == 0)
        set_text(&h->proxy_command, "");
    expand(&h->proxy_command, h, me);
    expand(&h->host_key_alias, h, me);
    if (strcmp(h->identity_agent, "SSH_AUTH_SOCK") == 0)
        set_text(&h->identity_agent, "");
    if (h->identity_agent[0] == '$' && h->identity_agent[1] != '{') {
        const char *value = getenv(h->identity_agent + 1);
        set_text(&h->identity_agent, value ? value : "none");
    }
    expand(&h->identity_agent, h, me);
}

enum clw_err ssh_config_lookup(const struct ssh_config *config, const char *alias, const char *user, unsigned port,
    struct ssh_host *out, struct clw_error *err)
{
    *out = (struct ssh_host){0};
    if (!alias || !ssh_config__host_is_sane(alias))
        return clw_fail(err, CLW_USAGE, NULL, "'%.60s' is not the name or address of a host", alias ? alias : "");
    defaults(out, alias);
    struct lookup l = {.host = out, .local_user = local_user()};
    if (user && *user) {
        set_text(&out->user, user);
        out->has_user = true;
    }
    if (port) {
        out->port = port;
        out->has_port = true;
    }
    for (size_t i = 0; i < OPTIONS; i++)
        l.seen[i] = (out->has_user && options[i].offset == AT(user)) || (port && options[i].offset == AT(port));
    walk(config, &l);
    finish(out, l.local_user);
    free(l.local_user);
    bool bad_host = !ssh_config__host_is_sane(out->hostname);
    if (bad_host || !ssh_config__user_is_sane(out->user)) {
        enum clw_err code = clw_fail(err, CLW_USAGE, "check HostName and User in the ssh configuration",
            "'%.60s' is not the name of a %s", bad_host ? out->hostname : out->user, bad_host ? "host" : "user");
        ssh_host_fini(out);
        return code;
    }
    return CLW_OK;
}

void ssh_host_fini(struct ssh_host *h)
{
    char *texts[] = {h->alias, h->hostname, h->user, h->identity_agent, h->proxy_jump, h->proxy_command,
        h->host_key_alias, h->bind_address, h->ciphers, h->macs, h->kex, h->host_key_algorithms, h->pubkey_algorithms,
        h->notes};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    ssh_words_fini(&h->identity);
    ssh_words_fini(&h->certificate);
    ssh_words_fini(&h->user_known_hosts);
    ssh_words_fini(&h->global_known_hosts);
    *h = (struct ssh_host){0};
}

static bool holds_word(const struct ssh_words *words, const char *text)
{
    for (size_t i = 0; i < words->count; i++)
        if (strcasecmp(words->items[i], text) == 0)
            return true;
    return false;
}

void ssh_config_names(const struct ssh_config *config, struct ssh_words *out)
{
    enum { NAMES_MAX = 4096 };
    *out = (struct ssh_words){0};
    for (size_t i = 0; i < config->count; i++) {
        const struct ssh_directive *d = &config->items[i];
        if (d->kind != SSH_DIRECTIVE_HOST || d->from_system)
            continue;
        for (size_t k = 0; k < d->args.count && out->count < NAMES_MAX; k++)
            if (pattern_is_plain(d->args.items[k]) && !holds_word(out, d->args.items[k]))
                ssh_words_add(out, d->args.items[k]);
    }
}
