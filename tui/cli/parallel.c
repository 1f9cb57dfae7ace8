#include "tui/cli/parallel.h"

#include "tui/cli/command.h"

#include <string.h>
#include <unistd.h>

const char *parallel_option(const char *option)
{
    static const char *const table[][2] = {
        {"-j", "a task runs on each daemon: -n N starts N daemons on this machine, as 'clowder up -n N' does"},
        {"--jobs", "a task runs on each daemon: -n N starts N daemons on this machine, as 'clowder up -n N' does"},
        {"--max-procs", "a task runs on each daemon: -n N starts N daemons on this machine, as 'clowder up -n N' does"},
        {"-P", "a task runs on each daemon: -n N starts N daemons on this machine, as 'clowder up -n N' does"},
        {"-k", "leave it out: results come in the order of the inputs"},
        {"--keep-order", "leave it out: results come in the order of the inputs"},
        {"-S", "hosts belong to the profile: clowder up PROFILE --on HOST:N, then -p PROFILE"},
        {"--sshlogin", "hosts belong to the profile: clowder up PROFILE --on HOST:N, then -p PROFILE"},
        {"--sshloginfile", "hosts belong to the profile: clowder up PROFILE --on HOST:N, then -p PROFILE"},
        {"--transfer", "--in {}, or --files"},
        {"--bar", "--progress"},
        {"--eta", "--progress"},
        {"-I", "the placeholder is {}"},
        {"-N", "a task has one input"},
        {"--max-args", "a task has one input"},
        {"-X", "a task has one input"},
        {"-m", "a task has one input"},
        {"-L", "a task has one input"},
        {"--link", "the second list after :::+ instead of :::"},
        {"--xapply", "the second list after :::+ instead of :::"},
        {"--pipe", "a worker (-w) is given a line at a time"},
        {"--pipepart", "a worker (-w) is given a line at a time"},
        {"--block", "a worker (-w) is given a line at a time"},
        {"--halt", "--stop"},
        {"--halt-on-error", "--stop"},
        {"--tagstring", "--tag"},
        {"--line-buffer", "leave it out: the output of a task is never mixed with another's"},
        {"--lb", "leave it out: the output of a task is never mixed with another's"},
        {"--group", "leave it out: the output of a task is never mixed with another's"},
        {"--workdir", "cd in the command, or --files for a folder of the task's own"},
        {"--wd", "cd in the command, or --files for a folder of the task's own"},
        {"--env", "variables belong to the profile: clowder up --env K=V"},
        {"--nice", "this belongs to the profile: clowder up --nice N"},
        {"--load", "this belongs to the profile: clowder up --pause-load X"},
        {"--memfree", "limits belong to the profile: clowder up --mem SIZE"},
        {"--delay", "Clowder has nothing like it"},
        {"--retry", "--retry-failed N"},
        {"--arg-sep", "inputs come after :::"},
        {"--arg-file-sep", "inputs of a file: -a FILE"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i][0], option) == 0)
            return table[i][1];
    return NULL;
}

static int check_word(const char *command, const char *word)
{
    for (const char *at = word; (at = strchr(at, '{')); at++) {
        if (strncmp(at, "{%}", 3) == 0)
            return say(
                2, "%s: {%%}: there are no slots here; $CLOWDER_DAEMON names the daemon that runs a task", command);
        if (strncmp(at, "{=", 2) == 0 && strstr(at, "=}"))
            return say(2, "%s: {= … =}: no Perl runs here; change the input in the command", command);
    }
    return 0;
}

/* A line for a shell, in one word, as GNU parallel takes it. */
static int check_line(const char *command, const char *word)
{
    return strpbrk(word, " \t") && !strchr(word, '/') && access(word, X_OK)
               ? say(2, "%s: '%s' is no program; a line for the shell needs --shell", command, word)
               : 0;
}

/* What a placeholder brings is put into quotes: within others these would end them, and the input would be run. */
static int check_quotes(const char *command, char *const *words, size_t count)
{
    char quote = 0;
    for (size_t i = 0; i < count; i++)
        for (const char *at = words[i]; *at; at++) {
            if (*at == '\\' && quote != '\'' && at[1])
                at++;
            else if (!quote && (*at == '\'' || *at == '"'))
                quote = *at;
            else if (*at == quote)
                quote = 0;
            else if (quote && *at == '{' && at[1] && strchr("}./#", at[1]))
                return say(2, "%s: --shell: '%.60s': leave out the quotes around a placeholder: it brings its own",
                    command, words[i]);
        }
    return 0;
}

int parallel_check(const char *command, char *const *words, size_t count, bool shell)
{
    int status = shell ? check_quotes(command, words, count) : count == 1 ? check_line(command, words[0]) : 0;
    for (size_t i = 0; i < count && status == 0; i++)
        status = check_word(command, words[i]);
    return status;
}
