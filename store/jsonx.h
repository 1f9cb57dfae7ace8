/* Inside store/ only: JSON in, JSON out, with limits. */
#ifndef STORE_JSONX_H
#define STORE_JSONX_H

#include "base/err.h"
#include "store/strlist.h"

#include <jansson.h>
#include <stdbool.h>

/* Nesting that a document of ours never needs. */
#define STORE__JSON_DEPTH 32

/* Parses the len bytes: UTF-8, no key twice, at most STORE__JSON_DEPTH deep. *out is owned. CLW_USAGE says
 * where. */
enum clw_err store__json_parse(const char *what, const char *text, size_t len, json_t **out, struct clw_error *err);
/* An array of strings, owned; NULL when one is not UTF-8. */
json_t *store__json_strings(const struct store_strings *list);
/* Appends the strings of array to list; false when it is not an array of strings. */
bool store__json_read_strings(const json_t *array, struct store_strings *list);

#endif
