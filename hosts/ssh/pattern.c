/* Matching with one place to come back to, so that no pattern takes more than length times length steps. */
#include "hosts/ssh/pattern.h"

#include <ctype.h>
#include <string.h>

enum { PATTERN_MAX = 1024 };

static bool same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

bool pattern_match(const char *text, const char *pattern)
{
    const char *star = NULL, *retry = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            retry = text;
        } else if (*pattern == '?' || (*pattern && same(*pattern, *text))) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

/* -1: excluded by a negated pattern, 1: matches, 0: says nothing. */
static int judge(const char *text, const char *pattern)
{
    bool negated = *pattern == '!';
    if (!pattern_match(text, pattern + negated))
        return 0;
    return negated ? -1 : 1;
}

bool pattern_match_list(const char *text, const char *list)
{
    bool found = false;
    while (*list) {
        char one[PATTERN_MAX];
        size_t len = strcspn(list, ",");
        if (len && len < sizeof one) {
            memcpy(one, list, len);
            one[len] = '\0';
            int verdict = judge(text, one);
            if (verdict < 0)
                return false;
            found |= verdict > 0;
        }
        list += len + (list[len] == ',');
    }
    return found;
}

bool pattern_is_plain(const char *pattern)
{
    return *pattern && *pattern != '!' && !strpbrk(pattern, "*?");
}
