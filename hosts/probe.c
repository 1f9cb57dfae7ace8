/* The step probe: the script over one channel, round trips and the clock in between, then what it found. */
#include "hosts/probe.h"

#include "base/mono.h"
#include "base/text.h"
#include "hosts/ssh/exec.h"
#include "hosts/upload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void feed(void *arg, const uint8_t *data, size_t len)
{
    probe_feed(arg, data, len);
}

/* Waits for something that the probe's lines bring, or for the end of the command. */
#define UNTIL(x, code, condition)                                                                                      \
    do                                                                                                                 \
        (code) = (condition) ? CLW_OK : link__wait((x)->link);                                                         \
    while (!(code) && !(condition) && !(x)->closed)

/* One newline there, one line back: microseconds, or 0. */
static uint64_t ping(struct exec *x, struct probe *p, enum clw_err *code, struct clw_error *err)
{
    unsigned want = p->pongs + 1;
    uint64_t began = mono_us();
    *code = exec_write(x, "\n", 1, err);
    if (!*code)
        UNTIL(x, *code, p->pongs >= want);
    return *code || p->pongs < want ? 0 : mono_us() - began;
}

static enum clw_err measure(struct exec *x, struct probe *p, struct host_facts *f, struct clw_error *err)
{
    enum clw_err code;
    uint64_t best = 0;
    for (int i = 0; i < 2; i++) {
        uint64_t us = ping(x, p, &code, err);
        if (code)
            return code;
        if (us && (!best || us < best))
            best = us;
    }
    f->rtt_us = (uint32_t)best;
    uint64_t began = wall_us();
    code = exec_write(x, "\n", 1, err);
    if (!code)
        UNTIL(x, code, p->clock_answered);
    uint64_t ended = wall_us();
    if (!code && p->clock_us >= 0 && ended >= began) {
        f->clock_known = true;
        f->clock_offset_ms = (p->clock_us - (int64_t)(began + (ended - began) / 2)) / 1000;
        f->clock_error_ms = (uint32_t)((ended - began) / 2000 + 1);
    }
    return code;
}

/* The command ended and the script did not: what did the host say instead? */
static enum clw_err no_probe(struct exec *x, struct probe *p, struct clw_error *err)
{
    char said[300];
    struct buf all = {0};
    buf_add(&all, p->noise.data, p->noise.len);
    buf_add(&all, p->line.data, p->line.len);
    buf_add(&all, x->errors.data, x->errors.len);
    text_escape(said, sizeof said, (char *)all.data, all.len);
    buf_fini(&all);
    return clw_fail(err, CLW_REFUSED,
        "try `ssh HOST 'exec sh -s' </dev/null`: the account needs a shell that runs commands",
        "the host did not run the probe (exit status %d); it said: %s", x->status, *said ? said : "nothing");
}

static enum clw_err talk(struct exec *x, struct probe *p, struct host_facts *f, struct clw_error *err)
{
    enum clw_err code;
    UNTIL(x, code, p->began);
    if (!code && p->began)
        code = measure(x, p, f, err);
    if (!code)
        UNTIL(x, code, p->ended);
    if (!code && !p->ended)
        return no_probe(x, p, err);
    if (code == CLW_TIMED_OUT && !p->began)
        return clw_fail(err, code, "check its login files (~/.bashrc, /etc/profile): they run before any command",
            "the host accepted the command, but its shell did not start within %u s", x->link->o.probe_ms / 1000);
    return code && !(err && err->code == code) ? link__explain(x->link, code, "measuring the host", err) : code;
}

static void keep(struct host_session *l, struct host_facts *f)
{
    pthread_mutex_lock(&l->lock);
    l->facts = *f;
    l->has_facts = true;
    l->shot.rtt_us = f->rtt_us;
    pthread_mutex_unlock(&l->lock);
    link__log(l, LOG_INFO, "step=probe arch=%s cores=%d mem_mb=%llu gpus=%d load=%.2f rtt_us=%u clock_ms=%lld cache=%s",
        f->arch, f->cores, (unsigned long long)(f->mem_total_bytes >> 20), f->gpu_count, f->load1, f->rtt_us,
        (long long)f->clock_offset_ms, f->cache_writable ? "ok" : f->cache_error);
    if (f->unparsed[0])
        link__log(l, LOG_WARN, "step=probe not_understood=\"%s\"", f->unparsed);
    if (l->o.cb.facts)
        l->o.cb.facts(l->o.cb.arg, f);
}

enum clw_err link__probe(struct host_session *l, struct clw_error *err)
{
    struct host_facts *f = mem_zalloc(sizeof *f);
    struct probe p;
    char token[PROBE_TOKEN_SIZE];
    probe_token(token);
    probe_init(&p, token, f);
    char *programs = upload_names(l->o.program);
    pthread_mutex_lock(&l->lock);
    enum probe_clean clean = mono_ms() < l->clean_until_ms ? l->clean : PROBE_CLEAN_NOTHING;
    l->clean = PROBE_CLEAN_NOTHING;
    pthread_mutex_unlock(&l->lock);
    char *script = probe_script(token, programs, l->o.cache, clean, l->old_sshd_pid, l->old_sshd_start);
    struct exec x = {.errors_max = 1000, .sink = feed, .arg = &p};
    enum clw_err code =
        l->o.here ? exec_open_here(&x, l, "/bin/sh", "-s", environ, err) : exec_open(&x, l, "exec sh -s", err);
    if (!code) {
        code = exec_write(&x, script, strlen(script), err);
        if (!code || code == CLW_CLOSED)
            code = talk(&x, &p, f, err);
    }
    if (!code) {
        exec_send_eof(&x);
        exec_finish(&x, NULL); /* where sshd allows one session only, the next waits for the end of this one */
    }
    exec_close(&x);
    if (!code) {
        if (p.old_session_ended)
            link__log(l, LOG_INFO, "step=probe note=\"ended our previous sshd process\"");
        l->old_sshd_pid = f->sshd_pid;
        snprintf(l->old_sshd_start, sizeof l->old_sshd_start, "%s", f->sshd_start);
        keep(l, f);
    }
    probe_fini(&p);
    free(script);
    free(programs);
    free(f);
    return code;
}
