/* What is said to a daemon: welcome, terms, that it is to go; and whether it is listened to. */
#include "engine/peers/daemon_talk.h"

#include "base/mono.h"
#include "base/paths.h"
#include "engine/model/core.h"
#include "engine/model/find.h"
#include "engine/model/launcher.h"
#include "engine/peers/dispatch.h"
#include "engine/peers/talk.h"
#include "engine/wire/wire_settings.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The one GPU that the daemon's tasks see. */
static void add_gpu(struct buf *b, int gpu)
{
    char text[64];
    for (const char *const *name = wire_gpu_variables; *name; name++) {
        snprintf(text, sizeof text, "%s=%d", *name, gpu);
        wire_add_text(b, WIRE_K_ENV, text);
    }
}

/* Those of its machine, when each daemon is to have one for itself: it is there, and sees which are free. */
static void offer_gpus(struct buf *b, const struct daemon *m)
{
    const struct store_settings *s = &m->profile->settings.set;
    int indices[HOST_GPUS_MAX];
    unsigned n = s->per_gpu && !s->shared_gpu && !m->batch ? place_gpus(m->place, indices, HOST_GPUS_MAX) : 0;
    struct buf text = {0};
    for (unsigned i = 0; i < n; i++)
        buf_printf(&text, "%d ", indices[i]);
    if (text.len)
        wire_add_field(b, WIRE_K_GPUS, text.data, text.len);
    buf_fini(&text);
}

/* So that a command within a task finds the engine that the task is from. */
static void add_store(struct buf *b)
{
    char *folder;
    if (paths_data(NULL, &folder, NULL))
        return;
    char *text = mem_printf("CLOWDER_DATA=%s", folder);
    wire_add_text(b, WIRE_K_ENV, text);
    free(text);
    free(folder);
}

static void add_env(struct buf *b, char *const *env)
{
    for (; env && *env; env++)
        wire_add_text(b, WIRE_K_ENV, *env);
}

void daemon_add_told(struct buf *b, const struct profile *p)
{
    wire_add_settings(b, &p->settings.set, STORE_TOLD_WELCOME);
    add_env(b, p->settings.env);
}

void daemon_send_welcome(struct peer *p, struct daemon *m)
{
    const struct profile_settings *s = &m->profile->settings;
    struct buf b = {0};
    wire_add_number(&b, WIRE_K_VERSION, WIRE_VERSION);
    wire_add_text(&b, WIRE_K_DAEMON_NAME, m->name);
    wire_add_text(&b, WIRE_K_PROFILE, m->profile->name);
    wire_add_text(&b, WIRE_K_HOST, m->place->host);
    wire_add_settings(&b, &s->set, STORE_TOLD_WELCOME);
    if (m->launcher->is_shell) {
        add_env(&b, s->local_env);
        add_store(&b);
    }
    add_env(&b, s->env);
    if (m->fleet.gpu >= 0)
        add_gpu(&b, m->fleet.gpu);
    offer_gpus(&b, m);
    if (m->fleet.kind != FLEET_CHILD && s->set.grace_ms)
        m->resume = resume_new();
    if (m->resume)
        wire_add_number(&b, WIRE_K_RECEIVED, 0);
    peer_send(p, &(struct frame){.type = WIRE_WELCOME, .len = (uint32_t)b.len}, b.data);
    if (m->resume)
        link_resume(p->link, m->resume, 0);
    buf_fini(&b);
}

bool daemon_send_resumed(struct peer *p, struct daemon *m, uint64_t has)
{
    struct buf b = {0};
    wire_add_number(&b, WIRE_K_VERSION, WIRE_VERSION);
    wire_add_number(&b, WIRE_K_RECEIVED, resume_received(m->resume));
    peer_send(p, &(struct frame){.type = WIRE_WELCOME, .flags = WIRE_RESUMED, .len = (uint32_t)b.len}, b.data);
    buf_fini(&b);
    return link_resume(p->link, m->resume, has);
}

void daemon_send_terms(struct peer *p, const struct daemon *m)
{
    struct buf b = {0};
    const struct store_settings set = place_settings(m->place);
    wire_add_settings(&b, &set, STORE_TOLD_TERMS);
    peer_send(p, &(struct frame){.type = WIRE_TERMS, .len = (uint32_t)b.len}, b.data);
    buf_fini(&b);
}

void daemon_give_or_not(struct daemon *m)
{
    disp_daemon_pause(m->profile->disp, m->disp, m->paused || !m->peer || m->peer->unread, mono_us());
    profile_act(m->profile->engine, m->profile);
}

void peer_daemon_read(struct peer *p, bool read)
{
    if (p->unread == !read || (!read && p->must_read))
        return;
    p->unread = !read;
    link_pause(p->link, !read);
    if (p->daemon)
        daemon_give_or_not(p->daemon);
    core_changed(p->engine);
}

void peer_daemon_read_all(struct peer *p)
{
    p->must_read = true;
    peer_daemon_read(p, true);
}

static void send_quit(struct peer *p, bool now)
{
    if (now)
        peer_daemon_read_all(p);
    peer_send(p, &(struct frame){.type = WIRE_QUIT, .flags = now ? WIRE_NOW : 0}, NULL);
}

void peer_daemon_act(struct daemon *m, unsigned acts)
{
    if (acts & FLEET_PING)
        peer_send(m->peer, &(struct frame){.type = WIRE_PING}, NULL);
    if (acts & FLEET_DRAIN)
        disp_daemon_drain(m->profile->disp, m->disp);
    if (acts & (FLEET_TELL | FLEET_TELL_NOW))
        send_quit(m->peer, acts & FLEET_TELL_NOW);
}
