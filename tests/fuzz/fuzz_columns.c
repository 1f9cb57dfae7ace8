/* Lines of CSV, and placeholders: as many columns as NULs and one, and no byte out of place. */
#include "engine/wire/expand.h"
#include "tui/cli/columns.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct columns c = {.is_csv = len & 1, .separator = ','};
    struct buf record = {0}, text = {0};
    size_t half = len / 2;
    char *words = mem_strndup(data, half);
    ptrdiff_t end = columns_record(&c, (const char *)data + half, len - half, '\n');
    if (!columns_split(&c, (const char *)data + half, end < 0 ? len - half : (size_t)end, &record)) {
        struct expansion e = {.input = record.len ? (const char *)record.data : "",
            .len = record.len,
            .has_columns = true,
            .as_shell = len & 2,
            .as_pattern = len & 4};
        char *argv[] = {words};
        expand_text(&text, words, &e);
        if (text.data[text.len - 1] != 0)
            abort();
        char **line = expand_argv(&text, argv, 1, !expand_has_placeholder(words, &e), &e);
        for (; *line; line++)
            (void)strlen(*line);
    }
    buf_fini(&record);
    buf_fini(&text);
    free(words);
    return 0;
}
