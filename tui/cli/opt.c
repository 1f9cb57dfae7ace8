/* One parser for every command. */
#include "tui/cli/opt.h"

#include "base/mem.h"
#include "base/text.h"
#include "store/profile_setting.h"
#include "tui/cli/command.h"
#include "tui/cli/parallel.h"

#include <stdlib.h>
#include <string.h>

static void give(struct opts *o, const struct opt *opt, const char *value)
{
    o->given = mem_realloc(o->given, (o->given_count + 1) * sizeof *o->given);
    o->given[o->given_count++] = (struct opt_given){opt, value};
}

static bool runs_tasks(const char *command)
{
    return strcmp(command, "map") == 0 || strcmp(command, "submit") == 0 || strcmp(command, "run") == 0;
}

static int unknown(const struct opts *o, const char *arg, const struct opt *table)
{
    const char *names[64], *near;
    size_t n = 0;
    for (; table->name && n < 62; table++)
        names[n++] = table->name;
    names[n++] = "help";
    names[n] = NULL;
    const char *instead = runs_tasks(o->command) ? parallel_option(arg) : NULL;
    near = strncmp(arg, "--", 2) == 0 ? text_nearest(arg + 2, names) : NULL;
    if (instead)
        fprintf(stderr, "clowder %s: %s is GNU parallel's; here: %s\n", o->command, arg, instead);
    else if (near)
        fprintf(stderr, "clowder %s: unknown option %s; did you mean --%s?\n", o->command, arg, near);
    else
        fprintf(stderr, "clowder %s: unknown option %s; see clowder %s --help\n", o->command, arg, o->command);
    return 2;
}

static int missing(const struct opts *o, const char *arg, const struct opt *opt)
{
    fprintf(stderr, "clowder %s: %s needs a value: %s %s\n", o->command, arg, arg, opt->value);
    return 2;
}

static int take_long(struct opts *o, const struct opt *table, int argc, char **argv, int *i)
{
    char *arg = argv[*i], name[64];
    const char *equals = strchr(arg, '=');
    size_t len = equals ? (size_t)(equals - arg) - 2 : strlen(arg) - 2;
    snprintf(name, sizeof name, "%.*s", (int)len, arg + 2);
    if (strcmp(name, "help") == 0) {
        o->help = true;
        return 0;
    }
    for (const struct opt *opt = table; opt->name; opt++) {
        if (strcmp(opt->name, name) != 0)
            continue;
        if (!opt->value && equals) {
            fprintf(stderr, "clowder %s: --%s takes no value\n", o->command, name);
            return 2;
        }
        if (opt->value && !equals && *i + 1 >= argc)
            return missing(o, arg, opt);
        give(o, opt, !opt->value ? NULL : equals ? equals + 1 : argv[++*i]);
        return 0;
    }
    snprintf(name, sizeof name, "--%.*s", (int)(len < 50 ? len : 50), arg + 2);
    return unknown(o, name, table);
}

static int take_short(struct opts *o, const struct opt *table, int argc, char **argv, int *i)
{
    const char *letters = argv[*i] + 1;
    for (; *letters; letters++) {
        const struct opt *opt = table;
        if (*letters == 'h') {
            o->help = true;
            continue;
        }
        while (opt->name && opt->letter != *letters)
            opt++;
        char arg[] = {'-', *letters, '\0'};
        if (!opt->name)
            return unknown(o, arg, table);
        if (!opt->value) {
            give(o, opt, NULL);
            continue;
        }
        if (!letters[1] && *i + 1 >= argc)
            return missing(o, arg, opt);
        give(o, opt, letters[1] ? letters + 1 : argv[++*i]);
        return 0;
    }
    return 0;
}

int opts_parse(struct opts *o, const char *command, const struct opt *table, int argc, char **argv, bool stop_at_word)
{
    bool options = true;
    int rv = 0;
    table = opts_whole(table);
    *o = (struct opts){.command = command};
    o->words = mem_zalloc(((size_t)argc + 1) * sizeof *o->words);
    for (int i = 0; i < argc && rv == 0; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && strncmp(argv[i], "--", 2) == 0) {
            rv = take_long(o, table, argc, argv, &i);
        } else if (options && argv[i][0] == '-' && argv[i][1]) {
            rv = take_short(o, table, argc, argv, &i);
        } else {
            o->words[o->word_count++] = argv[i];
            options &= !stop_at_word;
        }
    }
    return rv;
}

void opts_fini(struct opts *o)
{
    free(o->given);
    free(o->words);
}

size_t opts_count(const struct opts *o, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < o->given_count; i++)
        n += strcmp(o->given[i].opt->name, name) == 0;
    return n;
}

bool opts_has(const struct opts *o, const char *name)
{
    return opts_count(o, name) > 0;
}

const char *opts_text(const struct opts *o, const char *name, const char *otherwise)
{
    for (size_t i = o->given_count; i-- > 0;)
        if (strcmp(o->given[i].opt->name, name) == 0)
            return o->given[i].value;
    return otherwise;
}

const char **opts_all(const struct opts *o, const char *name)
{
    const char **list = NULL;
    size_t n = 0;
    for (size_t i = 0; i < o->given_count; i++) {
        if (strcmp(o->given[i].opt->name, name) != 0)
            continue;
        list = mem_realloc(list, (n + 2) * sizeof *list);
        list[n++] = o->given[i].value;
        list[n] = NULL;
    }
    return list;
}

static int bad(const struct opts *o, const char *name, const struct clw_error *err)
{
    fprintf(stderr, "clowder %s: --%s: %s%s%s\n", o->command, name, err->message, err->hint[0] ? "; " : "", err->hint);
    return 2;
}

int opts_int(const struct opts *o, const char *name, int64_t min, int64_t max, int64_t *value)
{
    struct clw_error err;
    const char *text = opts_text(o, name, NULL);
    return text && text_parse_int(text, min, max, value, &err) ? bad(o, name, &err) : 0;
}

int opts_duration(const struct opts *o, const char *name, uint64_t *ms)
{
    struct clw_error err;
    const char *text = opts_text(o, name, NULL);
    return text && text_parse_duration(text, ms, &err) ? bad(o, name, &err) : 0;
}

int opts_size(const struct opts *o, const char *name, uint64_t *bytes)
{
    struct clw_error err;
    const char *text = opts_text(o, name, NULL);
    return text && text_parse_size(text, bytes, &err) ? bad(o, name, &err) : 0;
}

/* ---- the settings of a profile ---- */

static bool is_given(const struct opts *o, const struct store_setting_option *option)
{
    return option->name && opts_has(o, option->name);
}

static int take_setting(const struct opts *o, const struct store_setting_row *row, struct store_settings *s)
{
    struct clw_error err;
    const char *text = opts_text(o, row->on.name, NULL);
    if (is_given(o, &row->off))
        store_row_set(row, s, row->type == STORE_TYPE_SEED ? STORE_SEED_NONE : 0);
    else if (row->type == STORE_TYPE_FLAG && is_given(o, &row->on))
        store_row_set(row, s, 1);
    return text && store_row_parse(row, text, s, &err) ? bad(o, row->on.name, &err) : 0;
}

/* Who names GPUs for a profile wants a daemon on each. */
static bool means_per_gpu(const struct opts *o)
{
    const char *gpus = opts_text(o, "gpus", NULL);
    return gpus && *gpus && strncmp(o->command, "host", 4) != 0 && !opts_has(o, "no-per-gpu");
}

int opts_settings(const struct opts *o, struct store_settings *s)
{
    struct clw_error err;
    if (means_per_gpu(o))
        s->per_gpu = 1;
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++) {
        if (is_given(o, &row->on) && is_given(o, &row->off))
            return say(2, "%s: --%s or --%s, not both", o->command, row->on.name, row->off.name);
        if (take_setting(o, row, s))
            return 2;
    }
    return store_settings_check(s, &err) ? say(2, "%s: %s", o->command, err.message) : 0;
}

char **opts_settings_texts(const struct opts *o)
{
    char **list = mem_zalloc((STORE_SETTINGS_COUNT + 1) * sizeof *list);
    size_t n = 0;
    for (const struct store_setting_row *row = store_setting_rows; row->key; row++) {
        const char *text = opts_text(o, row->on.name, NULL);
        if (is_given(o, &row->off))
            text = "no";
        else if (row->type == STORE_TYPE_FLAG &&
                 (is_given(o, &row->on) || (strcmp(row->on.name, "per-gpu") == 0 && means_per_gpu(o))))
            text = "yes";
        if (text)
            list[n++] = mem_printf("%s=%s", row->on.name, text);
    }
    return list;
}

static size_t add_option(
    struct opt *out, size_t n, const struct store_setting_option *option, const char *value, unsigned where)
{
    if (option->where & where)
        out[n++] = (struct opt){option->name, 0, value, option->help};
    return n;
}

static struct opt *with_settings(const struct opt *table, unsigned where)
{
    size_t room = 1, n = 0;
    while (table[room - 1].name)
        room++;
    struct opt *out = mem_zalloc((room + (size_t)2 * STORE_SETTINGS_COUNT) * sizeof *out);
    for (; table->name; table++) {
        if (*table->name) {
            out[n++] = *table;
            continue;
        }
        for (const struct store_setting_row *row = store_setting_rows; row->key; row++) {
            n = add_option(out, n, &row->on, store_row_metavariable(row), where);
            n = add_option(out, n, &row->off, NULL, where);
        }
    }
    return out;
}

const struct opt *opts_whole(const struct opt *table)
{
    static struct opt *made[STORE_HOST + 1]; /* kept as long as the program runs */
    const struct opt *place = table;
    while (place->name && *place->name)
        place++;
    if (!place->name)
        return table;
    unsigned where = (unsigned)place->letter;
    if (!made[where])
        made[where] = with_settings(table, where);
    return made[where];
}
