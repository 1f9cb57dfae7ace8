/* One line of text under the user's fingers: the editor behind form fields, search, filter and the command line. Pure.
 * The text stays in its own buffer and nowhere else, so that a secret can be wiped. */
#ifndef TUI_SCREEN_EDIT_H
#define TUI_SCREEN_EDIT_H

#include <stdbool.h>
#include <stddef.h>

enum { EDIT_SIZE = 1024 };

struct edit {
    char text[EDIT_SIZE]; /* UTF-8, NUL-terminated */
    size_t len, cursor;   /* bytes */
};

void edit_set(struct edit *e, const char *text);
/* Overwrites everything. */
void edit_wipe(struct edit *e);
/* Inserts a character (a code point). */
void edit_insert(struct edit *e, unsigned code);
/* Does what the key is for: characters, arrows, Home/End, ^A ^E ^B ^F ^K ^U ^W ^D, Backspace, Delete. False: not ours.
 */
bool edit_key(struct edit *e, int key);
/* Draws it with its cursor in cols columns; masked: a star for every character. Returns nothing; the part with the
 * cursor is the one shown. */
void edit_draw(const struct edit *e, int y, int x, int cols, bool here, bool masked);

#endif
