/* All jump hosts that are of use to some session, who uses them, and what is kept for the next login there. */
#include "hosts/ssh/jump_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static struct jump *jumps;
static struct host_session *users; /* sessions with a jump host */
static unsigned threads;
static struct jump_login *finished; /* threads that are to be joined */

void jump__lock(void)
{
    pthread_mutex_lock(&lock);
}

void jump__unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void jump__hold(struct jump *j)
{
    j->refs++;
}

void jump__rele(struct jump *j)
{
    while (j && --j->refs == 0) {
        struct jump *via = j->via, **at = &jumps;
        while (*at != j)
            at = &(*at)->next;
        *at = j->next;
        secrets_free(j->secrets);
        free(j->key);
        free(j);
        j = via;
    }
}

/* ---- who uses them ---- */

/* The jump host that is the last of the first n hops: a reference. */
static struct jump *get(struct hop *const *hops, size_t n)
{
    if (!n)
        return NULL;
    char *key = jump__key(hops, n);
    struct jump *j = jumps;
    while (j && strcmp(j->key, key) != 0)
        j = j->next;
    if (j) {
        free(key);
        jump__hold(j);
        return j;
    }
    j = mem_zalloc(sizeof *j);
    *j = (struct jump){.key = key, .refs = 1, .secrets = secrets_new(), .via = get(hops, n - 1)};
    snprintf(j->label, sizeof j->label, "%s", hops[n - 1]->label);
    j->next = jumps;
    return jumps = j;
}

static void remove_user(struct host_session *l)
{
    struct host_session **at = &users;
    while (*at && *at != l)
        at = &(*at)->next_behind;
    if (*at)
        *at = l->next_behind;
}

void jump_follow(struct host_session *l)
{
    size_t n = l->pump.hop_count;
    jump__lock();
    struct jump *before = l->jump;
    l->jump = get(l->pump.hops, n ? n - 1 : 0);
    if (before)
        remove_user(l);
    if (l->jump) {
        l->next_behind = users;
        users = l;
    }
    jump__rele(before);
    jump__unlock();
}

void jump_leave(struct host_session *l)
{
    jump__lock();
    if (l->jump)
        remove_user(l);
    jump__rele(l->jump);
    l->jump = NULL;
    jump__unlock();
}

struct jump *jump__at(struct host_session *l, size_t i)
{
    struct jump *j = l->jump;
    for (size_t n = l->pump.hop_count - 1; n > i; n--)
        j = j->via;
    return j;
}

static bool leads_over(const struct host_session *l, const struct jump *j)
{
    const struct jump *at = l->jump;
    while (at && at != j)
        at = at->via;
    return at != NULL;
}

void jump__wake_all(struct jump *j)
{
    for (struct host_session *l = users; l; l = l->next_behind)
        if (leads_over(l, j))
            pump_wake(&l->pump);
}

/* The last attempt of the session failed at a jump host. */
static bool rests_on_the_way(const struct host_session *l)
{
    enum host_state s = l->shot.state;
    return l->resting && l->shot.is_on_the_way &&
           (s == HOST_NEEDS_SECRET || s == HOST_REFUSED || s == HOST_BACKOFF || s == HOST_QUARANTINED);
}

void jump__open_all(struct jump *j)
{
    for (struct host_session *l = users; l; l = l->next_behind) {
        if (!leads_over(l, j))
            continue;
        pthread_mutex_lock(&l->lock);
        if (rests_on_the_way(l)) {
            l->retry_now = true;
            if (l->shot.state == HOST_NEEDS_SECRET)
                secrets_drop(l->secrets, &l->asked); /* an answer to what is not asked any more */
        }
        pthread_mutex_unlock(&l->lock);
        pump_wake(&l->pump);
    }
}

/* ---- threads ---- */

void jump__begin(struct jump_login *g)
{
    threads++;
    jump__hold(g->jump);
    g->jump->login = g;
    g->jump->logins++;
}

void jump__finish(struct jump_login *g)
{
    jump__lock();
    threads--;
    jump__rele(g->jump);
    g->next = finished;
    finished = g;
    pthread_cond_broadcast(&ended);
    jump__unlock();
}

void jump__join_finished(void)
{
    jump__lock();
    struct jump_login *g = finished;
    finished = NULL;
    jump__unlock();
    for (struct jump_login *next; g; g = next) {
        next = g->next;
        pthread_join(g->thread, NULL);
        free(g);
    }
}

void host_session_log_out(void)
{
    jump__lock();
    for (struct jump *j = jumps; j; j = j->next)
        if (j->login)
            pump_cancel(&j->login->pump);
    while (threads)
        pthread_cond_wait(&ended, &lock);
    jump__unlock();
    jump__join_finished();
}

/* ---- secrets ---- */

/* Where the session logs in now. */
static struct secrets *page_of(const struct host_session *l)
{
    return l->making_count ? l->making[l->making_count - 1]->secrets : NULL;
}

bool jump_secret_get(struct host_session *l, const struct secret_key *key, char *answer)
{
    jump__lock();
    struct secrets *s = page_of(l);
    bool found = s && secrets_get(s, key, answer);
    jump__unlock();
    return found;
}

void jump_secret_put(struct host_session *l, const struct secret_key *key, const char *answer)
{
    jump__lock();
    struct secrets *s = page_of(l);
    if (s)
        secrets_put(s, key, answer);
    jump__unlock();
}

void jump_secret_drop(struct host_session *l, const struct secret_key *key)
{
    jump__lock();
    struct secrets *s = page_of(l);
    if (s)
        secrets_drop(s, key);
    jump__unlock();
}

void jump_secret_drop_all(struct host_session *l)
{
    jump__lock();
    for (struct jump *j = l->jump; j; j = j->via)
        if (j->secrets)
            secrets_drop_all(j->secrets);
    jump__unlock();
}
