/* What a piece of text is, and how each theme shows it. Colour is never the only sign. */
#ifndef TUI_SCREEN_THEME_H
#define TUI_SCREEN_THEME_H

#include <stdbool.h>

enum role {
    ROLE_NORMAL,
    ROLE_DIM,
    ROLE_STRONG,
    ROLE_HEADER, /* column titles, rules */
    ROLE_CURSOR,
    ROLE_TAB,
    ROLE_TAB_HERE,
    ROLE_GOOD,
    ROLE_BUSY,
    ROLE_WARN,
    ROLE_BAD,
    ROLE_GRAPH,
    ROLE_KEY, /* a key in the footer */
    ROLE_FIELD,
    ROLE_FIELD_HERE,
    ROLE_MATCH, /* what a search found */
    ROLE_COUNT
};

enum theme { THEME_DEFAULT, THEME_MONO, THEME_CONTRAST, THEME_COUNT };

const char *theme_name(enum theme t);
/* By name; THEME_DEFAULT when there is none of it. */
enum theme theme_find(const char *name);
/* Makes it the one that theme_attr() answers for. Without colours it is THEME_MONO's. */
void theme_use(enum theme t);
enum theme theme_current(void);
/* The curses attribute of a role. */
unsigned theme_attr(enum role role);

#endif
