/* What an action's key is called, and what happens when it is pressed. */
#include "tui/screen/action.h"

#include "tui/screen/term.h"

#include <curses.h>
#include <stdio.h>
#include <string.h>

#define F(n) TERM_KEY(KEY_F(n))

const char *const action_groups[GROUP_COUNT] = {"MOVE", "SELECT", "VIEW", "THIS SCREEN", "GENERAL"};

const struct action *action_find(enum screen_id screen, int key)
{
    for (size_t i = 0; i < action_count; i++) {
        if (!(actions[i].screens & ON(screen)))
            continue;
        for (int k = 0; k < 4 && actions[i].keys[k]; k++)
            if (actions[i].keys[k] == key)
                return &actions[i];
    }
    return NULL;
}

/* The row under the cursor: is it the one that is meant? */
static bool is_early(const struct ui *ui, const struct action *a)
{
    return ui->saving[ui->screen] && (a->why_not || a->group == GROUP_SELECT);
}

void action_run(struct ui *ui, const struct action *a)
{
    const char *why = is_early(ui, a) ? "what you added is still being saved; try again in a moment"
                      : a->why_not    ? a->why_not(ui)
                                      : NULL;
    if (why)
        ui_say(ui, ROLE_WARN, "%s: %s", a->label, why);
    else if (a->run)
        a->run(ui);
}

char *action_key_text(int key, char *out, size_t size)
{
    static const struct {
        int key;
        const char *text;
    } names[] = {{' ', "Space"}, {'\t', "Tab"}, {'\r', "Enter"}, {'\n', "Enter"}, {TERM_ESC, "Esc"},
        {TERM_KEY(KEY_ENTER), "Enter"}, {TERM_KEY(KEY_DOWN), "Down"}, {TERM_KEY(KEY_UP), "Up"},
        {TERM_KEY(KEY_NPAGE), "PgDn"}, {TERM_KEY(KEY_PPAGE), "PgUp"}, {TERM_KEY(KEY_HOME), "Home"},
        {TERM_KEY(KEY_END), "End"}, {TERM_KEY(KEY_BTAB), "S-Tab"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].key == key) {
            snprintf(out, size, "%s", names[i].text);
            return out;
        }
    }
    if (key >= F(1) && key <= F(12))
        snprintf(out, size, "F%d", key - F(0));
    else if (key < ' ')
        snprintf(out, size, "^%c", key + '@');
    else
        snprintf(out, size, "%c", key);
    return out;
}

char *action_keys_text(const struct action *a, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (int k = 0; k < 4 && a->keys[k]; k++) {
        char one[16];
        action_key_text(a->keys[k], one, sizeof one);
        if (k && strstr(out, one))
            continue;
        used += (size_t)snprintf(out + used, size - used, "%s%s", used ? " " : "", one);
        if (used >= size)
            break;
    }
    return out;
}
