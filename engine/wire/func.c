/* Function values: defaults, copies, fields, checks. */
#include "engine/wire/func.h"

#include "engine/wire/expand.h"
#include "engine/wire/wire.h"

#include <stdlib.h>
#include <string.h>

enum key {
    K_KIND = WIRE_K_FUNC,
    K_ARG,
    K_NAME,
    K_PROFILE,
    K_DIR,
    K_STDIN,
    K_EVERYWHERE,
    K_SETUP,
    K_SEED,
    K_TIMEOUT,
    K_RETRIES,
    K_RETRY_FAILED,
    K_MAX_OUTPUT,
    K_FILE,
    K_FILE_X,
    K_NO_INPUT,
    K_KEPT,
    K_SPECULATE,
    K_DEADLINE,
    K_SHIP,
    K_IN,
    K_OUT,
    K_BY_NAMES,
    K_RESULTS,
    K_COLUMNS,
    K_COLUMN,
    K_SHELL,
    K_ENV,
};

void func_init(struct func *f)
{
    *f = (struct func){.kind = FUNC_COMMAND, .retries = 2, .max_output = FUNC_OUTPUT_DEFAULT};
}

static void free_list(char **list)
{
    for (char **at = list; at && *at; at++)
        free(*at);
    free(list);
}

static size_t list_length(char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

/* Takes text. */
static void take_text_of(char ***list, char *text)
{
    size_t n = list_length(*list);
    *list = mem_realloc(*list, (n + 2) * sizeof **list);
    (*list)[n] = text;
    (*list)[n + 1] = NULL;
}

void func_add_text(char ***list, const char *text)
{
    take_text_of(list, mem_strdup(text));
}

static char **copy_list(char *const *list)
{
    char **copy = NULL;
    for (; list && *list; list++)
        func_add_text(&copy, *list);
    return copy;
}

void func_fini(struct func *f)
{
    for (size_t i = 0; i < f->argc; i++)
        free(f->argv[i]);
    for (size_t i = 0; i < f->file_count; i++) {
        free(f->files[i].name);
        free(f->files[i].data);
    }
    free(f->argv);
    free(f->files);
    free(f->name);
    free(f->profile);
    free(f->dir);
    free(f->results);
    free_list(f->ships);
    free_list(f->ins);
    free_list(f->outs);
    free_list(f->names);
    free_list(f->env);
    *f = (struct func){0};
}

static void take_arg(struct func *f, char *arg)
{
    f->argv = mem_realloc(f->argv, (f->argc + 2) * sizeof *f->argv);
    f->argv[f->argc++] = arg;
    f->argv[f->argc] = NULL;
}

void func_add_arg(struct func *f, const char *arg)
{
    take_arg(f, mem_strdup(arg));
}

void func_add_file(struct func *f, const char *name, uint8_t *data, size_t len, bool executable)
{
    f->files = mem_realloc(f->files, (f->file_count + 1) * sizeof *f->files);
    f->files[f->file_count++] =
        (struct func_file){.name = mem_strdup(name), .data = data, .len = len, .executable = executable};
}

static char *copy_text(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

void func_copy(struct func *to, const struct func *from)
{
    *to = *from;
    to->argv = NULL;
    to->argc = 0;
    to->files = NULL;
    to->file_count = 0;
    to->name = copy_text(from->name);
    to->profile = copy_text(from->profile);
    to->dir = copy_text(from->dir);
    to->results = copy_text(from->results);
    to->ships = copy_list(from->ships);
    to->ins = copy_list(from->ins);
    to->outs = copy_list(from->outs);
    to->names = copy_list(from->names);
    to->env = copy_list(from->env);
    for (size_t i = 0; i < from->argc; i++)
        func_add_arg(to, from->argv[i]);
    for (size_t i = 0; i < from->file_count; i++) {
        const struct func_file *file = &from->files[i];
        uint8_t *data = mem_alloc(file->len);
        memcpy(data, file->data, file->len);
        func_add_file(to, file->name, data, file->len, file->executable);
    }
}

static void add_list(struct buf *b, unsigned key, char *const *list)
{
    for (; list && *list; list++)
        wire_add_text(b, key, *list);
}

static void add_optional(struct buf *b, unsigned key, const char *text)
{
    if (text)
        wire_add_text(b, key, text);
}

void func_encode(const struct func *f, struct buf *b)
{
    wire_add_number(b, K_KIND, f->kind);
    for (size_t i = 0; i < f->argc; i++)
        wire_add_text(b, K_ARG, f->argv[i]);
    add_optional(b, K_NAME, f->name);
    add_optional(b, K_PROFILE, f->profile);
    add_optional(b, K_DIR, f->dir);
    add_optional(b, K_RESULTS, f->results);
    add_list(b, K_SHIP, f->ships);
    add_list(b, K_IN, f->ins);
    add_list(b, K_OUT, f->outs);
    add_list(b, K_COLUMN, f->names);
    add_list(b, K_ENV, f->env);
    if (f->has_columns)
        wire_add_number(b, K_COLUMNS, 1);
    if (f->shell)
        wire_add_number(b, K_SHELL, f->shell);
    if (f->by_names)
        wire_add_number(b, K_BY_NAMES, 1);
    wire_add_number(b, K_STDIN, f->use_stdin);
    wire_add_number(b, K_NO_INPUT, f->no_input);
    wire_add_number(b, K_EVERYWHERE, f->everywhere);
    wire_add_number(b, K_SETUP, f->setup);
    if (f->has_seed)
        wire_add_number(b, K_SEED, f->seed);
    wire_add_number(b, K_TIMEOUT, f->timeout_ms);
    wire_add_number(b, K_RETRIES, f->retries);
    wire_add_number(b, K_RETRY_FAILED, f->retry_failed);
    if (f->speculate)
        wire_add_number(b, K_SPECULATE, 1);
    if (f->deadline_ms)
        wire_add_number(b, K_DEADLINE, f->deadline_ms);
    wire_add_number(b, K_MAX_OUTPUT, f->max_output);
    if (f->kept)
        wire_add_number(b, K_KEPT, (uint64_t)f->kept);
    for (size_t i = 0; i < f->file_count; i++) {
        const struct func_file *file = &f->files[i];
        struct buf body = {0};
        buf_add(&body, file->name, strlen(file->name) + 1);
        buf_add(&body, file->data, file->len);
        wire_add_field(b, file->executable ? K_FILE_X : K_FILE, body.data, body.len);
        buf_fini(&body);
    }
}

static enum clw_err take_file(struct func *f, const struct wire_fields *w, struct clw_error *err)
{
    const uint8_t *nul = memchr(w->data, 0, w->len);
    const char *name = (const char *)w->data;
    if (f->file_count >= FUNC_FILES_MAX)
        return clw_fail(err, CLW_PROTOCOL, NULL, "a job ships at most %d files", FUNC_FILES_MAX);
    if (!nul || nul == w->data || strchr(name, '/') || name[0] == '.')
        return clw_fail(err, CLW_PROTOCOL, NULL, "a shipped file has no name, or one with '/' or a '.' at its start");
    size_t len = w->len - (size_t)(nul + 1 - w->data);
    uint8_t *data = mem_alloc(len);
    memcpy(data, nul + 1, len);
    func_add_file(f, name, data, len, w->key == K_FILE_X);
    return CLW_OK;
}

static enum clw_err take_text(char **to, const struct wire_fields *w, struct clw_error *err)
{
    free(*to);
    *to = wire_field_text(w);
    return *to ? CLW_OK : clw_fail(err, CLW_PROTOCOL, NULL, "a NUL byte inside a text of the function");
}

static uint32_t bounded(uint64_t value, uint32_t max)
{
    return value < max ? (uint32_t)value : max;
}

static enum clw_err take_pattern(char ***list, const struct wire_fields *w, struct clw_error *err)
{
    char *text = list_length(*list) < FUNC_PATTERNS_MAX ? wire_field_text(w) : NULL;
    if (!text || !*text) {
        free(text);
        return clw_fail(err, CLW_PROTOCOL, NULL, "bad or too many texts in a list of a function");
    }
    take_text_of(list, text);
    return CLW_OK;
}

bool func_is_variable(const char *text)
{
    size_t len = strcspn(text, "=");
    return len && text[len] == '=' && strncmp(text, "CLOWDER_", 8) != 0;
}

static enum clw_err take_variable(struct func *f, const struct wire_fields *w, struct clw_error *err)
{
    char *text = list_length(f->env) < FUNC_PATTERNS_MAX ? wire_field_text(w) : NULL;
    if (text && func_is_variable(text)) {
        take_text_of(&f->env, text);
        return CLW_OK;
    }
    free(text);
    return clw_fail(err, CLW_PROTOCOL, NULL, "a variable of a function that is none, or too many");
}

static void set_seed(struct func *f, uint64_t seed)
{
    f->has_seed = true;
    f->seed = seed;
}

static enum clw_err take_field(struct func *f, const struct wire_fields *w, struct clw_error *err)
{
    uint64_t number = wire_field_number(w);
    char *arg;
    switch (w->key) {
    case K_KIND:
        if (number >= FUNC_KIND_COUNT)
            return clw_fail(err, CLW_PROTOCOL, NULL, "unknown kind of function");
        f->kind = (enum func_kind)number;
        break;
    case K_ARG:
        arg = wire_field_text(w);
        if (!arg || f->argc >= FUNC_ARGS_MAX) {
            free(arg);
            return clw_fail(err, CLW_PROTOCOL, NULL, "bad or too many arguments in a function");
        }
        take_arg(f, arg);
        break;
    case K_NAME: return take_text(&f->name, w, err);
    case K_PROFILE: return take_text(&f->profile, w, err);
    case K_DIR: return take_text(&f->dir, w, err);
    case K_RESULTS: return take_text(&f->results, w, err);
    case K_SHIP: return take_pattern(&f->ships, w, err);
    case K_IN: return take_pattern(&f->ins, w, err);
    case K_OUT: return take_pattern(&f->outs, w, err);
    case K_COLUMNS: f->has_columns = number != 0; break;
    case K_COLUMN: return take_pattern(&f->names, w, err);
    case K_SHELL: f->shell = bounded(number, FUNC_ARGS_MAX); break;
    case K_ENV: return take_variable(f, w, err);
    case K_BY_NAMES: f->by_names = number != 0; break;
    case K_STDIN: f->use_stdin = number != 0; break;
    case K_NO_INPUT: f->no_input = number != 0; break;
    case K_EVERYWHERE: f->everywhere = number != 0; break;
    case K_SETUP: f->setup = number != 0; break;
    case K_SEED: set_seed(f, number); break;
    case K_TIMEOUT: f->timeout_ms = number; break;
    case K_RETRIES: f->retries = bounded(number, 100); break;
    case K_RETRY_FAILED: f->retry_failed = bounded(number, 100); break;
    case K_SPECULATE: f->speculate = number != 0; break;
    case K_DEADLINE: f->deadline_ms = number < INT64_MAX ? number : 0; break;
    case K_MAX_OUTPUT: f->max_output = bounded(number, WIRE_OUTPUT_MAX); break;
    case K_KEPT: f->kept = number < INT64_MAX ? (int64_t)number : 0; break;
    case K_FILE:
    case K_FILE_X: return take_file(f, w, err);
    default: break;
    }
    return CLW_OK;
}

enum clw_err func_decode(struct func *f, const uint8_t *data, size_t len, struct clw_error *err)
{
    struct wire_fields w;
    enum clw_err code = CLW_OK;
    func_init(f);
    wire_fields_init(&w, data, len);
    while (!code && wire_fields_next(&w))
        code = take_field(f, &w, err);
    if (!code && w.broken)
        code = clw_fail(err, CLW_PROTOCOL, NULL, "a function's fields are cut short");
    if (!code && (f->argc == 0 || !f->argv[0][0]))
        code = clw_fail(err, CLW_USAGE, "give a command", "a job without a command");
    return code;
}

struct expansion func_expansion(const struct func *f, const char *input, size_t len, uint64_t index)
{
    return (struct expansion){.input = input,
        .len = len,
        .index = index,
        .has_columns = f->has_columns,
        .names = f->names,
        .as_shell = f->shell != 0,
        .line_at = f->shell ? f->shell - 1 : 0};
}

bool func_appends(const struct func *f)
{
    struct expansion e = func_expansion(f, "", 0, 0);
    bool appends = !f->no_input && !f->use_stdin;
    for (size_t i = 0; i < f->argc; i++)
        appends &= !expand_has_placeholder(f->argv[i], &e);
    return appends;
}

uint64_t func_task_seed(uint64_t seed, uint64_t index)
{
    uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

const char *const func_env_names[] = {
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", NULL};

char **func_env_own(void)
{
    char **list = mem_zalloc(sizeof func_env_names);
    size_t n = 0;
    for (const char *const *name = func_env_names; *name; name++) {
        const char *value = getenv(*name);
        if (value)
            list[n++] = mem_printf("%s=%s", *name, value);
    }
    return list;
}
