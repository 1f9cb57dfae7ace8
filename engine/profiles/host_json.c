/* What a host's link last said, for people. */
#include "engine/profiles/host_json.h"

#include "base/mono.h"

json_t *host_key_json(const struct host_key_info *k)
{
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:s, s:i}", "host", k->host, "type", k->type, "fingerprint",
        k->fingerprint, "changed", k->changed, "other_type", k->other_type, "jump", k->is_jump, "file", k->file, "line",
        (int)k->line);
}

json_t *host_prompt_json(const struct host_prompt *p)
{
    return json_pack("{s:s, s:s, s:b, s:b}", "kind", p->kind, "text", p->text, "echo", p->echo, "again", p->again);
}

static json_t *steps_json(const struct host_snapshot *s)
{
    json_t *o = json_object();
    for (int i = 0; i < HOST_STEPS; i++)
        if (s->step_ms[i])
            json_object_set_new(o, host_state_text((enum host_state)i), json_integer(s->step_ms[i]));
    return o;
}

const char *host_word(const struct host_snapshot *s)
{
    return s->silent ? "silent" : host_state_text(s->state);
}

json_t *host_json(struct engine *e, const struct host *h)
{
    struct host_snapshot s = h->shot;
    uint64_t now = mono_ms();
    unsigned daemons = 0;
    if (h->link)
        host_session_snapshot(h->link, &s);
    if (s.silent)
        snprintf(s.reason, sizeof s.reason, "no answer for %llu s; its tasks keep running",
            (unsigned long long)(s.quiet_ms / 1000));
    for (const struct profile *p = e->profiles; p; p = p->next)
        for (const struct daemon *m = p->daemons; m; m = m->after)
            daemons += m->place->via == h && m->fleet.state == FLEET_UP;
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:i, s:i, s:I, s:I, s:s, s:I, s:I, s:i, s:i, s:o}",
        "host", h->name, "state", host_word(&s), "step", host_state_text(s.step), "reason", s.reason, "hint", s.hint,
        "code", clw_err_text(s.code), "since_s", (json_int_t)((now - s.since_ms) / 1000), "attempts", (int)s.attempts,
        "failures", (int)s.failures, "rtt_us", (json_int_t)s.rtt_us, "quiet_ms", (json_int_t)s.quiet_ms, "url", s.url,
        "bytes_up", (json_int_t)s.bytes_up, "bytes_down", (json_int_t)s.bytes_down, "streams", (int)s.streams,
        "daemons", (int)daemons, "steps_ms", steps_json(&s));
    if (!o)
        return json_pack("{s:s, s:s}", "host", h->name, "state", host_word(&s));
    if (s.retry_at_ms)
        json_object_set_new(
            o, "retry_in_s", json_integer(s.retry_at_ms > now ? (json_int_t)((s.retry_at_ms - now + 999) / 1000) : 0));
    if (s.key.fingerprint[0])
        json_object_set_new(o, "key", host_key_json(&s.key));
    if (s.prompt.text[0])
        json_object_set_new(o, "prompt", host_prompt_json(&s.prompt));
    return o;
}
