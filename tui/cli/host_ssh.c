#include "tui/cli/host_ssh.h"

#include "base/mem.h"
#include "hosts/ssh/ssh_config.h"
#include "tui/cli/request.h"

#include <string.h>
#include <sys/socket.h>

static json_t *list_of(const struct ssh_words *words)
{
    json_t *list = json_array();
    for (size_t i = 0; i < words->count; i++)
        json_array_append_new(list, json_string(words->items[i]));
    return list;
}

/* "a,b,c" */
static json_t *names_of(const char *text)
{
    json_t *list = json_array();
    for (size_t len; *text; text += len + (text[len] == ',')) {
        len = strcspn(text, ",");
        json_array_append_new(list, json_stringn(text, len));
    }
    return list;
}

static const char *strict_text(enum ssh_strict strict)
{
    static const char *const texts[] = {"ask", "yes", "accept-new", "no"};
    return texts[strict];
}

static const char *family_text(int family)
{
    return family == AF_INET ? "inet" : family == AF_INET6 ? "inet6" : "any";
}

static json_t *settings_json(const struct ssh_host *h)
{
    return json_pack(
        "{s:s, s:s, s:i, s:s, s:s, s:o, s:o, s:s, s:b, s:s, s:o, s:o, s:s, s:b, s:i, s:i, s:i, s:s, s:s, s:o, s:o, "
        "s:o, s:o, s:o, s:n}",
        "hostname", h->hostname, "user", h->user, "port", (int)h->port, "proxyjump", h->proxy_jump, "proxycommand",
        h->proxy_command, "identityfile", list_of(&h->identity), "certificatefile", list_of(&h->certificate),
        "identityagent", h->identity_agent, "identitiesonly", (int)h->identities_only, "hostkeyalias",
        h->host_key_alias, "userknownhostsfile", list_of(&h->user_known_hosts), "globalknownhostsfile",
        list_of(&h->global_known_hosts), "stricthostkeychecking", strict_text(h->strict), "hashknownhosts",
        (int)h->hash_known_hosts, "connecttimeout", (int)h->connect_timeout_s, "serveraliveinterval",
        (int)h->alive_interval_s, "serveralivecountmax", (int)h->alive_count, "addressfamily",
        family_text(h->address_family), "bindaddress", h->bind_address, "ciphers", names_of(h->ciphers), "macs",
        names_of(h->macs), "kexalgorithms", names_of(h->kex), "hostkeyalgorithms", names_of(h->host_key_algorithms),
        "pubkeyacceptedalgorithms", names_of(h->pubkey_algorithms), "problem");
}

json_t *host_ssh_json(const struct store_host *host)
{
    struct ssh_host h;
    struct clw_error err = {0};
    if (!store_host_has_ssh(host))
        return json_null();
    const struct ssh_query query = {.alias = *host->address ? host->address : host->name,
        .user = host->user,
        .port = host->port,
        .identity = host->identity,
        .jump = host->jump};
    if (ssh_config_lookup(&query, -1, &h, &err))
        return json_pack("{s:s, s:s}", "problem", err.message, "hint", err.hint);
    json_t *o = settings_json(&h);
    ssh_host_fini(&h);
    return o ? o : json_pack("{s:s, s:s}", "problem", "the ssh configuration has bytes that are not UTF-8", "hint", "");
}

char *host_ssh_text(const json_t *ssh)
{
    const char *problem = json_text(ssh, "problem"), *jump = json_text(ssh, "proxyjump");
    if (!json_is_object(ssh))
        return mem_strdup("");
    if (*problem)
        return mem_strdup(problem);
    bool way = !*jump && *json_text(ssh, "proxycommand");
    const char *hostname = json_text(ssh, "hostname");
    return mem_printf(strchr(hostname, ':') ? "%s@[%s]:%lld%s%s" : "%s@%s:%lld%s%s", json_text(ssh, "user"), hostname,
        (long long)json_number(ssh, "port"),
        way     ? " by its ProxyCommand"
        : *jump ? " through "
                : "",
        way ? "" : jump);
}
