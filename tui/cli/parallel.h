/* What the hands of GNU parallel's users type, which would be taken as text here: refused with a word. */
#ifndef TUI_CLI_PARALLEL_H
#define TUI_CLI_PARALLEL_H

#include <stdbool.h>
#include <stddef.h>

/* What to say here instead of that option of GNU parallel's ("-j", "--eta"); NULL: it has none of that name. */
const char *parallel_option(const char *option);
/* The words of a command. 0, or 2 and told. */
int parallel_check(const char *command, char *const *words, size_t count, bool shell);

#endif
