/* Inside hosts/auth*.c only: one login that is going on. */
#ifndef HOSTS_SSH_AUTH_H
#define HOSTS_SSH_AUTH_H

#include "hosts/ssh/agent.h"
#include "hosts/ssh/session_private.h"

struct auth {
    struct host_session *link;
    struct hop *hop;
    struct buf tried;          /* words for the message */
    struct agent_keys offered; /* by the agent: not offered again from files */
    const char *why;           /* about the key file at hand, for the message */
    int methods;
    enum clw_err code; /* why a wait ended early */
};

enum auth_result { AUTH_DONE, AUTH_NEXT, AUTH_PARTLY, AUTH_FAILED };

/* Repeats a call of the library until it has an answer, or a wait ends with a->code. */
#define AUTH_UNTIL(a, rc, call)                                                                                        \
    do                                                                                                                 \
        (rc) = (call);                                                                                                 \
    while ((rc) == SSH_AUTH_AGAIN && !((a)->code = link__wait((a)->link)))

/* What the library's answer means; AUTH_FAILED has filled *err (but for CLW_AGAIN in a->code: a secret is
 * missing). */
enum auth_result auth__result(struct auth *a, int rc, const char *with, struct clw_error *err);
enum clw_err auth__broken(struct auth *a, struct clw_error *err);
void auth__tried(struct auth *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* auth_file.c: the public halves of the configured identities, for the agent; and logging in with the files.
 */
void auth__wanted_keys(struct auth *a, struct agent_keys *out);
/* The certificates that the configuration names, and those beside the identities. */
void auth__certificates(struct auth *a, struct agent_keys *out);
enum auth_result auth__with_files(struct auth *a, struct clw_error *err);

#endif
