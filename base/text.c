/* Parsing and printing of the small things that people write and read. */
#include "base/text.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *suffix;
    double factor;
};

static bool parse_scaled(const char *text, const struct unit *units, double max, double *value)
{
    char *end;
    if (!isdigit((unsigned char)*text) && *text != '.')
        return false;
    errno = 0;
    double number = strtod(text, &end);
    if (errno || end == text || !isfinite(number) || strpbrk(text, "xXpPeE"))
        return false;
    for (const struct unit *u = units; u->suffix; u++) {
        if (strcmp(end, u->suffix) == 0) {
            *value = number * u->factor;
            return *value <= max;
        }
    }
    return false;
}

enum clw_err text_parse_duration(const char *text, uint64_t *ms, struct clw_error *err)
{
    static const struct unit units[] = {
        {"", 1e3}, {"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"min", 6e4}, {"h", 3.6e6}, {"d", 8.64e7}, {NULL, 0}};
    double value;
    if (!parse_scaled(text, units, 3.2e11, &value))
        return clw_fail(err, CLW_USAGE, "write it like 500ms, 10s, 5m, 2h or 1d", "'%s' is not a duration", text);
    *ms = (uint64_t)(value + 0.5);
    return CLW_OK;
}

enum clw_err text_parse_size(const char *text, uint64_t *bytes, struct clw_error *err)
{
    static const struct unit units[] = {{"", 1}, {"B", 1}, {"K", 1024}, {"k", 1024}, {"KiB", 1024}, {"KB", 1024},
        {"M", 1048576}, {"MiB", 1048576}, {"MB", 1048576}, {"G", 1073741824}, {"GiB", 1073741824}, {"GB", 1073741824},
        {"T", 1099511627776.0}, {"TiB", 1099511627776.0}, {NULL, 0}};
    double value;
    if (!parse_scaled(text, units, 9e15, &value))
        return clw_fail(err, CLW_USAGE, "write it like 4096, 64K, 256M or 1G", "'%s' is not a size", text);
    *bytes = (uint64_t)(value + 0.5);
    return CLW_OK;
}

enum clw_err text_parse_int(const char *text, int64_t min, int64_t max, int64_t *value, struct clw_error *err)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end || errno || isspace((unsigned char)*text))
        return clw_fail(err, CLW_USAGE, NULL, "'%s' is not a whole number", text);
    if (number < min || number > max)
        return clw_fail(
            err, CLW_USAGE, NULL, "%lld is not between %lld and %lld", number, (long long)min, (long long)max);
    *value = number;
    return CLW_OK;
}

bool text_is_name(const char *text)
{
    size_t len = strlen(text);
    if (len < 1 || len > 63 || *text == '-' || *text == '.')
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x80 || (!isalnum(c) && !strchr("._-", c)))
            return false;
    }
    return true;
}

bool text_is_file_name(const char *text)
{
    return *text && !strchr(text, '/') && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

size_t text_utf8_len(const char *data, size_t len)
{
    const unsigned char *s = (const unsigned char *)data;
    if (!len)
        return 0;
    if (s[0] < 0x80)
        return 1;
    size_t n = s[0] >= 0xc2 && s[0] <= 0xdf   ? 2
               : s[0] >= 0xe0 && s[0] <= 0xef ? 3
               : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                              : 0;
    if (!n || n > len)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

/* The code point of a character of three bytes, or 0. */
static unsigned three(const unsigned char *s, size_t take)
{
    return take == 3 ? (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu) : 0;
}

/* Marks that turn the direction of what stands after them, and ends of lines that are no bytes of their own: with them
 * a text looks like another one. */
static bool is_misleading(const unsigned char *s, size_t take)
{
    unsigned code = three(s, take);
    return (take == 2 && s[0] == 0xd8 && s[1] == 0x9c) || code == 0x200e || code == 0x200f ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

bool text_is_utf8(const char *data, size_t len)
{
    for (size_t i = 0, n; i < len; i += n)
        if (!(n = text_utf8_len(data + i, len - i)))
            return false;
    return true;
}

char *text_base64(const char *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = mem_alloc((len + 2) / 3 * 4 + 1), *at = text;
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t v = 0;
        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (k < n ? (unsigned char)data[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            *at++ = k > n ? '=' : digits[v >> (18 - 6 * k) & 63];
    }
    *at = '\0';
    return text;
}

size_t text_escape(char *out, size_t size, const char *data, size_t len)
{
    size_t w = 0;
    if (!size)
        return 0;
    for (size_t i = 0; i < len;) {
        char piece[8];
        size_t take = text_utf8_len(data + i, len - i), put;
        unsigned char c = (unsigned char)data[i];
        bool c1 = take == 2 && c == 0xc2 && (unsigned char)data[i + 1] < 0xa0; /* C1 controls */
        if (take == 1 && c >= 0x20 && c != 0x7f) {
            piece[0] = data[i];
            put = 1;
        } else if (is_misleading((const unsigned char *)data + i, take)) {
            unsigned code = three((const unsigned char *)data + i, take);
            put = (size_t)snprintf(piece, sizeof piece, "\\u%04x", code ? code : 0x61c);
        } else if (take > 1 && !c1) {
            memcpy(piece, data + i, take);
            put = take;
        } else if (c == '\n' || c == '\t' || c == '\r') {
            piece[0] = '\\';
            piece[1] = c == '\n' ? 'n' : c == '\t' ? 't' : 'r';
            put = 2;
            take = 1;
        } else {
            put = (size_t)snprintf(piece, sizeof piece, "\\x%02x", c);
            take = 1;
        }
        if (w + put >= size)
            break;
        memcpy(out + w, piece, put);
        w += put;
        i += take;
    }
    out[w] = '\0';
    return w;
}

char *text_count(char *out, size_t size, uint64_t value)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    size_t w = 0;
    for (int i = 0; i < n && w + 2 < size; i++) {
        if (i && (n - i) % 3 == 0)
            out[w++] = ',';
        out[w++] = digits[i];
    }
    out[w] = '\0';
    return out;
}

char *text_bytes(char *out, size_t size, uint64_t bytes)
{
    static const char *const units[] = {"B", "K", "M", "G", "T", "P"};
    double value = (double)bytes;
    size_t u = 0;
    while (value >= 1024 && u < 5) {
        value /= 1024;
        u++;
    }
    snprintf(out, size, u && value < 10 ? "%.1f%s" : "%.0f%s", value, units[u]);
    return out;
}

const char *text_plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

char *text_rate(char *out, size_t size, double per_s)
{
    if (per_s >= 1e6)
        snprintf(out, size, "%.2fM", per_s / 1e6);
    else if (per_s >= 1e4)
        snprintf(out, size, "%.1fk", per_s / 1e3);
    else if (per_s >= 100)
        snprintf(out, size, "%.0f", per_s);
    else
        snprintf(out, size, "%.1f", per_s);
    return out;
}

char *text_span(char *out, size_t size, uint64_t ms)
{
    unsigned long long s = ms / 1000;
    if (ms < 10000)
        snprintf(out, size, "%.1fs", (double)ms / 1000.0);
    else if (s < 60)
        snprintf(out, size, "%llus", s);
    else if (s < 3600)
        snprintf(out, size, "%llum%02llus", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, size, "%lluh%02llum", s / 3600, s / 60 % 60);
    else
        snprintf(out, size, "%llud%02lluh", s / 86400, s / 3600 % 24);
    return out;
}

static size_t edit_distance(const char *a, const char *b)
{
    size_t row[64], la = strlen(a), lb = strlen(b);
    if (la > 63 || lb > 63)
        return 99;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[lb];
}

const char *text_nearest(const char *word, const char *const *list)
{
    const char *best = NULL;
    size_t best_distance = 3;
    for (; *list; list++) {
        size_t d = edit_distance(word, *list);
        if (d < best_distance && d < strlen(*list)) {
            best = *list;
            best_distance = d;
        }
    }
    return best;
}

bool text_same_secret(const char *a, const char *b, size_t len)
{
    unsigned char differ = 0;
    for (size_t i = 0; i < len; i++)
        differ |= (unsigned char)(a[i] ^ b[i]);
    return differ == 0;
}
