/* Any bytes as an ssh configuration: refused with a message, or read; then every name in it can be looked up,
 * and no setting is missing. Include reads nothing here. */
#include "base/mem.h"
#include "hosts/ssh/known_hosts.h"
#include "hosts/ssh/ssh_config.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void look(const struct ssh_config *config, const char *name)
{
    struct ssh_host h;
    struct clw_error err = {0};
    if (ssh_config_lookup(config, name, "", 0, &h, &err)) {
        must(*err.message);
        return;
    }
    must(h.port >= 1 && h.port <= 65535 && *h.hostname && *h.user && h.identity.count <= SSH_CONFIG_IDENTITIES);
    must(h.user_known_hosts.count > 0 && h.proxy_jump && h.proxy_command && h.notes);
    ssh_host_fini(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ssh_config *config;
    struct ssh_words names;
    struct clw_error err = {0};
    char *text = mem_zalloc(size + 1), *user, *host;
    unsigned port;
    memcpy(text, data, size);
    if (ssh_target_parse(text, &user, &host, &port, &err) == CLW_OK) {
        must(*host);
        free(user);
        free(host);
    }
    known_hosts_field_matches(text, "h1.example");
    if (ssh_config_parse((const char *)data, size, NULL, &config, &err)) {
        must(*err.message);
    } else {
        ssh_config_names(config, &names);
        for (size_t i = 0; i < names.count && i < 8; i++)
            look(config, names.items[i]);
        look(config, "h1.example");
        ssh_words_fini(&names);
        ssh_config_free(config);
    }
    free(text);
    return 0;
}
