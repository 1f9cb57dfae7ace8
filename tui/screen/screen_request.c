/* Requests to the engine. */
#include "tui/screen/screen_request.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { UP_TIMEOUT_MS = 60000 };

struct said {
    char doing[120], done[200];
};

static void ended(struct feed_work *w, void *ui)
{
    struct said *s = w->arg;
    if (w->err.status)
        ui_say_error(ui, s->doing, &w->err);
    else if (*s->done)
        ui_say(ui, ROLE_GOOD, "%s", s->done);
    free(s);
}

void request_ask(
    struct ui *ui, json_t *o, bool start, int64_t timeout_ms, void (*cb)(struct feed_work *w, void *ui), void *arg)
{
    char *dumped = json_dumps(o, JSON_COMPACT), *text = mem_strdup(dumped ? dumped : "{}");
    free(dumped);
    json_decref(o);
    feed_request(ui->feed, text, start, timeout_ms, cb, arg);
    ui_dirty(ui);
}

void screen_request(struct ui *ui, json_t *o, bool start, int64_t timeout_ms, const char *doing, const char *done)
{
    struct said *s = mem_zalloc(sizeof *s);
    snprintf(s->doing, sizeof s->doing, "%s", doing);
    snprintf(s->done, sizeof s->done, "%s", done ? done : "");
    request_ask(ui, o, start, timeout_ms, ended, s);
}

json_t *request_host(const char *op, const char *host)
{
    return json_pack("{s:s,s:s}", "op", op, "host", host);
}

json_t *request_up(const char *profile)
{
    static const char *const names[] = {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", NULL};
    json_t *o = json_pack("{s:s,s:s,s:b,s:i}", "op", "up", "profile", profile, "wait", 1, "timeout_ms", UP_TIMEOUT_MS);
    json_t *env = json_array();
    for (const char *const *name = names; *name; name++) {
        const char *value = getenv(*name);
        char *text = value ? mem_printf("%s=%s", *name, value) : NULL;
        if (text)
            json_array_append_new(env, json_string(text));
        free(text);
    }
    json_object_set_new(o, "env", env);
    return o;
}

char *request_quote(const char *text)
{
    size_t w = 0;
    char *out = mem_alloc(strlen(text) * 6 + 3);
    out[w++] = '"';
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            out[w++] = '\\';
        if (c < 0x20)
            w += (size_t)sprintf(out + w, "\\u%04x", c);
        else
            out[w++] = (char)c;
    }
    out[w++] = '"';
    out[w] = '\0';
    return out;
}
