/* What OpenSSH's own client makes of its configuration: `ssh -G` is run for a host, and its answer is read. So Match,
 * Include, quotes, tokens and lists with `+ - ^` mean here what they mean to ssh. It waits for a process: never call it
 * in the engine's main thread. Knows nothing of sessions. */
#ifndef HOSTS_SSH_SSH_CONFIG_H
#define HOSTS_SSH_SSH_CONFIG_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* A list of owned strings. */
struct ssh_words {
    char **items;
    size_t count;
};

/* What becomes of a host key that is not on record. A changed key is refused whatever this says. */
enum ssh_strict { SSH_STRICT_ASK, SSH_STRICT_YES, SSH_STRICT_ACCEPT_NEW, SSH_STRICT_OFF };

/* The settings of one host. No text is NULL ("": not stated), tokens and ~ are expanded. Owned: ssh_host_fini(). */
struct ssh_host {
    char *alias;    /* the name that was asked for */
    char *hostname; /* where to connect */
    char *user;
    unsigned port;
    bool has_user, has_port;      /* they are others than without any configuration */
    struct ssh_words identity;    /* paths */
    bool has_identity;            /* they are others than those that ssh tries by itself */
    struct ssh_words certificate; /* paths */
    bool identities_only;
    char *identity_agent; /* path, "none", or "" for $SSH_AUTH_SOCK */
    char *proxy_jump;     /* "user@host:port,host2", or "" */
    char *proxy_command;  /* "" when none */
    struct ssh_words user_known_hosts, global_known_hosts;
    char *host_key_alias;
    bool hash_known_hosts;
    enum ssh_strict strict;
    unsigned connect_timeout_s;             /* 0: not stated */
    unsigned alive_interval_s, alive_count; /* 0: not stated */
    int address_family;                     /* AF_UNSPEC, AF_INET, AF_INET6 */
    char *bind_address;
    char *ciphers, *macs, *kex, *host_key_algorithms, *pubkey_algorithms; /* with commas, as ssh would offer them */
    unsigned rsa_bits; /* keys with fewer are refused; 0: not stated */
    bool compression;
    bool pubkey_auth, password_auth, kbdint_auth;
    unsigned password_prompts;
    bool batch_mode;
};

/* As if somebody had typed ssh -F CONFIG -l USER -p PORT -i IDENTITY -J JUMP -- ALIAS. NULL, "" and 0: not typed. */
struct ssh_query {
    const char *config; /* not typed: $CLOWDER_SSH_CONFIG, where that is set */
    const char *alias;  /* required */
    const char *user;
    unsigned port;
    const char *identity;
    const char *jump; /* "none": no jump */
};

/* Asks ssh and waits, for ten seconds at most and until cancel_fd (-1: none) is readable. Gives *out. CLW_USAGE: the
 * query would be no host, user or path to ssh; CLW_REFUSED: ssh says no (message: in its own words), it is not
 * installed, or the configuration wants something that cannot be had here; CLW_TIMED_OUT; CLW_CANCELLED. */
enum clw_err ssh_config_lookup(
    const struct ssh_query *query, int cancel_fd, struct ssh_host *out, struct clw_error *err);

/* The same in steps, for a thread that has other things to wait for. An answer that is known already is there at once.
 */
struct ssh_lookup;
enum clw_err ssh_lookup_begin(const struct ssh_query *query, struct ssh_lookup **out, struct clw_error *err);
/* Readable when there is more to do, or -1: nothing is to be waited for. */
int ssh_lookup_fd(const struct ssh_lookup *l);
/* True: it is over. */
bool ssh_lookup_step(struct ssh_lookup *l);
/* Frees it. One that is not over is ended, and CLW_TIMED_OUT. */
enum clw_err ssh_lookup_end(struct ssh_lookup *l, struct ssh_host *out, struct clw_error *err);

/* The names that the Host lines of a configuration and of the files that it includes state without a pattern, in order,
 * each once: owned by out. path NULL or "": as in struct ssh_query, else ~/.ssh/config, which need not be there.
 * CLW_NOT_FOUND, CLW_TOO_LARGE. */
enum clw_err ssh_config_names(const char *path, struct ssh_words *out, struct clw_error *err);
/* The same of text, which is cut up; nothing is included. Pure; for tests. */
void ssh_config_names_in(char *text, struct ssh_words *out);

/* Reads what `ssh -G` has said. Pure, but for the user's home and environment; for tests. */
enum clw_err ssh_config_read(
    const struct ssh_query *query, const char *answer, struct ssh_host *out, struct clw_error *err);

void ssh_host_fini(struct ssh_host *host);
void ssh_words_add(struct ssh_words *words, const char *text);
void ssh_words_fini(struct ssh_words *words);

/* Splits "user@host:port", "host", "[::1]:22" or "ssh://user@host:port" into owned user ("" when absent),
 * host, and port (0 when absent). CLW_USAGE when it is none of them. */
enum clw_err ssh_target_parse(const char *text, char **user, char **host, unsigned *port, struct clw_error *err);

#endif
