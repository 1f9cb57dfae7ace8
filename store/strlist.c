/* Lists of strings, growing arrays, and text made fit for a column. */
#include "store/strlist.h"

#include "base/mem.h"
#include "base/text.h"
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

void *store__grow(void *items, size_t count, size_t item_size)
{
    if (count & (count - 1)) /* room was made up to the next power of two */
        return items;
    return mem_realloc(items, (count ? count * 2 : 1) * item_size);
}

void store_strings_add(struct store_strings *list, const char *text)
{
    list->items = store__grow(list->items, list->count, sizeof *list->items);
    list->items[list->count++] = mem_strdup(text);
}

void store_strings_copy(struct store_strings *to, const struct store_strings *from)
{
    for (size_t i = 0; i < from->count; i++)
        store_strings_add(to, from->items[i]);
}

void store_strings_fini(struct store_strings *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct store_strings){0};
}

char *store__clean(const char *text, size_t max, bool tail)
{
    struct buf b = {0};
    size_t len = text ? strlen(text) : 0, from = tail && len > max ? len - max : 0;
    while (from && from < len && ((unsigned char)text[from] & 0xc0) == 0x80)
        from++; /* not in the middle of a character */
    while (from < len) {
        size_t n = text_utf8_len(text + from, len - from);
        size_t put = n ? n : 4;
        if (b.len + put > max)
            break;
        if (n)
            buf_add(&b, text + from, n);
        else
            buf_printf(&b, "\\x%02x", (unsigned)(unsigned char)text[from]);
        from += n ? n : 1;
    }
    return buf_steal(&b);
}

int store__word(const char *const *names, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], text))
            return (int)i;
    return -1;
}
