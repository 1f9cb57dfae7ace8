/* Any bytes as a document to import: refused with a message, or applied; and what was applied exports to a
 * document that imports again to the same bytes. */
#include "store/transfer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct store *stores[2]; /* empty between inputs: what an input did is rolled back */

static void must(enum clw_err code)
{
    if (code)
        abort();
}

static void round_trip(struct store *s, struct store *copy)
{
    char *first, *second;
    size_t first_len, second_len;
    must(store_export(s, &first, &first_len, NULL));
    must(store_import(copy, first, first_len, STORE_IMPORT_NEW, NULL, NULL));
    must(store_export(copy, &second, &second_len, NULL));
    if (first_len != second_len || memcmp(first, second, first_len) != 0)
        abort();
    free(first);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clw_error err = {0};
    for (int i = 0; i < 2; i++) {
        if (!stores[i])
            must(store_open(":memory:", &stores[i], NULL));
        must(store_begin(stores[i], NULL));
    }
    enum clw_err code = store_import(stores[0], (const char *)data, size, STORE_IMPORT_NEW, NULL, &err);
    if (!code) {
        round_trip(stores[0], stores[1]);
        must(store_import(stores[0], (const char *)data, size, STORE_IMPORT_MERGE, NULL, NULL));
    } else if (!*err.message) {
        abort();
    }
    store_rollback(stores[0]);
    store_rollback(stores[1]);
    return 0;
}
