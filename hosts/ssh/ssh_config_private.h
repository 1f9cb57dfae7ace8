/* Inside hosts/ssh/ssh_*.c only. */
#ifndef HOSTS_SSH_SSH_CONFIG_PRIVATE_H
#define HOSTS_SSH_SSH_CONFIG_PRIVATE_H

#include "hosts/ssh/ssh_config.h"

#include <stdint.h>

/* No spaces, quotes, or other bytes that a shell, a path or ssh's command line would take for its own. */
bool ssh_config__host_is_sane(const char *host);
bool ssh_config__user_is_sane(const char *user);
/* The home directory and the name of this user, as ssh looks them up; owned. */
char *ssh_config__home(void);
char *ssh_config__local_user(void);

/* ssh_expand.c */

/* text with its tokens (those of the list), a leading ~ and ${NAME} expanded, owned. NULL and *err where ssh would give
 * up; what is the keyword, for the message. */
char *ssh_config__expand_path(const char *text, const struct ssh_host *host, const char *what, struct clw_error *err);
/* The same for a command: nothing but %h %n %p %r and %%. */
char *ssh_config__expand_command(
    const char *text, const struct ssh_host *host, const char *what, struct clw_error *err);

/* ssh_files.c */

enum { SSH_SUM_BYTES = 32 };
/* A look at the files that ssh would read. */
struct ssh_files {
    struct ssh_words names;
    uint8_t sum[SSH_SUM_BYTES]; /* of all that they say */
    bool settled;               /* that sum decides what ssh says: no command, network or clock does */
};
/* config: the file of -F, or NULL. Names are those of the user's files. CLW_NOT_FOUND, CLW_IO, CLW_TOO_LARGE. */
enum clw_err ssh_config__look(const char *config, struct ssh_files *out, struct clw_error *err);

/* The file of -F for a query: what it names, $CLOWDER_SSH_CONFIG, or NULL. */
const char *ssh_config__file(const char *named);

#endif
