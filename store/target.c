/* "[user@]address[:port]" and lists of them. */
#include "store/valid.h"

#include "base/mem.h"
#include "base/text.h"
#include "store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOPS 8

static enum clw_err bad_target(struct clw_error *err, const char *text, const char *why)
{
    struct store__shown shown;
    return clw_fail(err, CLW_USAGE,
        "write user@address:port (user and port may be left out); IPv6 in brackets: [fd00::7]:22",
        "%s is not a target: %s", store__show(&shown, text), why);
}

/* The address part of text into out; *rest is what follows it: "" or ":port". */
static enum clw_err take_address(
    const char *whole, const char *text, struct store_target *out, const char **rest, struct clw_error *err)
{
    size_t len;
    bool bracketed = *text == '[';
    if (bracketed) {
        len = strcspn(++text, "]");
        if (!text[len])
            return bad_target(err, whole, "the bracket is not closed");
        *rest = text + len + 1;
        if (**rest && **rest != ':')
            return bad_target(err, whole, "only :port may follow the bracket");
    } else {
        len = strcspn(text, ":");
        *rest = text + len;
        if (**rest && strchr(*rest + 1, ':'))
            return bad_target(err, whole, "an IPv6 address needs brackets");
    }
    if (len >= sizeof out->address)
        return bad_target(err, whole, "the address is too long");
    memcpy(out->address, text, len);
    out->address[len] = '\0';
    if (bracketed && !strchr(out->address, ':'))
        return bad_target(err, whole, "brackets are for IPv6 addresses");
    return store_check_address(out->address, err);
}

enum clw_err store_parse_target(const char *text, struct store_target *out, struct clw_error *err)
{
    enum clw_err code;
    struct store_target target = {0};
    const char *at = strrchr(text, '@'), *rest = "";
    if (at) {
        size_t len = (size_t)(at - text);
        if (len >= sizeof target.user)
            return bad_target(err, text, "the user name is too long");
        memcpy(target.user, text, len);
        code = store_check_user(target.user, err);
        if (code)
            return code;
    }
    code = take_address(text, at ? at + 1 : text, &target, &rest, err);
    if (!code && *rest)
        code = store_parse_port(rest + 1, &target.port, err);
    if (!code)
        *out = target;
    return code;
}

char *store_target_text(const struct store_target *target, char *out)
{
    char port[8] = "";
    bool v6 = strchr(target->address, ':') != NULL;
    if (target->port)
        snprintf(port, sizeof port, ":%u", (unsigned)target->port);
    snprintf(out, STORE_TARGET_SIZE, "%s%s%s%s%s%s", target->user, *target->user ? "@" : "", v6 ? "[" : "",
        target->address, v6 ? "]" : "", port);
    return out;
}

enum clw_err store_check_jump(const char *jump, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    char *copy = mem_strdup(jump), *hop = copy;
    for (int hops = 1; !code; hops++) {
        size_t len = strcspn(hop, ",");
        bool last = !hop[len];
        struct store_target ignored;
        hop[len] = '\0';
        if (hops > HOPS)
            code = clw_fail(err, CLW_USAGE, NULL, "a jump list has at most %d hosts", HOPS);
        else if (!text_is_name(hop))
            code = store_parse_target(hop, &ignored, err);
        if (last)
            break;
        hop += len + 1;
    }
    free(copy);
    return code;
}
