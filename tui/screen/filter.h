/* The filter language of all lists. Terms are separated by blanks and all must hold:
 *   word        some field has it (upper and lower case are the same)
 *   name:text   that field has the text          name=text   it is the text, or one of its words (as name:text in
 *                                                            fields that are words: states, tags)
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

enum {
    FIELD_WORDS = 1, /* words, of which none is looked at in part */
    FIELD_NAMED = 2, /* looked at when it is named, not for a term without a name */
    FIELD_MS = 4     /* a number without a unit is in milliseconds, and not in seconds */
};
struct filter_field {
    const char *name;
    unsigned flags;
};

/* What a row holds in a field: text, and the number behind it where there is one (then true in *numeric). */
typedef void (*filter_field_cb)(void *arg, int field, char *text, size_t size, double *number, bool *numeric);

/* fields are what may stand before an operator (field_count); a name's beginning or its plural do too. CLW_USAGE says
 * why. */
enum clw_err filter_parse(
    const char *text, const struct filter_field *fields, int field_count, struct filter *out, struct clw_error *err);
/* One more term, which may have blanks. */
enum clw_err filter_add(
    struct filter *f, const char *term, const struct filter_field *fields, int field_count, struct clw_error *err);
bool filter_match(
    const struct filter *f, const struct filter_field *fields, int field_count, filter_field_cb field, void *arg);
/* needle in text, without regard to case. "" is in everything. */
bool filter_has(const char *text, const char *needle);

#endif
