/* Inside hosts/ only. Passwords and passphrases of one link, in one locked page that no core dump holds,
 * wiped when they are forgotten. Not safe for several threads: the link's lock covers it. */
#ifndef HOSTS_SECRETS_H
#define HOSTS_SECRETS_H

#include <stdbool.h>
#include <stddef.h>

enum { SECRET_SIZE = 256 };

struct secrets; /* the page */

/* NULL when memory is gone. */
struct secrets *secrets_new(void);
void secrets_free(struct secrets *s);
/* Keeps the answer to a prompt; prompt "" answers whichever comes first. The oldest goes when there are too
 * many. */
void secrets_put(struct secrets *s, const char *prompt, const char *secret);
/* The answer into out (SECRET_SIZE bytes), true when there is one. An answer to "" becomes the prompt's. */
bool secrets_get(struct secrets *s, const char *prompt, char *out);
void secrets_drop(struct secrets *s, const char *prompt);
void secrets_drop_all(struct secrets *s);

#endif
