/* From the lines of `ssh -G` to the settings of a host. Running it is ssh_lookup.c. */
#include "hosts/ssh/ssh_config_private.h"

#include "base/mem.h"
#include "base/text.h"
#include "hosts/ssh/pattern.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum { DEFAULT_PORT = 22 };

void ssh_words_add(struct ssh_words *words, const char *text)
{
    words->items = mem_realloc(words->items, (words->count + 1) * sizeof *words->items);
    words->items[words->count++] = mem_strdup(text);
}

void ssh_words_fini(struct ssh_words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->items[i]);
    free(words->items);
    *words = (struct ssh_words){0};
}

/* ---- one line ---- */

enum option_kind { TEXT, YES_NO, UNLESS_NO, NUMBER, PATH, PATHS, SPECIAL };

/* What is read of the answer; docs/ssh.md has a word on every keyword. */
struct option {
    const char *keyword;
    enum option_kind kind;
    size_t offset;
};

#define AT(field) offsetof(struct ssh_host, field)

static const struct option options[] = {
    {"hostname", TEXT, AT(hostname)},
    {"user", TEXT, AT(user)},
    {"port", NUMBER, AT(port)},
    {"hostkeyalias", TEXT, AT(host_key_alias)},
    {"proxyjump", TEXT, AT(proxy_jump)},
    {"proxycommand", TEXT, AT(proxy_command)},
    {"bindaddress", TEXT, AT(bind_address)},
    {"ciphers", TEXT, AT(ciphers)},
    {"macs", TEXT, AT(macs)},
    {"kexalgorithms", TEXT, AT(kex)},
    {"hostkeyalgorithms", TEXT, AT(host_key_algorithms)},
    {"pubkeyacceptedalgorithms", TEXT, AT(pubkey_algorithms)},
    {"identityagent", TEXT, AT(identity_agent)},
    {"identitiesonly", YES_NO, AT(identities_only)},
    {"hashknownhosts", YES_NO, AT(hash_known_hosts)},
    {"compression", YES_NO, AT(compression)},
    {"batchmode", YES_NO, AT(batch_mode)},
    {"pubkeyauthentication", UNLESS_NO, AT(pubkey_auth)},
    {"passwordauthentication", UNLESS_NO, AT(password_auth)},
    {"kbdinteractiveauthentication", UNLESS_NO, AT(kbdint_auth)},
    {"numberofpasswordprompts", NUMBER, AT(password_prompts)},
    {"connecttimeout", NUMBER, AT(connect_timeout_s)},
    {"serveraliveinterval", NUMBER, AT(alive_interval_s)},
    {"serveralivecountmax", NUMBER, AT(alive_count)},
    {"requiredrsasize", NUMBER, AT(rsa_bits)},
    {"identityfile", PATH, AT(identity)},
    {"certificatefile", PATH, AT(certificate)},
    {"userknownhostsfile", PATHS, AT(user_known_hosts)},
    {"globalknownhostsfile", PATHS, AT(global_known_hosts)},
    {"addressfamily", SPECIAL, 0},
    {"stricthostkeychecking", SPECIAL, 0},
    {"preferredauthentications", SPECIAL, 0},
};

/* What cannot be done here and must not be passed over: a host that is configured so is refused, unless the value is
 * the one that switches it off. */
static const struct {
    const char *keyword, *off, *name, *why;
} refused[] = {
    {"bindinterface", "none", "BindInterface", "say the address with BindAddress"},
    {"knownhostscommand", "none", "KnownHostsCommand", "put the keys that it prints into a file of UserKnownHostsFile"},
    {"proxyusefdpass", "no", "ProxyUseFdpass", "use a ProxyCommand that carries the bytes"},
    {"revokedhostkeys", "none", "RevokedHostKeys", "put @revoked lines into a file of UserKnownHostsFile"},
};

static void set_text(char **field, const char *value)
{
    free(*field);
    *field = mem_strdup(value);
}

static bool is_no(const char *value)
{
    return strcasecmp(value, "no") == 0 || strcasecmp(value, "false") == 0 || strcasecmp(value, "off") == 0;
}

static unsigned number(const char *value)
{
    int64_t n;
    return text_parse_int(value, 0, INT32_MAX, &n, NULL) ? 0 : (unsigned)n;
}

static void set_path(struct ssh_words *words, const char *value)
{
    if (strcasecmp(value, "none") != 0)
        ssh_words_add(words, value);
}

/* ssh does not quote the names of files in one line: a word that begins no path belongs to the path before it. */
static void set_paths(struct ssh_words *words, char *value)
{
    char *begin = value;
    for (char *blank = strchr(value, ' '); blank; blank = strchr(blank + 1, ' ')) {
        if (*value == '/' && blank[1] != '/' && blank[1] != '~')
            continue;
        *blank = '\0';
        set_path(words, begin);
        begin = blank + 1;
    }
    set_path(words, begin);
}

static enum ssh_strict strict_of(const char *value)
{
    if (is_no(value))
        return SSH_STRICT_OFF;
    if (strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0)
        return SSH_STRICT_YES;
    return strcasecmp(value, "accept-new") == 0 ? SSH_STRICT_ACCEPT_NEW : SSH_STRICT_ASK;
}

static void set_special(struct ssh_host *h, const char *keyword, const char *value)
{
    if (strcmp(keyword, "addressfamily") == 0) {
        h->address_family = strcasecmp(value, "inet") == 0    ? AF_INET
                            : strcasecmp(value, "inet6") == 0 ? AF_INET6
                                                              : AF_UNSPEC;
    } else if (strcmp(keyword, "stricthostkeychecking") == 0) {
        h->strict = strict_of(value);
    } else { /* its order is ours, but what it leaves out is not tried */
        h->pubkey_auth &= pattern_match_list("publickey", value);
        h->password_auth &= pattern_match_list("password", value);
        h->kbdint_auth &= pattern_match_list("keyboard-interactive", value);
    }
}

static void set_option(struct ssh_host *h, const struct option *o, char *value)
{
    void *field = (char *)h + o->offset;
    switch (o->kind) {
    case TEXT: set_text(field, value); break;
    case YES_NO: *(bool *)field = !is_no(value); break;
    case UNLESS_NO: *(bool *)field &= !is_no(value); break;
    case NUMBER: *(unsigned *)field = number(value); break;
    case PATH: set_path(field, value); break;
    case PATHS: set_paths(field, value); break;
    case SPECIAL: set_special(h, o->keyword, value); break;
    }
}

static enum clw_err read_line(struct ssh_host *h, char *line, struct clw_error *err)
{
    char *value = strchr(line, ' ');
    if (!value)
        return CLW_OK;
    *value++ = '\0';
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (strcmp(options[i].keyword, line) == 0)
            set_option(h, &options[i], value);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (strcmp(refused[i].keyword, line) == 0 && strcasecmp(refused[i].off, value) != 0)
            return clw_fail(err, CLW_REFUSED, refused[i].why,
                "the ssh configuration of %.100s has %s, which is not supported", h->alias, refused[i].name);
    return CLW_OK;
}

/* ---- all of them ---- */

static void defaults(struct ssh_host *h, const char *alias)
{
    *h =
        (struct ssh_host){.address_family = AF_UNSPEC, .pubkey_auth = true, .password_auth = true, .kbdint_auth = true};
    char **texts[] = {&h->hostname, &h->user, &h->identity_agent, &h->proxy_jump, &h->proxy_command, &h->host_key_alias,
        &h->bind_address, &h->ciphers, &h->macs, &h->kex, &h->host_key_algorithms, &h->pubkey_algorithms};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = mem_strdup("");
    h->alias = mem_strdup(alias);
}

void ssh_host_fini(struct ssh_host *h)
{
    char *texts[] = {h->alias, h->hostname, h->user, h->identity_agent, h->proxy_jump, h->proxy_command,
        h->host_key_alias, h->bind_address, h->ciphers, h->macs, h->kex, h->host_key_algorithms, h->pubkey_algorithms};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    ssh_words_fini(&h->identity);
    ssh_words_fini(&h->certificate);
    ssh_words_fini(&h->user_known_hosts);
    ssh_words_fini(&h->global_known_hosts);
    *h = (struct ssh_host){0};
}

/* The list that ssh tries by itself, which it also prints: several, each of them one of these. */
static bool are_defaults(const struct ssh_words *identity)
{
    for (size_t i = 0; i < identity->count; i++)
        if (strncmp(identity->items[i], "~/.ssh/id_", 10) != 0 ||
            !pattern_match_list(identity->items[i] + 10, "rsa,ecdsa,ecdsa_sk,ed25519,ed25519_sk,xmss,dsa"))
            return false;
    return identity->count > 1;
}

static bool replace(char **text, char *with)
{
    if (!with)
        return false;
    free(*text);
    *text = with;
    return true;
}

static bool expand_paths(struct ssh_words *words, const struct ssh_host *h, const char *what, struct clw_error *err)
{
    for (size_t i = 0; i < words->count; i++)
        if (!replace(&words->items[i], ssh_config__expand_path(words->items[i], h, what, err)))
            return false;
    return true;
}

/* "$NAME" is a variable, "SSH_AUTH_SOCK" the usual one. */
static bool expand_agent(struct ssh_host *h, struct clw_error *err)
{
    const char *agent = h->identity_agent;
    if (strcmp(agent, "SSH_AUTH_SOCK") == 0) {
        set_text(&h->identity_agent, "");
    } else if (agent[0] == '$' && agent[1] != '{') {
        const char *value = getenv(agent + 1);
        set_text(&h->identity_agent, value && *value ? value : "none");
    } else {
        return replace(&h->identity_agent, ssh_config__expand_path(agent, h, "IdentityAgent", err));
    }
    return true;
}

static bool expand_all(struct ssh_host *h, struct clw_error *err)
{
    return expand_paths(&h->identity, h, "IdentityFile", err) &&
           expand_paths(&h->certificate, h, "CertificateFile", err) && expand_agent(h, err) &&
           replace(&h->proxy_command, ssh_config__expand_command(h->proxy_command, h, "ProxyCommand", err)) &&
           replace(&h->proxy_jump, ssh_config__expand_command(h->proxy_jump, h, "ProxyJump", err));
}

static enum clw_err finish(struct ssh_host *h, struct clw_error *err)
{
    bool bad_host = !ssh_config__host_is_sane(h->hostname);
    if (!h->port || h->port > 65535 || !*h->hostname)
        return clw_fail(err, CLW_REFUSED, "is the program 'ssh' that of OpenSSH?",
            "ssh -G %.100s did not say where to connect", h->alias);
    if (bad_host || !ssh_config__user_is_sane(h->user))
        return clw_fail(err, CLW_USAGE, "look at HostName and User in the ssh configuration",
            "'%.60s' is not the name of a %s", bad_host ? h->hostname : h->user, bad_host ? "host" : "user");
    char *me = ssh_config__local_user();
    h->has_user = strcmp(h->user, me) != 0;
    h->has_port = h->port != DEFAULT_PORT;
    h->has_identity = !are_defaults(&h->identity);
    free(me);
    if (!h->alive_interval_s)
        h->alive_count = 0; /* ssh prints its default, but sends nothing */
    if (strcasecmp(h->bind_address, "none") == 0)
        set_text(&h->bind_address, "");
    return expand_all(h, err) ? CLW_OK : CLW_REFUSED;
}

enum clw_err ssh_config_read(
    const struct ssh_query *query, const char *answer, struct ssh_host *out, struct clw_error *err)
{
    char *copy = mem_strdup(answer), *save = NULL;
    enum clw_err code = CLW_OK;
    defaults(out, query->alias);
    for (char *line = strtok_r(copy, "\n", &save); line && !code; line = strtok_r(NULL, "\n", &save))
        code = read_line(out, line, err);
    free(copy);
    if (!code)
        code = finish(out, err);
    if (code)
        ssh_host_fini(out);
    return code;
}
