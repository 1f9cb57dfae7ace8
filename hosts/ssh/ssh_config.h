/* A bounded reader of OpenSSH's client configuration: what ~/.ssh/config says about a host, and which hosts
 * it names. It applies what the SSH library would ignore. Pure: it reads files, and knows nothing of
 * sessions. Not understood: Match exec (never run, counts as no match), canonicalization, tagged; such lines
 * are told in notes. */
#ifndef HOSTS_SSH_SSH_CONFIG_H
#define HOSTS_SSH_SSH_CONFIG_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { SSH_CONFIG_FILES = 8, SSH_CONFIG_IDENTITIES = 16 };

struct ssh_config; /* what was read: shared by as many look-ups as wanted, never changed by them */

/* A list of owned strings. */
struct ssh_words {
    char **items;
    size_t count;
};

/* The settings of one host, first value wins as in ssh. No text is NULL ("": not stated). Owned:
 * ssh_host_fini(). */
struct ssh_host {
    char *alias;                  /* the name that was asked for */
    char *hostname;               /* where to connect: HostName, or the alias */
    char *user;                   /* "": the local user's name */
    unsigned port;                /* 22 when not stated */
    bool has_user, has_port;      /* stated by the configuration */
    struct ssh_words identity;    /* paths, ~ and tokens expanded; the defaults when none is stated */
    bool has_identity;            /* IdentityFile was stated */
    struct ssh_words certificate; /* CertificateFile */
    bool identities_only;
    char *identity_agent; /* path, "none", or "" for $SSH_AUTH_SOCK */
    char *proxy_jump;     /* "user@host:port,host2", or "" */
    char *proxy_command;  /* tokens expanded; "" when none */
    struct ssh_words user_known_hosts, global_known_hosts;
    char *host_key_alias;
    bool hash_known_hosts;
    unsigned connect_timeout_s;             /* 0: not stated */
    unsigned alive_interval_s, alive_count; /* 0: not stated */
    int address_family;                     /* AF_UNSPEC, AF_INET, AF_INET6 */
    char *bind_address;
    char *ciphers, *macs, *kex, *host_key_algorithms, *pubkey_algorithms;
    bool compression;
    bool pubkey_auth, password_auth, kbdint_auth;
    bool batch_mode;
    char *notes; /* lines about what was not understood, "" when there is nothing */
};

/* Reads the configuration. path NULL or "": $CLOWDER_SSH_CONFIG when set, else ~/.ssh/config and then
 * /etc/ssh/ssh_config; a file named in either way must exist, those two need not. Gives an owned *out.
 * CLW_NOT_FOUND, CLW_TOO_LARGE (1 MiB a file, 16 levels of Include, 50,000 lines), CLW_DAMAGED (file and
 * line). */
enum clw_err ssh_config_load(const char *path, struct ssh_config **out, struct clw_error *err);
/* The same from text. Include works with absolute paths and below dir; with dir NULL it reads nothing. */
enum clw_err ssh_config_parse(
    const char *text, size_t len, const char *dir, struct ssh_config **out, struct clw_error *err);
void ssh_config_free(struct ssh_config *config);

/* The names that the user's Host lines state without a pattern, in order, each once. Owned: ssh_words_fini().
 */
void ssh_config_names(const struct ssh_config *config, struct ssh_words *out);
/* The settings of alias. user and port ("" and 0: not stated) go before what the configuration says. */
enum clw_err ssh_config_lookup(const struct ssh_config *config, const char *alias, const char *user, unsigned port,
    struct ssh_host *out, struct clw_error *err);

void ssh_host_fini(struct ssh_host *host);
void ssh_words_add(struct ssh_words *words, const char *text);
void ssh_words_fini(struct ssh_words *words);

/* Splits "user@host:port", "host", "[::1]:22" or "ssh://user@host:port" into owned user ("" when absent),
 * host, and port (0 when absent). CLW_USAGE when it is none of them. */
enum clw_err ssh_target_parse(const char *text, char **user, char **host, unsigned *port, struct clw_error *err);

#endif
