/* Who is meant: what the engine has, by name or number, and what is seen of it at a glance. */
#include "engine/model/find.h"

#include <string.h>

struct profile *profile_find(struct engine *e, const char *name)
{
    struct profile *p = e->profiles;
    while (p && strcmp(p->name, name) != 0)
        p = p->next;
    return p;
}

struct place *place_find(struct profile *p, const char *host)
{
    struct place *l = p->places;
    while (l && strcmp(l->host, host) != 0)
        l = l->next;
    return l;
}

struct host *host_find(struct engine *e, const char *name)
{
    struct host *h = e->hosts;
    while (h && strcmp(h->name, name) != 0)
        h = h->next;
    return h;
}

struct daemon *daemon_by_number(struct engine *e, uint32_t number)
{
    for (struct profile *p = e->profiles; p; p = p->next)
        for (struct daemon *m = p->daemons; m; m = m->after)
            if (m->number == number)
                return m;
    return NULL;
}

struct peer *client_find(struct engine *e, uint64_t id)
{
    struct peer *p = e->peers;
    while (p && !(p->role == PEER_CLIENT && p->id == id))
        p = p->after;
    return p;
}

bool profile_is_foreign(const struct profile *p)
{
    return p->settings.runtime != STORE_RUNTIME_CLOWDER;
}

bool place_is_here(const struct place *l)
{
    return !l->via || (l->via->here && !l->via->is_scheduler);
}

const struct host_facts *place_facts(const struct place *l)
{
    const struct host *h = l->via ? l->via : l->command ? NULL : host_find(l->profile->engine, "local");
    return h && h->has_facts ? &h->facts : NULL;
}

struct store_settings place_settings(const struct place *l)
{
    struct store_settings set = l->profile->settings.set;
    store_settings_add_host(&set, &l->manners);
    return set;
}

unsigned place_gpus(const struct place *l, int *indices, unsigned max)
{
    const struct host_facts *f = place_facts(l);
    uint64_t chosen = place_settings(l).gpus;
    unsigned n = 0;
    for (int i = 0; f && i < f->gpu_count && n < max; i++) {
        int index = f->gpus[i].index;
        bool is_chosen = !chosen || (index >= 0 && index < STORE_INDICES_MAX && chosen >> index & 1);
        if (is_chosen)
            indices[n++] = index;
    }
    return n;
}
