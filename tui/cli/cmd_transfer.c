/* export, import: the inventory as a JSON document. */
#include "tui/cli/inventory.h"

#include "base/mem.h"
#include "base/text.h"
#include "store/transfer.h"
#include "tui/cli/command.h"
#include "tui/cli/out_file.h"
#include "tui/cli/request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_standard(const char *path)
{
    return !path || strcmp(path, "-") == 0;
}

int cmd_export(const struct opts *o, bool json)
{
    struct store *s;
    struct clw_error err;
    struct out_file out;
    char *text;
    size_t len;
    (void)json;
    if (o->word_count > 1)
        return say(2, "export: one file at a time, not also '%s'", o->words[1]);
    const char *path = o->word_count ? o->words[0] : NULL;
    int status = inventory_open(&s);
    if (status)
        return status;
    if (store_export(s, &text, &len, &err)) {
        status = say_failure(&err);
    } else if ((status = out_open(&out, o->command, path, opts_has(o, "force"))) == 0) {
        fwrite(text, 1, len, out.f);
        status = out_close(&out, 0);
    }
    free(text);
    store_close(s);
    return status;
}

/* Reads one byte more than is allowed at most, for the store to refuse. */
static int read_all(const char *path, struct buf *b)
{
    FILE *f = is_standard(path) ? stdin : fopen(path, "re");
    size_t n;
    if (!f)
        return say(errno == ENOENT ? 4 : 1, "import: cannot read %s: %s", path, strerror(errno));
    while (b->len <= STORE_IMPORT_BYTES && (n = fread(buf_reserve(b, 65536), 1, 65536, f)) > 0)
        b->len += n;
    int status = ferror(f) ? say(1, "import: cannot read %s: %s", path, strerror(errno)) : 0;
    if (f != stdin)
        fclose(f);
    return status;
}

int cmd_import(const struct opts *o, bool json)
{
    struct store *s;
    struct clw_error err;
    struct store_import_counts n;
    struct buf b = {0};
    if (o->word_count != 1)
        return say(2, "import: name one file, or - for stdin; see clowder import --help");
    int status = read_all(o->words[0], &b);
    if (status == 0)
        status = inventory_open(&s);
    if (status == 0) {
        bool replace = opts_has(o, "replace");
        if (store_import(s, buf_text(&b), b.len, replace ? STORE_IMPORT_MERGE : STORE_IMPORT_NEW, &n, &err)) {
            status = say_failure(&err);
        } else if (json) {
            json_print(json_pack("{s:I, s:I, s:I, s:I}", "hosts", (json_int_t)n.hosts, "profiles",
                (json_int_t)n.profiles, "settings", (json_int_t)n.settings, "replaced", (json_int_t)n.replaced));
        } else {
            printf("imported %zu host%s, %zu profile%s, %zu setting%s; %zu of them replaced\n", n.hosts,
                text_plural(n.hosts), n.profiles, text_plural(n.profiles), n.settings, text_plural(n.settings),
                n.replaced);
        }
        store_close(s);
    }
    buf_fini(&b);
    return status;
}
