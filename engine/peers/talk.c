/* What is said over a connection: gathered, and sent once an event; and a connection that is given up. */
#include "engine/peers/talk.h"

#include "base/mono.h"
#include "base/text.h"

#include <stdarg.h>
#include <string.h>
#include <sys/timerfd.h>

enum { COMPLAINT_MS = 100, COMPLAINTS = 100 };

void peer_complain(struct engine *e, const char *format, ...)
{
    char text[400];
    va_list ap;
    if (!quota_take(&e->complaints, mono_ms(), COMPLAINT_MS, COMPLAINTS))
        return;
    uint64_t more = quota_left_out(&e->complaints);
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (more)
        log_warn("accept", "left out lines=%llu why=\"too many of these\"", (unsigned long long)more);
    log_warn("accept", "%s", text);
}

void peer_mark(struct peer *p)
{
    if (p->dirty)
        return;
    p->dirty = true;
    p->dirty_next = p->engine->dirty;
    p->engine->dirty = p;
}

void peer_send(struct peer *p, const struct frame *f, const void *body)
{
    link_send(p->link, f, body);
    peer_mark(p);
}

void peer_answer_ping(struct peer *p)
{
    if (link_queued(p->link) == 0)
        peer_send(p, &(struct frame){.type = WIRE_PONG}, NULL);
}

void peer_hold(struct peer *p)
{
    struct itimerspec at = {.it_value = {.tv_nsec = CORE_HOLD_MS * 1000000L}};
    if (p->held || p->dirty)
        return;
    p->held = true;
    timerfd_settime(p->engine->hold_fd, 0, &at, NULL);
}

void core_flush(struct engine *e)
{
    struct peer *p;
    while ((p = e->dirty)) {
        e->dirty = p->dirty_next;
        p->dirty = p->held = false;
        link_flush(p->link);
    }
}

void peer_drop(struct peer *p, const char *why)
{
    static const char *const roles[] = {"stranger", "client", "daemon"};
    char clean[300];
    text_escape(clean, sizeof clean, why, strlen(why));
    peer_complain(p->engine, "dropped peer=%s%s%s why=\"%s\"", roles[p->role], p->daemon ? " daemon=" : "",
        p->daemon ? p->daemon->name : "", clean);
    p->is_bad = true;
    link_close(p->link);
}

void peer_refuse(struct peer *p, enum clw_err code, const char *text)
{
    struct frame f = {.type = WIRE_REFUSE, .code = (uint16_t)code, .len = (uint32_t)strlen(text)};
    peer_complain(p->engine, "refused why=\"%s\"", text);
    peer_send(p, &f, text);
    link_flush(p->link);
    link_close_after_send(p->link);
}
