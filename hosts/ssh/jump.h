/* Inside hosts/ only. Logins at jump hosts, which all sessions behind the same one share: the first session that needs
 * it logs in, in its own thread, and its owner is asked there; then the login gets a thread of its own, which opens
 * ways to the hosts behind it for whoever asks. "The same" is a jump host with the same settings, reached the same way.
 *
 * Functions are for the thread of the session that they are given, but where they say another. One lock covers all
 * jump hosts; a session's own lock may be taken under it, never the other way. */
#ifndef HOSTS_SSH_JUMP_H
#define HOSTS_SSH_JUMP_H

#include "hosts/ssh/session_private.h"

/* The route is known: takes a reference to the last jump host on it, and gives back the one of the route before. */
void jump_follow(struct host_session *l);
/* Gives it back: the session ends. */
void jump_leave(struct host_session *l);

/* A connection to hop i (i > 0) through the jump hosts before it: *fd, owned. Logs in to them where nobody has, or
 * waits for the session that does so now; the state shows that, and what that one is asked. As link__auth() else. */
enum clw_err jump_connect(struct host_session *l, size_t i, int *fd, struct clw_error *err);
/* The session's connection ended since a jump host before it did: says which and why, and true. */
bool jump_ended(struct host_session *l, struct clw_error *err);
/* The session's hops are closed: its connection goes through none any more. */
void jump_forget_way(struct host_session *l);

/* What the session shows has changed: those that wait for its login show the same. */
void jump_tell(struct host_session *l);
/* Hands an answer to the session that asks the question which this one shows, too. For any thread. CLW_NOT_FOUND: it is
 * not asked any more. */
enum clw_err jump_answer(struct host_session *l, const char *prompt, const char *secret, struct clw_error *err);

/* Secrets for the jump host that the session logs in to now, for whoever logs in there next. No one-time codes. */
bool jump_secret_get(struct host_session *l, const struct secret_key *key, char *answer);
void jump_secret_put(struct host_session *l, const struct secret_key *key, const char *answer);
void jump_secret_drop(struct host_session *l, const struct secret_key *key);
/* Forgets all of the jump hosts on the session's way. For any thread. */
void jump_secret_drop_all(struct host_session *l);

#endif
