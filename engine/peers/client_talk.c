/* What is said to a client: results, faults, notes. */
#include "engine/peers/client_talk.h"

#include "base/mono.h"
#include "engine/peers/daemon_talk.h"
#include "engine/peers/talk.h"

#include <stdarg.h>
#include <string.h>

void client_text(struct peer *p, uint8_t type, uint32_t job, enum clw_err code, const char *text, const char *hint)
{
    struct buf b = {0};
    buf_add(&b, text, strlen(text) + 1);
    buf_add_text(&b, hint ? hint : "");
    peer_send(p, &(struct frame){.type = type, .job = job, .code = (uint16_t)code, .len = (uint32_t)b.len}, b.data);
    buf_fini(&b);
}

static void send_words(const struct core_job *j, uint8_t type, enum clw_err code, const char *format, va_list ap)
{
    char text[900];
    vsnprintf(text, sizeof text, format, ap);
    if (j->client)
        client_text(j->client, type, j->client_job, code, text, "");
}

void client_fault(const struct core_job *j, enum clw_err code, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    send_words(j, WIRE_FAULT, code, format, ap);
    va_end(ap);
}

void client_note(const struct core_job *j, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    send_words(j, WIRE_NOTE, CLW_OK, format, ap);
    va_end(ap);
}

/* A client that reads slowly: first its jobs pause, then the daemons that answer it are not read any more. */
static void throttle(struct peer *p, struct peer *daemon)
{
    size_t queued = link_queued(p->link);
    if (queued > CORE_SLOW_READER && !p->jobs_paused) {
        p->jobs_paused = true;
        for (struct core_job *j = p->jobs; j; j = j->next)
            disp_job_pause(j->profile->disp, j->job, true, mono_us());
    }
    if (queued > CORE_STUCK_READER && daemon)
        peer_daemon_read(daemon, false);
}

static void tell_name(struct peer *p, const struct daemon *m)
{
    size_t at = m->number / 8;
    if (at >= p->named_size) {
        p->named = mem_realloc(p->named, at + 64);
        memset(p->named + p->named_size, 0, at + 64 - p->named_size);
        p->named_size = at + 64;
    }
    if (p->named[at] >> (m->number % 8) & 1)
        return;
    p->named[at] |= (uint8_t)(1 << m->number % 8);
    struct buf b = {0};
    wire_add_text(&b, WIRE_K_DAEMON_NAME, m->name);
    wire_add_text(&b, WIRE_K_HOST, m->place->host);
    peer_send(p, &(struct frame){.type = WIRE_NAME, .daemon = m->number, .len = (uint32_t)b.len}, b.data);
    buf_fini(&b);
}

void client_forward(
    struct core_job *j, const struct daemon *m, const struct frame *f, const struct disp_verdict *v, struct blk *block)
{
    struct peer *p = j->client;
    struct frame out = *f;
    out.code = v->late ? WIRE_TIMEOUT : f->code;
    uint32_t attempts = v->attempts < 255 ? v->attempts : 255;
    if (!p)
        return;
    tell_name(p, m);
    out.job = j->client_job;
    out.daemon = m->number | attempts << 24;
    uint64_t executing, awaiting;
    link_send_ref(p->link, &out, &(struct link_piece){f->body, f->len, block}, 1);
    disp_job_load(j->job, &executing, &awaiting);
    if (j->spec.kind == FUNC_COMMAND && executing + awaiting > 0) /* each answer alone would wake the client */
        peer_hold(p);
    else
        peer_mark(p);
    throttle(p, m->peer);
}
