/* Frames go to the thread in a list, each with what it is about: the loop knows which tasks a daemon has, and a daemon
 * gets the files of those alone. */
#include "engine/files/files_peer.h"

#include "base/mono.h"
#include "base/thread.h"
#include "engine/files/files_internal.h"
#include "engine/peers/talk.h"

#include <stdlib.h>
#include <string.h>

/* ---- the loop's side ---- */

static void message_free(struct files_message *m)
{
    file_job_rele(m->job);
    blk_rele(m->block);
    free(m->input);
    free(m);
}

static void free_peer(struct files_peer *f)
{
    while (f->in) {
        struct files_message *m = f->in;
        f->in = m->next;
        message_free(m);
    }
    while (f->out) {
        struct files_answer *a = f->out;
        f->out = a->next;
        blk_rele(a->body);
        free(a);
    }
    pthread_cond_destroy(&f->cond);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

/* It is in no list any more. */
static void end(struct files_peer *f)
{
    pthread_join(f->thread, NULL);
    loop_unpost(f->engine->loop, &f->call);
    free_peer(f);
}

/* What its thread wants of the loop. */
static void serve(void *arg)
{
    struct files_peer *f = arg;
    pthread_mutex_lock(&f->lock);
    struct files_answer *out = f->out;
    bool is_over = f->is_over, resume = f->is_paused && f->in_bytes < FILES_IN_MAX / 2;
    f->out = f->last_out = NULL;
    f->is_paused &= !resume;
    pthread_mutex_unlock(&f->lock);
    if (out && f->peer && f->peer->daemon)
        f->peer->daemon->files_ms = mono_ms();
    while (out) {
        struct files_answer *a = out;
        out = a->next;
        if (f->peer && !f->peer->dead)
            link_send_ref(f->peer->link, &a->frame,
                &(struct link_piece){a->body ? a->body->data : NULL, a->frame.len, a->body}, a->frame.len ? 1 : 0);
        blk_rele(a->body);
        free(a);
    }
    if (f->peer && !f->peer->dead) {
        if (resume)
            link_pause(f->peer->link, false);
        link_flush(f->peer->link);
    }
    if (!is_over)
        return;
    struct files_peer **at = &f->engine->files_peers;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    end(f);
}

static unsigned count_of(const struct engine *e, const struct daemon *m)
{
    unsigned n = 0;
    for (const struct files_peer *f = e->files_peers; f; f = f->next)
        n += f->peer && f->peer->daemon == m;
    return n;
}

void files_peer_hello(struct peer *p, struct daemon *m)
{
    if (count_of(p->engine, m) >= FILES_PEERS_EACH) {
        peer_refuse(p, CLW_BUSY, "the daemon has connections for files already");
        return;
    }
    struct files_peer *f = mem_zalloc(sizeof *f);
    f->engine = p->engine;
    f->peer = p;
    f->is_here = !p->remote;
    f->call = (struct loop_call){.run = serve, .arg = f};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->cond, NULL);
    if (!thread_start(&f->thread, files_thread, f)) {
        free_peer(f);
        peer_refuse(p, CLW_BUSY, "the engine has no thread left for files");
        return;
    }
    f->next = p->engine->files_peers;
    p->engine->files_peers = f;
    p->role = PEER_FILES;
    p->daemon = m;
    p->files = f;
    link_set_max(p->link, WIRE_BODY_MAX);
    peer_send(p, &(struct frame){.type = WIRE_WELCOME}, NULL);
}

/* The task that it asks about is one that the daemon has: its job, and its input. */
static bool find_task(struct peer *p, const struct frame *f, struct files_message *m)
{
    struct daemon *d = p->daemon;
    struct disp_job *job = NULL;
    const uint8_t *input;
    uint32_t len;
    if (!d || !d->disp)
        return false;
    if (f->first == UINT64_MAX) {
        job = disp_daemon_job(d->profile->disp, d->disp, f->job);
    } else if (disp_daemon_task(d->disp, f->job, f->first, &job, &input, &len)) {
        m->input = mem_strndup(input, len);
        m->input_len = len;
    }
    struct core_job *j = job ? disp_job_arg(job) : NULL;
    m->job = j && j->files ? file_job_hold(j->files) : NULL;
    return m->job;
}

static void give(struct files_peer *f, struct files_message *m)
{
    pthread_mutex_lock(&f->lock);
    *(f->in ? &f->last_in->next : &f->in) = m;
    f->last_in = m;
    m->cost = sizeof *m + m->frame.len + m->input_len;
    f->in_bytes += m->cost;
    bool pause = !f->is_paused && f->in_bytes > FILES_IN_MAX;
    f->is_paused |= pause;
    pthread_cond_signal(&f->cond);
    pthread_mutex_unlock(&f->lock);
    if (pause)
        link_pause(f->peer->link, true);
}

void files_peer_frame(struct peer *p, const struct frame *f, struct blk *block)
{
    if (f->type != WIRE_WANT && f->type != WIRE_GET && f->type != WIRE_PUT && f->type != WIRE_BLOCK) {
        peer_drop(p, "a frame that no daemon sends about files");
        return;
    }
    struct files_message *m = mem_zalloc(sizeof *m);
    if (p->daemon)
        p->daemon->files_ms = mono_ms();
    m->frame = *f;
    m->block = blk_hold(block);
    if (f->type == WIRE_WANT || f->type == WIRE_PUT)
        m->is_unknown = !find_task(p, f, m);
    give(p->files, m);
}

void files_peer_sent(struct peer *p)
{
    struct files_peer *f = p->files;
    pthread_mutex_lock(&f->lock);
    f->unsent = 0;
    pthread_cond_signal(&f->cond);
    pthread_mutex_unlock(&f->lock);
}

static void stop(struct files_peer *f)
{
    pthread_mutex_lock(&f->lock);
    f->peer = NULL;
    atomic_store(&f->stop, true);
    pthread_cond_signal(&f->cond);
    pthread_mutex_unlock(&f->lock);
}

void files_peer_gone(struct peer *p)
{
    stop(p->files);
    p->files = NULL;
}

void files_peers_stop(struct engine *e)
{
    for (struct files_peer *f = e->files_peers; f; f = f->next) {
        if (f->peer)
            f->peer->files = NULL;
        stop(f);
    }
    for (struct files_peer *f = e->files_peers, *next; f; f = next) {
        next = f->next;
        end(f);
    }
    e->files_peers = NULL;
}

/* ---- the thread's side ---- */

struct files_message *files_next(struct files_peer *f)
{
    pthread_mutex_lock(&f->lock);
    while (!f->in && !atomic_load(&f->stop))
        pthread_cond_wait(&f->cond, &f->lock);
    struct files_message *m = atomic_load(&f->stop) ? NULL : f->in;
    if (m) {
        f->in = m->next;
        f->in_bytes -= m->cost;
        if (f->is_paused && f->in_bytes < FILES_IN_MAX / 2)
            loop_post(f->engine->loop, &f->call);
    }
    pthread_mutex_unlock(&f->lock);
    return m;
}

void files_message_done(struct files_message *m)
{
    message_free(m);
}

void files_send(struct files_peer *f, const struct frame *frame, struct blk *body)
{
    struct files_answer *a = mem_zalloc(sizeof *a);
    a->frame = *frame;
    a->body = body;
    pthread_mutex_lock(&f->lock);
    while (f->unsent > FILES_OUT_MAX && !atomic_load(&f->stop))
        pthread_cond_wait(&f->cond, &f->lock);
    *(f->out ? &f->last_out->next : &f->out) = a;
    f->last_out = a;
    f->unsent += frame->len + WIRE_HEADER;
    pthread_mutex_unlock(&f->lock);
    loop_post(f->engine->loop, &f->call);
}

void files_over(struct files_peer *f)
{
    pthread_mutex_lock(&f->lock);
    f->is_over = true;
    pthread_mutex_unlock(&f->lock);
    loop_post(f->engine->loop, &f->call);
}
