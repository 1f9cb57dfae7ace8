/* Export and import: the inventory (hosts with tags, profiles with their hosts, settings) as one JSON
 * document. What was measured and what happened (facts, states, jobs, samples, events) stays behind.
 *
 *   { "clowder": 1, "hosts": { NAME: {...} }, "profiles": { NAME: {... "hosts": { HOST: DAEMONS }} },
 *     "settings": { KEY: VALUE } }
 *
 * Keys are sorted, so that the same inventory gives the same bytes; exported, imported into an empty store
 * and exported again, it is byte for byte the same. In a document to import, every key but "clowder" may be
 * left out. */
#ifndef STORE_TRANSFER_H
#define STORE_TRANSFER_H

#include "store/store.h"

#include <stddef.h>

#define STORE_FORMAT 1              /* "clowder" in the document */
#define STORE_IMPORT_BYTES 16777216 /* the largest document: 16 MiB; at most 32 deep */
#define STORE_IMPORT_HOSTS 10000
#define STORE_IMPORT_PROFILES 1000
#define STORE_IMPORT_SETTINGS 1000

enum store_import_mode {
    STORE_IMPORT_NEW,  /* a name that is in the store already is CLW_EXISTS */
    STORE_IMPORT_MERGE /* it is replaced */
};

struct store_import_counts {
    size_t hosts, profiles, settings; /* in the document */
    size_t replaced;                  /* of them, those that were in the store before */
};

/* *json is owned text of *len bytes that ends with a newline, NUL-terminated; NULL on failure. */
enum clw_err store_export(struct store *s, char **json, size_t *len, struct clw_error *err);
/* Checks the whole document (len bytes), then applies it, all or nothing. counts may be NULL.
 * CLW_USAGE: not such a document; the message names the place. CLW_NEWER: its format is unknown.
 * CLW_TOO_LARGE. CLW_NOT_FOUND: a profile uses a host that is in neither document nor store. CLW_EXISTS: see
 * the mode. */
enum clw_err store_import(struct store *s, const char *json, size_t len, enum store_import_mode mode,
    struct store_import_counts *counts, struct clw_error *err);

#endif
