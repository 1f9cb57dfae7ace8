/* clowder: the command line. Finds the command, parses its options, runs it. */
#include "tui/command.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

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
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    return say(status ? status : 1, "cannot write to stdout");
}

int main(int argc, char **argv)
{
    bool json = false;
    int i = 1;
    setlocale(LC_CTYPE, "");
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help_all();
            return flush_stdout(0);
        } else if (strcmp(argv[i], "--version") == 0) {
            return flush_stdout(cmd_version(NULL, json));
        } else {
            return say(2, "unknown option %s; see clowder --help", argv[i]);
        }
    }
    if (i == argc) {
        help_all();
        return flush_stdout(0);
    }
    const struct noun *n = noun_find(argv[i]);
    const struct command *c = command_find(argv[i]);
    if (n)
        return flush_stdout(run_noun(n, argc - i - 1, argv + i + 1, json));
    if (!c)
        return unknown_command(NULL, argv[i]);
    return flush_stdout(run_command(c, argc - i - 1, argv + i + 1, json));
}
