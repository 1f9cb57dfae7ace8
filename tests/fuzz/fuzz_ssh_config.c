/* Any bytes as what ssh -G has said, and as an ssh configuration whose names are wanted: refused with a message, or
 * read, and then no setting is missing. Include reads nothing here. */
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

static void read_answer(const char *text)
{
    struct ssh_host h;
    struct clw_error err = {0};
    if (ssh_config_read(&(struct ssh_query){.alias = "h1.example"}, text, &h, &err)) {
        must(*err.message);
        return;
    }
    must(h.port >= 1 && h.port <= 65535 && *h.hostname && *h.hostname != '-' && *h.user && *h.user != '-');
    must(h.proxy_jump && h.proxy_command && h.identity_agent && h.ciphers);
    ssh_host_fini(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
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
    read_answer(text);
    ssh_config_names_in(text, &names);
    ssh_words_fini(&names);
    free(text);
    return 0;
}
