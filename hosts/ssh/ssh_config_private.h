/* Inside hosts/ssh_config*.c only: the list of directives that a configuration becomes. */
#ifndef HOSTS_SSH_SSH_CONFIG_PRIVATE_H
#define HOSTS_SSH_SSH_CONFIG_PRIVATE_H

#include "hosts/ssh/ssh_config.h"

enum ssh_directive_kind {
    SSH_DIRECTIVE_OPTION,
    SSH_DIRECTIVE_HOST,
    SSH_DIRECTIVE_MATCH,
    SSH_DIRECTIVE_ENTER, /* an included file begins: what it says counts only where the Include line does */
    SSH_DIRECTIVE_LEAVE,
};

struct ssh_directive {
    enum ssh_directive_kind kind;
    char *keyword; /* lower case */
    struct ssh_words args;
    char *file;
    unsigned line;
    bool from_system; /* read from /etc/ssh */
};

struct ssh_config {
    struct ssh_directive *items;
    size_t count, cap;
    unsigned lines;
    bool in_system; /* while reading */
};

/* Adds the owned parts of d to the end. */
void ssh_config__add(struct ssh_config *config, struct ssh_directive d);
/* One value with its tokens (%h %n %p %r %u %d %i %l %L %%), ${NAME} and a leading ~ expanded, owned. */
char *ssh_config__expand(const char *text, const struct ssh_host *host);
/* No spaces, quotes, or other bytes that a shell or a path would take for its own. */
bool ssh_config__host_is_sane(const char *host);
bool ssh_config__user_is_sane(const char *user);
/* The home directory of this user, owned. */
char *ssh_config__home(void);

#endif
