/* Text at the edges: numbers with units in and out, names that are allowed, control bytes made harmless. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* "250ms", "10s", "5m", "1.5h", "2d"; a bare number is seconds. Bounded by ten years. */
enum clw_err text_parse_duration(const char *text, uint64_t *ms, struct clw_error *err);
/* "64K", "256M", "1.5G" (powers of 1024, optional B or iB); a bare number is bytes. */
enum clw_err text_parse_size(const char *text, uint64_t *bytes, struct clw_error *err);
/* A whole number in [min, max]. */
enum clw_err text_parse_int(const char *text, int64_t min, int64_t max, int64_t *value, struct clw_error *err);
/* A name of a profile, host or tag: 1 to 63 of a-z A-Z 0-9 . _ -, not starting with '-' or '.'. */
bool text_is_name(const char *text);
/* The plain name of a file in a folder: not empty, without '/', and not the folder or the one above. */
bool text_is_file_name(const char *text);

/* Copies len bytes with control bytes as \n, \t, \xNN and invalid UTF-8 as \xNN; always terminates, never passes size.
 * Returns the length written. */
size_t text_escape(char *out, size_t size, const char *data, size_t len);
/* "1,234,567" / "1.5M" / "3m05s" / "12.3M/s" into out; return out. */
char *text_count(char *out, size_t size, uint64_t value);
char *text_bytes(char *out, size_t size, uint64_t bytes);
char *text_rate(char *out, size_t size, double per_s);
char *text_span(char *out, size_t size, uint64_t ms);
/* The end of a noun that counts n things: "" for one, else "s". */
const char *text_plural(uint64_t n);
/* The word of list (NULL-terminated) nearest to word by edit distance, or NULL when none is near. */
const char *text_nearest(const char *word, const char *const *list);
/* Length of the valid UTF-8 sequence at data (1 to 4), or 0. */
size_t text_utf8_len(const char *data, size_t len);
bool text_is_utf8(const char *data, size_t len);
/* The bytes in base64, as owned text. */
char *text_base64(const char *data, size_t len);
/* True when both have the same len bytes; takes the same time wherever they differ. */
bool text_same_secret(const char *a, const char *b, size_t len);

#endif
