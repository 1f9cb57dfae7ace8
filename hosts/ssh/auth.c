/* The step auth, in ssh's order: the agent, key files, keyboard-interactive, password. What the server does
 * not offer or the configuration switches off is passed over; what was tried is remembered for the message
 * when nothing helped. */
#include "hosts/ssh/session_private.h"

#include "base/mono.h"
#include "base/text.h"
#include "hosts/ssh/agent.h"
#include "hosts/ssh/auth.h"
#include "hosts/ssh/jump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* AGENT_MS: sshd gives a login two minutes (LoginGraceTime). */
enum { ROUNDS = 4, AGENT_MS = 150000 };

enum clw_err auth__broken(struct auth *a, struct clw_error *err)
{
    char said[300];
    if (jump_ended(a->link, err))
        return CLW_UNREACHABLE;
    link__ssh_error(a->hop, said, sizeof said);
    if (strcasestr(said, "too many authentication failures"))
        return clw_fail(err, CLW_REFUSED, "set IdentitiesOnly yes and one IdentityFile for it in ~/.ssh/config",
            "%s ended the login: too many keys were offered (tried: %s)", a->hop->label, buf_text(&a->tried));
    return clw_fail(err, CLW_UNREACHABLE, "check the host's own log (journalctl -u ssh)", "%s ended the login: %s",
        a->hop->label, said);
}

void auth__tried(struct auth *a, const char *format, ...)
{
    char text[300];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (a->tried.len < 600)
        buf_printf(&a->tried, "%s%s", a->tried.len ? ", " : "", text);
}

/* ---- the agent ---- */

/* It is shown, not waited for in silence: an agent may ask its owner, or want a key to be touched. In the talk's
 * thread. */
static void agent_waits(void *arg, bool waits)
{
    struct auth *a = arg;
    struct host_session *l = a->link;
    pthread_mutex_lock(&l->lock);
    if (waits)
        snprintf(l->shot.reason, sizeof l->shot.reason,
            "waits for your SSH agent to sign the login to %.200s; does it ask for a confirmation?", a->hop->label);
    else
        l->shot.reason[0] = '\0';
    pthread_mutex_unlock(&l->lock);
    link__publish(l);
}

static enum auth_result talk_to_agent(struct auth *a, const char *path, struct clw_error *err)
{
    struct host_session *l = a->link;
    struct agent_keys wanted = {0}, certificates = {0};
    uint64_t began_ms = mono_ms();
    int fd = -1, rc;
    auth__wanted_keys(a, &wanted);
    auth__certificates(a, &certificates);
    const struct agent_offer offer = {
        .wanted = &wanted, .certificates = &certificates, .only = a->hop->host.identities_only};
    struct agent *agent = agent_open(path, &offer, began_ms + AGENT_MS, &l->pump.cancelled, agent_waits, a, &fd);
    agent_keys_fini(&wanted);
    agent_keys_fini(&certificates);
    if (!agent) {
        auth__tried(a, "no agent at %.100s", path);
        return AUTH_NEXT;
    }
    if (ssh_set_agent_socket(a->hop->session, fd)) {
        close(fd);
        agent_close(agent, NULL);
        return AUTH_NEXT;
    }
    uint64_t limit_ms = l->deadline_ms;
    l->deadline_ms = began_ms + AGENT_MS;
    AUTH_UNTIL(a, rc, ssh_userauth_agent(a->hop->session, NULL));
    agent_close(agent, &a->offered);
    l->deadline_ms = limit_ms + (mono_ms() - began_ms); /* its owner's time is not the host's */
    auth__tried(a, "agent (%zu keys)", a->offered.count);
    return auth__result(a, rc, "the agent", err);
}

/* The configuration's; else that of whoever asked last; else that of whoever started us. */
static enum auth_result with_agent(struct auth *a, struct clw_error *err)
{
    const struct ssh_host *c = &a->hop->host;
    const char *own = getenv("SSH_AUTH_SOCK");
    char asked[HOST_PATH_SIZE];
    pthread_mutex_lock(&a->link->lock);
    snprintf(asked, sizeof asked, "%s", a->link->agent);
    pthread_mutex_unlock(&a->link->lock);
    const char *path = *c->identity_agent ? c->identity_agent : *asked && access(asked, F_OK) == 0 ? asked : own;
    if (!path || !*path || strcasecmp(path, "none") == 0)
        return AUTH_NEXT;
    return talk_to_agent(a, path, err);
}

/* ---- questions of the server ---- */

/* A password may be given again at the next login. Any other answer may be a code that serves once, and whoever sends
 * one twice may be locked out. */
static bool asks_password(const char *prompt, bool echo)
{
    static const char *const codes[] = {"one-time", "one time", "otp", "oath", "code", "token"};
    const char *end = *prompt == '(' ? strstr(prompt, ") ") : NULL; /* "(user@host) Password: " */
    if (end)
        prompt = end;
    if (echo || !strcasestr(prompt, "password"))
        return false;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcasestr(prompt, codes[i]))
            return false;
    return true;
}

/* "user@host:22 asks: Verification code:": who asks, so that nobody takes it for a question of ours, and the server's
 * words made harmless. */
static struct question interactive(struct auth *a, const char *prompt, char *out, size_t size)
{
    char text[160];
    size_t len = strlen(prompt);
    while (len && (prompt[len - 1] == ' ' || prompt[len - 1] == '\n'))
        len--;
    text_escape(text, sizeof text, prompt, len);
    snprintf(out, size, "%.120s asks: %s", a->hop->label, text);
    return (struct question){.kind = "interactive", .asker = a->hop->label, .text = prompt, .shown = out};
}

/* Answers the questions of one round. */
static enum clw_err answer_all(struct auth *a, struct ssh_words *asked)
{
    int n = ssh_userauth_kbdint_getnprompts(a->hop->session);
    for (int i = 0; i < n && i < 16; i++) {
        char echo = 0, shown[300], answer[SECRET_SIZE];
        const char *prompt = ssh_userauth_kbdint_getprompt(a->hop->session, (unsigned)i, &echo);
        struct question q = interactive(a, prompt ? prompt : "", shown, sizeof shown);
        q.echo = echo != 0;
        q.once = !asks_password(q.text, q.echo);
        ssh_words_add(asked, q.text);
        enum clw_err code = link__secret(a->link, &q, answer);
        if (!code)
            ssh_userauth_kbdint_setanswer(a->hop->session, (unsigned)i, answer);
        mem_wipe(answer, sizeof answer);
        if (code)
            return code;
    }
    return CLW_OK;
}

static enum auth_result interactive_once(struct auth *a, struct ssh_words *asked, struct clw_error *err)
{
    int rc;
    AUTH_UNTIL(a, rc, ssh_userauth_kbdint(a->hop->session, NULL, NULL));
    for (int round = 0; rc == SSH_AUTH_INFO && !a->code && round < 16; round++) {
        a->code = answer_all(a, asked);
        if (!a->code)
            AUTH_UNTIL(a, rc, ssh_userauth_kbdint(a->hop->session, NULL, NULL));
    }
    return auth__result(a, rc, "keyboard-interactive", err);
}

static enum auth_result with_questions(struct auth *a, struct clw_error *err)
{
    enum auth_result result = AUTH_NEXT;
    char shown[300];
    for (unsigned i = 0; i < a->hop->host.password_prompts && result == AUTH_NEXT; i++) {
        struct ssh_words asked = {0};
        result = interactive_once(a, &asked, err);
        for (size_t k = 0; k < asked.count && result == AUTH_NEXT; k++) {
            struct question q = interactive(a, asked.items[k], shown, sizeof shown);
            link__secret_refused(a->link, &q);
        }
        bool none = asked.count == 0;
        ssh_words_fini(&asked);
        if (none)
            break; /* the server has nothing to ask: this method is not for us */
    }
    if (result == AUTH_NEXT)
        auth__tried(a, "keyboard-interactive");
    return result;
}

static enum auth_result with_password(struct auth *a, struct clw_error *err)
{
    char shown[300], answer[SECRET_SIZE];
    enum auth_result result = AUTH_NEXT;
    snprintf(shown, sizeof shown, "password for %.250s", a->hop->label);
    const struct question q = {.kind = "password", .asker = a->hop->label, .text = "password", .shown = shown};
    for (unsigned i = 0; i < a->hop->host.password_prompts && result == AUTH_NEXT; i++) {
        int rc = SSH_AUTH_ERROR;
        a->code = link__secret(a->link, &q, answer);
        if (!a->code)
            AUTH_UNTIL(a, rc, ssh_userauth_password(a->hop->session, NULL, answer));
        mem_wipe(answer, sizeof answer);
        result = auth__result(a, rc, "the password", err);
        if (result == AUTH_NEXT)
            link__secret_refused(a->link, &q);
    }
    if (result == AUTH_NEXT)
        auth__tried(a, "password");
    return result;
}

/* ---- all together ---- */

enum auth_result auth__result(struct auth *a, int rc, const char *with, struct clw_error *err)
{
    if (a->code == CLW_AGAIN)
        return AUTH_FAILED;
    if (a->code == CLW_CLOSED) {
        a->code = auth__broken(a, err);
        return AUTH_FAILED;
    }
    if (a->code) {
        char doing[340];
        snprintf(doing, sizeof doing, "logging in to %.200s with %.100s", a->hop->label, with);
        link__explain(a->link, a->code, doing, err);
        return AUTH_FAILED;
    }
    switch (rc) {
    case SSH_AUTH_SUCCESS:
        link__log(a->link, LOG_INFO, "step=auth user=%s with=\"%s\"", a->hop->host.user, with);
        return AUTH_DONE;
    case SSH_AUTH_PARTIAL: return AUTH_PARTLY;
    case SSH_AUTH_DENIED:
    case SSH_AUTH_INFO: return AUTH_NEXT;
    default: a->code = auth__broken(a, err); return AUTH_FAILED;
    }
}

static enum auth_result one_round(struct auth *a, struct clw_error *err)
{
    const struct ssh_host *c = &a->hop->host;
    int methods = ssh_userauth_list(a->hop->session, NULL);
    enum auth_result result = AUTH_NEXT;
    a->methods = methods;
    if ((methods & SSH_AUTH_METHOD_PUBLICKEY) && c->pubkey_auth) {
        result = with_agent(a, err);
        if (result == AUTH_NEXT)
            result = auth__with_files(a, err);
    }
    if (result == AUTH_NEXT && (methods & SSH_AUTH_METHOD_INTERACTIVE) && c->kbdint_auth && !c->batch_mode)
        result = with_questions(a, err);
    if (result == AUTH_NEXT && (methods & SSH_AUTH_METHOD_PASSWORD) && c->password_auth && !c->batch_mode)
        result = with_password(a, err);
    return result;
}

static void list_methods(int methods, char *out, size_t size)
{
    snprintf(out, size, "%s%s%s%s", methods & SSH_AUTH_METHOD_PUBLICKEY ? " publickey" : "",
        methods & SSH_AUTH_METHOD_PASSWORD ? " password" : "",
        methods & SSH_AUTH_METHOD_INTERACTIVE ? " keyboard-interactive" : "",
        methods & (SSH_AUTH_METHOD_HOSTBASED | SSH_AUTH_METHOD_GSSAPI_MIC) ? " others" : "");
}

static enum clw_err nothing_helped(struct auth *a, struct clw_error *err)
{
    char methods[80], hint[300];
    list_methods(a->methods, methods, sizeof methods);
    snprintf(hint, sizeof hint, "is %.60s the right user? give the host a key: ssh-copy-id -p %u %.60s@%.100s",
        a->hop->host.user, a->hop->host.port, a->hop->host.user, a->hop->host.hostname);
    return clw_fail(err, CLW_REFUSED, hint, "%s refused the login: it accepts%s; tried: %s", a->hop->label, methods,
        a->tried.len ? buf_text(&a->tried) : "nothing, there is no key here");
}

enum clw_err link__auth(struct host_session *l, struct hop *h, struct clw_error *err)
{
    struct auth a = {.link = l, .hop = h};
    int rc;
    link__step(l, HOST_AUTH, l->o.auth_ms);
    AUTH_UNTIL(&a, rc, ssh_userauth_none(h->session, NULL));
    enum auth_result result = auth__result(&a, rc, "nothing", err);
    for (int round = 0; round < ROUNDS && (result == AUTH_PARTLY || (result == AUTH_NEXT && round == 0)); round++)
        result = one_round(&a, err);
    if (result == AUTH_NEXT || result == AUTH_PARTLY)
        a.code = nothing_helped(&a, err);
    else if (result == AUTH_FAILED && a.code == CLW_AGAIN)
        clw_fail(err, CLW_AGAIN, l->shot.hint, "%s needs an answer: %s", h->label, l->shot.prompt.text);
    else if (result == AUTH_FAILED && err && err->code)
        a.code = err->code;
    buf_fini(&a.tried);
    agent_keys_fini(&a.offered);
    return result == AUTH_DONE ? CLW_OK : a.code;
}
