/* "user@host:port" and its relatives. */
#include "hosts/ssh/ssh_config_private.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* The port after the last colon, when what stands before it is no bare IPv6 address. */
static bool split_port(char *host, unsigned *port)
{
    char *colon = strrchr(host, ':');
    int64_t value;
    if (!colon || (host[0] != '[' && strchr(host, ':') != colon))
        return true;
    if (host[0] == '[' && colon[-1] != ']')
        return true; /* a colon of the address itself */
    if (text_parse_int(colon + 1, 1, 65535, &value, NULL))
        return false;
    *colon = '\0';
    *port = (unsigned)value;
    return true;
}

bool ssh_config__host_is_sane(const char *host)
{
    if (!*host || *host == '-' || strlen(host) > 255)
        return false;
    for (const char *p = host; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f || strchr("'\"`$\\;&|<>(){}[]/,@", *p))
            return false;
    return true;
}

bool ssh_config__user_is_sane(const char *user)
{
    if (!*user || *user == '-' || strlen(user) > 63)
        return false;
    for (const char *p = user; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f || strchr("'\"`$;&|<>(){}", *p))
            return false;
    return true;
}

enum clw_err ssh_target_parse(const char *text, char **user, char **host, unsigned *port, struct clw_error *err)
{
    char *copy = mem_strdup(strncmp(text, "ssh://", 6) == 0 ? text + 6 : text), *name = copy;
    char *at = strrchr(copy, '@');
    size_t len;
    *user = *host = NULL;
    *port = 0;
    if (at) {
        *at = '\0';
        name = at + 1;
        if (!ssh_config__user_is_sane(copy))
            goto bad;
    }
    if (!split_port(name, port))
        goto bad;
    len = strlen(name);
    if (len > 2 && name[0] == '[' && name[len - 1] == ']') {
        name[len - 1] = '\0';
        name++;
    }
    if (!ssh_config__host_is_sane(name))
        goto bad;
    *user = mem_strdup(at ? copy : "");
    *host = mem_strdup(name);
    free(copy);
    return CLW_OK;
bad:
    free(copy);
    return clw_fail(err, CLW_USAGE, "write it as [user@]host[:port]", "'%.100s' is not the address of a host", text);
}
