/* JSON in, JSON out. */
#include "store/jsonx.h"

/* Depth is limited before the parser, which recurses, sees the text. Brackets inside strings do not count. */
static bool too_deep(const char *text, size_t len)
{
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > STORE__JSON_DEPTH)
                return true;
        } else if ((c == '}' || c == ']') && depth) {
            depth--;
        }
    }
    return false;
}

enum clw_err store__json_parse(const char *what, const char *text, size_t len, json_t **out, struct clw_error *err)
{
    json_error_t error;
    *out = NULL;
    if (too_deep(text, len))
        return clw_fail(err, CLW_USAGE, NULL, "%s: nested deeper than %d", what, STORE__JSON_DEPTH);
    *out = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (*out)
        return CLW_OK;
    return clw_fail(err, CLW_USAGE, "'python3 -m json.tool FILE' finds such faults too",
        "%s: not JSON at line %d, column %d: %s", what, error.line, error.column, error.text);
}

json_t *store__json_strings(const struct store_strings *list)
{
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++)
        if (json_array_append_new(array, json_string(list->items[i]))) {
            json_decref(array);
            return NULL;
        }
    return array;
}

bool store__json_read_strings(const json_t *array, struct store_strings *list)
{
    if (!json_is_array(array))
        return false;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (!text)
            return false;
        store_strings_add(list, text);
    }
    return true;
}
