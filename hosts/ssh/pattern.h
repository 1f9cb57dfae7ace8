/* Host patterns as OpenSSH writes them: '*' and '?', lists with commas, '!' for "but not". Pure.
 */
#ifndef HOSTS_SSH_PATTERN_H
#define HOSTS_SSH_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

/* Does text match the pattern ('*' any run, '?' one byte), letters compared without case. */
bool pattern_match(const char *text, const char *pattern);
/* Does text match the list of patterns in list, separated by commas: at least one matches and none with '!'
 * does. */
bool pattern_match_list(const char *text, const char *list);
/* True for a name that is neither negated nor holds '*' or '?'. */
bool pattern_is_plain(const char *pattern);

#endif
