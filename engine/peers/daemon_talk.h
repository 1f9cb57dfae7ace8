/* What is said to a daemon: welcome, terms, that it is to go; and whether it is listened to. */
#ifndef ENGINE_PEERS_DAEMON_TALK_H
#define ENGINE_PEERS_DAEMON_TALK_H

#include "engine/model/model.h"

/* Who it is, and the profile's settings: first of all. */
void daemon_send_welcome(struct peer *p, struct daemon *m);
/* The same of one that was away and works on: both sides send what the other lacks. False: it says that it has what was
 * not sent. */
bool daemon_send_resumed(struct peer *p, struct daemon *m, uint64_t has);
/* Tells it the profile's terms as they are now. */
void daemon_send_terms(struct peer *p, const struct daemon *m);
/* The settings that it is told once, when it joins, as they are told. */
void daemon_add_told(struct buf *b, const struct profile *p);
/* Whether its answers are read: not while a client that they are for reads none. A daemon that is not read gets nothing
 * new, lest tasks of others stand behind. */
void peer_daemon_read(struct peer *p, bool read);
/* Its process is gone, or is to go at once: what it sent is read to the end. */
void peer_daemon_read_all(struct peer *p);
/* Carries out those acts (enum fleet_do) that are said to it, or done to its connection. */
void peer_daemon_act(struct daemon *m, unsigned acts);
/* Its dispatcher gives it tasks, unless it pauses or is not read. */
void daemon_give_or_not(struct daemon *m);

#endif
