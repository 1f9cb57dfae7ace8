/* Drawing text on the screen: clipped, measured in columns, and harmless whatever bytes it holds. Everything that
 * reaches curses goes through here. */
#ifndef TUI_SCREEN_DRAW_H
#define TUI_SCREEN_DRAW_H

#include "tui/screen/theme.h"

#include <stdbool.h>
#include <stddef.h>

struct rect {
    int y, x, rows, cols;
};

/* Makes printable text of len bytes, NUL-terminated, at most cols columns and size bytes: control bytes and invalid
 * UTF-8 as \xNN, characters without a width left out, what does not fit cut with a mark when mark is set. In a locale
 * without UTF-8 other characters than ASCII become '?'. Pure but for the locale. Returns the columns used. */
int draw_fit(char *out, size_t size, const char *data, size_t len, int cols, bool utf8, bool mark);
/* The columns that text takes when it is drawn. */
int draw_width(const char *text);

/* Draws text at most cols wide and pads with blanks up to cols; clipped at the screen's edge. */
void draw_text(int y, int x, int cols, enum role role, const char *text);
/* The same, against the right edge of its columns. */
void draw_right(int y, int x, int cols, enum role role, const char *text);
/* Formatted, no padding; returns the columns used. */
int draw_printf(int y, int x, int cols, enum role role, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Blanks. */
void draw_clear(const struct rect *r, enum role role);
/* A line across r's columns at y, with a title in it. */
void draw_rule(int y, int x, int cols, const char *title);
/* A frame with a title for a dialog; its inside is cleared. */
void draw_box(const struct rect *r, const char *title);
/* A bar of cols columns filled to part (0 to 1). */
void draw_bar(int y, int x, int cols, enum role role, double part);
/* "…", or "~" without UTF-8, and such. */
const char *draw_sign(const char *utf8, const char *ascii);

#endif
