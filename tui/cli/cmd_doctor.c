/* doctor: the steps to a host, or this machine, as the engine walks them. */
#include "tui/cli/inventory.h"

#include "base/text.h"
#include "tui/cli/command.h"
#include "tui/cli/request.h"

#include <stdio.h>
#include <string.h>

enum { GRACE_MS = 5000 };

static void print_finding(const json_t *f)
{
    char text[900], ms[24] = "";
    bool ok = json_is_true(json_object_get(f, "ok"));
    if (json_number(f, "ms"))
        snprintf(ms, sizeof ms, " (%lld ms)", (long long)json_number(f, "ms"));
    text_escape(text, sizeof text, json_text(f, "seen"), strlen(json_text(f, "seen")));
    printf("%s  %-9s %s%s\n", ok ? "ok " : "BAD", json_text(f, "step"), text, ms);
    text_escape(text, sizeof text, json_text(f, "fix"), strlen(json_text(f, "fix")));
    if (*text)
        printf("     -> %s\n", text);
}

int cmd_doctor(const struct opts *o, bool json)
{
    uint64_t timeout_ms = 90000;
    json_t *request, *reply;
    const json_t *finding;
    size_t i;
    if (o->word_count > 1)
        return say(2, "doctor: one host at a time, not also '%s'", o->words[1]);
    const char *host = o->word_count ? o->words[0] : NULL;
    int status = opts_duration(o, "timeout", &timeout_ms);
    if (status == 0 && host)
        status = inventory_check_host(host);
    struct clowder *c = status == 0 ? open_client(false) : NULL;
    if (!c)
        return status ? status : 1;
    request = request_new("doctor");
    if (host)
        request_set_text(request, "host", host);
    json_object_set_new(request, "timeout_ms", json_integer((json_int_t)timeout_ms));
    status = request_told(c, request, (int64_t)timeout_ms + GRACE_MS, &reply);
    clowder_close(c);
    if (status)
        return status;
    bool healthy = json_is_true(json_object_get(reply, "healthy"));
    if (json) {
        json_print(reply);
        return healthy ? 0 : 3;
    }
    json_array_foreach (json_object_get(reply, "findings"), i, finding)
        print_finding(finding);
    json_decref(reply);
    return healthy ? 0 : 3;
}
