/* The help page, made from the table of actions. */
#ifndef TUI_SCREEN_HELP_SCREEN_H
#define TUI_SCREEN_HELP_SCREEN_H

#include <stddef.h>

struct ui;

void help_open(struct ui *ui);
/* The text of the page for a screen, owned. Pure. */
char *help_text(int screen, size_t *len);

#endif
