/* Help: every action of this screen with its keys and its command, then those of the others. */
#include "tui/screen/help_screen.h"

#include "base/mem.h"
#include "tui/screen/action.h"
#include "tui/screen/dialog.h"
#include "tui/screen/ui.h"

#include <stdlib.h>

static void add_action(struct buf *b, const struct action *a)
{
    char keys[64];
    buf_printf(b, "  %-12s %-38s %s\n", action_keys_text(a, keys, sizeof keys), a->help, a->twin);
}

static void add_group(struct buf *b, int screen, enum action_group group)
{
    buf_printf(b, "%s\n", action_groups[group]);
    for (size_t i = 0; i < action_count; i++)
        if (actions[i].group == group && actions[i].screens & ON(screen))
            add_action(b, &actions[i]);
    buf_add_text(b, "\n");
}

char *help_text(int screen, size_t *len)
{
    struct buf b = {0};
    buf_printf(&b, "%s: keys, what they do, and the command that does the same\n\n", screens[screen]->title);
    add_group(&b, screen, GROUP_DO);
    add_group(&b, screen, GROUP_MOVE);
    add_group(&b, screen, GROUP_SELECT);
    add_group(&b, screen, GROUP_VIEW);
    add_group(&b, screen, GROUP_GENERAL);
    for (int other = 0; other < SCREEN_COUNT; other++) {
        if (other == screen)
            continue;
        buf_printf(&b, "ON %s\n", screens[other]->title);
        for (size_t i = 0; i < action_count; i++)
            if (actions[i].screens != ON_ALL && actions[i].screens & ON(other) && !(actions[i].screens & ON(screen)))
                add_action(&b, &actions[i]);
        buf_add_text(&b, "\n");
    }
    buf_add_text(&b,
        "FILTERS\n"
        "  web          rows with 'web' in a column      !web         rows without it\n"
        "  state:down   that column has the text         tag=rack2    it is the text, or one of its words\n"
        "  gpu>0        numbers: < > <= >= = !=          mem>16G      with units\n"
        "  Several terms must all hold.\n\n"
        "Actions are for the marked rows, else for the row with the cursor.\n"
        "More: man clowder.\n");
    *len = b.len;
    return buf_steal(&b);
}

void help_open(struct ui *ui)
{
    size_t len;
    char *text = help_text((int)ui->screen, &len);
    dialog_page(ui, "help", text, len);
    free(text);
}
