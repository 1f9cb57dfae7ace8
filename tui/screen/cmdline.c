/* The command line. Completion knows the commands and options from their table, and the names of hosts, profiles and
 * jobs. */
#include "tui/screen/cmdline.h"

#include "base/mem.h"
#include "tui/cli/command.h"
#include "tui/screen/pager.h"
#include "tui/screen/prompt.h"
#include "tui/screen/ui.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void cmdline_run(struct ui *ui, const char *const *argv)
{
    char title[200] = "";
    for (size_t i = 0; argv[i]; i++)
        snprintf(title + strlen(title), sizeof title - strlen(title), "%s%s", i ? " " : "", argv[i]);
    struct child *child = child_start(argv);
    if (child)
        pager_open_child(ui, title, child);
    else
        ui_say(ui, ROLE_BAD, "cannot run clowder: %s", strerror(errno));
}

static bool run(struct ui *ui, const struct prompt_line *line)
{
    size_t count;
    char **words = child_split(line->text, &count);
    if (!words) {
        snprintf(line->why, line->why_size, "a quote is not closed");
        return false;
    }
    size_t skip = count && strcmp(words[0], "clowder") == 0;
    if (count > skip && (strcmp(words[skip], "q") == 0 || strcmp(words[skip], "quit") == 0)) {
        ui->quit = true;
    } else if (count > skip) {
        const char **argv = mem_zalloc((count + 2) * sizeof *argv);
        argv[0] = "clowder";
        for (size_t i = skip; i < count; i++)
            argv[i + 1 - skip] = words[i];
        cmdline_run(ui, argv);
        free(argv);
    }
    free(words);
    return true;
}

struct candidates {
    const char *begin; /* the word that is being typed */
    char common[200];  /* what all have in common */
    size_t count;
    char *shown;
    size_t shown_size;
};

static void offer(struct candidates *c, const char *name)
{
    if (strncmp(name, c->begin, strlen(c->begin)) != 0)
        return;
    if (c->count++ == 0) {
        snprintf(c->common, sizeof c->common, "%s", name);
    } else {
        size_t same = 0;
        while (c->common[same] && c->common[same] == name[same])
            same++;
        c->common[same] = '\0';
    }
    size_t used = strlen(c->shown);
    if (used + strlen(name) + 3 < c->shown_size)
        snprintf(c->shown + used, c->shown_size - used, "%s%s", used ? "  " : "", name);
}

static void offer_names(struct candidates *c, const struct ui *ui)
{
    for (size_t i = 0; ui->store && i < ui->store->profiles.count; i++)
        offer(c, ui->store->profiles.items[i].name);
    for (size_t i = 0; ui->store && i < ui->store->hosts.count; i++)
        offer(c, ui->store->hosts.items[i].name);
}

static void complete(struct ui *ui, char *text, size_t size, char *shown, size_t shown_size)
{
    char first[64], option[80];
    size_t lead = strspn(text, " "), word = strlen(text);
    while (word > lead && text[word - 1] != ' ')
        word--;
    struct candidates c = {.begin = text + word, .shown = shown, .shown_size = shown_size};
    snprintf(first, sizeof first, "%.*s", (int)strcspn(text + lead, " "), text + lead);
    const struct command *command = command_find(first);
    if (word == lead) {
        for (const struct command *at = commands; at->name; at++)
            offer(&c, at->name);
    } else if (text[word] == '-' && command) {
        for (const struct opt *o = opts_whole(command->options); o->name; o++) {
            snprintf(option, sizeof option, "--%s", o->name);
            offer(&c, option);
        }
    } else {
        offer_names(&c, ui);
    }
    if (c.count) {
        char *done = mem_printf("%.*s%s%s", (int)word, text, c.common, c.count == 1 ? " " : "");
        snprintf(text, size, "%s", done);
        free(done);
    }
    if (c.count == 1)
        shown[0] = '\0';
    else if (!c.count)
        snprintf(shown, shown_size, "nothing begins with '%s'", text + word);
}

void cmdline_open(struct ui *ui)
{
    prompt_open(ui, ":", "", NULL, run, complete);
}
