/* Themes as tables: a foreground of eight colours on the terminal's own background, and attributes. */
#include "tui/screen/theme.h"

#include "tui/screen/term.h"

#include <curses.h>
#include <string.h>

struct look {
    short fg, bg;
    unsigned attr;
};

static const char *const names[THEME_COUNT] = {"default", "mono", "contrast"};

static const struct look looks[THEME_COUNT][ROLE_COUNT] =
    {
        [THEME_DEFAULT] =
            {
                [ROLE_NORMAL] = {-1, -1, A_NORMAL},
                [ROLE_DIM] = {-1, -1, A_DIM},
                [ROLE_STRONG] = {-1, -1, A_BOLD},
                [ROLE_HEADER] = {COLOR_CYAN, -1, A_NORMAL},
                [ROLE_CURSOR] = {-1, -1, A_REVERSE},
                [ROLE_TAB] = {-1, -1, A_NORMAL},
                [ROLE_TAB_HERE] = {COLOR_CYAN, -1, A_BOLD},
                [ROLE_GOOD] = {COLOR_GREEN, -1, A_NORMAL},
                [ROLE_BUSY] = {COLOR_CYAN, -1, A_NORMAL},
                [ROLE_WARN] = {COLOR_YELLOW, -1, A_NORMAL},
                [ROLE_BAD] = {COLOR_RED, -1, A_BOLD},
                [ROLE_GRAPH] = {COLOR_GREEN, -1, A_NORMAL},
                [ROLE_KEY] = {COLOR_CYAN, -1, A_BOLD},
                [ROLE_FIELD] = {-1, -1, A_UNDERLINE},
                [ROLE_FIELD_HERE] = {-1, -1, A_REVERSE},
                [ROLE_MATCH] = {COLOR_YELLOW, -1, A_BOLD | A_UNDERLINE},
            },
        [THEME_MONO] =
            {
                [ROLE_DIM] = {-1, -1, A_DIM},
                [ROLE_STRONG] = {-1, -1, A_BOLD},
                [ROLE_HEADER] = {-1, -1, A_BOLD},
                [ROLE_CURSOR] = {-1, -1, A_REVERSE},
                [ROLE_TAB_HERE] = {-1, -1, A_BOLD},
                [ROLE_BUSY] = {-1, -1, A_BOLD},
                [ROLE_WARN] = {-1, -1, A_BOLD},
                [ROLE_BAD] = {-1, -1, A_BOLD},
                [ROLE_KEY] = {-1, -1, A_BOLD},
                [ROLE_FIELD] = {-1, -1, A_UNDERLINE},
                [ROLE_FIELD_HERE] = {-1, -1, A_REVERSE},
                [ROLE_MATCH] = {-1, -1, A_BOLD | A_UNDERLINE},
            },
        [THEME_CONTRAST] =
            {
                [ROLE_NORMAL] = {COLOR_WHITE, COLOR_BLACK, A_BOLD},
                [ROLE_DIM] = {COLOR_WHITE, COLOR_BLACK, A_NORMAL},
                [ROLE_STRONG] = {COLOR_YELLOW, COLOR_BLACK, A_BOLD},
                [ROLE_HEADER] = {COLOR_BLACK, COLOR_WHITE, A_NORMAL},
                [ROLE_CURSOR] = {COLOR_BLACK, COLOR_YELLOW, A_NORMAL},
                [ROLE_TAB] = {COLOR_WHITE, COLOR_BLACK, A_BOLD},
                [ROLE_TAB_HERE] = {COLOR_BLACK, COLOR_WHITE, A_NORMAL},
                [ROLE_GOOD] = {COLOR_GREEN, COLOR_BLACK, A_BOLD},
                [ROLE_BUSY] = {COLOR_CYAN, COLOR_BLACK, A_BOLD},
                [ROLE_WARN] = {COLOR_YELLOW, COLOR_BLACK, A_BOLD},
                [ROLE_BAD] = {COLOR_WHITE, COLOR_RED, A_BOLD},
                [ROLE_GRAPH] = {COLOR_YELLOW, COLOR_BLACK, A_BOLD},
                [ROLE_KEY] = {COLOR_YELLOW, COLOR_BLACK, A_BOLD},
                [ROLE_FIELD] = {COLOR_WHITE, COLOR_BLACK, A_BOLD | A_UNDERLINE},
                [ROLE_FIELD_HERE] = {COLOR_BLACK, COLOR_WHITE, A_NORMAL},
                [ROLE_MATCH] = {COLOR_BLACK, COLOR_CYAN, A_NORMAL},
            },
};

static enum theme current;
static unsigned attrs[ROLE_COUNT];

const char *theme_name(enum theme t)
{
    return names[t];
}

enum theme theme_find(const char *name)
{
    for (int t = 0; t < THEME_COUNT; t++)
        if (strcmp(names[t], name) == 0)
            return (enum theme)t;
    return THEME_DEFAULT;
}

void theme_use(enum theme t)
{
    bool color = term_caps()->color;
    current = t;
    for (int i = 0; i < ROLE_COUNT; i++) {
        const struct look *look = &looks[color ? t : THEME_MONO][i];
        attrs[i] = look->attr;
        if (color && (look->fg || look->bg || t == THEME_CONTRAST) && t != THEME_MONO) {
            init_pair((short)(i + 1), look->fg, look->bg);
            attrs[i] |= (unsigned)COLOR_PAIR(i + 1);
        }
    }
    bkgdset((chtype)attrs[ROLE_NORMAL] | ' ');
}

enum theme theme_current(void)
{
    return current;
}

unsigned theme_attr(enum role role)
{
    return attrs[role];
}
