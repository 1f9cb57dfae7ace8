/* Placeholders: a command line for one input. No shell is involved. */
#ifndef ENGINE_WIRE_EXPAND_H
#define ENGINE_WIRE_EXPAND_H

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* {} the input · {.} without its extension · {/} its last part · {//} the folder above · {/.} the last part without
 * extension ·
 * {#} the task's number from 1. Appends the expansion of text, NUL-terminated, to out. */
void expand_text(struct buf *out, const char *text, const char *input, size_t len, uint64_t index);
/* Appends text, not terminated, so that as part of a pattern (glob, fnmatch) it stands for itself alone. As input of
 * expand_text() it gives such texts, whatever part of it is taken. */
void expand_quote(struct buf *out, const char *text, size_t len);
/* As expand_text(), of a pattern: what placeholders bring stands for itself alone. */
void expand_pattern(struct buf *out, const char *pattern, const char *input, size_t len, uint64_t index);
bool expand_has_placeholder(const char *text);

/* The argv for one input: expanded, with the input appended when no argument names it and append is set. The strings
 * and the array lie in out, which is cleared first; returned borrowed from it. The input must hold no NUL byte. */
char **expand_argv(
    struct buf *out, char *const *argv, size_t argc, bool append, const char *input, size_t len, uint64_t index);

#endif
