/* Placeholders: a command line for one input. */
#ifndef ENGINE_WIRE_EXPAND_H
#define ENGINE_WIRE_EXPAND_H

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What they stand for. */
struct expansion {
    const char *input;
    size_t len;
    uint64_t index;
    bool has_columns;   /* the input is several, with a NUL after each but the last */
    char *const *names; /* of the columns, as far as they have some; ends with NULL, or NULL */
    bool as_pattern;    /* what they bring stands for itself alone (glob, fnmatch) */
    bool as_shell;      /* … is one word for a shell, in quotes as far as it needs them */
    size_t line_at;     /* … and the words before that one are no part of its line */
};

/* {} the input · {.} without its extension · {/} its last part · {//} the folder above · {/.} the last part without
 * extension · {#} the task's number from 1. With columns {} is all of them with blanks between, {2} {2.} {2/} {2//}
 * {2/.} are the second one and its parts, {-1} is the last one, {name} is the one of that name. Appends the expansion
 * of text, NUL-terminated, to out. */
void expand_text(struct buf *out, const char *text, const struct expansion *e);
/* Appends text, not terminated, so that as part of a pattern it stands for itself alone. */
void expand_quote(struct buf *out, const char *text, size_t len);
/* e->input and e->len do not count: whatever it is. */
bool expand_has_placeholder(const char *text, const struct expansion *e);
/* The column, from 1, without its NUL; NULL: there is none. */
const char *expand_column(const struct expansion *e, unsigned n, size_t *len);

/* The argv for one input: expanded, with the input appended (each column) when append is set, or as one line for a
 * shell when e->as_shell is. The strings and the array lie in out, which is cleared first; returned borrowed from it.
 */
char **expand_argv(struct buf *out, char *const *argv, size_t argc, bool append, const struct expansion *e);

#endif
