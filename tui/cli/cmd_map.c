/* map, everywhere: options into a function. */
#include "tui/cli/map.h"
#include "tui/cli/out_file.h"
#include "tui/cli/parallel.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --wrap 'conda run -n ml', --login: words before the command. */
static void read_wrap(const struct opts *o, struct map *m)
{
    static const char *const login[] = {"/bin/sh", "-lc", "exec \"$@\"", "sh"};
    size_t n = 0;
    m->wrap_text = mem_strdup(opts_text(o, "wrap", ""));
    m->wrap = mem_zalloc((4 + strlen(m->wrap_text) + 1) * sizeof *m->wrap);
    for (; opts_has(o, "login") && n < 4; n++)
        m->wrap[n] = login[n];
    char *rest = m->wrap_text, *word;
    while ((word = strsep(&rest, " \t")))
        if (*word)
            m->wrap[n++] = word;
    m->f.wrap = m->wrap;
}

/* --env K=V, or K with the value that it has here. 0, or told. */
static int read_env(const struct opts *o, struct map *m)
{
    m->f.env = m->env = opts_all(o, "env");
    for (const char **at = m->env; at && *at; at++) {
        const char *value = strchr(*at, '=') ? NULL : getenv(*at);
        if (!strchr(*at, '=') && !value)
            return say(2, "%s: --env %s: there is no such variable here; give %s=VALUE", o->command, *at, *at);
        if (value)
            *at = m->variables[m->variable_count++] = mem_printf("%s=%s", *at, value);
        if (m->variable_count == MAP_VARIABLES_MAX)
            return say(2, "%s: --env: at most %d variables", o->command, MAP_VARIABLES_MAX - 1);
    }
    return 0;
}

int map_task_options(const struct opts *o, struct map *m, int64_t *n)
{
    uint64_t max_output = CLOWDER_OUTPUT_DEFAULT;
    if (opts_int(o, "daemons", 1, 10000, n) || opts_duration(o, "timeout", &m->f.timeout_ms) ||
        opts_size(o, "max-output", &max_output))
        return 2;
    if (*n && opts_has(o, "profile"))
        return say(2, "%s: -n starts its own daemons; leave out -n or -p", o->command);
    read_wrap(o, m);
    if (read_env(o, m))
        return 2;
    m->f.max_output = max_output;
    m->f.profile = opts_text(o, "profile", NULL);
    return 0;
}

int map_set_argv(const struct opts *o, struct map *m, size_t count)
{
    if (!count || !o->words[0][0])
        return say(2, "%s: give a command; see clowder %s --help", o->command, o->command);
    m->argv = mem_zalloc((count + 1) * sizeof *m->argv);
    for (size_t i = 0; i < count; i++)
        m->argv[i] = o->words[i];
    m->f.argv = m->argv;
    return 0;
}

static int open_inputs(const struct opts *o, struct map *m)
{
    const char *path = opts_text(o, "arg-file", NULL);
    m->input_fd = STDIN_FILENO;
    if (path && m->words)
        return say(2, "%s: inputs come from --arg-file or after :::, not both", o->command);
    if (path && strcmp(path, "-") != 0 && (m->input_fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return say(errno == ENOENT ? 4 : 1, "%s: cannot read %s: %s", o->command, path, strerror(errno));
    if (!path && !m->words && isatty(STDIN_FILENO))
        say(0, "reading inputs from the terminal, one a line; ^D ends");
    return 0;
}

/* The values of an option and of its other names, in one list that ends with NULL; owned. */
static const char **all_of(const struct opts *o, const char *const names[], size_t more)
{
    size_t n = 0;
    const char **list = mem_zalloc((1 + more) * sizeof *list);
    for (; *names; names++) {
        const char **values = opts_all(o, *names);
        for (const char **at = values; at && *at; at++) {
            list = mem_realloc(list, (n + 2 + more) * sizeof *list);
            list[n++] = *at;
            list[n] = NULL;
        }
        free(values);
    }
    return list;
}

static void read_files(const struct opts *o, struct map *m)
{
    static const char *const ship[] = {"ship", "basefile", NULL}, *const in[] = {"in", "transferfile", NULL},
                             *const out[] = {"out", "fetch", "return", "trc", NULL};
    m->f.ship = m->ship = all_of(o, ship, 0);
    m->f.in = m->in = all_of(o, in, 1);
    m->f.out = m->out = all_of(o, out, 0);
    size_t n = opts_count(o, "in") + opts_count(o, "transferfile");
    if (opts_has(o, "trc"))
        m->in[n++] = "{}";
    m->in[n] = NULL;
    m->f.files = opts_has(o, "files");
    m->f.results = m->results = opts_text(o, "results", NULL);
}

static int read_map_options(const struct opts *o, struct map *m)
{
    int64_t retries = CLOWDER_RETRIES_DEFAULT, retry_failed = 0, seed = 0;
    if (opts_int(o, "retries", 0, 100, &retries) || opts_int(o, "retry-failed", 0, 100, &retry_failed) ||
        opts_int(o, "seed", 0, INT64_MAX, &seed) || opts_duration(o, "deadline", &m->f.deadline_ms))
        return 2;
    bool lines = opts_has(o, "worker"), framed = opts_has(o, "framed");
    if (lines && framed)
        return say(2, "%s: a worker speaks lines (-w) or frames (-W), not both", o->command);
    if ((lines || framed) && opts_has(o, "stdin"))
        return say(2, "%s: a worker reads its tasks on stdin; leave out --stdin", o->command);
    m->f.kind = lines ? CLOWDER_LINES : framed ? CLOWDER_FRAMED : CLOWDER_COMMAND;
    m->f.use_stdin = opts_has(o, "stdin");
    m->f.shell = opts_has(o, "shell");
    m->f.unordered = opts_has(o, "unordered");
    m->f.retries = (unsigned)retries;
    m->f.retry_failed = (unsigned)retry_failed;
    m->f.speculate = opts_has(o, "speculate");
    m->f.has_seed = opts_has(o, "seed");
    m->f.seed = (uint64_t)seed;
    m->f.name = opts_text(o, "name", NULL);
    read_files(o, m);
    m->tag = opts_has(o, "tag");
    m->stop = opts_has(o, "stop");
    m->null = opts_has(o, "null");
    m->dry_run = opts_has(o, "dry-run");
    return 0;
}

void map_fini(struct map *m)
{
    progress_free(m->progress);
    map_close_joblog(m);
    free(m->argv);
    free(m->ship);
    columns_fini(&m->columns);
    free(m->names);
    free(m->wrap);
    free(m->wrap_text);
    free(m->env);
    while (m->variable_count)
        free(m->variables[--m->variable_count]);
    free(m->in);
    free(m->out);
    free(m->skip);
}

/* What follows the command: one list of words goes to the job as it is read, anything else as columns. */
static int read_sources(const struct opts *o, struct map *m, size_t count)
{
    struct columns *c = &m->columns;
    char *const *words = o->words + count;
    size_t n = o->word_count - count, lists = 0;
    for (size_t i = 0; i < n; i++)
        lists += columns_is_separator(words[i]);
    bool is_plain = lists == 1 && strcmp(words[0], ":::") == 0 && !opts_has(o, "header");
    int status = is_plain ? 0 : columns_read(c, o->command, words, n);
    if (status == 0)
        status =
            columns_options(c, o->command, opts_text(o, "colsep", NULL), opts_has(o, "csv"), opts_has(o, "header"));
    if (status == 0 && is_plain && (c->is_csv || c->is_split))
        status = say(2, "%s: --colsep and --csv are for lines of stdin or of a file (-a FILE)", o->command);
    if (status == 0)
        status = columns_check(c, o->command, (char *const *)(uintptr_t)m->argv);
    if (is_plain || c->lists) {
        m->words = o->words + count + 1;
        m->word_count = n - 1;
    }
    if (c->lists)
        m->feed = map_feed_lists;
    m->f.has_columns = columns_are_used(c) || columns_are_named((char *const *)(uintptr_t)m->argv);
    return status;
}

int map_options(const struct opts *o, struct map *m, int64_t *n)
{
    size_t count = 0;
    clowder_function_init(&m->f);
    while (count < o->word_count && !columns_is_separator(o->words[count]))
        count++;
    int status = map_task_options(o, m, n);
    if (status == 0)
        status = read_map_options(o, m);
    if (status == 0)
        status = map_set_argv(o, m, count);
    if (status == 0)
        status = read_sources(o, m, count);
    if (status == 0)
        status = parallel_check(o->command, o->words, count, m->f.shell);
    if (status == 0 && m->results && !m->dry_run && !opts_has(o, "resume") && !opts_has(o, "resume-failed"))
        status = map_check_results(o->command, m->results);
    if (status == 0)
        status = open_inputs(o, m);
    if (status == 0 && m->columns.has_header && !m->words)
        status = columns_read_header(&m->columns, o->command, m->input_fd, m->null ? '\0' : '\n');
    m->f.names = (const char *const *)m->columns.names;
    return status;
}

static int open_joblog(const struct opts *o, struct map *m)
{
    bool resume = opts_has(o, "resume"), failed = opts_has(o, "resume-failed");
    if ((resume || failed) && !opts_has(o, "joblog"))
        return say(2, "map: --resume%s needs --joblog FILE", failed ? "-failed" : "");
    if (!opts_has(o, "joblog") || m->dry_run)
        return 0;
    return map_load_joblog(m, opts_text(o, "joblog", NULL),
        failed   ? JOBLOG_RESUME_FAILED
        : resume ? JOBLOG_RESUME
                 : JOBLOG_NEW);
}

/* By whatever names. */
static bool is_one_file(const char *a, const char *b)
{
    struct stat one, other;
    if (!a || !b || strcmp(a, "-") == 0)
        return false;
    if (stat(a, &one) || stat(b, &other))
        return strcmp(a, b) == 0;
    return S_ISREG(one.st_mode) && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

int map_output_options(const struct opts *o, struct map *m)
{
    m->out_path = opts_text(o, "output", NULL);
    if (is_one_file(m->out_path, opts_text(o, "joblog", NULL)))
        return say(2, "%s: -o and --joblog are the same file, %s", o->command, m->out_path);
    if (is_one_file(m->out_path, opts_text(o, "arg-file", NULL)))
        return say(2, "%s: the results would replace their own inputs, %s; name another file", o->command, m->out_path);
    m->out_force = opts_has(o, "force");
    if (m->out_force && !m->out_path)
        return say(2, "%s: --force needs -o FILE", o->command);
    return m->out_path && !m->out_append ? out_check(o->command, m->out_path, m->out_force) : 0;
}

int cmd_map(const struct opts *o, bool json)
{
    struct map m = {.json = json, .out_append = opts_has(o, "resume") || opts_has(o, "resume-failed")};
    int64_t n = 0;
    int status = map_options(o, &m, &n);
    if (status == 0 && !m.dry_run)
        status = map_output_options(o, &m);
    if (status == 0)
        status = open_joblog(o, &m);
    if (status == 0 && m.out_append && !m.dry_run)
        status = out_check_append("map", m.out_path, m.out_known);
    if (status == 0) {
        if (!opts_has(o, "no-progress") && (opts_has(o, "progress") || stderr_is_terminal()))
            m.progress = progress_new();
        status = map_run(&m, (unsigned)n);
    }
    map_fini(&m);
    return status;
}

static char *no_words[1];

int cmd_everywhere(const struct opts *o, bool json)
{
    struct map m = {.json = json, .tag_daemon = true, .words = no_words};
    int64_t n = 0;
    clowder_function_init(&m.f);
    m.f.everywhere = m.f.no_input = true;
    m.f.setup = opts_has(o, "setup");
    int status = map_task_options(o, &m, &n);
    if (status == 0)
        status = map_set_argv(o, &m, o->word_count);
    if (status == 0)
        status = map_run(&m, 0);
    map_fini(&m);
    return status;
}
