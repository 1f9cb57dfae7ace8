/* How a session comes by a way through a jump host: there is a login, or it logs in for all, or it waits for the one
 * that does, and shows what that one is asked. */
#include "hosts/ssh/jump_private.h"

#include "base/mono.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AGENT_MS = 150000 /* as in auth.c: whoever logs in may wait so long for the owner of an agent */, TRIES = 3 };

/* ---- waiting for another ---- */

enum turn { TURN_LOGGED_IN, TURN_OURS, TURN_WAITS, TURN_REFUSED };

/* attempts: as of when the wait began. */
static enum turn turn_at(struct host_session *l, struct jump *j, unsigned attempts, struct clw_error *err)
{
    enum turn turn = TURN_OURS;
    jump__lock();
    l->awaits = NULL;
    if (j->login) {
        turn = TURN_LOGGED_IN;
    } else if (j->maker) {
        turn = TURN_WAITS;
        l->awaits = j;
    } else if (j->attempts != attempts && j->why.code) {
        turn = TURN_REFUSED;
        *err = j->why;
        l->turned_away = j->turned_away;
    } else {
        j->maker = l;
        l->making[l->making_count++] = j;
    }
    jump__unlock();
    return turn;
}

/* What the session that logs in is asked now, if anything, and which session that is. */
static bool see_maker(
    struct host_session *l, char *name, struct host_prompt *prompt, struct secret_key *key, unsigned *questions)
{
    bool asks = false;
    jump__lock();
    struct host_session *maker = l->awaits ? l->awaits->maker : NULL;
    if (maker) {
        pthread_mutex_lock(&maker->lock);
        asks = maker->shot.asking;
        *prompt = maker->shot.prompt;
        *key = maker->asked;
        *questions = maker->shot.questions;
        pthread_mutex_unlock(&maker->lock);
        snprintf(name, HOST_NAME_SIZE, "%s", maker->o.name);
    }
    jump__unlock();
    return asks;
}

static void show_wait(struct host_session *l, const struct jump *j, const char *name)
{
    pthread_mutex_lock(&l->lock);
    snprintf(
        l->shot.reason, sizeof l->shot.reason, "waits for the login at the jump host %.200s, by '%s'", j->label, name);
    pthread_mutex_unlock(&l->lock);
    link__publish(l);
}

struct wait {
    char name[HOST_NAME_SIZE]; /* who logs in; "": not seen yet */
    bool mirrors;
    unsigned questions;
    uint64_t since_ms, limit_ms; /* when the question came; the deadline without it */
};

static void stop_mirroring(struct host_session *l, struct wait *w)
{
    if (!w->mirrors)
        return;
    w->mirrors = false;
    pthread_mutex_lock(&l->lock);
    l->mirrors = false;
    pthread_mutex_unlock(&l->lock);
    l->deadline_ms = w->limit_ms + (mono_ms() - w->since_ms);
}

/* Shows the wait as it is now. */
static void look(struct host_session *l, const struct jump *j, struct wait *w)
{
    struct host_prompt prompt;
    struct secret_key key;
    char name[HOST_NAME_SIZE] = "";
    unsigned questions = 0;
    bool asks = see_maker(l, name, &prompt, &key, &questions), was = w->mirrors;
    if (!*name)
        return;
    if (was && (!asks || questions != w->questions)) {
        stop_mirroring(l, w);
        link__secret_hide(l);
    }
    if (asks && !w->mirrors) {
        *w = (struct wait){.mirrors = true, .questions = questions, .since_ms = mono_ms(), .limit_ms = l->deadline_ms};
        l->deadline_ms = w->since_ms + l->o.secret_ms;
        pthread_mutex_lock(&l->lock);
        l->mirrors = true;
        pthread_mutex_unlock(&l->lock);
        link__secret_show(l, &prompt, &key);
    } else if (!asks && (was || strcmp(name, w->name) != 0)) {
        show_wait(l, j, name);
    }
    snprintf(w->name, sizeof w->name, "%s", name);
}

/* The wait ends with code. */
static enum clw_err leave(
    struct host_session *l, const struct jump *j, struct wait *w, enum clw_err code, struct clw_error *err)
{
    char doing[400];
    bool asked = w->mirrors;
    stop_mirroring(l, w);
    jump__lock();
    l->awaits = NULL;
    jump__unlock();
    if (asked && code == CLW_TIMED_OUT)
        return clw_fail(err, CLW_AGAIN, l->shot.hint, "%s needs an answer: %s", j->label, l->shot.prompt.text);
    if (asked)
        link__secret_hide(l);
    snprintf(doing, sizeof doing, "waiting for the login at the jump host %s", j->label);
    return code ? link__explain(l, code, doing, err) : CLW_OK;
}

/* Until it is decided what the session has to do: not TURN_WAITS, and *code 0; or *code. */
static enum turn await(
    struct host_session *l, struct jump *j, unsigned attempts, enum clw_err *code, struct clw_error *err)
{
    struct wait w = {0};
    enum turn turn;
    while ((turn = turn_at(l, j, attempts, err)) == TURN_WAITS) {
        if (!*w.name && !w.mirrors)
            link__step(l, HOST_CONNECT, l->o.connect_ms + l->o.hostkey_ms + l->o.auth_ms + AGENT_MS);
        look(l, j, &w);
        *code = link__wait(l);
        if (*code) {
            *code = leave(l, j, &w, *code, err);
            return turn;
        }
    }
    leave(l, j, &w, CLW_OK, err);
    return turn;
}

/* ---- logging in for all ---- */

/* Would it go the same way with whoever waits? Not where this one was interrupted, or has a key to show. */
static bool concerns_all(struct host_session *l, enum clw_err code)
{
    pthread_mutex_lock(&l->lock);
    bool has_key = l->shot.step == HOST_HOSTKEY && l->shot.key.fingerprint[0];
    pthread_mutex_unlock(&l->lock);
    return code && code != CLW_CANCELLED && code != CLW_AGAIN && !has_key;
}

static enum clw_err log_in(struct host_session *l, struct jump *j, size_t i, struct clw_error *err)
{
    enum clw_err code = link__reach(l, i, err);
    if (!code)
        code = jump__start(j, l, l->pump.hops[i], err);
    bool all = concerns_all(l, code);
    jump__lock();
    j->maker = NULL;
    l->making_count--;
    j->attempts++;
    j->turned_away = l->turned_away;
    j->why = all ? *err : (struct clw_error){0};
    j->why.code = all ? code : CLW_OK;
    jump__wake_all(j);
    if (!code)
        jump__open_all(j);
    jump__unlock();
    return code;
}

/* There is a login at j, the hop i, when this has succeeded. */
static enum clw_err ensure(struct host_session *l, struct jump *j, size_t i, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    jump__lock();
    unsigned attempts = j->attempts;
    jump__unlock();
    link__on_the_way(l, i);
    switch (await(l, j, attempts, &code, err)) {
    case TURN_LOGGED_IN: return CLW_OK;
    case TURN_REFUSED: return err->code;
    case TURN_OURS: return log_in(l, j, i, err);
    case TURN_WAITS: break;
    }
    return code;
}

/* ---- ways ---- */

/* NULL: there is no login any more, and why. */
static struct jump_way *ask(struct host_session *l, struct jump *j, const struct ssh_host *host, struct clw_error *err)
{
    struct jump_way *w = NULL;
    jump__lock();
    if (j->login) {
        w = mem_zalloc(sizeof *w);
        *w = (struct jump_way){.next = j->login->asked, .asker = l, .fd = -1, .port = host->port};
        w->host = mem_strdup(host->hostname);
        j->login->asked = w;
        l->over = j;
        l->over_number = j->logins;
        pump_wake(&j->login->pump);
    } else {
        *err = j->ended;
    }
    jump__unlock();
    return w;
}

/* False: it is the thread's from now on. */
static bool take_back(struct jump_way *w)
{
    jump__lock();
    bool waits = w->state == WAY_WAITS;
    if (waits)
        w->asker = NULL;
    jump__unlock();
    return !waits;
}

static bool is_waiting(struct jump_way *w)
{
    jump__lock();
    bool waits = w->state == WAY_WAITS;
    jump__unlock();
    return waits;
}

/* *lost: the login ended before there was a way. */
static enum clw_err open_way(
    struct host_session *l, struct jump *j, const struct hop *h, int *fd, bool *lost, struct clw_error *err)
{
    char doing[800];
    enum clw_err code = CLW_OK;
    link__step(l, HOST_CONNECT, h->host.connect_timeout_s ? h->host.connect_timeout_s * 1000 : l->o.connect_ms);
    struct jump_way *w = ask(l, j, &h->host, err);
    *lost = !w;
    if (!w)
        return err->code;
    while (is_waiting(w) && !code)
        code = link__wait(l);
    if (!take_back(w)) {
        snprintf(doing, sizeof doing, "connecting to %s through %s", h->host.hostname, j->label);
        return link__explain(l, code, doing, err);
    }
    *lost = w->state == WAY_LOST;
    if (w->state == WAY_OPEN) {
        *fd = w->fd;
        w->fd = -1;
        code = CLW_OK; /* also where it came with the end of the wait */
    } else {
        *err = w->why;
        code = err->code;
    }
    jump__way_free(w);
    return code;
}

enum clw_err jump_connect(struct host_session *l, size_t i, int *fd, struct clw_error *err)
{
    struct jump *j = jump__at(l, i);
    bool lost = true;
    enum clw_err code = CLW_OK;
    for (int tries = 0; tries < TRIES && lost;) { /* a login that nobody used may be long dead */
        code = ensure(l, j, i - 1, err);
        if (code)
            return code;
        link__on_the_way(l, i);
        code = open_way(l, j, l->pump.hops[i], fd, &lost, err);
        tries += !lost || code != CLW_CLOSED; /* it ended unused, just now: that is nobody's fault */
        if (!code)
            clw_error_clear(err);
    }
    return code;
}

bool jump_ended(struct host_session *l, struct clw_error *err)
{
    bool ended = false;
    jump__lock();
    if (l->over && (!l->over->login || l->over->logins != l->over_number)) {
        ended = true;
        if (err)
            *err = l->over->ended;
    }
    jump__unlock();
    return ended;
}

void jump_forget_way(struct host_session *l)
{
    l->over = NULL;
}

/* ---- questions ---- */

void jump_tell(struct host_session *l)
{
    jump__lock();
    for (size_t i = 0; i < l->making_count; i++)
        jump__wake_all(l->making[i]);
    jump__unlock();
}

enum clw_err jump_answer(struct host_session *l, const char *prompt, const char *secret, struct clw_error *err)
{
    jump__lock();
    struct host_session *asks = l->awaits ? l->awaits->maker : NULL;
    while (asks && asks->awaits)
        asks = asks->awaits->maker;
    enum clw_err code = asks ? link__take_answer(asks, prompt, secret, err)
                             : clw_fail(err, CLW_NOT_FOUND, NULL, "'%s' does not ask this question now", l->o.name);
    jump__unlock();
    return code;
}
