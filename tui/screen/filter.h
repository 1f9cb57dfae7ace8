/* The filter language of all lists. Terms are separated by blanks and all must hold:
 *   word        some field has it (upper and lower case are the same)
 *   name:text   that field has the text          name=text   it is the text, or one of its words
 *   name>1.5    also < >= <= != for numbers; sizes and spans of text fields have units: mem>16G
 *   !term       the opposite
 * Pure. */
#ifndef TUI_SCREEN_FILTER_H
#define TUI_SCREEN_FILTER_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { FILTER_TERMS = 16, FILTER_WORD = 80 };

enum filter_op { FILTER_HAS, FILTER_IS, FILTER_IS_NOT, FILTER_LESS, FILTER_MORE, FILTER_AT_MOST, FILTER_AT_LEAST };

struct filter_term {
    bool invert;
    int field; /* -1: any */
    enum filter_op op;
    char word[FILTER_WORD];
    double number;
    bool has_number;
};

struct filter {
    struct filter_term terms[FILTER_TERMS];
    size_t count; /* 0: everything passes */
};

/* What a row holds in a field: text, and the number behind it where there is one (then true in *numeric). */
typedef void (*filter_field_cb)(void *arg, int field, char *text, size_t size, double *number, bool *numeric);

/* fields are the names that may stand before an operator (field_count); a name's beginning or its plural do too.
 * CLW_USAGE says why. */
enum clw_err filter_parse(
    const char *text, const char *const *fields, int field_count, struct filter *out, struct clw_error *err);
bool filter_match(const struct filter *f, int field_count, filter_field_cb field, void *arg);
/* needle in text, without regard to case. "" is in everything. */
bool filter_has(const char *text, const char *needle);

#endif
