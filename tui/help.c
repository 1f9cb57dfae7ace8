/* Help, completions and the version, made from the table of commands. */
#include "tui/command.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

void help_all(void)
{
    puts("clowder - put every spare machine to work\n\n"
         "  clowder up -n 4                        four daemons on this machine\n"
         "  ls *.wav | clowder map -- flac {}      a command for every input, spread over them\n"
         "  clowder status --watch                 watch it go\n"
         "  clowder down                           stop them\n\n"
         "Usage: clowder [--json] COMMAND [OPTION]... [ARG]...\n");
    for (const struct command *c = commands; c->name; c++)
        printf("  %-12s %s\n", c->name, c->summary);
    puts("\nExit status: 0 done, 1 some task failed, 2 usage, 3 cannot reach, 4 no such thing, 5 refused,\n"
         "6 timed out, 130 interrupted. More: clowder help COMMAND, man clowder.");
}

void help_command(const struct command *c)
{
    const char *line = c->examples;
    printf("clowder %s - %s\n\n", c->name, c->summary);
    while (*line) {
        size_t len = strcspn(line, "\n");
        printf("  %.*s\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
    printf(
        "\nUsage: clowder %s%s%s%s\n\n", c->name, c->options->name ? " [OPTION]..." : "", *c->args ? " " : "", c->args);
    for (const struct opt *o = c->options; o->name; o++) {
        char left[48], letter[8] = "    ";
        if (o->letter)
            snprintf(letter, sizeof letter, "-%c, ", o->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->value ? " " : "", o->value ? o->value : "");
        printf("  %-26s %s\n", left, o->help);
    }
    if (strcmp(c->name, "map") == 0)
        puts("\nPlaceholders: {} the input, {.} without extension, {/} its last part, {//} its folder, {/.} last part\n"
             "without extension, {#} the task's number. Without any, the input is appended. No shell is involved.");
}

int cmd_help(const struct opts *o, bool json)
{
    (void)json;
    const struct command *c = o->word_count ? command_find(o->words[0]) : NULL;
    if (o->word_count && !c)
        return say(2, "there is no command '%s'; see clowder help", o->words[0]);
    if (c)
        help_command(c);
    else
        help_all();
    return 0;
}

int cmd_version(const struct opts *o, bool json)
{
    (void)o;
    printf(json ? "{\"version\":\"%s\"}\n" : "clowder %s\n", clowder_version());
    return 0;
}

static void bash_completion(void)
{
    puts("# bash completion for clowder\n_clowder() {\n    local cur=${COMP_WORDS[COMP_CWORD]} words=\n"
         "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words=\"");
    for (const struct command *c = commands; c->name; c++)
        printf("%s ", c->name);
    puts("--json --help --version\"\n    else\n        case ${COMP_WORDS[1]} in");
    for (const struct command *c = commands; c->name; c++) {
        printf("        %s) words=\"", c->name);
        for (const struct opt *p = c->options; p->name; p++)
            printf("--%s ", p->name);
        puts("--help\" ;;");
    }
    puts("        esac\n        case $cur in -*) ;; *) compopt -o default; COMPREPLY=(); return ;; esac\n    fi\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\ncomplete -F _clowder clowder");
}

/* Single quotes would end the text of a zsh or fish description. */
static void print_plain(const char *text)
{
    for (; *text; text++)
        putchar(strchr("'\"[]:$`\\", *text) ? ' ' : *text);
}

static void zsh_completion(void)
{
    puts("#compdef clowder\n_clowder() {\n    local -a list\n    if (( CURRENT == 2 )); then\n        list=(");
    for (const struct command *c = commands; c->name; c++) {
        printf("            '%s:", c->name);
        print_plain(c->summary);
        puts("'");
    }
    puts("        )\n        _describe command list\n        return\n    fi\n    case ${words[2]} in");
    for (const struct command *c = commands; c->name; c++) {
        printf("    %s) _arguments '*:file:_files'", c->name);
        for (const struct opt *p = c->options; p->name; p++) {
            printf(" '--%s[", p->name);
            print_plain(p->help);
            printf("]%s%s'", p->value ? ":" : "", p->value ? p->value : "");
        }
        puts(" ;;");
    }
    puts("    esac\n}\n_clowder \"$@\"");
}

static void fish_completion(void)
{
    puts("# fish completion for clowder");
    for (const struct command *c = commands; c->name; c++) {
        printf("complete -c clowder -n __fish_use_subcommand -f -a %s -d '", c->name);
        print_plain(c->summary);
        puts("'");
        for (const struct opt *p = c->options; p->name; p++) {
            printf("complete -c clowder -n '__fish_seen_subcommand_from %s' -l %s%s -d '", c->name, p->name,
                p->value ? " -r" : "");
            print_plain(p->help);
            puts("'");
        }
    }
}

int cmd_completion(const struct opts *o, bool json)
{
    (void)json;
    const char *shell = o->word_count ? o->words[0] : "";
    if (strcmp(shell, "bash") == 0)
        bash_completion();
    else if (strcmp(shell, "zsh") == 0)
        zsh_completion();
    else if (strcmp(shell, "fish") == 0)
        fish_completion();
    else
        return say(2, "name a shell: clowder completion bash|zsh|fish");
    return 0;
}
