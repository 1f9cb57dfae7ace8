/* profile show, list, remove: what is stored of profiles. */
#include "tui/cli/cmd_profile.h"

#include "base/mem.h"
#include "base/text.h"
#include "store/profile_setting_json.h"
#include "tui/cli/command.h"
#include "tui/cli/request.h"

#include <stdlib.h>
#include <string.h>

/* ---- show ---- */

static json_t *strings_json(const struct store_strings *list)
{
    json_t *o = json_array();
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(o, json_string(list->items[i]));
    return o;
}

static json_t *profile_json(const struct store_profile *p)
{
    json_t *setup = json_array(), *hosts = json_array();
    for (size_t i = 0; i < p->setup_count; i++)
        json_array_append_new(setup, strings_json(&p->setup[i]));
    for (size_t i = 0; i < p->host_count; i++)
        json_array_append_new(
            hosts, json_pack("{s:s, s:i}", "host", p->hosts[i].host, "daemons", (int)p->hosts[i].daemons));
    json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:b, s:i, s:o, s:o}", "name", p->name, "runtime",
        store_runtime_text(p->runtime), "base", p->base_url, "command", strings_json(&p->command), "env",
        strings_json(&p->env), "setup", setup, "wanted", (int)p->wanted, "local_daemons", (int)p->local_daemons,
        "hosts", hosts, "options", strings_json(&p->options));
    store_settings_put(o, &p->set);
    return o;
}

/* "4 here, gpu1:2, gpu2 (one a GPU)" */
static char *hosts_text(const struct store_profile *p)
{
    struct buf b = {0};
    if (p->local_daemons)
        buf_printf(&b, "%u here", p->local_daemons);
    for (size_t i = 0; i < p->host_count; i++) {
        buf_printf(&b, "%s%s", b.len ? ", " : "", p->hosts[i].host);
        if (p->hosts[i].daemons)
            buf_printf(&b, ":%u", p->hosts[i].daemons);
        else
            buf_add_text(&b, " (one per GPU)");
    }
    if (!b.len)
        buf_add_text(&b, "no daemons yet");
    return buf_steal(&b);
}

/* The value as people read it, which is longer than what they write. */
static const char *value_text(
    const struct store_setting_row *row, const struct store_settings *s, char *out, size_t size)
{
    switch (row->type) {
    case STORE_TYPE_SPAN: return text_span(out, size, store_row_number(row, s));
    case STORE_TYPE_BYTES: return text_bytes(out, size, store_row_number(row, s));
    case STORE_TYPE_FLAG: return "";
    default: store_row_write(row, s, out, size); return out;
    }
}

static void print_settings(const struct store_settings *s)
{
    char text[HOURS_SIZE];
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++)
        if (row->show.label && !store_row_is_default(row, s))
            printf("%-10s %s%s%s\n", row->show.label, row->show.before, value_text(row, s, text, sizeof text),
                row->show.after);
    if (store_settings_pause(s))
        printf("%-10s %s\n", "pausing", s->pause_now ? "stops the tasks that run" : "lets the tasks that run end");
}

static void print_words(const char *what, const struct store_strings *words)
{
    if (words->count)
        printf("%-10s", what);
    for (size_t i = 0; i < words->count; i++)
        printf(" %s%s", words->items[i], i + 1 < words->count ? "" : "\n");
}

static void print_profile(const struct store_profile *p)
{
    char *hosts = hosts_text(p);
    printf("%-10s %s\n%-10s %s\n%-10s %s\n%-10s %s\n", "profile", p->name, "daemons", hosts, "wanted",
        p->wanted ? "up" : "down", "runtime", store_runtime_text(p->runtime));
    free(hosts);
    if (*p->base_url)
        printf("%-10s %s\n", "base", p->base_url);
    print_words("command", &p->command);
    for (size_t i = 0; i < p->options.count; i++)
        printf("%-10s %.*s\n", "option", (int)strcspn(p->options.items[i], "\n"), p->options.items[i]);
    print_settings(&p->set);
    for (size_t i = 0; i < p->env.count; i++)
        printf("%-10s %s\n", "env", p->env.items[i]);
    for (size_t i = 0; i < p->setup_count; i++)
        printf("%-10s %s\n", "setup", p->setup[i].count ? p->setup[i].items[p->setup[i].count - 1] : "");
}

int profile_show(struct store *s, const char *name, bool json, bool brief)
{
    struct store_profile p;
    int status = inventory_profile(s, name, &p);
    if (status)
        return status;
    if (json) {
        json_print(profile_json(&p));
    } else if (brief) {
        char *hosts = hosts_text(&p);
        printf("%s: %s\n", name, hosts);
        free(hosts);
    } else {
        print_profile(&p);
    }
    store_profile_fini(&p);
    return 0;
}

/* ---- the commands ---- */

int cmd_profile_show(const struct opts *o, bool json)
{
    struct store *s;
    const char *name;
    int status = inventory_word(o, "profile", &name);
    if (status == 0)
        status = inventory_open(&s);
    if (status)
        return status;
    status = profile_show(s, name, json, false);
    store_close(s);
    return status;
}

static void print_list(const struct store_profile_list *list)
{
    if (!list->count) {
        say(0, "there are no profiles; begin with: clowder up -n 2");
        return;
    }
    printf("%-16s %-7s %-9s %s\n", "PROFILE", "WANTED", "RUNTIME", "DAEMONS");
    for (size_t i = 0; i < list->count; i++) {
        const struct store_profile *p = &list->items[i];
        char *hosts = hosts_text(p);
        printf("%-16s %-7s %-9s %s\n", p->name, p->wanted ? "up" : "down", store_runtime_text(p->runtime), hosts);
        free(hosts);
    }
}

int cmd_profile_list(const struct opts *o, bool json)
{
    struct store *s;
    struct store_profile_list list = {0};
    struct clw_error err;
    if (o->word_count)
        return say(2, "profile list: unexpected argument '%s'", o->words[0]);
    int status = inventory_open(&s);
    if (status)
        return status;
    if (store_profile_list(s, &list, &err)) {
        status = say_failure(&err);
    } else if (opts_has(o, "names")) {
        for (size_t i = 0; i < list.count; i++)
            puts(list.items[i].name);
    } else if (json) {
        json_t *all = json_array();
        for (size_t i = 0; i < list.count; i++)
            json_array_append_new(all, profile_json(&list.items[i]));
        json_print(json_pack("{s:o}", "profiles", all));
    } else {
        print_list(&list);
    }
    store_profile_list_fini(&list);
    store_close(s);
    return status;
}

/* Has a running engine daemons of it? */
static bool is_up(const char *name)
{
    struct clowder *c;
    char *text = NULL;
    if (clowder_open(&c, &(struct clowder_options){.no_start = true}, NULL))
        return false;
    clowder_status(c, name, &text, NULL);
    clowder_close(c);
    json_t *doc = text ? json_loads(text, 0, NULL) : NULL;
    const json_t *daemons = json_object_get(json_array_get(json_object_get(doc, "profiles"), 0), "daemons");
    bool up = json_number(daemons, "wanted") || json_number(daemons, "connected");
    json_decref(doc);
    free(text);
    return up;
}

int cmd_profile_remove(const struct opts *o, bool json)
{
    struct store *s;
    struct clw_error err;
    (void)json;
    if (!o->word_count)
        return say(2, "profile remove: name a profile; see clowder profile remove --help");
    int status = inventory_open(&s);
    if (status)
        return status;
    for (size_t i = 0; i < o->word_count && status == 0; i++) {
        struct store_profile p;
        status = inventory_profile(s, o->words[i], &p);
        if (status == 0)
            store_profile_fini(&p);
        if (status == 0 && is_up(o->words[i]))
            status = say(5, "profile '%s' is up; take it down first: clowder down %s", o->words[i], o->words[i]);
    }
    for (size_t i = 0; i < o->word_count && status == 0; i++) {
        status = ask_yes(opts_has(o, "yes"), "remove profile %s", o->words[i]);
        if (status == 0 && inventory_profile_remove(s, o->words[i], &err))
            status = say_failure(&err);
    }
    store_close(s);
    return status;
}
