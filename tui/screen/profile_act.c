/* What can be done to profiles. */
#include "tui/screen/profiles.h"

#include "base/mem.h"
#include "base/text.h"
#include "tui/cli/inventory.h"
#include "tui/screen/dialog.h"
#include "tui/screen/screen_request.h"

#include <stdlib.h>
#include <string.h>

enum { DOWN_MS = 600000 };

const char *profiles_none(struct ui *ui)
{
    return profiles_here(ui) ? NULL : "there is no profile here; a makes one";
}

static void up(struct ui *ui, const char *name, int n, const char *host)
{
    char doing[120], done[160];
    json_t *o = request_up(name);
    if (host)
        json_object_set_new(o, "on", json_pack("{s:i}", host, n));
    else if (n)
        json_object_set_new(o, "n", json_integer(n));
    snprintf(doing, sizeof doing, "up %s", name);
    snprintf(done, sizeof done, "%s: all its daemons are connected", name);
    screen_request(ui, o, true, -1, doing, done);
    ui_say(ui, ROLE_NORMAL, "%s: launching ...", doing);
}

/* One more or less than the engine has at that moment, so that quick keys add up. */
static void up_by(struct ui *ui, const char *name, const char *host, int by)
{
    char doing[120], done[160];
    json_t *o = request_up(name);
    json_object_set_new(o, "by", json_pack("{s:i}", host, by));
    snprintf(doing, sizeof doing, "scale %s", name);
    snprintf(done, sizeof done, "%s: all its daemons are connected", name);
    screen_request(ui, o, true, -1, doing, done);
    ui_say(ui, ROLE_NORMAL, "%s: %s on %s ...", name, by > 0 ? "one daemon more" : "one daemon fewer", host);
}

void profiles_up(struct ui *ui)
{
    const struct profile_row *row = profiles_here(ui);
    if (row->saved && !row->saved->local_daemons && !row->saved->host_count)
        ui_say(ui, ROLE_WARN, "%s has no daemons to launch: e sets where and how many, + adds one here", row->name);
    else
        up(ui, row->name, 0, NULL);
}

static void down_yes(struct ui *ui, void *arg)
{
    const char *name = arg;
    char doing[120], done[160];
    json_t *o = json_pack("{s:s,s:s,s:b}", "op", "down", "profile", name, "wait", 1);
    snprintf(doing, sizeof doing, "down %s", name);
    snprintf(done, sizeof done, "%s: its daemons have stopped; u brings them up again", name);
    screen_request(ui, o, false, DOWN_MS, doing, done);
    ui_say(ui, ROLE_NORMAL, "%s: its daemons end their tasks and stop ...", name);
}

void profiles_down(struct ui *ui)
{
    const struct profile_row *row = profiles_here(ui);
    char lines[300];
    if (!row->live || !row->live->wanted) {
        ui_say(ui, ROLE_WARN, "down: %s has no daemons up", row->name);
        return;
    }
    snprintf(lines, sizeof lines, "Stop the %u daemon%s of %s when their tasks have ended?%s", row->live->wanted,
        text_plural(row->live->wanted), row->name,
        row->live->awaiting ? "\nWaiting tasks wait until daemons are up again." : "");
    if (row->live->executing || row->live->awaiting || row->live->wanted > 4)
        dialog_confirm(ui, "Down", lines, NULL, down_yes, mem_strdup(row->name), free);
    else
        down_yes(ui, (void *)(uintptr_t)row->name);
}

static void scale(struct ui *ui, int by)
{
    const struct profile_row *row = profiles_here(ui);
    const char *host = profiles_row_host(ui);
    int now = row->saved ? (int)row->saved->local_daemons : row->live ? (int)row->live->wanted : 0;
    if (host && strcmp(host, "local") != 0) {
        now = 0;
        for (size_t i = 0; row->saved && i < row->saved->host_count; i++)
            if (strcmp(row->saved->hosts[i].host, host) == 0)
                now = (int)row->saved->hosts[i].daemons;
    } else {
        host = NULL;
    }
    if (now + by < (host ? 0 : 1))
        ui_say(
            ui, ROLE_WARN, "%s has %d daemon%s here; x stops the profile", row->name, now, text_plural((uint64_t)now));
    else
        up_by(ui, row->name, host ? host : "local", by);
}

void profiles_more(struct ui *ui)
{
    scale(ui, 1);
}

void profiles_fewer(struct ui *ui)
{
    scale(ui, -1);
}

void profiles_launches(struct ui *ui)
{
    const struct profile_row *row = profiles_here(ui);
    bool elsewhere = ui->screen != SCREEN_PROFILES;
    if (elsewhere)
        ui_go_to(ui, SCREEN_PROFILES, row->name);
    profiles_show_launches(ui);
}

static void remove_run(struct feed_work *w)
{
    struct clw_error err;
    if (inventory_profile_remove(w->store, w->arg, &err))
        feed_fail(w, &err);
}

static void removed(struct feed_work *w, void *ui)
{
    if (w->err.status)
        ui_say_error(ui, "remove", &w->err);
    else
        ui_say(ui, ROLE_NORMAL, "%s is removed", (char *)w->arg);
    free(w->arg);
}

static void remove_yes(struct ui *ui, void *arg)
{
    feed_store(ui->feed, remove_run, removed, mem_strdup(arg));
}

void profiles_remove(struct ui *ui)
{
    const struct profile_row *row = profiles_here(ui);
    char lines[300];
    if (row->live && row->live->wanted) {
        ui_say(ui, ROLE_WARN, "remove: %s is up; x stops it first", row->name);
        return;
    }
    snprintf(lines, sizeof lines, "Remove the profile %s with its settings and its history of throughput?", row->name);
    dialog_confirm(ui, "Remove", lines, row->name, remove_yes, mem_strdup(row->name), free);
}
