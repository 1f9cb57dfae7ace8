/* Daemons that are connected: who is asked whether he is there, and who does not do as he was told. A connection can
 * die without a sign, and a daemon be stopped: it is asked, and silence is believed. */
#include "engine/fleet/fleet_internal.h"

static uint64_t awake_since(const struct fleet_daemon *d, uint64_t ms)
{
    uint64_t awake_ms = d->place->fleet->awake_ms;
    return ms > awake_ms ? ms : awake_ms;
}

/* The time that its first task has by --timeout, and the engine's patience with it, have passed. It may be that the
 * daemon is stopped, or that it does not want to. */
static uint64_t overdue_ms(const struct fleet_daemon *d, const struct fleet_talk *t)
{
    return t->task_limit_ms && !t->is_unread && !t->is_cut_off
               ? awake_since(d, t->task_since_ms) + t->task_limit_ms + FLEET_OVERDUE_MS
               : UINT64_MAX;
}

/* It was told to go, and has nothing to do: an honest one goes at once. */
static bool is_to_go(const struct fleet_daemon *d, const struct fleet_talk *t)
{
    return d->quit_sent && !t->has_tasks && !t->has_setups && !t->is_unread && !t->is_cut_off;
}

static uint64_t stays_until_ms(const struct fleet_daemon *d, const struct fleet_talk *t, uint64_t now_ms)
{
    return is_to_go(d, t) ? awake_since(d, d->idle_ms ? d->idle_ms : now_ms) + FLEET_IDLE_QUIT_MS : UINT64_MAX;
}

static bool is_pinged(const struct fleet_talk *t)
{
    return t->is_remote || t->has_tasks;
}

static unsigned ping(struct fleet_daemon *d, const struct fleet_talk *t, uint64_t now_ms)
{
    uint64_t patience_ms = t->is_remote ? FLEET_DEAD_MS - FLEET_PING_MS : FLEET_HERE_DEAD_MS;
    if (t->heard_ms >= d->asked_ms || t->is_unread || t->is_cut_off)
        d->asked_ms = 0;
    if (t->is_cut_off)
        return 0;
    if (d->asked_ms && now_ms - awake_since(d, d->asked_ms) > patience_ms)
        return FLEET_SILENT;
    /* One that we do not read may say what it likes, and is to hear that we are there. */
    bool is_quiet = t->is_unread || now_ms - t->heard_ms > FLEET_PING_MS;
    if (!is_quiet || now_ms - d->pinged_ms <= FLEET_PING_MS || !is_pinged(t))
        return 0;
    d->pinged_ms = now_ms;
    d->asked_ms = d->asked_ms ? d->asked_ms : now_ms;
    return FLEET_PING;
}

unsigned fleet__talk(struct fleet_daemon *d, const struct fleet_talk *t, uint64_t now_ms)
{
    if (now_ms >= overdue_ms(d, t)) {
        d->is_overdue = true;
        return FLEET_END_OVERDUE;
    }
    if (now_ms >= stays_until_ms(d, t, now_ms)) {
        d->idle_ms = now_ms; /* said once */
        return FLEET_END_IDLE;
    }
    d->idle_ms = !is_to_go(d, t) ? 0 : d->idle_ms ? d->idle_ms : now_ms;
    return ping(d, t, now_ms);
}

uint64_t fleet__talk_next_ms(const struct fleet_daemon *d, const struct fleet_talk *t, uint64_t now_ms)
{
    uint64_t overdue = overdue_ms(d, t), stays = stays_until_ms(d, t, now_ms);
    uint64_t asks = is_pinged(t) ? now_ms + FLEET_PING_MS / 2 : UINT64_MAX;
    uint64_t first = overdue < asks ? overdue : asks;
    return stays < first ? stays : first;
}
