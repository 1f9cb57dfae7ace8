/* Lists of strings, as the store's values carry them: tags, environment, command lines. */
#ifndef STORE_STRLIST_H
#define STORE_STRLIST_H

#include <stddef.h>

/* All zero is a valid empty list. The items and the array are owned by the list. */
struct store_strings {
    char **items;
    size_t count;
};

/* Appends a copy of text. */
void store_strings_add(struct store_strings *list, const char *text);
/* Makes *to (which is empty) a copy of *from. */
void store_strings_copy(struct store_strings *to, const struct store_strings *from);
void store_strings_fini(struct store_strings *list);

#endif
