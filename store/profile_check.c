/* What a profile may hold; words for runtimes; the life of the struct. */
#include "store/profile.h"

#include "base/mem.h"
#include "base/text.h"
#include "store/store_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *const runtimes[] = {
#define X(name, word) word,
    STORE_RUNTIME_TABLE(X)
#undef X
        NULL};

const char *store_runtime_text(enum store_runtime runtime)
{
    return (unsigned)runtime < STORE_RUNTIME_COUNT ? runtimes[runtime] : "?";
}

enum clw_err store_runtime_parse(const char *text, enum store_runtime *out, struct clw_error *err)
{
    struct store__shown shown;
    int found = store__word(runtimes, STORE_RUNTIME_COUNT, text);
    if (found >= 0) {
        *out = (enum store_runtime)found;
        return CLW_OK;
    }
    const char *near = text_nearest(text, runtimes);
    return clw_fail(err, CLW_USAGE, "one of: clowder, mirai, dask, command", "%s is not a runtime%s%s%s",
        store__show(&shown, text), near ? ", did you mean " : "", near ? near : "", near ? "?" : "");
}

void store_profile_init(struct store_profile *p)
{
    *p = (struct store_profile){.runtime = STORE_RUNTIME_CLOWDER};
    store_settings_init(&p->set);
}

void store_profile_fini(struct store_profile *p)
{
    free(p->base_url);
    store_strings_fini(&p->command);
    store_strings_fini(&p->options);
    store_strings_fini(&p->env);
    for (size_t i = 0; i < p->setup_count; i++)
        store_strings_fini(&p->setup[i]);
    free(p->setup);
    free(p->hosts);
    *p = (struct store_profile){0};
}

void store_profile_list_fini(struct store_profile_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        store_profile_fini(&list->items[i]);
    free(list->items);
    *list = (struct store_profile_list){0};
}

void store_profile_setup_add(struct store_profile *p, const char *const *argv, size_t argc)
{
    p->setup = store__grow(p->setup, p->setup_count, sizeof *p->setup);
    struct store_strings *command = &p->setup[p->setup_count++];
    *command = (struct store_strings){0};
    for (size_t i = 0; i < argc; i++)
        store_strings_add(command, argv[i]);
}

enum clw_err store_check_env(const char *entry, struct clw_error *err)
{
    struct store__shown shown;
    size_t len = strcspn(entry, "=");
    bool good = entry[len] == '=' && len && !isdigit((unsigned char)*entry);
    for (size_t i = 0; good && i < len; i++)
        good = entry[i] == '_' || (isalnum((unsigned char)entry[i]) && (unsigned char)entry[i] < 0x80);
    if (!good)
        return clw_fail(err, CLW_USAGE,
            "write NAME=VALUE; a name has letters, digits and '_' and does not start with a digit",
            "%s does not set a variable", store__show(&shown, entry));
    return store__check_text("a variable", entry, STORE_TEXT_MAX, STORE__BYTES, err);
}

enum clw_err store_check_option(const char *entry, struct clw_error *err)
{
    struct store__shown shown;
    size_t len = strcspn(entry, "=");
    bool good = entry[len] == '=' && len && isalpha((unsigned char)*entry);
    for (size_t i = 0; good && i < len; i++)
        good = strchr("_.-", entry[i]) || (isalnum((unsigned char)entry[i]) && (unsigned char)entry[i] < 0x80);
    if (!good)
        return clw_fail(err, CLW_USAGE, "write NAME=VALUE; a name has letters, digits, '_', '.' and '-'",
            "%s is not an option of a daemon", store__show(&shown, entry));
    return store__check_text("an option", entry, STORE_TEXT_MAX, STORE__BYTES, err);
}

/* "K=V" each, checked by check, each K once. */
static enum clw_err check_list(const struct store_strings *list, const char *what,
    enum clw_err (*check)(const char *entry, struct clw_error *err), struct clw_error *err)
{
    if (list->count > STORE_ENV_MAX)
        return clw_fail(err, CLW_USAGE, NULL, "a profile sets at most %d %ss", STORE_ENV_MAX, what);
    for (size_t i = 0; i < list->count; i++) {
        const char *entry = list->items[i];
        size_t len = strcspn(entry, "=") + 1;
        enum clw_err code = check(entry, err);
        if (code)
            return code;
        for (size_t k = 0; k < i; k++)
            if (!strncmp(list->items[k], entry, len))
                return clw_fail(err, CLW_USAGE, "keep only one of them", "the %s %.*s is set twice", what,
                    len > 60 ? 60 : (int)len - 1, entry);
    }
    return CLW_OK;
}

static enum clw_err check_argv(const char *what, const struct store_strings *argv, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    if (argv->count > STORE_ARGV_MAX)
        return clw_fail(err, CLW_USAGE, "put them in a script", "%s has more than %d words", what, STORE_ARGV_MAX);
    if (argv->count && !*argv->items[0])
        return clw_fail(err, CLW_USAGE, NULL, "%s begins with an empty word", what);
    for (size_t i = 0; !code && i < argv->count; i++)
        code = store__check_text(what, argv->items[i], STORE_TEXT_MAX, STORE__BYTES, err);
    return code;
}

static enum clw_err check_setup(const struct store_profile *p, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    if (p->setup_count > STORE_SETUP_MAX)
        return clw_fail(
            err, CLW_USAGE, "put them in a script", "a profile has at most %d set-up commands", STORE_SETUP_MAX);
    for (size_t i = 0; !code && i < p->setup_count; i++) {
        if (!p->setup[i].count)
            return clw_fail(err, CLW_USAGE, NULL, "a set-up command is empty");
        code = check_argv("a set-up command", &p->setup[i], err);
    }
    return code;
}

static enum clw_err check_url(const char *url, struct clw_error *err)
{
    static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._~/?&=%:+,@-[]*";
    struct store__shown shown;
    size_t scheme = strspn(url, "abcdefghijklmnopqrstuvwxyz0123456789+.-");
    bool good = scheme && !strncmp(url + scheme, "://", 3) && url[scheme + 3] && !url[strspn(url, plain)] &&
                strlen(url) <= 1024;
    if (good)
        return CLW_OK;
    return clw_fail(err, CLW_USAGE,
        "write scheme://address, as in tcp://127.0.0.1:5555; at most 1024 bytes, other characters as %XX",
        "%s is not a base URL", store__show(&shown, url));
}

enum clw_err store_profile_check(const struct store_profile *p, struct clw_error *err)
{
    enum clw_err code = store_check_name("profile", p->name, err);
    if (!code && (unsigned)p->runtime >= STORE_RUNTIME_COUNT)
        code = clw_fail(err, CLW_USAGE, NULL, "%u is not a runtime", (unsigned)p->runtime);
    if (!code && p->base_url && *p->base_url)
        code = check_url(p->base_url, err);
    if (!code)
        code = check_argv("the command", &p->command, err);
    if (!code)
        code = check_list(&p->env, "variable", store_check_env, err);
    if (!code)
        code = check_list(&p->options, "option", store_check_option, err);
    if (!code && p->local_daemons > STORE_DAEMONS_MAX)
        code = clw_fail(err, CLW_USAGE, NULL, "at most %d daemons on one host", STORE_DAEMONS_MAX);
    if (!code)
        code = store_settings_check(&p->set, err);
    return code ? code : check_setup(p, err);
}
