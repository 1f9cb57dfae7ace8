/* Help and the version, made from the tables of commands. */
#include "tui/cli/command.h"

#include "base/text.h"
#include "build_id.h"

#include <stdio.h>
#include <string.h>

void help_all(void)
{
    puts("clowder - put every spare machine to work\n\n"
         "  clowder up -n 4                        four daemons on this machine\n"
         "  ls *.wav | clowder map -- flac {}      run a command for every input on them\n"
         "  clowder status --watch                 watch the progress\n"
         "  clowder down                           stop them\n\n"
         "Usage: clowder [--json] COMMAND [OPTION]... [ARG]...\n");
    for (const struct command *c = commands; c->name; c++)
        printf("  %-12s %s\n", c->name, c->summary);
    for (const struct noun *n = nouns; n->name; n++) {
        printf("  %-12s %s:", n->name, n->summary);
        for (const struct command *c = n->verbs; c->name; c++)
            printf(" %s", command_verb(c));
        putchar('\n');
    }
    puts("\nExit status: 0 done, 1 some task failed, 2 usage, 3 cannot reach, 4 not found,\n"
         "5 refused, 6 timed out, 130 interrupted; run has the task's own.\n"
         "More: clowder help COMMAND, man clowder.");
}

static void print_head(const char *name, const char *summary, const char *examples)
{
    printf("clowder %s - %s\n\n", name, summary);
    while (*examples) {
        size_t len = strcspn(examples, "\n");
        printf("  %.*s\n", (int)len, examples);
        examples += len + (examples[len] == '\n');
    }
}

void help_noun(const struct noun *n)
{
    print_head(n->name, n->summary, n->examples);
    printf("\nUsage: clowder %s VERB [OPTION]... [ARG]...\n\n", n->name);
    for (const struct command *c = n->verbs; c->name; c++)
        printf("  %-12s %s\n", command_verb(c), c->summary);
    printf("\nMore: clowder help %s VERB\n", n->name);
}

void help_command(const struct command *c)
{
    print_head(c->name, c->summary, c->examples);
    printf(
        "\nUsage: clowder %s%s%s%s\n\n", c->name, c->options->name ? " [OPTION]..." : "", *c->args ? " " : "", c->args);
    for (const struct opt *o = opts_whole(c->options); o->name; o++) {
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

int unknown_command(const struct noun *n, const char *word)
{
    const char *names[64], *near, *prefix = n ? n->name : "", *space = n ? " " : "";
    size_t count = 0;
    for (const struct command *c = n ? n->verbs : commands; c->name && count < 50; c++)
        names[count++] = command_verb(c);
    for (const struct noun *other = nouns; !n && other->name; other++)
        names[count++] = other->name;
    names[count] = NULL;
    near = text_nearest(word, names);
    if (near)
        return say(
            2, "unknown command '%s%s%s'; did you mean 'clowder %s%s%s'?", prefix, space, word, prefix, space, near);
    return say(2, "unknown command '%s%s%s'; see clowder%s%s --help", prefix, space, word, space, prefix);
}

int cmd_help(const struct opts *o, bool json)
{
    (void)json;
    const char *word = o->word_count ? o->words[0] : NULL, *verb = o->word_count > 1 ? o->words[1] : NULL;
    const struct noun *n = word ? noun_find(word) : NULL;
    const struct command *c = n && verb ? noun_verb(n, verb) : word ? command_find(word) : NULL;
    if (c)
        help_command(c);
    else if (n && !verb)
        help_noun(n);
    else if (n)
        return unknown_command(n, verb);
    else if (word)
        return say(2, "there is no command '%s'; see clowder help", word);
    else
        help_all();
    return 0;
}

int cmd_version(const struct opts *o, bool json)
{
    (void)o;
    if (json)
        printf("{\"version\":\"%s\",\"commit\":\"%s\"}\n", clowder_version(), CLW_BUILD_ID);
    else
        printf(*CLW_BUILD_ID ? "clowder %s (%s)\n" : "clowder %s\n", clowder_version(), CLW_BUILD_ID);
    return 0;
}
