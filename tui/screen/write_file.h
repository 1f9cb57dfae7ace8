/* Commands that write a file, started from the screens. */
#ifndef TUI_SCREEN_WRITE_FILE_H
#define TUI_SCREEN_WRITE_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct ui;

/* What is to run: the words of head, then path, then those of tail (may be NULL); all NULL-terminated, copied. */
struct write_file {
    const char *const *head, *const *tail;
    const char *path;
    const char *label, *good; /* as in child_detach() */
};

/* Starts it. When there is a file at path it asks first, and with a yes the command gets --force; the command itself
 * refuses to replace a file without it. over is the form or prompt that asked, which closes when it was started. True:
 * it was started. False: a question is open now (why is ""), or why says what is wrong; over stays. */
bool write_file_start(struct ui *ui, const void *over, const struct write_file *w, char *why, size_t size);

#endif
