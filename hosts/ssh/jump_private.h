/* Inside hosts/ssh/jump*.c only. */
#ifndef HOSTS_SSH_JUMP_PRIVATE_H
#define HOSTS_SSH_JUMP_PRIVATE_H

#include "hosts/ssh/jump.h"

/* A jump host, as long as a session's way leads over it or there is a login. All under the lock. */
struct jump {
    struct jump *next, *via; /* via: the one before it on the way, a reference; or NULL */
    char *key;               /* jump__key(): what makes it the same */
    char label[330];         /* user@host:port */
    unsigned refs;
    struct host_session *maker; /* who logs in there now, or NULL */
    struct jump_login *login;   /* NULL: there is none */
    unsigned logins;            /* so many there were: the number of the last one */
    unsigned attempts;          /* to log in, that are over */
    struct clw_error why;       /* what whoever waited for the last one is told; code CLW_OK: to try it themselves */
    bool turned_away;           /* as in struct host_session */
    struct clw_error ended;     /* why the last login is over */
    struct secrets *secrets;    /* NULL: there was no memory */
};

/* A way to a host behind it. Its maker and the login's thread share it; the lock covers what both change. */
struct jump_way {
    struct jump_way *next;
    char *host;
    unsigned port;
    struct host_session *asker; /* NULL: whoever asked does not wait any more */
    enum { WAY_WAITS, WAY_OPEN, WAY_FAILED, WAY_LOST /* the login ended first */ } state;
    int fd; /* OPEN: for the asker */
    struct clw_error why;
    ssh_channel channel; /* the thread's */
};

/* One login, with its thread, to which all but `asked` belongs. */
struct jump_login {
    struct jump_login *next; /* once it is finished */
    pthread_t thread;
    struct jump *jump; /* a reference */
    struct pump pump;
    struct hop *hop;
    struct keepalive alive;
    struct jump_way *asked;     /* under the lock: the thread has not seen them yet */
    struct jump_way *opening;   /* it waits for the server's answer */
    uint64_t used_ms, asked_ms; /* when a way was there last; when one was asked for last */
    unsigned idle_ms;
    unsigned via_number;  /* the login at jump->via that it goes through */
    bool over;            /* it is not jump->login any more, … */
    struct clw_error why; /* … and why */
};

/* ---- jump.c ---- */

void jump__lock(void);
void jump__unlock(void);
/* Both under the lock. */
void jump__hold(struct jump *j);
void jump__rele(struct jump *j);
/* One that lies i hops from home on the session's way. */
struct jump *jump__at(struct host_session *l, size_t i);
/* Wakes all sessions whose way leads over it. */
void jump__wake_all(struct jump *j);
/* There is a login: sessions that rest since there was none try again. */
void jump__open_all(struct jump *j);
/* It has a thread, and is the login of its jump host from now on. Under the lock. */
void jump__begin(struct jump_login *g);
/* The thread has nothing left to do: gives up its login, to be joined. */
void jump__finish(struct jump_login *g);
/* Joins those that have, and frees their logins. */
void jump__join_finished(void);

/* ---- jump_key.c ---- */

/* What makes two jump hosts the same: all that the configuration says about the first n hops. Owned. */
char *jump__key(struct hop *const *hops, size_t n);

/* ---- jump_serve.c ---- */

/* h is logged in, by l: takes it out of l's pump, and starts the thread. */
enum clw_err jump__start(struct jump *j, struct host_session *l, struct hop *h, struct clw_error *err);
/* Frees a way that nobody else knows (any more). */
void jump__way_free(struct jump_way *w);

#endif
