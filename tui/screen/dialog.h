/* Dialogs without fields: a question by damage, and a page to read. */
#ifndef TUI_SCREEN_DIALOG_H
#define TUI_SCREEN_DIALOG_H

#include <stdbool.h>
#include <stddef.h>

struct ui;

/* Asks. lines are separated by newlines. word NULL: y or N; else the word must be typed, for what cannot be undone.
 * yes gets arg when the answer is yes; release (may be NULL) frees arg in any case. arg holds copies of what lines
 * name: yes does what was asked, whatever is under the cursor by then. */
void dialog_confirm(struct ui *ui, const char *title, const char *lines, const char *word,
    void (*yes)(struct ui *ui, void *arg), void *arg, void (*release)(void *arg));

/* Shows text (len bytes, copied) to read, search and scroll in. */
void dialog_page(struct ui *ui, const char *title, const char *text, size_t len);

#endif
