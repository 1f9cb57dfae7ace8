/* What can be done to hosts: requests to the engine, and the questions that come before some of them. */
#include "tui/screen/hosts.h"

#include "base/mem.h"
#include "base/text.h"
#include "tui/screen/child.h"
#include "tui/screen/dialog.h"
#include "tui/screen/form.h"
#include "tui/screen/screen_request.h"

#include <stdlib.h>
#include <string.h>

enum { LOGIN_MS = 60000, PROBE_MS = 120000 };

/* The same request for each chosen host. */
static void each(struct ui *ui, const char *op, const char *doing, const char *done)
{
    size_t n;
    char **names = hosts_chosen(ui, &n), what[200], said[200];
    for (size_t i = 0; i < n; i++) {
        snprintf(what, sizeof what, "%s %s", doing, names[i]);
        snprintf(said, sizeof said, "%s %s", names[i], done);
        screen_request(ui, request_host(op, names[i]), true, PROBE_MS, what, said);
    }
    if (n == 1)
        ui_say(ui, ROLE_NORMAL, "%s %s ...", doing, names[0]);
    else
        ui_say(ui, ROLE_NORMAL, "%s %zu hosts ...", doing, n);
    free(names);
}

void hosts_probe(struct ui *ui)
{
    each(ui, "probe", "probing", "has been probed");
}

void hosts_retry(struct ui *ui)
{
    each(ui, "retry", "trying again:", "is tried again");
}

void hosts_wake(struct ui *ui)
{
    each(ui, "wake", "waking", "was sent the packet that wakes it");
}

void hosts_forget(struct ui *ui)
{
    each(ui, "forget", "forgetting the secret of", ": its secret is forgotten");
}

/* ---- trust ---- */

struct key {
    char host[STORE_NAME_SIZE], fingerprint[64];
};

static void trust_yes(struct ui *ui, void *arg)
{
    struct key *k = arg;
    json_t *o = request_host("trust", k->host);
    char doing[100], done[100];
    json_object_set_new(o, "fingerprint", json_string(k->fingerprint));
    snprintf(doing, sizeof doing, "trust %s", k->host);
    snprintf(done, sizeof done, "%s: its key is trusted from now on", k->host);
    screen_request(ui, o, true, LOGIN_MS, doing, done);
}

static void trust_ask(struct ui *ui, const char *host, const struct view_link *l)
{
    struct key *k = mem_zalloc(sizeof *k);
    char lines[1200];
    snprintf(k->host, sizeof k->host, "%s", host);
    snprintf(k->fingerprint, sizeof k->fingerprint, "%s", l->fingerprint);
    if (l->key_changed)
        snprintf(lines, sizeof lines,
            "THE KEY OF %s HAS CHANGED. Someone may be intercepting\nthe connection, or the machine was "
            "reinstalled.\n\n"
            "Now:     %s %s\nKnown:   %s line %llu\n\nTrust the new key only when you know why it changed.",
            l->key_host, l->key_type, l->fingerprint, l->key_file, (unsigned long long)l->key_line);
    else
        snprintf(lines, sizeof lines,
            "%s shows a key that is not known here yet:\n\n  %s\n  %s\n\n"
            "Compare it on the machine itself: ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub\nTrust it?",
            l->key_host, l->key_type, l->fingerprint);
    dialog_confirm(ui, "Host key", lines, l->key_changed ? k->host : NULL, trust_yes, k, free);
}

static void key_came(struct feed_work *w, void *ui)
{
    char *host = w->arg, *wrapped;
    if (w->err.status) {
        ui_say_error(ui, "trust", &w->err);
        free(host);
        return;
    }
    json_t *o = json_loads(w->reply, 0, NULL);
    if (json_is_true(json_object_get(o, "known"))) {
        ui_say(ui, ROLE_GOOD, "%s: its key is known, and it has not changed", host);
    } else {
        json_object_set_new(o, "host", json_string(host));
        json_t *list = json_pack("{s:[O]}", "hosts", o);
        wrapped = json_dumps(list, JSON_COMPACT);
        struct view_links *v = view_links_read(wrapped, NULL);
        if (v->link_count && v->links[0].has_key)
            trust_ask(ui, host, &v->links[0]);
        else
            ui_say(ui, ROLE_WARN, "%s: it showed no key to trust", host);
        view_links_rele(v);
        free(wrapped);
        json_decref(list);
    }
    json_decref(o);
    free(host);
}

void hosts_trust(struct ui *ui)
{
    const struct host_line *row = hosts_here(ui);
    if (!row)
        return;
    if (row->link && row->link->has_key) {
        trust_ask(ui, row->name, row->link);
        return;
    }
    ui_say(ui, ROLE_NORMAL, "%s: asking for its key ...", row->name);
    request_ask(ui, request_host("key", row->name), true, LOGIN_MS, key_came, mem_strdup(row->name));
}

/* ---- unlock: what is asked is shown first, and the answer is for that question alone ---- */

struct question {
    char host[STORE_NAME_SIZE];
    char kind[16], text[VIEW_PROMPT_SIZE];
    bool echo, again;
};

static void take_answer(struct feed_work *w, void *ui);

static bool unlock_save(struct ui *ui, struct form *f, char *why, size_t size)
{
    const struct question *q = f->arg;
    if (!f->fields[0].edit.len) {
        snprintf(why, size, "type it first; Esc cancels");
        return false;
    }
    char *secret = request_quote(f->fields[0].edit.text), *text = request_quote(q->text);
    char *json = mem_printf("{\"op\":\"unlock\",\"host\":\"%s\",\"timeout_ms\":%d,\"prompt\":%s,\"secret\":%s}",
        q->host, LOGIN_MS, text, secret);
    mem_wipe(secret, strlen(secret));
    free(secret);
    free(text);
    ui_say(ui, ROLE_NORMAL, "%s: logging in ...", q->host);
    feed_request(ui->feed, json, true, LOGIN_MS + 5000, take_answer, mem_strdup(q->host)); /* wipes json */
    return true;
}

static void ask_secret(struct ui *ui, const struct question *asked)
{
    static const struct form_type type = {
        .title = "Unlock", .save = unlock_save, .release = free, .save_label = "Unlock"};
    struct question *q = mem_alloc(sizeof *q);
    *q = *asked;
    struct form *f = form_new(&type, 1, q);
    struct form_field *field = form_add(f, q->echo ? FORM_TEXT : FORM_SECRET, q->kind, "");
    snprintf(f->title, sizeof f->title, "Unlock %s", q->host);
    snprintf(field->hint, sizeof field->hint, "never stored, never logged");
    snprintf(f->why, sizeof f->why, "%s%s", q->again ? "The last one was refused. " : "", q->text);
    form_open(ui, f);
}

static bool read_question(const char *reply, const char *host, struct question *q)
{
    json_t *o = json_loads(reply, 0, NULL);
    const json_t *prompt = json_object_get(o, "prompt");
    *q = (struct question){
        .echo = json_is_true(json_object_get(prompt, "echo")), .again = json_is_true(json_object_get(prompt, "again"))};
    const char *kind = json_string_value(json_object_get(prompt, "kind"));
    const char *text = json_string_value(json_object_get(prompt, "text"));
    bool asks = kind && text && strlen(text) < sizeof q->text;
    snprintf(q->host, sizeof q->host, "%s", host);
    if (asks) {
        snprintf(q->kind, sizeof q->kind, "%s", kind);
        snprintf(q->text, sizeof q->text, "%s", text);
    }
    json_decref(o);
    return asks;
}

static void take_reply(struct feed_work *w, struct ui *ui, const char *done)
{
    char *host = w->arg;
    struct question q;
    if (w->err.status)
        ui_say_error(ui, "unlock", &w->err);
    else if (read_question(w->reply, host, &q))
        ask_secret(ui, &q);
    else
        ui_say(ui, ROLE_GOOD, "%s: %s", host, done);
    free(host);
}

static void take_question(struct feed_work *w, void *ui)
{
    take_reply(w, ui, "it asks for no secret: the login works without one");
}

static void take_answer(struct feed_work *w, void *ui)
{
    take_reply(w, ui, "logged in; the engine keeps the secret until you press X, or until it ends");
}

void hosts_unlock(struct ui *ui)
{
    const struct host_line *row = hosts_here(ui);
    if (!row)
        return;
    const struct view_link *l = row->link;
    if (l && l->has_prompt) {
        struct question q = {.echo = l->prompt_echo, .again = l->prompt_again};
        snprintf(q.host, sizeof q.host, "%s", row->name);
        snprintf(q.kind, sizeof q.kind, "%s", l->prompt_kind);
        snprintf(q.text, sizeof q.text, "%s", l->prompt);
        ask_secret(ui, &q);
        return;
    }
    json_t *o = request_host("prompt", row->name);
    json_object_set_new(o, "timeout_ms", json_integer(LOGIN_MS));
    ui_say(ui, ROLE_NORMAL, "%s: asking what it needs ...", row->name);
    request_ask(ui, o, true, LOGIN_MS + 5000, take_question, mem_strdup(row->name));
}

/* ---- shell, doctor, remove ---- */

void hosts_shell(struct ui *ui)
{
    const struct host_line *row = hosts_here(ui);
    const char *argv[12] = {"ssh"};
    char port[8], target[STORE_USER_SIZE + STORE_ADDRESS_SIZE + 2];
    int n = 1;
    if (!row)
        return;
    const struct store_host *h = row->host;
    if (h->port) {
        snprintf(port, sizeof port, "%u", h->port);
        argv[n++] = "-p";
        argv[n++] = port;
    }
    if (*h->identity) {
        argv[n++] = "-i";
        argv[n++] = h->identity;
    }
    if (*h->jump) {
        argv[n++] = "-J";
        argv[n++] = h->jump;
    }
    snprintf(target, sizeof target, "%s%s%s", h->user, *h->user ? "@" : "", *h->address ? h->address : h->name);
    argv[n++] = "--";
    argv[n++] = target;
    int status = child_foreground(argv);
    ui_say(ui, status ? ROLE_WARN : ROLE_NORMAL, "shell on %s: ended with status %d", row->name, status);
}

static void doctor_came(struct feed_work *w, void *ui)
{
    json_t *o = w->reply ? json_loads(w->reply, 0, NULL) : NULL;
    const json_t *item;
    struct buf b = {0};
    size_t i;
    if (w->err.status) {
        ui_say_error(ui, "doctor", &w->err);
    } else {
        json_array_foreach (json_object_get(o, "findings"), i, item) {
            const char *step = "", *seen = "", *fix = "";
            int ok = 0, ms = 0;
            json_unpack((json_t *)(uintptr_t)item, "{s?s,s?b,s?i,s?s,s?s}", "step", &step, "ok", &ok, "ms", &ms, "seen",
                &seen, "fix", &fix);
            buf_printf(&b, "%s %-12s %6d ms  %s\n", ok ? "+" : "!", step, ms, seen);
            if (*fix)
                buf_printf(&b, "               do this: %s\n", fix);
        }
        dialog_page(ui, w->arg, buf_text(&b), b.len);
    }
    buf_fini(&b);
    json_decref(o);
    free(w->arg);
}

void hosts_doctor(struct ui *ui)
{
    const struct host_line *row = hosts_here(ui);
    if (!row)
        return;
    ui_say(ui, ROLE_NORMAL, "doctor: looking at %s ...", row->name);
    request_ask(ui, request_host("doctor", row->name), true, PROBE_MS, doctor_came, mem_printf("doctor %s", row->name));
}

static void remove_run(struct feed_work *w)
{
    struct clw_error err;
    if (store_host_remove(w->store, w->arg, &err))
        feed_fail(w, &err);
}

static void removed(struct feed_work *w, void *ui)
{
    if (w->err.status)
        ui_say_error(ui, "remove", &w->err);
    else
        ui_say(ui, ROLE_NORMAL, "%s is removed; its events stay in the log", (char *)w->arg);
    free(w->arg);
}

/* Its daemons end what they have; the inventory needs not wait for that. */
static void left(struct feed_work *w, void *arg)
{
    struct ui *ui = arg;
    if (w->err.status && w->err.status != CLOWDER_UNREACHABLE) {
        ui_say_error(ui, "remove", &w->err);
        free(w->arg);
        return;
    }
    feed_store(ui->feed, remove_run, removed, w->arg);
}

static json_t *leave_request(const char *name)
{
    json_t *o = request_host("leave", name);
    json_object_set_new(o, "wait", json_false());
    return o;
}

static void remove_yes(struct ui *ui, void *arg)
{
    char **names = *(char ***)arg;
    table_mark_none(ui_table(ui));
    for (size_t i = 0; names[i]; i++)
        request_ask(ui, leave_request(names[i]), false, LOGIN_MS, left, mem_strdup(names[i]));
}

static void remove_release(void *arg)
{
    char ***names = arg;
    free(*names);
    free(names);
}

void hosts_remove(struct ui *ui)
{
    size_t n, rows;
    char **names = hosts_chosen(ui, &n), ***held, lines[600], word[32];
    unsigned daemons = 0;
    struct host_line *all = hosts_lines(ui, &rows);
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < n; k++)
            daemons += strcmp(all[i].name, names[k]) == 0 ? all[i].daemons : 0;
    free(all);
    if (!n) {
        free(names);
        return;
    }
    held = mem_alloc(sizeof *held);
    *held = names;
    if (n == 1)
        snprintf(lines, sizeof lines, "Remove %s from the inventory and from all profiles?", names[0]);
    else
        snprintf(lines, sizeof lines, "Remove %zu hosts from the inventory and from all profiles?", n);
    if (daemons)
        snprintf(lines + strlen(lines), sizeof lines - strlen(lines), "\n%u %s there, and %s after %s tasks.", daemons,
            daemons == 1 ? "daemon runs" : "daemons run", daemons == 1 ? "stops" : "stop",
            daemons == 1 ? "its" : "their");
    snprintf(word, sizeof word, "%zu", n);
    dialog_confirm(ui, "Remove", lines, !daemons ? NULL : n == 1 ? names[0] : word, remove_yes, held, remove_release);
}
