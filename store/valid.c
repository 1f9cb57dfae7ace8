/* Checks of single values. */
#include "store/valid.h"

#include "base/mem.h"
#include "base/text.h"
#include "store/store_internal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

const char *store__show(struct store__shown *out, const char *text)
{
    size_t len = strlen(text);
    out->text[0] = '\'';
    size_t n = text_escape(out->text + 1, sizeof out->text - 5, text, len);
    bool cut = n < len && n + 8 > sizeof out->text - 5;
    snprintf(out->text + 1 + n, sizeof out->text - 1 - n, "%s'", cut ? "..." : "");
    return out->text;
}

enum clw_err store_check_name(const char *what, const char *name, struct clw_error *err)
{
    struct store__shown shown;
    if (text_is_name(name))
        return CLW_OK;
    return clw_fail(err, CLW_USAGE,
        "a name has 1 to 63 of the characters a-z A-Z 0-9 . _ - and does not start with '-' or '.'",
        "%s is not a valid name for a %s", store__show(&shown, name), what);
}

/* The C1 controls too: terminals obey them. */
static bool is_control(const char *at, size_t n)
{
    unsigned char c = (unsigned char)*at;
    return c < 0x20 || c == 0x7f || (n == 2 && c == 0xc2 && (unsigned char)at[1] < 0xa0);
}

static bool allows(enum store__rule rule, char c)
{
    return rule == STORE__BYTES || (rule == STORE__BLOCK && (c == '\n' || c == '\t'));
}

enum clw_err store__check_text(
    const char *what, const char *text, size_t max, enum store__rule rule, struct clw_error *err)
{
    size_t len = strlen(text), n;
    if (len > max)
        return clw_fail(err, CLW_USAGE, NULL, "%s is too long (%zu bytes, at most %zu)", what, len, max);
    for (size_t i = 0; i < len; i += n) {
        n = text_utf8_len(text + i, len - i);
        if (!n)
            return clw_fail(err, CLW_USAGE, "save it as UTF-8", "%s has a byte that is not UTF-8 (at %zu)", what, i);
        if (!allows(rule, text[i]) && is_control(text + i, n))
            return clw_fail(err, CLW_USAGE, "leave it out", "%s has a control byte (at %zu)", what, i);
    }
    return CLW_OK;
}

char *store__clean_text(const char *text, size_t max, enum store__rule rule)
{
    struct buf b = {0};
    size_t len = text ? strlen(text) : 0, take;
    for (size_t i = 0; i < len; i += take) {
        size_t n = text_utf8_len(text + i, len - i);
        bool fits = n && (allows(rule, text[i]) || !is_control(text + i, n));
        take = n ? n : 1;
        if (b.len + (fits ? n : 4 * take) > max)
            break;
        if (fits)
            buf_add(&b, text + i, n);
        for (size_t k = 0; !fits && k < take; k++)
            buf_printf(&b, "\\x%02x", (unsigned)(unsigned char)text[i + k]);
    }
    return buf_steal(&b);
}

static enum clw_err bad_address(struct clw_error *err, const char *text, const char *why)
{
    struct store__shown shown;
    return clw_fail(err, CLW_USAGE, "give a host name, an IPv4 address, or an IPv6 address in brackets",
        "%s is not an address: %s", store__show(&shown, text), why);
}

static bool is_zone(const char *zone)
{
    size_t len = strlen(zone);
    return len >= 1 && len <= 15 &&
           strspn(zone, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

static bool is_ipv6(const char *text)
{
    struct in6_addr ignored;
    char address[INET6_ADDRSTRLEN];
    size_t len = strcspn(text, "%");
    if (len >= sizeof address || (text[len] && !is_zone(text + len + 1)))
        return false;
    memcpy(address, text, len);
    address[len] = '\0';
    return inet_pton(AF_INET6, address, &ignored) == 1;
}

/* NULL when every label is fine, else what is wrong. */
static const char *bad_host_name(const char *text)
{
    while (*text) {
        size_t len = strcspn(text, ".");
        if (!len || len > 63)
            return "a part between dots is empty or longer than 63";
        if (text[0] == '-' || text[len - 1] == '-')
            return "a part starts or ends with '-'";
        for (size_t i = 0; i < len; i++) {
            unsigned char c = (unsigned char)text[i];
            if (c >= 0x80)
                return "a letter outside ASCII (write the xn-- form)";
            if (!isalnum(c) && c != '-' && c != '_')
                return "only letters, digits, '-', '_' and dots make a host name";
        }
        text += len + (text[len] == '.');
    }
    return NULL;
}

enum clw_err store_check_address(const char *address, struct clw_error *err)
{
    struct in_addr ignored;
    size_t len = strlen(address);
    if (!len)
        return bad_address(err, address, "it is empty");
    if (len > 253)
        return bad_address(err, address, "it is longer than 253");
    if (strchr(address, ':'))
        return is_ipv6(address) ? CLW_OK : bad_address(err, address, "not IPv6");
    if (strspn(address, "0123456789.") == len)
        return inet_pton(AF_INET, address, &ignored) == 1 ? CLW_OK : bad_address(err, address, "not IPv4");
    const char *why = bad_host_name(address);
    return why ? bad_address(err, address, why) : CLW_OK;
}

/* The quotes and signs are those that OpenSSH refuses too. */
enum clw_err store_check_user(const char *user, struct clw_error *err)
{
    struct store__shown shown;
    size_t len = strlen(user);
    const char *why = !len                     ? "it is empty"
                      : len >= STORE_USER_SIZE ? "it is longer than 64"
                      : *user == '-'           ? "it starts with '-'"
                      : user[len - 1] == '\\'  ? "it ends with '\\'"
                      : user[strcspn(user, " @:/,'`\";&<>|(){}[]")]
                          ? "it has a space or one of @ : / , ' ` \" ; & < > | ( ) { } [ ]"
                      : store__check_text("it", user, len, STORE__LINE, NULL) ? "it has a control byte or is not UTF-8"
                                                                              : NULL;
    if (!why)
        return CLW_OK;
    return clw_fail(err, CLW_USAGE, "give the login name on that host, as in user@address", "%s is not a user name: %s",
        store__show(&shown, user), why);
}

enum clw_err store_parse_port(const char *text, uint16_t *port, struct clw_error *err)
{
    struct store__shown shown;
    int64_t number;
    if (!isdigit((unsigned char)*text) || text_parse_int(text, 1, 65535, &number, NULL))
        return clw_fail(
            err, CLW_USAGE, "a port is a number from 1 to 65535", "%s is not a port", store__show(&shown, text));
    *port = (uint16_t)number;
    return CLW_OK;
}

enum clw_err store_parse_mac(const char *text, char out[STORE_MAC_SIZE], struct clw_error *err)
{
    struct store__shown shown;
    bool good = strlen(text) == STORE_MAC_SIZE - 1 && (text[2] == ':' || text[2] == '-');
    for (int i = 0; good && i < STORE_MAC_SIZE - 1; i++)
        good = i % 3 == 2 ? text[i] == text[2] : isxdigit((unsigned char)text[i]) != 0;
    if (!good)
        return clw_fail(err, CLW_USAGE, "it looks like 52:54:00:12:34:56; 'ip link' on that host shows it",
            "%s is not a hardware (MAC) address", store__show(&shown, text));
    for (int i = 0; i < STORE_MAC_SIZE - 1; i++)
        out[i] = (char)(i % 3 == 2 ? ':' : tolower((unsigned char)text[i]));
    out[STORE_MAC_SIZE - 1] = '\0';
    return CLW_OK;
}
