/* profile set: settings and hosts of profiles in the store. `up` puts them to work. */
#include "tui/cli/cmd_profile.h"

#include "base/mem.h"
#include "base/text.h"
#include "tui/cli/command.h"
#include "tui/cli/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- set ---- */

/* Removes what begins with "K=". */
static void drop_entry(struct store_strings *env, const char *key, size_t len)
{
    size_t kept = 0;
    for (size_t i = 0; i < env->count; i++) {
        if (strncmp(env->items[i], key, len) == 0 && env->items[i][len] == '=')
            free(env->items[i]);
        else
            env->items[kept++] = env->items[i];
    }
    env->count = kept;
}

static int set_env(const struct opts *o, struct store_profile *p)
{
    struct clw_error err;
    const char **gone = opts_all(o, "no-env"), **added = opts_all(o, "env");
    int status = 0;
    for (const char **key = gone; key && *key; key++)
        drop_entry(&p->env, *key, strlen(*key));
    for (const char **entry = added; entry && *entry && status == 0; entry++) {
        if (store_check_env(*entry, &err)) {
            status = say_failure(&err);
        } else {
            drop_entry(&p->env, *entry, strcspn(*entry, "="));
            store_strings_add(&p->env, *entry);
        }
    }
    free((void *)(uintptr_t)gone);
    free((void *)(uintptr_t)added);
    return status;
}

/* The text of an option whose value is @FILE (a certificate, as it may have to travel); owned, NULL after a line on
 * stderr. */
static char *option_text(const char *entry)
{
    const char *value = strchr(entry, '=');
    char *text = NULL;
    struct buf b = {0};
    if (!value || value[1] != '@')
        return mem_strdup(entry);
    FILE *f = fopen(value + 2, "re");
    if (!f) {
        say(2, "profile set: cannot read %s: %s", value + 2, strerror(errno));
        return NULL;
    }
    char bytes[4096];
    size_t n;
    buf_add(&b, entry, (size_t)(value + 1 - entry));
    while ((n = fread(bytes, 1, sizeof bytes, f)) > 0 && b.len < STORE_TEXT_MAX)
        buf_add(&b, bytes, n);
    fclose(f);
    buf_add(&b, "", 1);
    text = mem_strdup((char *)b.data);
    buf_fini(&b);
    return text;
}

static int set_options_of(const struct opts *o, struct store_profile *p)
{
    struct clw_error err;
    const char **gone = opts_all(o, "no-option"), **added = opts_all(o, "option");
    int status = 0;
    for (const char **key = gone; key && *key; key++)
        drop_entry(&p->options, *key, strlen(*key));
    for (const char **entry = added; entry && *entry && status == 0; entry++) {
        char *text = option_text(*entry);
        if (!text) {
            status = 2;
        } else if (store_check_option(text, &err)) {
            status = say_failure(&err);
        } else {
            drop_entry(&p->options, text, strcspn(text, "="));
            store_strings_add(&p->options, text);
        }
        free(text);
    }
    free((void *)(uintptr_t)gone);
    free((void *)(uintptr_t)added);
    return status;
}

/* The words after the name. */
static void set_command(const struct opts *o, struct store_profile *p)
{
    if (o->word_count < 2)
        return;
    store_strings_fini(&p->command);
    for (size_t i = 1; i < o->word_count; i++)
        store_strings_add(&p->command, o->words[i]);
}

static void set_setup(const struct opts *o, struct store_profile *p)
{
    const char **list = opts_all(o, "setup");
    if (opts_has(o, "no-setup")) {
        for (size_t i = 0; i < p->setup_count; i++)
            store_strings_fini(&p->setup[i]);
        p->setup_count = 0;
    }
    for (const char **command = list; command && *command; command++)
        store_profile_setup_add(p, (const char *const[]){"sh", "-c", *command}, 3);
    free((void *)(uintptr_t)list);
}

static int set_settings(const struct opts *o, struct store_profile *p)
{
    struct clw_error err;
    const char *runtime = opts_text(o, "runtime", NULL), *base = opts_text(o, "base", NULL);
    if (opts_settings(o, &p->set))
        return 2;
    if (runtime && store_runtime_parse(runtime, &p->runtime, &err))
        return say_failure(&err);
    if (base) {
        free(p->base_url);
        p->base_url = mem_strdup(base);
    }
    set_setup(o, p);
    set_command(o, p);
    if (p->command.count && p->runtime != STORE_RUNTIME_COMMAND)
        return say(
            2, "profile set: unexpected argument '%s'; only --runtime command takes a command", p->command.items[0]);
    int status = set_options_of(o, p);
    return status ? status : set_env(o, p);
}

/* Hosts that are not named stay as they are. */
static enum clw_err set_hosts(
    struct store *s, const struct store_profile *p, const struct inventory_places *places, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    for (size_t i = 0; i < places->count && !code; i++) {
        struct store_profile_host host = {.daemons = places->items[i].daemons};
        snprintf(host.host, sizeof host.host, "%s", places->items[i].host);
        if (host.daemons || p->set.per_gpu)
            code = store_profile_host_set(s, p->name, &host, err);
        else if ((code = store_profile_host_remove(s, p->name, host.host, err)) == CLW_NOT_FOUND)
            code = CLW_OK;
    }
    return code;
}

static int save(struct store *s, const struct store_profile *p, const struct inventory_places *places, int64_t local)
{
    struct clw_error err;
    enum clw_err code = store_begin(s, &err);
    if (code)
        return say_failure(&err);
    code = store_profile_set(s, p, &err);
    if (!code)
        code = set_hosts(s, p, places, &err);
    if (!code && local >= 0)
        code = store_profile_want(s, p->name, (unsigned)local, p->wanted, &err);
    if (code)
        store_rollback(s);
    else
        code = store_commit(s, &err);
    return code ? say_failure(&err) : 0;
}

static int change(const struct opts *o, struct store *s, const char *name, const struct inventory_places *places)
{
    struct store_profile p;
    struct clw_error err;
    int64_t local = -1;
    if (store_check_name("profile", name, &err))
        return say_failure(&err);
    enum clw_err code = store_profile_get(s, name, &p, &err);
    if (code && code != CLW_NOT_FOUND)
        return say_failure(&err);
    if (code)
        store_profile_init(&p);
    snprintf(p.name, sizeof p.name, "%s", name);
    int status = opts_int(o, "daemons", 0, STORE_DAEMONS_MAX, &local);
    if (status == 0 && places->has_local && local >= 0)
        status = say(2, "profile set: -n and --on local mean the same; leave one out");
    if (status == 0 && places->has_local)
        local = places->local;
    if (status == 0)
        status = set_settings(o, &p);
    if (status == 0 && places->has_local && !local && p.set.per_gpu && (places->count || p.host_count))
        status = say(2, "profile set: give the number of daemons on this machine: --on local:N");
    for (size_t i = 0; i < places->count && status == 0; i++) {
        struct store_host h;
        status = inventory_host(s, places->items[i].host, &h);
        if (status == 0)
            store_host_fini(&h);
    }
    if (status == 0)
        status = save(s, &p, places, local);
    store_profile_fini(&p);
    return status;
}

int cmd_profile_set(const struct opts *o, bool json)
{
    struct store *s;
    struct inventory_places places = {0};
    const char *name = o->word_count ? o->words[0] : NULL;
    int status = name ? 0 : inventory_word(o, "profile", &name);
    if (status == 0)
        status = inventory_places(o, opts_has(o, "per-gpu"), &places);
    if (status == 0)
        status = inventory_open(&s);
    if (status == 0) {
        status = change(o, s, name, &places);
        if (status == 0)
            status = profile_show(s, name, json, true);
        store_close(s);
    }
    inventory_places_fini(&places);
    return status;
}
