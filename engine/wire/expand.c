/* Text replaced in one pass; what was put in is never looked at again. */
#include "engine/wire/expand.h"

#include <string.h>

enum part { PART_NONE, PART_ALL, PART_STEM, PART_LAST, PART_DIR, PART_LAST_STEM, PART_NUMBER };

/* The placeholder at text, and its length. */
static enum part placeholder(const char *text, size_t *len)
{
    static const struct {
        const char *text;
        enum part part;
    } table[] = {{"{}", PART_ALL}, {"{.}", PART_STEM}, {"{/}", PART_LAST}, {"{//}", PART_DIR}, {"{/.}", PART_LAST_STEM},
        {"{#}", PART_NUMBER}};
    if (*text == '{') {
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
            *len = strlen(table[i].text);
            if (strncmp(text, table[i].text, *len) == 0)
                return table[i].part;
        }
    }
    *len = 1;
    return PART_NONE;
}

static size_t last_part(const char *input, size_t len)
{
    const char *slash = memrchr(input, '/', len);
    return slash ? (size_t)(slash + 1 - input) : 0;
}

/* The length up to the extension of the last part; a leading dot begins no extension. */
static size_t stem(const char *input, size_t len)
{
    size_t last = last_part(input, len);
    const char *dot = memrchr(input + last, '.', len - last);
    return dot && dot != input + last ? (size_t)(dot - input) : len;
}

static void add_part(struct buf *out, enum part part, const char *input, size_t len, uint64_t index)
{
    size_t last = last_part(input, len), end = stem(input, len);
    switch (part) {
    case PART_NONE: break;
    case PART_ALL: buf_add(out, input, len); break;
    case PART_STEM: buf_add(out, input, end); break;
    case PART_LAST: buf_add(out, input + last, len - last); break;
    case PART_LAST_STEM: buf_add(out, input + last, end - last); break;
    case PART_NUMBER: buf_printf(out, "%llu", (unsigned long long)index + 1); break;
    case PART_DIR:
        if (last == 0)
            buf_add(out, ".", 1);
        else
            buf_add(out, input, last > 1 ? last - 1 : 1);
        break;
    }
}

void expand_text(struct buf *out, const char *text, const char *input, size_t len, uint64_t index)
{
    while (*text) {
        size_t taken;
        enum part part = placeholder(text, &taken);
        if (part == PART_NONE)
            buf_add(out, text, 1);
        else
            add_part(out, part, input, len, index);
        text += taken;
    }
    buf_add(out, "", 1);
}

void expand_quote(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] && strchr("*?[]\\", text[i]))
            buf_add(out, "\\", 1);
        buf_add(out, text + i, 1);
    }
}

void expand_pattern(struct buf *out, const char *pattern, const char *input, size_t len, uint64_t index)
{
    struct buf quoted = {0};
    expand_quote(&quoted, input, len);
    expand_text(out, pattern, buf_text(&quoted), quoted.len, index);
    buf_fini(&quoted);
}

bool expand_has_placeholder(const char *text)
{
    size_t len;
    for (; *text; text++)
        if (placeholder(text, &len) != PART_NONE)
            return true;
    return false;
}

char **expand_argv(
    struct buf *out, char *const *argv, size_t argc, bool append, const char *input, size_t len, uint64_t index)
{
    size_t count = argc + 2, at;
    buf_clear(out);
    memset(buf_reserve(out, count * sizeof(char *)), 0, count * sizeof(char *));
    out->len = count * sizeof(char *);
    for (size_t i = 0; i < argc; i++) {
        at = out->len;
        expand_text(out, argv[i], input, len, index);
        memcpy(out->data + i * sizeof(char *), &at, sizeof at);
    }
    if (append) {
        at = out->len;
        buf_add(out, input, len);
        buf_add(out, "", 1);
        memcpy(out->data + argc * sizeof(char *), &at, sizeof at);
    }
    char **list = (char **)(void *)out->data; /* offsets become pointers now that nothing moves */
    for (size_t i = 0; i < argc + append; i++) {
        memcpy(&at, &list[i], sizeof at);
        list[i] = (char *)out->data + at;
    }
    return list;
}
