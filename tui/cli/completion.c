/* Completion scripts for bash, zsh and fish, made from the tables of commands. Names of hosts and profiles come from
 * the program itself while the user types. */
#include "tui/cli/command.h"

#include <stdio.h>
#include <string.h>

#define HOST_NAMES "clowder host list --names 2>/dev/null"
#define PROFILE_NAMES "clowder profile list --names 2>/dev/null"

/* The shell command that prints what the words of a command may be, or NULL: files. */
static const char *names_of(const struct command *c)
{
    if (strcmp(c->name, "host add") == 0 || strcmp(c->name, "host import") == 0)
        return NULL;
    if (strncmp(c->name, "host ", 5) == 0 || strstr(c->args, "[HOST]"))
        return HOST_NAMES;
    if (strncmp(c->name, "profile ", 8) == 0 || strstr(c->args, "PROFILE"))
        return PROFILE_NAMES;
    return NULL;
}

static void print_words(const struct command *list)
{
    for (const struct command *c = list; c->name; c++)
        printf("%s ", command_verb(c));
}

/* ---- bash ---- */

static void bash_case(const struct command *c, const char *indent)
{
    const char *names = names_of(c);
    printf("%s%s) words=\"", indent, command_verb(c));
    for (const struct opt *p = opts_whole(c->options); p->name; p++)
        printf("--%s ", p->name);
    printf("--help\"");
    if (names)
        printf(" names=\"%s\"", names);
    puts(" ;;");
}

static void bash_completion(void)
{
    puts("# bash completion for clowder\n_clowder() {\n    local cur=${COMP_WORDS[COMP_CWORD]} words= names=\n"
         "    local prev=${COMP_WORDS[COMP_CWORD - 1]}\n    case $COMP_CWORD:${COMP_WORDS[1]} in\n    1:*)\n"
         "        words=\"");
    print_words(commands);
    for (const struct noun *n = nouns; n->name; n++)
        printf("%s ", n->name);
    puts("--json --help --version\" ;;");
    for (const struct noun *n = nouns; n->name; n++) {
        printf("    2:%s) words=\"", n->name);
        print_words(n->verbs);
        printf("--help\" ;;\n    *:%s)\n        case ${COMP_WORDS[2]} in\n", n->name);
        for (const struct command *c = n->verbs; c->name; c++)
            bash_case(c, "        ");
        puts("        esac ;;");
    }
    puts("    *)\n        case ${COMP_WORDS[1]} in");
    for (const struct command *c = commands; c->name; c++)
        bash_case(c, "        ");
    puts("        esac ;;\n    esac\n"
         "    case $prev in\n    -p | --profile) words= names=\"" PROFILE_NAMES "\" ;;\n"
         "    --on) words= names=\"" HOST_NAMES "\" ;;\n    esac\n"
         "    case $COMP_CWORD:$cur in\n    1:* | *:-*) ;;\n    *)\n"
         "        [ -z \"$names\" ] || words=\"$words $(eval \"$names\")\"\n"
         "        if [ -z \"$names\" ] && ! [[ $COMP_CWORD == 2 && $words ]]; then\n"
         "            compopt -o default\n            COMPREPLY=()\n            return\n        fi ;;\n    esac\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\ncomplete -F _clowder clowder");
}

/* ---- zsh, fish ---- */

/* Single quotes would end the text of a zsh or fish description. */
static void print_plain(const char *text)
{
    for (; *text; text++)
        putchar(strchr("'\"[]:$`\\", *text) ? ' ' : *text);
}

static void zsh_item(const char *name, const char *summary)
{
    printf("            '%s:", name);
    print_plain(summary);
    puts("'");
}

static void zsh_case(const struct command *c)
{
    const char *names = names_of(c);
    if (names)
        printf("    '%s') _arguments '*:name:($(%s))'", c->name, names);
    else
        printf("    '%s') _arguments '*:file:_files'", c->name);
    for (const struct opt *p = opts_whole(c->options); p->name; p++) {
        printf(" '--%s[", p->name);
        print_plain(p->help);
        printf("]%s%s'", p->value ? ":" : "", p->value ? strcmp(p->value, "HOST:N") == 0 ? "HOST" : p->value : "");
    }
    puts(" ;;");
}

static void zsh_completion(void)
{
    puts("#compdef clowder\n_clowder() {\n    local -a list\n    if (( CURRENT == 2 )); then\n        list=(");
    for (const struct command *c = commands; c->name; c++)
        zsh_item(c->name, c->summary);
    for (const struct noun *n = nouns; n->name; n++)
        zsh_item(n->name, n->summary);
    puts("        )\n        _describe command list\n        return\n    fi\n    local what=${words[2]}\n"
         "    case $what in");
    for (const struct noun *n = nouns; n->name; n++) {
        printf("    %s)\n        list=(\n", n->name);
        for (const struct command *c = n->verbs; c->name; c++)
            zsh_item(command_verb(c), c->summary);
        puts("        )\n        if (( CURRENT == 3 )); then\n            _describe verb list\n            return\n"
             "        fi\n        what=\"$what ${words[3]}\"\n        shift words\n        (( CURRENT-- )) ;;");
    }
    puts("    esac\n    shift words\n    (( CURRENT-- ))\n    case $what in");
    for (const struct command *c = commands; c->name; c++)
        zsh_case(c);
    for (const struct noun *n = nouns; n->name; n++)
        for (const struct command *c = n->verbs; c->name; c++)
            zsh_case(c);
    puts("    esac\n}\n_clowder \"$@\"");
}

static void fish_options(const struct command *c, const char *when)
{
    const char *names = names_of(c);
    if (names)
        printf("complete -c clowder -n '%s' -f -a '(%s)'\n", when, names);
    for (const struct opt *p = opts_whole(c->options); p->name; p++) {
        printf("complete -c clowder -n '%s' -l %s%s -d '", when, p->name, p->value ? " -r" : "");
        print_plain(p->help);
        puts("'");
    }
}

static void fish_word(const char *when, const char *word, const char *summary)
{
    printf("complete -c clowder -n '%s' -f -a %s -d '", when, word);
    print_plain(summary);
    puts("'");
}

static void fish_completion(void)
{
    char when[200];
    puts("# fish completion for clowder");
    for (const struct command *c = commands; c->name; c++) {
        fish_word("__fish_use_subcommand", c->name, c->summary);
        snprintf(when, sizeof when, "set -l w (commandline -opc); test \"$w[2]\" = %s", c->name);
        fish_options(c, when);
    }
    for (const struct noun *n = nouns; n->name; n++) {
        fish_word("__fish_use_subcommand", n->name, n->summary);
        for (const struct command *c = n->verbs; c->name; c++) {
            snprintf(
                when, sizeof when, "set -l w (commandline -opc); test (count $w) -eq 2 -a \"$w[2]\" = %s", n->name);
            fish_word(when, command_verb(c), c->summary);
            snprintf(when, sizeof when, "set -l w (commandline -opc); test \"$w[2] $w[3]\" = \"%s\"", c->name);
            fish_options(c, when);
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
