/* Where a secret comes from: what is kept, the callback, or an answer that arrives while the session waits, and how
 * that arrives. */
#include "hosts/ssh/session_private.h"

#include "base/mono.h"
#include "hosts/ssh/jump.h"

#include <stdio.h>
#include <string.h>

static struct secret_key key_of(const struct question *q)
{
    return secret_key(q->kind, q->asker, q->text);
}

/* What serves once is gone from the page when it is taken. */
static bool kept(struct host_session *l, const struct question *q, const struct secret_key *key, char *answer)
{
    pthread_mutex_lock(&l->lock);
    bool found = secrets_get(l->secrets, key, answer);
    if (found && q->once)
        secrets_drop(l->secrets, key);
    pthread_mutex_unlock(&l->lock);
    return found || (!q->once && jump_secret_get(l, key, answer));
}

/* Whoever logs in at that jump host next needs it, too. */
static void share(struct host_session *l, const struct question *q, const struct secret_key *key, const char *answer)
{
    if (!q->once)
        jump_secret_put(l, key, answer);
}

static bool asked(struct host_session *l, const struct question *q, const struct host_prompt *prompt,
    const struct secret_key *key, char *answer)
{
    if (!l->o.cb.secret || !l->o.cb.secret(l->o.cb.arg, prompt, answer, SECRET_SIZE))
        return false;
    answer[SECRET_SIZE - 1] = '\0';
    if (q->once)
        return true;
    pthread_mutex_lock(&l->lock);
    secrets_put(l->secrets, key, answer);
    pthread_mutex_unlock(&l->lock);
    return true;
}

void link__secret_show(struct host_session *l, const struct host_prompt *prompt, const struct secret_key *key)
{
    pthread_mutex_lock(&l->lock);
    l->asked = *key;
    l->shot.state = HOST_NEEDS_SECRET;
    l->shot.prompt = *prompt;
    l->shot.questions++;
    l->shot.asking = true;
    l->shot.since_ms = mono_ms();
    snprintf(l->shot.reason, sizeof l->shot.reason, "needs an answer: %s", prompt->text);
    snprintf(l->shot.hint, sizeof l->shot.hint, "clowder host unlock %s", l->o.name);
    pthread_mutex_unlock(&l->lock);
    link__publish(l);
    jump_tell(l);
}

void link__secret_hide(struct host_session *l)
{
    pthread_mutex_lock(&l->lock);
    l->shot.state = l->shot.step;
    l->shot.asking = false;
    memset(&l->shot.prompt, 0, sizeof l->shot.prompt);
    l->shot.reason[0] = l->shot.hint[0] = '\0';
    pthread_mutex_unlock(&l->lock);
    link__publish(l);
    jump_tell(l);
}

enum clw_err link__secret(struct host_session *l, const struct question *q, char *answer)
{
    struct host_prompt p = {.echo = q->echo};
    struct secret_key key = key_of(q);
    snprintf(p.kind, sizeof p.kind, "%s", q->kind);
    snprintf(p.text, sizeof p.text, "%s", q->shown);
    p.again = strcmp(l->shot.prompt.text, p.text) == 0 && l->shot.prompt.again;
    if (kept(l, q, &key, answer) || asked(l, q, &p, &key, answer)) {
        share(l, q, &key, answer);
        return CLW_OK;
    }
    uint64_t began = mono_ms(), limit = l->deadline_ms;
    link__log(l, LOG_INFO, "step=auth needs=%s", q->kind);
    link__secret_show(l, &p, &key);
    enum clw_err code = CLW_OK;
    bool found = false;
    l->deadline_ms = began + l->o.secret_ms;
    while (!code && !(found = kept(l, q, &key, answer)))
        code = link__wait(l);
    l->deadline_ms = limit + (mono_ms() - began);
    if (code == CLW_CANCELLED)
        return code;
    if (!found)
        return CLW_AGAIN;
    share(l, q, &key, answer);
    link__secret_hide(l);
    return CLW_OK;
}

void link__secret_refused(struct host_session *l, const struct question *q)
{
    struct secret_key key = key_of(q);
    pthread_mutex_lock(&l->lock);
    secrets_drop(l->secrets, &key);
    snprintf(l->shot.prompt.text, sizeof l->shot.prompt.text, "%s", q->shown);
    l->shot.prompt.again = true;
    pthread_mutex_unlock(&l->lock);
    jump_secret_drop(l, &key);
}

/* ---- for other threads ---- */

enum clw_err link__take_answer(struct host_session *l, const char *prompt, const char *secret, struct clw_error *err)
{
    pthread_mutex_lock(&l->lock);
    bool same = l->shot.state == HOST_NEEDS_SECRET && *prompt && strcmp(l->shot.prompt.text, prompt) == 0;
    if (same)
        secrets_put(l->secrets, &l->asked, secret);
    l->answered |= same;
    pthread_mutex_unlock(&l->lock);
    if (!same)
        return clw_fail(err, CLW_NOT_FOUND, "see what it asks now: clowder host unlock NAME",
            "'%s' does not ask this question now", l->o.name);
    pump_wake(&l->pump);
    return CLW_OK;
}

enum clw_err host_session_answer(struct host_session *l, const char *prompt, const char *secret, struct clw_error *err)
{
    if (strlen(secret) >= SECRET_SIZE)
        return clw_fail(err, CLW_TOO_LARGE, NULL, "a secret has at most %d bytes", SECRET_SIZE - 1);
    pthread_mutex_lock(&l->lock);
    bool mirrors = l->mirrors;
    pthread_mutex_unlock(&l->lock);
    return mirrors ? jump_answer(l, prompt, secret, err) : link__take_answer(l, prompt, secret, err);
}

void host_session_forget(struct host_session *l)
{
    pthread_mutex_lock(&l->lock);
    secrets_drop_all(l->secrets);
    pthread_mutex_unlock(&l->lock);
    jump_secret_drop_all(l);
}
