/* known_hosts files: which keys a host has on record, and adding one. It reads the formats of OpenSSH (plain,
 * patterns, hashed names, [host]:port, @revoked; @cert-authority lines are passed over). Knows nothing of
 * sessions. */
#ifndef HOSTS_SSH_KNOWN_HOSTS_H
#define HOSTS_SSH_KNOWN_HOSTS_H

#include "base/err.h"
#include "hosts/ssh/ssh_config.h"

#include <stdbool.h>
#include <stddef.h>

enum known_verdict {
    KNOWN_OK,
    KNOWN_UNKNOWN,    /* nothing on record */
    KNOWN_OTHER_TYPE, /* keys of other types are on record, at file and line */
    KNOWN_CHANGED,    /* another key of this type is, at file and line */
    KNOWN_REVOKED,    /* this very key is marked @revoked, at file and line */
    KNOWN_UNREAD,     /* there was no descriptor or memory to read a file: nobody knows */
};

struct known_place {
    char file[512];
    unsigned line;
};

/* The name under which a host is on record: "host", or "[host]:port" for ports other than 22. Owned. */
char *known_hosts_name(const char *host, unsigned port);
/* Compares the key (type and base64 text) with every file of both lists. place (may be NULL) is where it was
 * found. */
enum known_verdict known_hosts_check(const struct ssh_words *user, const struct ssh_words *global, const char *name,
    const char *type, const char *key, struct known_place *place);
/* The key types on record for name, each once, in order: owned by out. False: as KNOWN_UNREAD. */
bool known_hosts_types(
    const struct ssh_words *user, const struct ssh_words *global, const char *name, struct ssh_words *out);
/* Appends a line to path, making the file (0600) and its folder (0700). hashed: the name is not readable in
 * it. */
enum clw_err known_hosts_add(
    const char *path, const char *name, const char *type, const char *key, bool hashed, struct clw_error *err);
/* Does the first field of a known_hosts line mean this name? Pure; for tests. */
bool known_hosts_field_matches(const char *field, const char *name);

#endif
