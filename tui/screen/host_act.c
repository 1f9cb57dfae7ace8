/* What can be done to hosts: requests to the engine, and the questions that come before some of them. */
#include "tui/screen/hosts.h"

#include "base/mem.h"
#include "base/text.h"
#include "tui/screen/child.h"
#include "tui/screen/dialog.h"
#include "tui/screen/form.h"
#include "tui/screen/request.h"

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
            "THE KEY OF %s HAS CHANGED. Somebody may be in between,\nor the machine was installed anew.\n\n"
            "Now:     %s %s\nOn record: %s line %llu\n\nTrust the new one only when you know why it changed.",
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
        ui_say(ui, ROLE_GOOD, "%s: its key is known, and it is the right one", host);
    } else {
        json_object_set_new(o, "host", json_string(host));
        json_t *list = json_pack("{s:[O]}", "hosts", o);
        wrapped = json_dumps(list, JSON_COMPACT);
        struct view_links *v = view_links_read(wrapped, NULL);
        if (v->link_count && v->links[0].has_key)
            trust_ask(ui, host, &v->links[0]);
        else
            ui_say(ui, ROLE_WARN, "%s: no key waits for a yes", host);
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

/* ---- unlock ---- */

static void unlocked(struct feed_work *w, void *ui)
{
    char *host = w->arg;
    if (w->err.status)
        ui_say_error(ui, "unlock", &w->err);
    else
        ui_say(ui, ROLE_GOOD, "%s: logged in; the engine holds the secret until X, or until it ends", host);
    free(host);
}

static bool unlock_save(struct ui *ui, struct form *f, char *why, size_t size)
{
    char *secret, *json;
    if (!f->fields[0].edit.len) {
        snprintf(why, size, "type it first; Esc leaves");
        return false;
    }
    secret = request_quote(f->fields[0].edit.text);
    json = mem_printf("{\"op\":\"unlock\",\"host\":\"%s\",\"timeout_ms\":%d,\"secret\":%s}", (char *)f->arg, LOGIN_MS,
        secret); // TODO prompt
    mem_wipe(secret, strlen(secret));
    free(secret);
    ui_say(ui, ROLE_NORMAL, "%s: logging in ...", (char *)f->arg);
    feed_request(ui->feed, json, true, LOGIN_MS + 5000, unlocked, mem_strdup(f->arg)); /* wipes json */
    return true;
}

void hosts_unlock(struct ui *ui)
{
    static const struct form_type type = {
        .title = "Unlock", .save = unlock_save, .release = free, .save_label = "Unlock"};
    const struct host_line *row = hosts_here(ui);
    if (!row)
        return;
    const struct view_link *l = row->link && row->link->has_prompt ? row->link : NULL;
    struct form *f = form_new(&type, 1, mem_strdup(row->name));
    struct form_field *field =
        form_add(f, l && l->prompt_echo ? FORM_TEXT : FORM_SECRET, l ? l->prompt_kind : "Password", "");
    snprintf(f->title, sizeof f->title, "Unlock %s", row->name);
    snprintf(field->hint, sizeof field->hint, "never stored, never logged");
    if (l)
        snprintf(f->why, sizeof f->why, "%s%s", l->prompt_again ? "The last one was refused. " : "", l->prompt);
    form_open(ui, f);
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
    for (char **name = w->arg; *name; name++)
        if (store_host_remove(w->store, *name, &err)) {
            feed_fail(w, &err);
            return;
        }
}

static void removed(struct feed_work *w, void *ui)
{
    char **names = w->arg;
    if (w->err.status)
        ui_say_error(ui, "remove", &w->err);
    else if (names[1])
        ui_say(ui, ROLE_NORMAL, "the hosts are removed");
    else
        ui_say(ui, ROLE_NORMAL, "%s is removed; what is known of its past stays in the log", names[0]);
    free(names);
}

static void remove_yes(struct ui *ui, void *arg)
{
    char ***names = arg;
    table_mark_none(ui_table(ui));
    feed_store(ui->feed, remove_run, removed, *names);
    *names = NULL;
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
    struct host_line *all = hosts_rows(ui, &rows);
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
        snprintf(lines + strlen(lines), sizeof lines - strlen(lines), "\n%u daemons run there.", daemons);
    snprintf(word, sizeof word, "%zu", n);
    dialog_confirm(ui, "Remove", lines, !daemons ? NULL : n == 1 ? names[0] : word, remove_yes, held, remove_release);
}
