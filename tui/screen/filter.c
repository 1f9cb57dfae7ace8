/* The filter language. */
#include "tui/screen/filter.h"

#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SEPARATORS " ,\n"

bool filter_has(const char *text, const char *needle)
{
    return strcasestr(text, needle) != NULL;
}

static enum clw_err find_field(
    const char *name, size_t len, const struct filter_field *fields, int count, int *field, struct clw_error *err)
{
    char known[300] = "";
    int found = -1;
    for (int i = 0; i < count; i++) {
        size_t full = strlen(fields[i].name);
        bool plural = full + 1 == len && tolower((unsigned char)name[len - 1]) == 's';
        if ((len <= full || plural) && strncasecmp(fields[i].name, name, plural ? full : len) == 0) {
            if (len == full || plural) {
                *field = i;
                return CLW_OK;
            }
            found = found < 0 ? i : -2;
        }
        if (strlen(known) + full + 3 < sizeof known) {
            strcat(known, *known ? " " : "");
            strcat(known, fields[i].name);
        }
    }
    *field = found;
    if (found == -2)
        return clw_fail(err, CLW_USAGE, NULL, "'%.*s' begins several fields: %s", (int)len, name, known);
    if (found == -1)
        return clw_fail(err, CLW_USAGE, NULL, "there is no field '%.*s' here; fields: %s", (int)len, name, known);
    return CLW_OK;
}

/* A number with an optional unit of sizes or of time. */
static bool read_number(const char *word, double *number, bool in_ms)
{
    char *end;
    uint64_t value;
    *number = strtod(word, &end);
    if (end != word && (!*end || strcmp(end, "%") == 0)) {
        *number /= in_ms ? 1000 : 1;
        return true;
    }
    if (text_parse_size(word, &value, NULL) == CLW_OK) {
        *number = (double)value;
        return true;
    }
    if (text_parse_duration(word, &value, NULL) == CLW_OK) {
        *number = (double)value / 1000;
        return true;
    }
    return false;
}

static enum filter_op read_op(const char *at, size_t *len)
{
    static const struct {
        const char *sign;
        enum filter_op op;
    } ops[] = {{">=", FILTER_AT_LEAST}, {"<=", FILTER_AT_MOST}, {"!=", FILTER_IS_NOT}, {">", FILTER_MORE},
        {"<", FILTER_LESS}, {"=", FILTER_IS}};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        *len = strlen(ops[i].sign);
        if (strncmp(at, ops[i].sign, *len) == 0)
            return ops[i].op;
    }
    *len = 1;
    return FILTER_HAS;
}

static enum clw_err parse_term(
    const char *word, const struct filter_field *fields, int count, struct filter_term *t, struct clw_error *err)
{
    size_t name = strcspn(word, ":<>=!"), op_len = 0;
    *t = (struct filter_term){.field = -1};
    if (*word == '!' && word[1] != '=') {
        t->invert = true;
        word++;
        name = strcspn(word, ":<>=!");
    }
    if (!*word)
        return clw_fail(err, CLW_USAGE, NULL, "'!' stands before what it inverts, like !down");
    if (name && word[name]) {
        enum clw_err code = find_field(word, name, fields, count, &t->field, err);
        if (code)
            return code;
        t->op = read_op(word + name, &op_len);
        word += name + op_len;
    }
    if (strlen(word) >= FILTER_WORD)
        return clw_fail(err, CLW_USAGE, NULL, "a word of a filter has at most %d bytes", FILTER_WORD - 1);
    strcpy(t->word, word);
    t->has_number = read_number(word, &t->number, t->field >= 0 && fields[t->field].flags & FIELD_MS);
    if (t->op >= FILTER_LESS && !t->has_number)
        return clw_fail(err, CLW_USAGE, "for text there are name:text and name=text",
            *word ? "'%s' is not a number to compare with" : "a number is missing%s", word);
    return CLW_OK;
}

enum clw_err filter_add(
    struct filter *f, const char *term, const struct filter_field *fields, int field_count, struct clw_error *err)
{
    if (f->count == FILTER_TERMS)
        return clw_fail(err, CLW_USAGE, NULL, "the filter is too long: it may have %d terms", FILTER_TERMS);
    enum clw_err code = parse_term(term, fields, field_count, &f->terms[f->count], err);
    f->count += code == CLW_OK;
    return code;
}

enum clw_err filter_parse(
    const char *text, const struct filter_field *fields, int field_count, struct filter *out, struct clw_error *err)
{
    struct filter f = {.count = 0};
    while (*(text += strspn(text, " \t"))) {
        char word[256];
        size_t len = strcspn(text, " \t");
        if (len >= sizeof word)
            return clw_fail(err, CLW_USAGE, NULL, "a word of a filter has at most %d bytes", FILTER_WORD - 1);
        memcpy(word, text, len);
        word[len] = '\0';
        enum clw_err code = filter_add(&f, word, fields, field_count, err);
        if (code)
            return code;
        text += len;
    }
    *out = f;
    return CLW_OK;
}

/* text is word, or a list with word in it. */
static bool is_word(const char *text, const char *word)
{
    if (strcasecmp(text, word) == 0)
        return true;
    size_t len = strlen(word);
    for (const char *at = text; *(at += strspn(at, SEPARATORS)); at += strcspn(at, SEPARATORS))
        if (strcspn(at, SEPARATORS) == len && strncasecmp(at, word, len) == 0)
            return true;
    return false;
}

static bool holds(const struct filter_term *t, unsigned flags, const char *text, double number, bool numeric)
{
    bool as_numbers = numeric && t->has_number;
    switch (t->op) {
    case FILTER_HAS: return t->field >= 0 && flags & FIELD_WORDS ? is_word(text, t->word) : filter_has(text, t->word);
    case FILTER_IS: return as_numbers ? number == t->number : is_word(text, t->word);
    case FILTER_IS_NOT: return as_numbers ? number != t->number : !is_word(text, t->word);
    case FILTER_LESS: return as_numbers && number < t->number;
    case FILTER_MORE: return as_numbers && number > t->number;
    case FILTER_AT_MOST: return as_numbers && number <= t->number;
    case FILTER_AT_LEAST: return as_numbers && number >= t->number;
    }
    return false;
}

static bool passes(
    const struct filter_term *t, const struct filter_field *fields, int field_count, filter_field_cb field, void *arg)
{
    char text[800];
    int first = t->field < 0 ? 0 : t->field, end = t->field < 0 ? field_count : t->field + 1;
    for (int n = first; n < end; n++) {
        double number = 0;
        bool numeric = false;
        if (t->field < 0 && fields[n].flags & FIELD_NAMED)
            continue;
        field(arg, n, text, sizeof text, &number, &numeric);
        if (holds(t, fields[n].flags, text, number, numeric))
            return true;
    }
    return false;
}

bool filter_match(
    const struct filter *f, const struct filter_field *fields, int field_count, filter_field_cb field, void *arg)
{
    for (size_t i = 0; i < f->count; i++)
        if (passes(&f->terms[i], fields, field_count, field, arg) == f->terms[i].invert)
            return false;
    return true;
}
