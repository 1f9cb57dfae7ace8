/* clowder: the command line. Finds the command, parses its options, runs it; without a command it opens the screens. */
#include "tui/cli/command.h"
#include "base/mem.h"
#include "base/standard.h"
#include "tui/screen/screen_main.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int run_command(const struct command *c, int argc, char **argv, bool json)
{
    struct opts o;
    int status = opts_parse(&o, c->name, c->options, argc, argv, c->stop_at_word);
    if (status == 0 && o.help)
        help_command(c);
    else if (status == 0)
        status = c->run(&o, json || opts_has(&o, "json"));
    opts_fini(&o);
    return status;
}

static int run_noun(const struct noun *n, int argc, char **argv, bool json)
{
    const char *verb = argc ? argv[0] : "--help";
    if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0) {
        help_noun(n);
        return 0;
    }
    const struct command *c = noun_verb(n, verb);
    return c ? run_command(c, argc - 1, argv + 1, json) : unknown_command(n, verb);
}

static int flush_stdout(int status)
{
    return stdout_is_good() || status ? status : 1;
}

/* The bare call: the screens, or without a terminal a short help. */
static int open_screens(int argc, char **argv)
{
    static const struct opt options[] = {
        {"screen", 0, "NAME", "the first screen: overview, hosts, profiles, jobs or log"},
        {"frames", 0, "N", "draw N frames and quit"}, {NULL, 0, NULL, NULL}};
    struct opts o;
    int64_t frames = 0;
    int status = opts_parse(&o, "clowder", options, argc, argv, true);
    if (status == 0)
        status = opts_int(&o, "frames", 1, 1000000, &frames);
    if (status == 0 && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))) {
        if (argc == 0)
            help_all();
        status = say(2, "the screens need a terminal; the commands do not: clowder --help");
    } else if (status == 0) {
        status = screen_main(opts_text(&o, "screen", NULL), (long)frames);
    }
    opts_fini(&o);
    return status;
}

int main(int argc, char **argv)
{
    bool json = false;
    int i = 1;
    standard_open();
    setlocale(LC_CTYPE, "");
    mem_keep_freed();
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help_all();
            return flush_stdout(0);
        } else if (strcmp(argv[i], "--version") == 0) {
            return flush_stdout(cmd_version(NULL, json));
        } else if (strncmp(argv[i], "--screen", 8) == 0 || strncmp(argv[i], "--frames", 8) == 0) {
            return flush_stdout(open_screens(argc - i, argv + i));
        } else {
            return say(2, "unknown option %s; see clowder --help", argv[i]);
        }
    }
    if (i == argc)
        return flush_stdout(open_screens(0, argv + i));
    const struct noun *n = noun_find(argv[i]);
    const struct command *c = command_find(argv[i]);
    if (n)
        return flush_stdout(run_noun(n, argc - i - 1, argv + i + 1, json));
    if (!c)
        return unknown_command(NULL, argv[i]);
    return flush_stdout(run_command(c, argc - i - 1, argv + i + 1, json));
}
