#include "tui/cli/parallel.h"

#include "tui/cli/command.h"

#include <string.h>

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
        {"--trc", "--in {} --out PATTERN, or --files"},
        {"--transferfile", "--in PATTERN, or --files"},
        {"--transfer", "--in {}, or --files"},
        {"--return", "--out PATTERN, or --files"},
        {"--basefile", "--ship PATH"},
        {"--bar", "--progress"},
        {"--eta", "--progress"},
        {"-I", "the placeholder is {}"},
        {"-N", "a task has one input"},
        {"--max-args", "a task has one input"},
        {"-X", "a task has one input"},
        {"-m", "a task has one input"},
        {"-L", "a task has one input"},
        {"--colsep", "an input is one text; split it in the command"},
        {"-C", "an input is one text; split it in the command"},
        {"--link", "there is one list of inputs"},
        {"--xapply", "there is one list of inputs"},
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

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* {1}, {-2}, {3/.}: an input of several. Its length; 0: none. */
static size_t numbered(const char *text)
{
    static const char *const endings[] = {"}", ".}", "/}", "//}", "/.}"};
    size_t n = 1 + (text[1] == '-');
    if (!is_digit(text[n]))
        return 0;
    while (is_digit(text[n]))
        n++;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (strncmp(text + n, endings[i], strlen(endings[i])) == 0)
            return n + strlen(endings[i]);
    return 0;
}

/* Where the braces cannot belong to what stands before them, as those of ${1}, a{2} and .{3} do. */
static bool begins(const char *word, const char *at)
{
    return at == word || strchr("/=:,-_ '\"", at[-1]);
}

static int check_word(const char *command, const char *word)
{
    for (const char *at = word; (at = strchr(at, '{')); at++) {
        size_t len = numbered(at);
        if (len && begins(word, at))
            return say(
                2, "%s: %.*s: a task has one input here, {}; as text, put it into a script", command, (int)len, at);
        if (strncmp(at, "{%}", 3) == 0)
            return say(
                2, "%s: {%%}: there are no slots here; $CLOWDER_DAEMON names the daemon that runs a task", command);
        if (strncmp(at, "{=", 2) == 0 && strstr(at, "=}"))
            return say(2, "%s: {= … =}: no Perl runs here; change the input in the command", command);
    }
    return 0;
}

static bool is_separator(const char *word)
{
    return strcmp(word, ":::") == 0 || strcmp(word, ":::+") == 0 || strcmp(word, "::::") == 0 ||
           strcmp(word, "::::+") == 0;
}

int parallel_check(const char *command, char *const *words, size_t count, char *const *inputs, size_t input_count)
{
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++)
        status =
            is_separator(words[i])
                ? say(2, "%s: %s: inputs come after one :::, from stdin, or from a file: -a FILE", command, words[i])
                : check_word(command, words[i]);
    for (size_t i = 0; i < input_count && status == 0; i++)
        if (is_separator(inputs[i]))
            status = say(2, "%s: '%s' is given twice: there is one list of inputs, and each task gets one of them",
                command, inputs[i]);
    return status;
}
