/* Inside hosts/ only. Passwords and passphrases of one link, in one locked page that no core dump holds, wiped when
 * they are forgotten. A secret answers the very question that it was given for and no other. Not safe for several
 * threads: the link's lock covers it. */
#ifndef HOSTS_SSH_SECRETS_H
#define HOSTS_SSH_SECRETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SECRET_SIZE = 256 };

/* What a secret is for. */
struct secret_key {
    uint8_t sum[32];
};
/* kind: passphrase, password, interactive; asker: whom it goes to, as user@host:port, or "" when it stays on this
 * machine; question: its full text. No two of these have the same key. */
struct secret_key secret_key(const char *kind, const char *asker, const char *question);

struct secrets; /* the page */

/* NULL when memory is gone. */
struct secrets *secrets_new(void);
void secrets_free(struct secrets *s);
/* The oldest goes when there are too many. */
void secrets_put(struct secrets *s, const struct secret_key *key, const char *secret);
/* The answer into out (SECRET_SIZE bytes), true when there is one. */
bool secrets_get(struct secrets *s, const struct secret_key *key, char *out);
void secrets_drop(struct secrets *s, const struct secret_key *key);
void secrets_drop_all(struct secrets *s);

#endif
