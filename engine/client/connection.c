/* The link to the engine: made on first use, greeted, and made anew when the engine died. */
#include "engine/client/internal.h"

#include "base/dial.h"
#include "base/mono.h"
#include "base/text.h"
#include "engine/wire/names.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { HELLO_MS = 10000, DIAL_TRIES = 200, DIAL_PAUSE_MS = 10, RETRY_MS = 200, NOTICE_MS = 100 };

int client_fail(struct clowder_error *to, const struct clw_error *from)
{
    int status = from->code == CLW_AGAIN ? CLOWDER_AGAIN
                 : from->code == CLW_END ? CLOWDER_END
                                         : clw_err_exit_status(from->code);
    if (to) {
        to->status = status;
        snprintf(to->message, sizeof to->message, "%s", from->message);
        snprintf(to->hint, sizeof to->hint, "%s", from->hint);
    }
    return status;
}

int client_error(struct clowder_error *to, enum clw_err code, const char *hint, const char *format, ...)
{
    struct clw_error err = {.code = code};
    va_list ap;
    va_start(ap, format);
    vsnprintf(err.message, sizeof err.message, format, ap);
    va_end(ap);
    snprintf(err.hint, sizeof err.hint, "%s", hint ? hint : "");
    return client_fail(to, &err);
}

uint64_t client_deadline(int64_t timeout_ms)
{
    return timeout_ms < 0 ? UINT64_MAX : mono_ms() + (uint64_t)timeout_ms;
}

void client_signal(struct clowder *c)
{
    uint64_t one = 1;
    if (write(c->event_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        abort();
}

/* ---- frames ---- */

static void take_welcome(struct clowder *c, const struct frame *f)
{
    struct wire_fields w;
    wire_fields_init(&w, f->body, f->len);
    while (wire_fields_next(&w))
        if (w.key == WIRE_K_CLIENT)
            c->client_id = wire_field_number(&w);
    c->welcome = true;
    pthread_cond_broadcast(&c->changed);
}

/* Another engine counts its daemons anew: what a name was stays for the results that have it. */
static void set_name(struct clowder *c, char **to, char *text)
{
    if (*to && text && strcmp(*to, text) == 0) {
        free(text);
        return;
    }
    if (*to) {
        c->old_names = mem_realloc(c->old_names, (c->old_name_count + 1) * sizeof *c->old_names);
        c->old_names[c->old_name_count++] = *to;
    }
    *to = text;
}

static void take_name(struct clowder *c, const struct frame *f)
{
    struct wire_fields w;
    uint32_t number = f->daemon & 0xffffff;
    if (number >= c->source_count) {
        size_t count = number + 64;
        c->sources = mem_realloc(c->sources, count * sizeof *c->sources);
        memset(c->sources + c->source_count, 0, (count - c->source_count) * sizeof *c->sources);
        c->source_count = count;
    }
    struct source *s = &c->sources[number];
    wire_fields_init(&w, f->body, f->len);
    while (wire_fields_next(&w)) {
        char **to = w.key == WIRE_K_DAEMON_NAME ? &s->name : w.key == WIRE_K_HOST ? &s->host : NULL;
        if (to)
            set_name(c, to, wire_field_text(&w));
    }
}

static void frame_cb(struct link *l, const struct frame *f, struct blk *block)
{
    struct clowder *c = link_arg(l);
    switch (f->type) {
    case WIRE_WELCOME: take_welcome(c, f); break;
    case WIRE_REFUSE:
        snprintf(c->refused, sizeof c->refused, "%.*s", (int)(f->len < 250 ? f->len : 250), (const char *)f->body);
        break;
    case WIRE_NAME: take_name(c, f); break;
    case WIRE_QUIT: c->stopped = true; break;
    case WIRE_PING: link_send(l, &(struct frame){.type = WIRE_PONG}, NULL); break;
    default: result_frame(c, f, block); break;
    }
}

static void batch_cb(struct link *l)
{
    struct clowder *c = link_arg(l);
    for (struct clowder_job *j = c->jobs; j; j = j->next)
        job_send_ready(j);
    link_flush(l);
}

static void closed_cb(struct link *l, const struct clw_error *why)
{
    struct clowder *c = link_arg(l);
    (void)why;
    c->lost = true;
    pthread_cond_broadcast(&c->changed);
    client_signal(c);
}

/* ---- dial and greet ---- */

static int dial_data(const char *path, uint64_t deadline_ms, int *fd)
{
    (void)deadline_ms; /* it is greeted later */
    bool pending;
    char *target = mem_printf("unix:%s", path);
    *fd = dial_target(target, &pending);
    int rv = *fd < 0 ? errno : 0;
    free(target);
    return rv;
}

static void say_hello(struct clowder *c)
{
    struct buf b = {0};
    wire_add_text(&b, WIRE_K_MAGIC, WIRE_MAGIC);
    wire_add_number(&b, WIRE_K_VERSION, WIRE_VERSION);
    wire_add_number(&b, WIRE_K_ROLE, WIRE_ROLE_CLIENT);
    link_send(c->link, &(struct frame){.type = WIRE_HELLO, .len = (uint32_t)b.len}, b.data);
    link_flush(c->link);
    buf_fini(&b);
}

static bool wait_changed(struct clowder *c, uint64_t deadline_ms)
{
    if (deadline_ms == UINT64_MAX)
        return pthread_cond_wait(&c->changed, &c->lock) == 0;
    struct timespec at = {.tv_sec = (time_t)(deadline_ms / 1000), .tv_nsec = (long)(deadline_ms % 1000) * 1000000};
    return pthread_cond_timedwait(&c->changed, &c->lock, &at) == 0;
}

static bool has_loop(struct clowder *c)
{
    if (!c->loop && (c->loop = loop_new(&c->lock)) && !loop_start(c->loop)) {
        loop_free(c->loop);
        c->loop = NULL;
    }
    return c->loop != NULL;
}

/* One link, greeted: OK, REFUSED, AGAIN when the engine went away meanwhile, or why there is none. */
static enum clw_err greet(struct clowder *c, struct clw_error *err)
{
    int fd = -1;
    enum clw_err code = CLW_OK;
    if (!has_loop(c))
        return clw_fail(err, CLW_IO, "raise the limits of open files and of processes (ulimit -n, ulimit -u)",
            "cannot wait for the engine");
    code = client_dial(c, ENGINE_DATA_SOCKET, dial_data, UINT64_MAX, &fd, err);
    if (code)
        return code;
    c->welcome = c->lost = c->stopped = false;
    c->refused[0] = '\0';
    c->link = link_new_socket(fd, c->loop, &c->owner, c, WIRE_BODY_MAX);
    uint64_t deadline_ms = mono_ms() + HELLO_MS;
    pthread_mutex_lock(&c->lock);
    link_start(c->link);
    say_hello(c);
    while (!c->welcome && !c->lost && wait_changed(c, deadline_ms))
        ;
    if (!c->welcome && c->refused[0])
        code = clw_fail(
            err, CLW_REFUSED, "stop the old engine: clowder engine stop", "the engine refused: %s", c->refused);
    else if (!c->welcome)
        code = clw_fail(
            err, c->lost ? CLW_AGAIN : CLW_TIMED_OUT, "see 'clowder log'", "the engine did not answer the greeting");
    if (code) {
        link_free(c->link);
        c->link = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    return code;
}

/* A new link, greeted. An engine that dies takes connections until its last moment: then the next one is dialled. Not
 * locked; nobody else touches c->link meanwhile. */
static enum clw_err connect_link(struct clowder *c, struct clw_error *err)
{
    enum clw_err code = CLW_AGAIN;
    for (int i = 0; code == CLW_AGAIN && i < DIAL_TRIES; i++) {
        if (i)
            nanosleep(&(struct timespec){.tv_nsec = DIAL_PAUSE_MS * 1000000L}, NULL);
        code = greet(c, err);
    }
    return code == CLW_AGAIN ? (err->code = CLW_UNREACHABLE) : code;
}

enum clw_err client_connect(struct clowder *c, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    pthread_mutex_lock(&c->lock);
    while (c->recovering)
        wait_changed(c, UINT64_MAX);
    bool mine = !c->link && !c->dead.code;
    if (c->dead.code) {
        *err = c->dead;
        code = c->dead.code;
    }
    c->recovering = mine;
    pthread_mutex_unlock(&c->lock);
    if (mine) {
        code = connect_link(c, err);
        pthread_mutex_lock(&c->lock);
        c->recovering = false;
        pthread_cond_broadcast(&c->changed);
        pthread_mutex_unlock(&c->lock);
    }
    return code;
}

void client_disconnect(struct clowder *c)
{
    pthread_mutex_lock(&c->lock);
    link_free(c->link);
    c->link = NULL;
    pthread_mutex_unlock(&c->lock);
}

static void tell(struct clowder *c, const char *text)
{
    if (c->notice)
        c->notice(c->notice_arg, text);
}

static enum clw_err connect_again(struct clowder *c, struct clw_error *err)
{
    client_disconnect(c);
    enum clw_err code = connect_link(c, err);
    return code ? code : control_again(c, err);
}

bool client_is_lost(struct clowder *c)
{
    uint64_t deadline_ms = mono_ms() + NOTICE_MS;
    while (!c->lost && mono_ms() < deadline_ms)
        wait_changed(c, deadline_ms);
    return c->lost;
}

/* Makes the connection anew, again when an engine dies while it starts or greets. Locked; unlocks while it works. */
static enum clw_err reconnect(struct clowder *c, struct clw_error *err)
{
    enum clw_err code;
    do {
        unsigned pause_ms = c->recoveries++ * RETRY_MS;
        pthread_mutex_unlock(&c->lock);
        nanosleep(&(struct timespec){.tv_nsec = pause_ms * 1000000L}, NULL);
        code = connect_again(c, err);
        pthread_mutex_lock(&c->lock);
    } while (code && c->recoveries < CLIENT_RECOVERIES &&
             (code == CLW_UNREACHABLE || code == CLW_TIMED_OUT || client_is_lost(c)));
    return code;
}

/* The engine died: a new one gets what has no result. Locked; unlocks while it works. */
static void recover(struct clowder *c)
{
    struct clw_error err = {0};
    uint64_t again = 0;
    c->recovering = true;
    if (c->stopped || c->no_start || c->recoveries >= CLIENT_RECOVERIES) {
        clw_fail(&err, CLW_UNREACHABLE, c->stopped ? "run the command again to start it" : "see 'clowder log'",
            c->stopped    ? "the engine was stopped"
            : c->no_start ? "the engine is gone"
                          : "the engine dies again and again");
    } else {
        pthread_mutex_unlock(&c->lock);
        tell(c, "the engine ended; starting another");
        pthread_mutex_lock(&c->lock);
        if (reconnect(c, &err) == CLW_OK)
            err.code = CLW_OK; /* an attempt before the last one may have left its own */
    }
    if (err.code == CLW_CANCELLED) /* somebody took the daemons down; nobody interrupted the caller */
        err.code = CLW_UNREACHABLE;
    if (err.code) {
        c->dead = err;
    } else {
        for (struct clowder_job *j = c->jobs; j; j = j->next) {
            again += j->next_index - j->received;
            job_resend(j);
        }
        link_flush(c->link);
    }
    c->recovering = false;
    pthread_cond_broadcast(&c->changed);
    if (err.code)
        return;
    char text[120];
    snprintf(text, sizeof text, "another engine runs; it was given the %llu task%s without a result again",
        (unsigned long long)again, text_plural(again));
    tell(c, text);
}

enum clw_err client_wait(struct clowder *c, uint64_t deadline_ms, struct clw_error *err)
{
    if (c->dead.code) {
        *err = c->dead;
        return c->dead.code;
    }
    if (c->lost && !c->recovering) {
        recover(c);
        return CLW_OK;
    }
    if (!wait_changed(c, deadline_ms) && mono_ms() >= deadline_ms)
        return clw_fail(err, CLW_AGAIN, NULL, "not yet");
    return CLW_OK;
}

int clowder_open(struct clowder **out, const struct clowder_options *o, struct clowder_error *err)
{
    pthread_condattr_t attr;
    int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    *out = NULL;
    if (event_fd < 0) {
        struct clw_error why;
        clw_fail(&why, CLW_FAILED, NULL, "cannot make a descriptor: %s", strerror(errno));
        return client_fail(err, &why);
    }
    struct clowder *c = mem_zalloc(sizeof *c);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, &attr);
    pthread_condattr_destroy(&attr);
    c->event_fd = event_fd;
    c->owner = (struct link_owner){.frame_cb = frame_cb, .batch_cb = batch_cb, .closed_cb = closed_cb};
    if (o) {
        c->program = o->program ? mem_strdup(o->program) : NULL;
        c->no_start = o->no_start;
        c->notice = o->notice;
        c->notice_arg = o->notice_arg;
    }
    *out = c;
    return CLOWDER_OK;
}

void clowder_close(struct clowder *c)
{
    if (!c)
        return;
    while (c->jobs)
        clowder_job_close(c->jobs);
    client_disconnect(c);
    loop_free(c->loop);
    for (size_t i = 0; i < c->source_count; i++) {
        free(c->sources[i].name);
        free(c->sources[i].host);
    }
    while (c->old_name_count)
        free(c->old_names[--c->old_name_count]);
    free(c->old_names);
    while (c->ephemerals) {
        struct ephemeral *e = c->ephemerals;
        c->ephemerals = e->next;
        json_decref(e->request);
        free(e);
    }
    free(c->sources);
    free(c->program);
    close(c->event_fd);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

const char *clowder_version(void)
{
    return CLW_VERSION;
}
