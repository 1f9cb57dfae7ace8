/* A line to type in at the message row: search, filter, command. */
#ifndef TUI_SCREEN_PROMPT_H
#define TUI_SCREEN_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

struct ui;

/* The line that is open, for done. */
struct prompt_line {
    const char *text;
    const char *about;   /* what it was opened with */
    const void *overlay; /* its state, to close it later */
    char *why;           /* room for why_size bytes */
    size_t why_size;
};

/* What Enter does with the text. False: it stays open and shows why. */
typedef bool (*prompt_cb)(struct ui *ui, const struct prompt_line *line);
/* Adds to text what Tab can add; the candidates go into shown. May be NULL. */
typedef void (*prompt_complete_cb)(struct ui *ui, char *text, size_t size, char *shown, size_t shown_size);

/* Opens it with sign before the text. Lines typed are remembered per sign, and Up and Down bring them back. about (a
 * name or a number, copied; may be NULL) is what done is for: not what is under the cursor by then. */
void prompt_open(
    struct ui *ui, const char *sign, const char *text, const char *about, prompt_cb done, prompt_complete_cb complete);

#endif
