/* clowder: the command line. Finds the command, parses its options, runs it. */
#include "tui/command.h"

#include "base/text.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

static int unknown_command(const char *name)
{
    const char *names[64], *near;
    size_t n = 0;
    for (const struct command *c = commands; c->name && n < 63; c++)
        names[n++] = c->name;
    names[n] = NULL;
    near = text_nearest(name, names);
    if (near)
        return say(2, "unknown command '%s'; did you mean 'clowder %s'?", name, near);
    return say(2, "unknown command '%s'; see clowder --help", name);
}

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
    const struct command *c = command_find(argv[i]);
    if (!c)
        return unknown_command(argv[i]);
    return flush_stdout(run_command(c, argc - i - 1, argv + i + 1, json));
}
