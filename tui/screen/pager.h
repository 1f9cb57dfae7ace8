/* A page over the screen: text, or the output of a command as it comes. */
#ifndef TUI_SCREEN_PAGER_H
#define TUI_SCREEN_PAGER_H

#include "base/mem.h"
#include "tui/screen/child.h"

struct ui;

/* Shows what the child writes; closing the page ends it. Takes child. */
void pager_open_child(struct ui *ui, const char *title, struct child *child);
/* Lets the pages read what their children wrote; called by the main loop. */
void pager_poll(struct ui *ui);
/* The descriptor of the topmost page's child, or -1. */
int pager_fd(struct ui *ui);

#endif
